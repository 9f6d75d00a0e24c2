//! The checks of a series: one suite a patch, and one for the series; one case a check.

use super::run::trouble;
use super::xml::{Case, Document, Status as CaseStatus, Suite};
use crate::event::{CheckResult, PatchInfo, Status};
use crate::report::findings::line;
use crate::report::style::clean;
use crate::results::{Summary, Validation};

/// The checks as JUnit XML.
pub(super) fn render(summary: &Summary, validation: &Validation) -> String {
    let patch = |patch: &PatchInfo| {
        suite(&format!("{} {}", patch.number, clean(&patch.subject)), validation, Some(patch.number))
    };
    let suites = validation.series.patches.iter().filter_map(patch);
    let suites = suites.chain(suite("series", validation, None)).chain(trouble(summary)).collect();
    Document { name: "vmptcp validate".to_owned(), seconds: summary.seconds, suites }.render()
}

fn suite(name: &str, validation: &Validation, patch: Option<usize>) -> Option<Suite> {
    let results = validation.results.iter().filter(|result| result.on.patch == patch);
    let cases: Vec<Case> = results.map(|result| case(validation, result)).collect();
    let seconds = cases.iter().map(|case| case.seconds).sum();
    (!cases.is_empty()).then(|| Suite { name: name.to_owned(), seconds, cases, ..Suite::default() })
}

fn case(validation: &Validation, result: &CheckResult) -> Case {
    let status = match result.status {
        Status::Pass => CaseStatus::Success,
        Status::Warn if !validation.counts(result) => CaseStatus::Success,
        Status::NotApplicable | Status::Skip => CaseStatus::Skipped,
        Status::Warn | Status::Fail => CaseStatus::Failure,
        Status::NotRun | Status::Error => CaseStatus::Error,
    };
    let lines: Vec<String> = result.findings.iter().map(line).collect();
    let unsaid = (result.status == Status::NotRun).then(|| "not done".to_owned());
    let message = result.note.as_deref().map(clean).or_else(|| lines.first().cloned()).or(unsaid);
    Case {
        name: result.on.check.to_string(),
        seconds: result.seconds,
        status,
        message: message.unwrap_or_default(),
        details: lines.join("\n"),
        ..Case::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;
    use crate::report::findings::tests::validated;

    #[test]
    fn each_check_is_a_case() {
        let summary = validated();
        let xml = render(&summary, summary.validation.as_ref().unwrap());
        schema::check(&xml);
        insta::assert_snapshot!(xml, @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="vmptcp validate" tests="7" failures="1" errors="1" time="8.000">
            <testsuite name="1 mptcp: one" tests="3" failures="0" errors="0" skipped="1" time="3.000">
                <testcase name="apply" classname="1 mptcp: one" time="1.500"/>
                <testcase name="sparse" classname="1 mptcp: one" time="1.500"/>
                <testcase name="yaml" classname="1 mptcp: one" time="0.000">
                    <skipped message="yamllint is not installed"/>
                </testcase>
            </testsuite>
            <testsuite name="2 mptcp: two" tests="2" failures="1" errors="0" skipped="0" time="3.000">
                <testcase name="apply" classname="2 mptcp: two" time="1.500"/>
                <testcase name="sparse" classname="2 mptcp: two" time="1.500">
                    <failure message="net/mptcp/pm.c:12: context imbalance in 'f'  [i386-ipv6-mptcp]">net/mptcp/pm.c:12: context imbalance in 'f'  [i386-ipv6-mptcp]</failure>
                </testcase>
            </testsuite>
            <testsuite name="series" tests="2" failures="0" errors="1" skipped="0" time="1.500">
                <testcase name="cover" classname="series" time="1.500"/>
                <testcase name="tests" classname="series" time="0.000">
                    <error message="not done"/>
                </testcase>
            </testsuite>
        </testsuites>
        "#);
    }
}
