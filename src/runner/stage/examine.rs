//! What can be found out about a command that hangs.

use super::super::evidence::{self, Evidence};
use super::super::journal::Journal;
use super::{Stage, TICK, Trouble};
use crate::error::Result;
use crate::guest::protocol::ToGuest;
use std::time::Instant;

/// A guest that is being examined.
pub(super) struct Examined {
    evidence: Evidence,
    /// It answered.
    heard: bool,
    /// It said all that it knows.
    pub ended: bool,
}

impl Examined {
    /// Takes more of what the guest tells.
    pub fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.heard = true;
        self.evidence.take(bytes)
    }
}

impl Stage {
    /// A command in a guest hangs: collects what the guest can tell about it, as about a test that hangs. Returns what is the
    /// matter.
    pub(super) fn examine(
        &mut self,
        at: usize,
        why: String,
        journal: &mut Journal,
    ) -> Result<Trouble, Trouble> {
        let Some(test) = self.test.clone() else { return self.hangs(at, &why, journal) };
        let (evidence, look) = Evidence::of_a_hang(&test, journal)?;
        self.examined = Some(Examined { evidence, heard: false, ended: false });
        self.tell(at, ToGuest::Mark { text: evidence::BEGIN.to_owned() });
        self.tell(at, ToGuest::Run(look));
        let until = Instant::now() + evidence::TIME;
        let mut looked = Ok(());
        while looked.is_ok()
            && self.examined.as_ref().is_some_and(|examined| !examined.ended)
            && Instant::now() < until
        {
            looked = self.pump(TICK, journal);
        }
        self.tell(at, ToGuest::Signal { id: evidence::JOB, signal: nix::libc::SIGKILL });
        self.tell(at, ToGuest::Mark { text: evidence::END.to_owned() });
        let Some(Examined { evidence, heard, .. }) = self.examined.take() else {
            return Ok(Trouble::Timeout(why));
        };
        evidence.close(&test, journal)?;
        looked?;
        if heard { Ok(Trouble::Timeout(why)) } else { self.hangs(at, &why, journal) }
    }

    fn tell(&self, at: usize, message: ToGuest) {
        if let Some(guest) = self.guests.get(at) {
            guest.session.send(message);
        }
    }

    /// The guest says nothing any more.
    fn hangs(&mut self, at: usize, why: &str, journal: &mut Journal) -> Result<Trouble, Trouble> {
        if let Some(guest) = self.guests.get_mut(at) {
            guest.hangs = true;
            evidence::registers(&guest.session, &guest.symbols, guest.id, self.test.clone(), journal)?;
        }
        Ok(Trouble::Guest(format!("{why}, and the guest hangs")))
    }
}
