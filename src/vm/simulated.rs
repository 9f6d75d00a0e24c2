//! Guests that follow a script, in a time that passes only when somebody waits: for the tests of all that waits for guests.

use super::hub::{Hub, Peer};
use super::message::{Message, VmId};
use super::spec::Spec;
use crate::error::{Error, Result};
use crate::guest::protocol::{Bytes, Exit, FromGuest, Job, JobId, Stream, ToGuest, VERSION};
use std::cell::{Ref, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long everything takes that takes no time.
const MOMENT: Duration = Duration::from_millis(1);

/// How far the console lags behind the agent.
const CONSOLE_LAG: Duration = Duration::from_millis(2);

/// Something that a guest does.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Its agent is up.
    Up,
    /// Its kernel prints a line.
    Kernel(String),
    /// A job prints a line.
    Print(String),
    /// A job took its input.
    Take,
    /// A job ends with this exit code.
    Exit(i32),
    /// A job ends by this signal.
    Die(i32),
    /// A job cannot be started.
    Refuse,
    /// A job's time is up, by the guest's clock.
    Expire,
    /// The guest's clock shows so many seconds.
    Clock(u64),
    /// The guest is gone at once.
    Crash,
    /// Only its process is seen to end.
    Vanish,
    /// It does nothing more.
    Freeze,
}

/// What a job does, and when, counted from its start.
#[derive(Debug, Clone, Default)]
pub(crate) struct JobScript {
    /// In order.
    pub acts: Vec<(Duration, Action)>,
    /// What ends it early.
    pub deaf: Deaf,
}

/// To which signals a job does not react.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Deaf {
    /// To none.
    #[default]
    No,
    /// To terminate.
    ToTerminate,
    /// To kill: the kernel is not well.
    ToAll,
}

/// What a guest does.
pub(crate) struct Script {
    /// By itself, counted from its start.
    pub acts: Vec<(Duration, Action)>,
    /// Since when it can be asked for memory leaks.
    pub leaks_since: Option<u64>,
    /// In a job.
    pub job: Box<dyn FnMut(&Job) -> JobScript>,
}

/// So many milliseconds.
pub(crate) fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Does this after so many milliseconds.
pub(crate) fn after(count: u64, act: Action) -> (Duration, Action) {
    (ms(count), act)
}

impl Script {
    /// A guest that is up after two seconds, and whose jobs do this.
    pub fn of(job: impl FnMut(&Job) -> JobScript + 'static) -> Self {
        Self { acts: vec![after(2000, Action::Up)], leaks_since: None, job: Box::new(job) }
    }
}

impl JobScript {
    /// These acts.
    pub fn of(acts: impl IntoIterator<Item = (Duration, Action)>) -> Self {
        Self { acts: acts.into_iter().collect(), deaf: Deaf::No }
    }
}

/// A guest of the simulation.
struct Actor {
    script: Script,
    /// The running jobs, and what they do not react to.
    jobs: BTreeMap<JobId, Deaf>,
    frozen: bool,
    vanished: bool,
    /// It was told everything before it booted, and hears nothing more.
    told: bool,
}

struct World {
    now: Instant,
    began: Instant,
    cast: Box<dyn FnMut(VmId) -> Script>,
    actors: BTreeMap<VmId, Actor>,
    /// What will happen, by time and in order: in which guest, in which job.
    future: BTreeMap<(Instant, u64), (VmId, Option<JobId>, Action)>,
    /// What has happened at once.
    present: Vec<(VmId, Message)>,
    count: u64,
    interrupted_at: Option<Instant>,
    log: Log,
}

/// What the guests' owner did.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// The guests that it started.
    pub started: Vec<(VmId, Spec)>,
    /// What it sent, and when.
    pub sent: Vec<(VmId, Duration, ToGuest)>,
    /// The guests that it stopped.
    pub stopped: BTreeSet<VmId>,
    /// The guests that it looked at from outside.
    pub examined: Vec<VmId>,
}

/// The guests of a test.
#[derive(Clone)]
pub(crate) struct Simulation(Rc<RefCell<World>>);

impl Simulation {
    /// `cast` gives each guest its script.
    pub fn new(cast: impl FnMut(VmId) -> Script + 'static) -> Self {
        let now = Instant::now();
        Self(Rc::new(RefCell::new(World {
            now,
            began: now,
            cast: Box::new(cast),
            actors: BTreeMap::new(),
            future: BTreeMap::new(),
            present: Vec::new(),
            count: 0,
            interrupted_at: None,
            log: Log::default(),
        })))
    }

    /// The user interrupts after so long.
    #[must_use]
    pub fn interrupted_after(self, time: Duration) -> Self {
        let at = self.0.borrow().began + time;
        self.0.borrow_mut().interrupted_at = Some(at);
        self
    }

    /// How long it took so far.
    pub fn elapsed(&self) -> Duration {
        let world = self.0.borrow();
        world.now - world.began
    }

    /// What was done to the guests.
    pub fn log(&self) -> Ref<'_, Log> {
        Ref::map(self.0.borrow(), |world| &world.log)
    }

    /// What was sent to a guest, without the pings.
    pub fn sent_to(&self, vm: VmId) -> Vec<ToGuest> {
        let log = self.log();
        let to = log.sent.iter().filter(|(to, _, request)| *to == vm && *request != ToGuest::Ping);
        to.map(|(_, _, request)| request.clone()).collect()
    }

    /// True if no guest is left.
    pub fn is_over(&self) -> bool {
        let log = self.log();
        log.started.iter().all(|(vm, _)| log.stopped.contains(vm))
    }
}

impl World {
    fn plan(&mut self, vm: VmId, job: Option<JobId>, after: Duration, act: Action) {
        self.count += 1;
        self.future.insert((self.now + after, self.count), (vm, job, act));
    }

    fn forget(&mut self, forget: impl Fn(VmId, Option<JobId>) -> bool) {
        self.future.retain(|_, (vm, job, _)| !forget(*vm, *job));
    }

    fn hears(&mut self, vm: VmId, request: &ToGuest) {
        let sent = (vm, self.now - self.began, request.clone());
        self.log.sent.push(sent);
        let Some(actor) = self.actors.get_mut(&vm).filter(|actor| !actor.frozen && !actor.told) else {
            return;
        };
        match request {
            ToGuest::Ping => self.present.push((vm, Message::Agent(FromGuest::Pong))),
            ToGuest::Mark { text } => {
                self.plan(vm, None, CONSOLE_LAG, Action::Kernel(format!("[    9.0] {text}")));
            }
            ToGuest::Run(job) => {
                let JobScript { acts, deaf } = (actor.script.job)(job);
                actor.jobs.insert(job.id, deaf);
                for (time, act) in acts {
                    self.plan(vm, Some(job.id), time + MOMENT, act);
                }
            }
            ToGuest::Signal { id, signal } => {
                let deaf = match actor.jobs.get(id) {
                    None | Some(Deaf::ToAll) => true,
                    Some(Deaf::ToTerminate) => *signal != nix::libc::SIGKILL,
                    Some(Deaf::No) => false,
                };
                if !deaf {
                    self.forget(|other, job| other == vm && job == Some(*id));
                    self.plan(vm, Some(*id), MOMENT, Action::Die(*signal));
                }
            }
            ToGuest::Bind { .. } | ToGuest::Stdin { .. } | ToGuest::Resize { .. } | ToGuest::Await { .. } => {
            }
        }
    }

    /// What an act makes the owner hear.
    fn happens(&mut self, vm: VmId, job: Option<JobId>, act: Action) {
        let id = job.unwrap_or(0);
        let Some(actor) = self.actors.get_mut(&vm) else { return };
        let ended = matches!(act, Action::Exit(_) | Action::Die(_) | Action::Refuse);
        let said = |message| vec![Message::Agent(message)];
        let messages = match act {
            Action::Up => said(FromGuest::Ready {
                version: VERSION,
                kernel: "6.12.0".to_owned(),
                cpus: 1,
                uptime_ms: 1000,
                leaks_since: actor.script.leaks_since,
            }),
            Action::Expire => said(FromGuest::Expired { id }),
            Action::Clock(seconds) => said(FromGuest::Clock { uptime_ms: seconds * 1000 }),
            Action::Kernel(line) => vec![Message::Console(line.into_bytes())],
            Action::Print(text) => {
                let data = Bytes(format!("{text}\n").into_bytes());
                said(FromGuest::Output { id, stream: Stream::Stdout, data })
            }
            Action::Take => said(FromGuest::StdinTaken { id }),
            Action::Exit(code) => said(FromGuest::Ended { id, exit: Exit::Code(code) }),
            Action::Die(signal) => said(FromGuest::Ended { id, exit: Exit::Signal(signal) }),
            Action::Refuse => said(FromGuest::Failed { id, why: "no such command".to_owned(), code: 127 }),
            Action::Crash => vec![Message::AgentGone, Message::ConsoleEnded],
            Action::Vanish => {
                actor.vanished = true;
                Vec::new()
            }
            Action::Freeze => Vec::new(),
        };
        if ended {
            actor.jobs.remove(&id);
        }
        if messages.contains(&Message::AgentGone) || !ended && messages.is_empty() {
            actor.frozen = true;
            self.forget(|other, _| other == vm);
        }
        self.present.extend(messages.into_iter().map(|message| (vm, message)));
    }

    fn said(&mut self) -> Option<(VmId, Message)> {
        (!self.present.is_empty()).then(|| self.present.remove(0))
    }
}

/// Where the guests of a simulation are started.
impl Hub for Simulation {
    fn now(&self) -> Instant {
        self.0.borrow().now
    }

    fn start(
        &mut self,
        spec: &Spec,
        requests: &[ToGuest],
        id: VmId,
        _console_log: &Path,
    ) -> Result<Box<dyn Peer>> {
        let mut world = self.0.borrow_mut();
        let script = (world.cast)(id);
        for (time, act) in script.acts.clone() {
            world.plan(id, None, time, act);
        }
        world.log.started.push((id, spec.clone()));
        let actor = Actor { script, jobs: BTreeMap::new(), frozen: false, vanished: false, told: false };
        world.actors.insert(id, actor);
        for request in requests {
            world.hears(id, request);
        }
        if let Some(actor) = world.actors.get_mut(&id) {
            actor.told = !requests.is_empty();
        }
        Ok(Box::new(Remote { world: Rc::clone(&self.0), id }))
    }

    fn next(&mut self, wait: Duration) -> Result<Option<(VmId, Message)>> {
        let mut world = self.0.borrow_mut();
        let limit = world.now + wait;
        if world.interrupted_at.is_some_and(|at| at <= world.now) {
            return Err(Error::interrupted());
        }
        loop {
            if let Some(said) = world.said() {
                return Ok(Some(said));
            }
            match world.future.first_key_value() {
                Some((&(due, _), _)) if due <= limit => {
                    world.now = world.now.max(due);
                    if let Some((_, (vm, job, act))) = world.future.pop_first() {
                        world.happens(vm, job, act);
                    }
                }
                _ => {
                    world.now = limit;
                    return Ok(None);
                }
            }
        }
    }

    fn pending(&mut self) -> Option<(VmId, Message)> {
        self.0.borrow_mut().said()
    }
}

/// A guest of a simulation, as its owner has it.
struct Remote {
    world: Rc<RefCell<World>>,
    id: VmId,
}

impl Peer for Remote {
    fn send(&self, request: ToGuest) {
        self.world.borrow_mut().hears(self.id, &request);
    }

    fn has_ended(&mut self) -> Result<bool> {
        Ok(self.world.borrow().actors.get(&self.id).is_some_and(|actor| actor.vanished))
    }

    fn examine(&self, _symbols: Option<&str>) -> Result<String> {
        self.world.borrow_mut().log.examined.push(self.id);
        Ok("RIP=ffffffff81000000\n".to_owned())
    }

    fn stop(self: Box<Self>) {
        let mut world = self.world.borrow_mut();
        world.forget(|vm, _| vm == self.id);
        world.present.retain(|(vm, _)| *vm != self.id);
        world.log.stopped.insert(self.id);
    }
}
