//! gdb on the process that is the kernel of user-mode Linux.

use super::{Args, commanded};
use crate::error::{Error, Result};
use crate::process::{Cmd, Process};
use crate::vm::backend::uml::HOLD;
use crate::vm::registry::Listed;
use std::path::Path;

/// Signals by which a kernel's programs trap into it, and by which its time passes.
const OF_THE_KERNEL: [&str; 6] = ["SIGSEGV", "SIGUSR1", "SIGALRM", "SIGIO", "SIGCHLD", "SIGWINCH"];

/// The time since the guest's kernel started, in nanoseconds.
const CLOCK: &str = "*(unsigned long long *)&time_travel_time";

/// gdb, attached to the kernel of this guest. One that waits for gdb is brought to its first function.
pub(super) fn attach(gdb: Cmd, listed: &Listed, args: &Args) -> Result<Cmd> {
    // What waits is the younger one of two of that name, the kernel the eldest that runs it.
    let held = all(listed, is_held).last().copied();
    let image = listed.guest.kernel.join("linux").canonicalize().unwrap_or_default();
    let process =
        held.or_else(|| all(listed, |process| runs(process, &image)).first().copied()).ok_or_else(|| {
            Error::cannot_run("the process of the guest's kernel is not found")
                .hint("see what runs: vmptcp ps")
        })?;
    let settings = [
        "set debuginfod enabled off",
        "set exec-file-mismatch off",
        "set breakpoint pending on",
        // Each program of the guest is a process of its own.
        "set print inferior-events off",
    ];
    let gdb = settings.iter().fold(gdb, |gdb, setting| gdb.arg("-iex").arg(setting));
    let gdb = gdb.arg("-p").arg(process.pid.to_string());
    let gdb = if held.is_some() { gdb } else { gdb.arg(&image) };
    Ok(commanded(gdb, commands(held.is_some(), args.location.as_deref(), args.at)))
}

/// What gdb does before a user can.
fn commands(held: bool, location: Option<&str>, at: Option<u64>) -> Vec<String> {
    let mut commands: Vec<String> =
        OF_THE_KERNEL.iter().map(|signal| format!("handle {signal} nostop noprint pass")).collect();
    let mut add = |command: &str| commands.push(command.to_owned());
    if held {
        // It is not the kernel yet: gdb follows it through the programs that it becomes.
        add("tbreak start_kernel");
        add("continue");
    }
    if let Some(location) = location {
        add(&format!("break {location}"));
    }
    if let Some(at) = at {
        add(&format!("watch {CLOCK} if {CLOCK} >= {at}"));
    }
    if location.is_some() || at.is_some() {
        add("continue");
    }
    commands
}

/// The processes of a guest that are so, the eldest first.
fn all(listed: &Listed, is_one: impl Fn(&Process) -> bool) -> Vec<Process> {
    let mut all: Vec<Process> = listed.processes().into_iter().filter(is_one).collect();
    all.sort_by_key(|process| (process.started, process.pid));
    all
}

/// Whether it is still vmptcp, which waits for gdb.
fn is_held(process: &Process) -> bool {
    let line = std::fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0).skip(1);
    words.next() == Some(b"confine")
        && words.take_while(|word| *word != b"--").any(|word| word == HOLD.as_bytes())
}

/// Whether it runs this image, which has no links in its path.
fn runs(process: &Process, image: &Path) -> bool {
    std::fs::read_link(format!("/proc/{}/exe", process.pid)).is_ok_and(|exe| exe == image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_waits_is_brought_to_its_kernel_before_it_is_stopped_anywhere_else() {
        let told = |held, location, at| commands(held, location, at).split_off(OF_THE_KERNEL.len());
        assert_eq!(told(false, None, None), [""; 0]);
        assert_eq!(told(true, None, None), ["tbreak start_kernel", "continue"]);
        assert_eq!(told(false, Some("mptcp_close"), None), ["break mptcp_close", "continue"]);
        insta::assert_snapshot!(told(true, None, Some(5)).join("\n"), @r"
        tbreak start_kernel
        continue
        watch *(unsigned long long *)&time_travel_time if *(unsigned long long *)&time_travel_time >= 5
        continue
        ");
    }
}
