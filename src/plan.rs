//! What will be done, as data: an ordered list of steps. Pure: nothing here looks at the machine.

mod fleet;
mod guest;
pub mod lab;
mod pace;
mod rules;
mod seeds;

pub use fleet::{Capacity, FleetPlan, share_of_cores};
pub use guest::{BackendPlan, FileServer, GuestPlan, RootPlan, VirtmeFacts, VirtmePlan, usual_parameters};
pub use pace::{Engine, Pace};
pub use rules::{Boots, Decision, GuestRules};
pub use seeds::Seeds;

use crate::event::{Portion, RunShard};
use crate::kernel::alias::Alias;
use crate::kernel::build::{self, BuildRequest};
use crate::kernel::kconfig::{self, ConfigureRequest};
use crate::kernel::pack::PackedRequest;
use crate::kernel::program::{self, ProgramRequest};
use crate::process::Cmd;
use crate::settings::Auto;
use crate::suite::{Conditions, SUITES, Selection, Site, Suite, Timeouts};
use crate::text::Shown;
use lab::LabPlan;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// What will be done, in order.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// What the user should know of it.
    pub notes: Vec<String>,
    /// It is one of several that together run all tests; with what each of them runs.
    pub shard: Option<(RunShard, Vec<Portion>)>,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One thing to do.
#[derive(Debug, Clone)]
pub enum Step {
    /// Resolve the kernel's configuration, and prove it.
    Configure(ConfigureRequest),
    /// Build the kernel, and what the suites need beside it.
    Build(BuildRequest),
    /// Take a kernel that was built elsewhere.
    Unpacked(Box<PackedRequest>),
    /// Build the program that runs the tests of a suite.
    Program(Box<ProgramRequest>),
    /// Run tests in guests.
    Test(Box<TestPlan>),
    /// Run sample programs or kernel modules in guests.
    Lab(LabPlan),
}

/// Which tests are to be run, and how.
#[derive(Debug, Clone)]
pub struct TestPlan {
    /// The tests, in order.
    pub selections: Vec<Selection>,
    /// What chose them: `profile NAME`, or `tests` where they were named.
    pub choice: String,
    /// How long each may take; not scaled yet for what is only known when the guest is.
    pub timeouts: Timeouts,
    /// What the random numbers of guests in virtual time come from: each test is run with each of them.
    pub seeds: Seeds,
    /// Somebody chose the seeds: they may be those of an earlier run, to see it again.
    pub seeds_chosen: bool,
    /// What of the links that tests emulate is drawn by the seed: words of the setting.
    pub vary: Vec<&'static str>,
    /// Each is run so many times.
    pub repeat: u32,
    /// Start nothing more after the first that fails.
    pub fail_fast: bool,
    /// Search the seeds for those with which it fails.
    pub hunt: Option<Hunt>,
    /// Under which conditions they run.
    pub conditions: Conditions,
    /// Whether the machine counts as slow.
    pub slow: Auto<bool>,
    /// By which factor deadlines within tests are relaxed.
    pub tolerance: Auto<u32>,
    /// Where the tests are of suites that have a repository, by suite.
    pub repositories: BTreeMap<&'static str, RepositoryPlace>,
    /// Variables for the tests, which the user set.
    pub env: Vec<(String, String)>,
    /// The guests to run them in.
    pub guest: GuestPlan,
    /// How many of them.
    pub fleet: FleetPlan,
    /// The file that knows how long tests took before.
    pub history: PathBuf,
    /// What is known of their subtests.
    pub known: KnownSubtests,
}

/// Where the tests of a suite are, and the program that runs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryPlace {
    /// The directory of the tests.
    pub tests: PathBuf,
    /// The program.
    pub program: PathBuf,
}

/// A search for seeds with which a test fails: none is tried again that was tried before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hunt {
    /// Start nothing more after this time.
    pub budget: Option<Duration>,
}

/// Where the subtests of earlier runs are remembered.
#[derive(Debug, Clone)]
pub struct KnownSubtests {
    /// The file.
    pub path: PathBuf,
    /// What the names depend on, by suite: its files, and the variables that it is given.
    pub keys: BTreeMap<&'static str, String>,
}

impl KnownSubtests {
    /// What the names of a suite's subtests depend on.
    pub fn key_of(&self, suite: &Suite) -> &str {
        self.keys.get(suite.id).map_or("", String::as_str)
    }
}

impl Step {
    /// Its name, in events and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Configure(_) => "configure",
            Self::Build(_) => "build",
            Self::Unpacked(_) => "unpacked",
            Self::Program(request) => request.recipe.name,
            Self::Test(_) => "test",
            Self::Lab(plan) => plan.suite.id,
        }
    }
}

impl Plan {
    /// The names of the steps.
    pub fn names(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.name().to_owned()).collect()
    }

    /// The suites that it runs.
    pub fn suites(&self) -> impl Iterator<Item = &'static Suite> {
        let of = |step: &Step| -> Vec<&'static Suite> {
            match step {
                Step::Test(plan) => plan.suites().collect(),
                Step::Lab(plan) => vec![plan.suite],
                Step::Configure(_) | Step::Build(_) | Step::Unpacked(_) | Step::Program(_) => Vec::new(),
            }
        };
        self.steps.iter().flat_map(of)
    }

    /// What kind of run it makes: what it tests, or else its last step. See [`TestPlan::choice`].
    pub fn kind(&self) -> String {
        let tests = |step: &Step| match step {
            Step::Test(plan) => Some(plan.choice.clone()),
            Step::Lab(plan) => Some(plan.suite.to_string()),
            Step::Configure(_) | Step::Build(_) | Step::Unpacked(_) | Step::Program(_) => None,
        };
        let tests: Vec<String> = self.steps.iter().filter_map(tests).collect();
        if tests.is_empty() {
            return self.steps.last().map(|step| step.name().to_owned()).unwrap_or_default();
        }
        tests.join(", ")
    }

    /// The plan for a person: every step, with every command in a form that can be pasted into a shell.
    pub fn render(&self) -> String {
        let mut text = self.notes.iter().fold(String::new(), |all, note| all + "note: " + note + "\n");
        for (number, step) in (1..).zip(&self.steps) {
            let _ = writeln!(text, "{number}. {}", step.name());
            for line in step.lines() {
                let _ = writeln!(text, "   {line}");
            }
        }
        text
    }
}

impl Step {
    fn lines(&self) -> Vec<String> {
        match self {
            Self::Configure(request) => {
                let count = request.sources.len();
                let mut lines = vec![format!(
                    "# skipped if the {count} fragments and symbols, and the tree's Kconfig files, did not change"
                )];
                lines
                    .extend(kconfig::commands_of(request, &Alias::default()).iter().map(ToString::to_string));
                lines
            }
            Self::Build(request) => {
                let mut lines = vec!["# skipped if no file of the tree changed".to_owned()];
                lines.extend(build::commands_of(request).iter().map(ToString::to_string));
                lines
            }
            Self::Unpacked(request) => vec![format!(
                "# the kernel {} of the pack in {}",
                request.variant,
                Shown::path(&request.tree)
            )],
            Self::Program(request) => vec![
                format!("# skipped if it is there: {}", Shown::path(&request.program())),
                format!("# in a copy of {}", Shown::path(&request.sources)),
                program::command_of(request).to_string(),
            ],
            Self::Test(plan) => plan.lines(),
            Self::Lab(plan) => plan.lines(),
        }
    }
}

impl TestPlan {
    /// Under which conditions the tests run, at this pace.
    pub fn conditions_at(&self, pace: Pace) -> Conditions {
        Conditions {
            slow: self.slow.unwrap_or_else(|| pace.is_slow()),
            misses_deadlines: self.conditions.misses_deadlines && !pace.is_virtual(),
            tolerance: self.tolerance.unwrap_or_else(|| pace.tolerance()),
            ..self.conditions
        }
    }

    /// True if a test of it can run in parts.
    pub fn can_be_divided(&self) -> bool {
        self.selections.iter().any(|selection| !selection.test.groups.is_empty())
    }

    /// True if it may be meant to show again what an earlier run showed.
    pub fn replays(&self) -> bool {
        self.seeds_chosen && self.hunt.is_none()
    }

    /// How often each test runs: with seeds, with each of them.
    pub fn attempts(&self, engine: Engine) -> u32 {
        self.repeat.saturating_mul(if engine.is_virtual() { self.seeds.count() } else { 1 })
    }

    /// How many more times a failed test is run, to tell a flake from a failure. The same seed makes the same run.
    pub fn reruns(&self, engine: Engine) -> u32 {
        if engine.is_virtual() { 0 } else { self.fleet.confirm }
    }

    fn lines(&self) -> Vec<String> {
        let spec = self.guest.outline();
        let mut lines: Vec<String> = self.guest.notes().into_iter().map(str::to_owned).collect();
        lines.push(match self.fleet.vms {
            Auto::Given(1) => "# one guest:".to_owned(),
            Auto::Given(vms) => format!("# up to {vms} guests:"),
            Auto::Auto => "# as many guests as the host carries:".to_owned(),
        });
        lines.push(spec.backend.command(&spec.machine, "SOCKET").to_string());
        for suite in self.suites() {
            let installed = suite.needs.collection;
            let installed = installed.map(|place| format!(", in {place} of the installed selftests"));
            let cloned = self.repositories.get(suite.id);
            let cloned = cloned.map(|place| format!(", in {}", Shown::path(&place.tests)));
            let place = installed.or(cloned).unwrap_or_default();
            lines.push(format!("# in the guest{place}, each with a time limit:"));
            lines.extend(self.of_suite(suite).map(|selection| self.command_line(selection)));
        }
        lines
    }

    fn command_line(&self, selection: &Selection) -> String {
        let test = &selection.test;
        let argv = (test.suite.start)(test, Site::default()).argv;
        let (program, args) = argv.split_first().map_or(("", &[][..]), |(program, args)| (program, args));
        let times = if self.repeat > 1 { format!("   # {} times", self.repeat) } else { String::new() };
        format!("{}{times}", Cmd::new(program).args(args))
    }

    /// The suites that the tests belong to, in the order in which they run.
    pub fn suites(&self) -> impl Iterator<Item = &'static Suite> {
        SUITES.iter().copied().filter(|suite| self.of_suite(suite).next().is_some())
    }

    /// The tests of a suite.
    pub fn of_suite(&self, suite: &Suite) -> impl Iterator<Item = &Selection> {
        self.selections.iter().filter(move |selection| selection.test.suite == suite)
    }
}
