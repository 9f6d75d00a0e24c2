//! Puts the runs of several shards together: the events of one run, as if all tests had run on one machine. Pure.

use crate::error::{Error, Result};
use crate::event::{Event, Names, Portion, Record, RunShard, TestId};
use std::collections::{BTreeMap, BTreeSet};

/// What each shard has of a fact.
type ValuesOfShards = Vec<(RunShard, String)>;

/// The run of one shard.
#[derive(Debug)]
pub struct ShardRun<'r> {
    /// What it is called in messages.
    pub name: String,
    /// What happened in it.
    pub records: &'r [Record],
    shard: RunShard,
    division: &'r [Portion],
    /// It ended, and all of its tests could be run.
    problem: Option<String>,
    /// The tests that it planned.
    planned: Vec<TestId>,
    /// Added to the numbers of its guests.
    vms: u32,
}

/// A part of a test whose groups ran on several machines.
#[derive(Debug)]
struct Part {
    name: String,
    /// The run, and the number of the part there; none if the shard is missing.
    of: Option<(usize, Option<u32>)>,
}

/// All runs, put together.
#[derive(Debug)]
pub struct Merge<'r> {
    runs: Vec<ShardRun<'r>>,
    /// The tests that ran on several machines, with their parts in order.
    spread: BTreeMap<TestId, Vec<Part>>,
}

impl<'r> ShardRun<'r> {
    /// A run that was read back. Fails if it is none of a shard.
    pub fn new(name: String, records: &'r [Record]) -> Result<Self> {
        let found = records.iter().find_map(|record| match &record.event {
            Event::RunSharded { shard, division } => Some((*shard, &division[..])),
            _ => None,
        });
        let (shard, division) = found.ok_or_else(|| {
            Error::usage(format!("{name} is not the run of a shard"))
                .hint("runs that are to be merged are made with: vmptcp test --shard K/N")
        })?;
        let planned = records.iter().filter_map(|record| match &record.event {
            Event::TestsPlanned { tests, .. } => Some(tests.iter().cloned()),
            _ => None,
        });
        let problem = problem_of(shard, &name, records);
        Ok(Self { planned: planned.flatten().collect(), name, records, shard, division, problem, vms: 0 })
    }

    /// Which of all shards it is, counted from 1.
    pub fn number(&self) -> u32 {
        self.shard.number
    }

    /// How many guests it had, by their greatest number.
    fn guests(&self) -> u32 {
        let numbers = self.records.iter().filter_map(|record| match record.event {
            Event::VmStarted { vm, .. } => Some(vm),
            _ => None,
        });
        numbers.max().unwrap_or(0)
    }

    /// The names of the parts of a test in this run; none if it ran as a whole.
    fn parts(&self, test: &TestId) -> Option<&'r [String]> {
        self.records.iter().find_map(|record| match &record.event {
            Event::TestSharded { test: id, shards } if id == test => Some(&shards[..]),
            _ => None,
        })
    }
}

fn problem_of(shard: RunShard, name: &str, records: &[Record]) -> Option<String> {
    let end = records.iter().find_map(|record| match &record.event {
        Event::RunEnded { error, .. } => Some(error),
        _ => None,
    });
    match end {
        None => Some(format!("shard {shard} did not end: {name}")),
        Some(Some(error)) => Some(format!("shard {shard} failed: {error}")),
        Some(None) => None,
    }
}

impl<'r> Merge<'r> {
    /// Puts runs together. Fails if they are not shards of the same whole, or if a shard is there twice.
    pub fn of(mut runs: Vec<ShardRun<'r>>) -> Result<Self> {
        runs.sort_by_key(|run| run.shard.number);
        let Some(first) = runs.first() else {
            return Err(
                Error::usage("no run to merge").hint("name the runs of all shards: vmptcp merge RUN…")
            );
        };
        for run in &runs[1..] {
            if (run.shard.of, run.division) != (first.shard.of, first.division) {
                return Err(Error::usage(format!("{} and {} divide other tests", first.name, run.name)).hint(
                    "give all shards the same tree, tests, vmptcp and --shard-times, and run those that differ again",
                ));
            }
        }
        if let Some(pair) = runs.windows(2).find(|pair| pair[0].shard == pair[1].shard) {
            return Err(Error::usage(format!(
                "shard {} is there twice: {} and {}",
                pair[0].shard, pair[0].name, pair[1].name
            ))
            .hint("leave one out"));
        }
        let mut guests = 0;
        for run in &mut runs {
            run.vms = guests;
            guests += run.guests();
        }
        let mut merge = Self { runs, spread: BTreeMap::new() };
        merge.spread = merge.find_spread();
        Ok(merge)
    }

    /// What is missing of the whole, a line each.
    pub fn problems(&self) -> Vec<String> {
        let of = self.runs.first().map_or(0, |run| run.shard.of);
        let has = |number: u32| self.runs.iter().any(|run| run.shard.number == number);
        let missing = (1..=of).filter(|&number| !has(number));
        let missing = missing.map(|number| format!("shard {number}/{of} is missing"));
        missing.chain(self.runs.iter().filter_map(|run| run.problem.clone())).collect()
    }

    /// What kind of run they are together.
    pub fn kind(&self) -> String {
        let kind = |record: &Record| match &record.event {
            Event::RunStarted { kind, .. } => Some(kind.clone()),
            _ => None,
        };
        self.runs.first().and_then(|run| run.records.iter().find_map(kind)).unwrap_or_default()
    }

    /// The tests that ran on several machines.
    pub fn spread(&self) -> impl Iterator<Item = &TestId> {
        self.spread.keys()
    }

    fn division(&self) -> &'r [Portion] {
        self.runs.first().map_or(&[], |run| run.division)
    }

    /// Every test that any run planned, and those of the shards that are missing, in the order of the division.
    pub fn planned(&self) -> Vec<TestId> {
        let mut all: BTreeSet<TestId> =
            self.runs.iter().flat_map(|run| run.planned.iter().cloned()).collect();
        let known =
            |portion: &Portion| all.iter().any(|id| id.suite == portion.suite && id.name == portion.name);
        let lost: Vec<TestId> = self
            .division()
            .iter()
            .filter(|portion| !known(portion))
            .map(|portion| TestId::new(portion.suite.clone(), portion.name.clone(), 1))
            .collect();
        all.extend(lost);
        let place = |id: &TestId| {
            self.division().iter().position(|portion| portion.suite == id.suite && portion.name == id.name)
        };
        let mut all: Vec<TestId> = all.into_iter().collect();
        all.sort_by_key(|id| (id.attempt, place(id)));
        all
    }

    fn find_spread(&self) -> BTreeMap<TestId, Vec<Part>> {
        let mut spread = BTreeMap::new();
        for id in self.planned() {
            let theirs = |portion: &&Portion| portion.suite == id.suite && portion.name == id.name;
            let portions: Vec<&Portion> = self.division().iter().filter(theirs).collect();
            if portions.windows(2).any(|pair| pair[0].shard != pair[1].shard) {
                spread.insert(id.clone(), self.parts_of(&id, &portions));
            }
        }
        spread
    }

    /// The parts of a test whose groups ran on several machines, in the order of its groups.
    fn parts_of(&self, id: &TestId, portions: &[&Portion]) -> Vec<Part> {
        let mut parts: Vec<(usize, Part)> = Vec::new();
        let place = |name: &str| {
            let group = name.split([' ', ',']).next();
            portions.iter().position(|portion| portion.group.as_deref() == group).unwrap_or(portions.len())
        };
        for (at, run) in self.runs.iter().enumerate().filter(|(_, run)| run.planned.contains(id)) {
            if let Some(names) = run.parts(id) {
                let numbered = (1..).zip(names);
                let part = |(number, name): (u32, &String)| Part {
                    name: name.clone(),
                    of: Some((at, Some(number))),
                };
                parts.extend(numbered.map(part).map(|part| (place(&part.name), part)));
            } else {
                let own = portions.iter().filter(|portion| portion.shard == run.shard.number);
                let names: Vec<&str> = own.filter_map(|portion| portion.group.as_deref()).collect();
                let part = Part { name: names.join(", "), of: Some((at, None)) };
                parts.push((place(&part.name), part));
            }
        }
        let here =
            |number: u32| self.runs.iter().any(|run| run.shard.number == number && run.planned.contains(id));
        for (at, portion) in portions.iter().enumerate().filter(|(_, portion)| !here(portion.shard)) {
            let name = portion.group.clone().unwrap_or_default();
            parts.push((at, Part { name, of: None }));
        }
        parts.sort_by_key(|(place, _)| *place);
        parts.into_iter().map(|(_, part)| part).collect()
    }

    /// What a run's test, part or rerun is called in the whole.
    fn id(&self, run: usize, id: &TestId) -> TestId {
        let parts = self.spread.get(&id.whole());
        let at = parts.and_then(|parts| parts.iter().position(|part| part.of == Some((run, id.shard))));
        let shard = at.and_then(|at| u32::try_from(at + 1).ok()).or(id.shard);
        TestId { shard, ..id.clone() }
    }

    /// What a file of a run is called in the whole; none if the whole has one of its own. Both are relative to the directory
    /// of the run.
    pub fn file(&self, run: usize, path: &str) -> Option<String> {
        if let Some(rest) = path.strip_prefix("console-") {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u32 = rest[..digits].parse().ok()?;
            return Some(format!("console-{}{}", number + self.runs[run].vms, &rest[digits..]));
        }
        let name = path.strip_prefix("tests/")?;
        let ids = self.runs[run].records.iter().filter_map(|record| match &record.event {
            Event::TestStarted { test, .. } => Some(test),
            _ => None,
        });
        let ids = ids.chain(&self.runs[run].planned);
        let named = ids.filter(|id| name.strip_prefix(&id.stem()).is_some_and(|rest| rest.starts_with('.')));
        let id = named.max_by_key(|id| id.stem().len())?;
        if id.shard.is_none() && self.runs[run].parts(id).is_some() && self.spread.contains_key(id) {
            // What its parts said together is not all of them.
            return None;
        }
        Some(format!("tests/{}{}", self.id(run, id).stem(), &name[id.stem().len()..]))
    }

    /// The events of the step with the tests, in the order in which they happened; but its beginning and end, and the plan.
    pub fn records(&self) -> Vec<Record> {
        let mut all: Vec<Record> = Vec::new();
        for (at, run) in self.runs.iter().enumerate() {
            let merged = |record: &Record| {
                Some(Record { time: record.time, at_ms: record.at_ms, event: self.event(at, &record.event)? })
            };
            all.extend(run.records.iter().filter_map(merged));
        }
        all.sort_by_key(|record| record.at_ms);
        all
    }

    /// An event of a run as one of the whole; none for what is told of the whole by itself.
    fn event(&self, run: usize, event: &Event) -> Option<Event> {
        match event {
            Event::TestSharded { test, .. } if self.spread.contains_key(test) => None,
            Event::Note { text } => Some(Event::Note { text: self.of_shard(run, text) }),
            Event::Warning { text, hint } => {
                Some(Event::Warning { text: self.of_shard(run, text), hint: hint.clone() })
            }
            Event::VmStarted { .. }
            | Event::VmReady { .. }
            | Event::VmEnded { .. }
            | Event::TestSharded { .. }
            | Event::TestStarted { .. }
            | Event::Evidence { .. }
            | Event::Splat { .. }
            | Event::Seed { .. }
            | Event::VirtualTime { .. }
            | Event::Subtest { .. }
            | Event::LeftOut { .. }
            | Event::Connections { .. }
            | Event::TestEnded { .. } => Some(event.renamed(&InWhole { merge: self, run })),
            _ => None,
        }
    }

    fn of_shard(&self, run: usize, text: &str) -> String {
        format!("shard {}: {text}", self.runs[run].shard)
    }

    /// The parts of each test whose groups ran on several machines.
    pub fn sharded(&self) -> impl Iterator<Item = Event> {
        self.spread.iter().map(|(test, parts)| Event::TestSharded {
            test: test.clone(),
            shards: parts.iter().map(|part| part.name.clone()).collect(),
        })
    }

    /// What the results depend on: what all runs have alike, and where they differ, what each has.
    pub fn provenance(&self) -> Vec<(Option<String>, BTreeMap<String, String>)> {
        let mut all: BTreeMap<Option<String>, BTreeMap<String, ValuesOfShards>> = BTreeMap::new();
        for run in &self.runs {
            for (step, facts) in run.records.iter().filter_map(|record| match &record.event {
                Event::Provenance { step, facts } => Some((step, facts)),
                _ => None,
            }) {
                let known = all.entry(step.clone()).or_default();
                for (name, value) in facts {
                    known.entry(name.clone()).or_default().push((run.shard, value.clone()));
                }
            }
        }
        let one = |values: ValuesOfShards| {
            if values.windows(2).all(|pair| pair[0].1 == pair[1].1) {
                return values.into_iter().next().map(|(_, value)| value).unwrap_or_default();
            }
            let each = values.into_iter().map(|(shard, value)| format!("{value} (shard {shard})"));
            each.collect::<Vec<_>>().join(", ")
        };
        let facts = |facts: BTreeMap<String, ValuesOfShards>| {
            facts.into_iter().map(|(name, values)| (name, one(values))).collect()
        };
        all.into_iter().map(|(step, known)| (step, facts(known))).collect()
    }
}

/// What the names of a run are in the whole.
struct InWhole<'m, 'r> {
    merge: &'m Merge<'r>,
    run: usize,
}

impl Names for InWhole<'_, '_> {
    fn test(&self, id: &TestId) -> TestId {
        self.merge.id(self.run, id)
    }

    fn vm(&self, vm: u32) -> u32 {
        vm + self.merge.runs[self.run].vms
    }

    fn file(&self, path: &str) -> String {
        self.merge.file(self.run, path).unwrap_or_else(|| path.to_owned())
    }
}

#[cfg(test)]
mod tests;
