//! The state of a run: a pure fold over its events, valid after each of them.

use super::test::{Shard, Test};
use crate::error::ExitCode;
use crate::event::{Event, Outcome, Record, SCHEMA, StepStatus, TestId};
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
    /// The step that runs, or ran last.
    #[serde(skip)]
    pub(super) runs: Option<String>,
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
    /// What its results depend on, where that is not the same for all steps: the guests.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub provenance: BTreeMap<String, String>,
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
    /// All tests that it is about: those during which it came, or of which any may be the cause.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<TestId>,
    /// It came while a guest booted.
    #[serde(skip_serializing_if = "is_false")]
    pub boot: bool,
    /// It does not stand against the run.
    #[serde(skip_serializing_if = "is_false")]
    pub notice: bool,
    /// How many there were of the same cause. All else is of the first.
    pub count: u32,
    /// What those of the same cause share.
    pub fingerprint: String,
    /// Its first telling line.
    pub title: String,
    /// Its lines.
    pub lines: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
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
        // Of a run that was killed: its parts did not end, and what they said so far is that of the whole.
        let cut_off = |test: &&mut Test| !test.shards.is_empty() && !test.result.ended();
        summary.tests.iter_mut().filter(cut_off).for_each(Test::conclude);
        summary
    }

    /// Takes one more event.
    pub fn add(&mut self, record: &Record) {
        self.seconds = std::time::Duration::from_millis(record.at_ms).as_secs_f64();
        match record.event.clone() {
            Event::RunStarted { version, argv, steps, kind, .. } => {
                // What is made of events of an older format is of this one.
                (self.schema, self.kind, self.version, self.argv) = (SCHEMA, kind, version, argv);
                self.started = Some(record.time);
                self.steps = steps.into_iter().map(Step::new).collect();
            }
            Event::Provenance { step: None, facts } => self.provenance.extend(facts),
            Event::Provenance { step: Some(step), facts } => {
                // Of all steps those facts count first that were known first: of the tests, not of the samples.
                for (name, value) in &facts {
                    self.provenance.entry(name.clone()).or_insert_with(|| value.clone());
                }
                self.step(step).provenance.extend(facts);
            }
            Event::Note { text } => self.notes.push(text),
            Event::Warning { text, hint } => self.warnings.push(Warning { text, hint }),
            Event::StepStarted { step } => self.runs = Some(step),
            Event::StepEnded { step, status, detail, seconds } => {
                let step = self.step(step);
                (step.status, step.detail, step.seconds) = (Some(status), detail, seconds);
            }
            Event::TestsPlanned { tests } => {
                let step = &self.runs;
                self.tests.extend(tests.iter().map(|id| Test { step: step.clone(), ..Test::new(id) }));
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
            Event::LeftOut { test, names } => self.test(&test).attempt_mut(&test).left_out.extend(names),
            Event::Wire { test, wire } => self.test(&test).attempt_mut(&test).wire = Some(wire),
            Event::Evidence { test, what, file } => self.evidence.push(Evidence { test, what, file }),
            Event::Splat { vm, test, candidates, boot, notice, fingerprint, title, lines } => {
                if let Some(test) = &test {
                    self.test(test).splatted(test, &title);
                }
                let tests = test.iter().cloned().chain(candidates).collect();
                let count = 1;
                self.splat(Splat { vm, test, tests, boot, notice, count, fingerprint, title, lines });
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
                self.verdict = self.verdict_of(exit_code);
            }
        }
    }

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

    /// The exit code that the tests and splats so far call for.
    pub fn exit_code_so_far(&self) -> ExitCode {
        if self.has_splat() || self.has_crash() {
            ExitCode::Crashed
        } else if self.tests.iter().all(|test| test.result.outcome.is_ok()) {
            ExitCode::Passed
        } else {
            ExitCode::TestsFailed
        }
    }

    /// What an exit code means for the run that ended with it.
    fn verdict_of(&self, exit_code: u8) -> Verdict {
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
            let after = self.tests.iter().rposition(|test| test.id().same_test(id));
            let at = after.map_or(self.tests.len(), |at| at + 1);
            self.tests.insert(at, Test::new(id));
            at
        });
        &mut self.tests[at]
    }

    fn splat(&mut self, splat: Splat) {
        let same =
            |known: &&mut Splat| !splat.fingerprint.is_empty() && known.fingerprint == splat.fingerprint;
        let Some(known) = self.splats.iter_mut().find(same) else { return self.splats.push(splat) };
        known.count += 1;
        known.notice &= splat.notice;
        for test in splat.tests {
            if !known.tests.contains(&test) {
                known.tests.push(test);
            }
        }
    }

    fn vm(&mut self, vm: u32) -> Option<&mut Vm> {
        self.vms.iter_mut().find(|known| known.vm == vm)
    }
}

impl Step {
    fn new(name: String) -> Self {
        Self { name, status: None, detail: String::new(), seconds: 0.0, provenance: BTreeMap::new() }
    }
}

#[cfg(test)]
pub(crate) mod tests;
