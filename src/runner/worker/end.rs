//! How a test ends, and how a guest does.

use super::super::evidence;
use super::super::journal::Journal;
use super::super::running::Finished;
use super::{Done, Request, State, Worker};
use crate::error::Result;
use crate::event::{Event, Outcome};
use crate::vm::link::Loss;
use std::time::Instant;

/// Why a guest is retired whose kernel printed a splat.
pub(in super::super) const AFTER_SPLAT: &str = "replaced after a splat";

impl Worker {
    /// A test is over, and the console too has reached its end.
    pub(super) fn conclude(&mut self, now: Instant, journal: &mut Journal) -> Result<Request> {
        let State::Running(mut running) = std::mem::replace(&mut self.state, State::Idle) else {
            return Ok(Request::Nothing);
        };
        let Some(Finished { end, took }) = running.ended.take() else { return Ok(Request::Nothing) };
        let results = running.finish(journal)?;
        let seconds = took.as_secs_f64();
        let timed_out = running.timed_out();
        let (outcome, reason) = running.verdict(&end);
        if results > 0 && outcome == Outcome::Pass && !running.capture.problems().is_empty() {
            let odd = running.capture.problems().join("; ");
            journal.note(format!("{}: {odd}", running.job.id.label()))?;
        }
        let exit_code = end.exit_code();
        let test = running.job.id.clone();
        if let Some(took) = self.took_there(&running) {
            journal.add(Event::VirtualTime { test: test.clone(), seconds: took.as_secs_f64() })?;
        }
        journal.add(Event::TestEnded { test, outcome, reason, exit_code, seconds })?;
        self.done = Some(Done { splat: running.splat.is_some(), job: running.job, outcome });
        if timed_out {
            // Nothing is known of what it left behind: the next test gets a fresh guest.
            return self.leave("replaced after a timeout", now, journal);
        }
        if self.rules.replace_after_splat && self.splatted() {
            return self.leave(AFTER_SPLAT, now, journal);
        }
        Ok(Request::Work)
    }

    /// The guest is gone, or hangs.
    pub(super) fn lost(&mut self, loss: &Loss, now: Instant, journal: &mut Journal) -> Result<Request> {
        let state = std::mem::replace(&mut self.state, State::Idle);
        if loss.hangs {
            let test = match &state {
                State::Running(running) => Some(running.job.id.clone()),
                _ => None,
            };
            evidence::registers(&self.guest, test, journal)?;
        }
        match state {
            State::Waiting(job) => self.returned = Some(*job),
            State::Running(mut running) => {
                running.finish(journal)?;
                let seconds = (now - running.began).as_secs_f64();
                let (outcome, why) = running.lost(&loss.reason);
                let test = running.job.id.clone();
                journal.add(Event::TestEnded {
                    test,
                    outcome,
                    reason: Some(why),
                    exit_code: None,
                    seconds,
                })?;
                self.done = Some(Done { splat: running.splat.is_some(), job: running.job, outcome });
            }
            State::Booting | State::Idle | State::Leaving { .. } => {}
        }
        self.returned = self.returned.take().or_else(|| self.told.take());
        self.end(true, &loss.reason, journal)?;
        Ok(Request::Replace { served: self.jobs > 0 })
    }

    pub(super) fn end(&mut self, crashed: bool, reason: &str, journal: &mut Journal) -> Result<()> {
        let console_tail = if crashed { self.guest.link().console_tail() } else { Vec::new() };
        journal.add(Event::VmEnded { vm: self.id(), crashed, reason: reason.to_owned(), console_tail })
    }

    /// The guest is not needed any more, or not to be trusted: it is retired, after it was asked for memory leaks.
    pub(in super::super) fn leave(
        &mut self,
        reason: &str,
        now: Instant,
        journal: &mut Journal,
    ) -> Result<Request> {
        if let State::Waiting(job) = std::mem::replace(&mut self.state, State::Idle) {
            self.returned = Some(*job);
        }
        if self.ask_for_leaks(reason, now) {
            return Ok(Request::Nothing);
        }
        self.end(false, reason, journal)?;
        Ok(Request::Retire)
    }

    /// Stops the guest, and the test that it runs: what that said so far is kept.
    pub(in super::super) fn abandon(self, reason: &str, now: Instant, journal: &mut Journal) -> Result<()> {
        // First: it may be in the middle of something for which nobody waits any more.
        self.guest.stop();
        let State::Running(mut running) = self.state else { return Ok(()) };
        running.capture.cut();
        running.finish(journal)?;
        let seconds = (now - running.began).as_secs_f64();
        let reason = Some(format!("{reason} after {seconds:.0} s"));
        let test = running.job.id.clone();
        journal.add(Event::TestEnded { test, outcome: Outcome::NotRun, reason, exit_code: None, seconds })
    }

    /// Stops the guest without a word.
    pub(in super::super) fn stop(self) {
        self.guest.stop();
    }
}
