//! Guests that are told everything before they boot, and are done before anybody has asked.

use super::*;
use crate::runner::fixture::told_spec;

/// A guest in virtual time: it has done everything before its owner has asked for anything.
fn at_once(mut job_script: impl FnMut(&str) -> JobScript + 'static) -> Script {
    let acts = vec![after(0, Action::Up), after(900, Action::Crash)];
    let job = move |job: &protocol::Job| match job.id {
        leaks::JOB => JobScript::of([after(500, Action::Exit(1))]),
        _ => job_script(&name_of(job)),
    };
    Script { acts, leaks_since: None, job: Box::new(job) }
}

#[test]
fn in_virtual_time_every_test_has_a_guest_that_is_told_all_before_it_boots() {
    let mut tests = Tests::new(&["diag", "simult_flows"]);
    tests.setup.spec = told_spec();
    for (job, seed) in tests.jobs.iter_mut().zip(4..) {
        job.seed = Some(seed);
    }
    let ends = |name: &str| {
        let code = i32::from(name == "simult_flows");
        JobScript::of([after(0, Action::Clock(1)), after(1, Action::Clock(99)), after(2, Action::Exit(code))])
    };
    let (guests, outcome) = tests.run_in(&Simulation::new(move |_| at_once(ends)));
    outcome.unwrap();
    let expected = [told("diag", Outcome::Pass, ""), told("simult_flows", Outcome::Fail, "exit code 1")];
    assert_eq!(tests.outcomes(), expected);
    let seeds: Vec<_> = guests.log().started.iter().map(|(_, spec)| spec.machine.seed).collect();
    assert_eq!(seeds, [Some(4), Some(5)]);
    let results: Vec<_> =
        tests.bench.journal.summary().tests.iter().map(|test| test.result.clone()).collect();
    assert_eq!((results[1].seed, results[1].virtual_seconds), (Some(5), Some(98.0)));
}

#[test]
fn in_virtual_time_a_splat_belongs_to_the_test_that_it_came_in() {
    let mut tests = Tests::new(&["diag"]);
    tests.setup.spec = told_spec();
    // Between the two marks, which the guest writes without waiting.
    let line = "[    1.0] WARNING: x at net/mptcp/pm.c:1 f+0x1/0x2";
    let job_script =
        move |_: &str| JobScript::of([after(1, Action::Kernel(line.into())), after(2, Action::Exit(0))]);
    tests.run_in(&Simulation::new(move |_| at_once(job_script))).1.unwrap();
    let reason = "kernel splat: WARNING: x at net/mptcp/pm.c:1 f+0x1/0x2";
    assert_eq!(tests.outcomes(), [told("diag", Outcome::Fail, reason)]);
}

#[test]
fn in_virtual_time_the_guest_itself_stops_what_takes_too_long() {
    let mut tests = Tests::new(&["diag"]);
    tests.setup.spec = told_spec();
    let job_script = |_: &str| JobScript::of([after(1, Action::Expire), after(2, Action::Die(SIGTERM))]);
    let (guests, outcome) = tests.run_in(&Simulation::new(move |_| at_once(job_script)));
    outcome.unwrap();
    assert_eq!(tests.outcomes(), [told("diag", Outcome::Timeout, "stopped after 300 s")]);
    assert_eq!(signals(&guests), [], "nobody could hear them");
}

#[test]
fn in_virtual_time_a_guest_that_dies_takes_its_test_along() {
    let mut tests = Tests::new(&["diag"]);
    tests.setup.spec = told_spec();
    tests.run_in(&Simulation::new(|_| at_once(|_| exits(60, 0)))).1.unwrap();
    assert_eq!(tests.outcomes(), [told("diag", Outcome::Crash, "the guest is gone")]);
}
