//! Which process: ids that mean one and no more, and what tells a process from a later one that got its id.

use error::{Error, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// The id of one process: a positive number. To kill(2), 0 means the caller's own group, -1 everybody, and any other
/// negative number a group, so none of them is ever taken for an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "i32", try_from = "i64")]
pub struct Pid(i32);

impl Pid {
    /// Nothing if `number` is no id.
    pub fn new(number: impl TryInto<i32>) -> Option<Self> {
        number.try_into().ok().filter(|number| *number > 0).map(Self)
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Pid> for i32 {
    fn from(pid: Pid) -> Self {
        pid.0
    }
}

impl TryFrom<i64> for Pid {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        Self::new(number).ok_or_else(|| format!("{number} is no process id"))
    }
}

/// A process: its id, and when it started. An id is used again after the end of a process; both together are not before
/// the machine starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Process {
    /// Its id.
    pub pid: Pid,
    /// When it started, in clock ticks since the machine did: field 22 of `/proc/PID/stat`.
    pub started: u64,
}

/// What `/proc/PID/stat` says.
struct Stat {
    state: char,
    parent: i32,
    started: u64,
    /// What it and the children that it waited for used of the processors, in clock ticks.
    used: u64,
}

/// Clock ticks of `/proc` in a second: on Linux the same everywhere, whatever the kernel's own clock does.
const TICKS: u64 = 100;

impl Process {
    /// The process that has this id now, also one that has ended and was not waited for.
    pub fn of(pid: Pid) -> Option<Self> {
        Some(Self { pid, started: stat(pid)?.started })
    }

    /// This process.
    pub fn own() -> Result<Self> {
        Pid::new(std::process::id())
            .and_then(Self::of)
            .ok_or_else(|| Error::cannot_run("cannot read /proc/self/stat: is /proc mounted?"))
    }

    /// Whether it is there, and does not only wait to be collected by its parent.
    pub fn is_alive(&self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.started == self.started && !"ZX".contains(stat.state))
    }

    /// What it, and the children that it waited for, used of the processors; nothing if it is gone.
    pub fn cpu_time(&self) -> Duration {
        let stat = stat(self.pid).filter(|stat| stat.started == self.started);
        stat.map_or(Duration::ZERO, |stat| Duration::from_millis(stat.used * 1000 / TICKS))
    }

    /// Sends it a signal; false if it is gone. Never reaches a process that got its id later.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        let sent = open(self.pid).and_then(|fd| {
            // The descriptor stands for whoever has the id now, for good: so it is looked at behind it.
            if Self::of(self.pid) == Some(*self) { send(&fd, signal) } else { Err(Errno::ESRCH) }
        });
        match sent {
            Ok(()) => Ok(true),
            Err(Errno::ESRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// It and all that it started, and what they did, as far as they have not left: a process whose parent ended is no
    /// descendant any more, unless its new parent is one.
    pub fn family(&self) -> Vec<Self> {
        let all: Vec<(Self, i32)> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Pid::new(entry.file_name().to_str()?.parse::<i32>().ok()?))
            .filter_map(|pid| stat(pid).map(|stat| (Self { pid, started: stat.started }, stat.parent)))
            .collect();
        let mut family: Vec<Self> = all.iter().map(|(one, _)| *one).filter(|one| one == self).collect();
        let mut next = 0;
        while let Some(parent) = family.get(next).map(|one| one.pid.0) {
            family.extend(all.iter().filter(|(_, of)| *of == parent).map(|(one, _)| *one));
            next += 1;
        }
        family
    }
}

/// A descriptor of the process with this id, since Linux 5.3.
fn open(pid: Pid) -> nix::Result<OwnedFd> {
    // SAFETY: a system call that takes numbers only.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.0, 0) })?;
    let fd = i32::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn send(fd: &OwnedFd, signal: Signal) -> nix::Result<()> {
    let (fd, signal, none) = (fd.as_raw_fd(), signal as libc::c_int, std::ptr::null::<libc::siginfo_t>());
    // SAFETY: the descriptor is open, and no information goes with the signal.
    Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, none, 0) }).map(drop)
}

fn stat(pid: Pid) -> Option<Stat> {
    parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// `PID (NAME) STATE PPID …`: the name may have blanks and parentheses in it, and any bytes.
fn parse(stat: &[u8]) -> Option<Stat> {
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = str::from_utf8(&stat[end + 1..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    // Fields 14 to 17, and 22; behind the name the third comes first.
    let fields: Vec<u64> = fields.skip(9).take(9).map(|field| field.parse().unwrap_or(0)).collect();
    let [used @ .., _, _, _, _, started] = <[u64; 9]>::try_from(fields).ok()?;
    Some(Stat { state, parent, started, used: used.iter().sum() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cmd, Stdio};

    #[test]
    fn what_kill_takes_for_many_is_no_id() {
        for wrong in [0i64, -1, -4711, i64::MIN, 1 << 31, (1 << 32) + 5] {
            assert_eq!(Pid::new(wrong), None);
            assert!(serde_json::from_str::<Pid>(&wrong.to_string()).is_err(), "{wrong}");
        }
        assert_eq!(Pid::new(u32::MAX), None);
        assert_eq!(serde_json::from_str::<Pid>("4711").unwrap().to_string(), "4711");
    }

    #[test]
    fn a_name_cannot_pretend_to_be_fields() {
        let fields = "S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 998877 1";
        let stat = parse(format!("12 (a) Z 1 (\u{fc}) {fields}").as_bytes()).unwrap();
        assert_eq!((stat.state, stat.parent, stat.started), ('S', 7, 998_877));
        assert_eq!(stat.used, 5 + 6 + 7 + 8);
        assert!(parse(b"12 (cut) S 7 1").is_none() && parse(b"").is_none());
    }

    #[test]
    fn a_process_with_a_used_id_is_another() {
        let own = Process::own().unwrap();
        assert!(own.is_alive());
        // As if ours had the id of one that ended: a signal would end this test.
        let earlier = Process { started: own.started - 1, ..own };
        assert!(!earlier.is_alive());
        assert!(!earlier.signal(Signal::SIGKILL).unwrap());
        assert_eq!(earlier.family(), []);
    }

    #[test]
    fn a_family_is_found_and_ends() {
        let mut child = Cmd::new("sh").args(["-c", "sleep 1000 & wait"]).spawn(Stdio::Merged).unwrap();
        let supervisor = Process::of(child.id()).unwrap();
        let family = || {
            // The supervisor, the shell and the sleeper.
            let found = supervisor.family();
            (found.len() == 3).then_some(found)
        };
        let family = std::iter::repeat_with(family).find_map(|found| {
            std::thread::sleep(Duration::from_millis(5));
            found
        });
        let family = family.unwrap();
        assert_eq!(family[0], supervisor);
        assert!(family[2].signal(Signal::SIGKILL).unwrap());
        child.wait().unwrap();
        assert!(family.iter().all(|one| !one.is_alive() && !one.signal(Signal::SIGKILL).unwrap()));
    }
}
