//! `vmptcp test --uml --also virtme`: what user-mode Linux does not show, with virtme-ng.

use super::{Args, Selected, give, plan_of, refuse_to_repeat_seeds, show};
use crate::commands::context::Context;
use crate::commands::overrides::Overrides;
use crate::commands::pipeline::Target;
use crate::commands::suites;
use crate::error::{ExitCode, Result};
use crate::plan::Plan;
use crate::report::console;

/// Carries out the plan, which is for user-mode Linux; then runs with virtme-ng the tests that were skipped there, or skipped a
/// part of what they do. The exit code is the worse one.
pub(super) fn run(args: &Args, context: &Context, target: &Target, plan: &Plan) -> Result<u8> {
    refuse_to_repeat_seeds(plan)?;
    let first = target.carry_out(plan, &target.runs(), context)?;
    show(context, &first, false)?;
    let code = first.exit_code();
    if code == ExitCode::Interrupted as u8 || first.error.is_some() {
        return first.into_result();
    }
    let skipped = first.summary.skipped();
    if skipped.is_empty() {
        console::note("nothing was skipped on user-mode Linux");
        return Ok(code);
    }
    let names: Vec<&str> = skipped.iter().map(String::as_str).collect();
    console::note(&format!("with virtme-ng, as they were skipped, or parts of them: {}", names.join(", ")));
    let virtme =
        Overrides::of("kernel.uml", "--also", "false").and(Overrides::of("vm.time", "--also", "real"));
    let target = Target::open(context, args.flags.overrides()?.and(virtme))?;
    let (mut selections, _) = suites::selections(&target, &args.filters)?;
    selections.retain(|selection| skipped.contains(&selection.test.label()));
    give(&mut selections, &args.arguments)?;
    let choice = Some("what user-mode Linux skips");
    let plan =
        plan_of(context, &target, Selected::whole((selections, Vec::new())), choice, args.asked.sources()?)?;
    let second = target.carry_out(&plan, &target.runs(), context)?;
    show(context, &second, false)?;
    Ok(second.into_result()?.max(code))
}
