//! What a suite is: a row of [`SUITES`](super::SUITES). Runner, plan and reports know suites by these fields only.
//!
//! A row lists its tests, and a test knows its row: that is why tests stand here, too.

use super::{Group, KnownFlake, Marks, Pattern, Remarks, Shard, Subtests};
use crate::error::Result;
use crate::event::{DEFAULT_SUITE, Outcome, label};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// How long a test may take, and takes, where its suite does not say.
const USUAL: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));

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
    pub environment: fn(Conditions) -> Vec<(&'static str, String)>,
    /// How a test is started: in the directory where its collection is installed, or in that of the tests of its repository;
    /// in `/` where it has neither.
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
    /// The repository that its tests come from; none where they are those of the kernel tree.
    pub repository: Option<&'static Repository>,
    /// Programs of the host, to build it.
    pub host_programs: &'static [&'static str],
    /// Programs of the guest.
    pub guest_programs: &'static [&'static str],
}

/// A repository of tests, and of the program that runs them.
#[derive(Debug)]
pub struct Repository {
    /// The branches for a kernel of this version, major and minor, the best first. Where it has none of them, its default branch
    /// is for that kernel.
    pub branches: fn(u32, u32) -> Vec<String>,
    /// The directory of the tests in it.
    pub tests: &'static str,
    /// The directory of the program's sources in it.
    pub sources: &'static str,
    /// The program, a file that is built in the directory of the sources.
    pub program: &'static str,
    /// Arguments of make, with which it is built.
    pub make: &'static [&'static str],
    /// A header to build it with, which is put beside its sources: name and text.
    pub header: (&'static str, &'static str),
}

/// Which tests a suite has.
#[derive(Debug)]
pub enum Tests {
    /// Each is one command in a guest; a tree's files say which there are.
    Listed {
        /// The directory whose files decide which tests and subtests there are: of the tree, or of the tests in the suite's
        /// repository.
        sources: &'static str,
        /// The tests that the tree, or the repository, has. It is an error if it has none.
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
#[allow(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub struct Conditions {
    /// A failure counts that the test itself calls flaky.
    pub flaky_counts: bool,
    /// Nothing may be skipped.
    pub all_features: bool,
    /// The machine is slow.
    pub slow: bool,
    /// What a suite with deadlines within a test calls a failure is a flake: the kernel is too slow for them.
    pub misses_deadlines: bool,
    /// By which factor deadlines within a test are relaxed.
    pub tolerance: u32,
}

/// What is known of a test's file.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProgramFile<'a> {
    /// Somebody may execute it.
    pub executable: bool,
    /// Its first bytes, as many as tell its first line.
    pub head: &'a [u8],
    /// The script is beside it that runs what cannot be run by itself, and can be executed.
    pub has_runner: bool,
}

/// Where a test is started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Site<'a> {
    /// The file of its program.
    pub file: ProgramFile<'a>,
    /// It may write into its directory, and is to capture packets there.
    pub capture: bool,
    /// The program of the suite's repository, as the guest sees it.
    pub program: Option<&'a Path>,
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

/// What a suite says about the time of a test, on a machine of normal speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Take the time that is needed.
    Unlimited,
    /// Not longer than this.
    Within(Duration),
}

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

/// A test to run, and which of its subtests count.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The test.
    pub test: TestCase,
    /// Which subtests count; `None` for all. A script runs them all anyway: the others are left out of the results.
    pub subtests: Option<Subtests>,
    /// Subtests that do not count, also of those.
    excluded: Vec<Pattern>,
    /// Its failures that do not count now.
    pub known_flakes: Vec<KnownFlake>,
}

impl Selection {
    /// All of a test.
    pub fn whole(test: TestCase) -> Self {
        Self { test, subtests: None, excluded: Vec::new(), known_flakes: Vec::new() }
    }

    /// The known flake that a failure of this subtest is; of the test itself, with `None`.
    pub fn known_flake(&self, subtest: Option<&str>) -> Option<&KnownFlake> {
        self.known_flakes.iter().find(|flake| flake.is_about(&self.test.name, subtest))
    }

    /// Lets subtests not count.
    pub(super) fn exclude(&mut self, pattern: Pattern) {
        self.excluded.push(pattern);
    }

    /// Whether the subtest of this name, see [`Output::subtest`], counts.
    pub fn counts(&self, subtest: &str) -> bool {
        self.subtests.as_ref().is_none_or(|subtests| subtests.matches(subtest))
            && !self.excluded.iter().any(|pattern| pattern.matches(subtest))
    }

    /// Whether only some of its subtests count: the exit code of the script, which runs all, says nothing then.
    pub fn is_partial(&self) -> bool {
        self.subtests.is_some() || !self.excluded.is_empty()
    }
}

impl Suite {
    /// What most rows have: a test is its program, and its exit code and its subtests say how it ended.
    pub const PLAIN: Self = Self {
        id: "",
        about: "",
        needs: Needs {
            fragments: &[],
            collection: None,
            repository: None,
            host_programs: &[],
            guest_programs: &[],
        },
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
                env.push((name.to_owned(), value));
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
