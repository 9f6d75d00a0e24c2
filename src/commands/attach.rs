//! `vmptcp attach`: a terminal or a command in a guest that runs already.

use super::context::Context;
use super::exec::SHELL;
use super::ps;
use crate::error::{Error, ExitCode, Result};
use crate::report::console;
use crate::runner::attach::{self, Command, Streams};
use std::io::IsTerminal;

/// Open a terminal, or run a command, in a guest that is running
///
/// Whatever else goes on in the guest goes on; it ends with the invocation that started it.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp attach                        a terminal in the only guest
  vmptcp attach 4711.2                 in this one: vmptcp ps lists them
  vmptcp attach -- ip netns list       one command in it")]
pub struct Args {
    /// Which guest [default: the only one]
    #[arg(value_name = "GUEST")]
    guest: Option<String>,
    /// The command and its arguments [default: a shell]
    #[arg(last = true, value_name = "CMD", allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let shell = args.command.is_empty();
    if shell && !std::io::stdin().is_terminal() {
        return Err(Error::usage("a shell needs a terminal as its standard input")
            .hint("for a command without one: vmptcp attach -- CMD"));
    }
    let listed = ps::find(context, args.guest.as_deref())?;
    if listed.orphan {
        return Err(Error::cannot_run(format!("the owner of the guest {} is gone", listed.guest.name()))
            .hint(format!("remove it: vmptcp stop {}", listed.guest.name())));
    }
    let mut env = Vec::new();
    if let Some(term) = context.environment.term().filter(|_| shell) {
        env.push(("TERM".to_owned(), term.to_string_lossy().into_owned()));
    }
    let argv = if shell { ["sh", "-c", SHELL].map(str::to_owned).to_vec() } else { args.command.clone() };
    let command = Command { argv, cwd: "/".to_owned(), env, terminal: shell };
    let exit = attach::join(&listed.guest.socket, &command, Streams::own(), || {
        if shell {
            console::note("in the guest: leave with Ctrl-D; it goes on without you");
        }
    })?;
    Ok(u8::try_from(exit.code()).unwrap_or(ExitCode::CannotRun as u8))
}
