//! A guest that is told its one test before it boots, as its time is not the host's.

use super::super::job::{Job, Setup};
use super::super::journal::Journal;
use super::super::leaks;
use super::super::running::{Running, Stop, begin_mark, end_mark};
use super::super::start::{self, Prepared};
use super::{State, Worker};
use crate::error::Result;
use crate::guest::protocol::{self, Io, JobId, ToGuest};
use crate::plan::GuestRules;
use crate::vm::Guest;
use std::time::{Duration, Instant};

/// What a test may use of the host's processors: in virtual time a loop that waits for the clock would never end.
const CPU_LIMIT: Duration = Duration::from_secs(3600);

/// How often it is looked at what it used.
const METER_INTERVAL: Duration = Duration::from_secs(5);

/// Why a guest is stopped whose test used more.
pub(super) const COMPUTES: &str =
    "the guest computes without an end: an hour of the host's processors is used up";

/// How long a guest may take, by the host's clock, to stop a test whose time is up.
const STOP_TIMEOUT: Duration = Duration::from_secs(600);

/// All that a guest is asked for a test, in order.
pub(in super::super) fn requests(job: &Job, setup: &Setup, journal: &mut Journal) -> Result<Vec<ToGuest>> {
    let Prepared { argv, cwd, env, .. } = start::prepare(job, setup, journal)?;
    let id = FIRST;
    Ok(vec![
        ToGuest::Bind { mounts: setup.spec.machine.root.binds() },
        ToGuest::Mark { text: begin_mark(job) },
        ToGuest::Run(protocol::Job { id, argv, cwd, env, io: Io::Merged }),
        ToGuest::Await { id, seconds: job.timeout.as_secs() },
        ToGuest::Mark { text: end_mark(job) },
        ToGuest::Run(leaks::job()),
        ToGuest::Await { id: leaks::JOB, seconds: leaks::TIMEOUT.as_secs() },
    ])
}

/// The number of the one test.
const FIRST: JobId = 1;

impl Worker {
    /// With a guest that was told this test.
    pub fn told(guest: Guest, rules: GuestRules, job: Job) -> Self {
        Self { told: Some(job), ..Self::new(guest, rules) }
    }

    /// The test that its guest was told, once.
    pub fn take_told(&mut self) -> Option<Job> {
        self.told.take()
    }

    /// The guest says what its clock shows: before a job, and after it.
    pub(super) fn clock(&mut self, uptime: Duration) {
        self.clock = Some(uptime);
        if let State::Running(running) = &mut self.state {
            running.began_there.get_or_insert(uptime);
        }
    }

    /// The guest stops its test, by its own clock.
    pub(super) fn expired(&mut self, id: JobId, now: Instant) {
        if let State::Running(running) = &mut self.state
            && running.id == id
        {
            running.stop = Stop::Killed(now + STOP_TIMEOUT);
        }
    }

    /// How long a test took by the guest's clock, where that is another.
    pub(super) fn took_there(&self, running: &Running) -> Option<Duration> {
        self.clock.zip(running.began_there).map(|(ended, began)| ended.saturating_sub(began))
    }

    /// True if the test used more of the host's processors than any may.
    pub(super) fn computes_without_end(&mut self, now: Instant) -> bool {
        if !self.only_reports() || self.metered.is_some_and(|metered| now < metered + METER_INTERVAL) {
            return false;
        }
        self.metered = Some(now);
        self.guest.cpu_time() > CPU_LIMIT
    }
}
