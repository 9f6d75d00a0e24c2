//! A validation is a run: it has a directory and a journal, and is listed, replayed and planned as any other.

use crate::lab::{Draft, Edit, Lab};
use std::fs;

/// Two commits, of which the second is not signed off.
fn topic(lab: &Lab) {
    let draft = |number, trailer: &str| Draft {
        subject: format!("mptcp: ctrl: say it {number}"),
        body: format!("Why.\n\n{trailer}"),
        edits: vec![("net/mptcp/ctrl.c", Edit::Append(format!("int d{number};\n")))],
    };
    lab.branch("topic", &[draft(1, "Signed-off-by: Ann Author <ann@example.org>"), draft(2, "")]);
}

#[test]
fn a_validation_is_replayed_in_every_form() {
    let lab = Lab::small();
    topic(&lab);
    let validated = lab.vmptcp(&["validate", "--quick", "base.."]);
    assert_eq!(validated.code, 1, "{}", validated.stderr);
    assert!(validated.stdout.contains("not ready to be sent: "), "{}", validated.stdout);
    let run = lab.tree.join(".vmptcp/runs/latest");
    let forms = [
        ("text", "summary.txt"),
        ("json", "results.json"),
        ("junit", "junit.xml"),
        ("markdown", "summary.md"),
        ("html", "report.html"),
    ];
    for (form, file) in forms {
        let written = fs::read_to_string(run.join(file)).unwrap();
        let shown = lab.vmptcp(&["report", "--format", form]);
        assert_eq!(shown.code, 1, "the exit code is that of the validation: {}", shown.stderr);
        let shown = shown.stdout.split("results: /").next().unwrap().to_owned();
        assert_eq!(shown, written, "{file} and report --format {form} differ");
        // Where programs looked for it before.
        assert_eq!(fs::read_to_string(lab.tree.join(".vmptcp/series/results").join(file)).unwrap(), written);
    }
    assert_eq!(lab.vmptcp(&["report"]).stdout, validated.stdout);
    let lines = lab.vmptcp(&["report", "--format", "lines"]).stdout;
    assert!(lines.starts_with("patch 2: ERROR: ") && lines.contains("[signed-off-by]"), "{lines}");
    let listed = lab.vmptcp(&["report", "--list"]).stdout;
    assert!(listed.contains("  failed  ") && listed.contains("(validation in part: "), "{listed}");
}

#[test]
fn a_validation_that_was_killed_shows_what_it_had_found() {
    let lab = Lab::small();
    topic(&lab);
    lab.vmptcp(&["validate", "--quick", "base.."]);
    let events = lab.tree.join(".vmptcp/runs/latest/events.jsonl");
    let whole = fs::read_to_string(&events).unwrap();
    let is_end = |line: &&str| line.contains(r#""check":"signed-off-by","patch":2,"status""#);
    let upto = whole.lines().position(|line| is_end(&line)).unwrap();
    let cut: Vec<&str> = whole.lines().take(upto + 1).collect();
    fs::write(&events, cut.join("\n")).unwrap();
    let shown = lab.vmptcp(&["report"]);
    assert_eq!(shown.code, 130);
    assert!(shown.stdout.contains("fail patch 2 · signed-off-by"), "{}", shown.stdout);
    let last = shown.stdout.lines().rev().nth(1).unwrap();
    assert!(last.starts_with("unfinished: not ready to be sent: 1 failure"), "{last}");
}

#[test]
fn a_dry_run_names_checks_and_commands_and_does_nothing() {
    let lab = Lab::small();
    topic(&lab);
    let plan = lab.vmptcp(&["validate", "--dry-run", "base.."]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    for part in [
        "series: 2 patches on ",
        "1. text\n   # signed-off-by: patch 1, 2\n",
        "3. builds\n",
        "KCFLAGS=-Werror net/mptcp/ctrl.o",
        "4. tests\n   # tests: series\n   # configure, build and boot the normal kernel at the tip",
    ] {
        assert!(plan.stdout.contains(part), "{part:?} is not in\n{}", plan.stdout);
    }
    assert!(!lab.tree.join(".vmptcp/runs").exists());
    let quick = lab.vmptcp(&["validate", "--dry-run", "--quick", "base.."]).stdout;
    assert!(!quick.contains("builds"), "{quick}");
}
