//! The checks of a patch series, as facts: which there are, and how each ended.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Which check it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckId {
    /// Does the patch apply?
    Apply,
    /// May its files be written?
    Safety,
    /// Its author signed it off.
    SignedOffBy,
    /// The form of the subject.
    Subject,
    /// The form of the message.
    Message,
    /// The commits that `Fixes:` names.
    Fixes,
    /// The form of `Cc: stable`.
    CcStable,
    /// The mail goes where its prefix says.
    Recipients,
    /// `inline` in source files.
    Inline,
    /// New options are in the selftests' config.
    Kconfig,
    /// The subjects name the tree.
    Prefix,
    /// There is a cover letter.
    Cover,
    /// The number of patches.
    Count,
    /// No `fixup!` is left.
    Fixup,
    /// The base is known.
    Base,
    /// `Based-on` names a message.
    BasedOn,
    /// Later versions say what changed.
    Changelog,
    /// The tree's own checkpatch.
    Checkpatch,
    /// Those whom `get_maintainer` names.
    Maintainers,
    /// shellcheck on scripts.
    Shellcheck,
    /// Comments that become documentation.
    KernelDoc,
    /// A linter for Python.
    Python,
    /// A linter for YAML.
    Yaml,
    /// Compiles, without any warning.
    Build,
    /// New warnings with W=1.
    Warnings,
    /// New warnings of sparse.
    Sparse,
    /// The selftests build.
    Selftests,
    /// Everything builds at the tip.
    BuildAll,
    /// The selftests run in a guest.
    Tests,
}

impl CheckId {
    /// Its name, for `--check` and every report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Safety => "safety",
            Self::SignedOffBy => "signed-off-by",
            Self::Subject => "subject",
            Self::Message => "message",
            Self::Fixes => "fixes",
            Self::CcStable => "cc-stable",
            Self::Recipients => "recipients",
            Self::Inline => "inline",
            Self::Kconfig => "kconfig",
            Self::Prefix => "prefix",
            Self::Cover => "cover",
            Self::Count => "count",
            Self::Fixup => "fixup",
            Self::Base => "base",
            Self::BasedOn => "based-on",
            Self::Changelog => "changelog",
            Self::Checkpatch => "checkpatch",
            Self::Maintainers => "maintainers",
            Self::Shellcheck => "shellcheck",
            Self::KernelDoc => "kernel-doc",
            Self::Python => "python",
            Self::Yaml => "yaml",
            Self::Build => "build",
            Self::Warnings => "warnings",
            Self::Sparse => "sparse",
            Self::Selftests => "selftests",
            Self::BuildAll => "build-all",
            Self::Tests => "tests",
        }
    }
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A check on one patch, by its number from 1, or on the series as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CheckOn {
    /// Which check.
    pub check: CheckId,
    /// Which patch; none for the series.
    pub patch: Option<usize>,
}

impl CheckOn {
    /// A check on a patch.
    pub fn patch(check: CheckId, number: usize) -> Self {
        Self { check, patch: Some(number) }
    }

    /// A check on the series.
    pub fn series(check: CheckId) -> Self {
        Self { check, patch: None }
    }
}

/// How a check ended. The order is that of weight: the worst of several is their maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Nothing to say against it.
    Pass,
    /// It has nothing to say here: the note says why.
    #[serde(rename = "n/a", alias = "moot")]
    NotApplicable,
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
            Self::NotApplicable => "n/a",
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
            Self::NotApplicable => ' ',
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

/// The end of one check on one patch, on the series (`patch` is none), or at its tip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Which check, on what.
    #[serde(flatten)]
    pub on: CheckOn,
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
    pub fn not_run(on: CheckOn) -> Self {
        Self {
            on,
            status: Status::NotRun,
            findings: Vec::new(),
            note: None,
            seconds: 0.0,
            cached: false,
            flags: String::new(),
        }
    }

    /// How to do this check alone.
    pub fn reproduce(&self) -> String {
        let CheckOn { check, patch } = self.on;
        let patch = patch.map(|number| format!(" --patch {number}")).unwrap_or_default();
        format!("vmptcp validate{patch} --check {check}{}", self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_read_back_as_it_was_written() {
        let on = CheckOn::patch(CheckId::SignedOffBy, 2);
        let result =
            CheckResult { findings: vec![Finding::error("x").at("a.c", 3)], ..CheckResult::not_run(on) };
        let text = serde_json::to_string(&result).unwrap();
        assert!(text.starts_with(r#"{"check":"signed-off-by","patch":2,"status":"not-run""#), "{text}");
        assert_eq!(serde_json::from_str::<CheckResult>(&text).unwrap(), result);
    }
}
