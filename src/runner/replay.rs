//! Says before a run why it cannot be the same as an earlier one with the same seed.

use super::Journal;
use super::determinants::{self, Facts};
use super::job::Job;
use crate::error::Result;
use crate::event::{Event, Outcome, Record, label};
use crate::store;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// No longer than this is looked for earlier runs: they are for a remark.
const MAX_LOOK: Duration = Duration::from_millis(200);

/// A test and its seed: suite, name, seed.
type Seeded = (String, String, u64);

/// An earlier run that had some of the tests and seeds.
#[derive(Debug, PartialEq)]
struct Earlier {
    /// When it began, as a date in UTC.
    date: String,
    /// What it depended on.
    facts: Facts,
    /// What it had.
    seeded: BTreeSet<Seeded>,
}

/// Records what the runs of a step depend on, after a note of what differs from the newest earlier run of each of these jobs.
pub(super) fn record(step: &str, facts: Facts, jobs: &[Job], journal: &mut Journal) -> Result<()> {
    compare(&facts, jobs, journal)?;
    journal.add(Event::Provenance { step: Some(step.to_owned()), facts })
}

/// Notes what differs from the newest earlier run of each of these jobs with its seed. Says nothing where all is the same.
fn compare(facts: &Facts, jobs: &[Job], journal: &mut Journal) -> Result<()> {
    let own = journal.path().to_owned();
    let (Some(runs), Some(name)) = (own.parent(), own.file_name()) else { return Ok(()) };
    let mut wanted: BTreeSet<Seeded> =
        jobs.iter().filter_map(|job| Some((job.id.suite.clone(), job.id.name.clone(), job.seed?))).collect();
    let deadline = Instant::now() + MAX_LOOK;
    for run in store::list(runs).into_iter().rev().filter(|run| **run != *name) {
        if wanted.is_empty() || Instant::now() > deadline {
            break;
        }
        let Some(earlier) = read(runs, &run) else { continue };
        let same: BTreeSet<Seeded> = earlier.seeded.intersection(&wanted).cloned().collect();
        wanted.retain(|seeded| !same.contains(seeded));
        let differences = determinants::differences(&earlier.facts, facts);
        if !same.is_empty() && !differences.is_empty() {
            journal.note(remark(&same, &earlier.date, &differences))?;
        }
    }
    Ok(())
}

fn read(runs: &Path, run: &str) -> Option<Earlier> {
    earlier(&store::replay(runs, run).ok()?.records)
}

/// What these events say; none if they do not say what the run depended on.
fn earlier(records: &[Record]) -> Option<Earlier> {
    let date = records.first()?.time.strftime("%Y-%m-%d").to_string();
    let mut seeds = BTreeMap::new();
    let mut earlier = Earlier { date, facts: Facts::new(), seeded: BTreeSet::new() };
    for record in records {
        match &record.event {
            Event::Provenance { facts, .. } if determinants::are_in(facts) => earlier.facts.clone_from(facts),
            Event::Seed { test, seed } => {
                seeds.insert(test, *seed);
            }
            // What was interrupted shows nothing that could be seen again.
            Event::TestEnded { test, outcome, .. } if *outcome != Outcome::NotRun => {
                let seed = seeds.get(test).map(|seed| (test.suite.clone(), test.name.clone(), *seed));
                earlier.seeded.extend(seed);
            }
            _ => {}
        }
    }
    (!earlier.facts.is_empty()).then_some(earlier)
}

/// `simult_flows, seed 4 of 2026-11-26: another kernel, another ip: it can end otherwise now`
fn remark(same: &BTreeSet<Seeded>, date: &str, differences: &[String]) -> String {
    let tests: BTreeSet<_> = same.iter().map(|(suite, name, _)| label(suite, name)).collect();
    let seeds: BTreeSet<u64> = same.iter().map(|(.., seed)| *seed).collect();
    let list = |first: Option<String>, count: usize, many: &str| match (first, count) {
        (Some(one), 1) => one,
        _ => format!("{count} {many}"),
    };
    let tests = list(tests.first().cloned(), tests.len(), "tests");
    let seeds = list(seeds.first().map(|seed| format!("seed {seed}")), seeds.len(), "seeds");
    format!("{tests}, {seeds} of {date}: {}: it can end otherwise now", differences.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::TestId;
    use crate::runner::fixture::Bench;
    use crate::store::RunDir;
    use crate::suite::Selection;
    use crate::suite::tests::named;

    fn facts(kernel: &str, ip: &str) -> Facts {
        let pairs = [("sha256 of kernel", kernel), ("sha256 of ip", ip), ("kernel parameters", "ro")];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn job(seed: u64) -> Job {
        Job {
            id: TestId::new("selftests", "simult_flows", 1),
            selection: Selection::whole(named(&["simult_flows"]).remove(0)),
            shard: None,
            timeout: Duration::from_secs(1),
            expected: Duration::from_secs(1),
            seed: Some(seed),
        }
    }

    /// An earlier run, beside the one of the bench.
    fn ran(bench: &Bench, seed: u64, facts: Option<Facts>, outcome: Outcome) {
        let mut run = RunDir::create(bench.journal.path().parent().unwrap()).unwrap();
        run.append(Event::Note { text: "begins".to_owned() }).unwrap();
        if let Some(facts) = facts {
            run.append(Event::Provenance { step: Some("test".to_owned()), facts }).unwrap();
        }
        let test = TestId::new("selftests", "simult_flows", 1);
        run.append(Event::Seed { test: test.clone(), seed }).unwrap();
        let (reason, exit_code, seconds) = (None, None, 1.0);
        run.append(Event::TestEnded { test, outcome, reason, exit_code, seconds }).unwrap();
    }

    /// What is said before a run with this seed.
    fn said(bench: &mut Bench, seed: u64, now: &Facts) -> Vec<String> {
        let before = bench.journal.summary().notes.len();
        compare(now, &[job(seed)], &mut bench.journal).unwrap();
        bench.journal.summary().notes[before..].to_vec()
    }

    #[test]
    fn a_run_that_cannot_be_the_same_says_why() {
        let mut bench = Bench::new();
        ran(&bench, 4, Some(facts("1", "1")), Outcome::Fail);
        let notes = said(&mut bench, 4, &facts("2", "2"));
        let today = jiff::Timestamp::now().strftime("%Y-%m-%d");
        let expected =
            format!("simult_flows, seed 4 of {today}: another ip, another kernel: it can end otherwise now");
        assert_eq!(notes, [expected]);
    }

    #[test]
    fn nothing_is_said_of_the_same_of_another_seed_and_of_what_was_not_recorded_or_interrupted() {
        let mut bench = Bench::new();
        ran(&bench, 4, Some(facts("1", "1")), Outcome::Fail);
        ran(&bench, 5, None, Outcome::Fail);
        ran(&bench, 7, Some(facts("1", "1")), Outcome::NotRun);
        assert_eq!(said(&mut bench, 4, &facts("1", "1")), [""; 0]);
        assert_eq!(said(&mut bench, 6, &facts("2", "1")), [""; 0]);
        assert_eq!(said(&mut bench, 5, &facts("2", "1")), [""; 0]);
        assert_eq!(said(&mut bench, 7, &facts("2", "1")), [""; 0]);
    }

    #[test]
    fn the_newest_run_with_the_seed_is_the_one_that_counts() {
        let mut bench = Bench::new();
        ran(&bench, 4, Some(facts("1", "1")), Outcome::Fail);
        ran(&bench, 4, Some(facts("2", "1")), Outcome::Fail);
        assert_eq!(said(&mut bench, 4, &facts("2", "1")), [""; 0]);
    }
}
