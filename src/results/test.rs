//! One test of a run: as a whole or put together from its parts, and what further runs of it told.

use super::Attempt;
use crate::event::{Outcome, Subtest, TestId, label_on};
use serde::Serialize;

/// One run of one test.
#[derive(Debug, Clone, Serialize)]
pub struct Test {
    /// The variant of the kernel that it runs on, where a run has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The suite that it belongs to.
    pub suite: String,
    /// Its name, unique in the suite.
    pub name: String,
    /// Counted from 1.
    pub attempt: u32,
    /// The step in which it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What came of it.
    #[serde(flatten)]
    pub result: Attempt,
    /// Its parts, in the order in which the whole test would run them; none where it ran as a whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<Shard>,
    /// Further runs of it, to tell a flake from a failure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reruns: Vec<Attempt>,
}

/// A part of a test.
#[derive(Debug, Clone, Serialize)]
pub struct Shard {
    /// Its name.
    pub shard: String,
    /// What came of it.
    #[serde(flatten)]
    pub result: Attempt,
    /// Further runs of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reruns: Vec<Attempt>,
}

impl Shard {
    /// A part that was not started yet.
    pub(super) fn new(name: String) -> Self {
        Self { shard: name, result: Attempt::default(), reruns: Vec::new() }
    }
}

impl Test {
    /// A test that was not started yet.
    pub(super) fn new(id: &TestId) -> Self {
        Self {
            variant: id.variant.clone(),
            suite: id.suite.clone(),
            name: id.name.clone(),
            attempt: id.attempt,
            step: None,
            result: Attempt::default(),
            shards: Vec::new(),
            reruns: Vec::new(),
        }
    }

    /// Which run of which test it is.
    pub fn id(&self) -> TestId {
        TestId::new(self.suite.clone(), self.name.clone(), self.attempt).on(self.variant.as_deref())
    }

    /// Its name for a person.
    pub fn label(&self) -> String {
        label_on(self.variant.as_deref(), &self.suite, &self.name)
    }

    /// Its name for a person, and what tells it from other runs of the same test: its seed, or its number.
    pub fn title(&self) -> String {
        match (self.result.seed, self.attempt) {
            (Some(seed), _) => format!("{} (seed {seed})", self.label()),
            (None, 1) => self.label(),
            (None, attempt) => format!("{} (attempt {attempt})", self.label()),
        }
    }

    /// True if `id` is this run of this test, or a part or a rerun of it.
    pub fn is(&self, id: &TestId) -> bool {
        (&self.variant, &self.suite, &self.name, self.attempt)
            == (&id.variant, &id.suite, &id.name, id.attempt)
    }

    /// It ran, or was to run, and that ended badly. Of one in parts, also before all of them ended.
    pub fn failed(&self) -> bool {
        let bad = |result: &Attempt| !result.outcome.is_ok() && result.ended();
        bad(&self.result) || self.shards.iter().any(|shard| bad(&shard.result))
    }

    /// What came of one run of it, of a part, or of a rerun of either, where that was begun.
    pub fn attempt(&self, id: &TestId) -> Option<&Attempt> {
        let (result, reruns) = match id.shard {
            Some(number) => {
                let shard = self.shards.get((number as usize).checked_sub(1)?)?;
                (&shard.result, &shard.reruns)
            }
            None => (&self.result, &self.reruns),
        };
        match (id.rerun as usize).checked_sub(1) {
            None => Some(result),
            Some(at) => reruns.get(at),
        }
    }

    /// What came of one run of it, of a part, or of a rerun of either.
    pub(super) fn attempt_mut(&mut self, id: &TestId) -> &mut Attempt {
        let (result, reruns) = match id.shard {
            Some(number) => {
                let at = (number as usize).saturating_sub(1);
                while self.shards.len() <= at {
                    self.shards.push(Shard::new(format!("part {}", self.shards.len() + 1)));
                }
                let shard = &mut self.shards[at];
                (&mut shard.result, &mut shard.reruns)
            }
            None => (&mut self.result, &mut self.reruns),
        };
        match (id.rerun as usize).checked_sub(1) {
            None => result,
            Some(at) => {
                while reruns.len() <= at {
                    reruns.push(Attempt::default());
                }
                &mut reruns[at]
            }
        }
    }

    /// The kernel is found to have printed a splat while that run of it went on: it did not pass, whatever it said.
    pub(super) fn splatted(&mut self, id: &TestId, title: &str) {
        let attempt = self.attempt_mut(id);
        if attempt.ended() && attempt.outcome.is_ok() {
            (attempt.outcome, attempt.reason) = (Outcome::Fail, Some(format!("kernel splat: {title}")));
            self.conclude();
        }
    }

    /// Says what parts and reruns mean for the whole. To be called when one of them ended.
    pub(super) fn conclude(&mut self) {
        for shard in &mut self.shards {
            weigh(&mut shard.result, &shard.reruns);
        }
        if !self.shards.is_empty() {
            self.put_together();
        }
        weigh(&mut self.result, &self.reruns);
    }

    /// The whole test, as if it had run in one piece.
    fn put_together(&mut self) {
        let whole = &mut self.result;
        *whole = Attempt { output: whole.output.take(), seed: whole.seed, ..Attempt::default() };
        let mut offset = 0;
        let mut reasons = Vec::new();
        for shard in &self.shards {
            let part = &shard.result;
            let numbered = |subtest: &Subtest| Subtest {
                number: subtest.number.map(|number| number + offset),
                ..subtest.clone()
            };
            whole.subtests.extend(part.subtests.iter().map(numbered));
            offset += part.subtests.len() as u64;
            whole.started |= part.started;
            whole.seconds += part.seconds;
            if let Some(seconds) = part.virtual_seconds {
                *whole.virtual_seconds.get_or_insert(0.0) += seconds;
            }
            if let Some(reason) = part.reason.as_ref().filter(|_| part.outcome > Outcome::Skip) {
                reasons.push(format!("{}: {reason}", shard.shard));
            }
            if whole.exit_code.is_none_or(|code| code == 0) {
                whole.exit_code = part.exit_code.or(whole.exit_code);
            }
        }
        if self.shards.iter().all(|shard| shard.result.ended()) {
            let outcomes = || self.shards.iter().map(|shard| shard.result.outcome);
            let bad = outcomes().filter(|outcome| !matches!(outcome, Outcome::Pass | Outcome::Skip)).max();
            let all_skipped = outcomes().all(|outcome| outcome == Outcome::Skip);
            whole.outcome = bad.unwrap_or(if all_skipped { Outcome::Skip } else { Outcome::Pass });
            whole.reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        }
    }
}

/// True if a rerun shows that what failed first can pass: it passed, and so did each subtest that had failed. One that was
/// skipped, or did not come again, shows nothing.
fn disproves(rerun: &Attempt, first: &Attempt) -> bool {
    let passed = |failed: &Subtest| {
        let again = rerun.subtests.iter().find(|subtest| subtest.name == failed.name);
        again.is_some_and(|again| again.outcome.is_ok() && again.outcome != Outcome::Skip)
    };
    rerun.ended() && rerun.outcome == Outcome::Pass && first.failed_subtests().all(passed)
}

/// A failure that did not come again is a flake.
fn weigh(result: &mut Attempt, reruns: &[Attempt]) {
    let passed = reruns.iter().any(|rerun| disproves(rerun, result));
    if passed && matches!(result.outcome, Outcome::Fail | Outcome::Timeout) {
        let why = result.reason.take().map(|why| format!(": {why}")).unwrap_or_default();
        result.reason = Some(format!("{} first, passed when it ran again{why}", result.outcome));
        result.outcome = Outcome::Flaky;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subtest(number: u64, name: &str) -> Subtest {
        Subtest {
            number: Some(number),
            name: name.to_owned(),
            outcome: Outcome::Pass,
            reason: None,
            ms: None,
            flaky: false,
        }
    }

    fn part(shard: u32, rerun: u32) -> TestId {
        TestId { shard: Some(shard), rerun, ..TestId::new("selftests", "mptcp_join", 1) }
    }

    fn end(test: &mut Test, id: &TestId, outcome: Outcome, subtests: &[&str]) {
        let attempt = test.attempt_mut(id);
        attempt.outcome = outcome;
        attempt.seconds = 10.0;
        attempt.subtests = (1..).zip(subtests).map(|(number, name)| subtest(number, name)).collect();
        test.conclude();
    }

    #[test]
    fn parts_read_like_the_whole_in_whatever_order_they_end() {
        let mut test = Test::new(&part(1, 0));
        test.attempt_mut(&part(3, 0));
        end(&mut test, &part(3, 0), Outcome::Pass, &["e"]);
        end(&mut test, &part(1, 0), Outcome::Pass, &["a", "b"]);
        assert_eq!(test.result.outcome, Outcome::NotRun, "one part is missing");
        end(&mut test, &part(2, 0), Outcome::Skip, &["c", "d"]);
        assert_eq!(test.result.outcome, Outcome::Pass);
        let read: Vec<String> = test
            .result
            .subtests
            .iter()
            .map(|subtest| format!("{} {}", subtest.number.unwrap(), subtest.name))
            .collect();
        assert_eq!(read, ["1 a", "2 b", "3 c", "4 d", "5 e"]);
        assert!((test.result.seconds - 30.0).abs() < 1e-9);
    }

    #[test]
    fn the_worst_part_decides() {
        let mut test = Test::new(&part(1, 0));
        test.attempt_mut(&part(3, 0));
        end(&mut test, &part(1, 0), Outcome::Fail, &[]);
        assert!(test.failed() && !test.result.ended(), "two parts are missing");
        end(&mut test, &part(2, 0), Outcome::Crash, &[]);
        end(&mut test, &part(3, 0), Outcome::Pass, &[]);
        assert_eq!(test.result.outcome, Outcome::Crash);
    }

    #[test]
    fn a_part_that_fails_once_makes_the_whole_flaky_and_one_that_fails_again_does_not() {
        let mut test = Test::new(&part(1, 0));
        test.attempt_mut(&part(2, 0));
        end(&mut test, &part(1, 0), Outcome::Fail, &["a"]);
        end(&mut test, &part(2, 0), Outcome::Pass, &["b"]);
        assert_eq!(test.result.outcome, Outcome::Fail);
        end(&mut test, &part(1, 1), Outcome::Fail, &["a"]);
        assert_eq!(test.result.outcome, Outcome::Fail);
        end(&mut test, &part(1, 2), Outcome::Pass, &["a"]);
        assert_eq!(test.result.outcome, Outcome::Flaky);
        assert_eq!(test.result.reason.as_deref(), Some("part 1: fail first, passed when it ran again"));
        assert_eq!(test.result.subtests.len(), 2, "a rerun adds no subtests");
    }

    #[test]
    fn a_rerun_that_skips_what_failed_shows_nothing() {
        let first = TestId::new("selftests", "x", 1);
        let rerun = TestId { rerun: 1, ..first.clone() };
        let flaky = |again: Option<Outcome>| {
            let mut test = Test::new(&first);
            let failed = Subtest { outcome: Outcome::Fail, ..subtest(1, "a") };
            let attempt =
                |outcome, subtests| Attempt { outcome, subtests, seconds: 1.0, ..Attempt::default() };
            *test.attempt_mut(&first) = attempt(Outcome::Fail, vec![failed, subtest(2, "b")]);
            let again = again.map(|outcome| Subtest { outcome, ..subtest(1, "a") });
            *test.attempt_mut(&rerun) =
                attempt(Outcome::Pass, again.into_iter().chain([subtest(2, "b")]).collect());
            test.conclude();
            test.result.outcome == Outcome::Flaky
        };
        assert!(flaky(Some(Outcome::Pass)) && flaky(Some(Outcome::Xfail)));
        assert!(!flaky(Some(Outcome::Skip)) && !flaky(None));
    }

    #[test]
    fn a_crash_is_no_flake() {
        let mut test = Test::new(&TestId::new("selftests", "x", 1));
        end(&mut test, &TestId::new("selftests", "x", 1), Outcome::Crash, &[]);
        end(&mut test, &TestId { rerun: 1, ..TestId::new("selftests", "x", 1) }, Outcome::Pass, &[]);
        assert_eq!(test.result.outcome, Outcome::Crash);
    }
}
