//! Brings the index up to date with the directories of runs.

use super::{Entry, Index, Places};
use crate::error::Result;
use crate::event::{Progress, Unit};
use crate::process::interrupt;
use crate::results::Summary;
use crate::store;
use std::path::PathBuf;

/// So many runs are added at once: what was read is not lost when the rest is interrupted.
const BATCH: usize = 500;

/// What a refresh did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// How many runs were read.
    pub read: usize,
    /// How many could not be: they have no event that can be understood.
    pub unreadable: usize,
}

/// Reads all runs below `places` that are not in the index, or went on since.
pub fn refresh(index: &mut Index, places: &Places, progress: &mut dyn FnMut(&Progress)) -> Result<Refreshed> {
    let known = index.sizes()?;
    let mut new: Vec<(PathBuf, u64)> = Vec::new();
    for place in places.all()? {
        new.extend(store::logs(&place).into_iter().filter(|(run, size)| known.get(run) != Some(size)));
    }
    let mut refreshed = Refreshed::default();
    for batch in new.chunks(BATCH) {
        let mut entries = Vec::new();
        for (run, size) in batch {
            interrupt::check()?;
            match store::replay(run, &run.display().to_string()) {
                Ok(replay) => entries.push((Entry::of(run.clone(), &Summary::of(&replay.records)), *size)),
                Err(_) => refreshed.unreadable += 1,
            }
        }
        refreshed.read += entries.len();
        index.put(&entries)?;
        let done = refreshed.read + refreshed.unreadable;
        let total = Some(new.len() as u64);
        progress(&Progress { done: done as u64, total, unit: Unit::Runs, detail: String::new() });
    }
    Ok(refreshed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::history::Filter;
    use crate::store::RunDir;

    fn note() -> Event {
        Event::Note { text: "one".into() }
    }

    #[test]
    fn a_run_is_read_again_when_it_went_on_and_only_then() {
        let (cache, runs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let places = Places::of(cache.path());
        places.add(runs.path()).unwrap();
        let mut index = Index::open(cache.path()).unwrap();
        let mut run = RunDir::create(runs.path()).unwrap();
        run.append(note()).unwrap();
        let mut read = || refresh(&mut index, &places, &mut |_| ()).unwrap();
        assert_eq!((read().read, read().read), (1, 0));
        run.append(note()).unwrap();
        assert_eq!(read().read, 1);
        std::fs::remove_dir_all(run.path()).unwrap();
        assert_eq!(read(), Refreshed::default());
        assert_eq!(index.runs(&Filter::default()).unwrap().len(), 1, "what is known of a pruned run stays");
    }

    #[test]
    fn a_run_that_cannot_be_read_is_counted() {
        let (cache, runs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let places = Places::of(cache.path());
        places.add(runs.path()).unwrap();
        drop(RunDir::create(runs.path()).unwrap());
        let mut index = Index::open(cache.path()).unwrap();
        assert_eq!(refresh(&mut index, &places, &mut |_| ()).unwrap(), Refreshed { read: 0, unreadable: 1 });
    }
}
