//! The one event loop of a test step: spreads tests over VMs, and replaces those that are lost.

use super::journal::Journal;
use super::worker::{Wish, Worker};
use crate::error::{Error, Result};
use crate::event::{Event, TestId};
use crate::process::interrupt;
use crate::report::summary::Test;
use crate::suite::Selection;
use crate::vm::session::VmId;
use crate::vm::{Message, Session, Spec};
use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::{Duration, Instant};

/// How many messages may wait: what bounds our memory, whatever the guests print.
const MESSAGES: usize = 128;

/// How often clocks are looked at.
const TICK: Duration = Duration::from_millis(100);

/// We were stopped, or our terminal was, if a round took longer: that is not the guests' time.
const STALL: Duration = Duration::from_secs(10);

/// After so many boots in a row that failed, no further one is tried.
const BOOT_ATTEMPTS: u32 = 2;

/// A test to run.
#[derive(Debug, Clone)]
pub struct Job {
    /// Which run of which test.
    pub id: TestId,
    /// The test, and which of its subtests count.
    pub selection: Selection,
    /// How long it may take.
    pub timeout: Duration,
}

/// What holds for all tests.
#[derive(Debug, Clone)]
pub struct Orders {
    /// The guests.
    pub spec: Spec,
    /// How many there may be at the same time.
    pub vms: usize,
    /// How long one may take to come up.
    pub boot_timeout: Duration,
    /// Where the tests are, as the guest sees it.
    pub directory: String,
    /// Variables for the tests.
    pub env: Vec<(String, String)>,
    /// Start nothing more after the first test that fails.
    pub fail_fast: bool,
}

/// Runs `jobs`. Their outcomes are in the journal; an error means that not all of them could be run.
pub fn run(jobs: Vec<Job>, orders: &Orders, journal: &mut Journal) -> Result<()> {
    journal.add(Event::TestsPlanned { tests: jobs.iter().map(|job| job.id.clone()).collect() })?;
    let (sender, receiver) = mpsc::sync_channel(MESSAGES);
    let mut fleet =
        Fleet { orders, queue: jobs.into(), workers: Vec::new(), sender, started: 0, failed_boots: 0 };
    let outcome = fleet.serve(&receiver, journal);
    for worker in fleet.workers {
        worker.stop();
    }
    outcome
}

struct Fleet<'a> {
    orders: &'a Orders,
    queue: VecDeque<Job>,
    workers: Vec<Worker>,
    sender: SyncSender<(VmId, Message)>,
    started: VmId,
    failed_boots: u32,
}

impl Fleet<'_> {
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
                self.grant(at, &wish, journal)?;
            }
        }
    }

    /// Starts VMs while there is work for them.
    fn muster(&mut self, journal: &mut Journal) -> Result<()> {
        self.give_up_after_a_failure(journal);
        let busy = self.workers.iter().filter(|worker| !worker.is_idle()).count();
        while self.workers.len() < self.orders.vms.max(1) && self.workers.len() - busy < self.queue.len() {
            self.started += 1;
            let console = format!("console-{}.log", self.started);
            let spec = &self.orders.spec;
            let log = journal.path().join(&console);
            let accelerator = if spec.kvm { "kvm" } else { "tcg" }.to_owned();
            journal.add(Event::VmStarted { vm: self.started, accelerator, console })?;
            let session = Session::start(spec, self.started, &log, self.sender.clone())?;
            self.workers.push(Worker::new(self.started, session, self.orders.boot_timeout, spec.binds()));
        }
        Ok(())
    }

    fn give_up_after_a_failure(&mut self, journal: &Journal) {
        if self.orders.fail_fast && journal.summary().tests.iter().any(Test::failed) {
            self.queue.clear();
        }
    }

    fn grant(&mut self, at: usize, wish: &Wish, journal: &mut Journal) -> Result<()> {
        match *wish {
            Wish::Nothing => {}
            Wish::Work => {
                self.failed_boots = 0;
                self.give_up_after_a_failure(journal);
                match self.queue.pop_front() {
                    Some(job) => self.workers[at].run(job, self.orders, journal)?,
                    None => self.workers.remove(at).dismiss(journal)?,
                }
            }
            Wish::Retire { booted } => {
                self.workers.remove(at).stop();
                self.failed_boots = if booted { 0 } else { self.failed_boots + 1 };
                if self.failed_boots >= BOOT_ATTEMPTS {
                    let log = journal.path().join(format!("console-{}.log", self.started));
                    return Err(Error::cannot_run(format!(
                        "{BOOT_ATTEMPTS} guests in a row did not come up"
                    ))
                    .hint(self.orders.spec.remedy(&log)));
                }
            }
        }
        Ok(())
    }
}
