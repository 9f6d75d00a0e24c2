//! The outcomes of tests with a series and without it. Pure.

use crate::event::{Finding, Outcome};
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
    /// Failed, and could not be run without it.
    pub alone: Vec<String>,
    /// Scripts of which nothing was run.
    pub skipped: Vec<String>,
}

/// True if this stands against it.
pub fn is_bad(outcome: Outcome) -> bool {
    !outcome.is_ok()
}

/// The outcomes of a run after what failed in it was run `again`: what passed then is flaky.
pub fn settle(first: Outcomes, again: &Outcomes) -> Outcomes {
    let settled = |(name, outcome): (String, Outcome)| {
        let passed = is_bad(outcome) && again.get(&name).is_some_and(|again| !is_bad(*again));
        let outcome = match outcome {
            // It was only not reached.
            Outcome::NotRun if passed => Outcome::Pass,
            _ if passed => Outcome::Flaky,
            outcome => outcome,
        };
        (name, outcome)
    };
    first.into_iter().map(settled).collect()
}

/// The script that an outcome is of: the name itself, or what comes before the subtest's.
pub fn script(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

/// Compares. `base` is what is known without the series; `untested` are scripts that could not be run there.
pub fn compare(base: &Outcomes, untested: &[String], tip: &Outcomes) -> Comparison {
    let mut comparison = Comparison::default();
    for (name, outcome) in tip {
        let before = base.get(name).copied();
        let list = match outcome {
            Outcome::Skip if script(name) == name => &mut comparison.skipped,
            Outcome::Flaky => &mut comparison.flaky,
            outcome if !is_bad(*outcome) && before.is_some_and(is_bad) => &mut comparison.fixed,
            outcome if !is_bad(*outcome) => continue,
            _ if before.is_some_and(is_bad) => &mut comparison.still,
            _ if untested.iter().any(|untested| untested == script(name)) => &mut comparison.alone,
            _ => &mut comparison.regressions,
        };
        list.push(name.clone());
    }
    comparison
}

impl Comparison {
    /// As findings: only regressions stand against the series.
    pub fn findings(&self) -> Vec<Finding> {
        let errors = self.regressions.iter().map(|name| Finding::error(format!("regression: {name}")));
        let flaky = self.flaky.iter().map(|name| Finding::warning(format!("flaky: {name}")));
        let alone = self.alone.iter().map(|name| {
            Finding::warning(format!("fails, and could not be run without the series to compare: {name}"))
        });
        errors.chain(alone).chain(flaky).collect()
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
    fn only_what_failed_newly_and_every_time_is_a_regression() {
        use Outcome::{Crash, Fail, NotRun, Pass, Skip};
        let base = outcomes(&[("a", Pass), ("b", Fail), ("c", Fail), ("d", Pass)]);
        let first = outcomes(&[
            ("a", Fail),
            ("b", Fail),
            ("c", Pass),
            ("d", Fail),
            ("d/one", Fail),
            ("e", Fail),
            ("e/one", Fail),
            ("late", NotRun),
            ("new", Crash),
            ("s", Skip),
            ("s/one", Skip),
        ]);
        let again = outcomes(&[("a", Fail), ("d", Pass), ("d/one", Pass), ("late", Pass), ("new", Crash)]);
        let compared = compare(&base, &["e".to_owned()], &settle(first, &again));
        let names = |names: &[String]| names.join(" ");
        assert_eq!(names(&compared.regressions), "a new");
        assert_eq!(names(&compared.flaky), "d d/one");
        assert_eq!(names(&compared.alone), "e e/one");
        assert_eq!(compared.findings().len(), 6);
        insta::assert_snapshot!(compared.note().unwrap(), @"fixed: c; fails without the series too: b; skipped: s");
    }
}
