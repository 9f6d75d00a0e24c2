//! Which runs are kept.

use super::{ABANDONED_AGE, EVENTS, NEW, list};
use crate::event::{Event, PARTS, Record};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The longest first line of a log that is read, in bytes: it holds a command line.
const MAX_FIRST_LINE: u64 = 4 * 1024 * 1024;

/// What is kept. Runs are counted by their kind: many tries of one sample do not push out a run of all tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// So many of each kind; none for all.
    pub of_each_kind: Option<usize>,
    /// No older ones than this, but for the newest of each kind; none for any age.
    pub age: Option<Duration>,
}

/// Removes the runs below `runs` that are not to be kept. One that still goes on stays, and so does whatever else is in that
/// directory, which a setting may have put anywhere. A run that cannot be removed stays too. Temporary files of runs that
/// were killed go from all.
pub fn prune(runs: &Path, keep: Keep) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    // The newest first: they are those that count.
    for name in list(runs).into_iter().rev().filter(|name| is_run(&runs.join(name), name)) {
        let run = runs.join(name);
        let count = seen.entry(kind(&run)).or_default();
        *count += 1;
        let too_many = keep.of_each_kind.is_some_and(|most| *count > most);
        let too_old = *count > 1 && keep.age.is_some_and(|age| age_of(&run) > age);
        // What a run that was killed could not remove itself.
        let target = if too_many || too_old { run.clone() } else { run.join("tmp") };
        if target.exists() && !goes_on(&run) {
            let _ = fs::remove_dir_all(target);
        }
    }
    sweep(runs);
}

/// The runs below `runs`, with the size of their log in bytes: it grows as long as a run goes on. Of one on several kernels
/// its parts, a run each, and not the whole.
pub fn logs(runs: &Path) -> Vec<(PathBuf, u64)> {
    let size = |run: &Path| fs::metadata(run.join(EVENTS)).ok().map(|log| log.len());
    let of = |name: String| {
        let run = runs.join(&name);
        let own = size(&run).filter(|_| is_run(&run, &name));
        let parts = run.join(PARTS);
        if own.is_none() || !parts.is_dir() {
            return own.map(|size| vec![(run, size)]).unwrap_or_default();
        }
        let part = |name: String| Some((parts.join(&name), size(&parts.join(&name))?));
        list(&parts).into_iter().filter_map(part).collect()
    };
    list(runs).into_iter().flat_map(of).collect()
}

/// Removes what an invocation left that was killed while it made the directory of a run.
fn sweep(runs: &Path) {
    for entry in fs::read_dir(runs).into_iter().flatten().flatten() {
        let hidden = entry.file_name().as_encoded_bytes().starts_with(NEW.as_bytes());
        let age = entry.metadata().and_then(|data| data.modified()).map(|time| time.elapsed());
        if hidden && matches!(age, Ok(Ok(age)) if age > ABANDONED_AGE) && !goes_on(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// What kind of run it is: as its first event says; else, in those of older versions, its steps.
pub fn kind(run: &Path) -> String {
    let mut line = Vec::new();
    let read = File::open(run.join(EVENTS))
        .and_then(|log| BufReader::new(log.take(MAX_FIRST_LINE)).read_until(b'\n', &mut line));
    match read.ok().and_then(|_| serde_json::from_slice(&line).ok()) {
        Some(Record { event: Event::RunStarted { kind, steps, .. }, .. }) if kind.is_empty() => {
            steps.join(", ")
        }
        Some(Record { event: Event::RunStarted { kind, .. }, .. }) => kind,
        _ => String::new(),
    }
}

/// How long ago a run wrote something.
fn age_of(run: &Path) -> Duration {
    let written = fs::metadata(run.join(EVENTS)).and_then(|data| data.modified());
    let age = written.ok().and_then(|written| SystemTime::now().duration_since(written).ok());
    age.unwrap_or_default()
}

/// Whether a directory is what [`RunDir::create`] makes: `YYYYMMDD-HHMMSS-PID`, with its log.
fn is_run(path: &Path, name: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = name.split('-').collect();
    (3..=4).contains(&parts.len())
        && parts.iter().all(|part| digits(part))
        && (parts[0].len(), parts[1].len()) == (8, 6)
        && path.join(EVENTS).is_file()
}

/// True if the process that writes a run is there, or may be: a file system without locks cannot tell.
fn goes_on(run: &Path) -> bool {
    File::open(run.join(EVENTS)).is_ok_and(|events| events.try_lock_shared().is_err())
}

#[cfg(test)]
mod tests {
    use super::super::RunDir;
    use super::*;

    const ALL: Keep = Keep { of_each_kind: None, age: None };

    fn newest(count: usize) -> Keep {
        Keep { of_each_kind: Some(count), age: None }
    }

    fn old_runs(runs: &Path) {
        for day in 1..=5 {
            let run = runs.join(format!("2026010{day}-000000-1"));
            fs::create_dir(&run).unwrap();
            fs::write(run.join(EVENTS), "").unwrap();
        }
    }

    #[test]
    fn only_the_newest_runs_are_kept() {
        let runs = tempfile::tempdir().unwrap();
        old_runs(runs.path());
        prune(runs.path(), ALL);
        assert_eq!(list(runs.path()).len(), 5);
        prune(runs.path(), newest(2));
        assert_eq!(list(runs.path()), ["20260104-000000-1", "20260105-000000-1"]);
    }

    #[test]
    fn temporary_files_stay_only_with_a_run_that_goes_on() {
        let runs = tempfile::tempdir().unwrap();
        old_runs(runs.path());
        let killed = runs.path().join("20260103-000000-1/tmp");
        fs::create_dir(&killed).unwrap();
        let run = RunDir::create(runs.path()).unwrap();
        let alive = run.tmp().unwrap();
        prune(runs.path(), ALL);
        assert!(!killed.exists() && alive.exists());
        assert_eq!(list(runs.path()).len(), 6);
    }

    #[test]
    fn a_run_that_goes_on_is_not_removed() {
        let runs = tempfile::tempdir().unwrap();
        let run = RunDir::create(runs.path()).unwrap();
        let name = run.path().file_name().unwrap().to_str().unwrap().to_owned();
        // As if the clock had been wrong: by their names all others are newer.
        for year in 3001..=3003 {
            let later = runs.path().join(format!("{year}0101-000000-1"));
            fs::create_dir(&later).unwrap();
            fs::write(later.join(EVENTS), "").unwrap();
        }
        prune(runs.path(), newest(1));
        assert_eq!(list(runs.path()), [name.as_str(), "30030101-000000-1"]);
        run.close();
        prune(runs.path(), newest(1));
        assert_eq!(list(runs.path()), ["30030101-000000-1"]);
    }

    #[test]
    fn what_is_no_run_is_never_removed() {
        let home = tempfile::tempdir().unwrap();
        old_runs(home.path());
        for name in ["documents", "20260101", "20250101-000000-1", "19990101-000000-1-2-3"] {
            fs::create_dir(home.path().join(name)).unwrap();
        }
        prune(home.path(), newest(1));
        assert_eq!(
            list(home.path()),
            ["19990101-000000-1-2-3", "20250101-000000-1", "20260101", "20260105-000000-1", "documents"]
        );
    }

    /// A run of this kind, that wrote its last so many days ago.
    fn run_of(runs: &Path, name: &str, kind: &str, days: u64) {
        let run = runs.join(name);
        fs::create_dir(&run).unwrap();
        let event = Event::RunStarted {
            schema: 1,
            version: String::new(),
            argv: vec![],
            steps: vec!["test".into()],
            kind: kind.to_owned(),
        };
        let record = Record { time: jiff::Timestamp::UNIX_EPOCH, at_ms: 0, event };
        let log = run.join(EVENTS);
        fs::write(&log, serde_json::to_string(&record).unwrap() + "\nmore\n").unwrap();
        let written = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
        File::options().append(true).open(&log).unwrap().set_modified(written).unwrap();
    }

    #[test]
    fn runs_of_one_kind_do_not_push_out_those_of_another() {
        let runs = tempfile::tempdir().unwrap();
        run_of(runs.path(), "20260101-000000-1", "profile full", 9);
        for second in 1..=5 {
            run_of(runs.path(), &format!("20260102-00000{second}-1"), "samples", 1);
        }
        run_of(runs.path(), "20260103-000000-1", "", 0);
        prune(runs.path(), newest(2));
        let left = ["20260101-000000-1", "20260102-000004-1", "20260102-000005-1", "20260103-000000-1"];
        assert_eq!(list(runs.path()), left);
    }

    #[test]
    fn the_newest_of_a_kind_stays_however_old_it_is() {
        let runs = tempfile::tempdir().unwrap();
        run_of(runs.path(), "20250101-000000-1", "profile full", 400);
        run_of(runs.path(), "20250102-000000-1", "profile full", 399);
        run_of(runs.path(), "20260101-000000-1", "samples", 40);
        run_of(runs.path(), "20260102-000000-1", "samples", 2);
        prune(runs.path(), Keep { of_each_kind: Some(20), age: Some(Duration::from_secs(30 * 24 * 3600)) });
        assert_eq!(list(runs.path()), ["20250102-000000-1", "20260102-000000-1"]);
    }

    #[test]
    fn no_run_is_seen_that_goes_on_and_is_not_locked() {
        let runs = tempfile::tempdir().unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    prune(runs.path(), newest(1));
                }
            });
            for _ in 0..100 {
                let run = RunDir::create(runs.path()).unwrap();
                let tmp = run.tmp().unwrap();
                std::thread::yield_now();
                assert!(tmp.is_dir() && goes_on(run.path()));
                assert!(fs::read_link(runs.path().join(super::super::LATEST)).is_ok());
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }

    #[test]
    fn what_was_killed_while_it_began_is_removed_later() {
        let runs = tempfile::tempdir().unwrap();
        let (old, young) = (runs.path().join(".new-old"), runs.path().join(".new-young"));
        fs::create_dir(&old).unwrap();
        fs::create_dir(&young).unwrap();
        let long_ago = SystemTime::now() - ABANDONED_AGE * 2;
        File::open(&old).unwrap().set_modified(long_ago).unwrap();
        prune(runs.path(), ALL);
        assert!(!old.exists() && young.exists());
        assert_eq!(list(runs.path()), [""; 0]);
    }
}
