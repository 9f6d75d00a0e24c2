//! `vmptcp hunt`: the seeds with which a test fails.

use super::context::Context;
use super::flags::RunFlags;
use super::overrides::Overrides;
use super::pipeline::{FinishedRun, Target};
use super::test;
use crate::error::{Error, Result};
use crate::plan::{Hunt, TestPlan};
use crate::process::quote;
use crate::report::{self, ByOutcome};
use crate::text::duration;
use std::time::Duration;

/// The seeds that are tried if none are given.
const SEEDS: &str = "1..1000";

/// Failures that a test marks as flaky count: it is them that are hunted.
const COUNT_FLAKY: &str = "--count-flaky";

/// Flags that say how a hunt goes on, and change nothing of a single run.
const OF_THE_HUNT: [&str; 9] = [
    "--uml",
    "--seed",
    "--vms",
    "--jobs",
    "--repeat",
    "--fail-fast",
    "--stress",
    "--until-fail",
    COUNT_FLAKY,
];

/// Find the seeds with which a test fails
///
/// Runs one test in user-mode Linux, in virtual time, with one seed after the other, spread over the cores. Stops at the first
/// failure, also one that the test itself marks as flaky, and shows the command that makes it again. The same command again goes on where an interrupted one was, as long as
/// the kernel, the selftests, this program and the root's programs are the same.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp hunt simult_flows                        seeds 1 to 1000, up to the first failure
  vmptcp hunt simult_flows --seeds 1..50 --all    all of them: how often does it fail?
  vmptcp hunt simult_flows --vary delay,loss      on links with another delay and loss for each seed
  vmptcp hunt mptcp_join:subflows --budget 30m    a group of its subtests, for half an hour
  vmptcp test simult_flows --uml --count-flaky --seed 4    what was found, again

Exit codes: 0 no seed failed, 1 one did, 3 a guest crashed or its kernel printed a splat, 130 interrupted.")]
pub struct Args {
    /// The test, as `vmptcp test` takes it
    #[arg(value_name = "TEST")]
    test: String,
    /// Go on after a failure
    #[arg(long)]
    all: bool,
    /// Start nothing more after this time, as in 90s, 30m or 2h
    #[arg(long, value_name = "TIME", value_parser = time)]
    budget: Option<Duration>,
    #[command(flatten)]
    flags: RunFlags,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let mut flags = args.flags.overrides()?;
    let command = again(args, context, &flags);
    if !flags.typed().any(|flag| is_flag(flag, "--seed")) {
        flags = flags.and(Overrides::of("test.seeds", "--seeds", SEEDS));
    }
    let own = Overrides::of("kernel.uml", "--uml", "true").and(Overrides::of(
        "test.ignore-flaky",
        COUNT_FLAKY,
        "false",
    ));
    let target = Target::open(context, flags.and(own))?;
    let mut plan = test::plan(context, &target, std::slice::from_ref(&args.test), &[], Vec::new())?;
    let tests = test::only_test(&mut plan, "a hunt", "vmptcp hunt NAME")?;
    let divided = tests.can_be_divided();
    search(tests, args)?;
    let table = ByOutcome {
        seeds: tests.seeds.ends(),
        command: if divided { command + " --no-shards" } else { command },
        json: args.flags.tests.json,
        colour: context.colour_on_stdout(),
    };
    let ended: FinishedRun = target.carry_out(&plan, &target.runs(), context)?;
    report::show(&ended.summary, &ended.path, &table, !table.json)?;
    ended.into_result()
}

/// Makes a search of a plan that runs a test with each of its seeds.
fn search(tests: &mut TestPlan, args: &Args) -> Result<()> {
    if !tests.guest.has_virtual_time() {
        return Err(Error::usage("in real time the same seed makes another run each time")
            .hint("leave --time real out, and vm.time = \"real\" of the settings"));
    }
    let labels: Vec<String> = tests.selections.iter().map(|selection| selection.test.label()).collect();
    tests.choice = format!("hunt {}", labels.join(", "));
    tests.hunt = Some(Hunt { budget: args.budget });
    tests.fail_fast = !args.all;
    // The seeds are what is spread over the cores. In parts, a test would depend on how many guests there are.
    tests.fleet.shards = false;
    (tests.repeat, tests.fleet.until_fail) = (1, false);
    Ok(())
}

/// The command that runs the test once, without its seed.
fn again(args: &Args, context: &Context, flags: &Overrides) -> String {
    let tree = context.global.tree.iter().map(|tree| format!("--tree {}", quote(tree)));
    let own = |flag: &&str| !OF_THE_HUNT.iter().any(|of_it| is_flag(flag, of_it));
    let typed = flags.typed().filter(own).map(str::to_owned);
    let words = ["vmptcp test".to_owned(), quote(&args.test), "--uml".to_owned()];
    let counted = [COUNT_FLAKY.to_owned()];
    words.into_iter().chain(counted).chain(tree).chain(typed).collect::<Vec<_>>().join(" ")
}

/// Whether what was typed is this flag; `--seeds` is `--seed`.
fn is_flag(typed: &str, flag: &str) -> bool {
    typed
        .split([' ', '='])
        .next()
        .is_some_and(|name| name.strip_suffix('s').unwrap_or(name) == flag || name == flag)
}

/// Reads a time, for clap.
fn time(text: &str) -> Result<Duration, String> {
    duration::parse(text).ok_or_else(|| format!("give {}", duration::FORM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_known_by_their_names() {
        assert!(
            is_flag("--seeds 1..50", "--seed")
                && is_flag("--seed 4", "--seed")
                && is_flag("--vms 2", "--vms")
        );
        assert!(!is_flag("--slow yes", "--seed") && !is_flag("--append --seeds", "--seed"));
    }
}
