//! How often a test or subtest fails. Pure.

use crate::event::Outcome;
use crate::results::Case;
use serde::Serialize;

/// One observation of a case: one attempt in one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The run's name.
    pub run: String,
    /// When that began, in milliseconds since 1970.
    pub started_ms: i64,
    /// The kernel's commit; empty where nobody knows.
    pub commit: String,
    /// How the case ended.
    pub outcome: Outcome,
}

/// A failure: in which run, and with which kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The run's name.
    pub run: String,
    /// When that began.
    pub started: jiff::Timestamp,
    /// The kernel's commit; empty where nobody knows.
    pub commit: String,
}

/// What the newest observations have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Streak {
    /// So many in a row passed.
    Passed(u32),
    /// So many in a row failed, or passed only when they ran again.
    Failed(u32),
}

/// A case that failed at least once, on kernels and machines of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flake {
    /// The test or subtest.
    #[serde(flatten)]
    pub case: Case,
    /// Variant and accelerator, or the tree and variant of the public CI.
    pub configuration: String,
    /// How often it ran: skipped and not run do not count.
    pub ran: u32,
    /// How often it failed, or passed only when it ran again.
    pub failed: u32,
    /// What the newest observations have in common.
    pub streak: Streak,
    /// The first failure.
    pub first: Failure,
    /// The last one.
    pub last: Failure,
}

impl Flake {
    /// The part of the observations that failed, from 0 to 1.
    pub fn rate(&self) -> f64 {
        f64::from(self.failed) / f64::from(self.ran)
    }

    /// True if it also passed.
    pub fn also_passed(&self) -> bool {
        self.failed < self.ran
    }
}

/// What the observations of a case mean, in any order; none if it never failed.
pub fn flakes(case: Case, configuration: String, mut seen: Vec<Seen>) -> Option<Flake> {
    seen.retain(|seen| !matches!(seen.outcome, Outcome::Skip | Outcome::NotRun));
    seen.sort_by(|a, b| (a.started_ms, &a.run).cmp(&(b.started_ms, &b.run)));
    let failures: Vec<&Seen> = seen.iter().filter(|seen| is_failure(seen.outcome)).collect();
    let (first, last) = (failures.first()?, failures.last()?);
    let newest_failed = seen.last().is_some_and(|seen| is_failure(seen.outcome));
    let streak = seen.iter().rev().take_while(|seen| is_failure(seen.outcome) == newest_failed).count();
    let streak = if newest_failed { Streak::Failed(count(streak)) } else { Streak::Passed(count(streak)) };
    Some(Flake {
        case,
        configuration,
        ran: count(seen.len()),
        failed: count(failures.len()),
        streak,
        first: failure(first),
        last: failure(last),
    })
}

/// True of what counts as a failure: also one that a rerun disproved, as how often that happens is the question.
pub fn is_failure(outcome: Outcome) -> bool {
    (!outcome.is_ok() && outcome != Outcome::NotRun) || outcome == Outcome::Flaky
}

fn failure(seen: &Seen) -> Failure {
    Failure {
        run: seen.run.clone(),
        started: jiff::Timestamp::from_millisecond(seen.started_ms).unwrap_or_default(),
        commit: seen.commit.clone(),
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(outcomes: &[Outcome]) -> Option<Flake> {
        let seen = outcomes.iter().enumerate().map(|(at, outcome)| Seen {
            run: format!("run-{at}"),
            started_ms: 1000 * i64::try_from(at).unwrap(),
            commit: format!("c{at}"),
            outcome: *outcome,
        });
        // The newest first: the order in which they come does not matter.
        let seen: Vec<_> = seen.collect::<Vec<_>>().into_iter().rev().collect();
        flakes(Case::test("selftests", "diag"), "normal, tcg".into(), seen)
    }

    #[test]
    fn rate_streak_and_the_first_and_last_failure() {
        use Outcome::{Fail, Flaky, NotRun, Pass, Skip};
        let flake = of(&[Pass, Fail, Skip, Flaky, Pass, Pass, NotRun]).unwrap();
        assert_eq!((flake.failed, flake.ran, flake.streak), (2, 5, Streak::Passed(2)));
        assert_eq!((flake.first.commit.as_str(), flake.last.run.as_str()), ("c1", "run-3"));
        assert_eq!(of(&[Pass, Fail, Fail]).unwrap().streak, Streak::Failed(2));
        assert!(!of(&[Fail]).unwrap().also_passed());
    }

    #[test]
    fn what_never_failed_is_no_flake() {
        assert_eq!(of(&[Outcome::Pass, Outcome::Skip]), None);
        assert_eq!(of(&[]), None);
    }
}
