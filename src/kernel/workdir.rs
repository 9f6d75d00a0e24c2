//! Where the work on one tree goes: `<tree>/.vmptcp/`, or the user's cache if the tree cannot be written.

use super::slug::slug;
use super::tree::Tree;
use crate::error::{IoContext, Result};
use crate::text::{file, hash};
use nix::unistd::{AccessFlags, access};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The only thing that is ever written into a source tree.
pub const NAME: &str = ".vmptcp";

/// The directory for all that belongs to one tree: builds, runs, locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkDir {
    root: PathBuf,
}

impl WorkDir {
    /// The work directory of `tree`, which need not exist yet. `cache` is the user's cache of this program: it is taken
    /// instead where the tree is read-only.
    pub fn of(tree: &Tree, cache: &Path) -> Self {
        let inside = tree.root().join(NAME);
        if writable(&inside) || !inside.exists() && writable(tree.root()) {
            return Self::at(&inside);
        }
        Self::at(&cache.join("work").join(cache_name(tree.root())))
    }

    /// The one in the tree `root`.
    pub fn inside(root: &Path) -> Self {
        Self::at(&root.join(NAME))
    }

    /// A work directory of the user's choice.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Makes sure that it exists, and ignores itself for git. To be called by who is about to write: who only looks
    /// leaves no trace in a tree.
    pub fn create(&self) -> Result<()> {
        let root = &self.root;
        fs::create_dir_all(root).doing("create", root)?;
        let ignore = root.join(".gitignore");
        if !ignore.exists() {
            file::replace(&ignore, b"*\n")?;
        }
        Ok(())
    }

    /// Its path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The build directory (make's `O=`) of a variant.
    pub fn build_dir(&self, variant: &str) -> PathBuf {
        self.root.join("build").join(variant)
    }

    /// The file that whoever works on a variant has [locked](super::Lock).
    pub fn lock_file(&self, variant: &str) -> PathBuf {
        self.root.join(format!("{variant}.lock"))
    }
}

/// False also for root on a read-only file system.
fn writable(dir: &Path) -> bool {
    access(dir, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

fn cache_name(root: &Path) -> String {
    let name = slug(&root.file_name().unwrap_or_default().to_string_lossy());
    let hash = hash::of(root.as_os_str().as_bytes()).short();
    format!("{name}-{hash}").trim_start_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::fake_tree;
    use super::*;

    #[test]
    fn the_work_directory_ignores_itself() {
        let dir = tempfile::tempdir().unwrap();
        fake_tree(dir.path());
        let tree = Tree::open(dir.path()).unwrap();
        let work = WorkDir::of(&tree, Path::new("/nonexistent"));
        assert_eq!(work.root(), tree.root().join(".vmptcp"));
        assert!(!work.root().exists(), "to look is not to write");
        work.create().unwrap();
        assert_eq!(fs::read_to_string(work.root().join(".gitignore")).unwrap(), "*\n");
        work.create().unwrap();
        assert_eq!(WorkDir::of(&tree, Path::new("/nonexistent")), work);
        assert_eq!(fs::read_dir(work.root()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_read_only_tree_has_its_work_directory_in_the_cache() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (root, cache) = (dir.path().join("linux"), dir.path().join("cache"));
        fake_tree(&root);
        fs::set_permissions(&root, fs::Permissions::from_mode(0o555)).unwrap();
        if writable(&root) {
            return; // root may write everywhere
        }
        let tree = Tree::open(&root).unwrap();
        let work = WorkDir::of(&tree, &cache);
        work.create().unwrap();
        assert!(work.root().starts_with(cache.join("work")));
        assert!(!root.join(NAME).exists());
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn names_in_the_cache_are_distinct_and_harmless() {
        insta::assert_snapshot!(cache_name(Path::new("/home/me/net next")), @"net-next-0b985a9b8d2bfa9b");
        assert_ne!(cache_name(Path::new("/a/linux")), cache_name(Path::new("/b/linux")));
    }
}
