//! A search for seeds with which a test fails. It goes on where others of the same test, kernel and files were: what came of
//! their seeds is read in their journals, so that not even one that was killed lost anything.

use super::Host;
use super::digests::Digests;
use super::fleet;
use super::job::{Job, Setup};
use super::journal::Journal;
use super::worker;
use crate::error::{Error, Result};
use crate::event::{Event, Outcome, TestId};
use crate::kernel::build::Built;
use crate::results::{Attempt, Summary};
use crate::store;
use crate::text::hash::{Digest, Key};
use crate::vm::{Hub, Spec};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The fact of the provenance that stands for all that determines what a seed does.
const DETERMINED_BY: &str = "determined by";

/// Where packages put programs and libraries, below a root file system.
const PROGRAM_DIRS: [&str; 6] =
    ["usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "usr/lib", "usr/lib64"];

/// Runs the `jobs` whose outcome no earlier hunt knows, and adds those that one does.
pub(super) fn run(
    jobs: Vec<Job>,
    setup: &Setup,
    built: &Built,
    host: &Host,
    hub: &mut dyn Hub,
    journal: &mut Journal,
) -> Result<()> {
    let Some(first) = jobs.first() else { return Ok(()) };
    let key = determined_by(first, setup, built, host, journal)?;
    let facts = BTreeMap::from([(DETERMINED_BY.to_owned(), key.to_string())]);
    journal.add(Event::Provenance { step: None, facts })?;
    let known = known(key, journal);
    let (known, jobs) = parted(jobs, known, setup.fail_fast);
    if !known.is_empty() {
        let seeds =
            if known.len() == 1 { "1 seed was".to_owned() } else { format!("{} seeds were", known.len()) };
        journal.note(format!("{seeds} tried before, with the same kernel and files"))?;
    }
    let outcome = fleet::run(jobs, setup, hub, journal);
    // Not before: a failure that is known would end the search for one with a smaller seed.
    for (test, attempt) in known {
        remember(test, attempt, journal)?;
    }
    outcome
}

/// Parts what is known from what is to be run. If the first failure is enough, only seeds before it are left to try.
fn parted(
    jobs: Vec<Job>,
    mut known: BTreeMap<u64, Attempt>,
    first_is_enough: bool,
) -> (Vec<(TestId, Attempt)>, Vec<Job>) {
    let (mut remembered, mut rest) = (Vec::new(), Vec::new());
    let mut enough = false;
    for job in jobs {
        match job.seed.and_then(|seed| known.remove(&seed)) {
            Some(attempt) => {
                enough |= first_is_enough && !attempt.outcome.is_ok();
                remembered.push((job.id, attempt));
            }
            None if enough => {}
            None => rest.push(job),
        }
    }
    (remembered, rest)
}

/// What came of each seed in earlier hunts with the same key.
fn known(key: Digest, journal: &Journal) -> BTreeMap<u64, Attempt> {
    let (Some(runs), kind) = (journal.path().parent(), &journal.summary().kind) else {
        return BTreeMap::new();
    };
    let others = store::list(runs).into_iter().map(|name| runs.join(name));
    let alike = others.filter(|run| run != journal.path() && store::kind(run) == *kind);
    let mut known = BTreeMap::new();
    for run in alike {
        let Ok(replay) = store::replay(runs, &run.to_string_lossy()) else { continue };
        let summary = Summary::of(&replay.records);
        if summary.provenance.get(DETERMINED_BY) != Some(&key.to_string()) {
            continue;
        }
        for test in summary.tests.iter().filter(|test| is_repeatable(test.result.outcome)) {
            known.extend(test.result.seed.map(|seed| (seed, test.result.clone())));
        }
    }
    known
}

/// Whether a test would end so again. One that did not begin, or whose guest was lost, may have met trouble of the host's.
fn is_repeatable(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::NotRun | Outcome::Error | Outcome::Crash)
}

/// Adds what an earlier hunt found.
fn remember(test: TestId, attempt: Attempt, journal: &mut Journal) -> Result<()> {
    journal.add(Event::TestsPlanned { tests: vec![test.clone()], step: None })?;
    if let Some(seed) = attempt.seed {
        journal.add(Event::Seed { test: test.clone(), seed })?;
    }
    if let Some(seconds) = attempt.virtual_seconds {
        journal.add(Event::VirtualTime { test: test.clone(), seconds })?;
    }
    for result in attempt.subtests {
        journal.add(Event::Subtest { test: test.clone(), result })?;
    }
    let Attempt { outcome, reason, exit_code, seconds, .. } = attempt;
    journal.add(Event::TestEnded { test, outcome, reason, exit_code, seconds })
}

/// The value of all that determines what a seed does: what the guest is asked, its machine, its kernel, the selftests, this
/// program, and the programs of its root, of which the times of their directories must do.
fn determined_by(
    job: &Job,
    setup: &Setup,
    built: &Built,
    host: &Host,
    journal: &mut Journal,
) -> Result<Digest> {
    let requests = worker::requests(job, setup, journal)?;
    let Spec { backend, machine, .. } = &setup.spec;
    let mut machine = machine.clone();
    // Only this run has it.
    machine.tmp = PathBuf::new();
    let mut digests = Digests::read(&host.cache);
    let mut content = |path: &Path| {
        let digest = digests.of(path).map(|digest| digest.to_string());
        digest.ok_or_else(|| Error::cannot_run(format!("cannot read {}", path.display())))
    };
    let mut key = Key::new("seeded run")
        .field(serde_json::to_vec(&requests).unwrap_or_default())
        .field(backend.repeatable(&machine).unwrap_or_else(|| backend.command(&machine, "").to_string()))
        .field(content(&built.image)?)
        .field(content(&machine.root.agent)?);
    if let Some(dir) = &built.selftests {
        key = key.field(digests.of_dir(dir).to_string());
    }
    digests.keep(&host.cache);
    Ok(key.list(changes(&machine.root.dir)).digest())
}

/// When programs and libraries were last put below this root, or taken away.
fn changes(root: &Path) -> Vec<String> {
    let changed = |dir: &Path| {
        let data = fs::metadata(dir).ok()?;
        Some(format!("{} {} {}", dir.display(), data.mtime(), data.mtime_nsec()))
    };
    let libraries =
        fs::read_dir(root.join("usr/lib")).into_iter().flatten().flatten().map(|entry| entry.path());
    let of_an_architecture = |path: &PathBuf| path.to_string_lossy().contains("-linux-");
    let mut dirs: Vec<PathBuf> = PROGRAM_DIRS.iter().map(|dir| root.join(dir)).collect();
    dirs.extend(libraries.filter(of_an_architecture));
    dirs.sort();
    dirs.iter().filter_map(|dir| changed(dir)).collect()
}

#[cfg(test)]
mod tests;
