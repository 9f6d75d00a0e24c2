//! Where a run's files live, and which runs there are.
//!
//! ```text
//! runs/
//!   latest -> 20261122-131500-4711
//!   20261122-131500-4711/
//!     events.jsonl  results.json  junit.xml  summary.txt  summary.md  report.html  .config
//!     console-1.log …
//!     tests/pm_netlink.1.log  tests/pm_netlink.1.tap
//!     variants/debug/   a run on several kernels has one for each
//! ```

use crate::error::{Error, IoContext, Result};
use crate::event::{Event, PARTS, Record};
use crate::text::file;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

mod retention;

pub use retention::{Keep, kind, logs, prune};

/// The link that points to the newest run.
pub const LATEST: &str = "latest";

/// The log of a run, in its directory.
const EVENTS: &str = "events.jsonl";

/// How the name of a run's directory begins as long as it is not locked yet.
const NEW: &str = ".new-";

/// A directory that is hidden for longer belongs to an invocation that was killed while it made it.
const ABANDONED_AGE: Duration = Duration::from_secs(3600);

/// The directory of one run, while it is being written.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// Locked as long as the run goes on: [`prune`] leaves it alone.
    events: BufWriter<File>,
    started: Instant,
    /// The time of the latest event, in milliseconds.
    last_ms: u64,
}

impl RunDir {
    /// Creates the directory of a new run below `runs`, and lets `latest` point to it.
    ///
    /// It is made under a hidden name and gets its own when its log is locked: nobody ever sees a run that goes on and is
    /// not locked, so [`prune`] of another invocation cannot take it for one that has ended.
    pub fn create(runs: &Path) -> Result<Self> {
        fs::create_dir_all(runs).doing("create", runs)?;
        let hidden =
            tempfile::Builder::new().prefix(NEW).tempdir_in(runs).doing("create a directory in", runs)?;
        let tests = hidden.path().join("tests");
        fs::create_dir(&tests).doing("create", &tests)?;
        let log = hidden.path().join(EVENTS);
        let events = File::create(&log).doing("create", &log)?;
        // A file system without locks is no reason not to run: `goes_on` does not trust it either.
        let _ = events.lock();
        let now = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
        let path = settle(hidden, runs, &now)?;
        file::replace_link(&runs.join(LATEST), Path::new(path.file_name().unwrap_or_default()))?;
        Ok(Self { path, events: BufWriter::new(events), started: Instant::now(), last_ms: 0 })
    }

    /// Creates the directory of a run that is a part of another one: below `whole`, under this name.
    pub fn create_part(whole: &Path, name: &str) -> Result<Self> {
        let path = whole.join(PARTS).join(name);
        let tests = path.join("tests");
        fs::create_dir_all(&tests).doing("create", &tests)?;
        let log = path.join(EVENTS);
        let events = File::create(&log).doing("create", &log)?;
        let _ = events.lock();
        Ok(Self { path, events: BufWriter::new(events), started: Instant::now(), last_ms: 0 })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A directory for temporary files, which [`RunDir::close`] removes.
    pub fn tmp(&self) -> Result<PathBuf> {
        let tmp = self.path.join("tmp");
        fs::create_dir_all(&tmp).doing("create", &tmp)?;
        Ok(tmp)
    }

    /// Appends an event: on disk when this returns, so that nothing is lost when anything dies.
    pub fn append(&mut self, event: Event) -> Result<Record> {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let record = Record { time: jiff::Timestamp::now(), at_ms: elapsed.max(self.last_ms), event };
        self.append_record(&record)?;
        Ok(record)
    }

    /// Appends an event with a time of its own. What comes after it is no earlier.
    pub fn append_record(&mut self, record: &Record) -> Result<()> {
        self.last_ms = self.last_ms.max(record.at_ms);
        let path = self.path.join(EVENTS);
        let line = serde_json::to_string(record)
            .map_err(|error| Error::cannot_run(format!("cannot write {}: {error}", path.display())))?;
        writeln!(self.events, "{line}").and_then(|()| self.events.flush()).doing("write", &path)
    }

    /// Removes what nobody needs after the run.
    pub fn close(self) {
        let _ = fs::remove_dir_all(self.path.join("tmp"));
        // A process that was forked just now shares the lock until it becomes another program.
        let _ = self.events.get_ref().unlock();
    }
}

/// Gives the directory of a run its name, which nobody else has: several runs may start in the same second, also in
/// containers, where processes of two of them have the same number. No name is taken twice, as the kernel renames no
/// directory over one that has files.
fn settle(hidden: TempDir, runs: &Path, now: &str) -> Result<PathBuf> {
    let stem = format!("{now}-{}", std::process::id());
    let mut path = runs.join(&stem);
    for count in 1..1000 {
        match fs::rename(hidden.path(), &path) {
            Ok(()) => {
                // There is nothing of that name to remove any more.
                let _ = hidden.keep();
                return Ok(path);
            }
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
                path = runs.join(format!("{stem}-{count}"));
            }
            Err(error) => return Err(Error::io("create", &path, &error)),
        }
    }
    Err(Error::cannot_run(format!("cannot create a directory for a run: {} is taken", path.display())))
}

/// The events of a run that was read back.
#[derive(Debug)]
pub struct Replay {
    /// The run's directory.
    pub path: PathBuf,
    /// What happened, in order.
    pub records: Vec<Record>,
    /// Lines that are no events, by number, with what is wrong: a run that was killed may have cut its last line.
    pub damaged: Vec<(usize, String)>,
}

/// Reads a run back: `wanted` is a directory, the name of a run below `runs`, or a unique beginning of one.
pub fn replay(runs: &Path, wanted: &str) -> Result<Replay> {
    let path = locate(runs, wanted)?;
    let log = path.join(EVENTS);
    let file = File::open(&log).map_err(|error| {
        Error::usage(format!(
            "{} is not the directory of a run: cannot read {}: {error}",
            path.display(),
            log.display()
        ))
        .hint("list the runs that there are: vmptcp report --list")
    })?;
    let mut replay = Replay { path, records: Vec::new(), damaged: Vec::new() };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).doing("read", &log)? == 0 {
            break;
        }
        match serde_json::from_slice(&line) {
            Ok(record) => replay.records.push(record),
            Err(error) => replay.damaged.push((number, error.to_string())),
        }
    }
    if replay.records.is_empty() {
        return Err(Error::usage(format!("{} holds no event: the run ended before it began", log.display()))
            .hint("list the runs that there are: vmptcp report --list"));
    }
    Ok(replay)
}

fn locate(runs: &Path, wanted: &str) -> Result<PathBuf> {
    let direct = Path::new(wanted);
    if !wanted.is_empty() && direct.is_relative() && runs.join(direct).join(EVENTS).is_file() {
        let named = runs.join(direct);
        return named.canonicalize().doing("read", &named);
    }
    if wanted.contains('/') || direct.join("events.jsonl").is_file() {
        return direct.canonicalize().map_err(|error| Error::usage(format!("no run at {wanted}: {error}")));
    }
    let named = runs.join(wanted);
    if named.exists() {
        return named.canonicalize().doing("read", &named);
    }
    let names = list(runs);
    let matching: Vec<&String> = names.iter().filter(|name| name.starts_with(wanted)).collect();
    match matching[..] {
        [name] => Ok(runs.join(name)),
        [] if names.is_empty() => {
            Err(Error::usage(format!("there is no run in {} yet", runs.display()))
                .hint("make one: vmptcp run"))
        }
        [] => Err(Error::usage(format!("no run is called {wanted}"))
            .hint("list the runs that there are: vmptcp report --list")),
        _ => Err(Error::usage(format!("{} runs begin with {wanted}", matching.len()))
            .hint("give more of its name")),
    }
}

/// The names of the runs below `runs`, oldest first.
pub fn list(runs: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(runs) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(text: &str) -> Event {
        Event::Note { text: text.to_owned() }
    }

    #[test]
    fn what_was_appended_is_read_back_and_a_cut_line_loses_only_itself() {
        let runs = tempfile::tempdir().unwrap();
        let mut run = RunDir::create(runs.path()).unwrap();
        run.append(note("one")).unwrap();
        run.append(note("two")).unwrap();
        let log = run.path().join("events.jsonl");
        let whole = fs::read(&log).unwrap();
        fs::write(&log, &whole[..whole.len() - 5]).unwrap();
        let replay = replay(runs.path(), LATEST).unwrap();
        assert_eq!(replay.records.iter().map(|record| &record.event).collect::<Vec<_>>(), [&note("one")]);
        assert_eq!(replay.damaged.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn runs_are_found_by_a_unique_beginning() {
        let runs = tempfile::tempdir().unwrap();
        for name in ["20260101-000000-1", "20260102-000000-1"] {
            fs::create_dir(runs.path().join(name)).unwrap();
            fs::write(runs.path().join(name).join("events.jsonl"), "").unwrap();
        }
        assert!(locate(runs.path(), "20260102").unwrap().ends_with("20260102-000000-1"));
        assert!(locate(runs.path(), "2026").unwrap_err().to_string().contains("2 runs begin with"));
        assert!(locate(runs.path(), "1999").unwrap_err().remedy().unwrap().contains("--list"));
        assert!(replay(runs.path(), "20260101").unwrap_err().to_string().contains("holds no event"));
    }

    #[test]
    fn runs_of_the_same_second_have_directories_of_their_own() {
        let runs = tempfile::tempdir().unwrap();
        let settled = || {
            let hidden = tempfile::Builder::new().prefix(NEW).tempdir_in(runs.path()).unwrap();
            fs::write(hidden.path().join(EVENTS), "").unwrap();
            settle(hidden, runs.path(), "20260101-000000").unwrap()
        };
        let names: std::collections::BTreeSet<PathBuf> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..5).map(|_| scope.spawn(settled)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(names.len(), 5);
        assert!(names.iter().all(|path| path.join(EVENTS).is_file()));
        assert_eq!(fs::read_dir(runs.path()).unwrap().count(), 5, "nothing hidden is left");
    }
}
