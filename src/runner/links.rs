//! Paths of plain characters, for programs that take no others.

use crate::error::{Error, IoContext, Result};
use crate::text::hash;
use crate::vm::backend::virtme::is_plain;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

/// A path to `target` that virtme-ng takes: its own, or that of a link below `cache` (or, if that is no better, below
/// `/var/tmp`). Links stay: there is one for each target, and the next run uses it again.
pub fn plain(target: &Path, cache: &Path) -> Result<PathBuf> {
    if is_plain(target) {
        return Ok(target.to_owned());
    }
    let dir = if is_plain(cache) {
        cache.join("links")
    } else {
        PathBuf::from(format!("/var/tmp/vmptcp-{}", nix::unistd::geteuid()))
    };
    fs::create_dir_all(&dir).doing("create", &dir)?;
    // Whoever owns the directory of a link decides where it points to.
    if dir.symlink_metadata().doing("read", &dir)?.uid() != nix::unistd::geteuid().as_raw() {
        return Err(Error::cannot_run(format!("{} belongs to another user", dir.display()))
            .hint("choose a cache directory of plain characters, so that it is not needed: XDG_CACHE_HOME"));
    }
    let link = dir.join(hash::of(target.as_os_str().as_encoded_bytes()).short());
    match fs::read_link(&link) {
        Ok(known) if known == target => {}
        // Two targets with the same hash, or somebody else's directory in /var/tmp.
        Ok(known) => {
            return Err(Error::cannot_run(format!("{} points to {}", link.display(), known.display()))
                .hint(format!("remove it: rm {}", link.display())));
        }
        Err(_) => match symlink(target, &link) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Error::io("create the link", &link, &error));
            }
            _ => {}
        },
    }
    Ok(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_odd_paths_get_a_link_and_always_the_same() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(plain(Path::new("/usr/src"), dir.path()).unwrap(), Path::new("/usr/src"));
        let odd = dir.path().join("ü tree");
        fs::create_dir(&odd).unwrap();
        let link = plain(&odd, dir.path()).unwrap();
        assert!(is_plain(&link));
        assert_eq!(link.canonicalize().unwrap(), odd.canonicalize().unwrap());
        assert_eq!(plain(&odd, dir.path()).unwrap(), link);
    }
}
