//! The one event loop of a test step: spreads tests over VMs, and replaces those that are lost.

use super::assemble;
use super::journal::Journal;
use super::worker::{AFTER_SPLAT, Done, Wish, Worker};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Outcome, TestId};
use crate::plan::{Boots, Decision, GuestRules};
use crate::process::interrupt;
use crate::results::Test;
use crate::suite::{Conditions, Selection, Suite};
use crate::vm::session::VmId;
use crate::vm::{Message, Session, Spec};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::{Duration, Instant};

/// How many messages may wait: what bounds our memory, whatever the guests print.
const MESSAGES: usize = 128;

/// How often clocks are looked at.
const TICK: Duration = Duration::from_millis(100);

/// We were stopped, or our terminal was, if a round took longer: that is not the guests' time.
const STALL: Duration = Duration::from_secs(10);

/// So many times a test is repeated at most until it fails: each of them costs a little memory.
const REPEATS: u32 = 10_000;

/// A test to run, or a part of one.
#[derive(Debug, Clone)]
pub struct Job {
    /// Which run of which test.
    pub id: TestId,
    /// The test, with the arguments for this part of it, and which of its subtests count.
    pub selection: Selection,
    /// The name of the part, where it is one.
    pub shard: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// How long it will take, as far as one can tell.
    pub expected: Duration,
}

/// What holds for all tests.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub struct Orders {
    /// The guests.
    pub spec: Spec,
    /// The one in which a test is run again; none for one like the others.
    pub alone: Option<Alone>,
    /// How many there may be at the same time.
    pub vms: usize,
    /// Every test gets one of its own.
    pub fresh: bool,
    /// How many more times a failed test is run, alone, to tell a flake from a failure.
    pub confirm: u32,
    /// Run all tests again and again, until one fails.
    pub until_fail: bool,
    /// How long one may take to come up.
    pub boot_timeout: Duration,
    /// What becomes of one whose kernel is not well.
    pub rules: GuestRules,
    /// Where the tree's selftests are installed, as the guest sees it; none if no suite needs them.
    pub installed: Option<PathBuf>,
    /// Under which conditions the tests run.
    pub conditions: Conditions,
    /// Variables for the tests, which the user set.
    pub env: Vec<(String, String)>,
    /// Start nothing more after the first test that fails.
    pub fail_fast: bool,
}

impl Orders {
    /// Where the tests of a suite are started.
    pub fn directory_of(&self, suite: &Suite) -> PathBuf {
        let installed = self.installed.as_ref().zip(suite.needs.collection);
        installed.map_or_else(|| PathBuf::from("/"), |(dir, collection)| dir.join(collection))
    }
}

/// A guest that has the host for itself.
#[derive(Debug, Clone)]
pub struct Alone {
    /// The guest.
    pub spec: Spec,
    /// A directory of the host that it may write to, for tests that capture packets.
    pub captures: Option<PathBuf>,
}

/// Runs `jobs`. Their outcomes are in the journal; an error means that not all of them could be run.
pub fn run(jobs: Vec<Job>, orders: &Orders, journal: &mut Journal) -> Result<()> {
    let (sender, receiver) = mpsc::sync_channel(MESSAGES);
    let mut fleet = Fleet {
        orders,
        attempts: jobs.iter().map(|job| job.id.attempt).max().unwrap_or(0),
        round: jobs.iter().filter(|job| job.id.attempt == 1).cloned().collect(),
        queue: VecDeque::new(),
        doubtful: VecDeque::new(),
        workers: Vec::new(),
        sender,
        started: 0,
        alone: None,
        boots: Boots::new(orders.rules),
    };
    fleet.plan(jobs, journal)?;
    let outcome = fleet.serve(&receiver, journal);
    fleet.close(&outcome, &receiver, journal)?;
    for test in journal.summary().tests.iter().filter(|test| !test.shards.is_empty()) {
        assemble::whole(journal.path(), test)?;
    }
    outcome
}

struct Fleet<'a> {
    orders: &'a Orders,
    /// All tests, once.
    round: Vec<Job>,
    /// How many times they were planned.
    attempts: u32,
    queue: VecDeque<Job>,
    /// Tests that failed, and are run again when all others are over.
    doubtful: VecDeque<Job>,
    workers: Vec<Worker>,
    sender: SyncSender<(VmId, Message)>,
    started: VmId,
    /// The guest that was started for a test that failed, as [`Orders::alone`] says.
    alone: Option<VmId>,
    boots: Boots,
}

impl Fleet<'_> {
    /// Stops the guests. Where the work was ended early, what their tests said so far is kept.
    fn close(
        &mut self,
        outcome: &Result<()>,
        receiver: &Receiver<(VmId, Message)>,
        journal: &mut Journal,
    ) -> Result<()> {
        let Err(error) = outcome else {
            self.workers.drain(..).for_each(Worker::stop);
            return Ok(());
        };
        // What is on its way, and no more: a guest may print without an end.
        for (vm, message) in receiver.try_iter().take(MESSAGES) {
            if let Some(worker) = self.workers.iter_mut().find(|worker| worker.id() == vm) {
                worker.hear(message, journal)?;
            }
        }
        let reason = if error.kind() == Kind::Interrupted { "interrupted" } else { "the run ended early" };
        self.workers.drain(..).try_for_each(|worker| worker.abandon(reason, journal))
    }

    /// Puts jobs into the queue.
    fn plan(&mut self, mut jobs: Vec<Job>, journal: &mut Journal) -> Result<()> {
        let mut tests: Vec<TestId> = Vec::new();
        let mut parts: BTreeMap<TestId, Vec<String>> = BTreeMap::new();
        for job in &jobs {
            let whole = job.id.whole();
            if let Some(shard) = &job.shard {
                parts.entry(whole.clone()).or_default().push(shard.clone());
            }
            if tests.last() != Some(&whole) {
                tests.push(whole);
            }
        }
        journal.add(Event::TestsPlanned { tests })?;
        for (test, shards) in parts {
            journal.add(Event::TestSharded { test, shards })?;
        }
        if self.orders.vms > 1 {
            // The longest first: nobody waits in the end for one that began late.
            jobs.sort_by_key(|job| (job.id.attempt, std::cmp::Reverse(job.expected)));
        }
        self.queue.extend(jobs);
        Ok(())
    }

    fn serve(&mut self, receiver: &Receiver<(VmId, Message)>, journal: &mut Journal) -> Result<()> {
        let mut looked = Instant::now();
        loop {
            interrupt::check()?;
            self.muster(journal)?;
            if self.workers.is_empty() {
                return Ok(());
            }
            if let Ok((vm, message)) = receiver.recv_timeout(TICK) {
                // A VM that was replaced may have had the last word: nobody waits for it any more.
                if let Some(at) = self.workers.iter().position(|worker| worker.id() == vm) {
                    let wish = self.workers[at].hear(message, journal)?;
                    self.settle(at);
                    self.grant(at, &wish, journal)?;
                }
            }
            let stall = looked.elapsed();
            looked += stall;
            if stall > STALL {
                self.workers.iter_mut().for_each(|worker| worker.forgive(stall));
            }
            for at in (0..self.workers.len()).rev() {
                let wish = self.workers[at].tick(journal)?;
                self.settle(at);
                self.grant(at, &wish, journal)?;
            }
        }
    }

    /// A test that failed is run again later: a splat or a crash is none that may be a flake.
    fn settle(&mut self, at: usize) {
        if let Some(job) = self.workers[at].take_back() {
            let queue = if job.id.rerun > 0 { &mut self.doubtful } else { &mut self.queue };
            queue.push_front(job);
        }
        let Some(Done { mut job, outcome, splat }) = self.workers[at].take_done() else { return };
        let doubtful = matches!(outcome, Outcome::Fail | Outcome::Timeout) && !splat;
        let stops = self.orders.fail_fast || self.orders.until_fail;
        if doubtful && !stops && job.id.rerun < self.orders.confirm {
            job.id.rerun += 1;
            self.doubtful.push_back(job);
        }
    }

    /// Starts VMs while there is work for them.
    fn muster(&mut self, journal: &mut Journal) -> Result<()> {
        self.give_up_after_a_failure(journal);
        if self.queue.is_empty()
            && self.orders.until_fail
            && self.attempts < REPEATS
            && !a_test_failed(journal)
        {
            self.attempts += 1;
            let mut round = self.round.clone();
            for job in &mut round {
                job.id.attempt = self.attempts;
            }
            self.plan(round, journal)?;
        }
        if self.queue.is_empty() && self.workers.is_empty() && !self.doubtful.is_empty() {
            // Alone, in a fresh guest, on a host that has nothing else to do.
            let spec = self.orders.alone.as_ref().map_or(&self.orders.spec, |alone| &alone.spec);
            self.start(spec, journal)?;
            self.alone = Some(self.started);
            return Ok(());
        }
        let busy = self.workers.iter().filter(|worker| !worker.is_idle()).count();
        while self.workers.len() < self.orders.vms.max(1) && self.workers.len() - busy < self.queue.len() {
            self.start(&self.orders.spec, journal)?;
        }
        Ok(())
    }

    fn start(&mut self, spec: &Spec, journal: &mut Journal) -> Result<()> {
        self.started += 1;
        let console = format!("console-{}.log", self.started);
        let log = journal.path().join(&console);
        let accelerator = spec.backend.accelerator().to_owned();
        journal.add(Event::VmStarted { vm: self.started, accelerator, console })?;
        let session = Session::start(spec, &[], self.started, &log, self.sender.clone())?;
        let Orders { boot_timeout, rules, .. } = *self.orders;
        self.workers.push(Worker::new(self.started, session, boot_timeout, rules, spec));
        Ok(())
    }

    fn give_up_after_a_failure(&mut self, journal: &Journal) {
        if (self.orders.fail_fast || self.orders.until_fail) && a_test_failed(journal) {
            self.queue.clear();
        }
    }

    fn grant(&mut self, at: usize, wish: &Wish, journal: &mut Journal) -> Result<()> {
        match *wish {
            Wish::Nothing => Ok(()),
            Wish::Work => match self.next_job(at, journal) {
                Some(job) => {
                    self.workers[at].give(job);
                    Ok(())
                }
                None => self.leave(at, "done", journal),
            },
            Wish::Begin => self.begin(at, journal),
            Wish::Retire => {
                self.workers.remove(at).stop();
                Ok(())
            }
            Wish::Lost { served } => {
                let worker = self.workers.remove(at);
                let vm = worker.id();
                worker.stop();
                if !served {
                    return self.boot_failed(vm, journal);
                }
                Ok(())
            }
        }
    }

    /// The test that a worker runs next, if there is one for it.
    fn next_job(&mut self, at: usize, journal: &Journal) -> Option<Job> {
        self.give_up_after_a_failure(journal);
        let used = self.workers[at].is_used();
        // Not one that came up too late for the others, which is not like that.
        let alone = self.alone == Some(self.workers[at].id());
        match self.queue.is_empty() {
            true if used || !alone => None,
            true => self.doubtful.pop_front(),
            false if used && self.orders.fresh => None,
            false => self.queue.pop_front(),
        }
    }

    /// A test is about to begin: unless the kernel of its guest is not well.
    fn begin(&mut self, at: usize, journal: &mut Journal) -> Result<()> {
        let (fresh, vm) = (!self.workers[at].is_used(), self.workers[at].id());
        match self.boots.judge(fresh, self.workers[at].splatted()) {
            Decision::Use => self.workers[at].begin(self.orders, journal),
            Decision::UseAnyway => {
                let boots = self.orders.rules.boots;
                journal.warn(splats_at_every_boot(boots), Some(BOOT_SPLAT_HINT.to_owned()))?;
                self.workers[at].begin(self.orders, journal)
            }
            Decision::Replace | Decision::GiveUp if fresh => {
                journal.note(format!("VM {vm} is replaced: its kernel printed a splat during boot"))?;
                self.leave(at, "replaced after a splat during boot", journal)
            }
            Decision::Replace | Decision::GiveUp => self.leave(at, AFTER_SPLAT, journal),
        }
    }

    fn leave(&mut self, at: usize, reason: &str, journal: &mut Journal) -> Result<()> {
        let wish = self.workers[at].leave(reason, journal)?;
        self.settle(at);
        self.grant(at, &wish, journal)
    }

    fn boot_failed(&mut self, vm: VmId, journal: &mut Journal) -> Result<()> {
        let boots = self.orders.rules.boots;
        match self.boots.failed() {
            Decision::GiveUp => {
                let log = journal.path().join(format!("console-{vm}.log"));
                Err(did_not_come_up(boots).hint(self.orders.spec.backend.remedy(&log)))
            }
            _ => journal.note(format!("VM {vm} is replaced: it did not come up")),
        }
    }
}

/// What to do about a kernel that prints a splat at every boot.
pub(super) const BOOT_SPLAT_HINT: &str =
    "mend it first; where it is harmless, guests need not be replaced: vm.boots = 1";

/// Why tests run in a guest whose kernel printed a splat before them.
pub(super) fn splats_at_every_boot(boots: u32) -> String {
    let guests = if boots == 1 { "a guest".to_owned() } else { format!("{boots} guests in a row") };
    format!(
        "the kernel of {guests} printed a splat during boot: tests run all the same, but a checker that reports \
         only once, as lockdep, may be silent now"
    )
}

/// Why no further guest is tried.
pub(super) fn did_not_come_up(boots: u32) -> Error {
    let guests = if boots == 1 { "the guest".to_owned() } else { format!("{boots} guests in a row") };
    Error::cannot_run(format!("{guests} did not come up"))
}

fn a_test_failed(journal: &Journal) -> bool {
    journal.summary().tests.iter().any(Test::failed)
}
