//! Tests with many seeds, with a series and without it: how often they fail, and whether that can be chance. Pure.

use super::compare::is_bad;
use super::outcomes::{KERNEL_LOG, of_attempt};
use crate::event::{Finding, Outcome};
use crate::results::fisher::{Failures, more_often};
use crate::results::{Attempt, Summary};
use std::collections::{BTreeMap, BTreeSet};

/// How often tests and subtests failed: `diag`, `diag/no token`.
pub(super) type Failed = BTreeMap<String, Failures>;

/// A difference that chance makes less often than this is none of chance's.
const SIGNIFICANT: f64 = 0.05;

/// How often each test of a run failed, of how many seeds.
pub(super) fn failures(summary: &Summary) -> Failed {
    let mut all = Failed::new();
    let ended = summary.tests.iter().filter(|test| test.result.ended());
    let mut count = |name: String, failed: bool| {
        let known = all.entry(name).or_insert(Failures { failed: 0, ran: 0 });
        (known.ran, known.failed) = (known.ran + 1, known.failed + u32::from(failed));
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
        let Failures { failed, ran } = here;
        let with = format!("fails with {failed} of {ran} seeds");
        let Some(base) = base else {
            return Finding::warning(format!(
                "{name}: {with}, and could not be run without the series to compare"
            ));
        };
        let Some(there) = base.get(name) else {
            return Finding::error(format!("regression: {name}: {with}; there is none without the series"));
        };
        let p = more_often(*here, *there);
        let numbers =
            format!("{with}, without the series with {} of {}, p = {}", there.failed, there.ran, short(p));
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

/// Two digits that count.
fn short(p: f64) -> String {
    if p >= 0.01 { format!("{p:.2}") } else { format!("{p:.1e}") }
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
            events.push(Event::TestsPlanned { tests: vec![test.clone()] });
            events.push(Event::Seed { test: test.clone(), seed: u64::from(attempt) });
            events.push(Event::Subtest { test: test.clone(), result });
            if attempt == 1 && splats {
                events.push(splat(Some(test.clone()), "a", "WARNING"));
            }
            events.push(Event::TestEnded { test, outcome, reason, exit_code: Some(0), seconds: 1.0 });
        }
        events.push(Event::TestsPlanned { tests: vec![TestId::new("selftests", "late", 1)] });
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
    fn a_splat_counts_for_the_log_of_the_kernel() {
        let counted = run(0, 20, true);
        assert_eq!(counted[KERNEL_LOG], Failures { failed: 1, ran: 20 });
        assert!(!counted.contains_key("late"), "it did not run");
    }
}
