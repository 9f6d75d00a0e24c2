//! SHA-256 values of files, remembered as long as a file's size and time stay.

use crate::process::identity;
use crate::text::file;
use crate::text::hash::{self, Digest, Key};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The file in the user's cache that remembers them.
const FILE: &str = "digests.json";

/// The values of files, by their paths.
#[derive(Debug, Default)]
pub(super) struct Digests {
    known: BTreeMap<PathBuf, Known>,
    fresh: BTreeMap<PathBuf, Known>,
}

/// A value, and what the file was that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    identity: String,
    sha256: Digest,
}

impl Digests {
    /// What is remembered in this cache. It is only a hint: what cannot be read is begun again.
    pub(super) fn read(cache: &Path) -> Self {
        Self { known: parsed(&fs::read(cache.join(FILE)).unwrap_or_default()), fresh: BTreeMap::new() }
    }

    /// The value of a file, as `sha256sum` prints it; none if it cannot be read.
    pub(super) fn of(&mut self, path: &Path) -> Option<Digest> {
        let path = path.canonicalize().ok()?;
        let identity = identity(&path);
        let remembered = self.fresh.get(&path).or_else(|| self.known.get(&path));
        if let Some(known) = remembered.filter(|known| known.identity == identity) {
            return Some(known.sha256);
        }
        let sha256 = hash::of(&fs::read(&path).ok()?);
        self.fresh.insert(path, Known { identity, sha256 });
        Some(sha256)
    }

    /// One value for all of these files, whether they are there or not.
    pub(super) fn of_all(&mut self, files: impl IntoIterator<Item = PathBuf>) -> Digest {
        let text = |digest: Option<Digest>| digest.map_or_else(String::new, |digest| digest.to_string());
        let one = |key: Key, path: PathBuf| {
            let value = text(self.of(&path));
            key.field(path.as_os_str().as_bytes()).field(value)
        };
        files.into_iter().fold(Key::new("files"), one).digest()
    }

    /// One value for all files below `dir`, by their names there.
    pub(super) fn of_dir(&mut self, dir: &Path) -> Digest {
        let (mut todo, mut files) = (vec![dir.to_owned()], Vec::new());
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_dir { todo.push(entry.path()) } else { files.push(entry.path()) }
            }
        }
        files.sort();
        let values = files.iter().map(|path| {
            let name = path.strip_prefix(dir).unwrap_or(path).as_os_str().as_bytes();
            let value = self.of(path).map_or_else(String::new, |digest| digest.to_string());
            Key::new("file").field(name).field(value).digest()
        });
        Key::new("directory").list(values.collect::<Vec<_>>()).digest()
    }

    /// Remembers what is new, in the same cache. Values of files that are gone are forgotten.
    pub(super) fn keep(self, cache: &Path) {
        if self.fresh.is_empty() {
            return;
        }
        // Without it the next run only takes longer.
        let _ = fs::create_dir_all(cache).map(|()| {
            file::update(&cache.join(FILE), |before| {
                let mut known = parsed(before.unwrap_or_default());
                known.retain(|path, _| path.exists());
                known.extend(self.fresh);
                serde_json::to_vec(&known).unwrap_or_default()
            })
        });
    }
}

fn parsed(bytes: &[u8]) -> BTreeMap<PathBuf, Known> {
    serde_json::from_slice(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_remembered_until_the_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, path) = (dir.path().join("cache"), dir.path().join("ip"));
        fs::write(&path, "abc").unwrap();
        let mut digests = Digests::read(&cache);
        assert_eq!(digests.of(&path), Some(hash::of(b"abc")));
        digests.keep(&cache);
        let text = fs::read_to_string(cache.join(FILE)).unwrap();
        // What is remembered is believed.
        let other = hash::of(b"x");
        fs::write(cache.join(FILE), text.replace(&hash::of(b"abc").to_string(), &other.to_string())).unwrap();
        assert_eq!(Digests::read(&cache).of(&path), Some(other));
        fs::write(&path, "longer").unwrap();
        assert_eq!(Digests::read(&cache).of(&path), Some(hash::of(b"longer")));
        fs::remove_file(&path).unwrap();
        assert_eq!(Digests::read(&cache).of(&path), None);
    }

    #[test]
    fn a_directory_has_the_value_of_names_and_contents_and_not_of_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let made = |name: &str, file: &str, text: &str| {
            let path = dir.path().join(name).join("net/mptcp");
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join(file), text).unwrap();
            Digests::default().of_dir(&dir.path().join(name))
        };
        let first = made("a", "diag.sh", "1");
        assert_eq!(made("b", "diag.sh", "1"), first);
        assert_ne!(made("c", "diag.sh", "2"), first);
        assert_ne!(made("d", "join.sh", "1"), first);
    }
}
