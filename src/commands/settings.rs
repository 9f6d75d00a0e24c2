//! `vmptcp settings`: every setting, and where its value comes from.

use super::context::Context;
use super::flags::RunFlags;
use crate::error::{ExitCode, Result};
use crate::report::console;
use crate::settings::DEFAULTS;

/// Show every setting, and where its value comes from
///
/// Later layers win: built in, the user's file (~/.config/vmptcp/config.toml), the tree's vmptcp.toml, the environment
/// (VMPTCP_VM_CPUS for vm.cpus), and the flags of a command.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp settings
  vmptcp settings --cpus 4             what that flag would make of them
  vmptcp settings --defaults > ~/.config/vmptcp/config.toml")]
pub struct Args {
    /// Print the built-in settings as a documented file
    #[arg(long)]
    defaults: bool,
    #[command(flatten)]
    flags: RunFlags,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    if args.defaults {
        console::out(&DEFAULTS)?;
        return Ok(ExitCode::Passed as u8);
    }
    let flags = args.flags.overrides()?;
    let loaded = context.settings(context.find_tree()?.as_ref(), flags)?;
    if args.flags.tests.json {
        console::out(&crate::text::json(&format!("{:#}\n", loaded.to_json())))?;
    } else {
        console::out(&loaded.to_text(context.environment.home()))?;
    }
    Ok(ExitCode::Passed as u8)
}
