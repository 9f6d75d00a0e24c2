//! What came of a test with each of many seeds.

use super::{Summary, Test};
use crate::event::Outcome;
use std::collections::BTreeMap;

/// Seeds in a row with which a test ended alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// How the test ended; [`Outcome::NotRun`] where it was not tried, or did not come to its end.
    pub outcome: Outcome,
    /// The subtests that failed, or else why it ended so; empty if there is nothing to say.
    pub why: String,
}

/// The outcomes of the one test of a hunt with the seeds from `first` to `last`, in order.
pub fn stretches(summary: &Summary, first: u64, last: u64) -> Vec<Stretch> {
    let seeded = summary.tests.iter().filter_map(|test| Some((test.result.seed?, test)));
    let tried: BTreeMap<u64, &Test> = seeded.filter(|(_, test)| test.result.ended()).collect();
    let mut all: Vec<Stretch> = Vec::new();
    let mut next = first;
    for (&seed, test) in tried.range(first..=last) {
        if next < seed {
            add(&mut all, untried(next, seed - 1));
        }
        let (outcome, why) = (test.result.outcome, why(test));
        add(&mut all, Stretch { first: seed, last: seed, outcome, why });
        // Behind the greatest seed there is none.
        let Some(following) = seed.checked_add(1) else { return all };
        next = following;
    }
    if next <= last {
        add(&mut all, untried(next, last));
    }
    all
}

/// Adds seeds that follow those which are there.
fn add(all: &mut Vec<Stretch>, more: Stretch) {
    match all.last_mut() {
        Some(before) if (before.outcome, &before.why) == (more.outcome, &more.why) => before.last = more.last,
        _ => all.push(more),
    }
}

fn untried(first: u64, last: u64) -> Stretch {
    Stretch { first, last, outcome: Outcome::NotRun, why: String::new() }
}

fn why(test: &Test) -> String {
    if test.result.outcome.is_ok() {
        return String::new();
    }
    let failed: Vec<&str> = test.result.failed_subtests().map(|subtest| subtest.name.as_str()).collect();
    if failed.is_empty() { test.result.reason.clone().unwrap_or_default() } else { failed.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{records, tried};
    use super::*;

    /// A hunt in which these seeds were tried, each with what failed.
    fn summary(seeds: &[(u64, Option<&str>)]) -> Summary {
        Summary::of(&records(tried(seeds)))
    }

    fn shown(tried: &[(u64, Option<&str>)], first: u64, last: u64) -> String {
        let line =
            |Stretch { first, last, outcome, why }: &Stretch| format!("{first}-{last} {outcome} {why}");
        stretches(&summary(tried), first, last).iter().map(line).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn seeds_in_a_row_that_ended_alike_are_one_stretch() {
        let tried =
            [(3, None), (1, None), (2, None), (4, Some("a")), (5, Some("a")), (6, Some("b")), (9, None)];
        assert_eq!(
            shown(&tried, 1, 20),
            "1-3 pass ; 4-5 fail a; 6-6 fail b; 7-8 not run ; 9-9 pass ; 10-20 not run "
        );
        assert_eq!(shown(&tried, 4, 4), "4-4 fail a", "others were not asked for");
        assert_eq!(shown(&[], 7, 9), "7-9 not run ");
    }

    #[test]
    fn the_greatest_seed_has_no_next() {
        assert_eq!(
            shown(&[(u64::MAX, None)], u64::MAX - 1, u64::MAX),
            format!("{0}-{0} not run ; {1}-{1} pass ", u64::MAX - 1, u64::MAX)
        );
    }
}
