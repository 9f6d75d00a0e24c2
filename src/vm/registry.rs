//! The guests of this user that run now: a file for each, locked as long as the process lives that started it.

use crate::error::{IoContext, Result};
use crate::process::Process;
use crate::text::file;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A guest, as its file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// The process that started it.
    #[serde(flatten)]
    pub owner: Process,
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
    /// Its own processes, as far as they were there when this was written.
    #[serde(default)]
    pub processes: BTreeSet<Process>,
}

impl Guest {
    /// What it is called on a command line: `PID.VM`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.owner.pid, self.vm)
    }
}

/// Keeps a guest listed until it is dropped.
#[derive(Debug)]
pub struct Registration {
    path: PathBuf,
    /// What its file says, and the file itself, which is locked.
    listed: Mutex<(Guest, file::Locked)>,
}

impl Registration {
    /// Adds processes to those of the guest: they are what is looked for when nobody else is left to end them.
    pub(super) fn add(&self, processes: impl IntoIterator<Item = Process>) -> Result<()> {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let before = listed.0.processes.len();
        listed.0.processes.extend(processes);
        if listed.0.processes.len() > before {
            listed.1 = write(&self.path, &listed.0)?;
        }
        Ok(())
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Lists a guest in the directory `dir`.
pub(super) fn register(dir: &Path, guest: Guest) -> Result<Registration> {
    fs::create_dir_all(dir).doing("create", dir)?;
    let path = dir.join(format!("{}.json", guest.socket));
    let file = write(&path, &guest)?;
    Ok(Registration { path, listed: Mutex::new((guest, file)) })
}

fn write(path: &Path, guest: &Guest) -> Result<file::Locked> {
    file::replace_locked(path, &serde_json::to_vec(guest).unwrap_or_default())
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

/// The guests that are listed in `dir`, the oldest first. A file that is none of ours is passed over; that of an orphan of
/// which no process is left is removed.
pub fn list(dir: &Path) -> Vec<Listed> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let listed = |path: PathBuf| {
        if path.extension().is_none_or(|extension| extension != "json") {
            return None;
        }
        let mut file = File::open(&path).ok()?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).ok()?;
        let guest: Guest = serde_json::from_slice(&text).ok()?;
        // Another file may have taken its place meanwhile, which is locked: then its owner lives.
        let orphan = file.try_lock_shared().is_ok() && !guest.owner.is_alive();
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
    /// The processes that belong to it and are still there, with all that they started.
    pub fn processes(&self) -> BTreeSet<Process> {
        let alive = self.guest.processes.iter().filter(|process| process.is_alive());
        alive.flat_map(Process::family).filter(Process::is_alive).collect()
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
            owner: Process::own().unwrap(),
            vm: 2,
            socket: socket.to_owned(),
            command: "vmptcp test".into(),
            kernel: "/k".into(),
            console: "/c".into(),
            since: jiff::Timestamp::UNIX_EPOCH,
            processes: BTreeSet::new(),
        }
    }

    /// A guest whose owner was killed, with these processes.
    fn left_behind(file: &Path, processes: impl IntoIterator<Item = Process>) {
        let mut guest = guest("vmptcp-left");
        // Ours has the same id, as it were, and is another process.
        guest.owner.started -= 1;
        guest.processes.extend(processes);
        fs::write(file, serde_json::to_string(&guest).unwrap()).unwrap();
    }

    #[test]
    fn a_guest_is_listed_as_long_as_its_process_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("guests");
        assert_eq!(list(&dir), []);
        let kept = register(&dir, guest("vmptcp-1")).unwrap();
        fs::write(dir.join("other.json"), "{").unwrap();
        kept.add([Process::own().unwrap()]).unwrap();
        let listed = list(&dir);
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].guest.name(), listed[0].orphan), (format!("{}.2", std::process::id()), false));
        assert_eq!(listed[0].guest.processes.len(), 1);
        drop(kept);
        assert_eq!(list(&dir), []);
    }

    #[test]
    fn what_a_killed_process_left_is_an_orphan_as_long_as_something_of_it_runs() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("left.json");
        let left = Cmd::new("sh").args(["-c", "sleep 60; :"]).spawn(Stdio::Merged).unwrap();
        left_behind(&file, Process::of(left.id()));
        let listed = list(dir.path());
        assert!(listed[0].orphan);
        assert!(listed[0].processes().contains(&Process::of(left.id()).unwrap()));
        drop(left);
        assert_eq!(list(dir.path()), []);
        assert!(!file.exists());
    }

    #[test]
    fn who_only_looks_like_an_orphan_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("left.json");
        // It names the guest in its command line, and has the id of one of its processes. It is none of them.
        let other = Cmd::new("sh").args(["-c", "sleep 60; :", "vmptcp-left"]).spawn(Stdio::Merged).unwrap();
        let mut process = Process::of(other.id()).unwrap();
        process.started -= 1;
        left_behind(&file, [process]);
        assert_eq!(list(dir.path()), []);
        assert!(!file.exists());
    }

    #[test]
    fn a_file_with_an_id_that_means_many_is_none_of_ours() {
        let dir = tempfile::tempdir().unwrap();
        let text = serde_json::to_string(&guest("vmptcp-1")).unwrap();
        for id in ["0", "-1", "-4711"] {
            let text = text.replace(&format!("\"pid\":{}", std::process::id()), &format!("\"pid\":{id}"));
            fs::write(dir.path().join("wrong.json"), &text).unwrap();
            assert_eq!(list(dir.path()), [], "{text}");
        }
    }
}
