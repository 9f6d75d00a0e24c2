//! Runs over time: what is listed, what fails at times, what differs between two.

use super::sandbox::Sandbox;
use serde_json::{Value, json};

/// The log of a run at that minute, of tests with these outcomes.
fn log(minute: usize, outcomes: &[(&str, &str)], exit_code: u8) -> String {
    let test = |name: &str| json!({ "suite": "selftests", "name": name, "attempt": 1 });
    let facts = json!({ "variant": "normal", "accelerator": "tcg", "tree": "/src/linux", "tree version": "6.12.1", "commit": "0123456789abcdef (v6.12.1)" });
    let mut events = vec![
        json!({ "event": "run-started", "schema": 2, "version": "0.1.0", "argv": ["vmptcp", "test"], "steps": ["test"], "kind": "tests" }),
        json!({ "event": "provenance", "facts": facts }),
        json!({ "event": "tests-planned", "tests": outcomes.iter().map(|(name, _)| test(name)).collect::<Vec<_>>() }),
    ];
    for (name, outcome) in outcomes {
        events.push(
            json!({ "event": "test-started", "test": test(name), "vm": 1, "timeout": 60, "output": "x" }),
        );
        events.push(json!({ "event": "test-ended", "test": test(name), "outcome": outcome, "reason": null, "exit_code": 0, "seconds": 2.0 }));
    }
    events.push(json!({ "event": "run-ended", "exit_code": exit_code, "error": null, "hint": null }));
    let line = |event: Value| {
        let mut record = json!({ "time": format!("2026-01-02T03:{minute:02}:05Z"), "at_ms": 0 });
        record.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
        format!("{record}\n")
    };
    events.into_iter().map(line).collect()
}

/// Three runs: one test fails in the second, another from then on.
fn three_runs() -> Sandbox {
    let sandbox = Sandbox::new();
    let runs = [
        [("diag", "pass"), ("mptcp_join", "pass")],
        [("diag", "fail"), ("mptcp_join", "fail")],
        [("diag", "pass"), ("mptcp_join", "fail")],
    ];
    for (minute, outcomes) in runs.iter().enumerate() {
        let file = format!("tree/.vmptcp/runs/20260102-030{minute}05-6/events.jsonl");
        sandbox.write(&file, log(minute, outcomes, u8::from(minute > 0)));
    }
    sandbox
}

#[test]
fn lists_runs_by_verdict_and_commit() {
    let sandbox = three_runs();
    insta::assert_snapshot!(sandbox.run(["report", "--list", "--verdict", "failed"]).all(), @r"
    20260102-030105-6  failed, 2 of 2 tests  6.12.1 0123456789ab normal, tcg  (tests: vmptcp test)
    20260102-030205-6  failed, 1 of 2 tests  6.12.1 0123456789ab normal, tcg  (tests: vmptcp test)
    exit code 0
    ");
    let count = |args: &[&str]| sandbox.run([&["report", "--list"], args].concat()).stdout.lines().count();
    assert_eq!((count(&[]), count(&["--commit", "v6.12"]), count(&["--all-trees"])), (3, 3, 3));
    insta::assert_snapshot!(sandbox.run(["report", "--list", "--commit", "v7"]).all(), @r"
    there is no such run
    exit code 0
    ");
    let json: Value = serde_json::from_str(&sandbox.run(["report", "--list", "--json"]).stdout).unwrap();
    assert_eq!(json[2]["name"], "20260102-030205-6");
}

#[test]
fn flakes_are_what_fails_and_passes() {
    let sandbox = three_runs();
    insta::assert_snapshot!(sandbox.run(["flakes"]).all(), @r"
    test        on           failed         since     first and last failure
    mptcp_join  normal, tcg  2 of 3 (67 %)  2 failed  2026-01-02 0123456789ab … 2026-01-02 0123456789ab
    diag        normal, tcg  1 of 3 (33 %)  1 passed  2026-01-02 0123456789ab
    exit code 0
    ");
    assert_eq!(sandbox.run(["flakes", "*join*"]).stdout.lines().count(), 2);
    insta::assert_snapshot!(sandbox.run(["flakes", "--on", "debug"]).all(), @r"
    no test failed in some runs and passed in others
    exit code 0
    ");
    assert_eq!(sandbox.run(["flakes", "--since", "x"]).code, 2);
    assert_eq!(sandbox.run(["flakes", "[x"]).code, 2);
}

#[test]
fn compare_fails_for_regressions_only() {
    let sandbox = three_runs();
    let compare = |before: &str, after: &str| sandbox.run(["compare", before, after]);
    insta::assert_snapshot!(compare("20260102-0300", "20260102-0302").all(), @r"
    before  6.12.1, 0123456789abcdef (v6.12.1), normal, tcg: passed
            [dir]/tree/.vmptcp/runs/20260102-030005-6
    after   6.12.1, 0123456789abcdef (v6.12.1), normal, tcg: failed
            [dir]/tree/.vmptcp/runs/20260102-030205-6
    regression     mptcp_join  pass → fail
    1 regression, 1 unchanged
    exit code 1
    ");
    let fixed = compare("20260102-0301", "20260102-0302");
    assert!(fixed.code == 0 && fixed.stdout.contains("1 still failing, 1 fixed"), "{}", fixed.all());
    let json = sandbox.run(["compare", "20260102-0300", "20260102-0302", "--json"]);
    let read: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(read["differences"][0]["change"], "regression");
    insta::assert_snapshot!(compare("1999", "20260102-0302").all(), @r"
    error: no run is called 1999
      → list the runs that there are: vmptcp report --list
    exit code 2
    ");
}

#[test]
fn public_results_are_imported_once_and_a_wrong_file_is_named() {
    let sandbox = Sandbox::new();
    let line = json!({ "result": "fail", "name": "diag: inuse", "time_ms": "7" });
    let run = |number: u32, results: Value| json!({ "tag": "export/20260603T095644", "run_id": number, "results": results });
    let runs = json!([run(1, json!({ "selftest_diag_subtests": { "1": line } })), run(2, json!({}))]);
    sandbox.write("tree/public/export/normal.json", runs.to_string());
    sandbox.write("tree/public/dirs.json", "[]");
    sandbox.run(["history", "import", "public"]);
    insta::assert_snapshot!(sandbox.run(["history", "import", "public"]).all(), @r"
    imported 2 runs with 1 result that did not pass, from 1 file
    exit code 0
    ");
    insta::assert_snapshot!(sandbox.run(["flakes"]).all(), @r"
    test         on                    failed         since     first and last failure
    diag: inuse  public export/normal  1 of 2 (50 %)  1 passed  2026-06-03 export/20260603T095644
    exit code 0
    ");
    assert_eq!(sandbox.run(["history", "rebuild"]).stdout, "0 runs\n");
    sandbox.write("tree/public/export/debug.json", "[{}]");
    insta::assert_snapshot!(sandbox.run(["history", "import", "public/export/debug.json"]).all(), @r"
    error: public/export/debug.json: run 1: missing field `tag`
      → a file TREE/VARIANT.json of multipath-tcp/mptcp-upstream-tests-results is expected
    exit code 2
    ");
    assert_eq!(sandbox.run(["history", "import", "Documentation"]).code, 2);
}
