//! Tests and subtests by an identity that holds over runs, and what became of each in one run.

use super::{Summary, Test};
use crate::event::{Outcome, label_on};
use indexmap::IndexMap;
use serde::Serialize;
use std::fmt;

/// A test, or a subtest of one, whatever run it was in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Case {
    /// The variant of the kernel, where a run has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The suite.
    pub suite: String,
    /// The test.
    pub test: String,
    /// The subtest; none for the test itself.
    pub subtest: Option<String>,
}

/// What became of a case in one attempt of a run: one of several where a test is repeated, also with other seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseResult {
    /// How it ended. [`Outcome::Flaky`] also for a subtest that failed and is not held against its test.
    pub outcome: Outcome,
    /// How long it took, in seconds, by the guest's clock where that is not the host's; none where nobody knows.
    pub seconds: Option<f64>,
}

impl Case {
    /// A test as a whole.
    pub fn test(suite: impl Into<String>, test: impl Into<String>) -> Self {
        Self { variant: None, suite: suite.into(), test: test.into(), subtest: None }
    }

    /// A subtest of this test.
    #[must_use]
    pub fn subtest(&self, name: impl Into<String>) -> Self {
        Self { subtest: Some(name.into()), ..self.clone() }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&label_on(self.variant.as_deref(), &self.suite, &self.test))?;
        match &self.subtest {
            Some(subtest) => write!(f, ": {subtest}"),
            None => Ok(()),
        }
    }
}

/// Every case of a run, in the order of the run, with the result of each attempt.
pub fn cases(summary: &Summary) -> IndexMap<Case, Vec<CaseResult>> {
    let mut cases: IndexMap<Case, Vec<CaseResult>> = IndexMap::new();
    for test in &summary.tests {
        let whole = Case { variant: test.variant.clone(), ..Case::test(&test.suite, &test.name) };
        let seconds = test.result.virtual_seconds.unwrap_or(test.result.seconds);
        let result =
            CaseResult { outcome: test.result.outcome, seconds: test.result.started.then_some(seconds) };
        cases.entry(whole.clone()).or_default().push(result);
        for (name, result) in subtests(test) {
            cases.entry(whole.subtest(name)).or_default().push(result);
        }
    }
    cases
}

/// The subtests of one attempt, each name once: of several with one name the worst counts.
fn subtests(test: &Test) -> IndexMap<&str, CaseResult> {
    let mut named: IndexMap<&str, CaseResult> = IndexMap::new();
    // A failure that a rerun disproved is a flake of the test and of what failed in it.
    let disproved = test.result.outcome == Outcome::Flaky;
    for subtest in &test.result.subtests {
        let ignored = !subtest.outcome.is_ok() && (subtest.flaky || disproved);
        let outcome = if ignored { Outcome::Flaky } else { subtest.outcome };
        #[allow(clippy::cast_precision_loss, reason = "milliseconds of a test are few")]
        let seconds = subtest.ms.map(|ms| ms as f64 / 1000.0);
        let known = named.entry(&subtest.name).or_insert(CaseResult { outcome, seconds });
        known.outcome = known.outcome.max(outcome);
    }
    named
}

#[cfg(test)]
mod tests {
    use super::super::tests::{records, tried};
    use super::*;
    use crate::event::Subtest;

    fn subtest(name: &str, outcome: Outcome, flaky: bool) -> Subtest {
        Subtest { number: None, name: name.into(), outcome, reason: None, ms: Some(1500), flaky }
    }

    fn outcomes(cases: &IndexMap<Case, Vec<CaseResult>>) -> Vec<String> {
        let line = |(case, results): (&Case, &Vec<CaseResult>)| {
            let outcomes: Vec<_> = results.iter().map(|result| result.outcome.as_str()).collect();
            format!("{case} {}", outcomes.join(","))
        };
        cases.iter().map(line).collect()
    }

    #[test]
    fn every_attempt_of_a_test_counts() {
        let summary = Summary::of(&records(tried(&[(1, None), (2, Some("a")), (3, None)])));
        let cases = cases(&summary);
        assert_eq!(outcomes(&cases)[0], "simult_flows pass,fail,pass");
    }

    #[test]
    fn a_subtest_that_is_not_held_against_its_test_is_flaky_and_of_one_name_the_worst_counts() {
        let mut summary = Summary::of(&records(tried(&[(1, None)])));
        let test = summary.tests.values_mut().next().unwrap();
        test.result.subtests = vec![
            subtest("a", Outcome::Fail, true),
            subtest("b", Outcome::Pass, false),
            subtest("b", Outcome::Fail, false),
        ];
        assert_eq!(
            outcomes(&cases(&summary)),
            ["simult_flows pass", "simult_flows: a flaky", "simult_flows: b fail"]
        );
        summary.tests.values_mut().next().unwrap().result.outcome = Outcome::Flaky;
        assert_eq!(outcomes(&cases(&summary))[2], "simult_flows: b flaky", "a rerun disproved it");
        assert_eq!(cases(&summary)[1][0].seconds, Some(1.5));
    }
}
