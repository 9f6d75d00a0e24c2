use super::*;
use crate::event::{Event, Record};
use crate::results::tests::tried;

fn summary(seeds: &[(u64, Option<&str>)], exit_code: u8) -> Summary {
    let mut events = tried(seeds);
    events.push(Event::RunEnded { exit_code, error: None, hint: None });
    let record = |event| Record { time: jiff::Timestamp::UNIX_EPOCH, at_ms: 90_000, event };
    Summary::of(&events.into_iter().map(record).collect::<Vec<_>>())
}

fn table(json: bool) -> ByOutcome {
    ByOutcome { seeds: (1, 50), command: "vmptcp test simult_flows --uml".to_owned(), json, colour: false }
}

#[test]
fn seeds_that_ended_alike_are_one_line_and_a_failure_has_its_command() {
    let found =
        summary(&[(1, None), (2, None), (3, None), (4, Some("unbalanced\u{1b}[2J bwidth")), (5, None)], 1);
    insta::assert_snapshot!(table(false).render(&found), @r"
    seed   outcome
    1..3   pass
    4      fail  unbalanced\u{1b}[2J bwidth
    5      pass
    6..50  not tried

    fail with seed 4; the same again:
      vmptcp test simult_flows --uml --seed 4

    fails with 1 of 5 seeds
    failed: 4 pass, 1 fail (1 subtest), in 90 s
    ");
}

#[test]
fn where_nothing_failed_the_numbers_say_how_sure_that_is() {
    insta::assert_snapshot!(table(false).render(&summary(&[(1, None), (2, None)], 0)), @"
    seed   outcome
    1..2   pass
    3..50  not tried

    no failure with 2 seeds
    passed: 2 pass (0 subtests), in 90 s
    ");
}

#[test]
fn a_program_gets_the_same() {
    let found = summary(&[(1, None), (4, Some("a"))], 1);
    insta::assert_snapshot!(table(true).render(&found), @r#"{"test":"simult_flows","first":1,"last":50,"tried":2,"failed":[{"seed":4,"outcome":"fail","reason":null,"subtests":["a"],"command":"vmptcp test simult_flows --uml --seed 4"}],"seeds":[{"first":1,"last":1,"outcome":"pass","why":""},{"first":2,"last":3,"outcome":"not-run","why":""},{"first":4,"last":4,"outcome":"fail","why":"a"},{"first":5,"last":50,"outcome":"not-run","why":""}],"verdict":"failed","exit_code":1}"#);
}
