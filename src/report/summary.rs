//! The state of a run: a pure fold over its events, valid after each of them.

use super::test::{Shard, Test};
use crate::error::ExitCode;
use crate::event::{Event, Outcome, Record, StepStatus, TestId};
use serde::Serialize;
use std::collections::BTreeMap;

/// All that is known of a run. It is also the content of `results.json`, see `docs/results.md`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// The version of this format.
    pub schema: u32,
    /// Of vmptcp.
    pub version: String,
    /// The command line, as it was given.
    pub argv: Vec<String>,
    /// When the run began.
    pub started: Option<jiff::Timestamp>,
    /// From the first event to the last, in seconds.
    pub seconds: f64,
    /// The verdict.
    pub verdict: Verdict,
    /// What the results depend on.
    pub provenance: BTreeMap<String, String>,
    /// The steps, in the order in which they were planned.
    pub steps: Vec<Step>,
    /// The tests, in the order in which they were planned; every attempt of each.
    pub tests: Vec<Test>,
    /// The VMs, in the order in which they were started.
    pub vms: Vec<Vm>,
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
    /// A guest crashed, or its kernel printed a splat.
    Crashed,
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
            Self::BuildFailed => "build failed",
            Self::CouldNotRun => "could not run",
            Self::Interrupted => "interrupted",
        }
    }
}

/// One step of the plan.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// How it ended; none if it did not.
    pub status: Option<StepStatus>,
    /// What it did, or why it failed.
    pub detail: String,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// One VM.
#[derive(Debug, Clone, Serialize)]
pub struct Vm {
    /// Its number.
    pub vm: u32,
    /// `kvm` or `tcg`.
    pub accelerator: String,
    /// Its console log, relative to the run directory.
    pub console: String,
    /// From its start to the agent's first word, in seconds.
    pub boot_seconds: Option<f64>,
    /// It ended by its own fault.
    pub crashed: bool,
    /// Why it ended.
    pub end: Option<String>,
    /// The end of its console, where that tells something.
    pub console_tail: Vec<String>,
}

/// A splat.
#[derive(Debug, Clone, Serialize)]
pub struct Splat {
    /// On which VM.
    pub vm: u32,
    /// The test that ran at the time.
    pub test: Option<TestId>,
    /// How many there were of the same cause. All else is of the first.
    pub count: u32,
    /// What those of the same cause share.
    pub fingerprint: String,
    /// Its first telling line.
    pub title: String,
    /// Its lines.
    pub lines: Vec<String>,
}

/// Something that may tell why a test failed, or a VM.
#[derive(Debug, Clone, Serialize)]
pub struct Evidence {
    /// The test that it is about.
    pub test: Option<TestId>,
    /// What it is.
    pub what: String,
    /// Its file, relative to the run directory.
    pub file: String,
}

/// Something wrong, and what to do about it.
#[derive(Debug, Clone, Serialize)]
pub struct Warning {
    /// What.
    pub text: String,
    /// The remedy.
    pub hint: Option<String>,
}

impl Summary {
    /// The state after these events.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut summary = Self::default();
        records.into_iter().for_each(|record| summary.add(record));
        summary
    }

    /// Takes one more event.
    pub fn add(&mut self, record: &Record) {
        self.seconds = std::time::Duration::from_millis(record.at_ms).as_secs_f64();
        match record.event.clone() {
            Event::RunStarted { schema, version, argv, steps } => {
                (self.schema, self.version, self.argv) = (schema, version, argv);
                self.started = Some(record.time);
                self.steps = steps.into_iter().map(Step::new).collect();
            }
            Event::Provenance { facts } => self.provenance.extend(facts),
            Event::Note { text } => self.notes.push(text),
            Event::Warning { text, hint } => self.warnings.push(Warning { text, hint }),
            Event::StepStarted { .. } => {}
            Event::StepEnded { step, status, detail, seconds } => {
                let step = self.step(step);
                (step.status, step.detail, step.seconds) = (Some(status), detail, seconds);
            }
            Event::TestsPlanned { tests } => {
                self.tests.extend(tests.iter().map(Test::new));
            }
            Event::TestSharded { test, shards } => {
                let test = self.test(&test);
                // Where the runner puts the output of all parts together.
                test.result.output = Some(format!("tests/{}.log", test.id().stem()));
                test.shards = shards.into_iter().map(Shard::new).collect();
            }
            Event::VmStarted { vm, accelerator, console } => self.vms.push(Vm {
                vm,
                accelerator,
                console,
                boot_seconds: None,
                crashed: false,
                end: None,
                console_tail: Vec::new(),
            }),
            Event::VmReady { vm, seconds, .. } => {
                if let Some(vm) = self.vm(vm) {
                    vm.boot_seconds = Some(seconds);
                }
            }
            Event::VmEnded { vm, crashed, reason, console_tail } => {
                if let Some(vm) = self.vm(vm) {
                    (vm.crashed, vm.end, vm.console_tail) = (crashed, Some(reason), console_tail);
                }
            }
            Event::TestStarted { test, vm, output, .. } => {
                let attempt = self.test(&test).attempt_mut(&test);
                (attempt.started, attempt.vm, attempt.output) = (true, Some(vm), Some(output));
            }
            Event::Subtest { test, result } => self.test(&test).attempt_mut(&test).subtests.push(result),
            Event::Wire { test, wire } => self.test(&test).attempt_mut(&test).wire = Some(wire),
            Event::Evidence { test, what, file } => self.evidence.push(Evidence { test, what, file }),
            Event::Splat { vm, test, fingerprint, title, lines } => {
                let same = |known: &&mut Splat| !fingerprint.is_empty() && known.fingerprint == fingerprint;
                match self.splats.iter_mut().find(same) {
                    Some(known) => known.count += 1,
                    None => self.splats.push(Splat { vm, test, count: 1, fingerprint, title, lines }),
                }
            }
            Event::TestEnded { test, outcome, reason, exit_code, seconds } => {
                let known = self.test(&test);
                let attempt = known.attempt_mut(&test);
                (attempt.outcome, attempt.reason, attempt.exit_code, attempt.seconds) =
                    (outcome, reason, exit_code, seconds);
                known.conclude();
            }
            Event::RunEnded { exit_code, error, hint } => {
                self.exit_code = Some(exit_code);
                self.error = error.map(|text| Warning { text, hint });
                self.verdict = verdict_of(exit_code);
            }
        }
    }

    /// The exit code that the tests and splats so far call for.
    pub fn exit_code_so_far(&self) -> ExitCode {
        let crashed = |test: &Test| test.result.outcome == Outcome::Crash;
        if !self.splats.is_empty() || self.vms.iter().any(|vm| vm.crashed) || self.tests.iter().any(crashed) {
            ExitCode::Crashed
        } else if self.tests.iter().all(|test| test.result.outcome.is_ok()) {
            ExitCode::Passed
        } else {
            ExitCode::TestsFailed
        }
    }

    /// How many tests ended this way.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.tests.iter().filter(|test| test.result.outcome == outcome).count()
    }

    fn step(&mut self, name: String) -> &mut Step {
        let at = self.steps.iter().position(|step| step.name == name).unwrap_or_else(|| {
            self.steps.push(Step::new(name));
            self.steps.len() - 1
        });
        &mut self.steps[at]
    }

    fn test(&mut self, id: &TestId) -> &mut Test {
        let at = self.tests.iter().position(|test| test.is(id)).unwrap_or_else(|| {
            // A further attempt stands behind the one before it.
            let after = self.tests.iter().rposition(|test| test.name == id.name);
            let at = after.map_or(self.tests.len(), |at| at + 1);
            self.tests.insert(at, Test::new(id));
            at
        });
        &mut self.tests[at]
    }

    fn vm(&mut self, vm: u32) -> Option<&mut Vm> {
        self.vms.iter_mut().find(|known| known.vm == vm)
    }
}

impl Step {
    fn new(name: String) -> Self {
        Self { name, status: None, detail: String::new(), seconds: 0.0 }
    }
}

fn verdict_of(exit_code: u8) -> Verdict {
    const VERDICTS: [(ExitCode, Verdict); 6] = [
        (ExitCode::Passed, Verdict::Passed),
        (ExitCode::TestsFailed, Verdict::Failed),
        (ExitCode::Crashed, Verdict::Crashed),
        (ExitCode::BuildFailed, Verdict::BuildFailed),
        (ExitCode::Interrupted, Verdict::Interrupted),
        (ExitCode::CannotRun, Verdict::CouldNotRun),
    ];
    let known = VERDICTS.iter().find(|(code, _)| *code as u8 == exit_code);
    known.map_or(Verdict::CouldNotRun, |(_, verdict)| *verdict)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::event::Subtest;

    /// A run with something of everything, as events.
    pub(crate) fn eventful_run() -> Vec<Record> {
        let id = |name: &str| TestId::new(name, 1);
        let subtest = |number, name: &str, outcome, reason: Option<&str>| Subtest {
            number: Some(number),
            name: name.to_owned(),
            outcome,
            reason: reason.map(str::to_owned),
            ms: Some(1500),
            flaky: false,
        };
        let ended = |name: &str, outcome, reason: Option<&str>, exit_code, seconds| Event::TestEnded {
            test: id(name),
            outcome,
            reason: reason.map(str::to_owned),
            exit_code,
            seconds,
        };
        let started = |name: &str, vm| Event::TestStarted {
            test: id(name),
            vm,
            timeout: 60,
            output: format!("tests/{name}.1.log"),
        };
        let events = vec![
            Event::RunStarted {
                schema: crate::event::SCHEMA,
                version: "0.1.0".into(),
                argv: vec!["vmptcp".into(), "test".into()],
                steps: vec!["build".into(), "test".into()],
            },
            Event::Provenance { facts: BTreeMap::from([("kernel".into(), "6.12.1".into())]) },
            Event::StepStarted { step: "build".into() },
            Event::StepEnded {
                step: "build".into(),
                status: StepStatus::UpToDate,
                detail: "nothing changed".into(),
                seconds: 0.4,
            },
            Event::Warning { text: "CONFIG_X did not take".into(), hint: Some("vmptcp config".into()) },
            Event::TestsPlanned { tests: ["good", "bad", "ugly", "late"].map(id).to_vec() },
            Event::VmStarted { vm: 1, accelerator: "tcg".into(), console: "console-1.log".into() },
            Event::VmReady { vm: 1, kernel: "6.12.1".into(), seconds: 9.5 },
            started("good", 1),
            Event::Subtest { test: id("good"), result: subtest(1, "first", Outcome::Pass, None) },
            Event::Subtest { test: id("good"), result: subtest(2, "second", Outcome::Skip, Some("old ss")) },
            ended("good", Outcome::Pass, None, Some(0), 3.0),
            started("bad", 1),
            Event::Subtest {
                test: id("bad"),
                result: subtest(1, "it\u{1b}[31m", Outcome::Fail, Some("got 1 <2>")),
            },
            ended("bad", Outcome::Fail, Some("exit code 1"), Some(1), 2.5),
            started("ugly", 1),
            Event::Splat {
                fingerprint: String::new(),
                vm: 1,
                test: Some(id("ugly")),
                title: "BUG: kernel NULL pointer dereference".into(),
                lines: vec!["[    5.0] BUG: kernel NULL pointer dereference".into()],
            },
            ended("ugly", Outcome::Crash, Some("the guest is gone"), None, 1.0),
            Event::VmEnded {
                vm: 1,
                crashed: true,
                reason: "the guest is gone".into(),
                console_tail: vec!["[    5.5] Kernel panic - not syncing: Fatal exception".into()],
            },
        ];
        records(events)
    }

    /// These events, a second apart.
    pub(crate) fn records(events: Vec<Event>) -> Vec<Record> {
        let time: jiff::Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let records = events.into_iter().zip(0u64..);
        records.map(|(event, at)| Record { time, at_ms: at * 1000, event }).collect()
    }

    fn end(exit_code: ExitCode) -> Record {
        let event = Event::RunEnded { exit_code: exit_code as u8, error: None, hint: None };
        Record { time: jiff::Timestamp::UNIX_EPOCH, at_ms: 60_000, event }
    }

    #[test]
    fn a_run_without_an_end_is_unfinished_and_what_was_not_reached_not_run() {
        let summary = Summary::of(&eventful_run());
        assert_eq!(summary.verdict, Verdict::Unfinished);
        let outcomes: Vec<Outcome> = summary.tests.iter().map(|test| test.result.outcome).collect();
        assert_eq!(outcomes, [Outcome::Pass, Outcome::Fail, Outcome::Crash, Outcome::NotRun]);
        assert_eq!(summary.steps[1].status, None);
    }

    #[test]
    fn every_exit_code_is_a_verdict_of_its_own() {
        let verdict = |code| {
            let mut summary = Summary::default();
            summary.add(&end(code));
            summary.verdict
        };
        assert_eq!(verdict(ExitCode::Passed), Verdict::Passed);
        assert_eq!(verdict(ExitCode::TestsFailed), Verdict::Failed);
        assert_eq!(verdict(ExitCode::Crashed), Verdict::Crashed);
        assert_eq!(verdict(ExitCode::BuildFailed), Verdict::BuildFailed);
        assert_eq!(verdict(ExitCode::CannotRun), Verdict::CouldNotRun);
        assert_eq!(verdict(ExitCode::Interrupted), Verdict::Interrupted);
    }

    #[test]
    fn a_crash_outweighs_a_failure_and_a_test_not_run_is_no_pass() {
        let records = eventful_run();
        assert_eq!(Summary::of(&records).exit_code_so_far(), ExitCode::Crashed);
        assert_eq!(Summary::of(&records[..15]).exit_code_so_far(), ExitCode::TestsFailed);
        assert_eq!(
            Summary::of(&records[..12]).exit_code_so_far(),
            ExitCode::TestsFailed,
            "three were not run"
        );
    }

    #[test]
    fn further_attempts_stand_behind_their_first() {
        let mut summary = Summary::of(&eventful_run());
        let again = TestId::new("bad", 2);
        let event = Event::TestEnded {
            test: again,
            outcome: Outcome::Pass,
            reason: None,
            exit_code: Some(0),
            seconds: 1.0,
        };
        summary.add(&Record { time: jiff::Timestamp::UNIX_EPOCH, at_ms: 1, event });
        let order: Vec<(&str, u32)> =
            summary.tests.iter().map(|test| (&test.name[..], test.attempt)).collect();
        assert_eq!(order, [("good", 1), ("bad", 1), ("bad", 2), ("ugly", 1), ("late", 1)]);
    }
}
