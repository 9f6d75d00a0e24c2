//! The first process of a process namespace.
//!
//! The system keeps it from the signals that it sends to itself. A kernel of user-mode Linux that panics sends itself SIGABRT
//! until it is gone: as the first process it would do so for ever. So it is the second one, and the first waits for it.

use super::places::failed;
use error::Result;
use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid};

/// The exit code of what a signal ended is this and the signal's number.
const BY_SIGNAL: i32 = 128;

/// In the first process of a namespace: makes another one, which goes on, and returns its exit code when it has ended. Returns
/// none in that one, and in a process that is not the first.
pub(super) fn wait_as_first() -> Result<Option<u8>> {
    if getpid() != Pid::from_raw(1) {
        return Ok(None);
    }
    // Its memory, which is the guest's, is not to be dumped.
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(|error| failed("forbid core dumps", error))?;
    // SAFETY: this process has one thread, so nothing is locked in the new one.
    match unsafe { fork() }.map_err(|error| failed("fork", error))? {
        ForkResult::Child => Ok(None),
        ForkResult::Parent { child } => {
            // Signals are for the guest, whose end is ours; and its pipes are its own.
            let _ = sigprocmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), None);
            // SAFETY: a system call on the standard streams, which this process does not use any more.
            unsafe { libc::syscall(libc::SYS_close_range, 0, libc::STDERR_FILENO, 0) };
            Ok(Some(collect(child)))
        }
    }
}

/// Collects whatever ends, until `child` does; its exit code.
fn collect(child: Pid) -> u8 {
    loop {
        let code = match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => code,
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => BY_SIGNAL + signal as i32,
            Ok(_) | Err(Errno::EINTR) => continue,
            // It is gone, and nobody knows how.
            Err(_) => 1,
        };
        return u8::try_from(code).unwrap_or(u8::MAX);
    }
}
