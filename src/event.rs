//! The outcome of a test.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a test or subtest ended. The first five are what KTAP can say; the rest only the host can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It ran and did what it should.
    Pass,
    /// It did not run, and said why.
    Skip,
    /// It failed, as expected of it (`# TODO`, `# XFAIL`).
    Xfail,
    /// It passed although it was expected to fail.
    Xpass,
    /// It ran and failed.
    Fail,
    /// It did not end in its time.
    Timeout,
    /// The guest went away, or its kernel printed a splat, while it ran.
    Crash,
    /// It could not be run, or its output cannot be understood.
    Error,
    /// It was planned and never started, or never ended.
    NotRun,
}

impl Outcome {
    /// True if this outcome does not stand against a verdict of *passed*.
    pub fn is_ok(self) -> bool {
        matches!(self, Self::Pass | Self::Skip | Self::Xfail | Self::Xpass)
    }

    /// The word for a person.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Skip => "skip",
            Self::Xfail => "xfail",
            Self::Xpass => "xpass",
            Self::Fail => "fail",
            Self::Timeout => "timeout",
            Self::Crash => "crash",
            Self::Error => "error",
            Self::NotRun => "not run",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How far a long piece of work is. Rooms below the runner report it through a callback and never draw it themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// How much is done, in `unit`.
    pub done: u64,
    /// How much there is, in `unit`, where that is known. It may change on the way.
    pub total: Option<u64>,
    /// What is counted.
    pub unit: Unit,
    /// What is being done just now: a file, a URL; untrusted text.
    pub detail: String,
}

/// What a [`Progress`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of a download or an archive.
    Bytes,
    /// Steps of a build: compiled, linked or generated files.
    Steps,
}
