//! One VM of the fleet: what it does now, and what follows from what it says.

mod clock;
mod end;
mod leave;

pub(super) use end::AFTER_SPLAT;

use super::capture::Capture;
use super::evidence::{self, Evidence};
use super::fleet::{Job, Orders};
use super::journal::Journal;
use super::leaks;
use super::running::{Ended, Running, Stop, begin_mark, end_mark};
use super::start::{self, Prepared};
use super::watch::{About, Watch};
use crate::error::Result;
use crate::event::{Event, Outcome, TestId};
use crate::guest::protocol;
use crate::guest::protocol::{Exit, FromGuest, Io, JobId, ToGuest};
use crate::plan::GuestRules;
use crate::text::decode;
use crate::vm::console::Splat;
use crate::vm::session::VmId;
use crate::vm::{Message, Session, Spec};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long the console may lag behind the agent.
const CONSOLE_LAG: Duration = Duration::from_secs(5);

/// What a worker wants from the fleet after it was told something.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing.
    Nothing,
    /// A test.
    Work,
    /// To hear whether the test that it was given may begin: what the console showed before, was seen.
    Begin,
    /// To go: it has ended its guest.
    Retire,
    /// To go: its guest is gone, or hangs.
    Lost {
        /// A test began in it before.
        served: bool,
    },
}

enum State {
    Booting {
        until: Instant,
    },
    Idle,
    /// A test was given to it, and waits for the console to show all that was before.
    Waiting {
        job: Box<Job>,
        until: Instant,
    },
    Running(Box<Running>),
    /// The guest is asked for memory leaks, and then goes.
    Leaving {
        until: Instant,
        reason: String,
        answer: leaks::Answer,
    },
    /// The guest is gone; what its console has still to say is waited for.
    Dying {
        until: Instant,
        reason: String,
        running: Option<Box<Running>>,
    },
}

/// A VM and the test that it runs.
pub(super) struct Worker {
    id: VmId,
    session: Session,
    state: State,
    started: Instant,
    booted: bool,
    heard: Instant,
    asked: Instant,
    jobs: JobId,
    /// The tests that began in it.
    tests: Vec<TestId>,
    watch: Watch,
    /// How many splats of its kernel were taken note of when it was last given a test.
    known_splats: u32,
    rules: GuestRules,
    /// Since when its kernel is asked for memory leaks, in jiffies; none if it cannot be asked.
    leaks_since: Option<u64>,
    binds: Vec<(String, String)>,
    symbols: PathBuf,
    /// The agent's end of the port is closed.
    agent_gone: bool,
    /// The console was read to its end.
    console_ended: bool,
    done: Option<Done>,
    /// A test that did not begin, and waits for another guest.
    given_back: Option<Job>,
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
    pub fn new(id: VmId, session: Session, boot_timeout: Duration, rules: GuestRules, spec: &Spec) -> Self {
        let now = Instant::now();
        Self {
            id,
            session,
            state: State::Booting { until: now + boot_timeout },
            started: now,
            booted: false,
            heard: now,
            asked: now,
            jobs: 0,
            tests: Vec::new(),
            watch: Watch::default(),
            known_splats: 0,
            rules,
            leaks_since: None,
            binds: spec.machine.root.binds(),
            symbols: spec.machine.kernel.join("System.map"),
            agent_gone: false,
            console_ended: false,
            done: None,
            given_back: None,
        }
    }

    pub fn id(&self) -> VmId {
        self.id
    }

    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// The test that ended last, once.
    pub fn take_done(&mut self) -> Option<Done> {
        self.done.take()
    }

    /// A test that it was given and that did not begin, once.
    pub fn take_back(&mut self) -> Option<Job> {
        self.given_back.take()
    }

    /// True if it ran a test already.
    pub fn is_used(&self) -> bool {
        self.jobs > 0
    }

    /// Takes a test, which does not begin before the fleet was asked. Only for a worker that wished for work.
    pub fn give(&mut self, job: Job) {
        self.session.send(ToGuest::Mark { text: begin_mark(&job) });
        self.state = State::Waiting { job: Box::new(job), until: Instant::now() + CONSOLE_LAG };
    }

    /// True if its kernel printed a splat since it was last given a test, or since it booted.
    pub fn splatted(&self) -> bool {
        self.watch.splats() > self.known_splats
    }

    /// Begins the test that it was given.
    pub fn begin(&mut self, orders: &Orders, journal: &mut Journal) -> Result<()> {
        self.known_splats = self.watch.splats();
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Waiting { job, .. } => self.run(*job, orders, journal),
            other => {
                self.state = other;
                Ok(())
            }
        }
    }

    fn run(&mut self, job: Job, orders: &Orders, journal: &mut Journal) -> Result<()> {
        self.jobs += 1;
        self.tests.push(job.id.clone());
        let stem = format!("tests/{}", job.id.stem());
        let output = format!("{stem}.log");
        let tap = journal.path().join(format!("{stem}.tap"));
        let (suite, all_features) = (job.selection.test.suite, orders.conditions.all_features);
        let capture = Capture::create(suite, &journal.path().join(&output), &tap, all_features)?;
        let Prepared { argv, cwd, env, place } = start::prepare(&job, orders, journal)?;
        self.session.send(ToGuest::Run(protocol::Job { id: self.jobs, argv, cwd, env, io: Io::Merged }));
        let mut evidence = None;
        if job.id.rerun > 0 {
            let (begun, watch) = Evidence::of_a_rerun(&job.id, journal)?;
            evidence = Some(begun);
            self.session.send(ToGuest::Run(watch));
        }
        let timeout = job.timeout.as_secs();
        journal.add(Event::TestStarted { test: job.id.clone(), vm: self.id, timeout, output })?;
        let began = Instant::now();
        self.state = State::Running(Box::new(Running {
            stop: Stop::NotYet(began + job.timeout),
            job,
            id: self.jobs,
            capture,
            began,
            ended: None,
            refused: None,
            splat: None,
            evidence,
            place,
        }));
        Ok(())
    }

    /// Takes what the VM says.
    pub fn hear(&mut self, message: Message, journal: &mut Journal) -> Result<Wish> {
        match message {
            Message::Console(line) => return self.console(&line, journal),
            Message::ConsoleLost(why) => {
                journal.warn(format!("the console log of VM {} cannot be written: {why}", self.id), None)?;
            }
            Message::Noise(text) => {
                journal.warn(format!("VM {} says something that is no message: {text}", self.id), None)?;
            }
            Message::Agent(message) => {
                self.heard = Instant::now();
                return self.agent(message, journal);
            }
            Message::AgentGone => {
                self.agent_gone = true;
                self.die("the guest is gone", CONSOLE_LAG);
            }
            Message::ConsoleEnded => {
                self.console_ended = true;
                self.die("the guest is gone", CONSOLE_LAG);
            }
        }
        // Whichever ends first: the other may have something to say still. One that never came up has no agent.
        if let State::Dying { until, .. } = &mut self.state
            && self.console_ended
            && (self.agent_gone || !self.booted)
        {
            *until = Instant::now();
        }
        Ok(Wish::Nothing)
    }

    fn agent(&mut self, message: FromGuest, journal: &mut Journal) -> Result<Wish> {
        match message {
            FromGuest::Ready { kernel, leaks_since, .. } if !self.booted => {
                self.booted = true;
                self.leaks_since = leaks_since;
                if leaks_since.is_some() {
                    self.watch.expect_leaks();
                }
                let seconds = self.started.elapsed().as_secs_f64();
                journal.add(Event::VmReady { vm: self.id, kernel, seconds })?;
                if !self.binds.is_empty() {
                    self.session.send(ToGuest::Bind { mounts: std::mem::take(&mut self.binds) });
                }
                self.state = State::Idle;
                return Ok(Wish::Work);
            }
            FromGuest::Trouble { text } => journal.warn(format!("VM {}: {text}", self.id), None)?,
            FromGuest::Output { id: evidence::JOB | evidence::WATCH_JOB, data, .. } => {
                if let State::Running(running) | State::Dying { running: Some(running), .. } = &mut self.state
                    && let Some(evidence) = &mut running.evidence
                {
                    evidence.take(&data.0)?;
                }
            }
            FromGuest::Output { id: leaks::JOB, data, .. } => {
                if let State::Leaving { answer, .. } = &mut self.state {
                    answer.take(&data.0);
                }
            }
            FromGuest::Ended { id: leaks::JOB, .. } | FromGuest::Failed { id: leaks::JOB, .. } => {
                return self.left(journal);
            }
            FromGuest::Output { id, data, .. } => {
                let vm = self.id;
                if let Some(running) = self.speaking(id) {
                    let results = running.capture.feed(&data.0, &running.job.selection)?;
                    let test = running.job.id.clone();
                    journal.activity(vm, &format!("{test}: {}", running.capture.last_line()));
                    for result in results {
                        journal.add(Event::Subtest { test: test.clone(), result })?;
                    }
                }
            }
            FromGuest::Ended { id: evidence::JOB, .. } | FromGuest::Failed { id: evidence::JOB, .. } => {
                self.session.send(ToGuest::Mark { text: evidence::END.to_owned() });
                if let State::Running(running) = &mut self.state
                    && let Stop::Examined(due) = &mut running.stop
                {
                    *due = Instant::now();
                }
            }
            FromGuest::Ended { id, exit } => self.job_ended(id, exit, None),
            FromGuest::Failed { id, why, code } => self.job_ended(id, Exit::Code(code), Some(why)),
            FromGuest::Ready { .. }
            | FromGuest::Started { .. }
            | FromGuest::StdinTaken { .. }
            | FromGuest::Pong => {}
        }
        Ok(Wish::Nothing)
    }

    fn running(&mut self, id: JobId) -> Option<&mut Running> {
        match &mut self.state {
            State::Running(running) if running.id == id => Some(running),
            _ => None,
        }
    }

    /// The test that a piece of output belongs to: also one whose guest is gone meanwhile.
    fn speaking(&mut self, id: JobId) -> Option<&mut Running> {
        match &mut self.state {
            State::Running(running) | State::Dying { running: Some(running), .. } if running.id == id => {
                Some(running)
            }
            _ => None,
        }
    }

    fn job_ended(&mut self, id: JobId, exit: Exit, refused: Option<String>) {
        let Some(running) = self.running(id) else { return };
        let now = Instant::now();
        running.ended = Some(Ended { exit, took: now - running.began, lag: now + CONSOLE_LAG });
        running.refused = refused;
        let text = end_mark(&running.job);
        if running.evidence.is_some() {
            for id in [evidence::JOB, evidence::WATCH_JOB] {
                self.session.send(ToGuest::Signal { id, signal: nix::libc::SIGKILL });
            }
        }
        self.session.send(ToGuest::Mark { text });
    }

    fn console(&mut self, line: &[u8], journal: &mut Journal) -> Result<Wish> {
        let line = decode(line).trim_end().to_owned();
        // What is open when a test begins, is not its doing.
        if matches!(&self.state, State::Waiting { job, .. } if line.ends_with(&begin_mark(job))) {
            return self.may_begin(journal);
        }
        if let Some(splat) = self.watch.line(&line) {
            self.splat(splat, journal)?;
        }
        let reached = match &self.state {
            State::Running(running) => running.ended.is_some() && line.ends_with(&end_mark(&running.job)),
            _ => false,
        };
        if reached { self.conclude(journal) } else { Ok(Wish::Nothing) }
    }

    fn splat(&mut self, splat: Splat, journal: &mut Journal) -> Result<()> {
        let running = match &mut self.state {
            State::Running(running) | State::Dying { running: Some(running), .. } => Some(running),
            _ => None,
        };
        let test = running.map(|running| {
            running.splat.get_or_insert_with(|| splat.title.clone());
            running.job.id.clone()
        });
        let about = if self.jobs == 0 { About::boot(self.rules) } else { About::test(test) };
        self.watch.record(self.id, splat, about, journal)
    }

    /// The console has shown all that was before the test which waits.
    fn may_begin(&mut self, journal: &mut Journal) -> Result<Wish> {
        if let Some(splat) = self.watch.flush() {
            self.splat(splat, journal)?;
        }
        Ok(Wish::Begin)
    }
}
