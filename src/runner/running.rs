//! A test that runs in a VM: its output, its clock, its verdict.

use super::capture::Capture;
use super::evidence::Evidence;
use super::job::Job;
use super::journal::Journal;
use super::packets::Place;
use crate::error::Result;
use crate::event::{Event, Outcome, TestId};
use crate::guest::protocol::{Exit, JobId};
use crate::vm::link::JobEnd;
use std::time::{Duration, Instant};

/// A test in a VM.
pub(super) struct Running {
    /// The test.
    pub job: Job,
    /// Its number, for the agent.
    pub id: JobId,
    /// Its output.
    pub capture: Capture,
    /// When it began.
    pub began: Instant,
    /// The same by the guest's clock, where that is another.
    pub began_there: Option<Duration>,
    /// How far the attempt to stop it is.
    pub stop: Stop,
    /// It ended so, and waits for the console to reach the same moment.
    pub ended: Option<Finished>,
    /// The first splat of the kernel since it began.
    pub splat: Option<String>,
    /// What is being collected about it.
    pub evidence: Option<Evidence>,
    /// Where it runs, if it captures packets.
    pub place: Option<Place>,
}

/// The end of a test, as the agent tells it.
pub(super) struct Finished {
    /// How.
    pub end: JobEnd,
    /// How long it took.
    pub took: Duration,
}

/// How far the attempt to stop a test is, and when the next step is due.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its guest does that, by its own clock.
    ByGuest,
    /// It has time left.
    NotYet(Instant),
    /// Its time is up, and what the guest can tell about it is collected.
    Examined(Instant),
    /// It was asked to end.
    Terminated(Instant),
    /// It was killed.
    Killed(Instant),
}

impl Running {
    /// Its time was up.
    pub fn timed_out(&self) -> bool {
        !matches!(self.stop, Stop::NotYet(_) | Stop::ByGuest)
    }

    /// Sets its clocks back.
    pub fn shift_deadlines(&mut self, stall: Duration) {
        match &mut self.stop {
            Stop::ByGuest => {}
            Stop::NotYet(due) | Stop::Examined(due) | Stop::Terminated(due) | Stop::Killed(due) => {
                *due += stall;
            }
        }
    }

    /// What its guest can tell about it is collected: it need not be waited for.
    pub fn is_examined(&mut self, now: Instant) {
        if let Stop::Examined(due) = &mut self.stop {
            *due = now;
        }
    }

    /// Takes the last results of its output; returns how many.
    pub fn finish(&mut self, journal: &mut Journal) -> Result<usize> {
        let results = self.capture.finish(&self.job.selection)?;
        let count = results.len();
        for result in results {
            journal.add(Event::Subtest { test: self.job.id.clone(), result })?;
        }
        if !self.capture.left_out().is_empty() {
            let names = self.capture.left_out().to_vec();
            journal.add(Event::LeftOut { test: self.job.id.clone(), names })?;
        }
        if let Some(evidence) = self.evidence.take() {
            evidence.close(&self.job.id, journal)?;
        }
        if let Some(captured) = self.place.take().map(Place::close).transpose()?.flatten() {
            let file = captured.strip_prefix(journal.path()).unwrap_or(&captured).display().to_string();
            journal.add(Event::Evidence {
                test: Some(self.job.id.clone()),
                what: "packets".to_owned(),
                file,
            })?;
        }
        Ok(count)
    }

    /// How a test ended that came to its end, and why.
    pub fn verdict(&self, end: &JobEnd) -> (Outcome, Option<String>) {
        if self.timed_out() {
            return (Outcome::Timeout, Some(format!("stopped after {} s", self.job.timeout.as_secs())));
        }
        match (end, &self.splat) {
            (JobEnd::Refused { why, .. }, _) => (Outcome::Error, Some(why.clone())),
            (_, Some(title)) => (Outcome::Fail, Some(format!("kernel splat: {title}"))),
            (JobEnd::Exit(Exit::Code(code)), None) => self.capture.verdict(*code, &self.job.selection),
            (JobEnd::Exit(Exit::Signal(signal)), None) => {
                (Outcome::Fail, Some(format!("ended by signal {signal}")))
            }
        }
    }

    /// How a test ended whose guest is gone, and why.
    pub fn lost(&self, reason: &str) -> (Outcome, String) {
        match (self.timed_out(), &self.splat) {
            (false, Some(title)) => (Outcome::Crash, format!("{reason}: {title}")),
            (false, None) => (Outcome::Crash, reason.to_owned()),
            (true, _) => (Outcome::Timeout, format!("after {} s; {reason}", self.job.timeout.as_secs())),
        }
    }
}

/// The line that says on the console that a test begins.
pub(super) fn begin_mark(job: &Job) -> String {
    format!("vmptcp: begin of {}", marked(job))
}

/// The line that says on the console that a test is over.
pub(super) fn end_mark(job: &Job) -> String {
    format!("vmptcp: end of {}", marked(job))
}

/// What a mark calls a test. With a seed nothing that its guest sees may depend on which attempt or rerun it is: a line that is
/// longer by a digit is another run.
fn marked(job: &Job) -> String {
    match job.seed {
        Some(_) => TestId { attempt: 1, rerun: 0, ..job.id.clone() }.stem(),
        None => job.id.stem(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{Selection, TestCase, selftests};

    fn marks(id: TestId, seed: Option<u64>) -> [String; 2] {
        let selection = Selection::whole(TestCase::new(&selftests::SUITE, "diag", "diag.sh"));
        let (timeout, expected) = (Duration::from_secs(1), Duration::from_secs(1));
        let job = Job { id, selection, shard: None, timeout, expected, seed };
        [begin_mark(&job), end_mark(&job)]
    }

    #[test]
    fn with_a_seed_no_mark_depends_on_the_attempt_or_rerun() {
        let first = TestId::new("selftests", "diag", 1);
        let rerun = TestId { rerun: 1, ..TestId::new("selftests", "diag", 22) };
        let part = TestId { shard: Some(2), ..first.clone() };
        assert_eq!(marks(rerun.clone(), Some(4)), marks(first.clone(), Some(4)));
        assert_ne!(marks(part, Some(4)), marks(first.clone(), Some(4)));
        assert_ne!(marks(rerun, None), marks(first, None));
    }
}
