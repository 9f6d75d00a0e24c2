//! How results are shown: each form is a rendering of the same state.

pub mod checks;
pub mod console;
pub mod json;
pub mod junit;
pub mod terminal;
pub mod text;
pub mod wire;

use crate::error::Result;
use crate::results::Summary;
use crate::text::file;
use std::path::Path;

/// Writes all files that are made of a summary into the run's directory.
pub fn write_files(summary: &Summary, run: &Path) -> Result<()> {
    file::replace(&run.join("results.json"), json::render(summary).as_bytes())?;
    file::replace(&run.join("junit.xml"), junit::render(summary).as_bytes())?;
    file::replace(&run.join("summary.txt"), text::render(summary, false).as_bytes())
}
