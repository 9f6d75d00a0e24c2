//! The file that remembers which subtests the tests of a tree have.

use crate::error::Result;
use crate::event::Outcome;
use crate::plan::KnownSubtests;
use crate::results::{Attempt, Summary, Test};
use crate::suite::Selection;
use crate::suite::known::Known;
use crate::text::file;
use std::path::Path;

/// What is remembered. It is only a hint: what cannot be read is begun again.
pub fn read(path: &Path) -> Known {
    parsed(&std::fs::read(path).unwrap_or_default())
}

fn parsed(bytes: &[u8]) -> Known {
    serde_json::from_slice(bytes).unwrap_or_default()
}

/// Remembers the subtests of those tests of a run that went to their end.
pub(super) fn learn(place: &KnownSubtests, selections: &[Selection], summary: &Summary) -> Result<()> {
    file::update(&place.path, |before| {
        let mut known = parsed(before.unwrap_or_default());
        for test in &summary.tests {
            let selection = selections
                .iter()
                .find(|selection| selection.test.suite.id == test.suite && selection.test.name == test.name);
            if let Some(selection) = selection.filter(|_| is_whole(test)) {
                known.learn(&selection.test, place.key_of(selection.test.suite), names(&test.result));
            }
        }
        serde_json::to_vec_pretty(&known).unwrap_or_default()
    })
}

fn names(attempt: &Attempt) -> impl Iterator<Item = &str> {
    let counted = attempt.subtests.iter().map(|subtest| &subtest.name[..]);
    counted.chain(attempt.left_out.iter().map(String::as_str))
}

/// True if a test said all that it has to say. One that fails before it prints its results has others the next time.
fn is_whole(test: &Test) -> bool {
    let result = &test.result;
    match result.exit_code {
        Some(0) => matches!(
            result.outcome,
            Outcome::Pass | Outcome::Fail | Outcome::Flaky | Outcome::Error | Outcome::Skip
        ),
        Some(1) => names(result).next().is_some() && result.reason.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Record, Subtest, TestId};
    use crate::suite::select;
    use crate::suite::tests::named;
    use std::collections::BTreeMap;

    fn ended(name: &str, exit_code: i32, subtests: &[&str]) -> Vec<Event> {
        let test = TestId::new("selftests", name, 1);
        let subtest = |name: &&str| Event::Subtest {
            test: test.clone(),
            result: Subtest {
                number: None,
                name: (*name).to_owned(),
                outcome: Outcome::Pass,
                reason: None,
                ms: None,
                flaky: false,
            },
        };
        let outcome = if exit_code == 0 { Outcome::Pass } else { Outcome::Fail };
        let reason = (exit_code > 1).then(|| "exit code".to_owned());
        let end = Event::TestEnded {
            test: test.clone(),
            outcome,
            reason,
            exit_code: Some(exit_code),
            seconds: 1.0,
        };
        let left_out = Event::LeftOut { test: test.clone(), names: vec!["not asked for".to_owned()] };
        subtests.iter().map(subtest).chain([left_out, end]).collect()
    }

    #[test]
    fn what_a_run_had_is_known_to_the_next_and_a_filter_in_vain_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let place = KnownSubtests {
            path: dir.path().join("subtests.json"),
            keys: BTreeMap::from([("selftests", "6.12".into())]),
        };
        let tests = named(&["diag", "cut"]);
        let events: Vec<Event> = [ended("diag", 0, &["in use"]), ended("cut", 2, &["a"])].concat();
        let record = |event| Record { time: jiff::Timestamp::UNIX_EPOCH, at_ms: 0, event };
        let summary = Summary::of(&events.into_iter().map(record).collect::<Vec<_>>());
        learn(&place, &select(&[""; 0], &tests).unwrap(), &summary).unwrap();
        let known = read(&place.path);
        let refused = |filter: &str| known.check(&select(&[filter], &tests).unwrap(), |_| "6.12").is_err();
        assert!(refused("diag/inuse"));
        assert!(!refused("diag/in use") && !refused("diag/not asked"), "one of them is there");
        assert!(!refused("cut/b"), "it broke off: it may have more");
        std::fs::write(&place.path, "{").unwrap();
        assert_eq!(read(&place.path), Known::default());
    }
}
