//! Answers of earlier probes, one per kind of host: a cache may be shared by several.

use super::{Answer, Host};
use crate::error::{Error, IoContext, Result};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

/// More hosts than share a cache in practice; the oldest are forgotten.
const MOST: usize = 16;

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    host: Host,
    answer: Answer,
}

fn file(cache: &Path) -> PathBuf {
    cache.join("accelerator.json")
}

/// What is remembered. A file that cannot be read or understood is as good as none: the probe runs again.
fn load(cache: &Path) -> Vec<Entry> {
    std::fs::read(file(cache)).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

fn save(cache: &Path, entries: &[Entry]) -> Result<()> {
    let path = file(cache);
    std::fs::create_dir_all(cache).doing("create", cache)?;
    let mut new = tempfile::NamedTempFile::new_in(cache).doing("write", &path)?;
    let text = serde_json::to_vec_pretty(entries)
        .map_err(|error| Error::cannot_run(format!("cannot write {}: {error}", path.display())))?;
    new.write_all(&text).doing("write", &path)?;
    new.persist(&path).map_err(|error| error.error).doing("write", &path)?;
    Ok(())
}

/// The answer for this host.
pub(super) fn recall(cache: &Path, host: &Host) -> Option<Answer> {
    load(cache).into_iter().find(|entry| entry.host == *host).map(|entry| entry.answer)
}

/// Remembers the answer for this host, in place of an earlier one.
pub(super) fn remember(cache: &Path, host: &Host, answer: &Answer) -> Result<()> {
    let mut entries = load(cache);
    entries.retain(|entry| entry.host != *host);
    entries.push(Entry { host: host.clone(), answer: answer.clone() });
    let surplus = entries.len().saturating_sub(MOST);
    save(cache, &entries[surplus..])
}

/// Forgets the answer for this host.
pub(super) fn forget(cache: &Path, host: &Host) -> Result<()> {
    let mut entries = load(cache);
    let before = entries.len();
    entries.retain(|entry| entry.host != *host);
    if entries.len() == before { Ok(()) } else { save(cache, &entries) }
}

#[cfg(test)]
mod tests {
    use super::super::Accelerator;
    use super::*;

    fn host(kernel: &str) -> Host {
        Host { kernel: kernel.to_owned(), qemu: "7.2".to_owned(), cpu: "some".to_owned() }
    }

    #[test]
    fn each_host_has_its_own_answer() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("not/yet/there");
        let (kvm, tcg) = (Answer::now(Accelerator::Kvm, "boots"), Answer::now(Accelerator::Tcg, "hangs"));
        assert_eq!(recall(&cache, &host("6.1")), None);
        remember(&cache, &host("6.1"), &tcg).unwrap();
        remember(&cache, &host("6.2"), &kvm).unwrap();
        assert_eq!(recall(&cache, &host("6.1")), Some(tcg));
        remember(&cache, &host("6.1"), &kvm).unwrap();
        assert_eq!(recall(&cache, &host("6.1")), Some(kvm.clone()));
        forget(&cache, &host("6.1")).unwrap();
        assert_eq!(recall(&cache, &host("6.1")), None);
        assert_eq!(recall(&cache, &host("6.2")), Some(kvm));
    }

    #[test]
    fn a_corrupt_file_means_nothing_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(file(dir.path()), "[{\"host\":").unwrap();
        assert_eq!(recall(dir.path(), &host("6.1")), None);
        remember(dir.path(), &host("6.1"), &Answer::now(Accelerator::Kvm, "boots")).unwrap();
        assert!(recall(dir.path(), &host("6.1")).is_some());
    }

    #[test]
    fn the_file_stays_small() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..MOST + 3 {
            remember(dir.path(), &host(&n.to_string()), &Answer::now(Accelerator::Kvm, "boots")).unwrap();
        }
        assert_eq!(load(dir.path()).len(), MOST);
        assert_eq!(recall(dir.path(), &host("0")), None);
    }
}
