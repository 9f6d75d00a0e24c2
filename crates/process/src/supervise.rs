//! The supervisor: a process between us and each of our children that outlives neither.
//!
//! A child may start others (vng starts QEMU and virtiofsd, make starts compilers), and some of them leave the process
//! group. If we are killed with SIGKILL nobody is left to stop them, so each child gets a supervisor of its own:
//!
//! ```text
//! vmptcp ── supervisor (subreaper, notified by the kernel of our death) ── child, leader of a new process group ── …
//! ```
//!
//! It passes signals on to the group, ends as the child ended, and before that kills all that the child left behind,
//! daemonised or not.
//!
//! # What it relies on
//!
//! It is forked, not executed: executing our own program would need its file to be there still, and its start-up. The
//! child of a process with threads may only do what is async-signal-safe, as another thread may have held any lock when
//! it was made. So, between the fork of `Command::spawn` and `execve` or `_exit`:
//!
//! * The second fork is `_Fork`, and not `fork`, which POSIX.1-2024 took off the list of async-signal-safe functions: it
//!   runs the handlers of `pthread_atfork`, and takes the locks of malloc and stdio. glibc has `_Fork` since 2.34, musl
//!   since 1.2.2.
//! * All else is system calls behind thin wrappers of the C library that take no lock and no memory: `prctl`, `setpgid`,
//!   `setsid`, `sigprocmask`, `sigwait`, `waitpid`, `kill`, `open`, `read`, `close`. Not all are on the list of POSIX, which
//!   does not know `prctl`; in glibc and musl none does more.
//! * Nothing allocates: errors are numbers (`io::Error` of an `Errno`), sets of signals and buffers lie on the stack, and
//!   no line can panic.

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, killpg, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getppid, setpgid, setsid};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

unsafe extern "C" {
    /// fork(2) alone: no handlers, no locks, and the C library still knows the new process's own id.
    fn _Fork() -> libc::pid_t;
}

/// The signal that makes a supervisor kill all of its descendants, and itself, at once.
pub(super) const KILL_ALL: Signal = Signal::SIGUSR1;

/// What the kernel sends a supervisor when the *thread* that started it ends, which is not yet the end of our process.
const PARENT_GONE: Signal = Signal::SIGUSR2;

/// Makes `command` start under a supervisor, as leader of a process group or, with its standard input as the
/// controlling terminal, of a session. The process id that `spawn` returns is the supervisor's.
pub(super) fn under_supervision(command: &mut Command, session: bool) {
    let ours = nix::unistd::getpid();
    // SAFETY: `start` and all that it calls before the child executes are plain system calls: async-signal-safe.
    unsafe { command.pre_exec(move || start(ours, session)) };
}

/// Makes `command` die if the thread that spawns it does: for commands that start nothing of their own.
pub(super) fn die_with_parent(command: &mut Command) {
    // SAFETY: one system call, async-signal-safe.
    unsafe { command.pre_exec(|| die_on_parents_death(Signal::SIGKILL)) };
}

fn die_on_parents_death(signal: Signal) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(signal).map_err(io::Error::from)
}

/// Runs in the forked child: splits it into the supervisor, which never returns, and the process that will execute.
fn start(ours: Pid, session: bool) -> io::Result<()> {
    let watched = watched();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&watched), None)?;
    setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    nix::sys::prctl::set_child_subreaper(true)?;
    die_on_parents_death(PARENT_GONE)?;
    if getppid() != ours {
        return Err(io::Error::from(Errno::ESRCH));
    }
    // SAFETY: the child does system calls only until it executes; the parent never returns from `supervise`.
    match Errno::result(unsafe { _Fork() })? {
        0 => {
            if session {
                setsid()?;
                // SAFETY: a system call on our standard input, which is a terminal of its own.
                Errno::result(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) })?;
            } else {
                setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
            }
            die_on_parents_death(Signal::SIGKILL)?;
            sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&watched), None)?;
            Ok(())
        }
        child => supervise(ours, Pid::from_raw(child), session, &watched),
    }
}

fn watched() -> SigSet {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, KILL_ALL, PARENT_GONE] {
        set.add(signal);
    }
    set
}

fn supervise(ours: Pid, child: Pid, session: bool, watched: &SigSet) -> ! {
    if !session {
        // Both the child and we set its group: whoever is first, it is set before either goes on.
        let _ = setpgid(child, child);
    }
    // Also the pipe over which the child will report a failed exec: only its own copy may keep that open.
    // SAFETY: a system call on descriptors that this process does not use any more.
    unsafe { libc::syscall(libc::SYS_close_range, 0, libc::c_uint::MAX, 0) };
    loop {
        match watched.wait() {
            Ok(Signal::SIGCHLD) => {
                if let Some(status) = reap(child) {
                    kill_all(child);
                    end_as(status);
                }
            }
            Ok(PARENT_GONE) if getppid() == ours => {}
            Ok(KILL_ALL | PARENT_GONE) => {
                kill_all(child);
                // SAFETY: ends this process; nothing is to be unwound in a forked supervisor.
                unsafe { libc::_exit(137) }
            }
            Ok(signal) => _ = killpg(child, signal),
            Err(_) => {}
        }
    }
}

/// Collects every descendant that ended; the status if the child itself is among them.
fn reap(child: Pid) -> Option<WaitStatus> {
    let mut its_status = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(status @ (WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _))) if pid == child => {
                its_status = Some(status);
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return its_status,
            Ok(_) => {}
        }
    }
}

/// Kills the group, then whatever was reparented to us, again and again until there is no descendant left.
fn kill_all(child: Pid) {
    let _ = killpg(child, Signal::SIGKILL);
    while for_each_child(|pid| _ = kill(pid, Signal::SIGKILL)) {
        if waitpid(None, None) == Err(Errno::ECHILD) {
            return;
        }
    }
    reap(child);
}

/// Calls `each` with every direct child, read from procfs without allocating. False if the host's kernel lacks
/// `CONFIG_PROC_CHILDREN`: then only the group can be killed.
fn for_each_child(mut each: impl FnMut(Pid)) -> bool {
    // SAFETY: open, read and close with a constant path and a buffer of our own, all async-signal-safe.
    unsafe {
        let path = c"/proc/thread-self/children";
        let file = libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        if file < 0 {
            return false;
        }
        let mut buffer = [0u8; 4096];
        let mut pid: libc::pid_t = 0;
        loop {
            let count = libc::read(file, buffer.as_mut_ptr().cast(), buffer.len());
            let Ok(count @ 1..) = usize::try_from(count) else { break };
            for &byte in &buffer[..count] {
                if byte.is_ascii_digit() {
                    pid = pid.saturating_mul(10).saturating_add(libc::pid_t::from(byte & 0xf));
                } else if pid > 0 {
                    each(Pid::from_raw(pid));
                    pid = 0;
                }
            }
        }
        libc::close(file);
    }
    true
}

/// Ends the way the child ended, so that our owner sees its exit code or signal.
fn end_as(status: WaitStatus) -> ! {
    // SAFETY: ends this process; the signal is first given back its default action and unblocked.
    unsafe {
        match status {
            WaitStatus::Exited(_, code) => libc::_exit(code),
            WaitStatus::Signaled(_, signal, _) => {
                let signal = signal as libc::c_int;
                let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core);
                libc::signal(signal, libc::SIG_DFL);
                let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
                libc::raise(signal);
                libc::_exit(128 + signal)
            }
            _ => libc::_exit(255),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Cmd, Stdio};
    use std::io::{PipeWriter, Read, Write};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Where handlers of a fork say which process they run in.
    static HANDLED: OnceLock<(u32, PipeWriter)> = OnceLock::new();

    extern "C" fn in_the_child() {
        if let Some((ours, pipe)) = HANDLED.get() {
            let ours = nix::unistd::getppid().as_raw().cast_unsigned() == *ours;
            let mut pipe = pipe;
            let _ = pipe.write_all(if ours { b"c" } else { b"g" });
        }
    }

    #[test]
    fn no_handler_of_a_fork_runs_between_fork_and_exec() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        HANDLED.set((std::process::id(), writer)).unwrap();
        // SAFETY: the handler writes to a pipe, and does nothing else.
        assert_eq!(unsafe { nix::libc::pthread_atfork(None, None, Some(in_the_child)) }, 0);
        for _ in 0..5 {
            assert!(Cmd::new("true").spawn(Stdio::Merged).unwrap().wait().unwrap().success());
        }
        // Tests beside this one fork as well; a child of a child is always a supervised one.
        let mut said = [0; 256];
        let count = reader.read(&mut said).unwrap();
        assert!(count >= 5 && said[..count].iter().all(|&byte| byte == b'c'), "{:?}", &said[..count]);
    }

    #[test]
    fn threads_that_allocate_do_not_hold_up_a_spawn() {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        std::hint::black_box((0..64).map(|size| vec![0u8; size * 64]).collect::<Vec<_>>());
                    }
                });
            }
            let all_well =
                (0..50).all(|_| Cmd::new("true").spawn(Stdio::Merged).unwrap().wait().unwrap().success());
            done.store(true, Ordering::Relaxed);
            assert!(all_well);
        });
    }
}
