//! One test of a suite, as its suite lists it.

use super::{Group, Limit, Suite};
use crate::event::{DEFAULT_SUITE, label};
use std::time::Duration;

/// How long a test may take, and takes, where its suite does not say.
const USUAL: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));

/// A test that can be run by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCase {
    /// The suite that it belongs to.
    pub suite: &'static Suite,
    /// Its name, unique in the suite, and fit for the name of a file.
    pub name: String,
    /// What its suite starts: a plain file name in the directory where the suite is installed, or the name of a module.
    pub program: String,
    /// Arguments for it.
    pub args: Vec<String>,
    /// How long it may take.
    pub limit: Limit,
    /// How long it takes on a machine of normal speed, where no earlier run told.
    pub guess: Duration,
    /// The groups of subtests that it can run alone; empty if it has none.
    pub groups: Vec<Group>,
    /// It can capture packets, where it may write.
    pub captures: bool,
}

impl TestCase {
    /// A test of which nothing else is known yet.
    pub fn new(suite: &'static Suite, name: &str, program: &str) -> Self {
        Self {
            suite,
            name: name.to_owned(),
            program: program.to_owned(),
            args: Vec::new(),
            limit: Limit::Within(USUAL.0),
            guess: USUAL.1,
            groups: Vec::new(),
            captures: false,
        }
    }

    /// The words that choose it on a command line.
    pub fn words(&self) -> String {
        if self.suite.id == DEFAULT_SUITE {
            self.name.clone()
        } else {
            format!("{} {}", self.suite, self.name)
        }
    }

    /// Its name for a person.
    pub fn label(&self) -> String {
        label(self.suite.id, &self.name)
    }
}

/// The tests that a tree has of a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The tests that can be run, in the suite's order.
    pub tests: Vec<TestCase>,
    /// What a person should know: tests that are left out, settings that are not understood.
    pub notes: Vec<String>,
}
