//! Answers of earlier probes, one per kind of host: a cache may be shared by several.

use super::{Answer, Host};
use crate::error::{IoContext, Result};
use crate::text::file;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// More hosts than share a cache in practice; the oldest are forgotten.
const MOST: usize = 16;

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    host: Host,
    answer: Answer,
}

fn path(cache: &Path) -> PathBuf {
    cache.join("accelerator.json")
}

/// What is remembered. A file that cannot be read or understood is as good as none: the probe runs again.
fn load(cache: &Path) -> Vec<Entry> {
    std::fs::read(path(cache)).map(|text| parse(&text)).unwrap_or_default()
}

fn parse(text: &[u8]) -> Vec<Entry> {
    serde_json::from_slice(text).unwrap_or_default()
}

/// Changes what is remembered: several invocations may probe at once.
fn change(cache: &Path, change: impl FnOnce(&mut Vec<Entry>)) -> Result<()> {
    std::fs::create_dir_all(cache).doing("create", cache)?;
    file::update(&path(cache), |old| {
        let mut entries = old.map(parse).unwrap_or_default();
        change(&mut entries);
        serde_json::to_vec_pretty(&entries).unwrap_or_default()
    })
}

/// The answer for this host.
pub(super) fn recall(cache: &Path, host: &Host) -> Option<Answer> {
    load(cache).into_iter().find(|entry| entry.host == *host).map(|entry| entry.answer)
}

/// Remembers the answer for this host, in place of an earlier one.
pub(super) fn remember(cache: &Path, host: &Host, answer: &Answer) -> Result<()> {
    change(cache, |entries| {
        entries.retain(|entry| entry.host != *host);
        entries.push(Entry { host: host.clone(), answer: answer.clone() });
        entries.drain(..entries.len().saturating_sub(MOST));
    })
}

/// Forgets the answer for this host.
pub(super) fn forget(cache: &Path, host: &Host) -> Result<()> {
    if recall(cache, host).is_none() {
        return Ok(());
    }
    change(cache, |entries| entries.retain(|entry| entry.host != *host))
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
        std::fs::write(path(dir.path()), "[{\"host\":").unwrap();
        assert_eq!(recall(dir.path(), &host("6.1")), None);
        remember(dir.path(), &host("6.1"), &Answer::now(Accelerator::Kvm, "boots")).unwrap();
        assert!(recall(dir.path(), &host("6.1")).is_some());
    }

    #[test]
    fn probes_at_the_same_time_lose_no_answer() {
        let dir = tempfile::tempdir().unwrap();
        let answer = Answer::now(Accelerator::Kvm, "boots");
        std::thread::scope(|scope| {
            for n in 0..MOST {
                let (dir, answer) = (dir.path(), &answer);
                scope.spawn(move || remember(dir, &host(&n.to_string()), answer).unwrap());
            }
        });
        assert_eq!(load(dir.path()).len(), MOST);
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
