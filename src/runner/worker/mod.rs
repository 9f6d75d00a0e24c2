//! One guest of the fleet: which test it has, and what follows from what is heard of it.

mod clock;
mod end;
mod leave;
mod start;
mod virtual_time;

pub(super) use end::AFTER_SPLAT;
pub(super) use virtual_time::requests;

use super::evidence;
use super::job::Job;
use super::journal::Journal;
use super::leaks;
use super::running::{Finished, Running, begin_mark, end_mark};
use super::watch::{About, SplatCount};
use crate::error::Result;
use crate::event::{Event, Outcome, TestId};
use crate::guest::protocol::JobId;
use crate::plan::GuestRules;
use crate::vm::console::Splat;
use crate::vm::link::{JobEnd, LinkEvent};
use crate::vm::{Guest, Message, VmId};
use std::time::{Duration, Instant};

/// What a worker asks of the fleet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Nothing.
    Nothing,
    /// A test.
    Work,
    /// Whether the test that it was given may begin: what the console showed before was seen.
    Begin,
    /// To be retired: nothing more runs in its guest.
    Retire,
    /// To be replaced: its guest is gone, or hangs.
    Replace {
        /// A test began in it before.
        served: bool,
    },
}

enum State {
    Booting,
    Idle,
    /// A test was given to it, and waits for the console to show all that was before.
    Waiting(Box<Job>),
    Running(Box<Running>),
    /// The guest is asked for memory leaks, and then retired.
    Leaving {
        until: Instant,
        reason: String,
        answer: leaks::Answer,
    },
}

/// A guest and the test that it runs.
pub(super) struct Worker {
    guest: Guest,
    state: State,
    jobs: JobId,
    /// The tests that began in it.
    tests: Vec<TestId>,
    splats: SplatCount,
    /// How many splats of its kernel were taken note of when it was last given a test.
    known_splats: u32,
    rules: GuestRules,
    /// Since when its kernel is asked for memory leaks, in jiffies; none if it cannot be asked.
    leaks_since: Option<u64>,
    done: Option<Done>,
    /// A test that did not begin, and waits for another guest.
    returned: Option<Job>,
    /// The test that its guest was told of before it booted, and that it was not given yet.
    told: Option<Job>,
    /// What the guest's clock said last, where that is another than the host's.
    clock: Option<Duration>,
    /// When it was looked at last what the guest used of the host's processors.
    metered: Option<Instant>,
}

/// A test that is over.
pub(super) struct Done {
    /// The test.
    pub job: Job,
    /// How it ended.
    pub outcome: Outcome,
    /// The kernel printed a splat meanwhile.
    pub splat: bool,
}

impl Worker {
    pub fn new(guest: Guest, rules: GuestRules) -> Self {
        Self {
            guest,
            state: State::Booting,
            jobs: 0,
            tests: Vec::new(),
            splats: SplatCount::default(),
            known_splats: 0,
            rules,
            leaks_since: None,
            done: None,
            returned: None,
            told: None,
            clock: None,
            metered: None,
        }
    }

    pub fn id(&self) -> VmId {
        self.guest.id()
    }

    /// True if it can take a test, now or as soon as it is up.
    pub fn is_available(&self) -> bool {
        matches!(self.state, State::Booting | State::Idle)
    }

    /// The test that ended last, once.
    pub fn take_done(&mut self) -> Option<Done> {
        self.done.take()
    }

    /// A test that it was given and that did not begin, once.
    pub fn take_returned(&mut self) -> Option<Job> {
        self.returned.take()
    }

    /// True if its guest takes no requests.
    pub fn only_reports(&self) -> bool {
        self.guest.link().only_reports()
    }

    /// True if it ran a test already.
    pub fn is_used(&self) -> bool {
        self.jobs > 0
    }

    /// True if its kernel printed a splat since it was last given a test, or since it booted.
    pub fn splatted(&self) -> bool {
        self.splats.get() > self.known_splats
    }

    /// Takes a test, which does not begin before the fleet was asked. Only for a worker that asked for work.
    pub fn give(&mut self, job: Job, now: Instant) {
        self.guest.mark(&begin_mark(&job), now);
        self.state = State::Waiting(Box::new(job));
    }

    /// Takes what the guest says.
    pub fn hear(&mut self, message: Message, now: Instant, journal: &mut Journal) -> Result<Request> {
        let events = self.guest.hear(message, now);
        self.take(events, now, journal)
    }

    /// The last request of several holds.
    fn take(&mut self, events: Vec<LinkEvent>, now: Instant, journal: &mut Journal) -> Result<Request> {
        let mut request = Request::Nothing;
        for event in events {
            let asked = self.event(event, now, journal)?;
            if asked != Request::Nothing {
                request = asked;
            }
        }
        Ok(request)
    }

    fn event(&mut self, event: LinkEvent, now: Instant, journal: &mut Journal) -> Result<Request> {
        match event {
            LinkEvent::Up { kernel, took, leaks_since } => {
                self.leaks_since = leaks_since;
                let seconds = took.as_secs_f64();
                journal.add(Event::VmReady { vm: self.id(), kernel, seconds })?;
                self.state = State::Idle;
                return Ok(Request::Work);
            }
            LinkEvent::Splat(splat) => self.splat(splat, journal)?,
            LinkEvent::Marked => return self.marked(now, journal),
            LinkEvent::Output { id, data, .. } => self.output(id, &data, journal)?,
            LinkEvent::Ended { id, end } => return self.ended(id, end, now, journal),
            LinkEvent::Warning(text) => journal.warn(format!("VM {}: {text}", self.id()), None)?,
            LinkEvent::Stalled(stall) => self.shift_deadlines(stall),
            LinkEvent::Lost(loss) => return self.lost(&loss, now, journal),
            LinkEvent::Clock(uptime) => self.clock(uptime),
            LinkEvent::Expired { id } => self.expired(id, now),
            LinkEvent::Console { .. } | LinkEvent::StdinTaken => {}
        }
        Ok(Request::Nothing)
    }

    fn output(&mut self, id: JobId, data: &[u8], journal: &mut Journal) -> Result<()> {
        let vm = self.id();
        match (&mut self.state, id) {
            (State::Running(running), evidence::JOB | evidence::WATCH_JOB) => {
                running.evidence.as_mut().map_or(Ok(()), |evidence| evidence.take(data))
            }
            (State::Leaving { answer, .. }, leaks::JOB) => {
                answer.take(data);
                Ok(())
            }
            (State::Running(running), id) if running.id == id => {
                let results = running.capture.feed(data, &running.job.selection)?;
                let test = running.job.id.clone();
                journal.activity(vm, &format!("{}: {}", test.label(), running.capture.last_line()));
                results
                    .into_iter()
                    .try_for_each(|result| journal.add(Event::Subtest { test: test.clone(), result }))
            }
            _ => Ok(()),
        }
    }

    fn ended(&mut self, id: JobId, end: JobEnd, now: Instant, journal: &mut Journal) -> Result<Request> {
        match (&mut self.state, id) {
            (State::Leaving { .. }, leaks::JOB) => return self.left(journal),
            (State::Running(running), evidence::JOB) => {
                running.is_examined(now);
                self.guest.end_post_mortem();
            }
            // What is heard of it once its guest is gone is no end that was seen to the last.
            (State::Running(running), id) if running.id == id && self.guest.link().answers() => {
                let watched = running.evidence.is_some();
                running.ended = Some(Finished { end, took: now - running.began });
                let mark = end_mark(&running.job);
                if watched {
                    for id in [evidence::JOB, evidence::WATCH_JOB] {
                        self.guest.signal(id, nix::libc::SIGKILL);
                    }
                }
                self.guest.mark(&mark, now);
            }
            _ => {}
        }
        Ok(Request::Nothing)
    }

    /// The console has shown all that was before the last mark.
    fn marked(&mut self, now: Instant, journal: &mut Journal) -> Result<Request> {
        match &self.state {
            State::Waiting(_) => Ok(Request::Begin),
            State::Running(running) if running.ended.is_some() => self.conclude(now, journal),
            _ => Ok(Request::Nothing),
        }
    }

    fn splat(&mut self, splat: Splat, journal: &mut Journal) -> Result<()> {
        let vm = self.id();
        let test = match &mut self.state {
            State::Running(running) => {
                running.splat.get_or_insert_with(|| splat.title.clone());
                Some(running.job.id.clone())
            }
            _ => None,
        };
        let about = if self.jobs == 0 { About::boot(self.rules) } else { About::test(test) };
        self.splats.record(vm, splat, about, journal)
    }
}
