//! `junit.xml`: one suite a test script, one case a subtest, as CI systems show it.

mod checks;

pub use checks::render as render_checks;

use super::summary::Summary;
use super::test::{Attempt, Test};
use super::text::clean;
use crate::error::{Error, Result};
use crate::event::{Outcome, Subtest};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};
use std::time::Duration;

/// The summary as JUnit XML.
pub fn render(summary: &Summary) -> Result<String> {
    let mut report = Report::new("vmptcp");
    report.set_time(Duration::try_from_secs_f64(summary.seconds).unwrap_or_default());
    report.add_test_suites(trouble(summary));
    for test in &summary.tests {
        report.add_test_suite(suite(summary, test));
    }
    report.to_string().map_err(|error| Error::cannot_run(format!("cannot write junit.xml: {error}")))
}

/// What went wrong outside of any test: else a build that failed would look like a run without tests, and green.
fn trouble(summary: &Summary) -> Option<TestSuite> {
    let mut suite = TestSuite::new("vmptcp");
    let mut add = |name: &str, message: &str, details: String| {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(clean(message.lines().next().unwrap_or_default()));
        status.set_description(details);
        suite.add_test_case(TestCase::new(name, status));
    };
    if let Some(error) = &summary.error {
        add("run", &error.text, error.text.lines().map(clean).collect::<Vec<_>>().join("\n"));
    }
    for splat in summary.splats.iter().filter(|splat| splat.test.is_none() && !splat.notice) {
        add(
            "kernel",
            &splat.title,
            splat.lines.iter().map(|line| clean(line)).collect::<Vec<_>>().join("\n"),
        );
    }
    (!suite.test_cases.is_empty()).then_some(suite)
}

fn suite(summary: &Summary, test: &Test) -> TestSuite {
    let name = match test.attempt {
        1 => test.name.clone(),
        attempt => format!("{}#{attempt}", test.name),
    };
    let mut suite = TestSuite::new(clean(&name));
    for (key, value) in &summary.provenance {
        suite.add_property(Property::new(clean(key), clean(value)));
    }
    // The script itself is a case as well: it can fail where none of its subtests does.
    let mut whole =
        TestCase::new("(script)", status(test.result.outcome, test.result.reason.as_deref(), false));
    whole.set_time(Duration::try_from_secs_f64(test.result.seconds).unwrap_or_default());
    let splats = summary.splats.iter().filter(|splat| splat.tests.iter().any(|id| test.is(id)));
    let lines: Vec<String> = splats.flat_map(|splat| &splat.lines).map(|line| clean(line)).collect();
    if !lines.is_empty() {
        whole.set_system_err(lines.join("\n"));
    }
    for rerun in test.reruns.iter().chain(test.shards.iter().flat_map(|shard| &shard.reruns)) {
        whole.status.add_rerun(again(rerun));
    }
    if let Some(seen) = &test.result.wire {
        whole.set_system_out(super::wire::table(seen));
    }
    suite.add_test_case(whole);
    for subtest in &test.result.subtests {
        suite.add_test_case(case(subtest, test.result.outcome == Outcome::Flaky));
    }
    suite
}

/// One of the runs that were to tell a flake from a failure. JUnit has a place for those that failed only.
fn again(attempt: &Attempt) -> TestRerun {
    let kind = match attempt.outcome {
        Outcome::Fail | Outcome::Flaky => NonSuccessKind::Failure,
        _ => NonSuccessKind::Error,
    };
    let mut rerun = TestRerun::new(kind);
    rerun.set_time(Duration::try_from_secs_f64(attempt.seconds).unwrap_or_default());
    let why = attempt.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    rerun.set_message(clean(&format!("{}{why}", attempt.outcome)));
    let failed = attempt.failed_subtests().map(|subtest| clean(&subtest.name)).collect::<Vec<_>>();
    rerun.set_description(failed.join("\n"));
    rerun
}

fn case(subtest: &Subtest, flaky: bool) -> TestCase {
    let mut case = TestCase::new(
        clean(&subtest.name),
        status(subtest.outcome, subtest.reason.as_deref(), flaky || subtest.flaky),
    );
    if let Some(ms) = subtest.ms {
        case.set_time(Duration::from_millis(ms));
    }
    case
}

fn status(outcome: Outcome, reason: Option<&str>, flaky: bool) -> TestCaseStatus {
    let mut status = match outcome {
        Outcome::Pass | Outcome::Xpass | Outcome::Flaky => TestCaseStatus::success(),
        Outcome::Skip | Outcome::Xfail => TestCaseStatus::skipped(),
        // A failure that the test itself asks to ignore must not turn a CI system red.
        Outcome::Fail if flaky => TestCaseStatus::skipped(),
        Outcome::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Outcome::Timeout | Outcome::Crash | Outcome::Error | Outcome::NotRun => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
    };
    if !matches!(outcome, Outcome::Pass | Outcome::Flaky) {
        let reason = reason.map_or_else(|| outcome.to_string(), |reason| format!("{outcome}: {reason}"));
        status.set_message(clean(&reason));
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::summary::tests::eventful_run;

    #[test]
    fn a_build_that_failed_is_red() {
        let error =
            crate::report::summary::Warning { text: "it does not build:\nx.c:1: error".into(), hint: None };
        let xml = render(&Summary { error: Some(error), ..Summary::default() }).unwrap();
        assert!(xml.contains("errors=\"1\"") && xml.contains("it does not build:"), "{xml}");
    }

    #[test]
    fn a_run_as_junit() {
        let xml = render(&Summary::of(&eventful_run())).unwrap();
        // The library stamps nothing of its own into the file; what is left is ours alone.
        insta::assert_snapshot!(xml, @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="vmptcp" tests="7" skipped="1" failures="2" errors="2" time="18.000">
            <testsuite name="good" tests="3" skipped="1" errors="0" failures="0">
                <properties>
                    <property name="kernel" value="6.12.1"/>
                </properties>
                <testcase name="(script)" time="3.000"/>
                <testcase name="first" time="1.500"/>
                <testcase name="second" time="1.500">
                    <skipped message="skip: old ss"/>
                </testcase>
            </testsuite>
            <testsuite name="bad" tests="2" skipped="0" errors="0" failures="2">
                <properties>
                    <property name="kernel" value="6.12.1"/>
                </properties>
                <testcase name="(script)" time="2.500">
                    <failure message="fail: exit code 1"/>
                </testcase>
                <testcase name="it" time="1.500">
                    <failure message="fail: got 1 &lt;2&gt;"/>
                </testcase>
            </testsuite>
            <testsuite name="ugly" tests="1" skipped="0" errors="1" failures="0">
                <properties>
                    <property name="kernel" value="6.12.1"/>
                </properties>
                <testcase name="(script)" time="1.000">
                    <error message="crash: the guest is gone"/>
                    <system-err>[    5.0] BUG: kernel NULL pointer dereference</system-err>
                </testcase>
            </testsuite>
            <testsuite name="late" tests="1" skipped="0" errors="1" failures="0">
                <properties>
                    <property name="kernel" value="6.12.1"/>
                </properties>
                <testcase name="(script)" time="0.000">
                    <error message="not run"/>
                </testcase>
            </testsuite>
        </testsuites>
        "#);
    }
}
