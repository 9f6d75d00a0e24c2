//! Ctrl-C, SIGTERM and SIGHUP as one question: has somebody asked us to stop?

use super::Cmd;
use error::{Error, Kind, Result};
use nix::libc::{SIGHUP, SIGINT, SIGTERM};
use shown::decode;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

static REQUESTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// The signal that asked us last, and the process that sent it; 0 for the kernel, as on Ctrl-C.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
static SENDER: AtomicI32 = AtomicI32::new(0);

fn flag() -> &'static Arc<AtomicBool> {
    REQUESTED.get_or_init(|| Arc::new(AtomicBool::new(false)))
}

/// From here on the first signal asks us to stop, and a second one ends us at once (the supervisors of our children
/// notice, and take them along).
pub fn install() -> Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(flag()))
            .and_then(|_| remember_sender(signal))
            .and_then(|()| signal_hook::flag::register(signal, Arc::clone(flag())))
            .map_err(|error| Error::cannot_run(format!("cannot watch for signal {signal}: {error}")))?;
    }
    Ok(())
}

fn remember_sender(signal: i32) -> std::io::Result<()> {
    let remember = move |info: &nix::libc::siginfo_t| {
        // Codes above 0 are the kernel's own: there is no sender.
        // SAFETY: the kernel fills this field for all signals that a process sends.
        let sender = if info.si_code <= 0 { unsafe { info.si_pid() } } else { 0 };
        SENDER.store(sender, Ordering::Relaxed);
        SIGNAL.store(signal, Ordering::Relaxed);
    };
    // SAFETY: the handler stores two numbers, and does nothing else.
    unsafe { signal_hook_registry::register_sigaction(signal, remember) }.map(drop)
}

/// True once somebody asked us to stop.
pub fn requested() -> bool {
    flag().load(Ordering::Relaxed)
}

/// Fails with [`error`] once somebody asked us to stop.
pub fn check() -> Result<()> {
    if requested() { Err(error()) } else { Ok(()) }
}

/// That we were asked to stop, and by whom.
pub fn error() -> Error {
    static SAID: OnceLock<String> = OnceLock::new();
    // The sender may be gone when this is asked again.
    let said = SAID.get_or_init(|| {
        let sender = SENDER.load(Ordering::Relaxed);
        let line = std::fs::read(format!("/proc/{sender}/cmdline")).unwrap_or_default();
        told(SIGNAL.load(Ordering::Relaxed), sender, &line)
    });
    Error::new(Kind::Interrupted, said.clone())
}

/// What is said of a signal from the process `sender`, with its command line as `/proc` has it.
fn told(signal: i32, sender: i32, command_line: &[u8]) -> String {
    let words: Vec<String> = command_line
        .split(|&byte| byte == 0)
        .map(|word| decode(word).into_owned())
        .filter(|word| !word.is_empty())
        .collect();
    match (words.split_first(), sender) {
        (Some((program, args)), 1..) => {
            let program = std::path::Path::new(program).file_name().unwrap_or_default();
            format!("stopped by {} (process {sender})", Cmd::new(program).args(args))
        }
        (None, 1..) => format!("stopped by process {sender}"),
        _ if signal == SIGHUP => "interrupted: the terminal is gone".to_owned(),
        _ => "interrupted".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_stops_us_is_named() {
        assert_eq!(
            told(SIGTERM, 47, b"/usr/bin/vmptcp\0stop\x0011.2\0"),
            "stopped by vmptcp stop 11.2 (process 47)"
        );
        assert_eq!(told(SIGTERM, 47, b""), "stopped by process 47");
        assert_eq!(told(SIGINT, 0, b""), "interrupted");
        assert_eq!(told(SIGHUP, 0, b""), "interrupted: the terminal is gone");
    }
}
