//! How guests of a guest set end.

use super::super::journal::Journal;
use super::super::leaks;
use super::{GuestSet, Member, POLL_INTERVAL, Trouble};
use crate::error::Result;
use crate::event::Event;
use std::path::Path;

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

impl GuestSet {
    /// True if the kernel of a guest is asked for memory leaks before it ends.
    pub fn asks_for_leaks(&self) -> bool {
        self.members.iter().any(|member| member.leaks_since.is_some())
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
        for Member { guest, .. } in self.members {
            // Of several guests, those that are well did not crash.
            let crash = match end {
                End::Crash(reason) if !guest.link().answers() => Some(reason),
                _ => None,
            };
            let tail = if crash.is_some() { guest.link().console_tail() } else { Vec::new() };
            let reason = match (crash, end) {
                (Some(reason), _) | (None, End::Replaced(reason)) => reason,
                (None, _) => "done",
            };
            journal.add(Event::VmEnded {
                vm: guest.id(),
                crashed: crash.is_some(),
                reason: reason.to_owned(),
                console_tail: tail,
            })?;
            guest.stop();
        }
        Ok(())
    }

    fn ask_for_leaks(&mut self, journal: &mut Journal) -> Result<()> {
        if self.tests.is_empty() {
            return Ok(());
        }
        for (at, member) in self.members.iter_mut().enumerate() {
            if member.guest.link().answers() && member.leaks_since.is_some() {
                member.guest.run(leaks::job());
                self.answers.insert(at, (leaks::Answer::default(), false));
            }
        }
        let until = self.hub.now() + leaks::TIMEOUT;
        while self.answers.values().any(|(_, done)| !done) {
            if self.hub.now() >= until {
                let limit = leaks::TIMEOUT.as_secs();
                journal.note(format!("a guest did not say within {limit} s whether memory leaked"))?;
                break;
            }
            match self.pump(POLL_INTERVAL, journal) {
                Ok(()) => {}
                Err(Trouble::Error(error)) => return Err(error),
                // It is gone, and cannot be asked any more.
                Err(Trouble::Guest(_) | Trouble::Timeout(_)) => break,
            }
        }
        for (at, (answer, _)) in std::mem::take(&mut self.answers) {
            let member = &mut self.members[at];
            for leak in answer.leaks(&self.modules) {
                let about = leak.about(member.leaks_since, &self.tests, self.rules);
                member.splats.record(member.guest.id(), leak.splat, about, journal)?;
            }
        }
        Ok(())
    }
}
