//! A guest set: one guest or several, in which a scenario runs step by step.
//!
//! A test of the selftests is one program, and the [fleet](super::fleet) serves many of them. A scenario is several programs
//! on several hosts at the same time, in an order that depends on what they do. So it is written as plain code, and the guest
//! set takes what all guests say while it waits.

mod examine;
mod job;
mod leave;

pub use job::{JobKey, Task, TaskEnd};

use super::evidence;
use super::journal::Journal;
use super::leaks;
use super::log::CappedLog;
use super::watch::{About, SplatCount};
use crate::error::{Error, Result};
use crate::event::{Event, TestId};
use crate::guest::protocol::JobId;
use crate::plan::GuestRules;
use crate::vm::console::Splat;
use crate::vm::link::{JobEnd, LinkEvent, Loss};
use crate::vm::{Guest, Hub, Spec};
use examine::Examined;
use job::Job;
pub use leave::End;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often clocks are looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long a command may take to end after each of terminate and kill.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a run cannot go on.
#[derive(Debug)]
pub enum Trouble {
    /// A guest is gone, or hangs: what is wrong with it.
    Guest(String),
    /// A command did not end in its time. Its guest is there and was examined, and is not to be used any more.
    Timeout(String),
    /// It is no guest's fault.
    Error(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Guests, and what runs in them.
pub struct GuestSet {
    hub: Box<dyn Hub>,
    members: Vec<Member>,
    jobs: BTreeMap<JobKey, Job>,
    count: u32,
    test: Option<TestId>,
    log: Option<CappedLog>,
    /// The titles of the splats since the test began.
    splats: Vec<String>,
    /// How many splats there were when the last test began, of all guests.
    known_splats: u32,
    /// The tests that began.
    tests: Vec<TestId>,
    rules: GuestRules,
    examined: Option<Examined>,
    /// What guests answered that were asked for memory leaks, and which of them are done.
    answers: BTreeMap<usize, (leaks::Answer, bool)>,
    /// The modules that were loaded.
    modules: Vec<leaks::Module>,
}

/// One guest of a guest set.
struct Member {
    guest: Guest,
    splats: SplatCount,
    /// Since when its kernel is asked for memory leaks, in jiffies; none if it cannot be asked.
    leaks_since: Option<u64>,
    /// It is gone, or hangs.
    loss: Option<Loss>,
}

impl GuestSet {
    /// Boots guests of `hub`, all at the same time, and waits until the last of them is up.
    pub fn open(
        mut hub: Box<dyn Hub>,
        specs: &[Spec],
        boot_timeout: Duration,
        rules: GuestRules,
        journal: &mut Journal,
    ) -> Result<Self, Trouble> {
        let first = u32::try_from(journal.summary().vms.len()).unwrap_or(0) + 1;
        let mut members = Vec::new();
        for (spec, id) in specs.iter().zip(first..) {
            let console = format!("console-{id}.log");
            let accelerator = spec.backend.accelerator().to_owned();
            let log = journal.path().join(&console);
            journal.add(Event::VmStarted { vm: id, accelerator, console })?;
            let guest = Guest::start(&mut *hub, spec, &[], id, boot_timeout, &log)?;
            members.push(Member { guest, splats: SplatCount::default(), leaks_since: None, loss: None });
        }
        let mut guest_set = Self {
            hub,
            members,
            jobs: BTreeMap::new(),
            count: 0,
            test: None,
            log: None,
            splats: Vec::new(),
            known_splats: 0,
            tests: Vec::new(),
            rules,
            examined: None,
            answers: BTreeMap::new(),
            modules: Vec::new(),
        };
        match guest_set.wait_for_all(journal) {
            Ok(()) => Ok(guest_set),
            Err(trouble) => {
                let end = if matches!(trouble, Trouble::Guest(_)) {
                    End::Crash("it did not come up")
                } else {
                    End::Done
                };
                guest_set.close(end, journal)?;
                Err(trouble)
            }
        }
    }

    fn wait_for_all(&mut self, journal: &mut Journal) -> Result<(), Trouble> {
        while self.members.iter().any(|member| !member.guest.link().came_up()) {
            self.pump(POLL_INTERVAL, journal)?;
        }
        Ok(())
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        self.hub.now()
    }

    /// A test is about to begin: hears all that the consoles showed before. True if a kernel printed a splat since the last
    /// test began, or during boot.
    pub fn splatted_before(&mut self, test: &TestId, journal: &mut Journal) -> Result<bool, Trouble> {
        self.settle(&format!("vmptcp: begin of {}, attempt {}", test.label(), test.attempt), journal)?;
        self.flush_splats(journal)?;
        Ok(self.splatted())
    }

    /// True if a kernel printed a splat since the last test began, or during boot.
    pub fn splatted(&self) -> bool {
        self.count_splats() > self.known_splats
    }

    /// True as long as no test began.
    pub fn is_fresh(&self) -> bool {
        self.tests.is_empty()
    }

    fn count_splats(&self) -> u32 {
        self.members.iter().map(|member| member.splats.get()).sum()
    }

    /// From here on, what is said goes to `log`, and splats belong to this test.
    pub fn begin(&mut self, test: &TestId, log: &Path) -> Result<()> {
        self.known_splats = self.count_splats();
        self.splats.clear();
        self.test = Some(test.clone());
        self.tests.push(test.clone());
        self.log = Some(CappedLog::create(log)?);
        self.jobs.clear();
        Ok(())
    }

    /// The test is over; returns the titles of its splats.
    pub fn end(&mut self, journal: &mut Journal) -> Result<Vec<String>, Trouble> {
        let text = self
            .test
            .as_ref()
            .map(|test| format!("vmptcp: end of {}, attempt {}", test.label(), test.attempt));
        let settled = text.map_or(Ok(()), |text| self.settle(&text, journal));
        self.flush_splats(journal)?;
        if let Some(mut log) = self.log.take() {
            log.close()?;
        }
        self.test = None;
        settled?;
        Ok(std::mem::take(&mut self.splats))
    }

    /// The titles of the splats since the test began.
    pub fn splats(&self) -> &[String] {
        &self.splats
    }

    /// A line of our own in the test's output.
    pub fn note(&mut self, text: &str) -> Result<()> {
        self.log.as_mut().map_or(Ok(()), |log| log.write(format!("# {text}\n").as_bytes()))
    }

    /// The numbers of the guests, as reports have them.
    pub fn vm(&self, guest: usize) -> u32 {
        self.members.get(guest).map_or(0, |member| member.guest.id())
    }

    /// Starts a command.
    pub fn start(&mut self, task: Task) -> JobKey {
        self.count += 1;
        let key = JobKey { guest: task.guest, id: self.count };
        let job = Job::start(task, key.id, &mut self.members[key.guest].guest);
        self.jobs.insert(key, job);
        key
    }

    /// Runs a command to its end. If one does not end within `limit`, its guest is examined.
    pub fn run(&mut self, task: Task, limit: Duration, journal: &mut Journal) -> Result<TaskEnd, Trouble> {
        let (what, guest) = (task.argv.join(" "), task.guest);
        let key = self.start(task);
        let until = self.hub.now() + limit;
        loop {
            if let Some(ended) = self.ended(key) {
                self.jobs.remove(&key);
                return Ok(ended);
            }
            if self.hub.now() >= until {
                let what: String = what.chars().take(80).collect();
                let why = format!("{what} timed out after {} s", limit.as_secs());
                return Err(self.examine(guest, why, journal)?);
            }
            self.pump(POLL_INTERVAL, journal)?;
        }
    }

    /// How a command ended; none while it runs.
    pub fn ended(&self, key: JobKey) -> Option<TaskEnd> {
        self.jobs.get(&key)?.ended()
    }

    /// What a command said so far.
    pub fn said(&self, key: JobKey) -> String {
        self.jobs.get(&key).map(Job::text).unwrap_or_default()
    }

    /// Ends a command: terminate, then kill. Returns how it ended; none if it could not be ended.
    pub fn stop(&mut self, key: JobKey, journal: &mut Journal) -> Result<Option<TaskEnd>, Trouble> {
        for signal in [nix::libc::SIGTERM, nix::libc::SIGKILL] {
            if self.ended(key).is_none() {
                self.members[key.guest].guest.signal(key.id, signal);
            }
            let until = self.hub.now() + STOP_TIMEOUT;
            while self.hub.now() < until {
                if let Some(ended) = self.ended(key) {
                    return Ok(Some(ended));
                }
                self.pump(POLL_INTERVAL, journal)?;
            }
        }
        Ok(None)
    }

    /// Writes a line into every guest's kernel log, and waits until its console shows it: what was before, was heard.
    fn settle(&mut self, text: &str, journal: &mut Journal) -> Result<(), Trouble> {
        let now = self.hub.now();
        self.members.iter_mut().for_each(|member| member.guest.mark(text, now));
        while self.members.iter().any(|member| member.guest.link().is_marking()) {
            self.pump(POLL_INTERVAL, journal)?;
        }
        Ok(())
    }

    /// Takes what the guests say for so long. An error as soon as one of them is lost.
    pub fn pump(&mut self, time: Duration, journal: &mut Journal) -> Result<(), Trouble> {
        let until = self.hub.now() + time;
        loop {
            let left = until.saturating_duration_since(self.hub.now());
            let heard = self.hub.next(left.min(POLL_INTERVAL))?;
            let now = self.hub.now();
            if let Some((vm, message)) = heard
                && let Some(at) = self.members.iter().position(|member| member.guest.id() == vm)
            {
                let events = self.members[at].guest.hear(message, now);
                self.take(at, events, journal)?;
            }
            for at in 0..self.members.len() {
                let events = self.members[at].guest.tick(now)?;
                self.take(at, events, journal)?;
            }
            if let Some(loss) = self.members.iter().find_map(|member| member.loss.as_ref()) {
                return Err(Trouble::Guest(loss.reason.clone()));
            }
            if now >= until {
                return Ok(());
            }
        }
    }

    fn take(&mut self, at: usize, events: Vec<LinkEvent>, journal: &mut Journal) -> Result<()> {
        events.into_iter().try_for_each(|event| self.event(at, event, journal))
    }

    fn event(&mut self, at: usize, event: LinkEvent, journal: &mut Journal) -> Result<()> {
        let vm = self.members[at].guest.id();
        match event {
            LinkEvent::Up { kernel, took, leaks_since } => {
                self.members[at].leaks_since = leaks_since;
                journal.add(Event::VmReady { vm, kernel, seconds: took.as_secs_f64() })?;
            }
            LinkEvent::Console { line, post_mortem } => {
                // What was asked for is evidence, and has a file of its own.
                if let (Some(log), true) = (&mut self.log, self.test.is_some() && !post_mortem) {
                    log.write(format!("[kernel {vm}] {line}\n").as_bytes())?;
                }
            }
            LinkEvent::Splat(splat) => self.splat(at, splat, journal)?,
            LinkEvent::Output { id, data, .. } => self.output(at, id, &data, journal)?,
            LinkEvent::Ended { id, end } => self.job_ended(at, id, end)?,
            LinkEvent::Warning(text) => journal.warn(format!("VM {vm}: {text}"), None)?,
            LinkEvent::Lost(loss) => {
                if loss.hangs {
                    evidence::registers(&self.members[at].guest, self.test.clone(), journal)?;
                }
                self.members[at].loss = Some(loss);
            }
            LinkEvent::Marked
            | LinkEvent::StdinTaken
            | LinkEvent::Expired { .. }
            | LinkEvent::Clock(_)
            | LinkEvent::Stalled(_) => {}
        }
        Ok(())
    }

    fn output(&mut self, at: usize, id: JobId, data: &[u8], journal: &mut Journal) -> Result<()> {
        match id {
            evidence::JOB => self.examined.as_mut().map_or(Ok(()), |examined| examined.take(data)),
            leaks::JOB => {
                self.answers.entry(at).or_default().0.take(data);
                Ok(())
            }
            id => {
                let Some(job) = self.jobs.get_mut(&JobKey { guest: at, id }) else { return Ok(()) };
                let lines = job.take(data);
                if let Some(log) = &mut self.log {
                    lines.iter().try_for_each(|line| log.write(line))?;
                }
                if let Some(line) = job.activity() {
                    journal.activity(self.members[at].guest.id(), &line);
                }
                Ok(())
            }
        }
    }

    fn job_ended(&mut self, at: usize, id: JobId, end: JobEnd) -> Result<()> {
        match id {
            evidence::JOB => self.examined.iter_mut().for_each(|examined| examined.ended = true),
            leaks::JOB => self.answers.entry(at).or_default().1 = true,
            id => {
                let Some(job) = self.jobs.get_mut(&JobKey { guest: at, id }) else { return Ok(()) };
                let rest = job.end(end);
                if let Some(log) = &mut self.log {
                    log.write(&rest)?;
                }
            }
        }
        Ok(())
    }

    fn splat(&mut self, at: usize, splat: Splat, journal: &mut Journal) -> Result<()> {
        self.splats.push(splat.title.clone());
        let about = if self.is_fresh() { About::boot(self.rules) } else { About::test(self.test.clone()) };
        let member = &mut self.members[at];
        member.splats.record(member.guest.id(), splat, about, journal)
    }

    fn flush_splats(&mut self, journal: &mut Journal) -> Result<()> {
        for at in 0..self.members.len() {
            if let Some(splat) = self.members[at].guest.flush() {
                self.splat(at, splat, journal)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
