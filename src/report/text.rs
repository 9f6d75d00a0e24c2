//! For a person: `summary.txt`, and the end of every run on the terminal.

mod checks;
mod run;
mod table;

pub(super) use checks::progress;
pub(super) use run::{subtest_counts, virtual_time};
pub(super) use table::fitting;

use super::Exporter;
use crate::results::Summary;

/// All of it, ending with the verdict.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// With colours.
    pub colour: bool,
}

impl Exporter for Text {
    fn render(&self, summary: &Summary) -> String {
        match &summary.validation {
            Some(validation) => checks::render(summary, validation, self.colour),
            None => run::render(summary, self.colour),
        }
    }
}

/// The end of a run whose progress was watched: what went wrong, in full, and the verdict.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    /// With colours.
    pub colour: bool,
}

impl Exporter for Ending {
    fn render(&self, summary: &Summary) -> String {
        match &summary.validation {
            Some(validation) => checks::render(summary, validation, self.colour),
            None => run::ending(summary, self.colour),
        }
    }
}

/// The verdict and its numbers, on one line.
pub fn verdict(summary: &Summary, colour: bool) -> String {
    match &summary.validation {
        Some(validation) => checks::line_of_verdict(summary, validation, colour),
        None => run::verdict(summary, colour),
    }
}
