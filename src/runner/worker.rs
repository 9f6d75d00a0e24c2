//! One VM of the fleet: what it does now, and what follows from what it says.

use super::capture::Capture;
use super::fleet::{Job, Orders};
use super::journal::Journal;
use crate::error::Result;
use crate::event::{Event, Outcome, TestId};
use crate::guest::protocol;
use crate::guest::protocol::{Exit, FromGuest, Io, JobId, ToGuest};
use crate::vm::console::{Detector, Splat};
use crate::vm::session::VmId;
use crate::vm::{Message, Session};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How often the agent is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(10);

/// A guest that says nothing for so long, though it was asked, hangs. Slow machines need their time, and its own watchdogs,
/// which know more, go first: on those they wait for up to 120 seconds.
const SILENCE: Duration = Duration::from_secs(180);

/// How long a test may take to end after each of terminate and kill.
const GRACE: Duration = Duration::from_secs(10);

/// How long the console may lag behind the agent.
const CONSOLE_LAG: Duration = Duration::from_secs(5);

/// How many splats of one VM are recorded. The console log has them all.
pub(super) const SPLATS: u32 = 100;

/// How many of the console's last lines are kept for a report.
const TAIL: usize = 40;

/// What a worker wants from the fleet after it was told something.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing.
    Nothing,
    /// Another test.
    Work,
    /// To be replaced: its guest is gone, or not to be trusted any more.
    Retire {
        /// The guest came up before.
        booted: bool,
    },
}

enum State {
    Booting {
        until: Instant,
    },
    Idle,
    Running(Box<Running>),
    /// The guest is gone; what its console has still to say is waited for.
    Dying {
        until: Instant,
        reason: String,
        running: Option<Box<Running>>,
    },
}

struct Running {
    job: Job,
    id: JobId,
    capture: Capture,
    began: Instant,
    stop: Stop,
    /// It ended so, and waits for the console to reach the same moment.
    ended: Option<(Exit, Duration, Instant)>,
    refused: Option<String>,
    splat: Option<String>,
}

/// How far the attempt to stop a test is, and when the next step is due.
#[derive(Clone, Copy)]
enum Stop {
    NotYet(Instant),
    Terminated(Instant),
    Killed(Instant),
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
    detector: Detector,
    tail: VecDeque<String>,
    binds: Vec<(String, String)>,
    splats: u32,
    /// The agent's end of the port is closed.
    agent_gone: bool,
    /// The console was read to its end.
    console_ended: bool,
    done: Option<Done>,
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
    pub fn new(id: VmId, session: Session, boot_timeout: Duration, binds: Vec<(String, String)>) -> Self {
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
            detector: Detector::default(),
            tail: VecDeque::new(),
            binds,
            splats: 0,
            agent_gone: false,
            console_ended: false,
            done: None,
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

    /// True if it ran a test already.
    pub fn is_used(&self) -> bool {
        self.jobs > 0
    }

    /// Starts a test. Only for a worker that wished for work.
    pub fn run(&mut self, job: Job, orders: &Orders, journal: &mut Journal) -> Result<()> {
        self.jobs += 1;
        let stem = format!("tests/{}", job.id.stem());
        let output = format!("{stem}.log");
        let capture =
            Capture::create(&journal.path().join(&output), &journal.path().join(format!("{stem}.tap")))?;
        let test = &job.selection.test;
        let mut argv = vec![format!("./{}", test.program)];
        argv.extend(test.args.iter().cloned());
        self.session.send(ToGuest::Mark { text: begin_mark(&job) });
        self.session.send(ToGuest::Run(protocol::Job {
            id: self.jobs,
            argv,
            cwd: orders.directory.clone(),
            env: orders.env.clone(),
            io: Io::Merged,
        }));
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
            FromGuest::Ready { kernel, .. } if !self.booted => {
                self.booted = true;
                let seconds = self.started.elapsed().as_secs_f64();
                journal.add(Event::VmReady { vm: self.id, kernel, seconds })?;
                if !self.binds.is_empty() {
                    self.session.send(ToGuest::Bind { mounts: std::mem::take(&mut self.binds) });
                }
                self.state = State::Idle;
                return Ok(Wish::Work);
            }
            FromGuest::Trouble { text } => journal.warn(format!("VM {}: {text}", self.id), None)?,
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
        running.ended = Some((exit, now - running.began, now + CONSOLE_LAG));
        running.refused = refused;
        let text = end_mark(&running.job);
        self.session.send(ToGuest::Mark { text });
    }

    fn console(&mut self, line: &[u8], journal: &mut Journal) -> Result<Wish> {
        let line = String::from_utf8_lossy(line).trim_end().to_owned();
        // What is open when a test begins, is not its doing.
        let begins =
            matches!(&self.state, State::Running(running) if line.ends_with(&begin_mark(&running.job)));
        if begins && let Some(splat) = self.detector.flush() {
            self.record(splat, None, journal)?;
        }
        if let Some(splat) = self.detector.line(&line) {
            self.splat(splat, journal)?;
        }
        let reached = match &self.state {
            State::Running(running) => running.ended.is_some() && line.ends_with(&end_mark(&running.job)),
            _ => false,
        };
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
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
        self.record(splat, test, journal)
    }

    fn record(&mut self, splat: Splat, test: Option<TestId>, journal: &mut Journal) -> Result<()> {
        self.splats += 1;
        match self.splats {
            ..=SPLATS => {
                journal.add(Event::Splat { vm: self.id, test, title: splat.title, lines: splat.lines })
            }
            // Each more would cost memory, and says nothing new.
            count if count == SPLATS + 1 => {
                let text = format!("VM {} had more than {SPLATS} splats: see its console log", self.id);
                journal.warn(text, None)
            }
            _ => Ok(()),
        }
    }

    /// Sets all clocks back: nobody looked at them, or listened to the guest, for so long.
    pub fn forgive(&mut self, stall: Duration) {
        self.heard += stall;
        match &mut self.state {
            State::Booting { until } | State::Dying { until, .. } => *until += stall,
            State::Running(running) => {
                let (Stop::NotYet(due) | Stop::Terminated(due) | Stop::Killed(due)) = &mut running.stop;
                *due += stall;
                if let Some((.., lag)) = &mut running.ended {
                    *lag += stall;
                }
            }
            State::Idle => {}
        }
    }

    /// Looks at the clocks.
    pub fn tick(&mut self, journal: &mut Journal) -> Result<Wish> {
        let now = Instant::now();
        if !matches!(self.state, State::Dying { .. }) && self.session.ended()?.is_some() {
            self.die("virtme-ng ended", CONSOLE_LAG);
        }
        match &mut self.state {
            State::Booting { until } if now >= *until => {
                let waited = (now - self.started).as_secs();
                self.die(&format!("the guest did not come up within {waited} s"), Duration::ZERO);
            }
            State::Idle | State::Running(_) if now - self.heard > SILENCE => {
                let silence = SILENCE.as_secs();
                self.die(
                    &format!("the guest hangs: its agent has not answered for {silence} s"),
                    Duration::ZERO,
                );
            }
            State::Running(running) => match (&running.ended, running.stop) {
                (Some((.., lag)), _) if now >= *lag => return self.conclude(journal),
                (None, Stop::NotYet(due)) if now >= due => {
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
                    self.die("the guest hangs: it could not stop a test that timed out", Duration::ZERO);
                }
                _ => {}
            },
            State::Dying { until, .. } if now >= *until => return self.bury(journal),
            State::Booting { .. } | State::Idle | State::Dying { .. } => {}
        }
        if now - self.asked > PING_EVERY && self.booted {
            self.asked = now;
            self.session.send(ToGuest::Ping);
        }
        Ok(Wish::Nothing)
    }

    /// The guest is gone, or as good as. The first reason holds.
    fn die(&mut self, reason: &str, lag: Duration) {
        if matches!(self.state, State::Dying { .. }) {
            return;
        }
        let until = Instant::now() + lag;
        let running = match std::mem::replace(&mut self.state, State::Idle) {
            State::Running(running) => Some(running),
            _ => None,
        };
        self.state = State::Dying { until, reason: reason.to_owned(), running };
    }

    /// A test is over, and the console too has reached its end.
    fn conclude(&mut self, journal: &mut Journal) -> Result<Wish> {
        if let Some(splat) = self.detector.flush() {
            self.splat(splat, journal)?;
        }
        let State::Running(mut running) = std::mem::replace(&mut self.state, State::Idle) else {
            return Ok(Wish::Nothing);
        };
        let Some((exit, took, _)) = running.ended else { return Ok(Wish::Nothing) };
        let results = finish(&mut running, journal)?;
        let seconds = took.as_secs_f64();
        let timed_out = !matches!(running.stop, Stop::NotYet(_));
        let splat = running.splat.take();
        let (outcome, reason) = if timed_out {
            (Outcome::Timeout, Some(format!("stopped after {} s", running.job.timeout.as_secs())))
        } else if let Some(why) = running.refused {
            (Outcome::Error, Some(why))
        } else if let Some(title) = &splat {
            (Outcome::Fail, Some(format!("kernel splat: {title}")))
        } else {
            match exit {
                Exit::Code(code) => running.capture.verdict(code, &running.job.selection),
                Exit::Signal(signal) => (Outcome::Fail, Some(format!("ended by signal {signal}"))),
            }
        };
        if results > 0 && outcome == Outcome::Pass && !running.capture.problems().is_empty() {
            let odd = running.capture.problems().join("; ");
            journal.note(format!("{}: {odd}", running.job.id.name))?;
        }
        let exit_code = match exit {
            Exit::Code(code) => Some(code),
            Exit::Signal(_) => None,
        };
        let test = running.job.id.clone();
        journal.add(Event::TestEnded { test, outcome, reason, exit_code, seconds })?;
        self.done = Some(Done { splat: splat.is_some(), job: running.job, outcome });
        if timed_out {
            // What it left behind, nobody knows: the next test gets a fresh guest.
            self.end(false, "replaced after a timeout", journal)?;
            return Ok(Wish::Retire { booted: true });
        }
        Ok(Wish::Work)
    }

    /// The guest is gone, and its console is read to the end.
    fn bury(&mut self, journal: &mut Journal) -> Result<Wish> {
        if let Some(splat) = self.detector.flush() {
            self.splat(splat, journal)?;
        }
        let State::Dying { reason, running, .. } = std::mem::replace(&mut self.state, State::Idle) else {
            return Ok(Wish::Nothing);
        };
        if let Some(mut running) = running {
            finish(&mut running, journal)?;
            let seconds = running.began.elapsed().as_secs_f64();
            let (outcome, why) = match (running.stop, &running.splat) {
                (Stop::NotYet(_), Some(title)) => (Outcome::Crash, format!("{reason}: {title}")),
                (Stop::NotYet(_), None) => (Outcome::Crash, reason.clone()),
                _ => (Outcome::Timeout, format!("after {} s; {reason}", running.job.timeout.as_secs())),
            };
            let test = running.job.id.clone();
            journal.add(Event::TestEnded { test, outcome, reason: Some(why), exit_code: None, seconds })?;
            self.done = Some(Done { splat: running.splat.is_some(), job: running.job, outcome });
        }
        self.end(true, &reason, journal)?;
        Ok(Wish::Retire { booted: self.booted })
    }

    fn end(&mut self, crashed: bool, reason: &str, journal: &mut Journal) -> Result<()> {
        let console_tail = if crashed { self.tail.iter().cloned().collect() } else { Vec::new() };
        journal.add(Event::VmEnded { vm: self.id, crashed, reason: reason.to_owned(), console_tail })
    }

    /// The work is done: stops the VM.
    pub fn dismiss(mut self, journal: &mut Journal) -> Result<()> {
        self.end(false, "done", journal)?;
        self.session.stop();
        Ok(())
    }

    /// Stops the VM without a word.
    pub fn stop(self) {
        self.session.stop();
    }
}

/// The line that says on the console that a test begins.
fn begin_mark(job: &Job) -> String {
    format!("vmptcp: begin of {}", job.id.stem())
}

/// The line that says on the console that a test is over.
fn end_mark(job: &Job) -> String {
    format!("vmptcp: end of {}", job.id.stem())
}

/// Takes the last results of a test; returns how many.
fn finish(running: &mut Running, journal: &mut Journal) -> Result<usize> {
    let results = running.capture.finish(&running.job.selection)?;
    let count = results.len();
    for result in results {
        journal.add(Event::Subtest { test: running.job.id.clone(), result })?;
    }
    Ok(count)
}
