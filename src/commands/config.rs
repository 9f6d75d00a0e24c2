//! `vmptcp config`: configures, and reports whether each symbol is set.

use super::context::Context;
use super::flags::BuildFlags;
use super::inputs;
use super::pipeline::Target;
use crate::error::{ExitCode, Result};
use crate::event::StepStatus;
use crate::kernel::kconfig::{self, Severity};
use crate::report::clean;
use crate::report::console;
use std::fmt::Write as _;

/// Configure the kernel, and prove that each symbol is set
///
/// Merges, in this order and the last one wins: what virtme-ng needs, what the tree's MPTCP selftests need, vmptcp's own
/// fragments, those of the settings, and those of the command line; lets the tree's own kconfig resolve them; and compares
/// every request with the result.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp config                        what did not take, and why
  vmptcp config -e NET_SCH_CAKE -m TCP_CONG_BBR --set LOG_BUF_SHIFT=20
  vmptcp config --base defconfig --fragment my.config --strict
  vmptcp config --all                  also what differs as expected")]
pub struct Args {
    /// Show also what was overridden or differs as expected
    #[arg(long)]
    all: bool,
    /// Print the proof as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: BuildFlags,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let target = Target::open(context, args.flags.overrides()?)?;
    let request =
        inputs::configure(context, &target.tree, &target.work, &target.loaded, &[], args.flags.sources()?)?;
    let mut proved = None;
    let ended = target.journaled(
        vec!["configure".to_owned()],
        "configure".to_owned(),
        &target.sessions(),
        context,
        |journal| {
            let _lock = target.lock(journal)?;
            journal.step("configure", |_| {
                let outcome = kconfig::configure(&request, &mut |_| ())?;
                let detail =
                    format!("{} of {} requested symbols set", outcome.proof.granted, outcome.proof.requested);
                let status = if outcome.changed { StepStatus::Done } else { StepStatus::UpToDate };
                proved = Some(outcome);
                Ok(((), status, detail))
            })
        },
    )?;
    let Some(outcome) = proved else { return ended.into_result() };
    let proof = &outcome.proof;
    if args.json {
        let json = serde_json::to_string_pretty(proof).unwrap_or_default();
        console::out(&(crate::text::json(&json) + "\n"))?;
    } else {
        let shown =
            proof.mismatches.iter().filter(|mismatch| args.all || mismatch.severity != Severity::Note);
        let mut text = kconfig::render(shown);
        for added in proof.added.iter().filter(|_| args.all) {
            let (symbol, value) = (&added.symbol, &added.value);
            let _ = writeln!(
                text,
                "note: CONFIG_{symbol}={value} is added: {}",
                clean(&added.origin.to_string())
            );
        }
        let notes = proof.of(Severity::Note).count();
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = write!(text, "{} of {} requested symbols set", proof.granted, proof.requested);
        if notes > 0 && !args.all {
            let _ = write!(text, "; {notes} overridden or differ as expected (vmptcp config --all)");
        }
        let state = if outcome.changed { "written" } else { "unchanged" };
        let _ = writeln!(text, "\n{}: {state}", clean(&outcome.config.display().to_string()));
        console::out(&text)?;
    }
    kconfig::verdict(proof)?;
    Ok(ExitCode::Passed as u8)
}
