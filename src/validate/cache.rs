//! What checks found in earlier runs: a file each, named after all that the answer depends on.

use crate::error::{IoContext, Result};
use crate::process::identity;
use crate::text::file;
use crate::text::hash::Key;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// What was not asked for this long is forgotten.
const MAX_AGE: Duration = Duration::from_secs(60 * 24 * 3600);

/// Answers, by what they depend on.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    /// This program: another one may say something else of the same.
    program: String,
}

impl Cache {
    /// Opens the cache in `dir`, and forgets what is old in it.
    pub fn open(dir: PathBuf) -> Self {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let age = entry.metadata().and_then(|data| data.modified()).map(|time| time.elapsed());
            if matches!(age, Ok(Ok(age)) if age > MAX_AGE) {
                let _ = fs::remove_file(entry.path());
            }
        }
        let program = std::env::current_exe().map_or_else(|_| String::new(), |exe| identity(&exe));
        Self { dir, program }
    }

    /// The answer, if it is known. What cannot be read is not known.
    pub fn get<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        let file = self.file(key);
        let value = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
        // It is in use: its time begins again.
        let _ = fs::File::options()
            .append(true)
            .open(&file)
            .and_then(|file| file.set_modified(std::time::SystemTime::now()));
        Some(value)
    }

    /// Keeps an answer; in its file when this returns, so that an interrupted run goes on from here.
    pub fn put<T: Serialize>(&self, key: &Key, value: T) -> Result<()> {
        let text = serde_json::to_vec(&value).unwrap_or_default();
        fs::create_dir_all(&self.dir).doing("create", &self.dir)?;
        file::replace(&self.file(key), &text)
    }

    fn file(&self, key: &Key) -> PathBuf {
        let whole = Key::new("answer").field(&self.program).field(key.clone().digest());
        self.dir.join(format!("{}.json", whole.digest()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_found_by_their_whole_key_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut cache = Cache::open(dir.path().join("cache"));
        let key = |text: &str| Key::new("check").field(text);
        cache.put(&key("a"), 7u32).unwrap();
        assert_eq!(cache.get(&key("a")), Some(7u32));
        assert_eq!(cache.get::<u32>(&key("b")), None);
        assert_eq!(cache.get::<u32>(&key("a").field("")), None);
        fs::write(cache.file(&key("a")), "{\"key\":").unwrap();
        assert_eq!(cache.get::<u32>(&key("a")), None, "damaged");
        cache.put(&key("a"), 8u32).unwrap();
        cache.program.push('x');
        assert_eq!(cache.get::<u32>(&key("a")), None, "another program");
    }
}
