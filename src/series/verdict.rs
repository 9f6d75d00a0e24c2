//! What the checks of a series found: plain data, for every report and for the cache.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a check ended. The order is that of weight: the worst of several is their maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Nothing to say against it.
    Pass,
    /// It has nothing to say here: the note says why.
    Moot,
    /// What it needs is missing: the note says what.
    Skip,
    /// It has not been done.
    NotRun,
    /// Something that a reviewer may object to.
    Warn,
    /// Something that has to change before the series is sent.
    Fail,
    /// The check itself could not be done.
    Error,
}

impl Status {
    /// The word for a person.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Moot => "moot",
            Self::Skip => "skip",
            Self::NotRun => "not run",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Error => "error",
        }
    }

    /// One character for a table.
    pub fn mark(self) -> char {
        match self {
            Self::Pass => '✓',
            Self::Moot => ' ',
            Self::Skip => '-',
            Self::NotRun => '·',
            Self::Warn => '!',
            Self::Fail => '✗',
            Self::Error => 'E',
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth a look.
    Warning,
    /// Has to change.
    Error,
}

/// One thing that a check found. Its text may come from a patch: it is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it weighs.
    pub severity: Severity,
    /// What is wrong, and what to do.
    pub text: String,
    /// The file of the tree that it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<String>,
    /// The line in that file, from 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u32>,
    /// In which of the kernel's configurations it shows, where that matters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub config: Option<String>,
}

impl Finding {
    /// Something that has to change.
    pub fn error(text: impl Into<String>) -> Self {
        Self { severity: Severity::Error, text: text.into(), file: None, line: None, config: None }
    }

    /// Something worth a look.
    pub fn warning(text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(text) }
    }

    /// It is about this file.
    #[must_use]
    pub fn file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// It is about this line of this file.
    #[must_use]
    pub fn at(self, file: impl Into<String>, line: u32) -> Self {
        Self { line: Some(line), ..self.file(file) }
    }

    /// It shows in this configuration.
    #[must_use]
    pub fn in_config(mut self, config: impl Into<String>) -> Self {
        self.config = Some(config.into());
        self
    }

    /// `file:line`, as far as they are known.
    pub fn place(&self) -> Option<String> {
        let file = self.file.as_ref()?;
        Some(self.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}")))
    }
}

/// What a check says of a patch, or of the series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Judgement {
    /// It was done, and found this.
    Done(Vec<Finding>),
    /// There is nothing that it could be done on: why.
    Moot(String),
    /// It was not done, as something is missing: what.
    Skipped(String),
}

impl Judgement {
    /// Done, and nothing found.
    pub fn pass() -> Self {
        Self::Done(Vec::new())
    }

    /// Nothing to do.
    pub fn moot(why: impl Into<String>) -> Self {
        Self::Moot(why.into())
    }

    /// Not done.
    pub fn skip(why: impl Into<String>) -> Self {
        Self::Skipped(why.into())
    }

    /// The status that follows.
    pub fn status(&self) -> Status {
        match self {
            Self::Moot(_) => Status::Moot,
            Self::Skipped(_) => Status::Skip,
            Self::Done(findings) if findings.is_empty() => Status::Pass,
            Self::Done(findings) if findings.iter().any(|found| found.severity == Severity::Error) => {
                Status::Fail
            }
            Self::Done(_) => Status::Warn,
        }
    }
}

/// The end of one check on one patch, on the series (`patch` is none), or at its tip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The check's name.
    pub check: String,
    /// The patch's number, from 1.
    pub patch: Option<usize>,
    /// How it ended.
    pub status: Status,
    /// What it found.
    pub findings: Vec<Finding>,
    /// Why it was skipped, or could not be done.
    pub note: Option<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// It was known from an earlier run.
    pub cached: bool,
    /// The flags of the command line that it depends on, each after a blank.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub flags: String,
}

impl CheckResult {
    /// A check that has not been done yet.
    pub fn not_run(check: &str, patch: Option<usize>) -> Self {
        Self {
            check: check.to_owned(),
            patch,
            status: Status::NotRun,
            findings: Vec::new(),
            note: None,
            seconds: 0.0,
            cached: false,
            flags: String::new(),
        }
    }

    /// Takes what the check says.
    #[must_use]
    pub fn judged(mut self, judgement: Judgement, seconds: f64) -> Self {
        self.status = judgement.status();
        self.seconds = seconds;
        match judgement {
            Judgement::Done(findings) => self.findings = findings,
            Judgement::Moot(why) | Judgement::Skipped(why) => self.note = Some(why),
        }
        self
    }

    /// How to do this check alone.
    pub fn reproduce(&self) -> String {
        match self.patch {
            Some(number) => format!("vmptcp validate --patch {number} --check {}{}", self.check, self.flags),
            None => format!("vmptcp validate --check {}{}", self.check, self.flags),
        }
    }
}

/// How the base was found where the user named it.
pub const GIVEN: &str = "given";

/// A patch, as a report names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchInfo {
    /// From 1.
    pub number: usize,
    /// Its subject, without the prefix in brackets. Not to be trusted.
    pub subject: String,
    /// The commit; one of the tool's own where it came by mail.
    pub commit: String,
}

/// Everything that is known of a series.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this format.
    pub schema: u32,
    /// Of vmptcp.
    pub version: String,
    /// Where the series came from.
    pub input: String,
    /// What names the series on the command line, with a blank before it; empty for what is found without.
    pub again: String,
    /// The commit that it is built on.
    pub base: String,
    /// How that was found; none if it was only guessed.
    #[serde(default)]
    pub base_by: Option<String>,
    /// The patches.
    pub patches: Vec<PatchInfo>,
    /// The names of the checks, in the order of the table.
    pub checks: Vec<String>,
    /// How each ended.
    pub results: Vec<CheckResult>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// From the beginning to the end, in seconds.
    pub seconds: f64,
    /// Warnings count as failures.
    pub strict: bool,
    /// Only some checks, patches or configurations were asked for.
    #[serde(default)]
    pub partial: bool,
}

/// The version of [`Report`]'s format.
pub const SCHEMA: u32 = 1;

impl Report {
    /// The result of a check on a patch, or on the series.
    pub fn result(&self, check: &str, patch: Option<usize>) -> Option<&CheckResult> {
        self.results.iter().find(|result| result.check == check && result.patch == patch)
    }

    /// Those that stand against sending it.
    pub fn failed(&self) -> impl Iterator<Item = &CheckResult> {
        self.results.iter().filter(|result| self.counts(result))
    }

    /// True if this result stands against sending it.
    pub fn counts(&self, result: &CheckResult) -> bool {
        match result.status {
            Status::Fail | Status::Error => true,
            Status::Warn => self.strict,
            _ => false,
        }
    }

    /// How many results have this status.
    pub fn count(&self, status: Status) -> usize {
        self.results.iter().filter(|result| result.status == status).count()
    }

    /// True if it can be sent.
    pub fn passed(&self) -> bool {
        self.failed().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides() {
        let status = |findings| Judgement::Done(findings).status();
        assert_eq!(status(vec![]), Status::Pass);
        assert_eq!(status(vec![Finding::warning("w")]), Status::Warn);
        assert_eq!(status(vec![Finding::warning("w"), Finding::error("e")]), Status::Fail);
        assert_eq!(Judgement::skip("no tool").status(), Status::Skip);
    }

    #[test]
    fn warnings_count_only_when_strict() {
        let warned =
            CheckResult::not_run("x", Some(2)).judged(Judgement::Done(vec![Finding::warning("w")]), 0.1);
        let mut report = Report { results: vec![warned], ..Report::default() };
        assert!(report.passed());
        report.strict = true;
        assert_eq!(
            report.failed().map(CheckResult::reproduce).collect::<Vec<_>>(),
            ["vmptcp validate --patch 2 --check x"]
        );
    }
}
