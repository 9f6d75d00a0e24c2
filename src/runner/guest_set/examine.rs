//! What can be found out about a command that hangs.

use super::super::evidence::{self, Evidence};
use super::super::journal::Journal;
use super::{GuestSet, POLL_INTERVAL, Trouble};
use crate::error::Result;

/// A guest that is being examined.
pub(super) struct Examined {
    evidence: Evidence,
    /// It told all that it knows.
    pub ended: bool,
}

impl Examined {
    /// Takes more of what the guest tells.
    pub fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.evidence.take(bytes)
    }
}

impl GuestSet {
    /// A command in a guest hangs: collects what the guest can tell about it, as about a test that hangs. Returns what is the
    /// matter.
    pub(super) fn examine(
        &mut self,
        at: usize,
        why: String,
        journal: &mut Journal,
    ) -> Result<Trouble, Trouble> {
        let now = self.hub.now();
        let Some(test) = self.test.clone() else {
            let reason = format!("{why}, and the guest hangs");
            let events = self.members[at].guest.give_up(&reason);
            self.take(at, events, journal)?;
            return Ok(Trouble::Guest(reason));
        };
        let (evidence, look) = Evidence::of_a_hang(&test, journal)?;
        self.examined = Some(Examined { evidence, ended: false });
        self.members[at].guest.begin_post_mortem(look, now);
        let until = now + evidence::TIMEOUT;
        let mut looked = Ok(());
        while looked.is_ok()
            && self.examined.as_ref().is_some_and(|examined| !examined.ended)
            && self.hub.now() < until
        {
            looked = self.pump(POLL_INTERVAL, journal);
        }
        let guest = &mut self.members[at].guest;
        guest.signal(evidence::JOB, nix::libc::SIGKILL);
        guest.end_post_mortem();
        if let Some(Examined { evidence, .. }) = self.examined.take() {
            evidence.close(&test, journal)?;
        }
        if self.members[at].loss.as_ref().is_some_and(|loss| loss.hangs) {
            return Ok(Trouble::Guest(format!("{why}, and the guest hangs")));
        }
        looked.map(|()| Trouble::Timeout(why))
    }
}
