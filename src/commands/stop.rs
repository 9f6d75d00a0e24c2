//! `vmptcp stop`: ends guests, and what they run for.

use super::context::Context;
use super::ps;
use crate::error::{Error, ExitCode, Result};
use crate::process::Process;
use crate::report::{clean, console};
use crate::vm::registry::{self, Listed};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long an invocation may take to stop its guests.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// Stop a guest, and the invocation that it runs for
///
/// The invocation ends as with Ctrl-C: its results so far are kept. Guests that a killed vmptcp left behind are removed.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp stop                          the only guest
  vmptcp stop 4711.2                   the invocation that this one belongs to
  vmptcp stop --all")]
pub struct Args {
    /// Which guests [default: the only one]
    #[arg(value_name = "GUEST")]
    guests: Vec<String>,
    /// All of them
    #[arg(long, conflicts_with = "guests")]
    all: bool,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let dir = context.guests()?;
    let wanted: Vec<Listed> = match &args.guests[..] {
        _ if args.all => registry::list(&dir),
        [] => vec![ps::find(context, None)?],
        names => names.iter().map(|name| ps::find(context, Some(name))).collect::<Result<_>>()?,
    };
    let (orphans, running): (Vec<Listed>, Vec<Listed>) = wanted.into_iter().partition(|listed| listed.orphan);
    for orphan in &orphans {
        for process in orphan.processes() {
            // It may have ended meanwhile.
            let _ = process.signal(Signal::SIGKILL);
        }
        orphan.forget();
        console::note(&format!("removed {}, which was left behind", orphan.guest.name()));
    }
    let owners: BTreeSet<Process> = running.iter().map(|listed| listed.guest.owner).collect();
    for owner in &owners {
        owner
            .signal(Signal::SIGTERM)
            .map_err(|error| Error::cannot_run(format!("cannot stop process {}: {error}", owner.pid)))?;
    }
    let deadline = Instant::now() + STOP_TIMEOUT;
    let left = || registry::list(&dir).into_iter().filter(|listed| owners.contains(&listed.guest.owner));
    while left().next().is_some() {
        process::interrupt::check()?;
        if Instant::now() >= deadline {
            let names: Vec<String> = left().map(|listed| listed.guest.name()).collect();
            return Err(Error::cannot_run(format!(
                "still running after {} s: {}",
                STOP_TIMEOUT.as_secs(),
                names.join(", ")
            ))
            .hint("kill the process that started them: its guests go with it"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    for listed in &running {
        let command = clean(&listed.guest.command);
        console::note(&format!("stopped {}: {command}", listed.guest.name()));
    }
    Ok(ExitCode::Passed as u8)
}
