//! `vmptcp bisect`: the commit that broke a test.

mod seeds;

use super::context::Context;
use super::flags::RunFlags;
use super::pipeline::Target;
use super::test;
use super::workspace::{LockedWorkspace, run_tests};
use crate::error::{Error, ExitCode, Kind, Result};
use crate::event::Outcome;
use crate::plan::Seeds;
use crate::report::{clean, console};
use crate::results::Summary;
use crate::results::fisher::Failures;
use crate::series::bisect::{Bisection, Question, Standing, Term};
use crate::settings::GuestTime;
use crate::text::{Shown, file};
use seeds::BySeeds;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::path::Path;

/// Find the commit that broke a test
///
/// Builds and boots commits between GOOD and BAD until the first bad one is found. A commit is good only if all tests pass,
/// in every boot. One that does not build, does not boot, or has no such test is skipped. On user-mode Linux, commits and
/// the two ends are compared by how often they fail with the same seeds. The same command again goes on where an interrupted
/// one was.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp bisect v6.12 HEAD -- diag
  vmptcp bisect v6.12 HEAD --boots 5 -- mptcp_join   a flaky one: good only if it passes five times
  vmptcp bisect v6.12 HEAD --uml --seeds 1..50 -- simult_flows    bad if it fails with more seeds than chance allows
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
        let said = if Bisection::reset(&place.workspace)? {
            "bisection abandoned"
        } else {
            "no bisection was begun"
        };
        console::note(said);
        return Ok(ExitCode::Passed as u8);
    };
    place.require_buildable()?;
    let seeds = seeds_of(args, &place)?;
    let question = Question {
        good: place.git.commit(good)?,
        bad: place.git.commit(bad)?,
        tests: args.tests.clone(),
        seeds: seeds.map_or_else(String::new, |seeds| seeds.to_string()),
    };
    let (bisection, goes_on) = Bisection::open(&place.workspace, &question)?;
    if goes_on {
        console::note("going on with the bisection that was begun");
    }
    let trial = Trial { args, context, place: &place };
    let state = place.workspace.dir("state")?;
    let log = state.join("bisect.log");
    let Some(seeds) = seeds else {
        return search(bisection, &place, &log, &mut |commit| trial.boots(commit), &|_| None);
    };
    let by_seeds = RefCell::new(BySeeds::open(state.join("failures.json"), seeds, goes_on));
    let mut try_seeds = |commit: &str, seeds| trial.seeds(commit, seeds);
    let ends = match by_seeds.borrow_mut().ends(&question, &mut try_seeds) {
        Err(error) if error.kind() == Kind::Usage => {
            bisection.end()?;
            return Err(error);
        }
        ends => ends?,
    };
    let mut judge = |commit: &str| by_seeds.borrow_mut().judge(ends, commit, &mut try_seeds);
    search(bisection, &place, &log, &mut judge, &|commit| by_seeds.borrow().told(commit))
}

/// The seeds that commits are compared by: on user-mode Linux in virtual time, if they are several.
fn seeds_of(args: &Args, place: &LockedWorkspace) -> Result<Option<Seeds>> {
    let settings = &place.target.loaded.settings;
    if !place.target.variant.uml || settings.vm.time == GuestTime::Real {
        return Ok(None);
    }
    let seeds = if test::seeds_chosen(&place.target) {
        test::seeds(&settings.test.seeds)?
    } else {
        test::seeds(&format!("1..{}", settings.test.confirm_seeds))?
    };
    if args.boots > 1 {
        return Err(Error::usage(
            "in virtual time every boot with a seed is the same: --boots tells nothing",
        )
        .hint("try more seeds: --seeds 1..50; or let time pass as on the host: --time real"));
    }
    Ok((seeds.count() > 1).then_some(seeds))
}

/// Tries commits until it is known which is the first bad one, and shows it, with what is known of it and of its parent.
fn search(
    mut bisection: Bisection<'_>,
    place: &LockedWorkspace,
    log: &Path,
    judge: &mut dyn FnMut(&str) -> Result<Term>,
    known: &dyn Fn(&str) -> Option<String>,
) -> Result<u8> {
    let suspects = loop {
        file::replace(log, bisection.log()?.as_bytes())?;
        match bisection.standing()? {
            Standing::Try(commit, left) => {
                let subject = place.git.read(["show", "-s", "--format=%s", &commit])?;
                console::note(&format!("{left} {commit:.12} {}", Shown::line(&subject)));
                let verdict = judge(&commit)?;
                console::note(&format!("{commit:.12} is {}", word(verdict)));
                bisection.tell(&commit, verdict)?;
            }
            Standing::Found(commit) => break vec![commit],
            Standing::OneOf(commits) => break commits,
        }
    };
    bisection.end()?;
    let mut said = String::new();
    if suspects.len() > 1 {
        let _ = writeln!(said, "one of these is the first bad commit, and no other could be tried:");
    }
    for commit in &suspects {
        let shown = place.git.read(["show", "-s", "--format=%h %s (%an, %as)", "--abbrev=12", commit])?;
        let _ = writeln!(said, "{}", clean(&shown));
        let parent = place.git.commit(&format!("{commit}~1")).ok().and_then(|parent| known(&parent));
        for (who, of_it) in [("it", known(commit)), ("its parent", parent)] {
            if let Some(of_it) = of_it {
                let _ = writeln!(said, "  {who} {of_it}");
            }
        }
    }
    let _ = writeln!(said, "log, for git bisect replay: {}", clean(&log.display().to_string()));
    console::out(&said)?;
    let code = if suspects.len() == 1 { ExitCode::Passed } else { ExitCode::CannotRun };
    Ok(code as u8)
}

fn word(verdict: Term) -> &'static str {
    match verdict {
        Term::Good => "good",
        Term::Bad => "bad",
        Term::Skip => "skipped",
    }
}

/// What it takes to try commits.
struct Trial<'t> {
    args: &'t Args,
    context: &'t Context,
    place: &'t LockedWorkspace,
}

impl Trial<'_> {
    /// Builds a commit, and boots it as often as it has to be.
    fn boots(&self, commit: &str) -> Result<Term> {
        let Some(target) = self.check_out(commit)? else { return Ok(Term::Skip) };
        for _ in 0..self.args.boots {
            match self.run(&target)?.as_ref().map(verdict) {
                Some(Term::Good) => {}
                Some(other) => return Ok(other),
                None => return Ok(Term::Skip),
            }
        }
        Ok(Term::Good)
    }

    /// Builds a commit, and runs the tests with these seeds.
    fn seeds(&self, commit: &str, seeds: Seeds) -> Result<Option<Failures>> {
        let Some(mut target) = self.check_out(commit)? else { return Ok(None) };
        target.loaded.settings.test.seeds = seeds.to_string();
        Ok(self.run(&target)?.map(|summary| summary.failing_seeds()))
    }

    fn check_out(&self, commit: &str) -> Result<Option<Target>> {
        triable(self.place.check_out(self.context, commit, self.place.target.variant))
    }

    fn run(&self, target: &Target) -> Result<Option<Summary>> {
        let runs = target.work.root().join("runs");
        let run = triable(run_tests(self.context, target, &self.args.tests, &runs))?;
        Ok(run.map(|run| run.summary))
    }
}

/// None, after a note of why, where a commit cannot be tried.
fn triable<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(done) => Ok(Some(done)),
        Err(error) if matches!(error.kind(), Kind::Build | Kind::Usage) => {
            let why = error.to_string();
            console::note(&format!("it cannot be tried: {}", why.lines().next().unwrap_or_default()));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What a run says of its commit. A guest that did not come up says nothing of the tests.
fn verdict(summary: &Summary) -> Term {
    if summary.tests.is_empty() || summary.tests.iter().all(|test| test.result.outcome == Outcome::NotRun) {
        return Term::Skip;
    }
    let well = summary.tests.iter().all(|test| test.result.outcome.is_ok());
    if well && !summary.has_splat() { Term::Good } else { Term::Bad }
}
