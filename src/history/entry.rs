//! A run as the index keeps it.

use crate::event::{Outcome, PARTS};
use crate::results::{Case, Summary, Verdict, cases};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Where a run comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A run of this user, by its directory.
    Local(PathBuf),
    /// A run of the public CI, by its number there.
    Public(String),
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where it comes from.
    pub origin: Origin,
    /// Its name for a person: that of its directory, or the public tag.
    pub name: String,
    /// What kind of run it is.
    pub kind: String,
    /// When it began, in milliseconds since 1970, UTC.
    pub started_ms: i64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The verdict, as in `results.json`.
    pub verdict: Verdict,
    /// How many tests were planned.
    pub tests: u32,
    /// How many of them failed.
    pub failed: u32,
    /// The kernel's tree: its directory, or the name of a public branch.
    pub tree: String,
    /// The kernel's commit and what `git describe` says of it; empty where there is no repository.
    pub commit: String,
    /// The kernel's version; empty where nobody knows.
    pub version: String,
    /// What kernels and machines its results can be compared with: `normal, tcg`.
    pub configuration: String,
    /// The command line, as it was given.
    pub argv: Vec<String>,
    /// What became of its tests and subtests. Of a public run those only that did not pass.
    pub results: Vec<Observed>,
}

/// What became of a case in a run: several of one case where it was repeated.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// The test or subtest.
    pub case: Case,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took, in seconds, where that is known.
    pub seconds: Option<f64>,
}

impl Entry {
    /// What the index keeps of the run in the directory `path`.
    pub fn of(path: PathBuf, summary: &Summary) -> Self {
        let fact = |name: &str| summary.provenance.get(name).cloned().unwrap_or_default();
        let results = cases(summary).into_iter().flat_map(|(case, results)| {
            results.into_iter().map(move |result| Observed {
                case: case.clone(),
                outcome: result.outcome,
                seconds: result.seconds,
            })
        });
        let name = name_of(&path);
        Self {
            name,
            origin: Origin::Local(path),
            kind: summary.kind.clone(),
            started_ms: summary.started.map_or(0, jiff::Timestamp::as_millisecond),
            seconds: summary.seconds,
            verdict: summary.verdict,
            tests: count(summary.tests.iter().count()),
            failed: count(summary.tests.iter().filter(|test| test.failed()).count()),
            tree: fact("tree"),
            commit: fact("commit"),
            version: fact("tree version"),
            configuration: configuration(summary),
            argv: summary.argv.clone(),
            results: results.collect(),
        }
    }
}

/// The name of a run: that of its directory, with the run that it is a part of.
fn name_of(run: &Path) -> String {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match run.parent() {
        Some(parts) if name(parts) == PARTS => {
            let whole = parts.parent().map(name).unwrap_or_default();
            format!("{whole}/{PARTS}/{}", name(run))
        }
        _ => name(run),
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The variant of the kernel, and what ran it.
fn configuration(summary: &Summary) -> String {
    let fact = |name: &str| summary.provenance.get(name).cloned();
    [fact("variant"), fact("accelerator")].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::eventful_run;

    #[test]
    fn a_part_of_a_run_is_named_with_the_whole() {
        let name = |path: &str| name_of(Path::new(path));
        assert_eq!(name("/runs/20260101-000000-1"), "20260101-000000-1");
        assert_eq!(name("/runs/20260101-000000-1/variants/debug"), "20260101-000000-1/variants/debug");
    }

    #[test]
    fn a_run_is_kept_with_every_result_and_what_it_can_be_compared_with() {
        let summary = Summary::of(&eventful_run());
        let entry = Entry::of(PathBuf::from("/runs/20260101-000000-1"), &summary);
        assert_eq!(entry.name, "20260101-000000-1");
        let seen: Vec<String> =
            entry.results.iter().map(|seen| format!("{} {}", seen.case, seen.outcome)).collect();
        assert!(seen.contains(&"good: second skip".to_owned()), "{seen:?}");
        assert!(seen.contains(&"ugly crash".to_owned()), "{seen:?}");
        assert!(seen.contains(&"late not run".to_owned()), "{seen:?}");
    }
}
