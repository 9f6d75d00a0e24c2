//! What a guest is asked before it goes.

use super::super::journal::Journal;
use super::super::leaks;
use super::{State, Wish, Worker};
use crate::error::Result;
use crate::guest::protocol::ToGuest;
use std::time::Instant;

impl Worker {
    /// Asks for memory leaks; false where there is nothing to ask for.
    pub(super) fn ask_for_leaks(&mut self, reason: &str) -> bool {
        if self.leaks_since.is_none() || self.tests.is_empty() {
            return false;
        }
        self.session.send(ToGuest::Run(leaks::job()));
        let until = Instant::now() + leaks::TIME;
        self.state = State::Leaving { until, reason: reason.to_owned(), answer: leaks::Answer::default() };
        true
    }

    /// The guest answered, or did not: it can go.
    pub(super) fn left(&mut self, journal: &mut Journal) -> Result<Wish> {
        if let Some(splat) = self.watch.flush() {
            self.splat(splat, journal)?;
        }
        let State::Leaving { reason, answer, .. } = std::mem::replace(&mut self.state, State::Idle) else {
            return Ok(Wish::Nothing);
        };
        for leak in answer.leaks(&[]) {
            let about = leak.about(self.leaks_since, &self.tests, self.rules);
            self.watch.record(self.id, leak.splat, about, journal)?;
        }
        self.end(false, &reason, journal)?;
        Ok(Wish::Retire)
    }
}
