//! Two runs side by side: what failed only since then, what is fixed, what is gone.

use super::fisher::{Failures, more_often};
use super::{Case, CaseResult};
use crate::event::Outcome;
use indexmap::IndexMap;
use serde::Serialize;

/// Where only some of several attempts fail, the rates differ if chance alone makes that less likely than this.
const LEAST_P: f64 = 0.05;

/// Shorter differences are not called slower, in seconds.
const LEAST_SLOWER: f64 = 1.0;

/// What changed for a case from one run to the next, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It passed, and fails; or it fails more often than chance explains.
    Regression,
    /// It fails in both.
    StillFailing,
    /// It fails at times, as often in both as chance explains.
    Flaky,
    /// It ran before, and does not run now.
    Missing,
    /// It did not run before.
    New,
    /// It failed, and passes; or it fails less often than chance explains.
    Fixed,
    /// It passes in both, and takes longer.
    Slower,
}

impl Change {
    /// All, the worst first.
    pub const ALL: [Self; 7] = [
        Self::Regression,
        Self::StillFailing,
        Self::Flaky,
        Self::Missing,
        Self::New,
        Self::Fixed,
        Self::Slower,
    ];

    /// The word for a person.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::StillFailing => "still failing",
            Self::Flaky => "flaky",
            Self::Missing => "missing",
            Self::New => "new",
            Self::Fixed => "fixed",
            Self::Slower => "slower",
        }
    }
}

/// All attempts of a case in one run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tally {
    /// How many ran to an end: skipped and not run do not count.
    pub ran: u32,
    /// How many of them failed.
    pub failed: u32,
    /// How many failed and then passed, or are not held against the test.
    pub flaky: u32,
    /// The worst outcome.
    pub outcome: Outcome,
    /// How long they took on average, in seconds, where that is known.
    pub seconds: Option<f64>,
}

/// A case for which something changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The test or subtest.
    #[serde(flatten)]
    pub case: Case,
    /// What changed.
    pub change: Change,
    /// What became of it before, where it was there.
    pub before: Option<Tally>,
    /// What becomes of it now, where it is there.
    pub after: Option<Tally>,
}

/// What differs between two runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// What changed, the worst first.
    pub differences: Vec<Difference>,
    /// How many cases ended the same way in both, well.
    pub unchanged: usize,
}

impl Comparison {
    /// How many cases changed so.
    pub fn count(&self, change: Change) -> usize {
        self.differences.iter().filter(|difference| difference.change == change).count()
    }
}

/// Compares two runs. A case is slower if it takes `slower` times as long; with none, times are not compared.
pub fn compare(
    before: &IndexMap<Case, Vec<CaseResult>>,
    after: &IndexMap<Case, Vec<CaseResult>>,
    slower: Option<f64>,
) -> Comparison {
    let mut comparison = Comparison::default();
    let gone = before.keys().filter(|case| !after.contains_key(*case));
    for case in after.keys().chain(gone) {
        let (was, is) = (before.get(case).map(|all| tally(all)), after.get(case).map(|all| tally(all)));
        // That a test did not run tells all of its subtests.
        let whole = case.subtest.is_some().then(|| Case::test(&case.suite, &case.test));
        let ran = |run: &IndexMap<Case, Vec<CaseResult>>, whole: &Case| {
            run.get(whole).is_some_and(|all| tally(all).ran > 0)
        };
        match change(was.as_ref(), is.as_ref(), slower) {
            Some(Change::New) if whole.as_ref().is_some_and(|whole| !ran(before, whole)) => {}
            Some(Change::Missing) if whole.as_ref().is_some_and(|whole| !ran(after, whole)) => {}
            Some(change) => {
                comparison.differences.push(Difference {
                    case: case.clone(),
                    change,
                    before: was,
                    after: is,
                });
            }
            None => comparison.unchanged += usize::from(is.is_some_and(|tally| tally.ran > 0)),
        }
    }
    comparison.differences.sort_by_key(|difference| difference.change);
    comparison
}

fn tally(results: &[CaseResult]) -> Tally {
    let count = |wanted: &dyn Fn(Outcome) -> bool| {
        u32::try_from(results.iter().filter(|result| wanted(result.outcome)).count()).unwrap_or(u32::MAX)
    };
    let times: Vec<f64> = results.iter().filter_map(|result| result.seconds).collect();
    #[allow(clippy::cast_precision_loss, reason = "attempts are few")]
    let seconds = (!times.is_empty()).then(|| times.iter().sum::<f64>() / times.len() as f64);
    let absent = |outcome| matches!(outcome, Outcome::Skip | Outcome::NotRun);
    Tally {
        ran: count(&|outcome| !absent(outcome)),
        failed: count(&|outcome| !outcome.is_ok() && !absent(outcome)),
        flaky: count(&|outcome| outcome == Outcome::Flaky),
        outcome: results.iter().map(|result| result.outcome).max().unwrap_or(Outcome::NotRun),
        seconds,
    }
}

fn change(before: Option<&Tally>, after: Option<&Tally>, slower: Option<f64>) -> Option<Change> {
    let ran = |tally: Option<&Tally>| tally.filter(|tally| tally.ran > 0).copied();
    let (before, after) = match (ran(before), ran(after)) {
        (Some(before), Some(after)) => (before, after),
        (Some(_), None) => return Some(Change::Missing),
        (None, Some(_)) => return Some(Change::New),
        (None, None) => return None,
    };
    let always = |tally: &Tally| tally.failed == tally.ran;
    let never = |tally: &Tally| tally.failed == 0 && tally.flaky == 0;
    match () {
        () if never(&before) && never(&after) => {
            is_slower(&before, &after, slower?).then_some(Change::Slower)
        }
        () if always(&before) && always(&after) => Some(Change::StillFailing),
        () if never(&before) && always(&after) => Some(Change::Regression),
        () if always(&before) && never(&after) => Some(Change::Fixed),
        () if more_often(failures(&after), failures(&before)) < LEAST_P => Some(Change::Regression),
        () if more_often(failures(&before), failures(&after)) < LEAST_P => Some(Change::Fixed),
        () => Some(Change::Flaky),
    }
}

fn failures(tally: &Tally) -> Failures {
    Failures { failed: tally.failed, ran: tally.ran }
}

fn is_slower(before: &Tally, after: &Tally, factor: f64) -> bool {
    let (Some(before), Some(after)) = (before.seconds, after.seconds) else { return false };
    after >= before * factor && after - before >= LEAST_SLOWER
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Fail, Flaky, NotRun, Pass, Skip};

    fn results(outcomes: &[Outcome]) -> Vec<CaseResult> {
        outcomes.iter().map(|outcome| CaseResult { outcome: *outcome, seconds: Some(10.0) }).collect()
    }

    fn changed(before: &[Outcome], after: &[Outcome]) -> Option<Change> {
        let case = Case::test("selftests", "diag");
        let run = |outcomes: &[Outcome]| IndexMap::from([(case.clone(), results(outcomes))]);
        compare(&run(before), &run(after), None).differences.first().map(|difference| difference.change)
    }

    #[test]
    fn one_attempt_each() {
        let table = [
            (Pass, Pass, None),
            (Pass, Fail, Some(Change::Regression)),
            (Pass, Outcome::Crash, Some(Change::Regression)),
            (Fail, Pass, Some(Change::Fixed)),
            (Fail, Outcome::Timeout, Some(Change::StillFailing)),
            (Pass, Flaky, Some(Change::Flaky)),
            (Flaky, Fail, Some(Change::Flaky)),
            (Pass, Skip, Some(Change::Missing)),
            (Fail, NotRun, Some(Change::Missing)),
            (Skip, Fail, Some(Change::New)),
            (Skip, NotRun, None),
        ];
        for (before, after, expected) in table {
            assert_eq!(changed(&[before], &[after]), expected, "{before} then {after}");
        }
    }

    #[test]
    fn of_several_attempts_the_rates_count() {
        let mixed = |failed: usize, passed: usize| [vec![Fail; failed], vec![Pass; passed]].concat();
        assert_eq!(changed(&mixed(0, 50), &mixed(7, 43)), Some(Change::Regression));
        assert_eq!(changed(&mixed(0, 50), &mixed(1, 49)), Some(Change::Flaky));
        assert_eq!(changed(&mixed(7, 43), &mixed(0, 50)), Some(Change::Fixed));
        assert_eq!(changed(&mixed(5, 5), &mixed(4, 6)), Some(Change::Flaky));
    }

    #[test]
    fn subtests_of_a_test_that_is_gone_or_new_are_not_listed_and_those_of_others_are() {
        let (diag, join) = (Case::test("selftests", "diag"), Case::test("selftests", "mptcp_join"));
        let run = |cases: &[&Case]| {
            cases.iter().map(|case| ((*case).clone(), results(&[Pass]))).collect::<IndexMap<_, _>>()
        };
        let (one, two) = (diag.subtest("one"), diag.subtest("two"));
        let before = run(&[&diag, &one, &join]);
        let after = run(&[&join]);
        assert_eq!(compare(&before, &after, None).differences.len(), 1);
        assert_eq!(compare(&after, &before, None).count(Change::New), 1);
        let other = compare(&before, &run(&[&diag, &two, &join]), None);
        assert_eq!((other.count(Change::New), other.count(Change::Missing), other.unchanged), (1, 1, 2));
    }

    #[test]
    fn slower_is_what_takes_notably_longer() {
        let of = |before: f64, after: f64| {
            let run = |seconds| {
                let result = CaseResult { outcome: Pass, seconds: Some(seconds) };
                IndexMap::from([(Case::test("selftests", "diag"), vec![result])])
            };
            compare(&run(before), &run(after), Some(1.5)).count(Change::Slower)
        };
        assert_eq!((of(10.0, 16.0), of(10.0, 14.0), of(0.1, 0.9)), (1, 0, 0));
    }
}
