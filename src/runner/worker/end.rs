//! How a test ends, and how a guest does.

use super::super::journal::Journal;
use super::super::running::Ended;
use super::{Done, State, Wish, Worker};
use crate::error::Result;
use crate::event::{Event, Outcome};
use crate::guest::protocol::Exit;
use std::time::{Duration, Instant};

/// Why a guest goes whose kernel printed a splat.
pub(in super::super) const AFTER_SPLAT: &str = "replaced after a splat";

impl Worker {
    /// The guest is gone, or as good as. The first reason holds.
    pub(super) fn die(&mut self, reason: &str, lag: Duration) {
        if matches!(self.state, State::Dying { .. }) {
            return;
        }
        let until = Instant::now() + lag;
        let running = match std::mem::replace(&mut self.state, State::Idle) {
            State::Running(running) => Some(running),
            State::Waiting { job, .. } => {
                self.given_back = Some(*job);
                None
            }
            _ => None,
        };
        self.state = State::Dying { until, reason: reason.to_owned(), running };
    }

    /// A test is over, and the console too has reached its end.
    pub(super) fn conclude(&mut self, journal: &mut Journal) -> Result<Wish> {
        if let Some(splat) = self.watch.flush() {
            self.splat(splat, journal)?;
        }
        let State::Running(mut running) = std::mem::replace(&mut self.state, State::Idle) else {
            return Ok(Wish::Nothing);
        };
        let Some(Ended { exit, took, .. }) = running.ended else { return Ok(Wish::Nothing) };
        let results = running.finish(journal)?;
        let seconds = took.as_secs_f64();
        let timed_out = running.timed_out();
        let (outcome, reason) = running.verdict(exit);
        if results > 0 && outcome == Outcome::Pass && !running.capture.problems().is_empty() {
            let odd = running.capture.problems().join("; ");
            journal.note(format!("{}: {odd}", running.job.id.label()))?;
        }
        let exit_code = match exit {
            Exit::Code(code) => Some(code),
            Exit::Signal(_) => None,
        };
        let test = running.job.id.clone();
        journal.add(Event::TestEnded { test, outcome, reason, exit_code, seconds })?;
        self.done = Some(Done { splat: running.splat.is_some(), job: running.job, outcome });
        if timed_out {
            // What it left behind, nobody knows: the next test gets a fresh guest.
            return self.leave("replaced after a timeout", journal);
        }
        if self.rules.replace_after_splat && self.splatted() {
            return self.leave(AFTER_SPLAT, journal);
        }
        Ok(Wish::Work)
    }

    /// The guest is gone, and its console is read to the end.
    pub(super) fn bury(&mut self, journal: &mut Journal) -> Result<Wish> {
        if let Some(splat) = self.watch.flush() {
            self.splat(splat, journal)?;
        }
        let State::Dying { reason, running, .. } = std::mem::replace(&mut self.state, State::Idle) else {
            return Ok(Wish::Nothing);
        };
        if let Some(mut running) = running {
            running.finish(journal)?;
            let seconds = running.began.elapsed().as_secs_f64();
            let (outcome, why) = running.lost(&reason);
            let test = running.job.id.clone();
            journal.add(Event::TestEnded { test, outcome, reason: Some(why), exit_code: None, seconds })?;
            self.done = Some(Done { splat: running.splat.is_some(), job: running.job, outcome });
        }
        self.end(true, &reason, journal)?;
        Ok(Wish::Lost { served: self.jobs > 0 })
    }

    pub(super) fn end(&mut self, crashed: bool, reason: &str, journal: &mut Journal) -> Result<()> {
        let console_tail = if crashed { self.watch.tail().cloned().collect() } else { Vec::new() };
        journal.add(Event::VmEnded { vm: self.id, crashed, reason: reason.to_owned(), console_tail })
    }

    /// The guest is not needed any more, or not to be trusted: it goes, after it was asked for memory leaks.
    pub(in super::super) fn leave(&mut self, reason: &str, journal: &mut Journal) -> Result<Wish> {
        if let State::Waiting { job, .. } = std::mem::replace(&mut self.state, State::Idle) {
            self.given_back = Some(*job);
        }
        if self.ask_for_leaks(reason) {
            return Ok(Wish::Nothing);
        }
        self.end(false, reason, journal)?;
        Ok(Wish::Retire)
    }

    /// Stops the VM, and the test that it runs: what that said so far is kept.
    pub(in super::super) fn abandon(mut self, reason: &str, journal: &mut Journal) -> Result<()> {
        let (State::Running(running) | State::Dying { running: Some(running), .. }) =
            std::mem::replace(&mut self.state, State::Idle)
        else {
            self.session.stop();
            return Ok(());
        };
        // First: it may be in the middle of something for which nobody waits any more.
        self.session.stop();
        let mut running = running;
        running.capture.cut();
        running.finish(journal)?;
        let seconds = running.began.elapsed().as_secs_f64();
        let reason = Some(format!("{reason} after {seconds:.0} s"));
        let test = running.job.id.clone();
        journal.add(Event::TestEnded { test, outcome: Outcome::NotRun, reason, exit_code: None, seconds })
    }

    /// Stops the VM without a word.
    pub(in super::super) fn stop(self) {
        self.session.stop();
    }
}
