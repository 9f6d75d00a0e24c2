//! Makes one run of the runs of several shards: their events, and the files that those name.

use super::{Journal, assemble};
use crate::error::{Error, IoContext, Result};
use crate::event::{Event, StepStatus};
use crate::results::{Merge, ShardRun, Summary};
use crate::store::Replay;
use std::fs;
use std::path::Path;

/// The step in which the tests ran.
const STEP: &str = "test";

/// Puts the runs together, as `journal`'s. What is missing of the whole is an error at the end, and its tests are *not run*.
pub fn merge(merge: &Merge<'_>, dirs: &[&Path], journal: &mut Journal) -> Result<()> {
    for (step, facts) in merge.provenance() {
        journal.add(Event::Provenance { step, facts })?;
    }
    let run = journal.path().to_owned();
    for (at, dir) in dirs.iter().enumerate() {
        copy(merge, at, dir, &run)?;
    }
    journal.add(Event::StepStarted { step: STEP.to_owned() })?;
    journal.add(Event::TestsPlanned { tests: merge.planned(), step: None })?;
    for event in merge.sharded() {
        journal.add(event)?;
    }
    let (mut last, records) = (0, merge.records());
    for record in records {
        last = record.at_ms;
        journal.add_record(&record)?;
    }
    for id in merge.spread() {
        if let Some(test) = journal.summary().test(id) {
            assemble::whole(&run, test)?;
        }
    }
    let problems = merge.problems();
    let status = if problems.is_empty() { StepStatus::Done } else { StepStatus::Failed };
    let detail = detail(dirs.len(), journal.summary());
    let seconds = std::time::Duration::from_millis(last).as_secs_f64();
    journal.add(Event::StepEnded { step: STEP.to_owned(), status, detail, seconds })?;
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::cannot_run(format!("the run is not whole: {}", problems.join("; ")))
        .hint("run that shard again, and merge again with its new run"))
}

fn detail(shards: usize, summary: &Summary) -> String {
    let passed = summary.tests.iter().filter(|test| test.result.outcome.is_ok()).count();
    format!("{passed} of {} passed, in {shards} shards", summary.tests.len())
}

/// Copies the files of a run into that of the whole, under their names there.
fn copy(merge: &Merge<'_>, at: usize, from: &Path, to: &Path) -> Result<()> {
    for below in ["", "tests"] {
        let dir = from.join(below);
        if !dir.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&dir).doing("read", &dir)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            let target = if path == ".config" { Some(path) } else { merge.file(at, &path) };
            // A link could lead out of the run.
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if let Some(target) = target.filter(|_| is_file) {
                let target = to.join(target);
                fs::copy(entry.path(), &target).doing("write", &target)?;
            }
        }
    }
    Ok(())
}

/// A run that was read back, as one of a shard.
pub fn shard_run(replay: &Replay) -> Result<ShardRun<'_>> {
    ShardRun::new(replay.path.display().to_string(), &replay.records)
}
