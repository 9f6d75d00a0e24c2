//! What a guest sees of the host: its root filesystem, the directories that are shared beside it, and which programs it
//! finds there.

use crate::arch;
use crate::process;
use std::path::{Path, PathBuf};

/// Where a backend mounts the shares, before the agent binds each to its real place.
const SHARES: &str = "/run/vmptcp";

/// Places at which a guest has something of its own, even where its root is the host's.
const HIDDEN: [&str; 8] =
    ["/run", "/dev", "/proc", "/sys", "/var/tmp", "/var/log", "/var/cache", "/var/lib/apt"];

/// Where programs are, below a root that is not the host's.
const PROGRAM_DIRS: [&str; 6] = ["usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"];

/// What a guest sees of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its root filesystem, a directory of the host: `/` is the host's own.
    pub dir: PathBuf,
    /// Directories of the host that it sees beside it.
    pub shares: Vec<Share>,
    /// This executable, as the guest sees it.
    pub agent: PathBuf,
}

/// A directory of the host that the guest sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The directory on the host. For virtme-ng a path of plain characters only.
    pub host: PathBuf,
    /// Where the guest shall see it: any path.
    pub guest: PathBuf,
    /// May the guest write to it?
    pub writable: bool,
}

impl Root {
    /// True if the root filesystem is the host's own.
    pub fn is_host(&self) -> bool {
        is_host(&self.dir)
    }

    /// The shares, each with the place where the backend mounts it.
    pub fn mounts(&self) -> impl Iterator<Item = (String, &Share)> {
        self.shares.iter().enumerate().map(|(index, share)| (share_point(index), share))
    }

    /// What the agent binds: pairs of where a share is mounted and where it shall appear.
    pub fn binds(&self) -> Vec<(String, String)> {
        self.mounts().map(|(point, share)| (point, share.guest.to_string_lossy().into_owned())).collect()
    }

    /// Where the agent's executable is before it has bound the shares.
    pub fn agent_at_boot(&self) -> PathBuf {
        let below = |(point, share): (String, &Share)| {
            let rest = self.agent.strip_prefix(&share.guest).ok()?;
            Some(Path::new(&point).join(rest))
        };
        self.mounts().find_map(below).unwrap_or_else(|| self.agent.clone())
    }
}

/// Its name, in provenance.
impl std::fmt::Display for Root {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_host() { f.write_str("/ (the host's)") } else { self.dir.display().fmt(f) }
    }
}

fn is_host(dir: &Path) -> bool {
    dir == Path::new("/")
}

/// True if a guest whose root is `dir` finds this program.
pub fn has_program(dir: &Path, name: &str) -> bool {
    if is_host(dir) {
        return process::find(name).is_ok();
    }
    program(dir, name).is_some()
}

/// The program of this name that a guest whose root is `dir` starts where `PATH` is the usual one.
pub fn program(dir: &Path, name: &str) -> Option<PathBuf> {
    PROGRAM_DIRS.iter().map(|place| dir.join(place).join(name)).find(|path| path.is_file())
}

/// The shared library of this name below the root `dir`, where distributions have it.
pub fn library(dir: &Path, name: &str) -> Option<PathBuf> {
    let triplet = format!("{}-linux-gnu", arch::host().name);
    let places =
        [format!("usr/lib/{triplet}"), format!("lib/{triplet}"), "usr/lib64".into(), "usr/lib".into()];
    places.iter().map(|place| dir.join(place).join(name)).find(|path| path.is_file())
}

/// True if what the host has at `path` is hidden in a guest that shares the host's root.
pub fn is_hidden(path: &Path) -> bool {
    HIDDEN.iter().any(|hidden| path.starts_with(hidden))
}

fn share_point(index: usize) -> String {
    format!("{SHARES}/{index}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> Root {
        let share =
            |host: &str, guest: &str, writable| Share { host: host.into(), guest: guest.into(), writable };
        Root {
            dir: "/".into(),
            shares: vec![share("/links/1", "/home/a b/ü", true), share("/links/2", "/run/tools", false)],
            agent: "/my tools/vmptcp".into(),
        }
    }

    #[test]
    fn shares_are_bound_to_their_real_place() {
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(
            root().binds(),
            [pair("/run/vmptcp/0", "/home/a b/ü"), pair("/run/vmptcp/1", "/run/tools")]
        );
    }

    #[test]
    fn an_agent_that_the_guest_hides_is_started_from_its_share() {
        assert_eq!(root().agent_at_boot(), Path::new("/my tools/vmptcp"));
        let hidden = Root { agent: "/run/tools/vmptcp".into(), ..root() };
        assert_eq!(hidden.agent_at_boot(), Path::new("/run/vmptcp/1/vmptcp"));
    }

    #[test]
    fn programs_are_those_of_the_guests_root() {
        let dir = tempfile::tempdir().unwrap();
        assert!(has_program(Path::new("/"), "sh") && !has_program(dir.path(), "sh"));
        std::fs::create_dir_all(dir.path().join("usr/sbin")).unwrap();
        std::fs::write(dir.path().join("usr/sbin/tcpdump"), "").unwrap();
        assert!(has_program(dir.path(), "tcpdump"));
        let other = Root { dir: "/srv/root".into(), ..root() };
        assert_eq!((root().to_string(), other.to_string()), ("/ (the host's)".into(), "/srv/root".into()));
    }

    #[test]
    fn a_guest_has_its_own_run_directory() {
        assert!(is_hidden(Path::new("/run/user/0/x")) && !is_hidden(Path::new("/runs/x")));
    }
}
