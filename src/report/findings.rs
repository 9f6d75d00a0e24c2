//! What the checks of a series found, in words that several forms share.

use super::style::clean;
use crate::event::{CheckResult, Finding, Status};
use crate::results::Validation;
use std::collections::BTreeMap;

/// `patch 2 · sparse`, or `series · cover`.
pub(super) fn title(result: &CheckResult) -> String {
    match result.on.patch {
        Some(number) => format!("patch {number} · {}", result.on.check),
        None => format!("series · {}", result.on.check),
    }
}

/// A finding on one line.
pub(super) fn line(finding: &Finding) -> String {
    let place = finding.place().map(|place| format!("{}: ", clean(&place))).unwrap_or_default();
    let config = finding.config.as_ref().map(|config| format!("  [{}]", clean(config))).unwrap_or_default();
    format!("{place}{}{config}", clean(&finding.text))
}

/// How to see a result again, alone. `again` is what names the series on the command line.
pub(super) fn reproduce(validation: &Validation, result: &CheckResult) -> String {
    clean(&format!("{}{}", result.reproduce(), validation.series.again))
}

/// Why checks have this status: each reason once, with the checks.
pub(super) fn reasons(validation: &Validation, status: Status) -> Vec<(String, Vec<&str>)> {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let explained = |result: &&CheckResult| result.status == status && result.note.is_some();
    for result in validation.results.iter().filter(explained) {
        let checks = reasons.entry(result.note.as_deref().unwrap_or_default()).or_default();
        if !checks.contains(&result.on.check.as_str()) {
            checks.push(result.on.check.as_str());
        }
    }
    reasons.into_iter().map(|(reason, checks)| (clean(reason), checks)).collect()
}

/// "ready to be sent" if all was checked, or what stands against that.
pub(super) fn verdict(validation: &Validation) -> String {
    let count = |status: Status, word: &str| match validation.count(status) {
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
    let ready = match (validation.passed(), validation.count(Status::NotRun)) {
        (true, 0) if validation.series.partial => "nothing against it in what was checked",
        (true, 0) => "ready to be sent",
        (true, _) => "not finished",
        (false, _) => "not ready to be sent",
    };
    if parts.is_empty() { ready.to_owned() } else { format!("{ready}: {}", parts.join(", ")) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::event::{CheckId, CheckOn, Event, PatchInfo, SeriesInfo};
    use crate::results::Summary;
    use crate::results::tests::records;

    /// A validation with one result of each kind.
    pub(crate) fn validated() -> Summary {
        let info = |number, subject: &str| PatchInfo {
            number,
            subject: subject.to_owned(),
            commit: Some("c".repeat(40)),
        };
        let series = SeriesInfo {
            base: "b".repeat(40),
            input: "base..".to_owned(),
            again: " base..".to_owned(),
            patches: vec![info(1, "mptcp: one"), info(2, "mptcp: \u{1b}[31mtwo")],
            ..SeriesInfo::default()
        };
        let on = |check, patch| CheckOn { check, patch };
        let ended = |check, patch, status, findings| CheckResult {
            status,
            findings,
            seconds: 1.5,
            ..CheckResult::not_run(on(check, patch))
        };
        let bad = Finding::error("context imbalance in 'f'").at("net/mptcp/pm.c", 12);
        let results = [
            ended(CheckId::Apply, Some(1), Status::Pass, vec![]),
            ended(CheckId::Apply, Some(2), Status::Pass, vec![]),
            ended(CheckId::Sparse, Some(1), Status::Warn, vec![Finding::warning("a long word")]),
            ended(CheckId::Sparse, Some(2), Status::Fail, vec![bad.in_config("i386-ipv6-mptcp")]),
            ended(CheckId::Cover, None, Status::Pass, vec![]),
            CheckResult {
                seconds: 0.0,
                note: Some("yamllint is not installed".to_owned()),
                ..ended(CheckId::Yaml, Some(1), Status::Skip, vec![])
            },
        ];
        let results = results.into_iter().map(|result| Event::CheckEnded { result });
        let planned = Event::ChecksPlanned { checks: vec![on(CheckId::Tests, None)] };
        let end = Event::RunEnded { exit_code: 1, error: None, hint: None };
        let begin = Event::Series { series };
        Summary::of(&records([begin].into_iter().chain(results).chain([planned, end]).collect()))
    }

    #[test]
    fn the_verdict_counts_what_is_not_well() {
        let mut validation = validated().validation.unwrap();
        assert_eq!(verdict(&validation), "not ready to be sent: 1 failure, 1 warning, 1 check not done");
        validation.results = crate::results::Keyed::default();
        assert_eq!(verdict(&validation), "ready to be sent");
        validation.series.partial = true;
        assert_eq!(verdict(&validation), "nothing against it in what was checked");
    }
}
