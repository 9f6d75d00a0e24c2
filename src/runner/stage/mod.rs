//! A stage: one guest or several, on which something is played step by step.
//!
//! A test of the selftests is one program, and the [fleet](super::fleet) serves many of them. What is played here is several
//! programs on several hosts at the same time, in an order that depends on what they do. So the one who plays is written as
//! plain code, and the stage takes what all guests say while it waits.

mod examine;
mod guest;
mod job;
mod leave;

pub use job::{JobKey, Task};

use super::evidence;
use super::journal::Journal;
use super::leaks;
use super::log::CappedLog;
use super::watch::About;
use crate::error::{Error, Result};
use crate::event::{Event, TestId};
use crate::guest::protocol::{Exit, FromGuest, ToGuest};
use crate::plan::GuestRules;
use crate::process::interrupt;
use crate::vm::console::Splat;
use crate::vm::session::VmId;
use crate::vm::{Message, Session, Spec};
use examine::Examined;
use guest::Guest;
use job::Job;
pub use leave::End;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// How many messages may wait: what bounds our memory, whatever the guests print.
const MESSAGES: usize = 128;

/// How often clocks are looked at.
const TICK: Duration = Duration::from_millis(50);

/// How long the console may lag behind the agent.
const CONSOLE_LAG: Duration = Duration::from_secs(5);

/// Why a play cannot go on.
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

/// How a command ended, and what it said.
#[derive(Debug, Clone)]
pub struct Ended {
    /// How; none if it could not be started.
    pub exit: Option<Exit>,
    /// What it said on both of its streams, the end of it where it was much; or why it could not be started.
    pub output: String,
}

impl Ended {
    /// True if it ended with exit code 0.
    pub fn is_good(&self) -> bool {
        self.exit == Some(Exit::Code(0))
    }
}

/// Guests, and what runs in them.
pub struct Stage {
    guests: Vec<Guest>,
    receiver: Receiver<(VmId, Message)>,
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

impl Stage {
    /// Boots guests, all at the same time, and waits until the last of them is up.
    pub fn open(
        specs: &[Spec],
        patience: Duration,
        rules: GuestRules,
        journal: &mut Journal,
    ) -> Result<Self, Trouble> {
        let (sender, receiver) = mpsc::sync_channel(MESSAGES);
        let first = u32::try_from(journal.summary().vms.len()).unwrap_or(0) + 1;
        let mut guests = Vec::new();
        for (spec, id) in specs.iter().zip(first..) {
            let console = format!("console-{id}.log");
            let accelerator = spec.backend.accelerator().to_owned();
            let log = journal.path().join(&console);
            journal.add(Event::VmStarted { vm: id, accelerator, console })?;
            let session = Session::start(spec, &[], id, &log, sender.clone())?;
            guests.push(Guest::new(id, session, spec));
        }
        let mut stage = Self {
            guests,
            receiver,
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
        match stage.wait_for_all(patience, journal) {
            Ok(()) => Ok(stage),
            Err(trouble) => {
                let end = if matches!(trouble, Trouble::Guest(_)) {
                    End::Crash("it did not come up")
                } else {
                    End::Done
                };
                stage.close(end, journal)?;
                Err(trouble)
            }
        }
    }

    fn wait_for_all(&mut self, patience: Duration, journal: &mut Journal) -> Result<(), Trouble> {
        let until = Instant::now() + patience;
        while self.guests.iter().any(|guest| !guest.up) {
            if Instant::now() >= until {
                return Err(Trouble::Guest(format!("it did not come up within {} s", patience.as_secs())));
            }
            self.pump(TICK, journal)?;
        }
        Ok(())
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
        self.guests.iter().map(|guest| guest.watch.splats()).sum()
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
        self.guests.get(guest).map_or(0, |guest| guest.id)
    }

    /// Starts a command.
    pub fn start(&mut self, task: Task) -> JobKey {
        self.count += 1;
        let key = JobKey { guest: task.guest, id: self.count };
        let (job, messages) = Job::new(task, self.count);
        if let Some(guest) = self.guests.get(key.guest) {
            for message in messages {
                guest.session.send(message);
            }
        }
        self.jobs.insert(key, job);
        key
    }

    /// Runs a command to its end. If one does not end within `limit`, its guest is examined.
    pub fn run(&mut self, task: Task, limit: Duration, journal: &mut Journal) -> Result<Ended, Trouble> {
        let (what, guest) = (task.argv.join(" "), task.guest);
        let key = self.start(task);
        let until = Instant::now() + limit;
        loop {
            if let Some(ended) = self.ended(key) {
                self.jobs.remove(&key);
                return Ok(ended);
            }
            if Instant::now() >= until {
                let what: String = what.chars().take(80).collect();
                let why = format!("{what} did not end within {} s", limit.as_secs());
                return Err(self.examine(guest, why, journal)?);
            }
            self.pump(TICK, journal)?;
        }
    }

    /// How a command ended; none while it runs.
    pub fn ended(&self, key: JobKey) -> Option<Ended> {
        let job = self.jobs.get(&key)?;
        job.is_over().then(|| Ended { exit: job.exit, output: job.text() })
    }

    /// What a command said so far.
    pub fn said(&self, key: JobKey) -> String {
        self.jobs.get(&key).map(Job::text).unwrap_or_default()
    }

    /// Ends a command: terminate, then kill. Returns how it ended; none if it could not be ended.
    pub fn stop(&mut self, key: JobKey, journal: &mut Journal) -> Result<Option<Ended>, Trouble> {
        for signal in [nix::libc::SIGTERM, nix::libc::SIGKILL] {
            if let (None, Some(guest)) = (self.ended(key), self.guests.get(key.guest)) {
                guest.session.send(ToGuest::Signal { id: key.id, signal });
            }
            let until = Instant::now() + Duration::from_secs(5);
            while Instant::now() < until {
                if let Some(ended) = self.ended(key) {
                    return Ok(Some(ended));
                }
                self.pump(TICK, journal)?;
            }
        }
        Ok(None)
    }

    /// Writes a line into every guest's kernel log, and waits until its console shows it: what was before, was heard.
    fn settle(&mut self, text: &str, journal: &mut Journal) -> Result<(), Trouble> {
        for guest in &mut self.guests {
            guest.expect(text);
        }
        let until = Instant::now() + CONSOLE_LAG;
        while self.guests.iter().any(Guest::is_waiting) && Instant::now() < until {
            self.pump(TICK, journal)?;
        }
        Ok(())
    }

    /// Takes what the guests say for so long.
    pub fn pump(&mut self, time: Duration, journal: &mut Journal) -> Result<(), Trouble> {
        let until = Instant::now() + time;
        loop {
            interrupt::check()?;
            let left = until.saturating_duration_since(Instant::now());
            if let Ok((vm, message)) = self.receiver.recv_timeout(left.min(TICK))
                && let Some(at) = self.guests.iter().position(|guest| guest.id == vm)
            {
                self.hear(at, message, journal)?;
            }
            for guest in &mut self.guests {
                guest.check()?;
            }
            if Instant::now() >= until {
                return Ok(());
            }
        }
    }

    fn hear(&mut self, at: usize, message: Message, journal: &mut Journal) -> Result<(), Trouble> {
        let guest = &mut self.guests[at];
        let id = guest.id;
        match message {
            Message::Console(line) => {
                let splat = guest.console(&line);
                // What was asked for is evidence, and has a file of its own.
                let wanted = self.test.is_some() && !guest.watch.is_examined();
                if let (Some(log), true) = (&mut self.log, wanted) {
                    log.write(
                        &[format!("[kernel {id}] ").as_bytes(), line.trim_ascii_end(), b"\n"].concat(),
                    )?;
                }
                if let Some(splat) = splat {
                    self.splat(at, splat, journal)?;
                }
            }
            Message::ConsoleLost(why) => {
                journal.warn(format!("the console log of VM {id} cannot be written: {why}"), None)?;
            }
            Message::Noise(text) => {
                journal.warn(format!("VM {id} says something that is no message: {text}"), None)?;
            }
            Message::Agent(message) => self.agent(at, message, journal)?,
            Message::AgentGone | Message::ConsoleEnded => guest.is_leaving(),
        }
        Ok(())
    }

    fn agent(&mut self, at: usize, message: FromGuest, journal: &mut Journal) -> Result<()> {
        let guest = &mut self.guests[at];
        let vm = guest.id;
        let key = |id| JobKey { guest: at, id };
        match message {
            FromGuest::Ready { kernel, leaks_since, .. } => {
                let seconds = guest.greet(leaks_since);
                journal.add(Event::VmReady { vm, kernel, seconds })?;
            }
            FromGuest::Trouble { text } => journal.warn(format!("VM {vm}: {text}"), None)?,
            FromGuest::Output { id: evidence::JOB, data, .. } => {
                if let Some(examined) = &mut self.examined {
                    examined.take(&data.0)?;
                }
            }
            FromGuest::Ended { id: evidence::JOB, .. } | FromGuest::Failed { id: evidence::JOB, .. } => {
                self.examined.iter_mut().for_each(|examined| examined.ended = true);
            }
            FromGuest::Output { id: leaks::JOB, data, .. } => {
                self.answers.entry(at).or_default().0.take(&data.0);
            }
            FromGuest::Ended { id: leaks::JOB, .. } | FromGuest::Failed { id: leaks::JOB, .. } => {
                self.answers.entry(at).or_default().1 = true;
            }
            FromGuest::Output { id, data, .. } => {
                if let Some(job) = self.jobs.get_mut(&key(id)) {
                    let lines = job.take(&data.0);
                    if let Some(log) = &mut self.log {
                        lines.iter().try_for_each(|line| log.write(line))?;
                    }
                    if let Some(line) = job.activity() {
                        journal.activity(vm, &line);
                    }
                }
            }
            FromGuest::Ended { id, exit } => {
                if let Some(job) = self.jobs.get_mut(&key(id)) {
                    job.exit = Some(exit);
                    let rest = job.finish();
                    if let Some(log) = &mut self.log {
                        log.write(&rest)?;
                    }
                }
            }
            FromGuest::Failed { id, why, .. } => {
                if let Some(job) = self.jobs.get_mut(&key(id)) {
                    job.refused = Some(why);
                }
            }
            FromGuest::Started { .. } | FromGuest::StdinTaken { .. } | FromGuest::Pong => {}
        }
        Ok(())
    }

    fn splat(&mut self, at: usize, splat: Splat, journal: &mut Journal) -> Result<()> {
        self.splats.push(splat.title.clone());
        let about = if self.is_fresh() { About::boot(self.rules) } else { About::test(self.test.clone()) };
        let guest = &mut self.guests[at];
        guest.watch.record(guest.id, splat, about, journal)
    }

    fn flush_splats(&mut self, journal: &mut Journal) -> Result<()> {
        for at in 0..self.guests.len() {
            if let Some(splat) = self.guests[at].watch.flush() {
                self.splat(at, splat, journal)?;
            }
        }
        Ok(())
    }
}
