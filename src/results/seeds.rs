//! Which seeds a test failed with.

use super::fisher::Failures;
use super::{Summary, Test};
use std::collections::BTreeMap;

/// What came of one test with its seeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeded {
    /// The test, for a person.
    pub test: String,
    /// The seeds with which it did not pass, or a subtest did not that the test itself asks to ignore: in order.
    pub failed: Vec<u64>,
    /// With how many it ran.
    pub ran: usize,
}

impl Summary {
    /// What came of each test that ran with seeds, in order.
    pub fn seeded(&self) -> Vec<Seeded> {
        let mut all: Vec<Seeded> = Vec::new();
        for (test, seed) in self.with_seeds() {
            let name = test.label();
            let at = all.iter().position(|known| known.test == name).unwrap_or_else(|| {
                all.push(Seeded { test: name, failed: Vec::new(), ran: 0 });
                all.len() - 1
            });
            all[at].ran += 1;
            all[at].failed.extend(fails(test).then_some(seed));
        }
        all
    }

    /// With how many of the seeds that were tried some test failed: also by a splat of the kernel's.
    pub fn failing_seeds(&self) -> Failures {
        let mut seeds: BTreeMap<u64, bool> = BTreeMap::new();
        for (test, seed) in self.with_seeds() {
            *seeds.entry(seed).or_default() |= fails(test);
        }
        let count = |seeds: usize| u32::try_from(seeds).unwrap_or(u32::MAX);
        Failures { failed: count(seeds.values().filter(|failed| **failed).count()), ran: count(seeds.len()) }
    }

    fn with_seeds(&self) -> impl Iterator<Item = (&Test, u64)> {
        let ended = self.tests.iter().filter(|test| test.result.ended());
        ended.filter_map(|test| Some((test, test.result.seed?)))
    }
}

/// Whether it failed, or a subtest did that it asks to ignore.
fn fails(test: &Test) -> bool {
    test.failed() || test.result.subtests.iter().any(|subtest| subtest.flaky)
}

impl Seeded {
    /// `fail with seed 4 (1 of 50)`; none if it failed with no seed.
    pub fn verdict(&self) -> Option<String> {
        const MAX_LISTED: usize = 10;
        let count = self.failed.len();
        let listed: Vec<String> = self.failed.iter().take(MAX_LISTED).map(u64::to_string).collect();
        let more = if count > MAX_LISTED { ", …" } else { "" };
        let word = if count == 1 { "seed" } else { "seeds" };
        (count > 0).then(|| format!("fail with {word} {}{more} ({count} of {})", listed.join(", "), self.ran))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{records, splat};
    use super::*;
    use crate::event::{Event, Outcome, Subtest, TestId};

    #[test]
    fn a_test_that_fails_with_some_seeds_says_with_which_and_of_how_many() {
        let mut events = Vec::new();
        for attempt in 1..=30 {
            let test = TestId::new("selftests", "simult_flows", attempt);
            let outcome = if [4, 17].contains(&attempt) { Outcome::Fail } else { Outcome::Pass };
            let (reason, exit_code, seconds) = (None, Some(0), 1.0);
            events.push(Event::TestsPlanned { tests: vec![test.clone()], step: None });
            events.push(Event::Seed { test: test.clone(), seed: u64::from(attempt) + 100 });
            if attempt == 9 {
                let result = Subtest {
                    number: None,
                    name: "x".into(),
                    outcome: Outcome::Fail,
                    reason: None,
                    ms: None,
                    flaky: true,
                };
                events.push(Event::Subtest { test: test.clone(), result });
            }
            if attempt < 30 {
                events.push(Event::TestEnded { test, outcome, reason, exit_code, seconds });
            }
        }
        let summary = Summary::of(&records(events.clone()));
        assert_eq!(summary.failing_seeds(), Failures { failed: 3, ran: 29 });
        events.push(splat(Some(TestId::new("selftests", "simult_flows", 2)), "a", "WARNING"));
        assert_eq!(Summary::of(&records(events)).failing_seeds(), Failures { failed: 4, ran: 29 });
        let seeded = summary.seeded();
        let verdicts: Vec<_> = seeded.iter().map(Seeded::verdict).collect();
        assert_eq!(
            verdicts,
            [Some("fail with seeds 104, 109, 117 (3 of 29)".to_owned())],
            "one has not ended"
        );
    }

    #[test]
    fn many_seeds_are_not_all_listed_and_none_says_nothing() {
        let of = |failed: Vec<u64>| Seeded { test: "x".into(), failed, ran: 50 }.verdict();
        assert_eq!(of(vec![]), None);
        assert_eq!(of(vec![4]).unwrap(), "fail with seed 4 (1 of 50)");
        assert_eq!(
            of((1..=12).collect()).unwrap(),
            "fail with seeds 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, … (12 of 50)"
        );
    }
}
