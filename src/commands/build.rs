//! `vmptcp build`: configures and builds.

use super::context::Context;
use super::flags::BuildFlags;
use super::inputs;
use super::pipeline::Target;
use super::repository;
use crate::error::{Error, Result};
use crate::event::DEFAULT_SUITE;
use crate::kernel::kconfig::Source;
use crate::kernel::pack::{Manifest, PackedRequest};
use crate::plan::{Plan, Step};
use crate::suite::{Suite, find};

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
    let target = Target::open(context, args.flags.overrides()?)?;
    target.tree.require_sources("build a kernel")?;
    let suites: Vec<&'static Suite> = find(DEFAULT_SUITE).into_iter().collect();
    let plan = plan(context, &target, &suites, args.flags.sources()?)?;
    target.carry_out(&plan, &target.sessions(), context)?.into_result()
}

/// The plan: configure, build, with what these suites need.
pub fn plan(
    context: &Context,
    target: &Target,
    suites: &[&'static Suite],
    asked: Vec<Source>,
) -> Result<Plan> {
    let Target { tree, work, loaded, .. } = target;
    if let Some(manifest) = tree.packed() {
        return unpacked(target, manifest, suites, &asked);
    }
    let mut steps = vec![
        Step::Configure(inputs::configure(context, tree, work, loaded, suites, asked)?),
        Step::Build(inputs::build(context, tree, work, loaded, suites)?),
    ];
    steps.extend(repository::steps(target, suites)?);
    Ok(Plan { notes: Vec::new(), shard: None, steps })
}

/// The plan on a pack: take the kernel that is in it.
fn unpacked(
    target: &Target,
    manifest: &Manifest,
    suites: &[&'static Suite],
    asked: &[Source],
) -> Result<Plan> {
    if !asked.is_empty() {
        let what = "the kernel of a pack has the symbols with which it was built, and no others";
        return Err(Error::usage(what)
            .hint("leave the symbols out, or ask for them where the sources are: vmptcp pack -e SYM"));
    }
    let request = PackedRequest {
        tree: target.tree.root().to_owned(),
        out: target.out(),
        variant: target.variant,
        collections: inputs::collections(suites),
        manifest: manifest.clone(),
    };
    let mut steps = vec![Step::Unpacked(Box::new(request))];
    steps.extend(repository::steps(target, suites)?);
    Ok(Plan { steps, ..Plan::default() })
}
