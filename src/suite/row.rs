//! What a suite is: a row of [`SUITES`](super::SUITES). Runner, plan and reports know suites by these fields only.

use super::kselftest::ProgramFile;
use super::{Listing, Marks, Remarks, Selection, Shard, TestCase};
use crate::error::Result;
use crate::event::Outcome;
use std::fmt;
use std::time::Duration;

/// A kind of tests, and all that is particular to it.
#[derive(Debug)]
pub struct Suite {
    /// Its name: a word, on command lines, in events and in the names of files.
    pub id: &'static str,
    /// One line about it, for a person.
    pub about: &'static str,
    /// What must be there before it can run.
    pub needs: Needs,
    /// Which tests it has.
    pub tests: Tests,
    /// What is left of a filter without the ways in which others spell where a test is.
    pub spelling: for<'a> fn(&'a str) -> &'a str,
    /// Variables for its tests.
    pub environment: fn(Conditions) -> Vec<(&'static str, &'static str)>,
    /// How a test is started, in the directory where its collection is installed; in `/` where it has none.
    pub start: fn(&TestCase, Site<'_>) -> Start,
    /// How its output is read.
    pub output: Output,
    /// How a test ended, and why, from its exit code and its results.
    pub judge: fn(&Ended<'_>) -> (Outcome, Option<String>),
    /// The parts that together run what a selection runs, none longer than the time if that can be helped; less than two are
    /// none.
    pub divide: fn(&Selection, &Known<'_>, Duration) -> Vec<Shard>,
}

/// What a suite needs, beside a kernel that boots.
#[derive(Debug)]
pub struct Needs {
    /// Fragments of the kernel's configuration, by name, beside those that every kernel for guests has.
    pub fragments: &'static [&'static str],
    /// The collection of the tree's selftests that is built and installed: `net/mptcp`.
    pub collection: Option<&'static str>,
    /// Programs of the host, to build it.
    pub host_programs: &'static [&'static str],
    /// Programs of the guest.
    pub guest_programs: &'static [&'static str],
}

/// Which tests a suite has.
#[derive(Debug)]
pub enum Tests {
    /// Each is one command in a guest; a tree's files say which there are.
    Listed {
        /// The directory of the tree whose files decide which tests and subtests there are.
        sources: &'static str,
        /// The tests that a tree has. It is an error if it has none.
        list: fn(&dyn Files) -> Result<Listing>,
    },
    /// Each is several programs in a network, or kernel modules; the settings and the command line say which there are. A lab
    /// starts, reads and judges them itself.
    Lab(Lab),
}

/// What is in a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lab {
    /// Sample programs.
    Samples,
    /// Kernel modules.
    Modules,
}

/// The times of the subtests of a group in earlier runs, in milliseconds; empty if they are not known.
pub type Known<'a> = dyn Fn(&str) -> Vec<u64> + 'a;

/// A tree's files, read by somebody else.
pub trait Files {
    /// The text of a file, by its path in the tree.
    fn text(&self, path: &str) -> Result<String>;
    /// The names of the files in a directory of the tree.
    fn names(&self, dir: &str) -> Result<Vec<String>>;
}

/// Under which conditions tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conditions {
    /// A failure counts that the test itself calls flaky.
    pub flaky_counts: bool,
    /// Nothing may be skipped.
    pub all_features: bool,
    /// The machine is slow.
    pub slow: bool,
}

/// Where a test is started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Site<'a> {
    /// The file of its program.
    pub file: ProgramFile<'a>,
    /// It may write into its directory, and is to capture packets there.
    pub capture: bool,
}

/// How a test is started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables beside those of [`Suite::environment`].
    pub env: Vec<(&'static str, &'static str)>,
    /// What the user should know of that.
    pub note: Option<String>,
}

/// How output is read. KTAP, or TAP, is looked for in whatever a test prints; where the kernel keeps it, in a file of debugfs
/// or in its log, the command prints it. A test that prints none is judged by its exit code.
#[derive(Debug)]
pub struct Output {
    /// The name of a subtest, from the one that was printed.
    pub subtest: for<'a> fn(&TestCase, &'a str) -> &'a str,
    /// How lines beside the results say what was skipped, what failed, and why.
    pub marks: Marks,
}

/// A test that ended by itself.
#[derive(Debug)]
pub struct Ended<'a> {
    /// The test.
    pub test: &'a TestCase,
    /// Its exit code.
    pub exit_code: i32,
    /// How many of its subtests count.
    pub results: usize,
    /// How many of those failed.
    pub failed: usize,
    /// Why its results are not to be trusted; none if they are.
    pub broken: Option<String>,
    /// The results say that all of it was skipped, and why.
    pub skipped: Option<&'a str>,
    /// What it said beside its results.
    pub remarks: &'a Remarks,
}

impl Suite {
    /// What most rows have: a test is its program, and its exit code and its subtests say how it ended.
    pub const PLAIN: Self = Self {
        id: "",
        about: "",
        needs: Needs { fragments: &[], collection: None, host_programs: &[], guest_programs: &[] },
        tests: Tests::Lab(Lab::Samples),
        spelling: |filter| filter,
        environment: |_| Vec::new(),
        start: |test, _| Start { argv: vec![test.program.clone()], ..Start::default() },
        output: Output { subtest: |_, printed| printed, marks: Marks::NONE },
        judge: |ended| ended.plain(),
        divide: |_, _, _| Vec::new(),
    };

    /// True if its tests are commands that a tree lists.
    pub fn is_listed(&self) -> bool {
        matches!(self.tests, Tests::Listed { .. })
    }

    /// The variables for its tests: what the user sets wins.
    pub fn variables(&self, conditions: Conditions, users: &[(String, String)]) -> Vec<(String, String)> {
        let mut env = users.to_vec();
        for (name, value) in (self.environment)(conditions) {
            if !env.iter().any(|(known, _)| known == name) {
                env.push((name.to_owned(), value.to_owned()));
            }
        }
        env
    }
}

impl Ended<'_> {
    /// The verdict where an exit code says no more than good or bad.
    pub fn plain(&self) -> (Outcome, Option<String>) {
        match (self.exit_code, &self.broken) {
            (0, _) if self.failed > 0 => {
                (Outcome::Fail, Some(format!("exit code 0, but {} of its subtests failed", self.failed)))
            }
            (0, Some(why)) => (Outcome::Fail, Some(format!("exit code 0, but {why}"))),
            (0, None) => (Outcome::Pass, None),
            (code, _) => (Outcome::Fail, Some(format!("exit code {code}"))),
        }
    }
}

/// Suites are the same if their names are: there is one row of each.
impl PartialEq for Suite {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Suite {}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id)
    }
}
