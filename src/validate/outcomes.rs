//! What a run says of tests and of the kernel's log, as outcomes that can be compared. Pure.

use super::compare::{Outcomes, is_bad, script};
use crate::event::Outcome;
use crate::results::{Attempt, Summary};
use std::collections::BTreeSet;

/// The name under which what a kernel's log shows counts as a test.
pub(super) const KERNEL_LOG: &str = "kernel log";

/// The outcomes of a run, without what was run again. A failure that a test itself asks to ignore is left out.
pub(super) fn outcomes(summary: &Summary) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for test in &summary.tests {
        worst_of_both(&mut outcomes, of_attempt(&test.label(), &test.result));
    }
    // Also one during boot, a mere notice elsewhere: the base tells whether it is the series'.
    let log = if summary.splats.is_empty() { Outcome::Pass } else { Outcome::Crash };
    outcomes.insert(KERNEL_LOG.to_owned(), log);
    outcomes
}

/// What was run again in a run, at its best. What that means for a script as a whole the run knows itself.
pub(super) fn reruns(summary: &Summary) -> Outcomes {
    let mut best = Outcomes::new();
    for test in &summary.tests {
        let attempts = test.reruns.iter().chain(test.shards.iter().flat_map(|shard| &shard.reruns));
        for (name, outcome) in attempts.flat_map(|attempt| of_attempt(&test.label(), attempt)) {
            let outcome = if name == test.label() { test.result.outcome } else { outcome };
            let known = best.entry(name).or_insert(outcome);
            *known = (*known).min(outcome);
        }
    }
    best
}

pub(super) fn of_attempt(name: &str, attempt: &Attempt) -> Outcomes {
    let subtests = attempt.subtests.iter().filter(|subtest| !subtest.flaky);
    let subtests = subtests.map(|subtest| (format!("{name}/{}", subtest.name), subtest.outcome));
    std::iter::once((name.to_owned(), attempt.outcome)).chain(subtests).collect()
}

/// Adds more outcomes of the same tests: each script brings its own view of the kernel's log.
pub(super) fn worst_of_both(all: &mut Outcomes, more: Outcomes) {
    for (name, outcome) in more {
        let known = all.entry(name).or_insert(outcome);
        *known = (*known).max(outcome);
    }
}

/// The scripts that these outcomes are of.
pub(super) fn scripts_of(outcomes: &Outcomes) -> Vec<String> {
    outcomes.keys().filter(|name| script(name) == *name && *name != KERNEL_LOG).cloned().collect()
}

/// The scripts that have to be compared, as something failed.
pub(super) fn failed_scripts(outcomes: &Outcomes) -> Vec<String> {
    let bad = || outcomes.iter().filter(|(_, outcome)| is_bad(**outcome)).map(|(name, _)| name.as_str());
    if bad().any(|name| name == KERNEL_LOG) {
        // Whichever script it was: a splat outside of all of them may come again in any.
        return scripts_of(outcomes);
    }
    let failed: BTreeSet<&str> = bad().map(script).collect();
    failed.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Subtest, TestId};
    use crate::results::tests::{records, splat as splat_event};
    use crate::validate::compare::settle;

    /// A run of `diag` that failed, and ran again; and of `sockopt`, that passed.
    fn run(splat: bool) -> Summary {
        let subtest = |test: &TestId, name: &str, outcome, flaky| Event::Subtest {
            test: test.clone(),
            result: Subtest { number: None, name: name.to_owned(), outcome, reason: None, ms: None, flaky },
        };
        let ended = |test: &TestId, outcome| Event::TestEnded {
            test: test.clone(),
            outcome,
            reason: None,
            exit_code: None,
            seconds: 1.0,
        };
        let (diag, sockopt) = (TestId::new("selftests", "diag", 1), TestId::new("selftests", "sockopt", 1));
        let again = TestId { rerun: 1, ..diag.clone() };
        let mut events = vec![
            Event::TestsPlanned { tests: vec![diag.clone(), sockopt.clone()], step: None },
            subtest(&diag, "sometimes", Outcome::Fail, false),
            subtest(&diag, "always", Outcome::Fail, false),
            subtest(&diag, "ignored", Outcome::Fail, true),
            ended(&diag, Outcome::Fail),
            subtest(&again, "sometimes", Outcome::Pass, false),
            subtest(&again, "always", Outcome::Fail, false),
            ended(&again, Outcome::Fail),
            ended(&sockopt, Outcome::Pass),
        ];
        if splat {
            events.push(splat_event(None, "", "WARNING"));
        }
        Summary::of(&records(events))
    }

    #[test]
    fn what_passes_in_a_rerun_is_flaky_and_its_script_is_not_if_more_fails() {
        let summary = run(false);
        let settled = settle(outcomes(&summary), &reruns(&summary));
        let settled: Vec<String> =
            settled.iter().map(|(name, outcome)| format!("{name}: {outcome:?}")).collect();
        insta::assert_snapshot!(settled.join("; "), @"diag: Fail; diag/always: Fail; diag/sometimes: Flaky; kernel log: Pass; sockopt: Pass");
        assert_eq!(failed_scripts(&outcomes(&summary)), ["diag"]);
    }

    #[test]
    fn a_splat_of_nobody_makes_all_scripts_suspects() {
        assert_eq!(failed_scripts(&outcomes(&run(true))), ["diag", "sockopt"]);
    }
}
