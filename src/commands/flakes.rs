//! `vmptcp flakes`: what fails at times.

use super::context::Context;
use super::history;
use crate::error::{Error, ExitCode, Result};
use crate::history::{Filter, Flake};
use crate::report::{self, console};
use globset::{Glob, GlobMatcher};
use jiff::ToSpan as _;

/// List tests and subtests that failed in some runs: how often, since when, on which kernels
///
/// Looks at all runs of the user, over all trees, and at imported ones of the public CI. A test that failed and passed when it
/// ran again counts as failed.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp flakes                          all that failed and also passed, the most frequent first
  vmptcp flakes simult_flows --all       also what always failed
  vmptcp flakes '*join*' --since 30d
  vmptcp flakes --on 'public export/normal' --json")]
pub struct Args {
    /// Only tests and subtests that match, as in `mptcp_join` or `*bwidth*`
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// Only kernels and machines whose name contains this: normal, debug, tcg, kvm, virtual time, public export/normal
    #[arg(long, value_name = "TEXT")]
    on: Option<String>,
    /// Only runs of the last days, as in 30d
    #[arg(long, value_name = "DAYS", value_parser = days)]
    since: Option<i32>,
    /// Also what failed whenever it ran
    #[arg(long)]
    all: bool,
    /// For a program
    #[arg(long)]
    json: bool,
}

/// Reads `30d`.
pub fn days(text: &str) -> std::result::Result<i32, String> {
    let number = text.strip_suffix('d').unwrap_or(text).parse::<i32>();
    number
        .ok()
        .filter(|days| (1..=36500).contains(days))
        .ok_or_else(|| "not a number of days, as in 30d".to_owned())
}

/// When it was so many days ago, in milliseconds since 1970.
pub fn days_ago(days: i32) -> i64 {
    let now = jiff::Timestamp::now();
    now.checked_sub((i64::from(days) * 24).hours()).map_or(0, jiff::Timestamp::as_millisecond)
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let matchers = matchers(&args.filters)?;
    let filter =
        Filter { configuration: args.on.clone(), since_ms: args.since.map(days_ago), ..Filter::default() };
    let index = history::open(context)?;
    let mut flakes = index.flakes(&filter)?;
    flakes.retain(|flake| (args.all || flake.also_passed()) && is_meant(flake, &matchers));
    flakes.sort_by(|a, b| b.rate().total_cmp(&a.rate()).then_with(|| a.case.cmp(&b.case)));
    if args.json {
        console::out(&report::json_of(&flakes)?)?;
    } else if flakes.is_empty() {
        console::out("no test failed in some runs and passed in others\n")?;
    } else {
        console::out(&report::history::flakes(&flakes, context.colour_on_stdout()))?;
    }
    Ok(ExitCode::Passed as u8)
}

fn matchers(filters: &[String]) -> Result<Vec<GlobMatcher>> {
    let matcher = |filter: &String| {
        let glob = Glob::new(filter);
        glob.map(|glob| glob.compile_matcher())
            .map_err(|error| Error::usage(format!("filter {filter}: {error}")))
    };
    filters.iter().map(matcher).collect()
}

/// A filter is about the test, or about `TEST: SUBTEST`.
fn is_meant(flake: &Flake, matchers: &[GlobMatcher]) -> bool {
    let whole = crate::event::label(&flake.case.suite, &flake.case.test);
    let text = flake.case.to_string();
    matchers.is_empty()
        || matchers.iter().any(|matcher| {
            matcher.is_match(&whole) || matcher.is_match(&text) || matcher.is_match(&flake.case.test)
        })
}
