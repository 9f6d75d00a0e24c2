//! Runs that ended well, badly, or not at all, shown again.

use super::sandbox::Sandbox;
use serde_json::{Value, json};

const RUN: &str = "20260102-030405-6";

/// The lines of an `events.jsonl`.
fn events(events: &[Value]) -> String {
    let stamp = |(at, event): (usize, &Value)| {
        let mut record = json!({ "time": format!("2026-01-02T03:04:{:02}Z", 5 + at), "at_ms": at * 1000 });
        record.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
        format!("{record}\n")
    };
    events.iter().enumerate().map(stamp).collect()
}

/// A run in the middle of its second test.
fn half() -> Vec<Value> {
    let test = |name: &str| json!({ "name": name, "attempt": 1 });
    let started = |name: &str| json!({ "event": "test-started", "test": test(name), "vm": 1, "timeout": 60, "output": format!("tests/{name}.1.log") });
    let subtest = |name: &str, outcome: &str| json!({ "number": 1, "name": name, "outcome": outcome, "reason": null, "ms": 7, "flaky": false });
    vec![
        json!({ "event": "run-started", "schema": 1, "version": "0.1.0", "argv": ["/usr/bin/vmptcp", "test"], "steps": ["build", "test"], "kind": "profile smoke" }),
        json!({ "event": "step-started", "step": "build" }),
        json!({ "event": "step-ended", "step": "build", "status": "up-to-date", "detail": "", "seconds": 0.5 }),
        json!({ "event": "tests-planned", "tests": [test("pm_netlink"), test("diag"), test("userspace_pm")] }),
        started("pm_netlink"),
        json!({ "event": "subtest", "test": test("pm_netlink"), "result": subtest("defaults", "pass") }),
        json!({ "event": "test-ended", "test": test("pm_netlink"), "outcome": "pass", "reason": null, "exit_code": 0, "seconds": 2.0 }),
        started("diag"),
        json!({ "event": "subtest", "test": test("diag"), "result": subtest("chk\u{1b}[2J\u{202e}_inuse", "fail") }),
    ]
}

fn ended(exit_code: u8) -> Value {
    json!({ "event": "run-ended", "exit_code": exit_code, "error": null, "hint": null })
}

/// A sandbox with this `events.jsonl` in the newest run.
fn with(log: impl AsRef<[u8]>) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(&format!("tree/.vmptcp/runs/{RUN}/events.jsonl"), log);
    std::os::unix::fs::symlink(RUN, sandbox.tree().join(".vmptcp/runs/latest")).unwrap();
    sandbox
}

#[test]
fn a_run_without_an_end_is_shown_as_interrupted() {
    let sandbox = with(events(&half()));
    insta::assert_snapshot!(sandbox.run(["report"]).all(), @r"
    build      up to date         0.5 s
    test       not reached        0.0 s
      pass     pm_netlink                          2.0 s  1 subtest
      not run  diag                                0.0 s  1 subtest: 1 fail
               fail 1 chk\u{1b}[2J\u{202e}_inuse
               output: tests/diag.1.log
      not run  userspace_pm                        0.0 s

    unfinished: 1 pass, 2 not run (2 subtests), in 8.0 s
    results: [dir]/tree/.vmptcp/runs/20260102-030405-6
    exit code 130
    ");
    insta::assert_snapshot!(sandbox.run(["report", "--list"]).all(), @"
    20260102-030405-6  unfinished, 3 tests    (profile smoke: vmptcp test)
    exit code 0
    ");
}

#[test]
fn a_run_that_is_cut_within_a_line_loses_that_line_only() {
    let whole = events(&half());
    for cut in [1, 20, 60] {
        let run = with(&whole[..whole.len() - cut]).run(["report"]);
        assert_eq!(run.code, 130);
        assert!(run.stdout.contains("pass     pm_netlink"), "{}", run.stdout);
        let lost = run.stdout.contains("events.jsonl:9: not an event, left out: ");
        assert_eq!(lost, cut > 1, "without its line feed the last line is whole still: {}", run.stdout);
    }
}

#[test]
fn a_run_with_noise_in_it_is_shown_without() {
    let mut log = events(&half()).into_bytes();
    log.splice(
        0..0,
        *b"\xff\xfe\n{\"event\":\"x\\u001b[2J\",\"time\":\"2026-01-02T03:04:05Z\",\"at_ms\":0}\n\n[]\n",
    );
    let run = with(log).run(["report"]);
    assert_eq!(run.code, 130);
    assert_eq!(run.stdout.matches("not an event, left out").count(), 4, "{}", run.stdout);
    assert!(run.stdout.contains("unfinished"), "{}", run.stdout);
}

#[test]
fn a_run_without_any_event_says_so() {
    for log in ["", "\n", "{\"time\":"] {
        let run = with(log).run(["report"]);
        assert_eq!(run.code, 2);
        insta::allow_duplicates!(insta::assert_snapshot!(run.all(), @"
        error: [dir]/tree/.vmptcp/runs/20260102-030405-6/events.jsonl holds no event: the run ended before it began
          → list the runs that there are: vmptcp report --list
        exit code 2
        "));
    }
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run(["report"]).all(), @"
    error: there is no run in [dir]/tree/.vmptcp/runs yet
      → make one: vmptcp run
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["report", "./nowhere"]).all(), @"
    error: no run at ./nowhere: No such file or directory (os error 2)
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["report", "."]).all(), @"
    error: there is no run in [dir]/tree/.vmptcp/runs yet
      → make one: vmptcp run
    exit code 2
    ");
}

#[test]
fn a_run_of_format_1_is_understood_and_written_in_this_one() {
    let mut all = half();
    let test = json!({ "name": "samples/c-echo", "attempt": 1 });
    let ended = json!({ "event": "test-ended", "test": test, "outcome": "pass", "reason": null, "exit_code": 0, "seconds": 1.0 });
    all.push(ended);
    let run = with(events(&all)).run(["report", "--json"]);
    let read: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(read["schema"], 3);
    let of = |at: usize| (read["tests"][at]["suite"].as_str(), read["tests"][at]["name"].as_str());
    assert_eq!((of(0), of(3)), ((Some("selftests"), Some("pm_netlink")), (Some("samples"), Some("c-echo"))));
}

#[test]
fn the_exit_code_is_that_of_the_run() {
    for (code, verdict) in [
        (0, "passed"),
        (1, "failed"),
        (3, "crashed"),
        (4, "build failed"),
        (5, "could not run"),
        (130, "interrupted"),
    ] {
        let mut all = half();
        all.push(ended(code));
        let run = with(events(&all)).run(["report"]);
        assert_eq!(run.code, i32::from(code));
        assert!(run.stdout.contains(&format!("\n{verdict}: ")), "{}", run.stdout);
    }
}

#[test]
fn other_formats_have_all_of_it() {
    let mut all = half();
    all.push(ended(1));
    let sandbox = with(events(&all));
    let json = sandbox.run(["report", "--json"]);
    let read: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.code, &read["verdict"], &read["exit_code"]), (1, &json!("failed"), &json!(1)));
    assert_eq!(read["tests"].as_array().unwrap().len(), 3);
    assert_eq!(read["tests"][2]["outcome"], "not-run");
    assert_eq!(sandbox.run(["report", "--format", "json"]).stdout, json.stdout);
    let junit = sandbox.run(["report", &RUN[..10], "--format", "junit"]);
    assert_eq!(junit.code, 1);
    insta::assert_snapshot!(junit.stdout, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="vmptcp" tests="5" failures="1" errors="2" time="9.000">
        <testsuite name="pm_netlink" tests="2" failures="0" errors="0" skipped="0" time="2.000" timestamp="2026-01-02T03:04:05Z">
            <testcase name="(script)" classname="pm_netlink" time="2.000"/>
            <testcase name="defaults" classname="pm_netlink" time="0.007"/>
        </testsuite>
        <testsuite name="diag" tests="2" failures="1" errors="1" skipped="0" time="0.000" timestamp="2026-01-02T03:04:05Z">
            <testcase name="(script)" classname="diag" time="0.000">
                <error message="not run"/>
            </testcase>
            <testcase name="chk\u{1b}[2J\u{202e}_inuse" classname="diag" time="0.007">
                <failure message="fail"/>
            </testcase>
        </testsuite>
        <testsuite name="userspace_pm" tests="1" failures="0" errors="1" skipped="0" time="0.000" timestamp="2026-01-02T03:04:05Z">
            <testcase name="(script)" classname="userspace_pm" time="0.000">
                <error message="not run"/>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn the_files_of_a_run_can_be_made_again() {
    let sandbox = with(events(&half()));
    let run = sandbox.run(["report", "--write", &format!(".vmptcp/runs/{RUN}")]);
    assert_eq!(run.code, 130);
    let read =
        |name: &str| std::fs::read_to_string(sandbox.tree().join(".vmptcp/runs/latest").join(name)).unwrap();
    assert_eq!(read("results.json"), sandbox.run(["report", "--json"]).stdout);
    assert!(read("junit.xml").starts_with("<?xml"));
    assert!(run.stdout.starts_with(&read("summary.txt")));
}

#[test]
fn a_run_that_begins_counts_among_those_of_its_kind() {
    let sandbox = Sandbox::new();
    let run = |args: &[&str]| {
        let mut command = sandbox.command(args);
        command.env("VMPTCP_RESULTS_KEEP", "1");
        assert_eq!(sandbox.finish(command).code, 4, "the stand-in for make builds nothing");
    };
    run(&["test", "--profile", "full"]);
    run(&["test", "diag"]);
    run(&["test", "pm_netlink"]);
    let list = sandbox.run(["report", "--list"]).stdout;
    assert_eq!(list.lines().count(), 2, "{list}");
    assert!(list.contains("(profile full: vmptcp test --profile full)"), "{list}");
    assert!(list.contains("(tests: vmptcp test pm_netlink)"), "{list}");
}
