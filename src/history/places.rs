//! The directories below which this user's runs are.

use crate::error::{Error, IoContext, Result};
use crate::text::file;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A list of directories, in a file of the user's cache: one JSON string a line, as a path may have any character.
#[derive(Debug)]
pub struct Places {
    file: PathBuf,
}

impl Places {
    /// The list of the cache directory `cache`.
    pub fn of(cache: &Path) -> Self {
        Self { file: cache.join("history/places") }
    }

    /// All of them, in order, also such as are gone.
    pub fn all(&self) -> Result<BTreeSet<PathBuf>> {
        match std::fs::read(&self.file) {
            Ok(bytes) => Ok(parse(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(Error::io("read", &self.file, &error)),
        }
    }

    /// Adds the directory `runs`, which exists.
    pub fn add(&self, runs: &Path) -> Result<()> {
        let runs = runs.canonicalize().doing("read", runs)?;
        if self.all()?.contains(&runs) {
            return Ok(());
        }
        if let Some(dir) = self.file.parent() {
            std::fs::create_dir_all(dir).doing("create", dir)?;
        }
        file::update(&self.file, |present| {
            let mut all = parse(present.unwrap_or_default());
            all.insert(runs);
            render(&all)
        })
    }
}

fn parse(bytes: &[u8]) -> BTreeSet<PathBuf> {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice::<PathBuf>(line).ok()).collect()
}

/// A path that is no UTF-8 has no line: its runs are found from its tree only.
fn render(all: &BTreeSet<PathBuf>) -> Vec<u8> {
    let lines = all.iter().filter_map(|path| serde_json::to_string(path).ok());
    lines.flat_map(|line| format!("{line}\n").into_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_kept_once_whatever_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::of(dir.path());
        assert!(places.all().unwrap().is_empty());
        let odd = dir.path().join("odd\nname");
        std::fs::create_dir(&odd).unwrap();
        places.add(&odd).unwrap();
        places.add(&odd).unwrap();
        assert_eq!(places.all().unwrap(), BTreeSet::from([odd.canonicalize().unwrap()]));
    }
}
