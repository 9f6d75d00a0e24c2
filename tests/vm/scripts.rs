//! A fleet that runs scripts of our own, in this process.

use crate::lab::{VMPTCP, lab};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vmptcp::doctor;
use vmptcp::event::{Outcome, Progress, Record, TestId};
use vmptcp::plan::GuestRules;
use vmptcp::results::{Observer, Summary};
use vmptcp::runner::Journal;
use vmptcp::runner::fleet;
use vmptcp::runner::job::{Job, Setup};
use vmptcp::settings::Environment;
use vmptcp::store::RunDir;
use vmptcp::suite::{Conditions, Files, Selection, Tests, selftests};
use vmptcp::vm::accel::Accelerator;
use vmptcp::vm::backend::virtme::{Filesystem, Virtme};
use vmptcp::vm::machine::Machine;
use vmptcp::vm::root::Root;
use vmptcp::vm::{Listing, LiveHub, Spec, registry};

/// Tests of our own, and how they shall run.
pub struct Scripts {
    /// Where they are, with the run, and the list of guests.
    pub dir: tempfile::TempDir,
    pub jobs: Vec<Job>,
    pub setup: Setup,
    journal: Journal,
}

/// What came of them. The directory goes with it.
pub struct Done {
    pub summary: Summary,
    pub dir: tempfile::TempDir,
}

/// virtme-ng without KVM, whose guests see the host's files by this filesystem.
pub fn virtme(filesystem: Filesystem) -> Arc<Virtme> {
    let venv = Environment::from_process().cache_dir().expect("a cache").join("venv");
    Arc::new(Virtme {
        program: doctor::vng(&venv).expect("virtme-ng"),
        accelerator: Accelerator::Tcg,
        filesystem,
        hiding: None,
        qemu_args: vec![],
    })
}

impl Scripts {
    /// These shell scripts, one after the other in one guest, each stopped after `timeout` seconds.
    pub fn new(scripts: &[(&str, &str)], timeout: u64) -> Self {
        struct Nobody;
        impl Observer for Nobody {
            fn record(&mut self, _: &Record, _: &Summary) {}
            fn activity(&mut self, _: u32, _: &str) {}
            fn hide(&mut self) {}
            fn progress(&mut self, _: &Progress) {}
        }
        let dir = tempfile::tempdir().expect("a directory");
        let installed = dir.path().join("suite");
        let suite = installed.join(selftests::SUITE.needs.collection.expect("a collection"));
        fs::create_dir_all(&suite).expect("a directory");
        let jobs = scripts.iter().map(|(name, script)| job(&suite, name, script, timeout)).collect();
        let run = RunDir::create(&dir.path().join("runs")).expect("a run directory");
        let journal = Journal::new(run, Box::new(Nobody));
        let setup = Setup {
            spec: Spec {
                backend: virtme(Filesystem::NineP { cached: false }),
                machine: Machine {
                    kernel: lab().out(),
                    cpus: 1,
                    memory_mib: 512,
                    append: vec![],
                    seed: None,
                    root: Root { dir: "/".into(), shares: vec![], agent: VMPTCP.into() },
                    tmp: journal.tmp().expect("a directory"),
                },
                listing: Listing { dir: dir.path().join("guests"), purpose: "a test".to_owned() },
            },
            alone: None,
            vms: 1,
            fresh: false,
            confirm: 0,
            until_fail: false,
            boot_timeout: Duration::from_secs(180),
            rules: GuestRules::default(),
            installed: Some(installed),
            repositories: BTreeMap::new(),
            conditions: Conditions::default(),
            env: vec![],
            fail_fast: false,
            vary: Vec::new(),
            hunt: None,
        };
        Self { dir, jobs, setup, journal }
    }

    /// Runs them, and is interrupted.
    #[allow(dead_code, reason = "not every test binary does that")]
    pub fn run_interrupted(mut self) -> Done {
        let error = fleet::run(self.jobs, &self.setup, &mut LiveHub::default(), &mut self.journal)
            .expect_err("it was interrupted");
        assert_eq!(error.kind(), error::Kind::Interrupted, "{error}");
        Done { summary: self.journal.close(), dir: self.dir }
    }

    /// Runs them.
    pub fn run(mut self) -> Done {
        fleet::run(self.jobs, &self.setup, &mut LiveHub::default(), &mut self.journal)
            .expect("all tests were run");
        assert_eq!(registry::list(&self.setup.spec.listing.dir), [], "guests are still listed");
        Done { summary: self.journal.close(), dir: self.dir }
    }
}

fn job(dir: &Path, name: &str, script: &str, timeout: u64) -> Job {
    let program = format!("{name}.sh");
    let path = dir.join(&program);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    let Tests::Listed { list, .. } = selftests::SUITE.tests else { panic!("a suite that is listed") };
    let test = list(&OneScript { program, text: script.to_owned() }).expect("a test").tests.remove(0);
    Job {
        id: TestId::new("selftests", name, 1),
        shard: None,
        seed: None,
        timeout: Duration::from_secs(timeout),
        expected: Duration::ZERO,
        selection: Selection::whole(test),
    }
}

/// A collection with one script in it.
struct OneScript {
    program: String,
    text: String,
}

impl Files for OneScript {
    fn text(&self, path: &str) -> error::Result<String> {
        match path.rsplit('/').next() {
            Some("Makefile") => Ok(format!("TEST_PROGS := {}\n", self.program)),
            Some(name) if name == self.program => Ok(self.text.clone()),
            _ => Err(error::Error::usage(format!("no {path}"))),
        }
    }

    fn names(&self, _: &str) -> error::Result<Vec<String>> {
        Ok(vec![self.program.clone()])
    }
}

impl Done {
    /// Names and outcomes.
    pub fn outcomes(&self) -> Vec<(&str, Outcome)> {
        self.summary.tests.iter().map(|test| (&test.name[..], test.result.outcome)).collect()
    }
}
