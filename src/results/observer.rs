//! Somebody who watches a run.

use super::Summary;
use crate::event::{Progress, Record};

/// Is shown what happens, as it happens.
pub trait Observer {
    /// A fact, and the state of the run with it.
    fn record(&mut self, record: &Record, summary: &Summary);
    /// What a VM is doing just now. Not a fact that is kept.
    fn activity(&mut self, vm: u32, what: &str);
    /// Somebody else needs the terminal.
    fn hide(&mut self);
    /// How far the step that runs is. Not a fact that is kept.
    fn progress(&mut self, progress: &Progress);
}
