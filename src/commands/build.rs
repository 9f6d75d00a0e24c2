//! `vmptcp build`: configures and builds.

use super::context::Context;
use super::flags::BuildFlags;
use super::inputs;
use super::pipeline::Target;
use crate::error::Result;
use crate::plan::{Plan, Step};

/// Build the kernel, its modules, headers and the MPTCP selftests
///
/// Configures first if anything changed. Everything is built in the work directory; the tree stays as it is.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp build
  vmptcp build --variant debug -j4
  vmptcp build --clang -e NET_SCH_CAKE")]
pub struct Args {
    #[command(flatten)]
    flags: BuildFlags,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let target = Target::open(context, args.flags.overrides())?;
    let plan = plan(context, &target, args.flags.sources()?)?;
    target.carry_out(&plan, &target.sessions(), context)?.into_result()
}

/// The plan: configure, build.
pub fn plan(context: &Context, target: &Target, asked: Vec<crate::kernel::kconfig::Source>) -> Result<Plan> {
    Ok(Plan {
        notes: Vec::new(),
        steps: vec![
            Step::Configure(inputs::configure(context, &target.tree, &target.work, &target.loaded, asked)?),
            Step::Build(inputs::build(context, &target.tree, &target.work, &target.loaded)?),
        ],
    })
}
