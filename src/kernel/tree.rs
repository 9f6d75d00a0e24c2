//! A kernel source tree: is it one, which version, which commit.

use super::pack::{MANIFEST, Manifest};
pub use super::version::{Commit, Version};
use crate::error::{Error, IoContext, Result};
use crate::process::Cmd;
use crate::text::decode;
use std::path::{Path, PathBuf};

/// Where a tree keeps the MPTCP selftests, relative to its root.
pub const MPTCP_SELFTESTS: &str = "tools/testing/selftests/net/mptcp";

/// A directory that is a kernel source tree, or a pack that was unpacked.
#[derive(Debug, Clone)]
pub struct Tree {
    root: PathBuf,
    version: Version,
    packed: Option<Manifest>,
}

impl Tree {
    /// Looks at `path`; fails, saying what is missing, unless it is the root of a kernel tree.
    pub fn open(path: &Path) -> Result<Self> {
        let not_a_tree = |why: &str| {
            Error::usage(format!("{} is not a kernel tree: {why}", path.display()))
                .hint("name one with --tree DIR, or obtain one: vmptcp source")
        };
        let root = path.canonicalize().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => not_a_tree("there is no such directory"),
            std::io::ErrorKind::NotADirectory => not_a_tree("it is not a directory"),
            _ => Error::io("open the kernel tree", path, &error),
        })?;
        if !root.is_dir() {
            return Err(not_a_tree("it is not a directory"));
        }
        if let Some(packed) = Manifest::of(&root)? {
            return Ok(Self { root, version: packed.version.clone(), packed: Some(packed) });
        }
        for needed in ["Makefile", "Kconfig", "scripts/kconfig"] {
            if !root.join(needed).exists() {
                return Err(not_a_tree(&format!("no {needed} there")));
            }
        }
        let makefile = root.join("Makefile");
        let text = std::fs::read(&makefile).doing("read", &makefile)?;
        let version = Version::parse(&decode(&text))
            .ok_or_else(|| not_a_tree("its Makefile states no VERSION and PATCHLEVEL"))?;
        Ok(Self { root, version, packed: None })
    }

    /// Its canonical path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The version that its Makefile states.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// What was unpacked; none where the sources are.
    pub fn packed(&self) -> Option<&Manifest> {
        self.packed.as_ref()
    }

    /// Fails unless the sources are here, without which `what` cannot be done.
    pub fn require_sources(&self, what: &str) -> Result<()> {
        if self.packed.is_none() {
            return Ok(());
        }
        let root = self.root.display();
        Err(Error::usage(format!(
            "cannot {what} without the kernel's sources: {root} was unpacked from a pack"
        ))
        .hint(format!("do that where the sources are: --tree DIR; what a pack has is in {MANIFEST} there")))
    }

    /// True if it has the MPTCP selftests.
    pub fn has_mptcp_selftests(&self) -> bool {
        self.root.join(MPTCP_SELFTESTS).join("Makefile").is_file()
    }

    /// Fails, with the remedy, unless [`Tree::has_mptcp_selftests`].
    pub fn require_mptcp_selftests(&self) -> Result<()> {
        if self.has_mptcp_selftests() {
            return Ok(());
        }
        Err(Error::usage(format!(
            "the kernel tree {} ({}) has no MPTCP selftests: no {MPTCP_SELFTESTS} there",
            self.root.display(),
            self.version
        ))
        .hint("use a tree of version 5.6 or later that still has its tools/: vmptcp source"))
    }

    /// The commit it is at. `None` if it is not a work tree of git's, or git is missing or refuses to look at it (a tree
    /// that belongs to somebody else): then nobody can tell.
    pub fn commit(&self) -> Option<Commit> {
        if let Some(packed) = &self.packed {
            return packed.commit.clone();
        }
        let git = |args: &[&str]| {
            // Without optional locks `status` writes nothing, not even its index.
            let git = Cmd::new("git").arg("--no-optional-locks").arg("-C").arg(&self.root).env("LC_ALL", "C");
            let output = git.args(args).output().ok()?;
            output.status.success().then(|| output.stdout.trim().to_owned())
        };
        // An unpacked tarball inside somebody's repository is not that repository's commit.
        if !git(&["rev-parse", "--show-cdup"])?.is_empty() {
            return None;
        }
        let hash = git(&["rev-parse", "--verify", "HEAD"])?;
        let describe = git(&["describe", "--always", "--abbrev=12"]).unwrap_or_else(|| hash.clone());
        let dirty = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
        Some(Commit { hash, describe, dirty })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::fs;

    pub(crate) const MAKEFILE: &str = "# SPDX-License-Identifier: GPL-2.0\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 7\n\
        EXTRAVERSION = -rc1\nNAME = Baby Opossum Posse\n\nall:\n\techo VERSION = 3\n";

    /// The least that passes for a kernel tree.
    pub(crate) fn fake_tree(dir: &Path) {
        fs::create_dir_all(dir.join("scripts/kconfig")).unwrap();
        fs::create_dir_all(dir.join(MPTCP_SELFTESTS)).unwrap();
        fs::write(dir.join("Makefile"), MAKEFILE).unwrap();
        fs::write(dir.join("Kconfig"), "mainmenu \"x\"\n").unwrap();
        fs::write(dir.join("scripts/kconfig/Makefile"), "").unwrap();
        fs::write(dir.join(MPTCP_SELFTESTS).join("Makefile"), "").unwrap();
    }

    /// Runs git in `dir` with an identity of its own.
    pub(crate) fn git(dir: &Path, args: &[&str]) {
        let identity = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
        Cmd::new("git").args(identity).args(args).cwd(dir).read().unwrap();
    }

    #[test]
    fn the_version_is_what_the_makefile_states() {
        let version = Version::parse(MAKEFILE).unwrap();
        assert_eq!(version.to_string(), "6.12.7-rc1");
        assert!(version > Version::parse("VERSION=6\nPATCHLEVEL=1\nSUBLEVEL=192\n").unwrap());
        assert_eq!(Version::parse("VERSION = 6\n"), None);
        assert_eq!(Version::parse("VERSION = six\nPATCHLEVEL = 1\n"), None);
        assert_eq!(Version::parse("7 PATCHLEVEL = 1"), None);
    }

    #[test]
    fn what_is_not_a_kernel_tree_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let wrong = |path: &Path| {
            let error = Tree::open(path).unwrap_err();
            assert_eq!(error.kind(), error::Kind::Usage);
            assert!(error.remedy().unwrap().contains("vmptcp source"));
            error.to_string().replace(dir.path().to_str().unwrap(), "DIR")
        };
        let nowhere = dir.path().join("nowhere");
        assert_eq!(wrong(&nowhere), "DIR/nowhere is not a kernel tree: there is no such directory");
        assert_eq!(wrong(dir.path()), "DIR is not a kernel tree: no Makefile there");
        fake_tree(dir.path());
        assert!(Tree::open(dir.path()).unwrap().has_mptcp_selftests());
        let file = dir.path().join("Kconfig");
        assert_eq!(wrong(&file), "DIR/Kconfig is not a kernel tree: it is not a directory");
        fs::write(dir.path().join("Makefile"), "all:\n").unwrap();
        let said = wrong(dir.path());
        assert_eq!(said, "DIR is not a kernel tree: its Makefile states no VERSION and PATCHLEVEL");
    }

    #[test]
    fn a_tree_without_the_selftests_says_so() {
        let dir = tempfile::tempdir().unwrap();
        fake_tree(dir.path());
        fs::remove_dir_all(dir.path().join("tools")).unwrap();
        let error = Tree::open(dir.path()).unwrap().require_mptcp_selftests().unwrap_err();
        let said = error.to_string();
        assert!(said.ends_with("has no MPTCP selftests: no tools/testing/selftests/net/mptcp there"));
    }

    #[test]
    fn the_commit_is_known_only_where_the_tree_is_the_repository() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("nested");
        fake_tree(dir.path());
        fake_tree(&inner);
        let tree = Tree::open(dir.path()).unwrap();
        assert_eq!(tree.commit(), None);
        git(dir.path(), &["init", "-q"]);
        assert_eq!(tree.commit(), None, "no commit yet");
        git(dir.path(), &["add", "-A"]);
        git(dir.path(), &["commit", "-qm", "first"]);
        let commit = tree.commit().unwrap();
        assert_eq!((commit.hash.len(), commit.describe.len(), commit.dirty), (40, 12, false));
        fs::write(dir.path().join("Kconfig"), "changed\n").unwrap();
        assert!(tree.commit().unwrap().dirty);
        assert_eq!(Tree::open(&inner).unwrap().commit(), None);
    }
}
