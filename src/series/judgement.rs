//! What a check says. Pure.

use crate::event::{CheckOn, CheckResult, Finding, Severity, Status};
use serde::{Deserialize, Serialize};

/// What a check says of a patch, or of the series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Judgement {
    /// It was done, and found this.
    Done(Vec<Finding>),
    /// There is nothing that it could be done on: why.
    NotApplicable(String),
    /// It was not done, as something is missing: what.
    Skipped(String),
}

impl Judgement {
    /// Done, and nothing found.
    pub fn pass() -> Self {
        Self::Done(Vec::new())
    }

    /// Nothing to do.
    pub fn not_applicable(why: impl Into<String>) -> Self {
        Self::NotApplicable(why.into())
    }

    /// Not done.
    pub fn skip(why: impl Into<String>) -> Self {
        Self::Skipped(why.into())
    }

    /// The status that follows.
    pub fn status(&self) -> Status {
        match self {
            Self::NotApplicable(_) => Status::NotApplicable,
            Self::Skipped(_) => Status::Skip,
            Self::Done(findings) if findings.is_empty() => Status::Pass,
            Self::Done(findings) if findings.iter().any(|found| found.severity == Severity::Error) => {
                Status::Fail
            }
            Self::Done(_) => Status::Warn,
        }
    }

    /// The result of the check that says it, and took so many seconds.
    pub fn result(self, on: CheckOn, seconds: f64) -> CheckResult {
        let result = CheckResult { status: self.status(), seconds, ..CheckResult::not_run(on) };
        match self {
            Self::Done(findings) => CheckResult { findings, ..result },
            Self::NotApplicable(why) | Self::Skipped(why) => CheckResult { note: Some(why), ..result },
        }
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
}
