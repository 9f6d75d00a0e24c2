use super::*;
use crate::event::{Outcome, Subtest};
use crate::results::Summary;

const DEFAULT: &str = crate::event::DEFAULT_SUITE;

fn id(name: &str) -> TestId {
    TestId::new(DEFAULT, name, 1)
}

fn portion(name: &str, group: Option<&str>, shard: u32) -> Portion {
    Portion { suite: DEFAULT.to_owned(), name: name.to_owned(), group: group.map(str::to_owned), shard }
}

/// `join` has the groups a, b and c, and b runs on the second machine.
fn division() -> Vec<Portion> {
    vec![
        portion("diag", None, 2),
        portion("join", Some("a"), 1),
        portion("join", Some("b"), 2),
        portion("join", Some("c"), 1),
    ]
}

fn test(id: &TestId, vm: u32, ok: bool) -> Vec<Event> {
    let outcome = if ok { Outcome::Pass } else { Outcome::Fail };
    let name = format!("of {}", id.stem());
    let result = Subtest { number: Some(1), name, outcome, reason: None, ms: None, flaky: false };
    vec![
        Event::TestStarted { test: id.clone(), vm, timeout: 9, output: format!("tests/{}.log", id.stem()) },
        Event::Subtest { test: id.clone(), result },
        Event::TestEnded { test: id.clone(), outcome, reason: None, exit_code: Some(0), seconds: 1.0 },
    ]
}

/// How a run ended.
#[derive(Clone, Copy)]
enum End<'e> {
    None,
    Well,
    Failed(&'e str),
}

fn run(number: u32, tests: &[&str], events: Vec<Event>, end: End<'_>) -> Vec<Record> {
    let mut all = vec![
        Event::RunStarted {
            schema: 3,
            version: "1".into(),
            argv: Vec::new(),
            steps: vec!["test".into()],
            kind: "profile full".into(),
        },
        Event::Provenance {
            step: None,
            facts: [("tree", "/t".to_owned()), ("load", number.to_string())]
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
        },
        Event::RunSharded { shard: RunShard { number, of: 2 }, division: division() },
        Event::StepStarted { step: "test".into() },
        Event::TestsPlanned { tests: tests.iter().map(|name| id(name)).collect(), step: None },
        Event::VmStarted { vm: 1, accelerator: "uml".into(), console: "console-1.log".into() },
        Event::VmReady { vm: 1, kernel: "6.12".into(), seconds: 1.0 },
    ];
    all.extend(events);
    let ended =
        |error: Option<&str>| Event::RunEnded { exit_code: 0, error: error.map(str::to_owned), hint: None };
    match end {
        End::None => {}
        End::Well => all.push(ended(None)),
        End::Failed(why) => all.push(ended(Some(why))),
    }
    let time = jiff::Timestamp::UNIX_EPOCH;
    (0..).zip(all).map(|(at_ms, event)| Record { time, at_ms, event }).collect()
}

/// The first machine runs a and c side by side.
fn first() -> Vec<Record> {
    let part = |shard| TestId { shard: Some(shard), ..id("join") };
    let sharded = Event::TestSharded { test: id("join"), shards: vec!["a 1-9".into(), "c".into()] };
    let parts = [test(&part(1), 1, true), test(&part(2), 1, true)].concat();
    run(1, &["join"], [vec![sharded], parts].concat(), End::Well)
}

fn second(end: End<'_>) -> Vec<Record> {
    run(2, &["diag", "join"], [test(&id("diag"), 1, true), test(&id("join"), 1, false)].concat(), end)
}

fn shards<'r>(runs: &[(&str, &'r [Record])]) -> Vec<ShardRun<'r>> {
    runs.iter().map(|(name, records)| ShardRun::new((*name).to_owned(), records).unwrap()).collect()
}

fn whole(merge: &Merge<'_>) -> Summary {
    let time = jiff::Timestamp::UNIX_EPOCH;
    let record = |event| Record { time, at_ms: 0, event };
    let plan = [
        Event::StepStarted { step: "test".into() },
        Event::TestsPlanned { tests: merge.planned(), step: None },
    ];
    let head = plan.into_iter().chain(merge.sharded()).map(record);
    let all: Vec<Record> = head.chain(merge.records()).collect();
    Summary::of(&all)
}

#[test]
fn a_test_whose_groups_ran_on_two_machines_reads_like_one() {
    let (one, two) = (first(), second(End::Well));
    let merge = Merge::of(shards(&[("b", &two), ("a", &one)])).unwrap();
    assert_eq!((merge.problems(), merge.kind().as_str()), (Vec::new(), "profile full"));
    let summary = whole(&merge);
    let tests: Vec<(&str, Outcome)> =
        summary.tests.iter().map(|test| (test.name.as_str(), test.result.outcome)).collect();
    assert_eq!(tests, [("diag", Outcome::Pass), ("join", Outcome::Fail)]);
    let join = summary.test(&id("join")).unwrap();
    let parts: Vec<(&str, Option<u32>)> =
        join.shards.iter().map(|part| (part.shard.as_str(), part.result.vm)).collect();
    assert_eq!(parts, [("a 1-9", Some(1)), ("b", Some(2)), ("c", Some(1))]);
    let names: Vec<&str> = join.result.subtests.iter().map(|subtest| subtest.name.as_str()).collect();
    assert_eq!(names, ["of join.1.shard-1", "of join.1", "of join.1.shard-2"]);
    assert_eq!(join.shards[1].result.output.as_deref(), Some("tests/join.1.shard-2.log"));
    assert_eq!(
        summary.vms.iter().map(|vm| vm.console.as_str()).collect::<Vec<_>>(),
        ["console-1.log", "console-2.log"]
    );
}

#[test]
fn files_get_the_names_that_the_whole_has_for_them() {
    let (one, two) = (first(), second(End::Well));
    let merge = Merge::of(shards(&[("a", &one), ("b", &two)])).unwrap();
    let file = |run, path| merge.file(run, path).unwrap_or_default();
    assert_eq!(file(0, "tests/join.1.shard-2.tap"), "tests/join.1.shard-3.tap");
    assert_eq!(file(0, "tests/join.1.log"), "", "it is put together of all parts");
    assert_eq!(file(1, "tests/join.1.log"), "tests/join.1.shard-2.log");
    assert_eq!(file(1, "tests/diag.1.post-mortem.txt"), "tests/diag.1.post-mortem.txt");
    assert_eq!(file(1, "console-1.log"), "console-2.log");
    assert_eq!((file(1, "results.json"), file(1, "tests/other.1.log")), (String::new(), String::new()));
}

#[test]
fn what_runs_have_alike_is_told_once() {
    let (one, two) = (first(), second(End::Well));
    let merge = Merge::of(shards(&[("a", &one), ("b", &two)])).unwrap();
    let facts = &merge.provenance()[0].1;
    assert_eq!((&facts["tree"][..], &facts["load"][..]), ("/t", "1 (shard 1/2), 2 (shard 2/2)"));
}

#[test]
fn a_shard_that_is_missing_or_did_not_end_is_named_and_its_tests_did_not_run() {
    let (one, two) = (first(), second(End::None));
    let merge = Merge::of(shards(&[("a", &one)])).unwrap();
    assert_eq!(merge.problems(), ["shard 2/2 is missing"]);
    let summary = whole(&merge);
    let outcome = |name| summary.test(&id(name)).unwrap().result.outcome;
    assert_eq!((outcome("diag"), outcome("join")), (Outcome::NotRun, Outcome::NotRun));
    let merge = Merge::of(shards(&[("a", &one), ("runs/b", &two)])).unwrap();
    assert_eq!(merge.problems(), ["shard 2/2 did not end: runs/b"]);
    let two = second(End::Failed("no space"));
    let merge = Merge::of(shards(&[("a", &one), ("b", &two)])).unwrap();
    assert_eq!(merge.problems(), ["shard 2/2 failed: no space"]);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let (one, two) = (first(), second(End::Well));
    let error = |runs: &[(&str, &[Record])]| Merge::of(shards(runs)).unwrap_err().to_string();
    assert_eq!(error(&[("a", &one), ("b", &one)]), "shard 1/2 is there twice: a and b");
    let mut other = two.clone();
    for record in &mut other {
        if let Event::RunSharded { division, .. } = &mut record.event {
            division.pop();
        }
    }
    assert_eq!(error(&[("a", &one), ("b", &other)]), "a and b divide other tests");
    let none = ShardRun::new("c".to_owned(), &two[..2]).unwrap_err();
    assert_eq!(none.to_string(), "c is not the run of a shard");
    assert_eq!(error(&[]), "no run to merge");
}
