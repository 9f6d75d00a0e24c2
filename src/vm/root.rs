//! What a guest sees of the host: its root filesystem, the directories that are shared beside it, and which programs it
//! finds there.

use crate::arch;
use crate::error::{Error, IoContext, Result};
use crate::process;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a backend mounts the shares, before the agent binds each to its real place.
const SHARES: &str = "/run/vmptcp";

/// Places at which a guest has something of its own, even where its root is the host's.
const HIDDEN: [&str; 8] =
    ["/run", "/dev", "/proc", "/sys", "/var/tmp", "/var/log", "/var/cache", "/var/lib/apt"];

/// As many links may lead from a name to a program.
const LINKS: usize = 16;

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

    /// True if a guest finds the host's directory `dir` at its own place.
    pub fn shows(&self, dir: &Path) -> bool {
        let shared = self.shares.iter().any(|share| dir.starts_with(&share.guest));
        let below = || self.dir.join(dir.strip_prefix("/").unwrap_or(dir));
        shared || (!is_hidden(dir) && (self.is_host() || below().is_dir()))
    }

    /// Where a guest finds the host's directory `dir`: at its own place, unless a share shows it at another.
    pub fn seen(&self, dir: &Path) -> PathBuf {
        let moved = |share: &Share| Some(share.guest.join(dir.strip_prefix(&share.host).ok()?));
        let elsewhere = self.shares.iter().filter(|share| !dir.starts_with(&share.guest)).find_map(moved);
        elsewhere.unwrap_or_else(|| dir.to_owned())
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
    PROGRAM_DIRS.iter().find_map(|place| resolve(dir, &dir.join(place).join(name)))
}

/// The file that `path`, below the root `dir`, is in a guest with that root: there a link may begin with a slash.
fn resolve(dir: &Path, path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(target) = path.read_link() else { return path.is_file().then_some(path) };
        path = match target.strip_prefix("/") {
            Ok(below) => dir.join(below),
            Err(_) => path.parent()?.join(target),
        };
    }
    None
}

/// The shared library of this name below the root `dir`, where distributions have it.
pub fn library(dir: &Path, name: &str) -> Option<PathBuf> {
    let triplet = format!("{}-linux-gnu", arch::host().name);
    let places =
        [format!("usr/lib/{triplet}"), format!("lib/{triplet}"), "usr/lib64".into(), "usr/lib".into()];
    places.iter().map(|place| dir.join(place).join(name)).find(|path| path.is_file())
}

/// The packages below the root `dir`, with their versions, as dpkg's record has them; none where there is no such record.
pub fn packages(dir: &Path) -> BTreeMap<String, String> {
    let record = std::fs::read_to_string(dir.join("var/lib/dpkg/status")).unwrap_or_default();
    let field = |stanza: &str, name: &str| {
        stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
    };
    let package = |stanza: &str| {
        let there = field(stanza, "Status")?.starts_with("install ok ");
        Some((field(stanza, "Package")?, field(stanza, "Version")?)).filter(|_| there)
    };
    record.split("\n\n").filter_map(package).collect()
}

/// True if what the host has at `path` is hidden in a guest that shares the host's root.
pub fn is_hidden(path: &Path) -> bool {
    HIDDEN.iter().any(|hidden| path.starts_with(hidden))
}

/// Makes the directories below a root that is not the host's at which its guests see the shares: where they cannot write to
/// their root, they cannot make them themselves.
pub fn make_places(root: &Root) -> Result<()> {
    if root.is_host() {
        return Ok(());
    }
    for share in &root.shares {
        make_place(&root.dir, &share.guest).map_err(|error| {
            error.hint("let vmptcp write to that directory, or make these places by hand, or use an image: vmptcp image")
        })?;
    }
    Ok(())
}

fn make_place(root: &Path, guest: &Path) -> Result<()> {
    let place = root.join(guest.strip_prefix("/").unwrap_or(guest));
    if is_hidden(guest) || place.is_dir() {
        return Ok(());
    }
    // A link in the root means another place here than in the guest.
    let there = place.ancestors().find_map(|dir| dir.canonicalize().ok()).unwrap_or_default();
    let own = root.canonicalize().doing("find", root)?;
    if !there.starts_with(&own) {
        return Err(Error::cannot_run(format!(
            "cannot make {} below {}: a link leads out of it",
            guest.display(),
            root.display()
        )));
    }
    std::fs::create_dir_all(&place).doing("create", &place)
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
    fn a_directory_is_shown_by_the_root_or_by_a_share() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("srv")).unwrap();
        let own = Root { dir: dir.path().to_owned(), ..root() };
        let shown = |root: &Root| {
            ["/home/a b/ü/x", "/srv", "/nowhere", "/run/x", "/run/tools"]
                .map(|dir| root.shows(Path::new(dir)))
        };
        assert_eq!(shown(&own), [true, true, false, false, true]);
        assert_eq!(shown(&root()), [true, true, true, false, true]);
    }

    #[test]
    fn a_directory_is_seen_where_a_share_shows_it() {
        let mut root = root();
        root.shares.push(Share { host: "/build".into(), guest: "/run/kselftests".into(), writable: false });
        let seen = ["/build/net/mptcp", "/builds", "/home/a b/ü/x"].map(|dir| root.seen(Path::new(dir)));
        assert_eq!(seen, ["/run/kselftests/net/mptcp", "/builds", "/home/a b/ü/x"].map(PathBuf::from));
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
    fn a_root_gets_places_for_what_its_guests_see_of_the_host() {
        let dir = tempfile::tempdir().unwrap();
        let (image, host) = (dir.path().join("image"), dir.path().join("host"));
        std::fs::create_dir_all(&image).unwrap();
        std::fs::create_dir_all(&host).unwrap();
        std::os::unix::fs::symlink(&host, image.join("srv")).unwrap();
        let with = |guest: &str| {
            let share = Share { host: "/links/1".into(), guest: guest.into(), writable: true };
            make_places(&Root { dir: image.clone(), shares: vec![share], ..root() })
        };
        with("/home/a b/ü").unwrap();
        with("/home/a b/ü").unwrap();
        with("/run/user/0/x").unwrap();
        assert!(image.join("home/a b/ü").is_dir() && !image.join("run").exists());
        let error = with("/srv/tree").unwrap_err().to_string();
        assert!(error.contains("a link leads out of it") && !host.join("tree").exists(), "{error}");
    }

    #[test]
    fn a_guest_has_its_own_run_directory() {
        assert!(is_hidden(Path::new("/run/user/0/x")) && !is_hidden(Path::new("/runs/x")));
    }
}
