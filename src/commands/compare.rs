//! `vmptcp compare`: what differs between two runs.

use super::context::Context;
use super::report as report_command;
use crate::error::{ExitCode, Result};
use crate::history::Entry;
use crate::report::{self, console};
use crate::results::{Change, Summary, cases, compare};
use crate::store::Replay;

/// Compare two runs: regressions, what is fixed, new, missing, flaky, still failing, slower
///
/// Tests and subtests are compared by their names. Where a test ran several times, also with several seeds, it is a regression
/// if it fails more often than chance explains (Fisher's exact test, p below 0.05).
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp compare 20261122-131500-4711            with the newest run
  vmptcp compare 20261122-13 20261123-09         by unique beginnings of their names
  vmptcp compare ../net-next/.vmptcp/runs/latest latest --json

Exit codes: 0 no regression, 1 at least one.")]
pub struct Args {
    /// The run before: its name, a unique beginning of it, or its directory
    #[arg(value_name = "BEFORE")]
    before: String,
    /// The run after
    #[arg(value_name = "AFTER", default_value = crate::store::LATEST)]
    after: String,
    /// A test is slower if it takes this many times as long; 0: times are not compared
    #[arg(long, value_name = "FACTOR", default_value_t = 1.5, value_parser = factor)]
    slower: f64,
    /// For a program
    #[arg(long)]
    json: bool,
}

fn factor(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse::<f64>().ok();
    number
        .filter(|number| *number == 0.0 || (*number >= 1.0 && number.is_finite()))
        .ok_or_else(|| "neither 0 nor at least 1".into())
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let before = report_command::find(context, &args.before)?;
    let after = report_command::find(context, &args.after)?;
    let (old, new) = (Summary::of(&before.records), Summary::of(&after.records));
    let (first, second) = (Entry::of(before.path.clone(), &old), Entry::of(after.path.clone(), &new));
    // How long something takes on another kind of kernel or machine tells nothing.
    let comparable = first.configuration == second.configuration;
    let slower = (args.slower > 0.0 && comparable).then_some(args.slower);
    let comparison = compare(&cases(&old), &cases(&new), slower);
    if args.json {
        console::out(&report::json_of(&comparison)?)?;
    } else {
        console::out(&format!("{}{}", head(&first, &before, "before"), head(&second, &after, "after ")))?;
        if !comparable && args.slower > 0.0 {
            console::note("the runs are of different kernels or machines: times are not compared");
        }
        console::out(&report::history::comparison(&comparison, context.colour_on_stdout()))?;
    }
    let regressed = comparison.count(Change::Regression) > 0;
    Ok(if regressed { ExitCode::TestsFailed } else { ExitCode::Passed } as u8)
}

fn head(entry: &Entry, replay: &Replay, which: &str) -> String {
    let parts = [entry.version.as_str(), entry.commit.as_str(), entry.configuration.as_str()];
    let kernel = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
    let place = report::clean(&replay.path.display().to_string());
    format!("{which}  {}: {}\n        {place}\n", report::clean(&kernel), entry.verdict.as_str())
}
