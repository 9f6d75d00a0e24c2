//! What the tests of the runner share: a run's directory, and guests that are never started for real.

use super::{Host, Journal};
use crate::error::{Error, Result};
use crate::event::{Event, Record};
use crate::guest::protocol::ToGuest;
use crate::kernel::build::Built;
use crate::plan::{BackendPlan, GuestPlan, GuestRules, RootPlan, VirtmePlan};
use crate::process::Cmd;
use crate::results::tests::Nobody;
use crate::runner::turns::Turn;
use crate::settings::Auto;
use crate::store::RunDir;
use crate::suite::selftests;
use crate::vm::accel::Accelerator;
use crate::vm::backend::{Backend, Capabilities, Requests, Started};
use crate::vm::machine::Machine;
use crate::vm::root::{Root, Share};
use crate::vm::{Listing, Spec};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// A run's directory and its journal.
pub(super) struct Bench {
    pub journal: Journal,
    /// Removed with it, unless the run is below a directory of somebody else's.
    _dir: Option<tempfile::TempDir>,
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let Self { journal, .. } = Self::below(&dir.path().join("runs"));
        Self { journal, _dir: Some(dir) }
    }

    /// A run below this directory.
    pub fn below(runs: &Path) -> Self {
        let run = RunDir::create(runs).unwrap();
        Self { journal: Journal::new(run, Box::new(Nobody)), _dir: None }
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        let record = |line: &str| serde_json::from_str::<Record>(line).unwrap().event;
        self.file("events.jsonl").lines().map(record).collect()
    }

    /// Why guests ended, in order, and whether they crashed.
    pub fn ends(&self) -> Vec<(u32, bool, String)> {
        let end = |event| match event {
            Event::VmEnded { vm, crashed, reason, .. } => Some((vm, crashed, reason)),
            _ => None,
        };
        self.events().into_iter().filter_map(end).collect()
    }

    /// A file of the run, as text.
    pub fn file(&self, name: &str) -> String {
        fs::read_to_string(self.journal.path().join(name)).unwrap()
    }
}

/// A backend whose guests only a simulation can start.
#[derive(Debug)]
struct Simulated {
    requests: Requests,
}

impl Backend for Simulated {
    fn capabilities(&self) -> Capabilities {
        Capabilities { requests: self.requests }
    }

    fn accelerator(&self) -> &'static str {
        "none"
    }

    fn filesystem(&self) -> &'static str {
        "none"
    }

    fn command(&self, _: &Machine, name: &str) -> Cmd {
        Cmd::new("simulate").arg(name)
    }

    fn start(&self, _: &Machine, _: &str, _: &[ToGuest]) -> Result<Started> {
        Err(Error::cannot_run("a simulated guest was started"))
    }

    fn remedy(&self, log: &Path) -> String {
        format!("see {}", log.display())
    }
}

/// A guest of that backend.
pub(super) fn spec() -> Spec {
    let share = Share { host: "/tree".into(), guest: "/tree".into(), writable: false };
    Spec {
        backend: Arc::new(Simulated { requests: Requests::AnyTime }),
        machine: Machine {
            kernel: "/build".into(),
            cpus: 1,
            memory_mib: 512,
            append: Vec::new(),
            seed: None,
            root: Root { dir: "/".into(), shares: vec![share], agent: "/vmptcp".into() },
            tmp: "/tmp".into(),
        },
        listing: Listing { dir: "/guests".into(), purpose: "a test".to_owned() },
    }
}

/// A guest of that backend that is told everything before it boots.
pub(super) fn told_spec() -> Spec {
    Spec { backend: Arc::new(Simulated { requests: Requests::AtBoot }), ..spec() }
}

/// A kernel that looks as if it were built, with installed selftests.
pub(super) fn built(dir: &Path) -> Built {
    let installed = dir.join("installed");
    fs::create_dir_all(installed.join(selftests::SUITE.needs.collection.unwrap())).unwrap();
    let config = dir.join(".config");
    fs::write(&config, "CONFIG_MPTCP=y\n").unwrap();
    Built {
        image: dir.join("image"),
        out_dir: dir.to_owned(),
        selftests: Some(installed),
        kernel_release: "6.12.0".to_owned(),
        config,
        steps: 1,
        seconds: 1.0,
        up_to_date: true,
        elsewhere: false,
    }
}

/// Guests of an emulator, with that kernel.
pub(super) fn guest_plan(dir: &Path) -> GuestPlan {
    GuestPlan {
        kernel: dir.to_owned(),
        slow_kernel: false,
        cpus: 1,
        memory_mib: 1,
        append: Vec::new(),
        backend: BackendPlan::Virtme(VirtmePlan {
            program: "/usr/bin/vng".into(),
            accelerator: Auto::Given(Accelerator::Tcg),
            filesystem: Auto::Auto,
            lean: false,
            qemu_args: Vec::new(),
        }),
        root: RootPlan {
            dir: "/".into(),
            ro: Vec::new(),
            rw: Vec::new(),
            agent: "/usr/bin/vmptcp".into(),
            cached: true,
        },
        boot_timeout: Auto::Auto,
        hold: false,
        unconfined: false,
        rules: GuestRules::default(),
        listing: Listing { dir: dir.join("guests"), purpose: "a test".to_owned() },
    }
}

/// Places on a machine of which all is below `dir`.
pub(super) fn host(dir: &Path) -> Host {
    Host { cache: dir.join("cache"), venv: dir.join("venv"), turn: Turn::alone() }
}
