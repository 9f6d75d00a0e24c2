//! How an event changes the state of a run.

use super::{Attempt, Evidence, Shard, Splat, Step, Summary, Test, Vm, Warning};
use crate::event::{Event, Record, SCHEMA, TestId};
use std::collections::BTreeMap;

impl Summary {
    /// The state after these events.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut summary = Self::default();
        records.into_iter().for_each(|record| summary.add(record));
        // Of a run that was killed: its parts did not end, and what they said so far is that of the whole.
        let cut_off = |test: &&mut Test| !test.shards.is_empty() && !test.result.ended();
        summary.tests.values_mut().filter(cut_off).for_each(Test::conclude);
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
                self.steps = steps.into_iter().map(|name| (name.clone(), Step::new(name))).collect();
            }
            Event::RunEnded { exit_code, error, hint } => {
                self.exit_code = Some(exit_code);
                self.error = error.map(|text| Warning { text, hint });
                self.verdict = self.verdict_of(exit_code);
            }
            Event::Provenance { step, facts } => self.add_provenance(step, facts),
            Event::RunSharded { shard, .. } => self.shard = Some(shard),
            Event::Note { text } => self.notes.push(text),
            Event::Warning { text, hint } => self.warnings.push(Warning { text, hint }),
            Event::StepStarted { step } => self.runs = Some(step),
            Event::StepEnded { step, status, detail, seconds } => {
                let step = self.step(step);
                (step.status, step.detail, step.seconds) = (Some(status), detail, seconds);
            }
            Event::Evidence { test, what, file } => self.evidence.push(Evidence { test, what, file }),
            Event::Splat { vm, test, candidates, boot, notice, fingerprint, title, lines } => {
                if let Some(test) = &test {
                    self.test_mut(test).splatted(test, &title);
                }
                let tests = test.iter().cloned().chain(candidates).collect();
                let count = 1;
                self.add_splat(Splat { vm, test, tests, boot, notice, count, fingerprint, title, lines });
            }
            event @ (Event::Series { .. }
            | Event::ChecksPlanned { .. }
            | Event::CheckStarted { .. }
            | Event::CheckEnded { .. }) => self.add_of_validation(event),
            event @ (Event::VmStarted { .. } | Event::VmReady { .. } | Event::VmEnded { .. }) => {
                self.add_of_vm(event);
            }
            event => self.add_of_test(event),
        }
    }

    fn add_of_vm(&mut self, event: Event) {
        match event {
            Event::VmStarted { vm, accelerator, console } => {
                self.vms.entry_behind(vm, None, || Vm::new(vm, accelerator, console));
            }
            Event::VmReady { vm, seconds, .. } => {
                if let Some(vm) = self.vms.get_mut(&vm) {
                    vm.boot_seconds = Some(seconds);
                }
            }
            Event::VmEnded { vm, crashed, reason, console_tail } => {
                if let Some(vm) = self.vms.get_mut(&vm) {
                    (vm.crashed, vm.end, vm.console_tail) = (crashed, Some(reason), console_tail);
                }
            }
            _ => {}
        }
    }

    fn add_of_test(&mut self, event: Event) {
        match event {
            Event::TestsPlanned { tests, step } => {
                let step = step.or_else(|| self.runs.clone());
                for id in tests {
                    self.test_mut(&id).step.clone_from(&step);
                }
            }
            Event::TestSharded { test, shards } => {
                let test = self.test_mut(&test);
                // Where the runner puts the output of all parts together.
                test.result.output = Some(test.id().output());
                test.shards = shards.into_iter().map(Shard::new).collect();
            }
            Event::TestStarted { test, vm, output, .. } => {
                let began = Some(self.seconds);
                let attempt = self.attempt_mut(&test);
                (attempt.started, attempt.began) = (true, began);
                (attempt.vm, attempt.output) = (Some(vm), Some(output));
            }
            Event::Seed { test, seed } => {
                let known = self.test_mut(&test);
                (known.result.seed, known.attempt_mut(&test).seed) = (Some(seed), Some(seed));
            }
            Event::VirtualTime { test, seconds } => {
                self.attempt_mut(&test).virtual_seconds = Some(seconds);
            }
            Event::Subtest { test, result } => self.attempt_mut(&test).subtests.push(result),
            Event::LeftOut { test, names } => self.attempt_mut(&test).left_out.extend(names),
            Event::Connections { test, observed } => self.attempt_mut(&test).connections = Some(observed),
            Event::TestEnded { test, outcome, reason, exit_code, seconds } => {
                let known = self.test_mut(&test);
                let attempt = known.attempt_mut(&test);
                (attempt.outcome, attempt.reason, attempt.exit_code, attempt.seconds) =
                    (outcome, reason, exit_code, seconds);
                known.conclude();
            }
            _ => {}
        }
    }

    fn add_of_validation(&mut self, event: Event) {
        let validation = self.validation.get_or_insert_default();
        match event {
            Event::Series { series } => validation.series = series,
            Event::ChecksPlanned { checks } => validation.plan(checks),
            Event::CheckStarted { on, detail } => validation.now = Some((on, detail)),
            Event::CheckEnded { result } => validation.conclude(result),
            _ => {}
        }
    }

    fn add_provenance(&mut self, step: Option<String>, facts: BTreeMap<String, String>) {
        let Some(step) = step else { return self.provenance.extend(facts) };
        // Of all steps those facts count first that were known first: of the tests, not of the samples.
        for (name, value) in &facts {
            self.provenance.entry(name.clone()).or_insert_with(|| value.clone());
        }
        self.step(step).provenance.extend(facts);
    }

    /// Splats of the same cause are one.
    fn add_splat(&mut self, splat: Splat) {
        let known = self.causes.get(&splat.fingerprint).and_then(|&at| self.splats.get_mut(at));
        let Some(known) = known else {
            if !splat.fingerprint.is_empty() {
                self.causes.insert(splat.fingerprint.clone(), self.splats.len());
            }
            return self.splats.push(splat);
        };
        known.count += 1;
        known.notice &= splat.notice;
        for test in splat.tests {
            if !known.tests.contains(&test) {
                known.tests.push(test);
            }
        }
    }

    fn step(&mut self, name: String) -> &mut Step {
        self.steps.entry_behind(name.clone(), None, || Step::new(name))
    }

    /// The test that `id` is a run of, or of a part. A further attempt stands behind the one before it.
    fn test_mut(&mut self, id: &TestId) -> &mut Test {
        let whole = id.whole();
        let before = TestId { attempt: id.attempt.saturating_sub(1), ..whole.clone() };
        self.tests.entry_behind(whole, Some(&before), || Test::new(id))
    }

    fn attempt_mut(&mut self, id: &TestId) -> &mut Attempt {
        self.test_mut(id).attempt_mut(id)
    }
}
