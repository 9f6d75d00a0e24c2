//! The checks of a series: one suite a patch, and one for the series; one case a check.

use super::xml::{Case, Report as Xml, Status as Ended, Suite};
use crate::report::text::clean;
use crate::series::verdict::{CheckResult, Report, Status};

/// The checks as JUnit XML.
pub fn render(report: &Report) -> String {
    let patch = |patch: &crate::series::verdict::PatchInfo| {
        suite(&format!("{} {}", patch.number, clean(&patch.subject)), report, Some(patch.number))
    };
    let suites = report.patches.iter().filter_map(patch).chain(suite("series", report, None));
    Xml { name: "vmptcp validate".to_owned(), seconds: report.seconds, suites: suites.collect() }.render()
}

fn suite(name: &str, report: &Report, patch: Option<usize>) -> Option<Suite> {
    let results = report.results.iter().filter(|result| result.patch == patch);
    let cases: Vec<Case> = results.map(|result| case(report, result)).collect();
    let seconds = cases.iter().map(|case| case.seconds).sum();
    (!cases.is_empty()).then(|| Suite { name: name.to_owned(), seconds, cases, ..Suite::default() })
}

fn case(report: &Report, result: &CheckResult) -> Case {
    let status = match result.status {
        Status::Pass => Ended::Success,
        Status::Warn if !report.counts(result) => Ended::Success,
        Status::Moot | Status::Skip => Ended::Skipped,
        Status::Warn | Status::Fail => Ended::Failure,
        Status::NotRun | Status::Error => Ended::Error,
    };
    let lines: Vec<String> = result.findings.iter().map(crate::report::checks::line).collect();
    let unsaid = (result.status == Status::NotRun).then(|| "not done".to_owned());
    let message = result.note.as_deref().map(clean).or_else(|| lines.first().cloned()).or(unsaid);
    Case {
        name: result.check.clone(),
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
    use crate::report::checks::tests::report;

    #[test]
    fn each_check_is_a_case() {
        let xml = render(&report());
        schema::check(&xml);
        insta::assert_snapshot!(xml, @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="vmptcp validate" tests="7" failures="1" errors="1" time="0.000">
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
