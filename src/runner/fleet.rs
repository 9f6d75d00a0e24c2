//! The one event loop of a test step: spreads tests over VMs, and replaces those that are lost.

use super::assemble;
use super::job::{Job, Setup};
use super::journal::Journal;
use super::worker::{self, AFTER_SPLAT, Done, Request, Worker};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Outcome, TestId};
use crate::guest::protocol::ToGuest;
use crate::plan::{Boots, Decision};
use crate::results::Test;
use crate::vm::backend::Requests;
use crate::vm::{Guest, Hub, MESSAGES_LIMIT, Spec, VmId};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How often clocks are looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How often a test is repeated at most until it fails: each time costs a little memory.
const MAX_REPEATS: u32 = 10_000;

/// Runs `jobs` in guests of `hub`. Their outcomes are in the journal; an error means that not all of them could be run.
pub fn run(jobs: Vec<Job>, setup: &Setup, hub: &mut dyn Hub, journal: &mut Journal) -> Result<()> {
    let budget = setup.hunt.and_then(|hunt| hunt.budget);
    let mut fleet = Fleet {
        deadline: budget.and_then(|budget| hub.now().checked_add(budget)),
        upcoming: VecDeque::new(),
        setup,
        hub,
        attempts: jobs.iter().map(|job| job.id.attempt).max().unwrap_or(0),
        round: jobs.iter().filter(|job| job.id.attempt == 1).cloned().collect(),
        queue: VecDeque::new(),
        rerun_queue: VecDeque::new(),
        workers: Vec::new(),
        started: 0,
        alone: None,
        boots: Boots::new(setup.rules),
    };
    if setup.hunt.is_some() {
        fleet.upcoming.extend(jobs);
    } else {
        fleet.plan(jobs, journal)?;
    }
    let outcome = fleet.serve(journal);
    fleet.close(&outcome, journal)?;
    for test in journal.summary().tests.iter().filter(|test| !test.shards.is_empty()) {
        assemble::whole(journal.path(), test)?;
    }
    outcome
}

struct Fleet<'a> {
    setup: &'a Setup,
    hub: &'a mut dyn Hub,
    /// All tests, once.
    round: Vec<Job>,
    /// How many times they were planned.
    attempts: u32,
    /// Tests of a hunt that are not planned yet.
    upcoming: VecDeque<Job>,
    /// When a hunt starts nothing more.
    deadline: Option<Instant>,
    queue: VecDeque<Job>,
    /// Tests that failed, and are run again when all others are over.
    rerun_queue: VecDeque<Job>,
    workers: Vec<Worker>,
    started: VmId,
    /// The guest that was started for a test that failed, as [`Setup::alone`] says.
    alone: Option<VmId>,
    boots: Boots,
}

impl Fleet<'_> {
    /// Stops the guests. Where the work was ended early, what their tests said so far is kept.
    fn close(&mut self, outcome: &Result<()>, journal: &mut Journal) -> Result<()> {
        let Err(error) = outcome else {
            self.workers.drain(..).for_each(Worker::stop);
            return Ok(());
        };
        let now = self.hub.now();
        // What is on its way, and no more: a guest may print without an end.
        for _ in 0..MESSAGES_LIMIT {
            let Some((vm, message)) = self.hub.pending() else { break };
            if let Some(worker) = self.workers.iter_mut().find(|worker| worker.id() == vm) {
                worker.hear(message, now, journal)?;
            }
        }
        let reason = if error.kind() == Kind::Interrupted { "interrupted" } else { "the run ended early" };
        self.workers.drain(..).try_for_each(|worker| worker.abandon(reason, now, journal))
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
        journal.add(Event::TestsPlanned { tests, step: None })?;
        for (test, shards) in parts {
            journal.add(Event::TestSharded { test, shards })?;
        }
        if self.setup.vms > 1 {
            // The longest first: nobody waits in the end for one that began late.
            jobs.sort_by_key(|job| (job.id.attempt, std::cmp::Reverse(job.expected)));
        }
        self.queue.extend(jobs);
        Ok(())
    }

    fn serve(&mut self, journal: &mut Journal) -> Result<()> {
        loop {
            self.plan_next_round(journal)?;
            self.start_guests(journal)?;
            if self.workers.is_empty() {
                return Ok(());
            }
            let heard = self.hub.next(POLL_INTERVAL)?;
            let now = self.hub.now();
            if let Some((vm, message)) = heard {
                // A guest that was replaced may have had the last word: nothing depends on it any more.
                if let Some(at) = self.workers.iter().position(|worker| worker.id() == vm) {
                    let request = self.workers[at].hear(message, now, journal)?;
                    self.settle(at);
                    self.dispatch(at, &request, journal)?;
                }
            }
            for at in (0..self.workers.len()).rev() {
                let request = self.workers[at].tick(now, journal)?;
                self.settle(at);
                self.dispatch(at, &request, journal)?;
            }
        }
    }

    /// A test that failed is run again later, and one that did not begin as soon as there is a guest for it. A splat or a
    /// crash is none that may be a flake.
    fn settle(&mut self, at: usize) {
        if let Some(job) = self.workers[at].take_returned() {
            let queue = if job.id.rerun > 0 { &mut self.rerun_queue } else { &mut self.queue };
            queue.push_front(job);
        }
        let Some(Done { mut job, outcome, splat }) = self.workers[at].take_done() else { return };
        let may_be_a_flake = matches!(outcome, Outcome::Fail | Outcome::Timeout) && !splat;
        let stops = self.setup.fail_fast || self.setup.until_fail;
        if may_be_a_flake && !stops && job.id.rerun < self.setup.confirm {
            job.id.rerun += 1;
            self.rerun_queue.push_back(job);
        }
    }

    /// Repeats all tests if that is wanted, and none failed.
    fn plan_next_round(&mut self, journal: &mut Journal) -> Result<()> {
        self.give_up_after_a_failure(journal);
        self.plan_upcoming(journal)?;
        let goes_on = self.setup.until_fail && self.attempts < MAX_REPEATS;
        if !goes_on || !self.queue.is_empty() || a_test_failed(journal) {
            return Ok(());
        }
        self.attempts += 1;
        let mut round = self.round.clone();
        for job in &mut round {
            job.id.attempt = self.attempts;
        }
        self.plan(round, journal)
    }

    /// Plans as many tests of a hunt as there is room for now.
    fn plan_upcoming(&mut self, journal: &mut Journal) -> Result<()> {
        if self.deadline.is_some_and(|deadline| self.hub.now() >= deadline) {
            self.upcoming.clear();
        }
        while self.queue.len() + self.workers.len() < self.setup.vms.max(1)
            && let Some(job) = self.upcoming.pop_front()
        {
            self.plan(vec![job], journal)?;
        }
        Ok(())
    }

    /// Starts guests while there is work for them.
    fn start_guests(&mut self, journal: &mut Journal) -> Result<()> {
        if self.queue.is_empty() && self.workers.is_empty() && !self.rerun_queue.is_empty() {
            // Alone, in a fresh guest, on a host that has nothing else to do.
            let setup = self.setup;
            self.start(setup.alone.as_ref().map_or(&setup.spec, |alone| &alone.spec), journal)?;
            self.alone = Some(self.started);
            return Ok(());
        }
        if self.setup.spec.backend.capabilities().requests == Requests::AtBoot {
            while self.workers.len() < self.setup.vms.max(1)
                && let Some(job) = self.queue.pop_front()
            {
                self.start_with(job, journal)?;
            }
            return Ok(());
        }
        let busy = self.workers.iter().filter(|worker| !worker.is_available()).count();
        while self.workers.len() < self.setup.vms.max(1) && self.workers.len() - busy < self.queue.len() {
            self.start(&self.setup.spec, journal)?;
        }
        Ok(())
    }

    fn start(&mut self, spec: &Spec, journal: &mut Journal) -> Result<()> {
        let guest = self.boot(spec, &[], journal)?;
        self.workers.push(Worker::new(guest, self.setup.rules));
        Ok(())
    }

    /// Starts a guest that is told its one test before it boots.
    fn start_with(&mut self, job: Job, journal: &mut Journal) -> Result<()> {
        let requests = worker::requests(&job, self.setup, journal)?;
        let mut spec = self.setup.spec.clone();
        spec.machine.seed = job.seed;
        let guest = self.boot(&spec, &requests, journal)?;
        self.workers.push(Worker::told(guest, self.setup.rules, job));
        Ok(())
    }

    fn boot(&mut self, spec: &Spec, requests: &[ToGuest], journal: &mut Journal) -> Result<Guest> {
        self.started += 1;
        let console = format!("console-{}.log", self.started);
        let log = journal.path().join(&console);
        let accelerator = spec.backend.accelerator().to_owned();
        journal.add(Event::VmStarted { vm: self.started, accelerator, console })?;
        Guest::start(self.hub, spec, requests, self.started, self.setup.boot_timeout, &log)
    }

    fn give_up_after_a_failure(&mut self, journal: &Journal) {
        if (self.setup.fail_fast || self.setup.until_fail) && a_test_failed(journal) {
            self.queue.clear();
            self.upcoming.clear();
        }
    }

    fn dispatch(&mut self, at: usize, request: &Request, journal: &mut Journal) -> Result<()> {
        match *request {
            Request::Nothing => Ok(()),
            Request::Work => match self.next_job(at, journal) {
                Some(job) => {
                    let now = self.hub.now();
                    self.workers[at].give(job, now);
                    Ok(())
                }
                None => self.leave(at, "done", journal),
            },
            Request::Begin => self.begin(at, journal),
            Request::Retire => {
                self.workers.remove(at).stop();
                Ok(())
            }
            Request::Replace { served } => {
                let worker = self.workers.remove(at);
                let vm = worker.id();
                worker.stop();
                if served { Ok(()) } else { self.boot_failed(vm, journal) }
            }
        }
    }

    /// The test that a worker runs next, if there is one for it.
    fn next_job(&mut self, at: usize, journal: &Journal) -> Option<Job> {
        if let Some(job) = self.workers[at].take_told() {
            return Some(job);
        }
        self.give_up_after_a_failure(journal);
        let used = self.workers[at].is_used();
        // Not one that came up too late for the others, which is not like that.
        let alone = self.alone == Some(self.workers[at].id());
        match self.queue.is_empty() {
            true if used || !alone => None,
            true => self.rerun_queue.pop_front(),
            // A guest that takes no requests has run its only test.
            false if used && (self.setup.fresh || self.workers[at].only_reports()) => None,
            false => self.queue.pop_front(),
        }
    }

    /// A test is about to begin: unless the kernel of its guest is not well.
    fn begin(&mut self, at: usize, journal: &mut Journal) -> Result<()> {
        let (fresh, vm) = (!self.workers[at].is_used(), self.workers[at].id());
        let now = self.hub.now();
        match self.boots.judge(fresh, self.workers[at].splatted()) {
            Decision::Use => self.workers[at].begin(self.setup, now, journal),
            Decision::UseAnyway => {
                let boots = self.setup.rules.boots;
                journal.warn(splats_at_every_boot(boots), Some(BOOT_SPLAT_HINT.to_owned()))?;
                self.workers[at].begin(self.setup, now, journal)
            }
            Decision::Replace | Decision::GiveUp if fresh => {
                journal.note(format!("VM {vm} is replaced: its kernel printed a splat during boot"))?;
                self.leave(at, "replaced after a splat during boot", journal)
            }
            Decision::Replace | Decision::GiveUp => self.leave(at, AFTER_SPLAT, journal),
        }
    }

    fn leave(&mut self, at: usize, reason: &str, journal: &mut Journal) -> Result<()> {
        let now = self.hub.now();
        let request = self.workers[at].leave(reason, now, journal)?;
        self.settle(at);
        self.dispatch(at, &request, journal)
    }

    fn boot_failed(&mut self, vm: VmId, journal: &mut Journal) -> Result<()> {
        let boots = self.setup.rules.boots;
        match self.boots.failed() {
            Decision::GiveUp => {
                let log = journal.path().join(format!("console-{vm}.log"));
                Err(did_not_come_up(boots).hint(self.setup.spec.backend.remedy(&log)))
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

#[cfg(test)]
mod tests;
