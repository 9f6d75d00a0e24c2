//! What a validation asks of those who can build and boot a commit.

use crate::error::Result;
use crate::kernel::Variant;
use crate::results::Summary;
use crate::settings::Loaded as Settings;
use std::path::{Path, PathBuf};

/// Builds commits, and runs their selftests in guests, as the settings say.
pub trait TestRunner {
    /// Checks a commit out, to build this variant of it. Returns the names of the selftests that it has.
    fn check_out(&mut self, commit: &str, variant: Variant) -> Result<Vec<String>>;

    /// Builds what was checked out last, and runs these tests, or those of the profile if none is named, as a run of its
    /// own below `runs`; each with so many seeds, or those of the settings. A kernel that does not come up is a result; that
    /// it does not build, an error.
    fn run(&mut self, filters: &[String], seeds: Option<u32>, runs: &Path) -> Result<TestRun>;

    /// The settings, which decide on the outcomes too.
    fn settings(&self) -> &Settings;
}

/// A run of tests.
pub struct TestRun {
    /// What came of it.
    pub summary: Summary,
    /// Its directory.
    pub path: PathBuf,
}
