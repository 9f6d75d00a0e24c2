//! Makes one run of the runs on kernels of several variants, while they go on. Pure.

use crate::event::{Event, Names, PARTS, TestId};
use std::collections::BTreeMap;

/// What the whole run has for the names of its parts.
#[derive(Debug, Default)]
pub struct Joint {
    /// The guests of the whole, by variant and their number there.
    vms: BTreeMap<(String, u32), u32>,
    /// What the results of each variant depend on, as far as it is no matter of a step.
    facts: BTreeMap<String, BTreeMap<String, String>>,
    /// The step that each variant is at.
    steps: BTreeMap<String, String>,
}

impl Joint {
    /// A step of a variant, in the whole run.
    pub fn step(variant: &str, step: &str) -> String {
        format!("{step} {variant}")
    }

    /// The number of a guest in the whole run, which it gets when it is first named.
    pub fn vm(&mut self, variant: &str, vm: u32) -> u32 {
        let next = u32::try_from(self.vms.len()).unwrap_or(u32::MAX).saturating_add(1);
        *self.vms.entry((variant.to_owned(), vm)).or_insert(next)
    }

    /// An event of a variant's run as those of the whole; none for what is told of the whole by itself.
    pub fn events(&mut self, variant: &str, event: &Event) -> Vec<Event> {
        let step = |step: &str| Self::step(variant, step);
        let text = |text: &str| format!("{variant}: {text}");
        match event {
            Event::RunStarted { .. } | Event::RunEnded { .. } => Vec::new(),
            Event::Note { text: said } => vec![Event::Note { text: text(said) }],
            Event::Warning { text: said, hint } => {
                vec![Event::Warning { text: text(said), hint: hint.clone() }]
            }
            Event::Provenance { step: None, facts } => {
                self.facts.entry(variant.to_owned()).or_default().extend(facts.clone());
                Vec::new()
            }
            Event::Provenance { step: Some(name), facts } => {
                let mut all = self.facts.get(variant).cloned().unwrap_or_default();
                all.extend(facts.clone());
                vec![Event::Provenance { step: Some(step(name)), facts: all }]
            }
            Event::StepStarted { step: name } => {
                self.steps.insert(variant.to_owned(), step(name));
                vec![Event::StepStarted { step: step(name) }]
            }
            Event::StepEnded { step: name, status, detail, seconds } => vec![Event::StepEnded {
                step: step(name),
                status: *status,
                detail: detail.clone(),
                seconds: *seconds,
            }],
            Event::TestsPlanned { .. } => {
                let mut planned = event.renamed(&InWhole { joint: self, variant });
                if let Event::TestsPlanned { step, .. } = &mut planned {
                    // One of another variant may have begun since.
                    *step = self.steps.get(variant).cloned();
                }
                vec![planned]
            }
            event => {
                if let Event::VmStarted { vm, .. } = event {
                    self.vm(variant, *vm);
                }
                vec![event.renamed(&InWhole { joint: self, variant })]
            }
        }
    }
}

/// What the names of a variant's run are in the whole.
struct InWhole<'j> {
    joint: &'j Joint,
    variant: &'j str,
}

impl Names for InWhole<'_> {
    fn test(&self, id: &TestId) -> TestId {
        id.clone().on(Some(self.variant))
    }

    fn vm(&self, vm: u32) -> u32 {
        self.joint.vms.get(&(self.variant.to_owned(), vm)).copied().unwrap_or(0)
    }

    fn file(&self, path: &str) -> String {
        format!("{PARTS}/{}/{path}", self.variant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Outcome, Record};
    use crate::results::Summary;

    fn started(vm: u32) -> Event {
        Event::VmStarted { vm, accelerator: "tcg".into(), console: format!("console-{vm}.log") }
    }

    fn ran(name: &str, vm: u32, outcome: Outcome) -> Vec<Event> {
        let test = TestId::new("selftests", name, 1);
        let output = format!("tests/{}.log", test.stem());
        vec![
            started(vm),
            Event::TestStarted { test: test.clone(), vm, timeout: 60, output },
            Event::TestEnded { test, outcome, reason: None, exit_code: Some(0), seconds: 1.0 },
        ]
    }

    /// What the whole knows after these events of variants.
    fn whole(parts: &[(&str, Event)]) -> Summary {
        let mut joint = Joint::default();
        let events = parts.iter().flat_map(|(variant, event)| joint.events(variant, event));
        let record = |event| Record { time: jiff::Timestamp::UNIX_EPOCH, at_ms: 0, event };
        Summary::of(&events.map(record).collect::<Vec<_>>())
    }

    #[test]
    fn tests_guests_and_files_of_two_kernels_are_told_apart_though_they_have_the_same_names() {
        let of = |variant, outcome| ran("diag", 1, outcome).into_iter().map(move |event| (variant, event));
        let parts = of("normal", Outcome::Pass).zip(of("debug", Outcome::Fail));
        let summary = whole(&parts.flat_map(|(normal, debug)| [normal, debug]).collect::<Vec<_>>());
        let seen = summary.tests.iter().map(|test| {
            let output = test.result.output.clone().unwrap_or_default();
            format!("{} {} on VM {:?}: {output}", test.label(), test.result.outcome, test.result.vm)
        });
        assert_eq!(
            seen.collect::<Vec<_>>(),
            [
                "normal: diag pass on VM Some(1): variants/normal/tests/diag.1.log",
                "debug: diag fail on VM Some(2): variants/debug/tests/diag.1.log"
            ]
        );
        assert_eq!(summary.vms.len(), 2);
    }

    #[test]
    fn a_test_belongs_to_the_step_of_its_own_kernel() {
        let step = |step: &str| Event::StepStarted { step: step.into() };
        let planned = Event::TestsPlanned { tests: vec![TestId::new("selftests", "diag", 1)], step: None };
        let facts = |step: Option<&str>, value: &str| Event::Provenance {
            step: step.map(str::to_owned),
            facts: BTreeMap::from([(format!("of {value}"), value.to_owned())]),
        };
        let summary = whole(&[
            ("normal", facts(None, "run")),
            ("normal", step("test")),
            ("debug", step("build")),
            ("normal", facts(Some("test"), "step")),
            ("normal", planned),
        ]);
        assert_eq!(summary.tests[0].step.as_deref(), Some("test normal"));
        let known = summary.steps.get(&"test normal".to_owned()).unwrap();
        assert_eq!(known.provenance.keys().collect::<Vec<_>>(), ["of run", "of step"]);
    }

    #[test]
    fn what_ends_a_part_does_not_end_the_whole() {
        let end = Event::RunEnded { exit_code: 0, error: None, hint: None };
        assert_eq!(whole(&[("normal", end)]).exit_code, None);
        let summary = whole(&[("debug", Event::Note { text: "slow".into() })]);
        assert_eq!(summary.notes, ["debug: slow"]);
    }
}
