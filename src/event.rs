//! What happens during a run: facts only. `events.jsonl` holds one [`Record`] a line, and every report is made from it.

mod check;
pub mod connections;
mod id;
mod rename;
mod series;
mod shard;

pub use check::{CheckId, CheckOn, CheckResult, Finding, Severity, Status};
pub use id::{DEFAULT_SUITE, TestId, label, label_on};
pub use rename::Names;
pub use series::{GIVEN, PatchInfo, SeriesInfo};
pub use shard::{Portion, RunShard};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The version of the format of `events.jsonl` and `results.json`.
pub const SCHEMA: u32 = 3;

/// The name of the step in which a command runs in a guest, with our streams as its own.
pub const GUEST_STEP: &str = "guest";

/// The directory, in that of a run on several kernels, that has a run for each of them.
pub const PARTS: &str = "variants";

/// An event and when it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Wall-clock time, UTC.
    pub time: jiff::Timestamp,
    /// Since the run began, in milliseconds, by a clock that never jumps.
    pub at_ms: u64,
    /// The fact.
    #[serde(flatten)]
    pub event: Event,
}

/// A fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The first event of a run.
    RunStarted {
        /// [`SCHEMA`].
        schema: u32,
        /// Of vmptcp.
        version: String,
        /// The command line, as it was given.
        argv: Vec<String>,
        /// Names of the steps that will be taken.
        steps: Vec<String>,
        /// What kind of run it is: runs of each kind are kept for themselves. Empty in runs of older versions.
        #[serde(default)]
        kind: String,
    },
    /// What the results depend on: commit, configuration, compiler, versions, machine.
    Provenance {
        /// The step that they are about; none for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
        /// Names and values.
        facts: BTreeMap<String, String>,
    },
    /// Something that the user should know and that is no error.
    Note {
        /// What.
        text: String,
    },
    /// Something that is probably wrong.
    Warning {
        /// What.
        text: String,
        /// The remedy.
        hint: Option<String>,
    },
    /// A step begins.
    StepStarted {
        /// Its name.
        step: String,
    },
    /// A step is over.
    StepEnded {
        /// Its name.
        step: String,
        /// How.
        status: StepStatus,
        /// What it did, or why it failed.
        detail: String,
        /// How long it took, in seconds.
        seconds: f64,
    },
    /// These tests shall run, in this order.
    TestsPlanned {
        /// Which runs of which tests.
        tests: Vec<TestId>,
        /// The step in which they run; none for the one that began last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
    },
    /// This run is one of several that run the tests together, each on a machine of its own.
    RunSharded {
        /// Which of them.
        #[serde(flatten)]
        shard: RunShard,
        /// What each of them runs: the whole choice of tests, in order.
        division: Vec<Portion>,
    },
    /// A test will run in parts, on several VMs.
    TestSharded {
        /// Which run of which test.
        test: TestId,
        /// The names of its parts, in the order in which the whole test would run them.
        shards: Vec<String>,
    },
    /// A VM was started.
    VmStarted {
        /// Its number.
        vm: u32,
        /// `kvm` or `tcg`.
        accelerator: String,
        /// The console log, relative to the run directory.
        console: String,
    },
    /// Its agent answered.
    VmReady {
        /// Its number.
        vm: u32,
        /// `uname -r`.
        kernel: String,
        /// From the start of virtme-ng to the agent's first word, in seconds.
        seconds: f64,
    },
    /// It is gone.
    VmEnded {
        /// Its number.
        vm: u32,
        /// Was this its own doing: a crash, a hang, a boot that failed?
        crashed: bool,
        /// Why.
        reason: String,
        /// The end of its console, where that tells something.
        console_tail: Vec<String>,
    },
    /// A test begins.
    TestStarted {
        /// Which run of which test.
        test: TestId,
        /// On which VM.
        vm: u32,
        /// After how many seconds it will be stopped.
        timeout: u64,
        /// The file with its raw output, relative to the run directory.
        output: String,
    },
    /// All random numbers of a test's guest come from a seed: the same again make the same run.
    Seed {
        /// Which run of which test.
        test: TestId,
        /// The seed.
        seed: u64,
    },
    /// How long a test took by its guest's clock, which is not the host's.
    VirtualTime {
        /// Which run of which test.
        test: TestId,
        /// In seconds.
        seconds: f64,
    },
    /// A subtest is over.
    Subtest {
        /// Which run of which test.
        test: TestId,
        /// The result.
        result: Subtest,
    },
    /// Subtests that ran and do not count, as a filter asked for others.
    LeftOut {
        /// Which run of which test.
        test: TestId,
        /// Their names.
        names: Vec<String>,
    },
    /// Something was collected that may tell why a test failed, or a VM.
    Evidence {
        /// The test that it is about.
        test: Option<TestId>,
        /// What it is.
        what: String,
        /// Its file, relative to the run directory.
        file: String,
    },
    /// Which protocol the connections of a test used.
    #[serde(rename = "wire")]
    Connections {
        /// Which run of which test.
        test: TestId,
        /// What was observed.
        #[serde(rename = "wire")]
        observed: connections::Connections,
    },
    /// The kernel printed a splat.
    Splat {
        /// On which VM.
        vm: u32,
        /// The test that ran at the time.
        test: Option<TestId>,
        /// The tests of which any may be the cause, where it was found only after several: a leak.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        candidates: Vec<TestId>,
        /// It came while the guest booted, before any test.
        #[serde(default, skip_serializing_if = "is_false")]
        boot: bool,
        /// The settings make a notice of it: it does not stand against the run.
        #[serde(default, skip_serializing_if = "is_false")]
        notice: bool,
        /// What it shares with others of the same cause.
        #[serde(default)]
        fingerprint: String,
        /// Its first telling line.
        title: String,
        /// All of its lines, the first 200 at most.
        lines: Vec<String>,
    },
    /// A test is over.
    TestEnded {
        /// Which run of which test.
        test: TestId,
        /// How.
        outcome: Outcome,
        /// Why, if not simply by its exit code.
        reason: Option<String>,
        /// Its exit code, if it ended by itself.
        exit_code: Option<i32>,
        /// How long it took, in seconds.
        seconds: f64,
    },
    /// A series is about to be validated.
    Series {
        /// What is known of it.
        #[serde(flatten)]
        series: SeriesInfo,
    },
    /// These checks shall be done, in this order.
    ChecksPlanned {
        /// Which, on what.
        checks: Vec<CheckOn>,
    },
    /// A check begins, or its next part does.
    CheckStarted {
        /// Which, on what.
        #[serde(flatten)]
        on: CheckOn,
        /// The part; empty if there is only one.
        detail: String,
    },
    /// A check is over.
    CheckEnded {
        /// How.
        #[serde(flatten)]
        result: CheckResult,
    },
    /// The last event of a run.
    RunEnded {
        /// The exit code of the invocation.
        exit_code: u8,
        /// Why it ended early, if it did.
        error: Option<String>,
        /// What to do about that.
        hint: Option<String>,
    },
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepStatus {
    /// It did its work.
    Done,
    /// There was nothing to do.
    UpToDate,
    /// It failed.
    Failed,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The result of one subtest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subtest {
    /// Its number in the test's plan, if it has one.
    pub number: Option<u64>,
    /// Its name, with those of the subtests around it: `outer/inner`.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, as the test says.
    pub reason: Option<String>,
    /// How long it took, as the test says, in milliseconds.
    pub ms: Option<u64>,
    /// It failed, and the test itself calls it unstable and asks to ignore that.
    pub flaky: bool,
}

/// How a test or subtest ended. The first five are what KTAP can say; the rest only the host can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It ran and did what it should.
    Pass,
    /// It did not run, and said why.
    Skip,
    /// It failed, as expected of it (`# TODO`, `# XFAIL`).
    Xfail,
    /// It passed although it was expected to fail.
    Xpass,
    /// It failed, and passed when it was run again.
    Flaky,
    /// It ran and failed.
    Fail,
    /// It did not end in its time.
    Timeout,
    /// The guest went away, or hung, while it ran.
    Crash,
    /// It could not be run, or its output cannot be understood.
    Error,
    /// It was planned and never started, or never ended.
    NotRun,
}

impl Outcome {
    /// True if this outcome does not stand against a verdict of *passed*.
    pub fn is_ok(self) -> bool {
        matches!(self, Self::Pass | Self::Skip | Self::Xfail | Self::Xpass | Self::Flaky)
    }

    /// The word for a person.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Skip => "skip",
            Self::Xfail => "xfail",
            Self::Xpass => "xpass",
            Self::Flaky => "flaky",
            Self::Fail => "fail",
            Self::Timeout => "timeout",
            Self::Crash => "crash",
            Self::Error => "error",
            Self::NotRun => "not run",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How far a long piece of work is. Rooms below the runner report it through a callback and never draw it themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// How much is done, in `unit`.
    pub done: u64,
    /// How much there is, in `unit`, where that is known. It may change on the way.
    pub total: Option<u64>,
    /// What is counted.
    pub unit: Unit,
    /// What is being done just now: a file, a URL; untrusted text.
    pub detail: String,
}

/// What a [`Progress`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of a download or an archive.
    Bytes,
    /// Steps of a build: compiled, linked or generated files.
    Steps,
    /// Runs that are read.
    Runs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back_are_those_that_were_written() {
        // What a replay shows is compared with what the run showed.
        for seconds in [45.736_578_109_999_996, 3.862_441_688_999_999_7, 0.1] {
            let event = Event::VmReady { vm: 1, kernel: "6.12".to_owned(), seconds };
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
        }
    }
}
