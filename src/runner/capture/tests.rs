//! Tests of what is made of a test's output.

use super::*;
use crate::suite::{TestCase, select, selftests};

fn case() -> TestCase {
    TestCase::new(&selftests::SUITE, "diag", "diag.sh")
}

fn run(output: &[u8], exit_code: i32, filters: &[&str]) -> (Vec<Subtest>, Outcome, Option<String>) {
    run_expecting(false, output, exit_code, filters)
}

fn run_expecting(
    all_features: bool,
    output: &[u8],
    exit_code: i32,
    filters: &[&str],
) -> (Vec<Subtest>, Outcome, Option<String>) {
    let dir = tempfile::tempdir().unwrap();
    let selection = select(filters, &[case()]).unwrap().remove(0);
    let mut capture =
        Capture::create(&selftests::SUITE, &dir.path().join("raw"), &dir.path().join("tap"), all_features)
            .unwrap();
    let mut found = Vec::new();
    // One byte at a time: the network does not respect lines either.
    for byte in output {
        found.extend(capture.feed(&[*byte], &selection).unwrap());
    }
    found.extend(capture.finish(&selection).unwrap());
    assert_eq!(std::fs::read(dir.path().join("raw")).unwrap(), output, "every byte is kept");
    let (outcome, reason) = capture.verdict(exit_code, &selection);
    (found, outcome, reason)
}

const GOOD: &[u8] = b"01 no msk on netns creation   [ OK ]\nTAP version 13\n1..2\nok 1 - diag: one # time=5ms\nok 2 - diag: two";

#[test]
fn a_script_that_passes() {
    let (found, outcome, reason) = run(GOOD, 0, &[]);
    assert_eq!((outcome, reason), (Outcome::Pass, None));
    let names: Vec<(&str, Option<u64>)> =
        found.iter().map(|subtest| (&subtest.name[..], subtest.ms)).collect();
    assert_eq!(names, [("one", Some(5)), ("two", None)]);
}

#[test]
fn an_exit_code_of_0_does_not_hide_what_the_results_say() {
    let (_, outcome, reason) = run(b"TAP version 13\n1..1\nnot ok 1 - diag: one\n", 0, &[]);
    assert_eq!(outcome, Outcome::Fail);
    assert_eq!(reason.unwrap(), "exit code 0, but 1 of its subtests failed");
    let (_, outcome, reason) = run(b"TAP version 13\n1..3\nok 1 - diag: one\n", 0, &[]);
    assert_eq!(outcome, Outcome::Fail);
    assert!(reason.unwrap().contains("1 of 3 planned results"));
}

#[test]
fn a_group_that_fails_is_a_failure_of_its_own_only_where_nothing_in_it_failed() {
    let of = |inner: &str| {
        let text = format!(
            "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: g\n    1..2\n    ok 1 a\n    {inner} 2 b\nnot ok 1 g\n"
        );
        run(text.as_bytes(), 0, &[]).0.into_iter().map(|subtest| subtest.name).collect::<Vec<_>>()
    };
    assert_eq!(of("not ok"), ["g/a", "g/b"]);
    assert_eq!(of("ok"), ["g/a", "g/b", "g"]);
}

#[test]
fn a_failure_that_the_script_calls_flaky_does_not_count() {
    let (found, outcome, _) = run(b"TAP version 13\n1..1\nnot ok 1 - diag: one # IGNORE Flaky\n", 0, &[]);
    assert_eq!(outcome, Outcome::Pass);
    assert!(found[0].flaky);
}

/// Runs with known flakes.
fn run_knowing(flakes: &[&str], output: &str, filters: &[&str]) -> (Vec<Subtest>, Outcome, Option<String>) {
    let dir = tempfile::tempdir().unwrap();
    let mut selection = select(filters, &[case()]).unwrap().remove(0);
    selection.known_flakes = flakes.iter().map(|flake| flake.parse().unwrap()).collect();
    let (raw, tap) = (dir.path().join("raw"), dir.path().join("tap"));
    let mut capture = Capture::create(&selftests::SUITE, &raw, &tap, false).unwrap();
    let mut found = capture.feed(output.as_bytes(), &selection).unwrap();
    found.extend(capture.finish(&selection).unwrap());
    let (outcome, reason) = capture.verdict(1, &selection);
    (found, outcome, reason)
}

#[test]
fn a_known_flake_makes_its_test_flaky_and_hides_no_other_failure() {
    let one = "TAP version 13\n1..2\nok 1 - diag: one\nnot ok 2 - diag: two\n";
    let both = "TAP version 13\n1..2\nnot ok 1 - diag: one\nnot ok 2 - diag: two\n";
    let flakes = ["diag/two until 2027-03-01: slow"];
    let (found, outcome, reason) = run_knowing(&flakes, one, &[]);
    assert_eq!((outcome, reason.as_deref()), (Outcome::Flaky, Some("only known flakes failed")));
    assert_eq!((found[1].flaky, found[1].outcome), (true, Outcome::Fail));
    assert_eq!(found[1].reason.as_deref(), Some("known flake until 2027-03-01: slow"));
    assert_eq!(run_knowing(&flakes, both, &[]).1, Outcome::Fail);
    assert_eq!(run_knowing(&["join/two until 2027-03-01"], one, &[]).1, Outcome::Fail);
    assert_eq!(run_knowing(&["diag until 2027-03-01"], both, &[]).1, Outcome::Flaky);
    assert_eq!(run_knowing(&flakes, one, &["diag/two"]).1, Outcome::Flaky);
    let cut = "TAP version 13\n1..3\nok 1 - diag: one\nnot ok 2 - diag: two\n";
    assert_eq!(run_knowing(&flakes, cut, &[]).1, Outcome::Fail, "a stream that is cut proves nothing");
}

#[test]
fn only_the_subtests_that_were_asked_for_count() {
    let output = b"TAP version 13\n1..2\nok 1 - diag: one\nnot ok 2 - diag: two\n";
    let (found, outcome, _) = run(output, 1, &["diag/one"]);
    assert_eq!((found.len(), outcome), (1, Outcome::Pass));
    let (_, outcome, reason) = run(output, 1, &["diag/three"]);
    assert_eq!(outcome, Outcome::Error);
    assert_eq!(reason.unwrap(), r#"no subtest matches "three"; there are: "one", "two""#);
    let (_, outcome, reason) = run(b"all is well\n", 0, &["diag/three"]);
    assert_eq!(outcome, Outcome::Error);
    assert_eq!(reason.unwrap(), r#"no subtest matches "three": it printed no results of subtests"#);
}

#[test]
fn exit_codes_are_kselftests() {
    let outcome = |code| run(b"", code, &[]).1;
    assert_eq!([4, 1, 127, 9].map(outcome), [Outcome::Skip, Outcome::Fail, Outcome::Error, Outcome::Fail]);
}

#[test]
fn an_error_of_syntax_in_a_script_is_a_failure() {
    assert_eq!(run(b"diag.sh: line 7: syntax error\n", 2, &[]).1, Outcome::Fail);
    assert_eq!(run(b"", 3, &[]).1, Outcome::Fail);
}

#[test]
fn a_script_that_skips_or_breaks_off_says_so_also_to_a_filter() {
    assert_eq!(run(b"1..0 # SKIP no MPTCP\n", 4, &["diag/one"]).1, Outcome::Skip);
    let (_, outcome, reason) = run(b"TAP version 13\n1..0 # SKIP no MPTCP\n", 0, &[]);
    assert_eq!((outcome, reason.as_deref()), (Outcome::Skip, Some("no MPTCP")));
    assert_eq!(run(b"", 127, &["diag/one"]).1, Outcome::Error);
    let (_, outcome, reason) = run(b"TAP version 13\n1..3\nok 1 - diag: one\n", 1, &["diag/o*"]);
    assert_eq!(outcome, Outcome::Fail);
    assert!(reason.unwrap().contains("1 of 3 planned results"));
}

/// What 6.12's diag.sh prints where `ss` is too old for it.
const OLD_SS: &[u8] =
    b"01 after MPC handshake     [ OK ]\n02 ....chk last_data_sent  [SKIP] Feature probably \
    not supported\n\nTAP version 13\n1..2\nok 1 - diag: after MPC handshake # time=5ms\n\
    ok 2 - diag: ....chk last_data_sent # SKIP time=3ms\n";

#[test]
fn where_all_features_are_expected_a_skip_fails_and_names_what_is_missing() {
    let (found, outcome, _) = run(OLD_SS, 0, &[]);
    assert_eq!((outcome, found[1].outcome), (Outcome::Pass, Outcome::Skip));
    assert_eq!(found[1].reason.as_deref(), Some("Feature probably not supported"));
    let (found, outcome, reason) = run_expecting(true, OLD_SS, 0, &[]);
    assert_eq!((outcome, found[1].outcome), (Outcome::Fail, Outcome::Fail));
    assert_eq!(reason.as_deref(), Some("exit code 0, but 1 of its subtests failed"));
    let why = "skipped, and all features are expected: Feature probably not supported";
    assert_eq!(found[1].reason.as_deref(), Some(why));
    let (_, outcome, reason) = run_expecting(true, b"[SKIP] MPTCP support is not available\n", 4, &[]);
    assert_eq!(outcome, Outcome::Fail);
    let why = "skipped, and all features are expected: MPTCP support is not available";
    assert_eq!(reason.as_deref(), Some(why));
    let missing = b"ERROR: missing feature: mptcp_pm_x$ symbol not found\n";
    let (_, outcome, reason) = run_expecting(true, missing, 1, &[]);
    assert_eq!(outcome, Outcome::Fail);
    assert_eq!(reason.as_deref(), Some("missing feature: mptcp_pm_x$ symbol not found"));
    assert_eq!(run_expecting(true, OLD_SS, 0, &["diag/handshake"]).1, Outcome::Pass, "it was not asked for");
}

#[test]
fn endless_results_cost_bounded_memory() {
    let dir = tempfile::tempdir().unwrap();
    let selection = select(&[""; 0], &[case()]).unwrap().remove(0);
    let mut capture =
        Capture::create(&selftests::SUITE, &dir.path().join("raw"), &dir.path().join("tap"), false).unwrap();
    let name = "x".repeat(1000);
    let mut found = 0;
    for number in 1..=5000 {
        found += capture.feed(format!("ok {number} {name}\n").as_bytes(), &selection).unwrap().len();
    }
    found += capture.finish(&selection).unwrap().len();
    assert!((1000..3000).contains(&found), "{found}");
    let (outcome, reason) = capture.verdict(0, &selection);
    assert_eq!(outcome, Outcome::Fail);
    assert!(reason.unwrap().contains("too many results"));
}
