//! What there is to know of the parts of a run: its steps, its VMs, splats, evidence, warnings.

use crate::event::{StepStatus, TestId};
use serde::Serialize;
use std::collections::BTreeMap;

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

impl Step {
    pub(super) fn new(name: String) -> Self {
        Self { name, status: None, detail: String::new(), seconds: 0.0, provenance: BTreeMap::new() }
    }
}

impl Vm {
    pub(super) fn new(vm: u32, accelerator: String, console: String) -> Self {
        Self {
            vm,
            accelerator,
            console,
            boot_seconds: None,
            crashed: false,
            end: None,
            console_tail: Vec::new(),
        }
    }
}
