//! The guests of this user that run now: a file for each, locked as long as the process lives that started it.

use crate::error::{Error, IoContext, Result};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A guest, as its file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// The process that started it.
    pub pid: u32,
    /// Its number among the guests of that process.
    pub vm: u32,
    /// What identifies it: the name of its agent's socket.
    pub socket: String,
    /// What the process was asked to do.
    pub command: String,
    /// The build directory of its kernel.
    pub kernel: PathBuf,
    /// Its console log.
    pub console: PathBuf,
    /// When it was started.
    pub since: jiff::Timestamp,
}

impl Guest {
    /// What it is called on a command line: `PID.VM`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.pid, self.vm)
    }
}

/// Keeps a guest listed until it is dropped.
#[derive(Debug)]
pub struct Registration {
    path: PathBuf,
    _locked: File,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Lists a guest in the directory `dir`.
pub(super) fn register(dir: &Path, guest: &Guest) -> Result<Registration> {
    fs::create_dir_all(dir).doing("create", dir)?;
    let path = dir.join(format!("{}.json", guest.socket));
    let mut file = File::create(&path).doing("create", &path)?;
    let locked = file.try_lock();
    let text = serde_json::to_string(guest).unwrap_or_default();
    file.write_all(text.as_bytes()).doing("write", &path)?;
    match locked {
        Err(TryLockError::Error(error)) => Err(Error::io("lock", &path, &error)),
        _ => Ok(Registration { path, _locked: file }),
    }
}

/// A guest that is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub guest: Guest,
    /// Its file.
    path: PathBuf,
    /// The process that started it is gone.
    pub orphan: bool,
}

/// The guests that are listed in `dir`, the oldest first. A file that is none of ours, or is just being written, is passed
/// over; that of an orphan of which no process is left is removed.
pub fn list(dir: &Path) -> Vec<Listed> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let listed = |path: PathBuf| {
        let guest: Guest = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        let orphan = File::open(&path).ok()?.try_lock_shared().is_ok();
        let listed = Listed { guest, path, orphan };
        if orphan && listed.processes().is_empty() {
            listed.forget();
            return None;
        }
        Some(listed)
    };
    let mut all: Vec<Listed> = entries.flatten().filter_map(|entry| listed(entry.path())).collect();
    all.sort_by_key(|listed| (listed.guest.since, listed.guest.vm));
    all
}

impl Listed {
    /// The processes that belong to it: their command line names its socket.
    pub fn processes(&self) -> Vec<i32> {
        let needle = self.guest.socket.as_bytes();
        if !self.guest.socket.starts_with("vmptcp-") {
            return Vec::new();
        }
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let mine = |pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.windows(needle.len()).any(|window| window == needle)
        };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| *pid != i32::try_from(std::process::id()).unwrap_or(0))
            .filter(mine)
            .collect()
    }

    /// Takes it off the list.
    pub fn forget(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Cmd, Stdio};

    fn guest(socket: &str) -> Guest {
        Guest {
            pid: std::process::id(),
            vm: 2,
            socket: socket.to_owned(),
            command: "vmptcp test".into(),
            kernel: "/k".into(),
            console: "/c".into(),
            since: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_guest_is_listed_as_long_as_its_process_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("guests");
        assert_eq!(list(&dir), []);
        let kept = register(&dir, &guest("vmptcp-1")).unwrap();
        fs::write(dir.join("other"), "{").unwrap();
        let listed = list(&dir);
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].guest.name(), listed[0].orphan), (format!("{}.2", std::process::id()), false));
        drop(kept);
        assert_eq!(list(&dir), []);
    }

    #[test]
    fn what_a_killed_process_left_is_an_orphan_as_long_as_something_of_it_runs() {
        let dir = tempfile::tempdir().unwrap();
        let socket = format!("vmptcp-{}-left", std::process::id());
        let file = dir.path().join("left.json");
        fs::write(&file, serde_json::to_string(&guest(&socket)).unwrap()).unwrap();
        let command = Cmd::new("sh").args(["-c", "sleep 60; :", &socket]);
        let left = command.spawn(Stdio::Merged).unwrap();
        let listed = list(dir.path());
        assert!(listed[0].orphan);
        assert!(!listed[0].processes().is_empty());
        drop(left);
        assert_eq!(list(dir.path()), []);
        assert!(!file.exists());
    }
}
