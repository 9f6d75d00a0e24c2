//! What the checks of a series found, for people and for programs.

pub mod markdown;
pub mod text;

use super::text::clean;
use crate::series::verdict::{CheckResult, Finding, Report, Severity, Status};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// As JSON, with a line feed at its end.
pub fn json(report: &Report) -> String {
    crate::text::json(&serde_json::to_string_pretty(report).unwrap_or_default()) + "\n"
}

/// `patch 2 · sparse`, or `series · cover`.
fn title(result: &CheckResult) -> String {
    match result.patch {
        Some(number) => format!("patch {number} · {}", result.check),
        None => format!("series · {}", result.check),
    }
}

/// A finding on one line.
pub(super) fn line(finding: &Finding) -> String {
    let place = finding.place().map(|place| format!("{}: ", clean(&place))).unwrap_or_default();
    let config = finding.config.as_ref().map(|config| format!("  [{}]", clean(config))).unwrap_or_default();
    format!("{place}{}{config}", clean(&finding.text))
}

/// Every finding on a line, as compilers and checkpatch write them: for editors, and for b4.
pub fn lines(report: &Report) -> String {
    let mut text = String::new();
    for result in &report.results {
        let patch = result.patch.filter(|_| report.patches.len() > 1);
        let patch = patch.map(|number| format!("patch {number}: ")).unwrap_or_default();
        for finding in &result.findings {
            let place = finding.place().map_or_else(|| patch.clone(), |place| format!("{}: ", clean(&place)));
            let word = if finding.severity == Severity::Error { "ERROR" } else { "WARNING" };
            let _ = writeln!(text, "{place}{word}: {} [{}]", clean(&finding.text), result.check);
        }
        if let (Status::Error, Some(note)) = (result.status, &result.note) {
            let _ = writeln!(text, "{patch}ERROR: could not be done: {} [{}]", clean(note), result.check);
        }
    }
    text
}

/// How to see a result again, alone. `again` is what names the series on the command line.
fn reproduce(report: &Report, result: &CheckResult) -> String {
    clean(&format!("{}{}", result.reproduce(), report.again))
}

/// Why checks have this status: each reason once, with the checks.
fn reasons(report: &Report, status: Status) -> Vec<(String, Vec<&str>)> {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let explained = |result: &&CheckResult| result.status == status && result.note.is_some();
    for result in report.results.iter().filter(explained) {
        let checks = reasons.entry(result.note.as_deref().unwrap_or_default()).or_default();
        if !checks.contains(&result.check.as_str()) {
            checks.push(&result.check);
        }
    }
    reasons.into_iter().map(|(reason, checks)| (clean(reason), checks)).collect()
}

/// "ready to be sent" if all was checked, or what stands against that.
pub fn verdict(report: &Report) -> String {
    let count = |status: Status, word: &str| match report.count(status) {
        0 => None,
        1 => Some(format!("1 {word}")),
        count => Some(format!("{count} {word}s")),
    };
    let parts: Vec<String> = [
        count(Status::Fail, "failure"),
        count(Status::Error, "check that could not be done").map(|text| text.replace("dones", "done")),
        count(Status::Warn, "warning"),
        count(Status::NotRun, "check not done").map(|text| text.replace("dones", "done")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let ready = match (report.passed(), report.count(Status::NotRun)) {
        (true, 0) if report.partial => "nothing against it in what was checked",
        (true, 0) => "ready to be sent",
        (true, _) => "not finished",
        (false, _) => "not ready to be sent",
    };
    if parts.is_empty() { ready.to_owned() } else { format!("{ready}: {}", parts.join(", ")) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::series::verdict::{Judgement, PatchInfo};

    /// A report with one result of each kind, for the tests of this room.
    pub(crate) fn report() -> Report {
        let info =
            |number, subject: &str| PatchInfo { number, subject: subject.to_owned(), commit: "c".repeat(40) };
        let done = |check: &str, patch, findings| {
            CheckResult::not_run(check, patch).judged(Judgement::Done(findings), 1.5)
        };
        Report {
            base: "b".repeat(40),
            input: "base..".to_owned(),
            again: " base..".to_owned(),
            patches: vec![info(1, "mptcp: one"), info(2, "mptcp: \u{1b}[31mtwo")],
            checks: ["apply", "sparse", "cover", "yaml", "tests"].map(str::to_owned).to_vec(),
            results: vec![
                done("apply", Some(1), vec![]),
                done("apply", Some(2), vec![]),
                done("sparse", Some(1), vec![Finding::warning("a long word")]),
                done(
                    "sparse",
                    Some(2),
                    vec![
                        Finding::error("context imbalance in 'f'")
                            .at("net/mptcp/pm.c", 12)
                            .in_config("i386-ipv6-mptcp"),
                    ],
                ),
                done("cover", None, vec![]),
                CheckResult::not_run("yaml", Some(1))
                    .judged(Judgement::skip("yamllint is not installed"), 0.0),
                CheckResult::not_run("tests", None),
            ],
            ..Report::default()
        }
    }

    #[test]
    fn a_finding_on_a_line_reads_like_a_compilers() {
        insta::assert_snapshot!(lines(&report()), @r"
        patch 1: WARNING: a long word [sparse]
        net/mptcp/pm.c:12: ERROR: context imbalance in 'f' [sparse]
        ");
    }

    #[test]
    fn the_verdict_counts_what_is_not_well() {
        assert_eq!(verdict(&report()), "not ready to be sent: 1 failure, 1 warning, 1 check not done");
        assert_eq!(verdict(&Report::default()), "ready to be sent");
        let quick = Report { partial: true, ..Report::default() };
        assert_eq!(verdict(&quick), "nothing against it in what was checked");
    }
}
