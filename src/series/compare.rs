//! The outcomes of tests with a series and without it. Pure.

use super::verdict::Finding;
use crate::event::Outcome;
use std::collections::BTreeMap;

/// How tests and subtests ended: `diag`, `diag/no token`. A failure that a test itself asks to ignore is not in it.
pub type Outcomes = BTreeMap<String, Outcome>;

/// What the series does to the tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Failed with the series, every time, and not without it.
    pub regressions: Vec<String>,
    /// Failed without it, and does not any more.
    pub fixed: Vec<String>,
    /// Failed before and fails still.
    pub still: Vec<String>,
    /// Failed, and passed when it was run again.
    pub flaky: Vec<String>,
    /// Scripts of which nothing was run.
    pub skipped: Vec<String>,
}

/// True if this stands against it.
pub fn is_bad(outcome: Outcome) -> bool {
    !outcome.is_ok()
}

/// Compares. `again` is a second run of what failed at the tip; `base` what is known without the series.
pub fn compare(base: &Outcomes, tip: &Outcomes, again: Option<&Outcomes>) -> Comparison {
    let mut comparison = Comparison::default();
    for (name, outcome) in tip {
        let before = base.get(name).copied();
        let passed_then = again.and_then(|again| again.get(name)).is_some_and(|again| !is_bad(*again));
        if *outcome == Outcome::Skip && !name.contains('/') {
            comparison.skipped.push(name.clone());
        } else if *outcome == Outcome::Flaky || is_bad(*outcome) && passed_then {
            comparison.flaky.push(name.clone());
        } else if !is_bad(*outcome) {
            if before.is_some_and(is_bad) {
                comparison.fixed.push(name.clone());
            }
        } else if before.is_some_and(is_bad) {
            comparison.still.push(name.clone());
        } else {
            comparison.regressions.push(name.clone());
        }
    }
    comparison
}

impl Comparison {
    /// As findings: only regressions stand against the series.
    pub fn findings(&self) -> Vec<Finding> {
        let errors = self.regressions.iter().map(|name| Finding::error(format!("regression: {name}")));
        let flaky = self.flaky.iter().map(|name| Finding::warning(format!("flaky: {name}")));
        errors.chain(flaky).collect()
    }

    /// What is no finding, for a note; none if there is nothing to tell.
    pub fn note(&self) -> Option<String> {
        let part = |word: &str, names: &[String]| {
            (!names.is_empty()).then(|| format!("{word}: {}", names.join(", ")))
        };
        let parts: Vec<String> = [
            part("fixed", &self.fixed),
            part("fails without the series too", &self.still),
            part("skipped", &self.skipped),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(list: &[(&str, Outcome)]) -> Outcomes {
        list.iter().map(|(name, outcome)| ((*name).to_owned(), *outcome)).collect()
    }

    #[test]
    fn only_what_failed_anew_and_every_time_is_a_regression() {
        use Outcome::{Crash, Fail, Flaky, Pass, Skip};
        let base = outcomes(&[("a", Pass), ("b", Fail), ("c", Fail), ("d", Pass)]);
        let tip = outcomes(&[
            ("a", Fail),
            ("b", Fail),
            ("c", Pass),
            ("d", Fail),
            ("new", Crash),
            ("s", Skip),
            ("x", Flaky),
        ]);
        let again = outcomes(&[("a", Fail), ("d", Pass), ("new", Crash)]);
        let compared = compare(&base, &tip, Some(&again));
        let names = |names: &[String]| names.join(" ");
        assert_eq!(names(&compared.regressions), "a new");
        assert_eq!(names(&compared.fixed), "c");
        assert_eq!(names(&compared.still), "b");
        assert_eq!(names(&compared.flaky), "d x");
        assert_eq!(compared.findings().len(), 4);
        insta::assert_snapshot!(compared.note().unwrap(), @"fixed: c; fails without the series too: b; skipped: s");
    }
}
