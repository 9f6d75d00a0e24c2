//! Which tests fit into a time: those that failed lately first, then as many as fit.

use crate::commands::pipeline::Target;
use crate::error::{Error, Result};
use crate::event::Outcome;
use crate::plan::{Plan, Step};
use crate::report;
use crate::results::{Summary, Test};
use crate::runner::history::KnownTimes;
use crate::store;
use crate::suite::Selection;
use crate::suite::division::Times as _;
use std::collections::BTreeSet;
use std::time::Duration;

/// How many of the newest runs tell which tests fail.
const LATELY: usize = 20;

/// Without times of this machine, tests are taken to need so many times what their suites guess.
const CAUTION: u32 = 2;

/// Leaves out of a plan what does not fit, and notes that. Fails if nothing fits.
pub fn fit(plan: &mut Plan, budget: Duration, target: &Target) -> Result<()> {
    let times =
        KnownTimes::of_work_dir(&target.work.root().join("durations.json"), &target.variant.to_string());
    let fragile = failed_lately(target);
    for step in &mut plan.steps {
        let Step::Test(tests) = step else { continue };
        let time = |selection: &Selection| {
            let known = times.test(&selection.test.label()).filter(|_| selection.test.args.is_empty());
            known.unwrap_or(selection.test.guess * CAUTION)
        };
        let costs: Vec<(bool, Duration)> = tests
            .selections
            .iter()
            .map(|selection| (fragile.contains(&selection.test.label()), time(selection)))
            .collect();
        let kept = choose(&costs, budget);
        if kept.iter().all(|kept| !kept) {
            return Err(Error::usage(format!(
                "no test fits into {}",
                report::duration(budget.as_secs_f64())
            ))
            .hint("give more time, or name shorter tests"));
        }
        let (mut keep, mut left_out) = (kept.iter(), Vec::new());
        tests.selections.retain(|selection| {
            let stays = keep.next().copied().unwrap_or(true);
            if !stays {
                left_out.push(selection.test.label());
            }
            stays
        });
        if !left_out.is_empty() {
            plan.notes.push(format!(
                "not run, as they do not fit into {}: {}",
                report::duration(budget.as_secs_f64()),
                left_out.join(", ")
            ));
        }
    }
    Ok(())
}

/// Which of the tests fit: first those that are likely to fail, and of like ones the shortest.
fn choose(costs: &[(bool, Duration)], budget: Duration) -> Vec<bool> {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by_key(|&at| (!costs[at].0, costs[at].1));
    let (mut left, mut kept) = (budget, vec![false; costs.len()]);
    for at in order {
        if let Some(rest) = left.checked_sub(costs[at].1) {
            (left, kept[at]) = (rest, true);
        }
    }
    kept
}

/// The tests that failed, or were flaky, in the newest runs of the tree.
fn failed_lately(target: &Target) -> BTreeSet<String> {
    let runs = target.runs();
    let newest = store::list(&runs).into_iter().rev().take(LATELY);
    let summaries = newest.filter_map(|name| store::replay(&runs, &name).ok());
    let mut failed = BTreeSet::new();
    for replay in summaries {
        let summary = Summary::of(&replay.records);
        let bad =
            |outcome: Outcome| outcome == Outcome::Flaky || (!outcome.is_ok() && outcome != Outcome::NotRun);
        failed.extend(summary.tests.iter().filter(|test| bad(test.result.outcome)).map(Test::label));
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_lately_comes_first_then_as_many_as_fit() {
        let costs = [(false, 60), (false, 10), (true, 50), (false, 30)];
        let costs = costs.map(|(fragile, seconds)| (fragile, Duration::from_secs(seconds)));
        let fits = |seconds| choose(&costs, Duration::from_secs(seconds));
        assert_eq!(fits(95), [false, true, true, true]);
        assert_eq!(fits(49), [false, true, false, true], "the fragile one does not fit");
        assert_eq!(fits(5), [false; 4]);
        assert_eq!(fits(150), [true; 4]);
    }
}
