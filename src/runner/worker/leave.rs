//! What a guest is asked before it is retired.

use super::super::journal::Journal;
use super::super::leaks;
use super::{Request, State, Worker};
use crate::error::Result;
use std::time::Instant;

impl Worker {
    /// Asks for memory leaks; false where there is nothing to ask for.
    pub(super) fn ask_for_leaks(&mut self, reason: &str, now: Instant) -> bool {
        if self.leaks_since.is_none() || self.tests.is_empty() || !self.guest.link().answers() {
            return false;
        }
        self.guest.run(leaks::job());
        let until = now + leaks::TIMEOUT;
        self.state = State::Leaving { until, reason: reason.to_owned(), answer: leaks::Answer::default() };
        true
    }

    /// The guest answered, or did not: it can be retired.
    pub(super) fn left(&mut self, journal: &mut Journal) -> Result<Request> {
        if let Some(splat) = self.guest.flush() {
            self.splat(splat, journal)?;
        }
        let State::Leaving { reason, answer, .. } = std::mem::replace(&mut self.state, State::Idle) else {
            return Ok(Request::Nothing);
        };
        for leak in answer.leaks(&[]) {
            let about = leak.about(self.leaks_since, &self.tests, self.rules);
            self.splats.record(self.guest.id(), leak.splat, about, journal)?;
        }
        self.end(false, &reason, journal)?;
        Ok(Request::Retire)
    }
}
