//! Tests of the fold, and a run that others show.

use super::*;
use crate::error::ExitCode;
use crate::event::{
    CheckId, CheckOn, CheckResult, Event, Outcome, Progress, Record, SCHEMA, SeriesInfo, Status, StepStatus,
    Subtest, TestId,
};
use std::collections::BTreeMap;

/// A run with something of everything, as events.
pub(crate) fn eventful_run() -> Vec<Record> {
    let id = |name: &str| TestId::new("selftests", name, 1);
    let subtest = |number, name: &str, outcome, reason: Option<&str>| Subtest {
        number: Some(number),
        name: name.to_owned(),
        outcome,
        reason: reason.map(str::to_owned),
        ms: Some(1500),
        flaky: false,
    };
    let ended = |name: &str, outcome, reason: Option<&str>, exit_code, seconds| Event::TestEnded {
        test: id(name),
        outcome,
        reason: reason.map(str::to_owned),
        exit_code,
        seconds,
    };
    let started = |name: &str, vm| Event::TestStarted {
        test: id(name),
        vm,
        timeout: 60,
        output: format!("tests/{name}.1.log"),
    };
    let events = vec![
        Event::RunStarted {
            schema: SCHEMA,
            version: "0.1.0".into(),
            argv: vec!["vmptcp".into(), "test".into()],
            steps: vec!["build".into(), "test".into()],
            kind: "profile smoke".into(),
        },
        Event::Provenance { step: None, facts: BTreeMap::from([("kernel".into(), "6.12.1".into())]) },
        Event::StepStarted { step: "build".into() },
        Event::StepEnded {
            step: "build".into(),
            status: StepStatus::UpToDate,
            detail: "nothing changed".into(),
            seconds: 0.4,
        },
        Event::Warning { text: "CONFIG_X did not take".into(), hint: Some("vmptcp config".into()) },
        Event::TestsPlanned { tests: ["good", "bad", "ugly", "late"].map(id).to_vec(), step: None },
        Event::VmStarted { vm: 1, accelerator: "tcg".into(), console: "console-1.log".into() },
        Event::VmReady { vm: 1, kernel: "6.12.1".into(), seconds: 9.5 },
        started("good", 1),
        Event::Subtest { test: id("good"), result: subtest(1, "first", Outcome::Pass, None) },
        Event::Subtest { test: id("good"), result: subtest(2, "second", Outcome::Skip, Some("old ss")) },
        ended("good", Outcome::Pass, None, Some(0), 3.0),
        started("bad", 1),
        Event::Subtest {
            test: id("bad"),
            result: subtest(1, "it\u{1b}[31m", Outcome::Fail, Some("got 1 <2>")),
        },
        ended("bad", Outcome::Fail, Some("exit code 1"), Some(1), 2.5),
        started("ugly", 1),
        splat(Some(id("ugly")), "", "BUG: kernel NULL pointer dereference"),
        ended("ugly", Outcome::Crash, Some("the guest is gone"), None, 1.0),
        Event::VmEnded {
            vm: 1,
            crashed: true,
            reason: "the guest is gone".into(),
            console_tail: vec!["[    5.5] Kernel panic - not syncing: Fatal exception".into()],
        },
    ];
    records(events)
}

/// A splat of VM 1, of one line.
pub(crate) fn splat(test: Option<TestId>, fingerprint: &str, title: &str) -> Event {
    Event::Splat {
        vm: 1,
        test,
        candidates: Vec::new(),
        boot: false,
        notice: false,
        fingerprint: fingerprint.to_owned(),
        title: title.to_owned(),
        lines: vec![format!("[    5.0] {title}")],
    }
}

/// Nobody watches.
pub(crate) struct Nobody;

impl Observer for Nobody {
    fn record(&mut self, _: &Record, _: &Summary) {}
    fn activity(&mut self, _: u32, _: &str) {}
    fn hide(&mut self) {}
    fn progress(&mut self, _: &Progress) {}
}

/// The events of a hunt in which these seeds were tried, each with the subtest that failed.
pub(crate) fn tried(seeds: &[(u64, Option<&str>)]) -> Vec<Event> {
    let mut events = Vec::new();
    for (attempt, (seed, failed)) in (1..).zip(seeds) {
        let test = TestId::new("selftests", "simult_flows", attempt);
        events.push(Event::TestsPlanned { tests: vec![test.clone()], step: None });
        events.push(Event::Seed { test: test.clone(), seed: *seed });
        if let Some(name) = failed {
            let (number, outcome, reason, ms) = (None, Outcome::Fail, None, None);
            let result = Subtest { number, name: (*name).to_owned(), outcome, reason, ms, flaky: false };
            events.push(Event::Subtest { test: test.clone(), result });
        }
        let outcome = if failed.is_some() { Outcome::Fail } else { Outcome::Pass };
        let (reason, exit_code, seconds) = (None, Some(0), 1.0);
        events.push(Event::TestEnded { test, outcome, reason, exit_code, seconds });
    }
    events
}

/// These events, a second apart.
pub(crate) fn records(events: Vec<Event>) -> Vec<Record> {
    let time: jiff::Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    let records = events.into_iter().zip(0u64..);
    records.map(|(event, at)| Record { time, at_ms: at * 1000, event }).collect()
}

fn end(exit_code: ExitCode) -> Record {
    let event = Event::RunEnded { exit_code: exit_code as u8, error: None, hint: None };
    Record { time: jiff::Timestamp::UNIX_EPOCH, at_ms: 60_000, event }
}

#[test]
fn a_test_that_skips_a_part_of_it_is_skipped_in_part() {
    assert_eq!(Summary::of(&eventful_run()).skipped().into_iter().collect::<Vec<_>>(), ["good"]);
}

#[test]
fn a_run_without_an_end_is_unfinished_and_what_was_not_reached_not_run() {
    let summary = Summary::of(&eventful_run());
    assert_eq!(summary.verdict, Verdict::Unfinished);
    let outcomes: Vec<Outcome> = summary.tests.iter().map(|test| test.result.outcome).collect();
    assert_eq!(outcomes, [Outcome::Pass, Outcome::Fail, Outcome::Crash, Outcome::NotRun]);
    assert_eq!(summary.steps[1].status, None);
}

#[test]
fn the_guests_of_each_step_are_its_own_and_those_of_the_first_stand_for_all() {
    let facts = |step: Option<&str>, vms: &str| Event::Provenance {
        step: step.map(str::to_owned),
        facts: BTreeMap::from([("vms".to_owned(), vms.to_owned())]),
    };
    let begin = |step: &str| Event::StepStarted { step: step.to_owned() };
    let planned = |suite: &str, name: &str| Event::TestsPlanned {
        tests: vec![TestId::new(suite, name, 1)],
        step: None,
    };
    let summary = Summary::of(&records(vec![
        begin("test"),
        facts(Some("test"), "2"),
        planned("selftests", "diag"),
        begin("samples"),
        facts(Some("samples"), "1"),
        planned("samples", "c-echo"),
    ]));
    let vms: Vec<&str> = summary.steps.iter().map(|step| &step.provenance["vms"][..]).collect();
    assert_eq!((vms, &summary.provenance["vms"][..]), (vec!["2", "1"], "2"));
    let steps: Vec<_> = summary.tests.iter().filter_map(|test| test.step.as_deref()).collect();
    assert_eq!(steps, ["test", "samples"]);
}

#[test]
fn parts_of_a_test_that_was_killed_keep_what_they_said() {
    let part = |shard| TestId { shard: Some(shard), ..TestId::new("selftests", "join", 1) };
    let result = Subtest {
        number: Some(1),
        name: "first".into(),
        outcome: Outcome::Pass,
        reason: None,
        ms: None,
        flaky: false,
    };
    let summary = Summary::of(&records(vec![
        Event::TestsPlanned { tests: vec![TestId::new("selftests", "join", 1)], step: None },
        Event::TestSharded {
            test: TestId::new("selftests", "join", 1),
            shards: vec!["a".into(), "b".into()],
        },
        Event::TestStarted { test: part(2), vm: 1, timeout: 1, output: "tests/x".into() },
        Event::Subtest { test: part(2), result },
    ]));
    let whole = &summary.tests[0].result;
    assert_eq!((whole.outcome, whole.started, whole.subtests.len()), (Outcome::NotRun, true, 1));
}

#[test]
fn every_exit_code_is_a_verdict_of_its_own() {
    let verdict = |code| {
        let mut summary = Summary::default();
        summary.add(&end(code));
        summary.verdict
    };
    assert_eq!(verdict(ExitCode::Passed), Verdict::Passed);
    assert_eq!(verdict(ExitCode::TestsFailed), Verdict::Failed);
    assert_eq!(verdict(ExitCode::Crashed), Verdict::Crashed);
    assert_eq!(verdict(ExitCode::BuildFailed), Verdict::BuildFailed);
    assert_eq!(verdict(ExitCode::CannotRun), Verdict::CouldNotRun);
    assert_eq!(verdict(ExitCode::Interrupted), Verdict::Interrupted);
}

#[test]
fn a_crash_outweighs_a_failure_and_a_test_not_run_is_no_pass() {
    let records = eventful_run();
    assert_eq!(Summary::of(&records).exit_code_so_far(), ExitCode::Crashed);
    assert_eq!(Summary::of(&records[..15]).exit_code_so_far(), ExitCode::TestsFailed);
    assert_eq!(Summary::of(&records[..12]).exit_code_so_far(), ExitCode::TestsFailed, "three were not run");
}

#[test]
fn a_guest_that_lives_on_did_not_crash() {
    let verdict = |crashed| {
        let ended = Event::VmEnded { vm: 1, crashed, reason: String::new(), console_tail: Vec::new() };
        let events = vec![
            Event::VmStarted { vm: 1, accelerator: "tcg".into(), console: String::new() },
            Event::VmReady { vm: 1, kernel: String::new(), seconds: 1.0 },
            splat(None, "", "WARNING: x"),
            ended,
        ];
        let mut summary = Summary::of(&records(events));
        assert_eq!(summary.exit_code_so_far(), ExitCode::Crashed);
        summary.add(&end(ExitCode::Crashed));
        summary.verdict
    };
    assert_eq!((verdict(false), verdict(true)), (Verdict::Splat, Verdict::Crashed));
}

#[test]
fn a_notice_of_a_boot_does_not_stand_against_a_run_and_the_same_in_a_test_does() {
    let mut notice = splat(None, "f < g", "WARNING: x");
    if let Event::Splat { boot, notice, .. } = &mut notice {
        (*boot, *notice) = (true, true);
    }
    let failed = [
        Event::VmStarted { vm: 1, accelerator: "tcg".into(), console: String::new() },
        Event::VmEnded { vm: 1, crashed: true, reason: String::new(), console_tail: Vec::new() },
    ];
    let mut events: Vec<Event> = failed.into_iter().chain([notice]).collect();
    assert_eq!(Summary::of(&records(events.clone())).exit_code_so_far(), ExitCode::Passed);
    let (one, two) = (TestId::new("selftests", "one", 1), TestId::new("selftests", "two", 1));
    events.extend([splat(Some(one.clone()), "f < g", "WARNING: x")]);
    events.extend([splat(Some(two.clone()), "f < g", "WARNING: x")]);
    let summary = Summary::of(&records(events));
    assert_eq!(summary.exit_code_so_far(), ExitCode::Crashed);
    assert_eq!((summary.splats[0].count, &summary.splats[0].tests[..]), (3, &[one, two][..]));
}

#[test]
fn a_splat_that_is_found_after_its_test_fails_it() {
    let test = TestId::new("selftests", "leaky", 1);
    let passed = Event::TestEnded {
        test: test.clone(),
        outcome: Outcome::Pass,
        reason: None,
        exit_code: Some(0),
        seconds: 1.0,
    };
    let summary = Summary::of(&records(vec![passed, splat(Some(test), "", "memory leak: x")]));
    let result = &summary.tests[0].result;
    assert_eq!(
        (result.outcome, result.reason.as_deref()),
        (Outcome::Fail, Some("kernel splat: memory leak: x"))
    );
}

#[test]
fn further_attempts_stand_behind_their_first() {
    let mut summary = Summary::of(&eventful_run());
    let again = TestId::new("selftests", "bad", 2);
    let event = Event::TestEnded {
        test: again,
        outcome: Outcome::Pass,
        reason: None,
        exit_code: Some(0),
        seconds: 1.0,
    };
    summary.add(&Record { time: jiff::Timestamp::UNIX_EPOCH, at_ms: 1, event });
    let order: Vec<(&str, u32)> = summary.tests.iter().map(|test| (&test.name[..], test.attempt)).collect();
    assert_eq!(order, [("good", 1), ("bad", 1), ("bad", 2), ("ugly", 1), ("late", 1)]);
}

#[test]
fn warnings_stand_against_a_series_only_when_strict() {
    let on = CheckOn::patch(CheckId::Sparse, 2);
    let exit_code = |strict| {
        let series = SeriesInfo { strict, ..SeriesInfo::default() };
        let warned = CheckResult { status: Status::Warn, ..CheckResult::not_run(on) };
        let events = vec![Event::Series { series }, Event::CheckEnded { result: warned }];
        Summary::of(&records(events)).exit_code_so_far()
    };
    assert_eq!((exit_code(false), exit_code(true)), (ExitCode::Passed, ExitCode::TestsFailed));
}

#[test]
fn the_fields_of_a_validation_stand_beside_those_of_its_run() {
    let planned = Event::ChecksPlanned { checks: vec![CheckOn::series(CheckId::Cover)] };
    let summary = Summary::of(&records(vec![planned]));
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["results"][0]["check"], "cover");
    assert_eq!((&json["checks"][0], &json["verdict"]), (&"cover".into(), &"unfinished".into()));
    assert!(serde_json::to_value(Summary::default()).unwrap().get("results").is_none());
}
