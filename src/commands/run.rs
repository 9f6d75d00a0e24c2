//! `vmptcp run`: from a tree, or none, to a verdict.

use super::context::Context;
use super::flags::{Asked, RunFlags};
use super::pipeline::Target;
use super::{module, sample, source, test};
use crate::error::{ExitCode, Result};
use crate::plan::Step;
use crate::process::Cmd;
use crate::report::console;
use crate::report::text::clean;
use crate::settings;
use crate::suite::Suite;

/// Go from a tree to a verdict
///
/// Obtains a kernel tree if there is none, configures and builds it, boots it, runs the tests of the profile, and plays the
/// samples and the kernel modules of the project.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp run                       the default profile: smoke
  vmptcp run --profile full        all tests
  vmptcp run --only selftests      without the samples and the kernel modules
  vmptcp run --variant debug       on a kernel with KASAN, lockdep and the like
  vmptcp run --dry-run             only show what would be done, with every command")]
pub struct Args {
    /// Show what would be done, with every command, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Run only these suites: selftests, samples, modules
    #[arg(long, value_name = "SUITE", value_delimiter = ',', value_parser = suite)]
    only: Vec<Suite>,
    /// Leave these suites out
    #[arg(long, value_name = "SUITE", value_delimiter = ',', value_parser = suite, conflicts_with = "only")]
    skip: Vec<Suite>,
    #[command(flatten)]
    flags: RunFlags,
    #[command(flatten)]
    asked: Asked,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let flags = || args.flags.overrides();
    let tree = match context.find_tree()? {
        Some(tree) => tree,
        None if args.dry_run => {
            let settings = context.settings(None, flags()?)?.settings;
            return console::out(&without_tree(context, &settings.source)).map(|()| ExitCode::Passed as u8);
        }
        None => source::obtain_for_run(context)?,
    };
    let target = Target::of(context, tree, flags()?)?;
    let mut plan = test::plan(context, &target, &[], &[], args.asked.sources()?)?;
    if !args.wants(Suite::Selftests) {
        plan.steps.retain(|step| !matches!(step, Step::Test(_)));
    }
    if args.wants(Suite::Samples) {
        plan.steps.push(sample::step(context, &target)?);
    }
    if args.wants(Suite::Modules) {
        plan.steps.push(module::step(context, &target)?);
    }
    sample::finish(context, &target, &plan, args.dry_run, args.flags.tests.json)
}

impl Args {
    fn wants(&self, suite: Suite) -> bool {
        (self.only.is_empty() || self.only.contains(&suite)) && !self.skip.contains(&suite)
    }
}

/// Reads the name of a suite, for clap.
fn suite(text: &str) -> Result<Suite, String> {
    let names = Suite::ALL.map(Suite::as_str).join(", ");
    let known = Suite::ALL.into_iter().find(|suite| suite.as_str() == text);
    known.ok_or_else(|| format!("there is no suite of this name: {names}"))
}

/// The plan as far as it is known before there is a tree.
fn without_tree(context: &Context, source: &settings::Source) -> String {
    let clone = Cmd::new("git").args(["clone", "--depth", "1", "--single-branch", "--branch"]);
    format!(
        "1. source\n   # {} has no kernel tree: the first of these that works\n   {}\n   \
         # the newest source package of the distribution\n\
         The other steps depend on that tree: vmptcp source, then this command again\n",
        clean(&context.environment.current_dir().display().to_string()),
        clone.args([&source.branch, &source.url]),
    )
}
