//! Knows whether anything changed, without asking make.
//!
//! A `make` that finds nothing to do reads every dependency file of a build, which takes seconds. Looking at each file of the
//! source tree takes a fraction of that, and answers a stricter question: is every file the one that it was? If so, make
//! would do nothing; if not, make decides.

use crate::error::{IoContext, Result};
use crate::process::interrupt;
use crate::text::hash::{Digest, Key};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Over path, size, mode, and times of modification and change of every file of `root` but those of the directory `skip`,
/// with `threads` threads.
///
/// Hidden directories at the top (git's, ours) are not part of a kernel. Nothing that changes a file goes unnoticed: not even
/// a copy that preserves the time of modification, as that sets the time of change.
pub(super) fn tree(root: &Path, skip: &Path, threads: usize) -> Result<Digest> {
    let mut found = Vec::new();
    let mut todo = Vec::new();
    // Two levels make enough pieces of work for an even share.
    for dir in entries(root, root, &mut found)? {
        if dir.file_name().is_some_and(|name| name.as_bytes().starts_with(b".")) {
            continue;
        }
        if dir != skip {
            todo.extend(entries(root, &dir, &mut found)?);
        }
    }

    let next = AtomicUsize::new(0);
    let share = || -> Result<Vec<Digest>> {
        let mut found = Vec::new();
        while let Some(dir) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
            interrupt::check()?;
            let mut stack = vec![dir.clone()];
            while let Some(dir) = stack.pop() {
                if dir != skip {
                    stack.extend(entries(root, &dir, &mut found)?);
                }
            }
        }
        Ok(found)
    };
    let shares: Vec<Result<Vec<Digest>>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.clamp(1, 16)).map(|_| scope.spawn(share)).collect();
        let died = || Err(error::Error::cannot_run(format!("cannot read {}", root.display())));
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| died())).collect()
    });
    for share in shares {
        found.append(&mut share?);
    }
    // Directories come in any order.
    found.sort_unstable();
    Ok(Key::new("tree").list(found).digest())
}

/// Adds each entry of `dir` to `found`; returns its directories.
fn entries(root: &Path, dir: &Path, found: &mut Vec<Digest>) -> Result<Vec<PathBuf>> {
    let mut directories = Vec::new();
    for entry in fs::read_dir(dir).doing("read", dir)? {
        let entry = entry.doing("read", dir)?;
        let path = entry.path();
        let kind = entry.file_type().doing("look at", &path)?;
        let mut key =
            Key::new("entry").field(path.strip_prefix(root).unwrap_or(&path).as_os_str().as_bytes());
        if kind.is_dir() {
            // Its times change with temporary files of editors; what is in it is looked at anyway.
            directories.push(path);
        } else {
            match entry.metadata() {
                Ok(meta) => key = key.field(state(&meta)),
                // An editor's temporary file, gone already: whatever the value is, the next look differs.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error::Error::io("look at", &path, &error)),
            }
        }
        found.push(key.digest());
    }
    Ok(directories)
}

/// What changes with any change of a file. Its inode is no part of it: a guest sees another number than its host, and what
/// replaces a file has a time of its own.
fn state(meta: &fs::Metadata) -> impl AsRef<[u8]> + use<> {
    let times = [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()].map(i64::cast_unsigned);
    let numbers = [meta.size(), meta.mode().into(), times[0], times[1], times[2], times[3]];
    numbers.map(u64::to_le_bytes).as_flattened().to_owned()
}

/// Over the state of single files; a missing one counts as missing.
pub(super) fn files(paths: &[PathBuf]) -> Digest {
    let of_one = |key: Key, path: &PathBuf| {
        let state = fs::metadata(path).map(|meta| state(&meta));
        key.field(path.as_os_str().as_bytes()).list(state.ok())
    };
    paths.iter().fold(Key::new("files"), of_one).digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(root: &Path) -> Digest {
        let skip = root.join("build");
        let sum = tree(root, &skip, 1).unwrap();
        assert_eq!(sum, tree(root, &skip, 3).unwrap(), "the number of threads must not matter");
        sum
    }

    #[test]
    fn only_the_build_directory_is_left_out_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let places = ["build", "net/build", "net/mptcp/build", "net/mptcp/deep/build"];
        for place in places {
            fs::create_dir_all(root.join(place)).unwrap();
            for sibling in ["a", "z"] {
                fs::create_dir_all(root.join(place).with_file_name(sibling)).unwrap();
                fs::write(root.join(place).with_file_name(sibling).join("x.c"), "").unwrap();
            }
        }
        for place in places {
            let look = || tree(root, &root.join(place), 2).unwrap();
            let before = look();
            fs::write(root.join(place).join("x.o"), "").unwrap();
            assert_eq!(look(), before);
            for other in places {
                for sibling in ["a", "z"] {
                    let before = look();
                    let file = root.join(other).with_file_name(sibling).join("x.c");
                    fs::write(&file, fs::read_to_string(&file).unwrap() + "x").unwrap();
                    assert_ne!(look(), before, "{} with {place} left out", file.display());
                }
            }
        }
    }

    #[test]
    fn every_change_shows_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("net/mptcp/deep")).unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::create_dir_all(root.join("build")).unwrap();
        let file = root.join("net/mptcp/deep/x.c");
        fs::write(&file, "one").unwrap();
        let mut seen = vec![look(root)];
        assert_eq!(look(root), seen[0]);
        fs::write(root.join(".git/index"), "").unwrap();
        assert_eq!(look(root), seen[0], "git's own files are not the kernel's");
        fs::write(root.join("build/x.o"), "").unwrap();
        assert_eq!(look(root), seen[0], "nor is what is built");

        let mut changed = |what: &str| {
            let now = look(root);
            assert!(!seen.contains(&now), "{what} does not show");
            seen.push(now);
        };
        // The same size, and the time of modification put back, as `cp -p` and `git stash` users know it.
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&file, "two").unwrap();
        fs::File::open(&file).unwrap().set_modified(time).unwrap();
        changed("other content of the same size and time");
        fs::rename(&file, root.join("net/mptcp/y.c")).unwrap();
        changed("a move");
        fs::create_dir(root.join("net/empty")).unwrap();
        changed("a new directory");
        std::os::unix::fs::symlink("y.c", root.join("net/mptcp/z.c")).unwrap();
        changed("a link");
        fs::remove_file(root.join("net/mptcp/y.c")).unwrap();
        changed("a removal");
    }
}
