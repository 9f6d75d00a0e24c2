//! What a run means, and how it is shown. Everything here is a fold over events, or a rendering of one.

pub mod checks;
pub mod console;
pub mod json;
pub mod junit;
pub mod summary;
pub mod terminal;
pub mod test;
pub mod text;
pub mod wire;

pub use summary::Summary;

use crate::error::Result;
use crate::event::{Progress, Record};
use crate::text::file;
use std::path::Path;

/// Somebody who wants to hear what happens, as it happens.
pub trait Reporter {
    /// A fact.
    fn record(&mut self, record: &Record);
    /// What a VM is doing just now. Not a fact that is kept.
    fn activity(&mut self, vm: u32, what: &str);
    /// Somebody else needs the terminal.
    fn hide(&mut self);
    /// How far the step that runs is. Not a fact that is kept.
    fn progress(&mut self, progress: &Progress);
}

/// Writes all files that are made of a summary into the run's directory.
pub fn write_files(summary: &Summary, run: &Path) -> Result<()> {
    file::replace(&run.join("results.json"), json::render(summary).as_bytes())?;
    file::replace(&run.join("junit.xml"), junit::render(summary).as_bytes())?;
    file::replace(&run.join("summary.txt"), text::render(summary, false).as_bytes())
}
