//! Streaming reader of KTAP and TAP: lines in, [`Event`]s out, memory bounded by the nesting and not by the input.
//!
//! Understood are KTAP version 1 (`Documentation/dev-tools/ktap.rst`), TAP 13 and 14 (indented subtests, `# Subtest:`
//! headers), the kselftest runner's nesting (the output of a test, each line prefixed by `# `, then its result), and
//! the MPTCP scripts, which print their TAP after output for people. Whatever else a line says, it is handed on as
//! [`Event::Text`]: nothing is lost.
//!
//! KTAP names a group of subtests only after its last subtest. Results are reported at once nevertheless: each says in
//! which [`GroupId`] it stands, and [`Event::Named`] gives the group's name as soon as it is known. [`Paths`] keeps
//! track of that.
//!
//! ```
//! let stream = b"TAP version 13\n1..2\nok 1 - connect # time=12ms\nnot ok 2 - reset # SKIP no tool\n";
//! let mut parser = ktap::Parser::new();
//! let mut events = Vec::new();
//! for line in stream.split_inclusive(|&byte| byte == b'\n') {
//!     events.extend(parser.line(line));
//! }
//! events.extend(parser.finish());
//!
//! let results = events.iter().filter_map(|event| match event {
//!     ktap::Event::Result(result) => Some((result.name.as_str(), result.outcome)),
//!     _ => None,
//! });
//! assert!(results.eq([("connect", ktap::Outcome::Pass), ("reset", ktap::Outcome::Skip)]));
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail loudly"))]
#![cfg_attr(test, allow(clippy::too_many_lines, reason = "a snapshot is as long as what it shows"))]
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod clean;
mod comment;
mod level;
mod parser;
mod paths;
mod syntax;
#[cfg(test)]
mod tests;

pub use parser::{MAX_DEPTH, Parser};
pub use paths::Paths;

use std::fmt;
use std::time::Duration;

/// Which group of results, numbered in the order in which they open in a stream. The first is the outermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u64);

/// What a stream says. Each line yields exactly one event for which [`Event::is_line`] is true, among any number of
/// others that follow from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A version line.
    Version {
        /// The group that it begins.
        group: GroupId,
        /// What it announces.
        format: Format,
    },
    /// A plan: `1..count`.
    Plan {
        /// The group that is planned.
        group: GroupId,
        /// How many results are to come.
        count: u64,
        /// The reason, maybe empty, of a plan that skips the whole group: `1..0 # SKIP reason`.
        skip: Option<String>,
    },
    /// `ok` or `not ok`.
    Result(Box<TestResult>),
    /// A line that starts with `#`, without it, or a line of a YAML block.
    Diagnostic {
        /// The group among whose results it stands.
        group: GroupId,
        /// What it says.
        text: String,
    },
    /// `Bail out!`: the test gave up.
    BailOut {
        /// The group among whose results it stands.
        group: GroupId,
        /// Why, maybe empty.
        reason: String,
    },
    /// A line of the kernel's log that was printed into the stream.
    Kernel {
        /// The line, with its time stamp.
        text: String,
        /// True if it was at the end of a line that has an event of its own.
        glued: bool,
    },
    /// Any other line, as it came.
    Text {
        /// The line, control characters and all.
        text: String,
    },
    /// A group begins.
    Opened {
        /// The group.
        group: GroupId,
        /// The group that it stands in; `None` for an outermost one.
        parent: Option<GroupId>,
    },
    /// The name of a group is known now: from a header, or from the result that sums it up.
    Named {
        /// The group.
        group: GroupId,
        /// Its name.
        name: String,
    },
    /// A group ended. What is wrong with it as a whole was said just before.
    Closed {
        /// The group.
        group: GroupId,
        /// How many results it had, those of its subgroups not included.
        results: u64,
        /// How many it promised.
        planned: Option<u64>,
    },
    /// Something in the stream is not as it should be.
    Problem {
        /// The group with the problem.
        group: GroupId,
        /// What is wrong.
        problem: Problem,
    },
}

impl Event {
    /// True if the event stands for a line of the input; false if it follows from one, or is a part of one.
    pub fn is_line(&self) -> bool {
        match self {
            Self::Opened { .. } | Self::Named { .. } | Self::Closed { .. } | Self::Problem { .. } => false,
            Self::Kernel { glued, .. } => !glued,
            _ => true,
        }
    }
}

/// What a version line announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `KTAP version N`.
    Ktap(u32),
    /// `TAP version N`.
    Tap(u32),
}

/// How a test or subtest ended, of what KTAP can express.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It ran and did what it should.
    Pass,
    /// It did not run, and said why (`# SKIP`).
    Skip,
    /// It failed, as expected of it (`# TODO`, `# XFAIL`).
    Xfail,
    /// It passed although it was expected to fail.
    Xpass,
    /// It ran and failed.
    Fail,
    /// It did not end in its time (`# TIMEOUT`).
    Timeout,
    /// It could not be executed (`# error`).
    Error,
}

impl Outcome {
    /// The outcome in lower case, as in the directives of KTAP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Skip => "skip",
            Self::Xfail => "xfail",
            Self::Xpass => "xpass",
            Self::Fail => "fail",
            Self::Timeout => "timeout",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The result of a test or subtest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// The group in which it stands.
    pub group: GroupId,
    /// How deep: 0 for an outermost result.
    pub depth: usize,
    /// The group of its subtests, closed by this result.
    pub closes: Option<GroupId>,
    /// Its number as printed.
    pub number: Option<u64>,
    /// The description as printed, trimmed and with `\#` and `\\` resolved. It may be empty, or that of another result.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The keyword after `#`.
    pub directive: Option<Directive>,
    /// The text after `#`, without the keyword and the duration.
    pub reason: Option<String>,
    /// How long it took, from `time=…ms`.
    pub duration: Option<Duration>,
    /// True for `# IGNORE Flaky`: it failed, the script counts it as passed because it is known to be flaky.
    pub flaky_ignored: bool,
}

impl TestResult {
    /// What to call it: its name; else its reason, where `kselftest.h` puts the name of a skipped test; else its number.
    pub fn label(&self) -> String {
        match (&self.name, &self.reason, self.number) {
            (name, _, _) if !name.is_empty() => name.clone(),
            (_, Some(reason), _) => reason.clone(),
            (_, None, Some(number)) => format!("#{number}"),
            (_, None, None) => "unnamed".to_owned(),
        }
    }
}

/// The keyword after the `#` of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directive {
    /// It did not run.
    Skip,
    /// It is not expected to pass.
    Todo,
    /// It failed as expected.
    Xfail,
    /// It passed although it was expected to fail.
    Xpass,
    /// It took too long.
    Timeout,
    /// It could not be executed.
    Error,
    /// The MPTCP scripts' `IGNORE`: the failure shall not count.
    Ignore,
}

/// What can be wrong with a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A number is not one more than the one before.
    OutOfOrder {
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A number of a result or a plan that cannot be one: negative, or beyond 64 bits.
    BadNumber {
        /// What is there, possibly shortened.
        text: String,
    },
    /// A name that another result of the same group has as well. Both count.
    DuplicateName {
        /// The name.
        name: String,
    },
    /// Results without a plan.
    MissingPlan,
    /// A second plan. The first one holds.
    SecondPlan {
        /// What the first one promised.
        first: u64,
        /// What the second one promised.
        second: u64,
    },
    /// A plan that has results before and after it.
    MisplacedPlan,
    /// Fewer results than planned.
    Truncated {
        /// What the plan promised.
        planned: u64,
        /// What came.
        seen: u64,
    },
    /// More results than planned.
    Exceeded {
        /// What the plan promised.
        planned: u64,
        /// What came.
        seen: u64,
    },
    /// Results nested deeper than [`MAX_DEPTH`], from here on read as text.
    TooDeep,
}

impl Problem {
    /// True if results may be missing or made up, so that the stream alone cannot make a verdict of *passed*.
    pub fn is_serious(&self) -> bool {
        matches!(self, Self::Truncated { .. } | Self::Exceeded { .. } | Self::TooDeep)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfOrder { expected, found } => write!(f, "result {found} where {expected} is due"),
            Self::BadNumber { text } => write!(f, "{text:?} is not a usable number"),
            Self::DuplicateName { name } => write!(f, "a second result is called {name:?}"),
            Self::MissingPlan => f.write_str("there is no plan"),
            Self::SecondPlan { first, second } => write!(f, "plan 1..{second} after plan 1..{first}"),
            Self::MisplacedPlan => f.write_str("the plan stands between results"),
            Self::Truncated { planned, seen } => write!(f, "{seen} of {planned} planned results"),
            Self::Exceeded { planned, seen } => write!(f, "{seen} results where {planned} are planned"),
            Self::TooDeep => write!(f, "results are nested more than {MAX_DEPTH} deep"),
        }
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}", self.0)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ktap(version) => write!(f, "KTAP {version}"),
            Self::Tap(version) => write!(f, "TAP {version}"),
        }
    }
}

/// One line an event, for logs and snapshots. Text from outside is escaped.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { group, format } => write!(f, "{group} version {format}"),
            Self::Plan { group, count, skip: None } => write!(f, "{group} plan {count}"),
            Self::Plan { group, count, skip: Some(why) } => write!(f, "{group} plan {count}, skip {why:?}"),
            Self::Result(result) => result.fmt(f),
            Self::Diagnostic { group, text } => write!(f, "{group} diagnostic {text:?}"),
            Self::BailOut { group, reason } => write!(f, "{group} bail out {reason:?}"),
            Self::Kernel { text, glued: false } => write!(f, "kernel {text:?}"),
            Self::Kernel { text, glued: true } => write!(f, "kernel, glued {text:?}"),
            Self::Text { text } => write!(f, "text {text:?}"),
            Self::Opened { group, parent: None } => write!(f, "{group} opened"),
            Self::Opened { group, parent: Some(parent) } => write!(f, "{group} opened in {parent}"),
            Self::Named { group, name } => write!(f, "{group} named {name:?}"),
            Self::Closed { group, results, planned: Some(planned) } => {
                write!(f, "{group} closed, {results} of {planned}")
            }
            Self::Closed { group, results, planned: None } => write!(f, "{group} closed, {results}"),
            Self::Problem { group, problem } => write!(f, "{group} problem: {problem}"),
        }
    }
}

impl fmt::Display for TestResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.group, self.outcome)?;
        if let Some(number) = self.number {
            write!(f, " {number}")?;
        }
        write!(f, " {:?}", self.name)?;
        if let Some(directive) = self.directive {
            write!(f, ", {directive:?}")?;
        }
        if self.flaky_ignored {
            f.write_str(", flaky")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, ", because {reason:?}")?;
        }
        if let Some(duration) = self.duration {
            write!(f, ", {duration:?}")?;
        }
        if let Some(group) = self.closes {
            write!(f, ", closes {group}")?;
        }
        Ok(())
    }
}
