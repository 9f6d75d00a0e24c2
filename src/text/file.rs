//! Files that others may read or write at the same time: each is there whole, as it was or as it is now.
//!
//! A file is written under a name that nobody else has, in the same directory, and renamed. So a reader never sees half
//! of one, two writers never write into the same file, and one who is killed leaves the old content.
//!
//! Nothing is synced to the disk: waiting for it takes seconds while a kernel is built, and what vmptcp keeps can be made
//! again. After a power cut a file may be the old one, the new one or, on file systems that rename before they write, an
//! empty one. So whoever reads a cache or a stamp takes what it cannot read for missing.

use crate::error::{IoContext, Result};
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// How names of files begin that are not whole yet.
const TEMPORARY: &str = ".vmptcp-";

/// Everything below a directory that is no directory, in order. Links are not followed.
pub fn below(dir: &Path) -> Result<Vec<PathBuf>> {
    let (mut todo, mut files) = (vec![dir.to_owned()], Vec::new());
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).doing("read", &dir)? {
            let entry = entry.doing("read", &dir)?;
            let kind = entry.file_type().doing("look at", entry.path())?;
            if kind.is_dir() { todo.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    files.sort();
    Ok(files)
}

/// Replaces the content of the file `path`, or creates it. The mode of an existing file is kept, a new one gets that of
/// the umask. A symbolic link stays, and the file that it points to is replaced. What is no file, as `/dev/stdout` or a
/// pipe, is written to.
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    try_replace(path, content).doing("write", path)
}

fn try_replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let old = fs::metadata(path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return fs::write(path, content);
    }
    let place = if path.is_symlink() { path.canonicalize()? } else { path.to_owned() };
    let mut fresh = fresh_file(&place)?;
    fresh.write_all(content)?;
    if let Some(old) = old {
        fresh.as_file().set_permissions(old.permissions())?;
    }
    fresh.persist(&place).map(drop).map_err(|error| error.error)
}

/// Replaces the file `path` with one that `write` writes, which may be large. It gets the mode of the umask.
pub fn replace_with(path: &Path, write: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let mut fresh = fresh_file(path).doing("write", path)?;
    write(fresh.as_file_mut())?;
    fresh.persist(path).map(drop).map_err(|error| error.error).doing("write", path)
}

/// Lets the symbolic link `link` point to `target`, whether it exists or not.
pub fn replace_link(link: &Path, target: &Path) -> Result<()> {
    let symlink = |fresh: &Path| std::os::unix::fs::symlink(target, fresh);
    tempfile::Builder::new()
        .prefix(TEMPORARY)
        .make_in(dir_of(link), symlink)
        .and_then(|fresh| fresh.into_temp_path().persist(link).map_err(|error| error.error))
        .doing("create", link)
}

/// Replaces the content of the file `path` with what `change` makes of the present one, `None` where there is none. An
/// exclusive lock is held from reading to writing: of several who change a file at once, no change is lost.
pub fn update(path: &Path, change: impl FnOnce(Option<&[u8]>) -> Vec<u8>) -> Result<()> {
    let lock = beside(path, ".lock");
    let file = File::options().create(true).append(true).open(&lock).doing("open the lock file", &lock)?;
    // A file system without locks is no reason to fail. It is unlocked when it is closed.
    let _ = file.lock();
    let old = match fs::read(path) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).doing("read", path),
    };
    replace(path, &change(old.as_deref()))
}

/// An exclusive lock on a file, for as long as this lives.
#[derive(Debug)]
pub struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing is not enough: a process that was forked just now shares the lock until it becomes another program.
        let _ = self.0.unlock();
    }
}

/// Replaces the content of the file `path` with one that is locked exclusively as long as what is returned lives: nobody
/// sees it unlocked before.
pub fn replace_locked(path: &Path, content: &[u8]) -> Result<Locked> {
    let locked = || -> io::Result<File> {
        let mut fresh = fresh_file(path)?;
        // A file system without locks is no reason to fail.
        let _ = fresh.as_file().lock();
        fresh.write_all(content)?;
        fresh.persist(path).map_err(|error| error.error)
    };
    locked().map(Locked).doing("write", path)
}

/// An empty file beside `path`, with the mode that `open` would give it: the kernel takes away what the umask forbids.
fn fresh_file(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mode = Permissions::from_mode(0o666);
    tempfile::Builder::new().prefix(TEMPORARY).permissions(mode).tempfile_in(dir_of(path))
}

/// `DIR/.NAMEending`.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(ending);
    path.with_file_name(name)
}

fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn several_first_writers_do_not_meet() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.json");
        let texts: Vec<Vec<u8>> = (b'a'..=b'h').map(|byte| vec![byte; 100_000]).collect();
        std::thread::scope(|scope| {
            for text in &texts {
                scope.spawn(|| {
                    for _ in 0..20 {
                        replace(&path, text).unwrap();
                        let seen = fs::read(&path).unwrap();
                        assert!(texts.contains(&seen), "a mixture of {} bytes", seen.len());
                    }
                });
            }
        });
        assert_eq!(names(dir.path()), ["results.json"]);
    }

    #[test]
    fn no_update_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("durations.json");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        let more = |old: Option<&[u8]>| [old.unwrap_or_default(), b"x"].concat();
                        update(&path, more).unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read(&path).unwrap().len(), 200);
    }

    #[test]
    fn the_mode_and_links_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("hook"), dir.path().join("link"));
        fs::write(&path, "old").unwrap();
        let usual = fs::metadata(&path).unwrap().permissions().mode();
        fs::set_permissions(&path, Permissions::from_mode(0o751)).unwrap();
        std::os::unix::fs::symlink("hook", &link).unwrap();
        replace(&link, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o751);
        assert!(link.is_symlink());
        let fresh = dir.path().join("fresh");
        replace(&fresh, b"").unwrap();
        assert_eq!(fs::metadata(&fresh).unwrap().permissions().mode(), usual, "that of the umask");
    }

    #[test]
    fn a_locked_file_is_never_seen_unlocked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guest.json");
        let mut kept = replace_locked(&path, b"0").unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for n in 1..200 {
                    // The one before is let go only when this one is there.
                    kept = replace_locked(&path, n.to_string().as_bytes()).unwrap();
                }
            });
            while !writer.is_finished() {
                let seen = File::open(&path).unwrap();
                let current = fs::metadata(&path).unwrap();
                let free = seen.try_lock_shared().is_ok();
                let replaced =
                    seen.metadata().unwrap().ino() != current.ino() || seen.metadata().unwrap().nlink() == 0;
                assert!(!free || replaced);
            }
        });
        assert!(File::open(&path).unwrap().try_lock_shared().is_err());
        drop(kept);
        assert!(File::open(&path).unwrap().try_lock_shared().is_ok());
    }

    #[test]
    fn what_is_no_file_is_written_to() {
        replace(Path::new("/dev/null"), b"x").unwrap();
        assert!(!Path::new("/dev/null").is_file());
    }

    #[test]
    fn a_link_moves_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("latest");
        std::thread::scope(|scope| {
            for name in ["a", "b", "c", "d"] {
                scope.spawn(|| replace_link(&link, Path::new(name)).unwrap());
            }
        });
        assert!(["a", "b", "c", "d"].iter().any(|name| fs::read_link(&link).unwrap() == Path::new(name)));
        assert_eq!(names(dir.path()), ["latest"]);
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        // A directory of that name cannot be replaced.
        fs::create_dir(dir.path().join("junit.xml")).unwrap();
        let error = replace(&dir.path().join("junit.xml"), b"x").unwrap_err().to_string();
        assert!(error.starts_with("cannot write /") && error.contains("junit.xml"), "{error}");
        assert_eq!(names(dir.path()), ["junit.xml"]);
    }
}
