mod virtual_time;

use super::*;
use crate::error::ExitCode;
use crate::guest::protocol::{self, ToGuest};
use crate::plan::GuestRules;
use crate::runner::fixture::{Bench, spec};
use crate::runner::job::Alone;
use crate::runner::{evidence, leaks};
use crate::suite::tests::named;
use crate::suite::{Conditions, Selection};
use crate::vm::simulated::{Action, Deaf, JobScript, Script, Simulation, after, ms};
use nix::libc::{SIGKILL, SIGTERM};

/// Tests, and how they shall run.
struct Tests {
    bench: Bench,
    jobs: Vec<Job>,
    setup: Setup,
}

const TIME_LIMIT: Duration = Duration::from_secs(300);

impl Tests {
    /// These, one after the other in one guest.
    fn new(names: &[&str]) -> Self {
        let job = |test: crate::suite::TestCase| Job {
            id: TestId::new("selftests", &test.name, 1),
            selection: Selection::whole(test),
            shard: None,
            seed: None,
            timeout: TIME_LIMIT,
            expected: Duration::ZERO,
        };
        let setup = Setup {
            spec: spec(),
            alone: None,
            vms: 1,
            fresh: false,
            confirm: 0,
            until_fail: false,
            boot_timeout: Duration::from_secs(60),
            rules: GuestRules::default(),
            installed: Some("/nowhere".into()),
            repositories: BTreeMap::new(),
            conditions: Conditions::default(),
            env: Vec::new(),
            vary: Vec::new(),
            fail_fast: false,
            hunt: None,
        };
        Self { bench: Bench::new(), jobs: named(names).into_iter().map(job).collect(), setup }
    }

    /// Runs them in guests whose tests do what `job_script` says of the name.
    fn run(
        &mut self,
        job_script: impl FnMut(&str) -> JobScript + Clone + 'static,
    ) -> (Simulation, Result<()>) {
        self.run_in(&Simulation::new(move |_| script(job_script.clone())))
    }

    fn run_in(&mut self, guests: &Simulation) -> (Simulation, Result<()>) {
        let outcome = run(self.jobs.clone(), &self.setup, &mut guests.clone(), &mut self.bench.journal);
        assert!(guests.is_over(), "a guest is left");
        (guests.clone(), outcome)
    }

    /// Names, outcomes and reasons.
    fn outcomes(&self) -> Vec<(String, Outcome, String)> {
        let told = |test: &Test| {
            let result = &test.result;
            (test.name.clone(), result.outcome, result.reason.clone().unwrap_or_default())
        };
        self.bench.journal.summary().tests.iter().map(told).collect()
    }
}

/// A guest whose tests do what `job_script` says of the name, and that answers what the runner asks for.
fn script(mut job_script: impl FnMut(&str) -> JobScript + 'static) -> Script {
    Script::of(move |job| match job.id {
        evidence::JOB => {
            JobScript::of([after(1000, Action::Print("== processes".into())), after(2000, Action::Exit(0))])
        }
        evidence::WATCH_JOB => JobScript::default(),
        leaks::JOB => JobScript::of([after(6000, Action::Exit(0))]),
        _ => job_script(&name_of(job)),
    })
}

fn name_of(job: &protocol::Job) -> String {
    let program = job.argv.iter().find_map(|word| word.strip_suffix(".sh")).unwrap();
    program.rsplit('/').next().unwrap().to_owned()
}

/// Passes after so many seconds, or fails.
fn exits(seconds: u64, code: i32) -> JobScript {
    JobScript::of([after(seconds * 1000, Action::Exit(code))])
}

fn told(name: &str, outcome: Outcome, reason: &str) -> (String, Outcome, String) {
    (name.to_owned(), outcome, reason.to_owned())
}

/// The tests that were begun: in which guest, when, which.
fn begun(guests: &Simulation) -> Vec<(VmId, u64, String)> {
    let log = guests.log();
    let job = |(vm, at, request): &(VmId, Duration, ToGuest)| match request {
        ToGuest::Run(job) if job.id < leaks::JOB => Some((*vm, at.as_secs(), name_of(job))),
        _ => None,
    };
    log.sent.iter().filter_map(job).collect()
}

/// The signals to tests, and when.
fn signals(guests: &Simulation) -> Vec<(u64, i32)> {
    let log = guests.log();
    let signal = |(_, at, request): &(VmId, Duration, ToGuest)| match request {
        ToGuest::Signal { id, signal } if *id < leaks::JOB => Some((at.as_secs(), *signal)),
        _ => None,
    };
    log.sent.iter().filter_map(signal).collect()
}

const SPLAT: &str = "[    5.0] WARNING: CPU: 0 PID: 7 at net/mptcp/subflow.c:1 subflow_check+0x1/0x2";
const TITLE: &str = "WARNING: CPU: 0 PID: 7 at net/mptcp/subflow.c:1 subflow_check+0x1/0x2";

#[test]
fn tests_run_in_one_guest_in_their_order_and_their_output_is_kept() {
    let mut tests = Tests::new(&["one", "two", "three"]);
    let lines = ["TAP version 13", "1..1", "ok 1 - first"];
    let (guests, outcome) = tests.run(move |name| match name {
        "one" => {
            let lines = lines.map(|line| after(10, Action::Print(line.into())));
            JobScript::of(lines.into_iter().chain([after(4000, Action::Exit(0))]))
        }
        "two" => JobScript::of([after(0, Action::Refuse)]),
        _ => exits(3, 4),
    });
    outcome.unwrap();
    assert_eq!(
        tests.outcomes(),
        [
            told("one", Outcome::Pass, ""),
            told("two", Outcome::Error, "no such command"),
            told("three", Outcome::Skip, "")
        ]
    );
    let summary = tests.bench.journal.summary();
    assert_eq!(summary.tests[0].result.subtests[0].name, "first");
    assert_eq!(tests.bench.file("tests/one.1.log"), lines.join("\n") + "\n");
    assert_eq!(tests.bench.ends(), [(1, false, "done".into())]);
    let first = guests.sent_to(1).into_iter().next();
    assert!(matches!(first, Some(ToGuest::Bind { .. })), "{first:?}");
    assert_eq!(begun(&guests), [(1, 2, "one".into()), (1, 6, "two".into()), (1, 6, "three".into())]);
}

#[test]
fn the_longest_goes_first_and_no_guest_is_started_for_nothing() {
    let mut tests = Tests::new(&["a", "b", "c", "d"]);
    tests.setup.vms = 3;
    for (job, expected) in tests.jobs.iter_mut().zip([10, 40, 20, 30]) {
        job.expected = Duration::from_secs(expected);
    }
    let seconds = |name: &str| match name {
        "a" => 10,
        "b" => 40,
        "c" => 20,
        _ => 30,
    };
    let (guests, outcome) = tests.run(move |name| exits(seconds(name), 0));
    outcome.unwrap();
    let first = [(1, 2, "b".into()), (2, 2, "d".into()), (3, 2, "c".into()), (3, 22, "a".into())];
    assert_eq!(begun(&guests), first);
    assert_eq!(guests.elapsed().as_secs(), 42, "as long as the longest");
    let mut few = Tests::new(&["a"]);
    few.setup.vms = 3;
    let (guests, _) = few.run(|_| exits(1, 0));
    assert_eq!(guests.log().started.len(), 1);
}

#[test]
fn what_fails_runs_again_alone_when_all_others_are_over() {
    let mut tests = Tests::new(&["flaky", "broken", "fine"]);
    tests.setup.confirm = 2;
    tests.setup.vms = 2;
    tests.setup.alone = Some(Alone {
        spec: Spec { machine: crate::vm::machine::Machine { cpus: 4, ..spec().machine }, ..spec() },
        captures: None,
    });
    let guests = Simulation::new(move |vm| {
        script(move |name| match name {
            "flaky" => exits(3, i32::from(vm < 3)),
            "broken" => exits(3, 1),
            _ => exits(20, 0),
        })
    });
    tests.run_in(&guests).1.unwrap();
    let outcomes: Vec<Outcome> = tests.outcomes().into_iter().map(|(_, outcome, _)| outcome).collect();
    assert_eq!(outcomes, [Outcome::Flaky, Outcome::Fail, Outcome::Pass]);
    let reruns: Vec<(VmId, String)> =
        begun(&guests).into_iter().skip(3).map(|(vm, _, name)| (vm, name)).collect();
    let expected = [(3, "flaky"), (4, "broken"), (5, "broken")].map(|(vm, name)| (vm, name.to_owned()));
    assert_eq!(reruns, expected, "each in a guest of its own");
    let cpus: Vec<u32> = guests.log().started.iter().map(|(_, spec)| spec.machine.cpus).collect();
    assert_eq!(cpus, [1, 1, 4, 4, 4], "which has the host for itself");
    assert!(tests.bench.journal.path().join("tests/broken.1.rerun-1.network.txt").exists());
}

#[test]
fn a_test_that_takes_too_long_is_examined_and_then_told_to_end() {
    let mut tests = Tests::new(&["endless", "next"]);
    let (guests, outcome) = tests.run(|name| if name == "next" { exits(1, 0) } else { JobScript::default() });
    outcome.unwrap();
    let endless = told("endless", Outcome::Timeout, "stopped after 300 s");
    assert_eq!(tests.outcomes(), [endless, told("next", Outcome::Pass, "")]);
    assert_eq!(signals(&guests), [(304, SIGTERM)], "as soon as the guest told what it knows");
    assert_eq!(tests.bench.file("tests/endless.1.post-mortem.txt"), "== processes\n");
    let marks: Vec<String> = guests
        .sent_to(1)
        .into_iter()
        .filter_map(|request| match request {
            ToGuest::Mark { text } => Some(text),
            _ => None,
        })
        .collect();
    let expected =
        ["begin of endless.1", "begin of a post-mortem", "end of a post-mortem", "end of endless.1"];
    assert_eq!(marks, expected.map(|text| format!("vmptcp: {text}")));
    assert_eq!(tests.bench.ends()[0], (1, false, "replaced after a timeout".into()));
    assert_eq!(begun(&guests)[1].0, 2, "a fresh guest for the next");
}

#[test]
fn the_ladder_goes_on_until_something_helps() {
    let run = |deaf, look_ends: bool| {
        let mut tests = Tests::new(&["endless"]);
        let guests = Simulation::new(move |_| {
            Script::of(move |job| match job.id {
                evidence::JOB if look_ends => exits(0, 0),
                evidence::JOB => JobScript::default(),
                _ => JobScript { acts: Vec::new(), deaf },
            })
        });
        tests.run_in(&guests).1.unwrap();
        let (_, outcome, reason) = tests.outcomes().remove(0);
        assert_eq!(outcome, Outcome::Timeout);
        (signals(&guests), reason, tests.bench.ends().remove(0).1)
    };
    assert_eq!(run(Deaf::No, false), (vec![(362, SIGTERM)], "stopped after 300 s".into(), false));
    let killed = vec![(302, SIGTERM), (312, SIGKILL)];
    assert_eq!(run(Deaf::ToTerminate, true), (killed.clone(), "stopped after 300 s".into(), false));
    let why = "after 300 s; the guest hangs: it could not stop a test that timed out";
    assert_eq!(run(Deaf::ToAll, true), (killed, why.into(), true));
}

#[test]
fn a_guest_that_says_nothing_any_more_hangs_and_is_examined_from_outside() {
    let mut tests = Tests::new(&["freezes", "next"]);
    let (guests, outcome) = tests.run(|name| match name {
        "freezes" => {
            JobScript::of([after(5000, Action::Print("so far".into())), after(5001, Action::Freeze)])
        }
        _ => exits(1, 0),
    });
    outcome.unwrap();
    let why = "the guest hangs: its agent has not answered for 180 s";
    assert_eq!(tests.outcomes(), [told("freezes", Outcome::Crash, why), told("next", Outcome::Pass, "")]);
    assert_eq!(guests.log().examined, [1]);
    assert!(tests.bench.file("vm-1.registers.txt").starts_with("RIP="));
    assert_eq!(tests.bench.file("tests/freezes.1.log"), "so far\n");
    assert_eq!(tests.bench.ends()[0], (1, true, why.into()));
    let (vm, at, _) = begun(&guests).remove(1);
    assert_eq!((vm, at), (2, 189), "another guest takes its place");
}

#[test]
fn a_guest_that_hangs_with_its_test_is_found_out_when_it_is_asked_about_it() {
    let mut tests = Tests::new(&["freezes"]);
    let guests = Simulation::new(|_| {
        Script::of(|job| match job.id {
            evidence::JOB => JobScript::of([after(0, Action::Freeze)]),
            _ => JobScript::default(),
        })
    });
    tests.run_in(&guests).1.unwrap();
    let why = "after 300 s; the guest hangs: its agent has not answered for 25 s";
    assert_eq!(tests.outcomes(), [told("freezes", Outcome::Timeout, why)]);
    assert_eq!(guests.elapsed().as_secs(), 327);
}

#[test]
fn a_crash_costs_one_test_and_is_no_flake() {
    for (end, lag) in [(Action::Crash, 0), (Action::Vanish, 5)] {
        let mut tests = Tests::new(&["crashes", "next"]);
        tests.setup.confirm = 1;
        let (guests, outcome) = tests.run(move |name| match name {
            "crashes" => JobScript::of([
                after(1000, Action::Kernel("[    5.0] Kernel panic - not syncing: sysrq".into())),
                after(1001, end.clone()),
            ]),
            _ => exits(1, 0),
        });
        outcome.unwrap();
        let why = "the guest is gone: Kernel panic - not syncing: sysrq";
        assert_eq!(tests.outcomes(), [told("crashes", Outcome::Crash, why), told("next", Outcome::Pass, "")]);
        assert_eq!(begun(&guests)[1], (2, 5 + lag, "next".into()));
        let Some(Event::VmEnded { console_tail, .. }) =
            tests.bench.events().into_iter().find(|event| matches!(event, Event::VmEnded { vm: 1, .. }))
        else {
            panic!("the guest did not end");
        };
        assert!(console_tail.last().is_some_and(|line| line.ends_with("sysrq")), "{console_tail:?}");
    }
}

#[test]
fn a_splat_fails_its_test_and_retires_the_guest() {
    let splat = |name: &str| match name {
        "splats" => JobScript::of([after(1000, Action::Kernel(SPLAT.into())), after(2000, Action::Exit(0))]),
        _ => exits(1, 0),
    };
    let mut tests = Tests::new(&["before", "splats", "next"]);
    tests.setup.confirm = 1;
    let (guests, outcome) = tests.run(splat);
    outcome.unwrap();
    let why = format!("kernel splat: {TITLE}");
    assert_eq!(tests.outcomes()[1..], [told("splats", Outcome::Fail, &why), told("next", Outcome::Pass, "")]);
    assert_eq!(begun(&guests).iter().map(|(vm, ..)| *vm).collect::<Vec<_>>(), [1, 1, 2]);
    assert_eq!(tests.bench.ends()[0], (1, false, AFTER_SPLAT.into()));
    let splats = &tests.bench.journal.summary().splats;
    assert_eq!(splats[0].test.as_ref().map(|test| &test.name[..]), Some("splats"));
    let mut kept = Tests::new(&["splats", "next"]);
    kept.setup.rules.replace_after_splat = false;
    let (guests, _) = kept.run(splat);
    assert_eq!(guests.log().started.len(), 1);
}

#[test]
fn a_splat_between_tests_is_of_neither_and_the_test_that_waits_gets_another_guest() {
    let mut tests = Tests::new(&["before", "waits"]);
    let (guests, outcome) = tests.run(|name| match name {
        // Its end is seen, and the console has more to show.
        "before" => JobScript::of([after(1000, Action::Exit(0)), after(1003, Action::Kernel(SPLAT.into()))]),
        _ => exits(1, 0),
    });
    outcome.unwrap();
    assert_eq!(tests.outcomes(), ["before", "waits"].map(|name| told(name, Outcome::Pass, "")));
    assert_eq!(begun(&guests)[1].0, 2);
    assert_eq!(tests.bench.journal.summary().splats[0].test, None);
}

#[test]
fn a_guest_that_splats_at_boot_is_replaced_and_the_last_of_many_is_used() {
    let splats = |count: VmId| {
        Simulation::new(move |vm| {
            let mut script = script(|_| exits(1, 0));
            if vm <= count {
                script.acts.insert(0, after(1000, Action::Kernel(SPLAT.into())));
            }
            script
        })
    };
    let mut tests = Tests::new(&["one"]);
    tests.run_in(&splats(2)).1.unwrap();
    let reasons: Vec<String> = tests.bench.ends().into_iter().map(|(.., reason)| reason).collect();
    let replaced = "replaced after a splat during boot";
    assert_eq!(reasons, [replaced, replaced, "done"]);
    assert_eq!(tests.bench.journal.summary().warnings.len(), 0);
    assert!(tests.bench.journal.summary().splats.iter().all(|splat| splat.boot && splat.notice));
    let mut tests = Tests::new(&["one"]);
    let (guests, outcome) = tests.run_in(&splats(VmId::MAX));
    outcome.unwrap();
    assert_eq!(guests.log().started.len(), 5);
    let warning = &tests.bench.journal.summary().warnings[0];
    assert!(warning.text.contains("5 guests in a row"), "{warning:?}");
    assert_eq!(tests.outcomes(), [told("one", Outcome::Pass, "")]);
}

#[test]
fn guests_that_do_not_come_up_are_given_up_on() {
    let dead = || Script { acts: Vec::new(), leaks_since: None, job: Box::new(|_| JobScript::default()) };
    let mut tests = Tests::new(&["one"]);
    let guests = Simulation::new(move |_| dead());
    let (guests, outcome) = tests.run_in(&guests);
    let error = outcome.unwrap_err();
    assert_eq!(error.to_string(), "5 guests in a row did not come up");
    assert!(error.remedy().unwrap().ends_with("console-5.log"), "{error:?}");
    assert_eq!(guests.elapsed().as_secs(), 300, "each had its time");
    assert_eq!(tests.outcomes(), [told("one", Outcome::NotRun, "")]);
    assert_eq!(tests.bench.ends()[0], (1, true, "the guest did not come up within 60 s".into()));
    let mut tests = Tests::new(&["one"]);
    let guests = Simulation::new(move |vm| match vm {
        1..5 => Script { acts: vec![after(100, Action::Crash)], ..dead() },
        _ => script(|_| exits(1, 0)),
    });
    tests.run_in(&guests).1.unwrap();
    assert_eq!(tests.outcomes(), [told("one", Outcome::Pass, "")], "the fifth came up");
    assert!(tests.bench.journal.summary().notes.contains(&"VM 4 is replaced: it did not come up".to_owned()));
}

#[test]
fn an_interrupt_keeps_what_was_said_and_leaves_nothing() {
    let mut tests = Tests::new(&["done", "runs", "waits"]);
    let guests = Simulation::new(|_| {
        script(|name| match name {
            "done" => exits(1, 0),
            _ => JobScript::of([after(500, Action::Print("ok 1 - half".into()))]),
        })
    });
    let (_, outcome) = tests.run_in(&guests.interrupted_after(Duration::from_secs(20)));
    assert_eq!(outcome.unwrap_err().kind(), Kind::Interrupted);
    assert_eq!(
        tests.outcomes(),
        [
            told("done", Outcome::Pass, ""),
            told("runs", Outcome::NotRun, "interrupted after 17 s"),
            told("waits", Outcome::NotRun, "")
        ]
    );
    assert_eq!(tests.bench.file("tests/runs.1.log"), "ok 1 - half\n");
}

#[test]
fn fail_fast_starts_nothing_more_after_a_failure() {
    let mut tests = Tests::new(&["a", "fails", "c", "d"]);
    tests.setup.fail_fast = true;
    tests.setup.confirm = 1;
    let (guests, outcome) = tests.run(|name| exits(1, i32::from(name == "fails")));
    outcome.unwrap();
    let outcomes: Vec<Outcome> = tests.outcomes().into_iter().map(|(_, outcome, _)| outcome).collect();
    assert_eq!(outcomes, [Outcome::Pass, Outcome::Fail, Outcome::NotRun, Outcome::NotRun]);
    assert_eq!(begun(&guests).len(), 2, "nor a rerun");
}

#[test]
fn until_fail_repeats_all_tests_until_one_fails() {
    let mut tests = Tests::new(&["a", "b"]);
    tests.setup.until_fail = true;
    let mut count = 0;
    let guests = Simulation::new(move |_| {
        script(move |name| {
            count += u32::from(name == "b");
            exits(1, i32::from(name == "b" && count == 3))
        })
    });
    let (guests, outcome) = tests.run_in(&guests);
    outcome.unwrap();
    let names: Vec<String> = begun(&guests).into_iter().map(|(.., name)| name).collect();
    assert_eq!(names, ["a", "b", "a", "b", "a", "b"]);
    assert_eq!(guests.log().started.len(), 1, "in one guest");
    let summary = tests.bench.journal.summary();
    assert_eq!(summary.exit_code_so_far() as u8, ExitCode::TestsFailed as u8);
}

#[test]
fn each_test_gets_a_fresh_guest_where_that_is_wanted() {
    let mut tests = Tests::new(&["a", "b", "c"]);
    tests.setup.fresh = true;
    let (guests, outcome) = tests.run(|_| exits(1, 0));
    outcome.unwrap();
    assert_eq!(begun(&guests).into_iter().map(|(vm, ..)| vm).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_guest_is_asked_for_leaks_before_it_is_retired() {
    const LEAK: &str = "unreferenced object 0xffff888004c1a000 (size 64):\n  comm \"sh\", pid 9, jiffies 500\n  \
                        backtrace:\n    mptcp_pm_alloc+0x3d/0x90";
    let leaking = |job_ends: bool| {
        Simulation::new(move |_| {
            let job = move |job: &protocol::Job| match job.id {
                leaks::JOB => {
                    let acts = [after(6000, Action::Print(LEAK.into())), after(6001, Action::Exit(0))];
                    JobScript::of(acts.into_iter().take(if job_ends { 2 } else { 1 }))
                }
                _ => exits(1, 0),
            };
            Script { leaks_since: Some(100), ..Script::of(job) }
        })
    };
    for job_ends in [true, false] {
        let mut tests = Tests::new(&["one"]);
        tests.run_in(&leaking(job_ends)).1.unwrap();
        let summary = tests.bench.journal.summary();
        assert_eq!(summary.splats[0].title, "memory leak: 64 bytes, allocated in mptcp_pm_alloc");
        assert_eq!(summary.splats[0].test.as_ref().map(|test| &test.name[..]), Some("one"));
        let late = "VM 1 did not say within 12 s whether memory leaked";
        assert_eq!(summary.notes.iter().any(|note| note == late), !job_ends);
    }
}

#[test]
fn a_console_that_lags_is_waited_for_and_a_test_that_a_signal_ended_failed() {
    let mut tests = Tests::new(&["dies"]);
    let (guests, outcome) = tests.run(|_| JobScript::of([after(1000, Action::Die(11))]));
    outcome.unwrap();
    assert_eq!(tests.outcomes(), [told("dies", Outcome::Fail, "ended by signal 11")]);
    assert!(guests.elapsed() < Duration::from_secs(4));
    assert_eq!(ms(1), Duration::from_millis(1));
}
