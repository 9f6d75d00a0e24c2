//! `vmptcp shell`: a terminal in a guest.

use super::context::Context;
use super::exec::{Request, SHELL, attach};
use super::flags::GuestFlags;
use super::pipeline::Target;
use crate::error::{Error, Result};
use std::io::IsTerminal;

/// Open a terminal in a guest
///
/// With job control and the size of yours; the tree is at the same path. Takes the kernel that was built last, and builds one
/// if there is none. What the guest writes is gone with it, except below $VMPTCP_RUN_DIR and what --rw opens.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Leave it with `exit` or Ctrl-D; one that hangs, with Ctrl-] three times.

Examples:
  vmptcp shell
  vmptcp shell --rw . --memory 2G
  vmptcp shell --accelerator tcg --append mitigations=off")]
pub struct Args {
    /// Configure and build first what changed
    #[arg(long)]
    build: bool,
    #[command(flatten)]
    guest: GuestFlags,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::usage("vmptcp shell needs a terminal as its standard input")
            .hint("for a command without one: vmptcp exec -- CMD"));
    }
    let target = Target::open(context, args.guest.overrides()?)?;
    let request = Request {
        argv: ["sh", "-c", SHELL].map(str::to_owned).to_vec(),
        env: Vec::new(),
        terminal: true,
        build: args.build,
        greeting: Some("in the guest: leave with Ctrl-D or, if it hangs, Ctrl-] three times"),
    };
    attach(context, &target, &args.guest, request)
}
