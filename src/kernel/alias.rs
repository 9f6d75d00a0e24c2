//! Trees whose path make cannot take.
//!
//! The kernel's Makefile refuses a source directory with spaces or colons, and resolves symbolic links before it looks,
//! so a link does not help. A bind mount does: make runs in a mount namespace of its own (and, unless we are root, a
//! user namespace), where the tree is also at a path without spaces. Nobody else sees that mount, and it is gone
//! when make ends.

use crate::error::{Error, IoContext, Result};
use crate::process::{Cmd, Identity, mount_namespace};
use crate::text::hash;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The directories of a build as make can take them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alias {
    /// The real directory and where it is mounted besides.
    mounts: Vec<(PathBuf, PathBuf)>,
    /// What gives a command a mount namespace; where there are mounts.
    unshare: Option<Cmd>,
}

/// Mounts pairs of directories up to `--`, then becomes the command behind it. All it handles are its arguments.
const SCRIPT: &str =
    r#"while [ "$1" != -- ]; do mount --rbind "$1" "$2" || exit 125; shift 2; done; shift; exec "$@""#;

impl Alias {
    /// Finds out which of `dirs` (they must exist) need another path, and makes one for each, a directory below
    /// `cache/alias/` whose name depends on the real path only. Does nothing where none needs it.
    ///
    /// Fails if namespaces are needed and this system does not grant them.
    pub fn new(dirs: &[&Path], cache: &Path) -> Result<Self> {
        let mut alias = Self::default();
        for dir in dirs {
            let real = dir.canonicalize().doing("find", dir)?;
            if suits_make(&real) || alias.mounts.iter().any(|(known, _)| real.starts_with(known)) {
                continue;
            }
            let place = cache.join("alias").join(hash::of(real.as_os_str().as_bytes()).short());
            if !suits_make(&place) {
                return Err(Error::cannot_run(format!(
                    "make cannot take the path {}, nor that of the cache, {}",
                    real.display(),
                    cache.display()
                ))
                .hint(
                    "move the tree, or choose a cache directory, so that its path has no spaces or colons",
                ));
            }
            std::fs::create_dir_all(&place).doing("create", &place)?;
            alias.mounts.push((real, place));
        }
        if let Some((real, _)) = alias.mounts.first() {
            alias.unshare = Some(namespace(real)?);
        }
        Ok(alias)
    }

    /// The path under which a command of [`Alias::command`] finds `path`: as it is, unless it lies in an aliased
    /// directory.
    pub fn path(&self, path: &Path) -> PathBuf {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        for (from, to) in &self.mounts {
            if let Ok(below) = real.strip_prefix(from) {
                return if below.as_os_str().is_empty() { to.clone() } else { to.join(below) };
            }
        }
        path.to_owned()
    }

    /// A command that sees the aliases.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Cmd {
        self.around(&Cmd::new(program))
    }

    /// The command, such that it sees the aliases.
    pub fn around(&self, cmd: &Cmd) -> Cmd {
        let Some(unshare) = &self.unshare else { return cmd.clone() };
        let mut outer = unshare.clone().args(["sh", "-c", SCRIPT, "sh"]);
        for (from, to) in &self.mounts {
            outer = outer.arg(from).arg(to);
        }
        cmd.through(outer.arg("--"))
    }
}

/// What gives a command a namespace of its own, where the tree is.
fn namespace(tree: &Path) -> Result<Cmd> {
    mount_namespace(Identity::Root)?.ok_or_else(|| {
        Error::cannot_run(format!(
            "make cannot take the path {}, and this system lets us mount it nowhere else",
            tree.display()
        ))
        .hint("move the tree to a path without spaces, colons or other special characters")
    })
}

/// False if the kernel's Makefiles, or the shell commands in them, would split or misread this path.
fn suits_make(path: &Path) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"/._+@-".contains(&byte);
    path.as_os_str().as_bytes().iter().copied().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_are_taken_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let alias = Alias::new(&[dir.path()], dir.path()).unwrap();
        assert_eq!(alias, Alias::default());
        assert_eq!(alias.path(&dir.path().join("x")), dir.path().join("x"));
        assert_eq!(alias.command("make").to_string(), "make");
    }

    #[test]
    fn only_what_make_would_misread_needs_an_alias() {
        for fine in ["/home/me/linux-6.12", "/srv/ünï/net-next"] {
            assert!(suits_make(Path::new(fine)), "{fine}");
        }
        for bad in ["/a b", "/a:b", "/a$b", "/a#b", "/it's", "/a(1)", "/a,b", "/a\nb"] {
            assert!(!suits_make(Path::new(bad)), "{bad}");
        }
    }

    #[test]
    fn a_path_with_spaces_gets_a_stable_alias_that_its_commands_see() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("my tree: ü");
        let out = tree.join("out");
        std::fs::create_dir_all(&out).unwrap();
        std::fs::write(out.join("file"), "here").unwrap();
        // Not every builder grants namespaces; then the error says what to do.
        let alias = match Alias::new(&[&tree, &out], dir.path()) {
            Ok(alias) => alias,
            Err(error) => return assert!(error.remedy().unwrap().contains("move the tree")),
        };
        let seen = alias.path(&out.join("file"));
        assert!(suits_make(&seen) && seen.ends_with("out/file"), "{seen:?}");
        assert_eq!(alias.command("cat").arg(&seen).read().unwrap(), "here");
        assert!(!seen.exists(), "the mount is private");
        assert_eq!(Alias::new(&[&tree], dir.path()).unwrap().path(&out.join("file")), seen);
    }
}
