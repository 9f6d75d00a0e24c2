//! What the checks of a series found.

use super::Keyed;
use crate::event::{CheckId, CheckOn, CheckResult, SeriesInfo, Status};
use serde::Serialize;

/// Everything that is known of a series that is validated. In JSON its fields stand beside those of its run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Validation {
    /// The series.
    #[serde(flatten)]
    pub series: SeriesInfo,
    /// The checks, in the order of the table.
    pub checks: Vec<CheckId>,
    /// How each ended, on each patch or on the series.
    pub results: Keyed<CheckOn, CheckResult>,
    /// What is being done, and which part of it.
    #[serde(skip)]
    pub now: Option<(CheckOn, String)>,
}

impl Validation {
    /// Adds checks that are to be done.
    pub(super) fn plan(&mut self, planned: Vec<CheckOn>) {
        for on in planned {
            if !self.checks.contains(&on.check) {
                self.checks.push(on.check);
            }
            self.results.entry_behind(on, None, || CheckResult::not_run(on));
        }
    }

    /// Takes the end of a check.
    pub(super) fn conclude(&mut self, result: CheckResult) {
        self.plan(vec![result.on]);
        if let Some(known) = self.results.get_mut(&result.on) {
            *known = result;
        }
        self.now = None;
    }

    /// How a check ended.
    pub fn result(&self, on: CheckOn) -> Option<&CheckResult> {
        self.results.get(&on)
    }

    /// Those that stand against sending it.
    pub fn failed(&self) -> impl Iterator<Item = &CheckResult> {
        self.results.iter().filter(|result| self.counts(result))
    }

    /// True if this result stands against sending it.
    pub fn counts(&self, result: &CheckResult) -> bool {
        match result.status {
            Status::Fail | Status::Error => true,
            Status::Warn => self.series.strict,
            _ => false,
        }
    }

    /// How many results have this status.
    pub fn count(&self, status: Status) -> usize {
        self.results.iter().filter(|result| result.status == status).count()
    }

    /// True if it can be sent.
    pub fn passed(&self) -> bool {
        self.failed().next().is_none()
    }
}
