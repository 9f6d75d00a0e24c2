//! A worker's clocks: the ladder by which a test is stopped that takes too long.

use super::super::evidence::{self, Evidence};
use super::super::journal::Journal;
use super::super::leaks;
use super::super::running::Stop;
use super::virtual_time::COMPUTES;
use super::{Request, State, Worker};
use crate::error::Result;
use std::time::{Duration, Instant};

/// How long a test may take to end after each of terminate and kill.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

impl Worker {
    /// Nobody looked at the clocks for so long.
    pub(super) fn shift_deadlines(&mut self, stall: Duration) {
        match &mut self.state {
            State::Leaving { until, .. } => *until += stall,
            State::Running(running) => running.shift_deadlines(stall),
            State::Booting | State::Idle | State::Waiting(_) => {}
        }
    }

    /// Looks at the clocks.
    pub fn tick(&mut self, now: Instant, journal: &mut Journal) -> Result<Request> {
        let events = self.guest.tick(now)?;
        let request = self.take(events, now, journal)?;
        if request != Request::Nothing {
            return Ok(request);
        }
        if matches!(self.state, State::Running(_)) && self.computes_without_end(now) {
            let events = self.guest.give_up(COMPUTES);
            return self.take(events, now, journal);
        }
        match &mut self.state {
            State::Leaving { until, .. } if now >= *until => {
                let limit = leaks::TIMEOUT.as_secs();
                journal
                    .note(format!("VM {} did not say within {limit} s whether memory leaked", self.id()))?;
                self.left(journal)
            }
            State::Running(_) if self.guest.link().answers() => self.climb(now, journal),
            _ => Ok(Request::Nothing),
        }
    }

    /// The next step of the ladder, if it is due: examine, terminate, kill, give the guest up.
    fn climb(&mut self, now: Instant, journal: &mut Journal) -> Result<Request> {
        let State::Running(running) = &mut self.state else { return Ok(Request::Nothing) };
        if running.ended.is_some() {
            return Ok(Request::Nothing);
        }
        match running.stop {
            Stop::NotYet(due) if now >= due => {
                running.stop = Stop::Examined(now + evidence::TIMEOUT);
                let (evidence, look) = Evidence::of_a_hang(&running.job.id, journal)?;
                if let Some(before) = running.evidence.replace(evidence) {
                    self.guest.signal(evidence::WATCH_JOB, nix::libc::SIGKILL);
                    before.close(&running.job.id, journal)?;
                }
                self.guest.begin_post_mortem(look, now);
            }
            Stop::Examined(due) if now >= due => {
                running.stop = Stop::Terminated(now + STOP_TIMEOUT);
                self.guest.signal(running.id, nix::libc::SIGTERM);
            }
            Stop::Terminated(due) if now >= due => {
                running.stop = Stop::Killed(now + STOP_TIMEOUT);
                self.guest.signal(running.id, nix::libc::SIGKILL);
            }
            Stop::Killed(due) if now >= due => {
                let events = self.guest.give_up("the guest hangs: it could not stop a test that timed out");
                return self.take(events, now, journal);
            }
            _ => {}
        }
        Ok(Request::Nothing)
    }
}
