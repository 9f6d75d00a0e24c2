//! Tests with many seeds, with a series and without it: how often they fail, and whether that can be chance. Pure.

use super::compare::is_bad;
use super::outcomes::{KERNEL_LOG, of_attempt};
use crate::event::{Finding, Outcome};
use crate::results::fisher::{Failures, SIGNIFICANT, more_often, short};
use crate::results::{Attempt, Summary};
use std::collections::{BTreeMap, BTreeSet};

/// How often tests and subtests failed: `diag`, `diag/no token`.
pub(super) type Failed = BTreeMap<String, Failures>;

/// How often each test of a run failed, of how many seeds.
pub(super) fn failures(summary: &Summary) -> Failed {
    count_of(summary, |_| true)
}

/// The same of one script: what others did is not in it.
pub(super) fn failures_of(summary: &Summary, script: &str) -> Failed {
    count_of(summary, |label| label == script)
}

/// Whether this script ran with each of its seeds to its end.
pub(super) fn is_whole(summary: &Summary, script: &str) -> bool {
    let mut of_it = summary.tests.iter().filter(|test| test.label() == script).peekable();
    of_it.peek().is_some()
        && of_it.all(|test| !matches!(test.result.outcome, Outcome::NotRun | Outcome::Error))
}

/// Adds what other runs did.
pub(super) fn add(all: &mut Failed, more: Failed) {
    for (name, failures) in more {
        all.entry(name).and_modify(|known| *known = known.and(failures)).or_insert(failures);
    }
}

fn count_of(summary: &Summary, counts: impl Fn(&str) -> bool) -> Failed {
    let mut all = Failed::new();
    let ended = summary.tests.iter().filter(|test| test.result.ended() && counts(&test.label()));
    let mut count = |name: String, failed: bool| {
        let once = Failures { failed: u32::from(failed), ran: 1 };
        add(&mut all, Failed::from([(name, once)]));
    };
    let splatted: BTreeSet<_> = summary.splats.iter().flat_map(|splat| &splat.tests).collect();
    for test in ended {
        let Attempt { outcome, .. } = test.result;
        for (name, outcome) in of_attempt(&test.label(), &test.result) {
            count(name, is_bad(outcome));
        }
        let lost = outcome == Outcome::Crash;
        count(KERNEL_LOG.to_owned(), lost || splatted.contains(&test.id()));
    }
    all
}

/// With how many seeds a run was.
pub(super) fn count(summary: &Summary) -> usize {
    summary.tests.iter().filter_map(|test| test.result.seed).collect::<BTreeSet<_>>().len()
}

/// What fails with the series: an error if it fails more often than on the base, or if the base has no such test. `base` is
/// none if it could not be run.
pub(super) fn compare(tip: &Failed, base: Option<&Failed>) -> Vec<Finding> {
    let finding = |(name, here): (&String, &Failures)| {
        let with = format!("fails with {here} seeds");
        let Some(base) = base else {
            return Finding::warning(format!(
                "{name}: {with}, and could not be run without the series to compare"
            ));
        };
        let Some(there) = base.get(name) else {
            return Finding::error(format!("regression: {name}: {with}; there is none without the series"));
        };
        let p = more_often(*here, *there);
        let numbers = format!("{with}, without the series with {there}, p = {}", short(p));
        match there.failed {
            _ if p < SIGNIFICANT => Finding::error(format!("regression: {name}: {numbers}")),
            0 => {
                Finding::warning(format!("{name}: {numbers}: too few to tell, try more with --confirm-seeds"))
            }
            _ => Finding::warning(format!("flaky: {name}: {numbers}")),
        }
    };
    tip.iter().filter(|(_, here)| here.failed > 0).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Subtest, TestId};
    use crate::results::tests::{records, splat};

    /// A run of `diag` with so many seeds, in which it fails with the first ones.
    fn run(fails: u32, seeds: u32, splats: bool) -> Failed {
        let mut events = Vec::new();
        for attempt in 1..=seeds {
            let test = TestId::new("selftests", "diag", attempt);
            let outcome = if attempt <= fails { Outcome::Fail } else { Outcome::Pass };
            let (number, reason, ms, flaky) = (None, None, None, false);
            let result = Subtest { number, name: "in use".to_owned(), outcome, reason: None, ms, flaky };
            events.push(Event::TestsPlanned { tests: vec![test.clone()], step: None });
            events.push(Event::Seed { test: test.clone(), seed: u64::from(attempt) });
            events.push(Event::Subtest { test: test.clone(), result });
            if attempt == 1 && splats {
                events.push(splat(Some(test.clone()), "a", "WARNING"));
            }
            events.push(Event::TestEnded { test, outcome, reason, exit_code: Some(0), seconds: 1.0 });
        }
        events.push(Event::TestsPlanned { tests: vec![TestId::new("selftests", "late", 1)], step: None });
        failures(&Summary::of(&records(events)))
    }

    fn said(tip: &Failed, base: Option<&Failed>) -> String {
        let line = |finding: Finding| format!("{:?}: {}", finding.severity, finding.text);
        compare(tip, base).into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_fails_more_often_than_chance_allows_is_a_regression() {
        insta::assert_snapshot!(said(&run(7, 50, false), Some(&run(0, 50, false))), @r"
        Error: regression: diag: fails with 7 of 50 seeds, without the series with 0 of 50, p = 6.2e-3
        Error: regression: diag/in use: fails with 7 of 50 seeds, without the series with 0 of 50, p = 6.2e-3
        ");
        insta::assert_snapshot!(said(&run(1, 20, false), Some(&run(0, 20, false))), @r"
        Warning: diag: fails with 1 of 20 seeds, without the series with 0 of 20, p = 0.50: too few to tell, try more with --confirm-seeds
        Warning: diag/in use: fails with 1 of 20 seeds, without the series with 0 of 20, p = 0.50: too few to tell, try more with --confirm-seeds
        ");
        insta::assert_snapshot!(said(&run(3, 20, false), Some(&run(2, 20, false))), @r"
        Warning: flaky: diag: fails with 3 of 20 seeds, without the series with 2 of 20, p = 0.50
        Warning: flaky: diag/in use: fails with 3 of 20 seeds, without the series with 2 of 20, p = 0.50
        ");
        assert_eq!(said(&run(0, 20, false), Some(&run(9, 20, false))), "");
    }

    #[test]
    fn a_test_of_the_series_own_has_to_pass_and_a_base_that_cannot_run_says_nothing() {
        insta::assert_snapshot!(said(&run(2, 20, false), Some(&Failed::new())), @r"
        Error: regression: diag: fails with 2 of 20 seeds; there is none without the series
        Error: regression: diag/in use: fails with 2 of 20 seeds; there is none without the series
        ");
        insta::assert_snapshot!(said(&run(2, 20, false), None), @r"
        Warning: diag: fails with 2 of 20 seeds, and could not be run without the series to compare
        Warning: diag/in use: fails with 2 of 20 seeds, and could not be run without the series to compare
        ");
    }

    #[test]
    fn what_is_known_of_single_scripts_adds_up() {
        let mut all = run(7, 20, true);
        add(&mut all, run(0, 20, false));
        assert_eq!(
            (all["diag"], all[KERNEL_LOG]),
            (Failures { failed: 7, ran: 40 }, Failures { failed: 1, ran: 40 })
        );
    }

    #[test]
    fn a_splat_counts_for_the_log_of_the_kernel() {
        let counted = run(0, 20, true);
        assert_eq!(counted[KERNEL_LOG], Failures { failed: 1, ran: 20 });
        assert!(!counted.contains_key("late"), "it did not run");
    }
}
