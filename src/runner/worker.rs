//! One VM of the fleet: what it does now, and what follows from what it says.

use super::capture::Capture;
use super::evidence::{self, Evidence};
use super::fleet::{Job, Orders};
use super::journal::Journal;
use super::packets::Place;
use super::running::{Ended, Running, Stop, begin_mark, end_mark};
use super::watch::Watch;
use crate::error::Result;
use crate::event::{Event, Outcome};
use crate::guest::protocol;
use crate::guest::protocol::{Exit, FromGuest, Io, JobId, ToGuest};
use crate::store::write_whole;
use crate::suite::selftests::COLLECTION;
use crate::vm::console::Splat;
use crate::vm::session::VmId;
use crate::vm::{Message, Session, Spec};
use std::path::{Path, PathBuf};
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

/// How long the console may lag behind the agent.
const CONSOLE_LAG: Duration = Duration::from_secs(5);

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
    watch: Watch,
    binds: Vec<(String, String)>,
    symbols: PathBuf,
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
    pub fn new(id: VmId, session: Session, boot_timeout: Duration, spec: &Spec) -> Self {
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
            watch: Watch::default(),
            binds: spec.binds(),
            symbols: spec.kernel.join("System.map"),
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
        let (mut cwd, mut env, mut place) = (orders.directory.clone(), orders.env.clone(), None);
        if let Some((_, captures)) = orders.alone.as_ref().filter(|_| job.id.rerun > 0 && test.captures) {
            let made = Place::furnish(captures, &job.id, Path::new(&orders.directory), COLLECTION)?;
            cwd = made.cwd().display().to_string();
            argv.push("-c".to_owned());
            // The scripts let tcpdump write as this user; without it, it may not write here.
            env.push(("SUDO_USER".to_owned(), "root".to_owned()));
            place = Some(made);
        }
        argv.extend(test.args.iter().cloned());
        self.session.send(ToGuest::Mark { text: begin_mark(&job) });
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
            FromGuest::Output { id: evidence::JOB | evidence::WATCH_JOB, data, .. } => {
                if let State::Running(running) | State::Dying { running: Some(running), .. } = &mut self.state
                    && let Some(evidence) = &mut running.evidence
                {
                    evidence.take(&data.0)?;
                }
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
        let line = String::from_utf8_lossy(line).trim_end().to_owned();
        // What is open when a test begins, is not its doing.
        let begins =
            matches!(&self.state, State::Running(running) if line.ends_with(&begin_mark(&running.job)));
        if begins && let Some(splat) = self.watch.flush() {
            self.watch.record(self.id, splat, None, journal)?;
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
        self.watch.record(self.id, splat, test, journal)
    }

    /// Sets all clocks back: nobody looked at them, or listened to the guest, for so long.
    pub fn forgive(&mut self, stall: Duration) {
        self.heard += stall;
        match &mut self.state {
            State::Booting { until } | State::Dying { until, .. } => *until += stall,
            State::Running(running) => running.forgive(stall),
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
                self.hang(&format!("the guest did not come up within {waited} s"), journal)?;
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
            State::Booting { .. } | State::Idle | State::Dying { .. } => {}
        }
        if now - self.asked > PING_EVERY && self.booted {
            self.asked = now;
            self.session.send(ToGuest::Ping);
        }
        Ok(Wish::Nothing)
    }

    /// The guest is there, and of no use any more: QEMU is asked what its CPUs do.
    fn hang(&mut self, reason: &str, journal: &mut Journal) -> Result<()> {
        let symbols = std::fs::read_to_string(&self.symbols).ok();
        let text = self.session.examine(symbols.as_deref()).unwrap_or_else(|error| format!("{error}\n"));
        let file = format!("vm-{}.registers.txt", self.id);
        write_whole(&journal.path().join(&file), text.as_bytes())?;
        let test = match &self.state {
            State::Running(running) => Some(running.job.id.clone()),
            _ => None,
        };
        journal.add(Event::Evidence { test, what: "CPUs".to_owned(), file })?;
        self.die(reason, Duration::ZERO);
        Ok(())
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
        if let Some(splat) = self.watch.flush() {
            self.splat(splat, journal)?;
        }
        let State::Running(mut running) = std::mem::replace(&mut self.state, State::Idle) else {
            return Ok(Wish::Nothing);
        };
        let Some(Ended { exit, took, .. }) = running.ended else { return Ok(Wish::Nothing) };
        let results = running.finish(journal)?;
        let seconds = took.as_secs_f64();
        let timed_out = running.timed_out();
        let (outcome, reason) = running.verdict(exit);
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
        self.done = Some(Done { splat: running.splat.is_some(), job: running.job, outcome });
        if timed_out {
            // What it left behind, nobody knows: the next test gets a fresh guest.
            self.end(false, "replaced after a timeout", journal)?;
            return Ok(Wish::Retire { booted: true });
        }
        Ok(Wish::Work)
    }

    /// The guest is gone, and its console is read to the end.
    fn bury(&mut self, journal: &mut Journal) -> Result<Wish> {
        if let Some(splat) = self.watch.flush() {
            self.splat(splat, journal)?;
        }
        let State::Dying { reason, running, .. } = std::mem::replace(&mut self.state, State::Idle) else {
            return Ok(Wish::Nothing);
        };
        if let Some(mut running) = running {
            running.finish(journal)?;
            let seconds = running.began.elapsed().as_secs_f64();
            let (outcome, why) = running.lost(&reason);
            let test = running.job.id.clone();
            journal.add(Event::TestEnded { test, outcome, reason: Some(why), exit_code: None, seconds })?;
            self.done = Some(Done { splat: running.splat.is_some(), job: running.job, outcome });
        }
        self.end(true, &reason, journal)?;
        Ok(Wish::Retire { booted: self.booted })
    }

    fn end(&mut self, crashed: bool, reason: &str, journal: &mut Journal) -> Result<()> {
        let console_tail = if crashed { self.watch.tail().cloned().collect() } else { Vec::new() };
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
