//! The state of a run, and what can be asked of it.

use super::{Evidence, Keyed, Splat, Step, Test, Validation, Vm, Warning};
use crate::error::ExitCode;
use crate::event::{Outcome, RunShard, TestId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// All that is known of a run. It is also the content of `results.json`, see `docs/results.md`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// The version of this format.
    pub schema: u32,
    /// Of vmptcp.
    pub version: String,
    /// The command line, as it was given.
    pub argv: Vec<String>,
    /// What kind of run it is.
    pub kind: String,
    /// When the run began.
    pub started: Option<jiff::Timestamp>,
    /// From the first event to the last, in seconds.
    pub seconds: f64,
    /// The verdict.
    pub verdict: Verdict,
    /// What the results depend on.
    pub provenance: BTreeMap<String, String>,
    /// Which of several runs it is that run the tests together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<RunShard>,
    /// The steps, in the order in which they were planned.
    pub steps: Keyed<String, Step>,
    /// The tests, in the order in which they were planned; every attempt of each.
    pub tests: Keyed<TestId, Test>,
    /// The VMs, in the order in which they were started.
    pub vms: Keyed<u32, Vm>,
    /// Splats of the guests' kernels.
    pub splats: Vec<Splat>,
    /// What was collected about tests and VMs that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// What is probably wrong.
    pub warnings: Vec<Warning>,
    /// Why the run ended early, if it did.
    pub error: Option<Warning>,
    /// The exit code of the invocation, once it ended.
    pub exit_code: Option<u8>,
    /// What the checks found, where it is a validation.
    #[serde(flatten)]
    pub validation: Option<Validation>,
    /// The step that runs, or ran last.
    #[serde(skip)]
    pub(super) runs: Option<String>,
    /// Where in `splats` the one of each fingerprint is.
    #[serde(skip)]
    pub(super) causes: HashMap<String, usize>,
}

/// The verdict on a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It did not end: it still goes on, or it was killed.
    #[default]
    Unfinished,
    /// Everything ran and passed.
    Passed,
    /// At least one test failed.
    Failed,
    /// A guest crashed or hung.
    Crashed,
    /// A kernel printed a splat, and every guest lived on.
    Splat,
    /// The kernel could not be configured or built.
    BuildFailed,
    /// The job could not be done.
    CouldNotRun,
    /// Somebody stopped it.
    Interrupted,
}

impl Verdict {
    /// The word for a person.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Crashed => "crashed",
            Self::Splat => "kernel splat",
            Self::BuildFailed => "build failed",
            Self::CouldNotRun => "could not run",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Summary {
    /// True if a kernel printed a splat that stands against the run.
    pub fn has_splat(&self) -> bool {
        self.splats.iter().any(|splat| !splat.notice)
    }

    /// True if a guest crashed or hung that had come up. One that did not was replaced, or there was no run.
    pub fn has_crash(&self) -> bool {
        let lost = |vm: &Vm| vm.crashed && vm.boot_seconds.is_some();
        let crashed = |test: &Test| test.result.outcome == Outcome::Crash;
        self.vms.iter().any(lost) || self.tests.iter().any(crashed)
    }

    /// True if a kernel printed a splat that stands against the run, or one and then came up in no guest.
    pub fn kernel_failed(&self) -> bool {
        self.has_splat() || (!self.splats.is_empty() && self.vms.iter().all(|vm| vm.crashed))
    }

    /// The names, for a person, of the tests that were skipped as a whole or in part.
    pub fn skipped(&self) -> BTreeSet<String> {
        let skipped = |test: &&Test| {
            let mut parts = test.result.subtests.iter().map(|subtest| subtest.outcome);
            test.result.outcome == Outcome::Skip || parts.any(|outcome| outcome == Outcome::Skip)
        };
        self.tests.iter().filter(skipped).map(Test::label).collect()
    }

    /// The exit code that the tests, splats and checks so far call for.
    pub fn exit_code_so_far(&self) -> ExitCode {
        if self.validation.as_ref().is_some_and(|validation| !validation.passed()) {
            ExitCode::TestsFailed
        } else if self.has_splat() || self.has_crash() {
            ExitCode::Crashed
        } else if self.tests.iter().all(|test| test.result.outcome.is_ok()) {
            ExitCode::Passed
        } else {
            ExitCode::TestsFailed
        }
    }

    /// What an exit code means for the run that ended with it.
    pub(super) fn verdict_of(&self, exit_code: u8) -> Verdict {
        // A kernel that came up in no guest is gone as well.
        let gone = self.has_crash() || self.vms.iter().all(|vm| vm.crashed);
        let verdicts = [
            (ExitCode::Passed, Verdict::Passed),
            (ExitCode::TestsFailed, Verdict::Failed),
            (ExitCode::Crashed, if gone { Verdict::Crashed } else { Verdict::Splat }),
            (ExitCode::BuildFailed, Verdict::BuildFailed),
            (ExitCode::Interrupted, Verdict::Interrupted),
            (ExitCode::CannotRun, Verdict::CouldNotRun),
        ];
        let known = verdicts.iter().find(|(code, _)| *code as u8 == exit_code);
        known.map_or(Verdict::CouldNotRun, |(_, verdict)| *verdict)
    }

    /// How many tests ended this way.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.tests.iter().filter(|test| test.result.outcome == outcome).count()
    }

    /// A test, of which `id` may be a part or a rerun.
    pub fn test(&self, id: &TestId) -> Option<&Test> {
        self.tests.get(&id.whole())
    }

    /// What was collected about a test; about none, with `None`.
    pub fn evidence_of(&self, test: Option<&Test>) -> impl Iterator<Item = &Evidence> {
        self.evidence.iter().filter(move |evidence| match (&evidence.test, test) {
            (Some(id), Some(test)) => test.is(id),
            (about, test) => about.is_none() && test.is_none(),
        })
    }
}
