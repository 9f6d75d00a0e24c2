//! The checks of a series: one suite a patch, and one for the series; one case a check.

use crate::error::{Error, Result};
use crate::report::text::clean;
use crate::series::verdict::{CheckResult, Report, Status};
use quick_junit::{NonSuccessKind, Report as Xml, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// The checks as JUnit XML.
pub fn render(report: &Report) -> Result<String> {
    let mut xml = Xml::new("vmptcp validate");
    xml.set_time(Duration::try_from_secs_f64(report.seconds).unwrap_or_default());
    for patch in &report.patches {
        let name = format!("{} {}", patch.number, clean(&patch.subject));
        xml.add_test_suites(suite(&name, report, Some(patch.number)));
    }
    xml.add_test_suites(suite("series", report, None));
    xml.to_string().map_err(|error| Error::cannot_run(format!("cannot write JUnit: {error}")))
}

fn suite(name: &str, report: &Report, patch: Option<usize>) -> Option<TestSuite> {
    let mut suite = TestSuite::new(name);
    for result in report.results.iter().filter(|result| result.patch == patch) {
        let mut case = TestCase::new(result.check.as_str(), status(report, result));
        case.set_time(Duration::try_from_secs_f64(result.seconds).unwrap_or_default());
        suite.add_test_case(case);
    }
    (!suite.test_cases.is_empty()).then_some(suite)
}

fn status(report: &Report, result: &CheckResult) -> TestCaseStatus {
    let mut status = match result.status {
        Status::Pass => TestCaseStatus::success(),
        Status::Warn if !report.counts(result) => TestCaseStatus::success(),
        Status::Moot | Status::Skip => TestCaseStatus::skipped(),
        Status::Warn | Status::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Status::NotRun | Status::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    let lines: Vec<String> = result.findings.iter().map(crate::report::checks::line).collect();
    let unsaid = (result.status == Status::NotRun).then(|| "not done".to_owned());
    let message = result.note.as_deref().map(clean).or_else(|| lines.first().cloned()).or(unsaid);
    if let Some(message) = message {
        status.set_message(message);
    }
    if !lines.is_empty() {
        status.set_description(lines.join("\n"));
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::checks::tests::report;

    #[test]
    fn each_check_is_a_case() {
        insta::assert_snapshot!(render(&report()).unwrap(), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="vmptcp validate" tests="7" skipped="1" failures="1" errors="1" time="0.000">
            <testsuite name="1 mptcp: one" tests="3" skipped="1" errors="0" failures="0">
                <testcase name="apply" time="1.500"/>
                <testcase name="sparse" time="1.500"/>
                <testcase name="yaml" time="0.000">
                    <skipped message="yamllint is not installed"/>
                </testcase>
            </testsuite>
            <testsuite name="2 mptcp: two" tests="2" skipped="0" errors="0" failures="1">
                <testcase name="apply" time="1.500"/>
                <testcase name="sparse" time="1.500">
                    <failure message="net/mptcp/pm.c:12: context imbalance in &apos;f&apos;  [i386-ipv6-mptcp]">net/mptcp/pm.c:12: context imbalance in &apos;f&apos;  [i386-ipv6-mptcp]</failure>
                </testcase>
            </testsuite>
            <testsuite name="series" tests="2" skipped="0" errors="1" failures="0">
                <testcase name="cover" time="1.500"/>
                <testcase name="tests" time="0.000">
                    <error message="not done"/>
                </testcase>
            </testsuite>
        </testsuites>
        "#);
    }
}
