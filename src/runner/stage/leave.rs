//! How guests of a stage end.

use super::super::journal::Journal;
use super::super::leaks;
use super::{Stage, TICK, Trouble};
use crate::error::Result;
use crate::event::Event;
use crate::guest::protocol::ToGuest;
use std::path::Path;
use std::time::Instant;

/// Why guests end.
#[derive(Debug, Clone, Copy)]
pub enum End<'a> {
    /// Nothing more is to be done in them.
    Done,
    /// Others take their place, for this reason.
    Replaced(&'a str),
    /// This was wrong with one of them.
    Crash(&'a str),
}

impl Stage {
    /// True if the kernel of a guest is asked for memory leaks before it ends.
    pub fn asks_for_leaks(&self) -> bool {
        self.guests.iter().any(|guest| guest.leaks_since.is_some())
    }

    /// Takes note of a module that was loaded, so that its functions have names when it is gone; `sections` is what
    /// [`leaks::ask_for_sections`] printed.
    pub fn remember_module(&mut self, name: &str, file: &Path, sections: &str) -> Result<()> {
        self.modules.push(leaks::Module::read(name, file, sections)?);
        Ok(())
    }

    /// Stops all guests, after those that live were asked for memory leaks.
    pub fn close(mut self, end: End, journal: &mut Journal) -> Result<()> {
        self.flush_splats(journal)?;
        if !matches!(end, End::Crash(_)) {
            self.ask_for_leaks(journal)?;
        }
        for guest in self.guests {
            // Of several guests, those that are well did not crash.
            let crash = match end {
                End::Crash(reason) if !guest.answers() => Some(reason),
                _ => None,
            };
            let tail = if crash.is_some() { guest.watch.tail().cloned().collect() } else { Vec::new() };
            let reason = match (crash, end) {
                (Some(reason), _) | (None, End::Replaced(reason)) => reason,
                (None, _) => "done",
            };
            journal.add(Event::VmEnded {
                vm: guest.id,
                crashed: crash.is_some(),
                reason: reason.to_owned(),
                console_tail: tail,
            })?;
            guest.session.stop();
        }
        Ok(())
    }

    fn ask_for_leaks(&mut self, journal: &mut Journal) -> Result<()> {
        if self.tests.is_empty() {
            return Ok(());
        }
        for (at, guest) in self.guests.iter().enumerate() {
            if guest.answers() && guest.leaks_since.is_some() {
                guest.session.send(ToGuest::Run(leaks::job()));
                self.answers.insert(at, (leaks::Answer::default(), false));
            }
        }
        let until = Instant::now() + leaks::TIME;
        while self.answers.values().any(|(_, done)| !done) {
            if Instant::now() >= until {
                let limit = leaks::TIME.as_secs();
                journal.note(format!("a guest did not say within {limit} s whether memory leaked"))?;
                break;
            }
            match self.pump(TICK, journal) {
                Ok(()) => {}
                Err(Trouble::Error(error)) => return Err(error),
                // It is gone, and cannot be asked any more.
                Err(Trouble::Guest(_) | Trouble::Timeout(_)) => break,
            }
        }
        for (at, (answer, _)) in std::mem::take(&mut self.answers) {
            let guest = &mut self.guests[at];
            for leak in answer.leaks(&self.modules) {
                let about = leak.about(guest.leaks_since, &self.tests, self.rules);
                guest.watch.record(guest.id, leak.splat, about, journal)?;
            }
        }
        Ok(())
    }
}
