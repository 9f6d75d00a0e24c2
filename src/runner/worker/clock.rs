//! A worker's clocks: what it does when something takes too long.

use super::super::evidence::{self, Evidence};
use super::super::journal::Journal;
use super::super::leaks;
use super::super::running::Stop;
use super::{CONSOLE_LAG, State, Wish, Worker};
use crate::error::Result;
use crate::guest::protocol::ToGuest;
use std::time::{Duration, Instant};

/// How often the agent is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(10);

/// A guest that says nothing for so long, though it was asked, hangs. Slow machines need their time, and its own watchdogs,
/// which know more, go first: on those they wait for up to 120 seconds.
const SILENCE: Duration = Duration::from_secs(180);

/// A guest that says nothing for so long when it is asked about a test that hangs, hangs too.
const DEAF: Duration = Duration::from_secs(25);

/// How long a test may take to end after each of terminate and kill.
const GRACE: Duration = Duration::from_secs(10);

impl Worker {
    /// Sets all clocks back: nobody looked at them, or listened to the guest, for so long.
    pub(in super::super) fn forgive(&mut self, stall: Duration) {
        self.heard += stall;
        match &mut self.state {
            State::Booting { until }
            | State::Waiting { until, .. }
            | State::Leaving { until, .. }
            | State::Dying { until, .. } => *until += stall,
            State::Running(running) => running.forgive(stall),
            State::Idle => {}
        }
    }

    /// Looks at the clocks.
    pub(in super::super) fn tick(&mut self, journal: &mut Journal) -> Result<Wish> {
        let now = Instant::now();
        if !matches!(self.state, State::Dying { .. }) && self.session.ended()?.is_some() {
            self.die("virtme-ng ended", CONSOLE_LAG);
        }
        match &mut self.state {
            State::Booting { until } if now >= *until => {
                let waited = (now - self.started).as_secs();
                self.hang(&format!("the guest did not come up within {waited} s"), journal)?;
            }
            State::Waiting { until, .. } if now >= *until => return self.may_begin(journal),
            State::Leaving { until, .. } if now >= *until => {
                let limit = leaks::TIME.as_secs();
                journal.note(format!("VM {} did not say within {limit} s whether memory leaked", self.id))?;
                return self.left(journal);
            }
            State::Idle | State::Running(_) if now - self.heard > SILENCE => {
                let silence = SILENCE.as_secs();
                let reason = format!("the guest hangs: its agent has not answered for {silence} s");
                self.hang(&reason, journal)?;
            }
            State::Running(running) => match (&running.ended, running.stop) {
                (Some(ended), _) if now >= ended.lag => return self.conclude(journal),
                (None, Stop::NotYet(due)) if now >= due => {
                    running.stop = Stop::Examined(now + evidence::TIME);
                    let (evidence, look) = Evidence::of_a_hang(&running.job.id, journal)?;
                    if let Some(before) = running.evidence.replace(evidence) {
                        self.session
                            .send(ToGuest::Signal { id: evidence::WATCH_JOB, signal: nix::libc::SIGKILL });
                        before.close(&running.job.id, journal)?;
                    }
                    self.session.send(ToGuest::Mark { text: evidence::BEGIN.to_owned() });
                    self.session.send(ToGuest::Run(look));
                }
                (None, Stop::Examined(due))
                    if now + evidence::TIME > due + DEAF && self.heard + DEAF < now =>
                {
                    let deaf = DEAF.as_secs();
                    self.hang(&format!("the guest hangs: its agent has not answered for {deaf} s"), journal)?;
                }
                (None, Stop::Examined(due)) if now >= due => {
                    running.stop = Stop::Terminated(now + GRACE);
                    let id = running.id;
                    self.session.send(ToGuest::Signal { id, signal: nix::libc::SIGTERM });
                }
                (None, Stop::Terminated(due)) if now >= due => {
                    running.stop = Stop::Killed(now + GRACE);
                    let id = running.id;
                    self.session.send(ToGuest::Signal { id, signal: nix::libc::SIGKILL });
                }
                (None, Stop::Killed(due)) if now >= due => {
                    self.hang("the guest hangs: it could not stop a test that timed out", journal)?;
                }
                _ => {}
            },
            State::Dying { until, .. } if now >= *until => return self.bury(journal),
            State::Booting { .. }
            | State::Idle
            | State::Waiting { .. }
            | State::Leaving { .. }
            | State::Dying { .. } => {}
        }
        if now - self.asked > PING_EVERY && self.booted {
            self.asked = now;
            self.session.send(ToGuest::Ping);
        }
        Ok(Wish::Nothing)
    }

    /// The guest is there, and of no use any more: QEMU is asked what its CPUs do.
    fn hang(&mut self, reason: &str, journal: &mut Journal) -> Result<()> {
        let test = match &self.state {
            State::Running(running) => Some(running.job.id.clone()),
            _ => None,
        };
        evidence::registers(&self.session, &self.symbols, self.id, test, journal)?;
        self.die(reason, Duration::ZERO);
        Ok(())
    }
}
