//! `vmptcp run`: from a tree, or none, to a verdict.

use super::context::Context;
use super::flags::{Asked, RunFlags};
use super::joint::{self, Part};
use super::overrides::Overrides;
use super::pipeline::Target;
use super::{build, module, sample, source, suites, test};
use crate::error::{ExitCode, Result};
use crate::kernel::Tree;
use crate::plan::{Plan, Step};
use crate::process::Cmd;
use crate::report::clean;
use crate::report::console;
use crate::settings;
use crate::suite::{Lab, SUITES, Selection, Suite, Tests, find};

/// Build the kernel, boot it and run the tests
///
/// Obtains a kernel tree if there is none, configures and builds it, boots it, runs the tests of the profile, and runs the
/// samples and the kernel modules of the project.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp run                       the default profile: smoke
  vmptcp run --profile full        all tests
  vmptcp run --only selftests      without the samples and the kernel modules
  vmptcp run --variant debug       on a kernel with KASAN, lockdep and the like
  vmptcp run --variant all         on each kind of kernel, in one run with one verdict
  vmptcp run --dry-run             only show what would be done, with every command")]
pub struct Args {
    /// Show what would be done, with every command, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Run only these suites, such as selftests or samples
    #[arg(long, value_name = "SUITE", value_delimiter = ',', value_parser = suite)]
    only: Vec<&'static Suite>,
    /// Leave these suites out
    #[arg(long, value_name = "SUITE", value_delimiter = ',', value_parser = suite, conflicts_with = "only")]
    skip: Vec<&'static Suite>,
    #[command(flatten)]
    flags: RunFlags,
    #[command(flatten)]
    asked: Asked,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let mut variants = args.flags.of_each_variant()?;
    let tree = match context.find_tree()? {
        Some(tree) => tree,
        None if args.dry_run => {
            let settings = context.settings(None, variants.swap_remove(0))?.settings;
            return console::out(&without_tree(context, &settings.source)).map(|()| ExitCode::Passed as u8);
        }
        None => source::obtain_for_run(context)?,
    };
    if variants.len() > 1 {
        return several(args, context, &tree, variants);
    }
    let target = Target::of(context, tree, variants.swap_remove(0))?;
    let plan = plan(args, context, &target)?;
    sample::finish(context, &target, &plan, args.dry_run, args.flags.tests.json)
}

/// Runs it for kernels of several variants.
fn several(args: &Args, context: &Context, tree: &Tree, variants: Vec<Overrides>) -> Result<u8> {
    let part = |flags| {
        let target = Target::of(context, tree.clone(), flags)?;
        let plan = plan(args, context, &target)?;
        Ok(Part { target, plan })
    };
    let parts: Vec<Part> = variants.into_iter().map(part).collect::<Result<_>>()?;
    if args.dry_run {
        return console::out(&joint::render(&parts)).map(|()| ExitCode::Passed as u8);
    }
    // All are of one tree, and use the same.
    parts.first().map_or(Ok(()), |part| sample::unpack_own(&part.target))?;
    test::carry_out_all(context, &parts, args.flags.tests.json)
}

/// The plan: configure, build, test, and the labs.
fn plan(args: &Args, context: &Context, target: &Target) -> Result<Plan> {
    let wanted: Vec<&'static Suite> = SUITES.iter().copied().filter(|suite| args.wants(suite)).collect();
    let (mut suites, mut steps, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    if wanted.iter().any(|suite| suite.is_listed()) {
        let (selections, choice, said) = selections(args, target)?;
        let tests = test::tests(context, target, selections, choice)?;
        suites.extend(tests.suites());
        steps.push(Step::Test(Box::new(tests)));
        notes = said;
    }
    for suite in wanted {
        match suite.tests {
            Tests::Listed { .. } => continue,
            Tests::Lab(Lab::Samples) => steps.push(sample::step(context, target)?),
            Tests::Lab(Lab::Modules) => steps.push(module::step(context, target)?),
        }
        suites.push(suite);
    }
    let mut plan = build::plan(context, target, &suites, args.asked.sources()?)?;
    plan.notes = notes;
    plan.steps.extend(steps);
    Ok(plan)
}

/// The tests of the profile that are of the suites that are wanted, and all of a suite that is named and not in the profile;
/// what chose them, unless it is the profile; and what the user should know.
fn selections(args: &Args, target: &Target) -> Result<(Vec<Selection>, Option<&'static str>, Vec<String>)> {
    let (mut selections, mut notes) = suites::selections(target, &[])?;
    selections.retain(|selection| args.wants(selection.test.suite));
    let mut choice = None;
    for suite in args.only.iter().filter(|suite| suite.is_listed()) {
        if !selections.iter().any(|selection| selection.test.suite == *suite) {
            let (more, said) = suites::selections(target, &[suite.id.to_owned()])?;
            selections.extend(more);
            notes.extend(said);
            choice = Some("tests");
        }
    }
    Ok((selections, choice, notes))
}

impl Args {
    fn wants(&self, suite: &Suite) -> bool {
        let named = |suites: &[&'static Suite]| suites.contains(&suite);
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }
}

/// Reads the name of a suite, for clap.
fn suite(text: &str) -> Result<&'static Suite, String> {
    let names = || SUITES.iter().map(|suite| suite.id).collect::<Vec<_>>().join(", ");
    find(text).ok_or_else(|| format!("there is no suite of this name: {}", names()))
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
