//! `vmptcp gdb`: a debugger on the kernel of a guest that runs, or that waits for it.

mod uml;

use super::context::Context;
use super::ps;
use crate::error::{Error, IoContext, Result};
use crate::process::{Cmd, find};
use crate::report::{clean, console};
use crate::vm::monitor::Tools;
use crate::vm::registry::{self, Guest, Listed};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// How long the path of a socket can be, in bytes.
const MAX_PATH: usize = 100;

/// Attach gdb to the kernel of a guest that is running
///
/// A guest of virtme-ng stands still as long as gdb has it, also for the invocation that it runs for, which may count that as a hang:
/// attach to one of vmptcp shell or exec. A kernel with all debug information and scripts has the commands of the tree, lx-ps and
/// lx-dmesg: --fragment debuginfo -d `DEBUG_INFO_REDUCED` -e `GDB_SCRIPTS`.
///
/// Of user-mode Linux gdb gets the process. In virtual time no guest notices that gdb has it: vmptcp test --gdb starts one that
/// waits for gdb, and what is seen then is the run of its seed.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp gdb                           the only guest
  vmptcp gdb 4711.2                    this one: vmptcp ps lists them
  vmptcp gdb --break mptcp_close       stop there
  vmptcp gdb --at 12.974               stop when its console shows this time, in virtual time
  vmptcp gdb -- -batch -ex 'info threads' -ex bt    what it does now, and let it go on")]
pub struct Args {
    /// Which guest [default: the only one]
    #[arg(value_name = "GUEST")]
    guest: Option<String>,
    /// Stop in this function or at this line, as gdb takes it: `mptcp_close`, net/mptcp/protocol.c:42
    #[arg(long = "break", value_name = "LOCATION")]
    location: Option<String>,
    /// Stop when this much of the guest's time has passed, in seconds, as its console shows them; in virtual time only
    #[arg(long, value_name = "SECONDS", value_parser = nanoseconds)]
    at: Option<u64>,
    /// Arguments for gdb
    #[arg(last = true, value_name = "ARGS", allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let gdb = find("gdb").map_err(|error| error.hint("install it: vmptcp doctor --fix --with gdb"))?.path;
    let listed = living(ps::find(context, args.guest.as_deref())?)?;
    let guest = &listed.guest;
    // The build directory has a link to the script in the tree, and gdb looks where that leads.
    let scripts = guest.kernel.join("vmlinux-gdb.py").canonicalize();
    let scripts = scripts.ok().and_then(|script| Some(script.parent()?.to_owned()));
    let safe = [guest.kernel.clone()].into_iter().chain(scripts);
    let base = safe.fold(Cmd::new(gdb).arg("-q"), |cmd, dir| {
        cmd.arg("-iex").arg(format!("add-auto-load-safe-path {}", dir.display()))
    });
    if is_uml(guest) {
        return become_it(&uml::attach(base, &listed, args)?.args(&args.arguments));
    }
    if args.at.is_some() {
        return Err(Error::usage("only guests in virtual time can be stopped at a time")
            .hint("start one that waits for gdb: vmptcp test TEST --uml --seed N --gdb"));
    }
    let vmlinux = guest.kernel.join("vmlinux");
    if !vmlinux.is_file() {
        return Err(Error::usage(format!(
            "{} is not there, without which gdb knows no names",
            vmlinux.display()
        ))
        .hint("of a pack: make it with vmptcp pack --vmlinux"));
    }
    note_what_is_missing(&guest.kernel);
    let mut tools = Tools::connect(&guest.socket)?;
    if has_debugger(&tools.command("info chardev")?) {
        return Err(
            Error::usage(format!("another gdb is attached to {}", guest.name())).hint("end that one first")
        );
    }
    // What an earlier one left: QEMU has one at a time.
    tools.command("gdbserver none")?;
    let socket = socket(&listed, context)?;
    let said = tools.command(&format!("gdbserver unix:{},server=on,wait=off", socket.display()))?;
    if !socket.exists() {
        return Err(Error::cannot_run(format!("QEMU opens no socket for gdb: {}", clean(&said)))
            .hint("see whether the guest still runs: vmptcp ps"));
    }
    let cmd = base.arg("-ex").arg(format!("target remote {}", socket.display()));
    let stop =
        args.location.iter().flat_map(|location| [format!("hbreak {location}"), "continue".to_owned()]);
    become_it(&commanded(cmd, stop).args(&args.arguments).arg(&vmlinux))
}

/// Whether a debugger is connected, by QEMU's list of its connections.
fn has_debugger(chardevs: &str) -> bool {
    chardevs.lines().any(|line| line.starts_with("gdb: ") && !line.contains("=disconnected:"))
}

/// The path for the socket of a guest's debugger, in a directory that only its user can enter. Those of guests that are gone are
/// removed.
fn socket(listed: &Listed, context: &Context) -> Result<PathBuf> {
    let guests = context.guests()?;
    let dir = guests.join("gdb");
    DirBuilder::new().recursive(true).mode(0o700).create(&dir).doing("create", &dir)?;
    let names: Vec<String> = registry::list(&guests).into_iter().map(|listed| listed.guest.socket).collect();
    for entry in std::fs::read_dir(&dir).doing("read", &dir)?.flatten() {
        if !names.iter().any(|name| entry.file_name() == name.as_str()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    let path = dir.join(&listed.guest.socket);
    // QEMU makes it.
    let _ = std::fs::remove_file(&path);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._+-".contains(&byte);
    if path.as_os_str().len() > MAX_PATH
        || !path.as_os_str().as_encoded_bytes().iter().all(|byte| plain(*byte))
    {
        return Err(Error::cannot_run(format!("QEMU cannot have a socket at {}", path.display()))
            .hint("choose a short and plain directory for the cache: XDG_CACHE_HOME=DIR"));
    }
    Ok(path)
}

/// Fails for a guest whose owner is gone.
pub(super) fn living(listed: Listed) -> Result<Listed> {
    if !listed.orphan {
        return Ok(listed);
    }
    let name = listed.guest.name();
    Err(Error::cannot_run(format!("the owner of the guest {name} is gone"))
        .hint(format!("remove it: vmptcp stop {name}")))
}

/// True for a guest of user-mode Linux.
pub(super) fn is_uml(guest: &Guest) -> bool {
    guest.kernel.join("linux").is_file()
}

/// Says what gdb will not be able to do with this kernel.
fn note_what_is_missing(kernel: &Path) {
    let config = std::fs::read_to_string(kernel.join(".config")).unwrap_or_default();
    let set = |symbol: &str| config.lines().any(|line| line == format!("CONFIG_{symbol}=y"));
    if !set("DEBUG_INFO") {
        console::note(
            "this kernel has no debug information: gdb knows functions, and no lines: --fragment debuginfo",
        );
    }
    if !set("GDB_SCRIPTS") {
        console::note(
            "this kernel has no scripts for gdb (lx-ps, lx-dmesg): -d DEBUG_INFO_REDUCED -e GDB_SCRIPTS",
        );
    }
    if set("RANDOMIZE_BASE") {
        console::note("this kernel may be at another address: --append nokaslr");
    }
}

/// gdb, with commands that it carries out before a user can give any.
fn commanded(gdb: Cmd, commands: impl IntoIterator<Item = String>) -> Cmd {
    commands.into_iter().fold(gdb, |gdb, command| gdb.arg("-ex").arg(command))
}

/// Seconds with up to nine decimals, in nanoseconds, for clap.
fn nanoseconds(text: &str) -> Result<u64, String> {
    let (seconds, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let wrong = || "give seconds, as in 12 or 12.974".to_owned();
    if seconds.is_empty() || decimals.len() > 9 || !digits(seconds) || !digits(decimals) {
        return Err(wrong());
    }
    format!("{seconds}{decimals:0<9}").parse().map_err(|_| wrong())
}

/// Lets gdb have the terminal and all signals. Returns only why that failed.
fn become_it(gdb: &Cmd) -> Result<u8> {
    Err(gdb.exec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_debugger_at_a_time_has_a_guest() {
        let others = "vmptcp.relay: filename=unix:@x-relay\nparallel0: filename=vc\n";
        assert!(!has_debugger(others));
        assert!(!has_debugger(&format!("{others}gdb: filename=disconnected:unix:/x,server=on\n")));
        assert!(has_debugger(&format!("{others}gdb: filename=unix:/x,server=on <-> (peer)\n")));
    }

    #[test]
    fn a_time_is_read_as_the_console_shows_it() {
        assert_eq!(
            ["12", "12.974", "0.000000001"].map(nanoseconds),
            [Ok(12_000_000_000), Ok(12_974_000_000), Ok(1)]
        );
        for wrong in ["", ".5", "1.0000000001", "-1", "1s", "99999999999"] {
            assert!(nanoseconds(wrong).is_err(), "{wrong}");
        }
    }
}
