//! How long tests took before, so that the longest can go first and long ones can be split.

use crate::error::{Error, IoContext, Result};
use crate::event::Outcome;
use crate::results::{Attempt, Shard, Summary, Test};
use crate::suite::{Group, Selection, TestCase, division};
use crate::text::file;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a group of subtests takes that nobody knows.
const GROUP_GUESS: Duration = Duration::from_secs(45);

/// The times of one variant under one accelerator.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Times {
    /// Whole tests, in seconds.
    #[serde(default)]
    tests: BTreeMap<String, f64>,
    /// The subtests of groups, `TEST:GROUP`, in milliseconds.
    #[serde(default)]
    groups: BTreeMap<String, Vec<u64>>,
}

/// What earlier runs told. It is only a hint: what cannot be read is replaced.
#[derive(Debug)]
pub(super) struct History {
    path: PathBuf,
    key: String,
    all: BTreeMap<String, Times>,
    /// By how much slower than normal the machine is taken to be.
    slowdown: u32,
}

impl History {
    /// The times in the file `path` of kernels and machines of the kind `key`.
    pub fn read(path: &Path, key: &str, slowdown: u32) -> Self {
        let all = std::fs::read(path).ok().and_then(|bytes| parse(&bytes));
        Self { path: path.to_owned(), key: key.to_owned(), all: all.unwrap_or_default(), slowdown }
    }

    /// The times of a group's subtests, in milliseconds; none if they are not known.
    pub fn group(&self, test: &str, group: &str) -> Vec<u64> {
        let times = self.all.get(&self.key).and_then(|times| times.groups.get(&format!("{test}:{group}")));
        times.cloned().unwrap_or_default()
    }

    /// How long a test took when it last ran whole, without arguments, in seconds of the host.
    pub fn whole(&self, label: &str) -> Option<f64> {
        self.all.get(&self.key)?.tests.get(label).copied()
    }

    /// The times of another kind of kernels and machines.
    pub fn of(&self, key: &str) -> Self {
        Self { path: self.path.clone(), key: key.to_owned(), all: self.all.clone(), slowdown: self.slowdown }
    }

    /// How long a group of unknown length may take.
    pub fn unknown_group(&self) -> Duration {
        GROUP_GUESS * self.slowdown
    }

    /// A group that takes longer than this is worth splitting: half of what each of so many guests has to do, but no less
    /// than starting a script again and again is worth.
    pub fn shard_target(&self, selections: &[Selection], vms: u32) -> Duration {
        let all: Duration = selections.iter().map(|selection| self.test(selection)).sum();
        (all / (vms.max(1) * 2)).max(GROUP_GUESS)
    }

    /// How long a whole test takes, or may take.
    pub fn test(&self, selection: &Selection) -> Duration {
        let TestCase { guess, groups, args, .. } = &selection.test;
        let label = selection.test.label();
        let known = self.whole(&label).filter(|_| args.is_empty());
        let known = known.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let group = |group: &Group| {
            let times = self.group(&label, &group.name);
            if times.is_empty() { self.unknown_group() } else { Duration::from_millis(times.iter().sum()) }
        };
        known.unwrap_or_else(|| {
            if !groups.is_empty() {
                // Arguments choose among the groups.
                let asked = |group: &&Group| args.is_empty() || args.concat().contains(group.flag);
                return groups.iter().filter(asked).map(group).sum();
            }
            *guess * self.slowdown
        })
    }

    /// Remembers the tests of a run that went to their end; `plain` says which ran without arguments. What other runs
    /// have learnt since this one began is kept.
    pub fn learn(&self, summary: &Summary, plain: impl Fn(&str) -> bool) -> Result<()> {
        file::update(&self.path, |old| {
            let mut all = old.and_then(parse).unwrap_or_default();
            learn_tests(all.entry(self.key.clone()).or_default(), summary, plain);
            serde_json::to_vec_pretty(&all).unwrap_or_default()
        })
    }
}

/// The times of one kind of kernels and machines, as a file has them that several machines share.
#[derive(Debug)]
pub struct KnownTimes(Times);

impl KnownTimes {
    /// Reads a file: of kernels of this variant, those of the kind of machine that most is known of. Fails if it is no such
    /// file, as another machine would divide tests otherwise.
    pub fn read(path: &Path, variant: &str) -> Result<Self> {
        let bytes = std::fs::read(path).doing("read", path)?;
        let all = parse(&bytes).ok_or_else(|| {
            Error::usage(format!("{} does not hold the times of tests", path.display()))
                .hint("give a copy of durations.json of a work directory: .vmptcp/durations.json")
        })?;
        Ok(Self::of(all, variant))
    }

    /// Those that a work directory has; none if it has none yet.
    pub fn of_work_dir(path: &Path, variant: &str) -> Self {
        let all = std::fs::read(path).ok().and_then(|bytes| parse(&bytes));
        Self::of(all.unwrap_or_default(), variant)
    }

    fn of(all: BTreeMap<String, Times>, variant: &str) -> Self {
        let of_variant = all.into_iter().filter(|(kind, _)| kind.split(' ').next() == Some(variant));
        let known = |times: &Times| times.tests.len() + times.groups.len();
        Self(of_variant.map(|(_, times)| times).max_by_key(known).unwrap_or_default())
    }
}

impl division::Times for KnownTimes {
    fn test(&self, label: &str) -> Option<Duration> {
        Duration::try_from_secs_f64(*self.0.tests.get(label)?).ok()
    }

    fn group(&self, label: &str, group: &str) -> Option<Duration> {
        Some(Duration::from_millis(self.0.groups.get(&format!("{label}:{group}"))?.iter().sum()))
    }
}

/// Nothing where the content makes no sense.
fn parse(content: &[u8]) -> Option<BTreeMap<String, Times>> {
    serde_json::from_slice(content).ok()
}

fn learn_tests(times: &mut Times, summary: &Summary, plain: impl Fn(&str) -> bool) {
    for test in &summary.tests {
        if !test.shards.is_empty() {
            learn_groups(times, test);
        } else if plain(&test.label()) && is_telling(&test.result) {
            times.tests.insert(test.label(), (test.result.seconds * 10.0).round() / 10.0);
        }
    }
}

fn learn_groups(times: &mut Times, test: &Test) {
    let mut groups: BTreeMap<&str, Option<Vec<u64>>> = BTreeMap::new();
    for Shard { shard, result, .. } in &test.shards {
        let group = shard.split(' ').next().unwrap_or(shard);
        let known = groups.entry(group).or_insert_with(|| Some(Vec::new()));
        if is_telling(result) && !result.subtests.is_empty() {
            if let Some(known) = known {
                known.extend(result.subtests.iter().map(|subtest| subtest.ms.unwrap_or(0)));
            }
        } else {
            *known = None;
        }
    }
    for (group, known) in groups {
        if let Some(known) = known {
            times.groups.insert(format!("{}:{group}", test.label()), known);
        }
    }
}

/// A test that was cut off, or did nothing, says nothing about its time.
pub(super) fn is_telling(attempt: &Attempt) -> bool {
    matches!(attempt.outcome, Outcome::Pass | Outcome::Fail | Outcome::Flaky)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUESS: Duration = Duration::from_secs(20);
    use crate::event::{Event, Record, Subtest, TestId};
    use crate::suite::tests::named;

    fn summary(events: Vec<Event>) -> Summary {
        let record = |event| Record { time: jiff::Timestamp::UNIX_EPOCH, at_ms: 0, event };
        Summary::of(&events.into_iter().map(record).collect::<Vec<_>>())
    }

    fn ended(test: TestId, outcome: Outcome, seconds: f64) -> Event {
        Event::TestEnded { test, outcome, reason: None, exit_code: Some(0), seconds }
    }

    fn subtest(test: &TestId, ms: u64) -> Event {
        let result = Subtest {
            number: Some(1),
            name: "x".into(),
            outcome: Outcome::Pass,
            reason: None,
            ms: Some(ms),
            flaky: false,
        };
        Event::Subtest { test: test.clone(), result }
    }

    #[test]
    fn what_a_run_took_is_known_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("durations.json");
        let history = History::read(&path, "normal tcg", 8);
        let diag = Selection::whole(named(&["diag"]).remove(0));
        assert_eq!(history.test(&diag), GUESS * 8);
        let part = |shard| TestId { shard: Some(shard), ..TestId::new("selftests", "join", 1) };
        let events = vec![
            ended(TestId::new("selftests", "diag", 1), Outcome::Pass, 110.04),
            ended(TestId::new("selftests", "cut", 1), Outcome::Timeout, 5.0),
            Event::TestSharded {
                test: TestId::new("selftests", "join", 1),
                shards: vec!["a 1-1".into(), "a 2-2".into(), "b".into()],
            },
            subtest(&part(1), 7),
            subtest(&part(2), 8),
            subtest(&part(3), 9),
            ended(part(1), Outcome::Pass, 1.0),
            ended(part(2), Outcome::Pass, 1.0),
            ended(part(3), Outcome::Crash, 1.0),
        ];
        history.learn(&summary(events), |_| true).unwrap();
        let history = History::read(&path, "normal tcg", 8);
        assert_eq!(history.test(&diag), Duration::from_secs(110));
        assert_eq!(history.group("join", "a"), [7, 8]);
        assert_eq!(history.group("join", "b"), [0; 0], "it crashed");
        let cut = Selection::whole(named(&["cut"]).remove(0));
        assert_eq!(history.test(&cut), GUESS * 8, "it was cut off");
        assert_eq!(History::read(&path, "debug tcg", 1).test(&diag), GUESS);
    }

    #[test]
    fn what_cannot_be_read_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("durations.json");
        std::fs::write(&path, "{\"normal kvm\": 3").unwrap();
        let history = History::read(&path, "normal kvm", 1);
        history
            .learn(&summary(vec![ended(TestId::new("selftests", "diag", 1), Outcome::Pass, 2.0)]), |_| true)
            .unwrap();
        let diag = Selection::whole(named(&["diag"]).remove(0));
        assert_eq!(History::read(&path, "normal kvm", 1).test(&diag), Duration::from_secs(2));
    }

    #[test]
    fn runs_that_end_at_once_lose_nothing_of_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("durations.json");
        let names: Vec<String> = (0..8).map(|n| format!("test{n}")).collect();
        // All have read the file before any of them writes it.
        let runs: Vec<History> = (0..8).map(|n| History::read(&path, ["a", "b"][n % 2], 1)).collect();
        std::thread::scope(|scope| {
            for (name, run) in names.iter().zip(&runs) {
                let ended = summary(vec![ended(TestId::new("selftests", name, 1), Outcome::Pass, 2.0)]);
                scope.spawn(move || run.learn(&ended, |_| true).unwrap());
            }
        });
        for (n, name) in names.iter().enumerate() {
            let test = Selection::whole(named(&[name]).remove(0));
            let known = History::read(&path, ["a", "b"][n % 2], 1).test(&test);
            assert_eq!(known, Duration::from_secs(2), "{name} is lost");
        }
    }
}
