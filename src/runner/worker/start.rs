//! How a test begins.

use super::super::capture::Capture;
use super::super::evidence::Evidence;
use super::super::job::{Job, Setup};
use super::super::journal::Journal;
use super::super::running::{Running, Stop};
use super::super::start::{self, Prepared};
use super::{State, Worker};
use crate::error::Result;
use crate::event::Event;
use crate::guest::protocol::{self, Io};
use std::time::Instant;

impl Worker {
    /// Begins the test that it was given.
    pub fn begin(&mut self, setup: &Setup, now: Instant, journal: &mut Journal) -> Result<()> {
        self.known_splats = self.splats.get();
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Waiting(job) => self.run(*job, setup, now, journal),
            other => {
                self.state = other;
                Ok(())
            }
        }
    }

    fn run(&mut self, job: Job, setup: &Setup, now: Instant, journal: &mut Journal) -> Result<()> {
        self.jobs += 1;
        self.tests.push(job.id.clone());
        let stem = format!("tests/{}", job.id.stem());
        let output = format!("{stem}.log");
        let tap = journal.path().join(format!("{stem}.tap"));
        let (suite, all_features) = (job.selection.test.suite, setup.conditions.all_features);
        let capture = Capture::create(suite, &journal.path().join(&output), &tap, all_features)?;
        let Prepared { argv, cwd, env, place } = start::prepare(&job, setup, journal)?;
        self.guest.run(protocol::Job { id: self.jobs, argv, cwd, env, io: Io::Merged });
        let mut evidence = None;
        if job.id.rerun > 0 {
            let (begun, watch) = Evidence::of_a_rerun(&job.id, journal)?;
            evidence = Some(begun);
            self.guest.run(watch);
        }
        let (vm, timeout) = (self.id(), job.timeout.as_secs());
        journal.add(Event::TestStarted { test: job.id.clone(), vm, timeout, output })?;
        if let Some(seed) = job.seed {
            journal.add(Event::Seed { test: job.id.clone(), seed })?;
        }
        self.state = State::Running(Box::new(Running {
            stop: if self.guest.link().only_reports() {
                Stop::ByGuest
            } else {
                Stop::NotYet(now + job.timeout)
            },
            job,
            id: self.jobs,
            capture,
            began: now,
            began_there: self.clock,
            ended: None,
            splat: None,
            evidence,
            place,
        }));
        Ok(())
    }
}
