//! What holds of any run, wherever it is cut off.

use super::{Summary, tests::records};
use crate::error::ExitCode;
use crate::event::{Event, Outcome, TestId};
use proptest::prelude::*;

const OUTCOMES: [Outcome; 9] = [
    Outcome::Pass,
    Outcome::Skip,
    Outcome::Xfail,
    Outcome::Xpass,
    Outcome::Fail,
    Outcome::Timeout,
    Outcome::Crash,
    Outcome::Error,
    Outcome::NotRun,
];

fn id(number: usize) -> TestId {
    TestId::new("selftests", format!("test{number}"), 1)
}

fn events_of(test: &TestId, outcome: Outcome) -> [Event; 2] {
    let started =
        Event::TestStarted { test: test.clone(), vm: 1, timeout: 60, output: format!("{}.log", test.name) };
    let reason = (!outcome.is_ok()).then(|| "because".to_owned());
    let ended = Event::TestEnded { test: test.clone(), outcome, reason, exit_code: None, seconds: 1.0 };
    [started, ended]
}

proptest! {
    /// However tests end, and wherever the run is cut off: none is lost, one that did not end is not ok, and the run passes
    /// only if all did.
    #[test]
    fn no_test_is_lost_and_none_passes_that_did_not_end(
        outcomes in proptest::collection::vec(proptest::sample::select(&OUTCOMES), 1..12),
        cut in any::<proptest::sample::Index>(),
    ) {
        let ids: Vec<TestId> = (0..outcomes.len()).map(id).collect();
        let mut events = vec![Event::TestsPlanned { tests: ids.clone(), step: None }];
        events.extend(ids.iter().zip(&outcomes).flat_map(|(id, outcome)| events_of(id, *outcome)));
        events.truncate(1 + cut.index(events.len()));
        let ended = events.iter().filter(|event| matches!(event, Event::TestEnded { .. })).count();

        let summary = Summary::of(&records(events));
        prop_assert_eq!(summary.tests.len(), outcomes.len());
        for (number, (test, outcome)) in summary.tests.iter().zip(&outcomes).enumerate() {
            let expected = if number < ended { *outcome } else { Outcome::NotRun };
            prop_assert_eq!(test.result.outcome, expected);
        }
        let all_ok = ended == outcomes.len() && outcomes.iter().all(|outcome| outcome.is_ok());
        prop_assert_eq!(summary.exit_code_so_far() == ExitCode::Passed, all_ok);
    }

    /// A test passes as flaky only where a rerun passed, and never if none ran to its end.
    #[test]
    fn a_rerun_makes_a_flake_only_if_it_passed(rerun in proptest::sample::select(&OUTCOMES), ends in any::<bool>()) {
        let test = id(0);
        let again = TestId { rerun: 1, ..test.clone() };
        let mut events = vec![Event::TestsPlanned { tests: vec![test.clone()], step: None }];
        events.extend(events_of(&test, Outcome::Fail));
        events.extend(events_of(&again, rerun).into_iter().take(if ends { 2 } else { 1 }));
        let summary = Summary::of(&records(events));
        prop_assert_eq!(summary.tests.len(), 1);
        let flaky = summary.tests.iter().all(|test| test.result.outcome == Outcome::Flaky);
        prop_assert_eq!(flaky, ends && rerun == Outcome::Pass);
    }
}
