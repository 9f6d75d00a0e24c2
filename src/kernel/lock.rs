//! One invocation at a time.
//!
//! The lock is the kernel's (an open file description lock): it goes with the process that holds it, however that ends,
//! and it can be turned from an exclusive one into a shared one without a moment in between. What is written in the file
//! only tells others who holds it; when nobody does it is harmless.

use crate::error::{Error, IoContext, Result};
use crate::process::{Process, interrupt};
use crate::text::Shown;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

/// How often a waiting invocation tries again.
const RETRY: Duration = Duration::from_millis(100);

/// Who holds a lock, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Which process.
    #[serde(flatten)]
    pub process: Process,
    /// What it was asked to do.
    pub command: String,
    /// When it got the lock.
    pub since: jiff::Timestamp,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S");
        // The file can be written by others.
        write!(f, "process {} ({}, since {since})", self.process.pid, Shown::line(&self.command))
    }
}

/// What to do when somebody else holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// Wait for its end.
    Wait,
    /// Fail.
    Fail,
}

/// A lock, held until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// What it is held for.
    command: String,
}

impl Lock {
    /// Shares the file `path`, for `command`, with others who only use what is built: together they keep it from whoever
    /// wants it for itself. `None` if another process has it for itself. Others are told of this one when it is [signed]:
    /// what is looked at for a moment only shall not hide who else holds it.
    ///
    /// [signed]: Self::sign
    pub fn share(path: &Path, command: &str) -> Result<Option<Self>> {
        let file = open(path)?;
        let shared = set(&file, libc::F_RDLCK).doing("lock", path)?;
        Ok(shared.then(|| Self { file, command: command.to_owned() }))
    }

    /// Lets others see who holds it.
    pub fn sign(&self) -> Result<()> {
        write_holder(&self.file, &self.command)
            .map_err(|error| Error::cannot_run(format!("cannot write a lock: {error}")))
    }

    /// From now on others may share the lock as well: each of them keeps it from whoever wants it for itself.
    pub fn relax(&self) -> Result<()> {
        set(&self.file, libc::F_RDLCK)
            .map(|_| ())
            .map_err(|error| Error::cannot_run(format!("cannot share a lock: {error}")))
    }

    /// Locks the file `path`, which is created where it is missing, for `command`. If another process holds it, `waiting`
    /// is told once who (`None` if that cannot be read), and then it is waited for or not. Waiting ends with
    /// [`Error::interrupted`] on Ctrl-C.
    pub fn acquire(
        path: &Path,
        command: &str,
        busy: Busy,
        mut waiting: impl FnMut(Option<&Holder>),
    ) -> Result<Self> {
        let mut file = open(path)?;
        let mut told = false;
        while !set(&file, libc::F_WRLCK).doing("lock", path)? {
            if !told {
                let holder = read_holder(&mut file);
                if busy == Busy::Fail {
                    return Err(held(path, holder.as_ref()));
                }
                waiting(holder.as_ref());
                told = true;
            }
            interrupt::check()?;
            std::thread::sleep(RETRY);
        }
        write_holder(&file, command).doing("write", path)?;
        Ok(Self { file, command: command.to_owned() })
    }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .doing("open the lock file", path)
}

/// Locks the whole file; false if somebody else keeps us from it.
fn set(file: &File, kind: libc::c_int) -> std::io::Result<bool> {
    let whole = libc::flock {
        l_type: libc::c_short::try_from(kind).map_err(std::io::Error::other)?,
        l_whence: 0,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&whole)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn held(path: &Path, holder: Option<&Holder>) -> Error {
    let who = holder.map_or_else(|| "another process".to_owned(), Holder::to_string);
    Error::cannot_run(format!("{} is locked by {who}", path.display())).hint("let it end first")
}

fn write_holder(mut file: &File, command: &str) -> std::io::Result<()> {
    let since = jiff::Timestamp::now();
    // A holder that is not known is no reason not to lock.
    let holder = Process::own().map(|process| Holder { process, command: command.to_owned(), since });
    let text = holder.ok().and_then(|holder| serde_json::to_string(&holder).ok()).unwrap_or_default();
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

/// Who wrote the file last, if that process is still there: of several who share it, the others may have ended.
fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(64 * 1024).read_to_string(&mut text).ok()?;
    let holder: Holder = serde_json::from_str(&text).ok()?;
    holder.process.is_alive().then_some(holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_and_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("normal.lock");
        let first = Lock::acquire(&path, "vmptcp build", Busy::Wait, |_| panic!("nobody holds it")).unwrap();
        let mut seen = None;
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                Lock::acquire(&path, "vmptcp test", Busy::Wait, |holder| seen = holder.cloned()).unwrap();
            });
            std::thread::sleep(Duration::from_millis(150));
            assert!(!second.is_finished());
            drop(first);
        });
        let holder = seen.unwrap();
        assert_eq!((holder.process, holder.command.as_str()), (Process::own().unwrap(), "vmptcp build"));
    }

    #[test]
    fn one_that_must_not_wait_fails_and_names_the_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.lock");
        let _first = Lock::acquire(&path, "vmptcp \u{1b}[2Jbuild", Busy::Fail, |_| ()).unwrap();
        let error = Lock::acquire(&path, "b", Busy::Fail, |_| ()).unwrap_err().to_string();
        let expected =
            format!("is locked by process {} (vmptcp \\u{{1b}}[2Jbuild, since ", std::process::id());
        assert!(error.contains(&expected), "{error}");
    }

    #[test]
    fn those_who_share_keep_out_who_wants_it_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.lock");
        let first = Lock::acquire(&path, "vmptcp test", Busy::Fail, |_| ()).unwrap();
        assert!(Lock::share(&path, "vmptcp exec").unwrap().is_none());
        first.relax().unwrap();
        let second = Lock::share(&path, "vmptcp exec").unwrap().unwrap();
        let error = Lock::acquire(&path, "vmptcp build", Busy::Fail, |_| ()).unwrap_err().to_string();
        assert!(error.contains("(vmptcp test, since"), "one that looks only hides nobody: {error}");
        second.sign().unwrap();
        drop(first);
        let error = Lock::acquire(&path, "vmptcp build", Busy::Fail, |_| ()).unwrap_err().to_string();
        assert!(error.contains("(vmptcp exec, since"), "{error}");
        drop(second);
        Lock::acquire(&path, "vmptcp build", Busy::Fail, |_| ()).unwrap();
    }

    #[test]
    fn what_a_dead_holder_left_behind_does_not_matter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.lock");
        std::fs::write(&path, "{\"pid\":1,\"command\":\"gone\"".repeat(100)).unwrap();
        drop(Lock::acquire(&path, "new", Busy::Fail, |_| ()).unwrap());
        let left: Holder = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(left.command, "new");
    }
}
