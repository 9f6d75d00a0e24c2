//! `vmptcp bisect`: the commit that broke a test.

use super::context::Context;
use super::flags::RunFlags;
use super::workspace::{LockedWorkspace, run_tests};
use crate::error::{Error, ExitCode, Kind, Result};
use crate::event::Outcome;
use crate::report::{clean, console};
use crate::results::Summary;
use crate::series::bisect::{Bisection, Question, Standing, Term};
use crate::text::{Shown, file};
use std::fmt::Write as _;

/// Find the commit that broke a test
///
/// Builds and boots commits between GOOD and BAD until the first bad one is found. A commit is good only if all tests pass,
/// in every boot. One that does not build, does not boot, or has no such test is skipped. The same command again goes on
/// where an interrupted one was.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp bisect v6.12 HEAD -- diag
  vmptcp bisect v6.12 HEAD --boots 5 -- mptcp_join   a flaky one: good only if it passes five times
  vmptcp bisect --reset                              give up what was begun

Exit codes: 0 found, 5 only commits that cannot be tried are left.")]
pub struct Args {
    /// A commit where the tests pass
    #[arg(value_name = "GOOD", required_unless_present = "reset")]
    good: Option<String>,
    /// A commit where they do not
    #[arg(value_name = "BAD", required_unless_present = "reset")]
    bad: Option<String>,
    /// The tests, as `vmptcp test` takes them
    #[arg(last = true, value_name = "TEST", required_unless_present = "reset")]
    tests: Vec<String>,
    /// How many times a commit is booted and tested
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    boots: u32,
    /// Give up the bisection that was begun
    #[arg(long)]
    reset: bool,
    #[command(flatten)]
    flags: RunFlags,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let place = LockedWorkspace::named(context, &args.flags, "bisect")?;
    let (Some(good), Some(bad), false) = (&args.good, &args.bad, args.reset) else {
        let said =
            if Bisection::reset(&place.workspace)? { "it is given up" } else { "no bisection was begun" };
        console::note(said);
        return Ok(ExitCode::Passed as u8);
    };
    place.require_buildable()?;
    let question =
        Question { good: place.git.commit(good)?, bad: place.git.commit(bad)?, tests: args.tests.clone() };
    let (mut bisection, goes_on) = Bisection::open(&place.workspace, &question)?;
    if goes_on {
        console::note("going on with the bisection that was begun");
    }
    let log = place.workspace.dir("state")?.join("bisect.log");
    loop {
        file::replace(&log, bisection.log()?.as_bytes())?;
        let suspects = match bisection.standing()? {
            Standing::Try(commit, left) => {
                let subject = place.git.read(["show", "-s", "--format=%s", &commit])?;
                console::note(&format!("{left} {commit:.12} {}", Shown::line(&subject)));
                let verdict = try_out(args, context, &place, &commit)?;
                console::note(&format!("{commit:.12} is {}", word(verdict)));
                bisection.tell(&commit, verdict)?;
                continue;
            }
            Standing::Found(commit) => vec![commit],
            Standing::OneOf(commits) => commits,
        };
        bisection.end()?;
        let mut said = String::new();
        if suspects.len() > 1 {
            let _ = writeln!(said, "one of these is the first bad commit, and no other could be tried:");
        }
        for commit in &suspects {
            let shown = place.git.read(["show", "-s", "--format=%h %s (%an, %as)", "--abbrev=12", commit])?;
            let _ = writeln!(said, "{}", clean(&shown));
        }
        let _ = writeln!(said, "log, for git bisect replay: {}", clean(&log.display().to_string()));
        console::out(&said)?;
        let code = if suspects.len() == 1 { ExitCode::Passed } else { ExitCode::CannotRun };
        return Ok(code as u8);
    }
}

fn word(verdict: Term) -> &'static str {
    match verdict {
        Term::Good => "good",
        Term::Bad => "bad",
        Term::Skip => "skipped",
    }
}

/// Builds a commit, and boots it as often as it has to be.
fn try_out(args: &Args, context: &Context, place: &LockedWorkspace, commit: &str) -> Result<Term> {
    let skip = |error: Error| match error.kind() {
        Kind::Build | Kind::Usage => {
            console::note(&format!(
                "it cannot be tried: {}",
                error.to_string().lines().next().unwrap_or_default()
            ));
            Ok(Term::Skip)
        }
        Kind::CannotRun | Kind::Interrupted => Err(error),
    };
    let target = match place.check_out(context, commit, place.target.variant) {
        Ok(target) => target,
        Err(error) => return skip(error),
    };
    let runs = target.work.root().join("runs");
    for _ in 0..args.boots {
        match run_tests(context, &target, &args.tests, &runs) {
            Ok(run) => match verdict(&run.summary) {
                Term::Good => {}
                other => return Ok(other),
            },
            Err(error) => return skip(error),
        }
    }
    Ok(Term::Good)
}

/// What a run says of its commit. A guest that did not come up says nothing of the tests.
fn verdict(summary: &Summary) -> Term {
    if summary.tests.is_empty() || summary.tests.iter().all(|test| test.result.outcome == Outcome::NotRun) {
        return Term::Skip;
    }
    let well = summary.tests.iter().all(|test| test.result.outcome.is_ok());
    if well && !summary.has_splat() { Term::Good } else { Term::Bad }
}
