//! What checks found in earlier runs: a file each, named after all that the answer depends on.

use crate::error::{IoContext, Result};
use crate::process::identity;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::time::Duration;

/// What was not asked for this long is forgotten.
const KEEP: Duration = Duration::from_secs(60 * 24 * 3600);

/// Answers, by what they depend on.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    /// This program: another one may say something else of the same.
    program: String,
}

#[derive(Serialize, Deserialize)]
struct Entry<T> {
    /// The whole key: two keys may share a file name.
    key: Vec<String>,
    value: T,
}

impl Cache {
    /// Opens the cache in `dir`, and forgets what is old in it.
    pub fn open(dir: PathBuf) -> Self {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let age = entry.metadata().and_then(|data| data.modified()).map(|time| time.elapsed());
            if matches!(age, Ok(Ok(age)) if age > KEEP) {
                let _ = fs::remove_file(entry.path());
            }
        }
        let program = std::env::current_exe().map_or_else(|_| String::new(), |exe| identity(&exe));
        Self { dir, program }
    }

    /// The answer, if it is known. What cannot be read is not known.
    pub fn get<T: DeserializeOwned>(&self, key: &[String]) -> Option<T> {
        let key = self.whole(key);
        let file = self.file(&key);
        let entry: Entry<T> = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
        if entry.key != key {
            return None;
        }
        // It is in use: its time begins anew.
        let _ = fs::File::options()
            .append(true)
            .open(&file)
            .and_then(|file| file.set_modified(std::time::SystemTime::now()));
        Some(entry.value)
    }

    /// Keeps an answer; on disk when this returns, so that an interrupted run goes on from here.
    pub fn put<T: Serialize>(&self, key: &[String], value: T) -> Result<()> {
        let key = self.whole(key);
        let text = serde_json::to_vec(&Entry { key: key.clone(), value }).unwrap_or_default();
        fs::create_dir_all(&self.dir).doing("create", &self.dir)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.dir).doing("create a file in", &self.dir)?;
        std::io::Write::write_all(&mut file, &text).doing("write", file.path())?;
        let place = self.file(&key);
        file.persist(&place).map_err(|error| error.error).doing("write", &place).map(drop)
    }

    fn whole(&self, key: &[String]) -> Vec<String> {
        std::iter::once(&self.program).chain(key).cloned().collect()
    }

    fn file(&self, key: &[String]) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.dir.join(format!("{:016x}.json", hasher.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_found_by_their_whole_key_only() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().join("cache"));
        let key = |text: &str| vec!["check".to_owned(), text.to_owned()];
        cache.put(&key("a"), 7u32).unwrap();
        assert_eq!(cache.get(&key("a")), Some(7u32));
        assert_eq!(cache.get::<u32>(&key("b")), None);
        fs::write(cache.file(&cache.whole(&key("a"))), "{\"key\":").unwrap();
        assert_eq!(cache.get::<u32>(&key("a")), None, "damaged");
        // Another key in the file of this one, as if their hashes were the same.
        cache.put(&key("c"), 9u32).unwrap();
        fs::rename(cache.file(&cache.whole(&key("c"))), cache.file(&cache.whole(&key("a")))).unwrap();
        assert_eq!(cache.get::<u32>(&key("a")), None);
    }
}
