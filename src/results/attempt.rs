//! One run of a test, or of a part of one.

use crate::event::connections::Connections;
use crate::event::{Outcome, Subtest};
use serde::Serialize;

/// What came of running something once.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// How it ended. [`Outcome::NotRun`] until it did.
    pub outcome: Outcome,
    /// Why.
    pub reason: Option<String>,
    /// Its exit code, if it ended by itself.
    pub exit_code: Option<i32>,
    /// How long it took, in seconds; of a test in parts, how long they took together.
    pub seconds: f64,
    /// When it was started, in seconds since the run began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began: Option<f64>,
    /// How long it took by its guest's clock, in seconds, where that is not the host's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_seconds: Option<f64>,
    /// What all random numbers of its guest came from, where that was a seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// On which VM it ran; none if on several.
    pub vm: Option<u32>,
    /// Its raw output, relative to the run directory.
    pub output: Option<String>,
    /// It was started.
    pub started: bool,
    /// Its subtests, in order.
    pub subtests: Vec<Subtest>,
    /// The names of those that ran and do not count, as a filter asked for others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Which protocol its connections used, where that was watched.
    #[serde(rename = "wire", skip_serializing_if = "Option::is_none")]
    pub connections: Option<Connections>,
}

impl Default for Attempt {
    fn default() -> Self {
        Self {
            outcome: Outcome::NotRun,
            reason: None,
            exit_code: None,
            seconds: 0.0,
            began: None,
            virtual_seconds: None,
            seed: None,
            vm: None,
            output: None,
            started: false,
            subtests: Vec::new(),
            left_out: Vec::new(),
            connections: None,
        }
    }
}

impl Attempt {
    /// True once it is over.
    pub fn ended(&self) -> bool {
        self.outcome != Outcome::NotRun
    }

    /// The subtests that stand against it.
    pub fn failed_subtests(&self) -> impl Iterator<Item = &Subtest> {
        self.subtests.iter().filter(|subtest| !subtest.outcome.is_ok() && !subtest.flaky)
    }
}
