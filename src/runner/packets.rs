//! What a rerun sent and received: scripts that capture packets write them where they run, so such a rerun gets a directory
//! of its own, in which the suite's files are links and to which the guest may write.

use crate::error::{IoContext, Result};
use crate::event::TestId;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Where the script runs, below the directory of its captures.
const WORK: &str = "work";

/// The directory of a rerun. Dropped, it leaves what `close` has kept, and nothing else.
#[derive(Debug)]
pub(super) struct Place {
    dir: PathBuf,
    cwd: PathBuf,
}

impl Place {
    /// Makes the directory of a test below `captures`: a copy, in links, of `installed` and of what is beside it up to the
    /// root of the selftests, which is as many directories above as `collection` has parts.
    pub fn furnish(captures: &Path, test: &TestId, installed: &Path, collection: &str) -> Result<Self> {
        let dir = captures.join(test.stem());
        let cwd = dir.join(WORK).join(collection);
        fs::create_dir_all(&cwd).doing("create", &cwd)?;
        let place = Self { dir, cwd };
        let (mut from, mut to) = (Some(installed), Some(place.cwd.as_path()));
        for _ in 0..=Path::new(collection).components().count() {
            let (Some(source), Some(target)) = (from, to) else { break };
            for entry in fs::read_dir(source).doing("read", source)? {
                let link = target.join(entry.doing("read", source)?.file_name());
                if let Some(name) = link.file_name().filter(|_| !link.exists()) {
                    symlink(source.join(name), &link).doing("create the link", &link)?;
                }
            }
            (from, to) = (source.parent(), target.parent());
        }
        Ok(place)
    }

    /// Where the script is to be run.
    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// Keeps what was captured. The directory where that is, if there is any.
    pub fn close(self) -> Result<Option<PathBuf>> {
        let mut captured = None;
        for entry in fs::read_dir(&self.cwd).doing("read", &self.cwd)? {
            let entry = entry.doing("read", &self.cwd)?;
            if entry.file_type().doing("read", entry.path())?.is_file() {
                fs::rename(entry.path(), self.dir.join(entry.file_name())).doing("move", entry.path())?;
                captured = Some(self.dir.clone());
            }
        }
        Ok(captured)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Links are of no use to anybody; nor are captures of a rerun that was interrupted.
        let _ = fs::remove_dir_all(self.dir.join(WORK));
        // It is removed only if it is empty.
        let _ = fs::remove_dir(&self.dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(root: &Path) -> PathBuf {
        let installed = root.join("installed/net/mptcp");
        fs::create_dir_all(&installed).unwrap();
        fs::create_dir(root.join("installed/net/forwarding")).unwrap();
        fs::write(installed.join("mptcp_join.sh"), "join").unwrap();
        fs::write(root.join("installed/net/lib.sh"), "lib").unwrap();
        installed
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_script_finds_its_companions_and_what_it_writes_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let (captures, installed) = (root.path().join("captures"), installed(root.path()));
        let test = TestId { rerun: 1, ..TestId::new("selftests", "mptcp_join", 1) };
        let place = Place::furnish(&captures, &test, &installed, "net/mptcp").unwrap();
        assert_eq!(fs::read(place.cwd().join("mptcp_join.sh")).unwrap(), b"join");
        assert_eq!(fs::read(place.cwd().join("../lib.sh")).unwrap(), b"lib");
        fs::write(place.cwd().join("mp_join-01.pcap"), "packets").unwrap();
        let kept = place.close().unwrap().unwrap();
        assert_eq!(names(&captures), ["mptcp_join.1.rerun-1"]);
        assert_eq!(names(&kept), ["mp_join-01.pcap"]);
        assert_eq!(names(&installed), ["mptcp_join.sh"], "the suite is as it was");
    }

    #[test]
    fn nothing_is_left_where_nothing_was_captured() {
        let root = tempfile::tempdir().unwrap();
        let (captures, installed) = (root.path().join("captures"), installed(root.path()));
        let furnish = || {
            Place::furnish(&captures, &TestId::new("selftests", "diag", 1), &installed, "net/mptcp").unwrap()
        };
        assert_eq!(furnish().close().unwrap(), None);
        drop(furnish());
        assert!(names(&captures).is_empty());
        assert!(installed.join("mptcp_join.sh").exists());
    }
}
