//! A run of tests: one suite a test script, one case a subtest.

use super::xml::{Case, Document, Other, Status, Suite};
use crate::event::{Outcome, Subtest};
use crate::report::connections;
use crate::report::style::clean;
use crate::results::{Attempt, Splat, Summary, Test};
use std::collections::BTreeMap;

/// The summary as JUnit XML.
pub(super) fn render(summary: &Summary) -> String {
    let suites = trouble(summary).into_iter().chain(summary.tests.iter().map(|test| suite(summary, test)));
    Document { name: "vmptcp".to_owned(), seconds: summary.seconds, suites: suites.collect() }.render()
}

/// What went wrong outside of any test or check: else a build that failed would look like a run without tests, and green.
pub(super) fn trouble(summary: &Summary) -> Option<Suite> {
    let mut cases = Vec::new();
    let mut add = |name: &str, message: &str, details: String| {
        cases.push(Case {
            name: name.to_owned(),
            status: Status::Error,
            message: clean(message.lines().next().unwrap_or_default()),
            details,
            ..Case::default()
        });
    };
    if let Some(error) = &summary.error {
        add("run", &error.text, lines(error.text.lines()));
    }
    for splat in summary.splats.iter().filter(|splat| splat.test.is_none() && !splat.notice) {
        add("kernel", &splat.title, lines(splat.lines.iter().map(String::as_str)));
    }
    (!cases.is_empty()).then(|| Suite {
        name: "vmptcp".to_owned(),
        timestamp: started(summary),
        cases,
        ..Suite::default()
    })
}

fn suite(summary: &Summary, test: &Test) -> Suite {
    let name = match test.attempt {
        1 => clean(&test.label()),
        attempt => format!("{}#{attempt}", clean(&test.label())),
    };
    let mut properties = summary.provenance.clone();
    let step = test.step.as_ref().and_then(|step| summary.steps.get(step));
    properties.extend(step.map(|step| step.provenance.clone()).unwrap_or_default());
    // The script itself is a case as well: it can fail where none of its subtests does.
    let result = &test.result;
    let mut whole = case("(script)".to_owned(), result.outcome, result.reason.as_deref(), false);
    whole.seconds = result.seconds;
    whole.err = splats(summary, test);
    let reruns = test.reruns.iter().chain(test.shards.iter().flat_map(|shard| &shard.reruns));
    let first = (result.outcome == Outcome::Flaky).then_some(result);
    whole.others = first.into_iter().chain(reruns).filter_map(again).collect();
    whole.out = result.connections.as_ref().map(connections::table).unwrap_or_default();
    let subtests =
        result.subtests.iter().map(|subtest| subtest_case(subtest, result.outcome == Outcome::Flaky));
    Suite {
        name,
        seconds: result.seconds,
        timestamp: started(summary),
        properties: properties
            .iter()
            .map(|(key, value)| (clean(key), clean(value)))
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect(),
        cases: std::iter::once(whole).chain(subtests).collect(),
    }
}

/// What kernels complained of while a test ran, also where an earlier test had seen the same.
fn splats(summary: &Summary, test: &Test) -> String {
    let text = |splat: &Splat| {
        let whole = lines(splat.lines.iter().map(String::as_str));
        let first = splat.test.as_ref().filter(|first| !test.is(first));
        let first = first.map(|first| format!("as in {}:\n", clean(&first.to_string()))).unwrap_or_default();
        first + &whole
    };
    let seen = summary.splats.iter().filter(|splat| splat.tests.iter().any(|id| test.is(id)));
    seen.map(text).collect::<Vec<_>>().join("\n")
}

/// One of the runs that were to tell a flake from a failure. JUnit has a place for those that failed only.
fn again(attempt: &Attempt) -> Option<Other> {
    let passed = attempt.outcome.is_ok() && attempt.outcome != Outcome::Flaky;
    let why = attempt.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let failed = attempt.failed_subtests().map(|subtest| clean(&subtest.name)).collect::<Vec<_>>();
    (!passed).then(|| Other {
        error: !matches!(attempt.outcome, Outcome::Fail | Outcome::Flaky),
        kind: attempt.outcome.to_string(),
        message: clean(&format!("{}{why}", attempt.outcome)),
        details: failed.join("\n"),
    })
}

fn subtest_case(subtest: &Subtest, flaky: bool) -> Case {
    let name = clean(&subtest.name);
    let case = case(name, subtest.outcome, subtest.reason.as_deref(), flaky || subtest.flaky);
    let ms = std::time::Duration::from_millis(subtest.ms.unwrap_or_default());
    Case { seconds: ms.as_secs_f64(), ..case }
}

fn case(name: String, outcome: Outcome, reason: Option<&str>, flaky: bool) -> Case {
    let status = match outcome {
        Outcome::Pass | Outcome::Xpass | Outcome::Flaky => Status::Success,
        Outcome::Skip | Outcome::Xfail => Status::Skipped,
        // A failure that the test itself asks to ignore must not turn a CI system red.
        Outcome::Fail if flaky => Status::Skipped,
        Outcome::Fail => Status::Failure,
        Outcome::Timeout | Outcome::Crash | Outcome::Error | Outcome::NotRun => Status::Error,
    };
    let message = reason.map_or_else(|| outcome.to_string(), |reason| format!("{outcome}: {reason}"));
    Case { name, status, message: clean(&message), ..Case::default() }
}

fn started(summary: &Summary) -> String {
    summary.started.map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}

fn lines<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.map(clean).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, TestId};
    use crate::results::tests::{eventful_run, records};

    #[test]
    fn a_build_that_failed_is_red() {
        let error = Some("it does not build:\nx.c:1: error".to_owned());
        let ended = Event::RunEnded { exit_code: 3, error, hint: None };
        let xml = render(&Summary::of(&records(vec![ended])));
        assert!(xml.contains("errors=\"1\"") && xml.contains("it does not build:"), "{xml}");
    }

    /// A test that failed, and passed when it ran again; then two during which the same splat came.
    fn flakes_and_splats() -> Summary {
        let id = |name: &str| TestId::new("selftests", name, 1);
        let rerun = |name: &str, rerun| TestId { rerun, ..TestId::new("selftests", name, 1) };
        let subtest = |test: &TestId, outcome| Event::Subtest {
            test: test.clone(),
            result: Subtest {
                number: None,
                name: "the same".into(),
                outcome,
                reason: None,
                ms: Some(2),
                flaky: false,
            },
        };
        let ended = |test: TestId, outcome| Event::TestEnded {
            test,
            outcome,
            reason: Some("exit code 1".into()),
            exit_code: Some(1),
            seconds: 2.0,
        };
        let splat = |name: &str| Event::Splat {
            vm: 1,
            test: Some(id(name)),
            candidates: vec![],
            boot: false,
            notice: false,
            fingerprint: "f".into(),
            title: "WARNING: <x>".into(),
            lines: vec!["WARNING: <x>".into(), "\u{1b}[2J".into()],
        };
        Summary::of(&records(vec![
            Event::TestsPlanned { tests: ["flaky", "bad", "first", "second"].map(id).to_vec(), step: None },
            subtest(&id("flaky"), Outcome::Fail),
            subtest(&id("flaky"), Outcome::Fail),
            ended(id("flaky"), Outcome::Fail),
            ended(id("bad"), Outcome::Fail),
            splat("first"),
            ended(id("first"), Outcome::Fail),
            splat("second"),
            ended(id("second"), Outcome::Fail),
            ended(rerun("flaky", 1), Outcome::Timeout),
            subtest(&rerun("flaky", 2), Outcome::Pass),
            ended(rerun("flaky", 2), Outcome::Pass),
            ended(rerun("bad", 1), Outcome::Fail),
        ]))
    }

    #[test]
    fn flakes_reruns_and_splats_are_where_readers_look_for_them() {
        let xml = render(&flakes_and_splats());
        super::super::schema::check(&xml);
        let suites = xml.lines().filter(|line| !line.contains("<testsuite")).collect::<Vec<_>>().join("\n");
        insta::assert_snapshot!(suites, @r#"
        <?xml version="1.0" encoding="UTF-8"?>
                <testcase name="(script)" classname="flaky" time="2.000">
                    <flakyFailure message="flaky: fail first, passed when it ran again: exit code 1" type="flaky">the same
        the same</flakyFailure>
                    <flakyError message="timeout: exit code 1" type="timeout"/>
                </testcase>
                <testcase name="the same" classname="flaky" time="0.002">
                    <skipped message="fail"/>
                </testcase>
                <testcase name="the same (2)" classname="flaky" time="0.002">
                    <skipped message="fail"/>
                </testcase>
            </testsuite>
                <testcase name="(script)" classname="bad" time="2.000">
                    <failure message="fail: exit code 1"/>
                    <rerunFailure message="fail: exit code 1" type="fail"/>
                </testcase>
            </testsuite>
                <testcase name="(script)" classname="first" time="2.000">
                    <failure message="fail: exit code 1"/>
                    <system-err>WARNING: &lt;x&gt;
        \u{1b}[2J</system-err>
                </testcase>
            </testsuite>
                <testcase name="(script)" classname="second" time="2.000">
                    <failure message="fail: exit code 1"/>
                    <system-err>as in first:
        WARNING: &lt;x&gt;
        \u{1b}[2J</system-err>
                </testcase>
            </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn a_run_as_junit() {
        let xml = render(&Summary::of(&eventful_run()));
        super::super::schema::check(&xml);
        insta::assert_snapshot!(xml, @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="vmptcp" tests="7" failures="2" errors="2" time="18.000">
            <testsuite name="good" tests="3" failures="0" errors="0" skipped="1" time="3.000" timestamp="2026-01-02T03:04:05Z">
                <properties>
                    <property name="kernel" value="6.12.1"/>
                </properties>
                <testcase name="(script)" classname="good" time="3.000"/>
                <testcase name="first" classname="good" time="1.500"/>
                <testcase name="second" classname="good" time="1.500">
                    <skipped message="skip: old ss"/>
                </testcase>
            </testsuite>
            <testsuite name="bad" tests="2" failures="2" errors="0" skipped="0" time="2.500" timestamp="2026-01-02T03:04:05Z">
                <properties>
                    <property name="kernel" value="6.12.1"/>
                </properties>
                <testcase name="(script)" classname="bad" time="2.500">
                    <failure message="fail: exit code 1"/>
                </testcase>
                <testcase name="it" classname="bad" time="1.500">
                    <failure message="fail: got 1 &lt;2&gt;"/>
                </testcase>
            </testsuite>
            <testsuite name="ugly" tests="1" failures="0" errors="1" skipped="0" time="1.000" timestamp="2026-01-02T03:04:05Z">
                <properties>
                    <property name="kernel" value="6.12.1"/>
                </properties>
                <testcase name="(script)" classname="ugly" time="1.000">
                    <error message="crash: the guest is gone"/>
                    <system-err>[    5.0] BUG: kernel NULL pointer dereference</system-err>
                </testcase>
            </testsuite>
            <testsuite name="late" tests="1" failures="0" errors="1" skipped="0" time="0.000" timestamp="2026-01-02T03:04:05Z">
                <properties>
                    <property name="kernel" value="6.12.1"/>
                </properties>
                <testcase name="(script)" classname="late" time="0.000">
                    <error message="not run"/>
                </testcase>
            </testsuite>
        </testsuites>
        "#);
    }
}
