use super::*;
use crate::event::{Event, Outcome};
use crate::guest::protocol;
use crate::plan::{BackendPlan, FleetPlan, KnownSubtests};
use crate::process::Process;
use crate::runner::fixture::{Bench, built, guest_plan, host};
use crate::settings::Auto;
use crate::suite::selftests;
use crate::suite::tests::named;
use crate::text::decode;
use crate::vm::accel::Accelerator;
use crate::vm::simulated::{Action, JobScript, Script, Simulation, after};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;

fn plan(names: &[&str], dir: &Path) -> TestPlan {
    TestPlan {
        selections: named(names).into_iter().map(Selection::whole).collect(),
        choice: "tests".to_owned(),
        timeouts: Timeouts::of_suite(Duration::from_secs(600)),
        vary: Vec::new(),
        repeat: 1,
        fail_fast: false,
        hunt: None,
        seeds: "1".parse().unwrap(),
        seeds_chosen: false,
        conditions: crate::suite::Conditions::default(),
        slow: Auto::Auto,
        tolerance: Auto::Auto,
        repositories: BTreeMap::new(),
        env: vec![("MINE".to_owned(), "1".to_owned())],
        guest: guest_plan(dir),
        fleet: FleetPlan {
            vms: Auto::Given(2),
            cpus: Auto::Auto,
            shards: true,
            fresh: false,
            confirm: 1,
            until_fail: false,
            stress: false,
        },
        history: dir.join("durations.json"),
        known: KnownSubtests { path: dir.join("subtests.json"), keys: BTreeMap::new() },
    }
}

/// Carries out a plan in guests whose tests do what `job_script` says.
fn carried_out(
    change: impl FnOnce(&mut TestPlan),
    job_script: impl FnMut(&protocol::Job) -> JobScript + Clone + 'static,
) -> (Bench, Simulation, TestPlan, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new();
    let mut tests = plan(&["pm_netlink", "diag"], dir.path());
    change(&mut tests);
    let guests = Simulation::new(move |_| Script::of(job_script.clone()));
    run(&tests, &built(dir.path()), &host(dir.path()), &mut guests.clone(), &mut bench.journal).unwrap();
    assert!(guests.is_over());
    (bench, guests, tests, dir)
}

fn passes(_: &protocol::Job) -> JobScript {
    let lines = ["TAP version 13", "1..1", "ok 1 - first"];
    let lines = lines.map(|line| after(10, Action::Print(line.into())));
    JobScript::of(lines.into_iter().chain([after(7000, Action::Exit(0))]))
}

#[test]
fn a_step_says_what_its_results_depend_on_and_learns_from_them() {
    let (bench, guests, tests, _dir) = carried_out(|_| (), passes);
    let summary = bench.journal.summary();
    assert!(summary.tests.iter().all(|test| test.result.outcome == Outcome::Pass));
    let facts = &summary.provenance;
    assert_eq!(facts["accelerator"], "tcg");
    assert_eq!((&facts["vms"][..], &facts["filesystem"][..]), ("2", "9p, cached"));
    assert_eq!(facts["kernel"], "6.12.0");
    assert_eq!(bench.file(".config"), "CONFIG_MPTCP=y\n");
    let durations = fs::read_to_string(&tests.history).unwrap();
    assert!(durations.contains("\"diag\": 7.0"), "{durations}");
    let known = fs::read_to_string(&tests.known.path).unwrap();
    assert!(known.contains("first"), "{known}");
    let started: Vec<protocol::Job> = guests
        .sent_to(1)
        .into_iter()
        .filter_map(|request| match request {
            protocol::ToGuest::Run(job) => Some(job),
            _ => None,
        })
        .collect();
    assert!(started[0].cwd.ends_with(selftests::SUITE.needs.collection.unwrap()), "{started:?}");
    let has = |name: &str| started[0].env.iter().any(|(known, _)| known == name);
    assert!(has("MINE") && has("KSFT_MACHINE_SLOW"), "an emulated machine is slow: {started:?}");
}

#[test]
fn a_long_run_under_emulation_says_what_user_mode_linux_took() {
    let slow = |_: &protocol::Job| JobScript::of([after(70_000, Action::Exit(0))]);
    let notes = |accelerator, args: &[&str]| {
        let (bench, ..) = carried_out(
            |tests| {
                let BackendPlan::Virtme(virtme) = &mut tests.guest.backend else { panic!("virtme-ng") };
                virtme.accelerator = Auto::Given(accelerator);
                tests.selections[1].test.args = args.iter().map(|arg| (*arg).to_owned()).collect();
                let variant = tests.history.parent().unwrap().file_name().unwrap().display().to_string();
                let times = "{\"tests\": {\"pm_netlink\": 23.0, \"diag\": 49.0}}";
                let content = format!("{{\"{variant}-uml uml, virtual time\": {times}}}");
                fs::write(&tests.history, content).unwrap();
            },
            slow,
        );
        bench.journal.summary().notes.join("\n")
    };
    let both = notes(Accelerator::Tcg, &[]);
    assert!(
        both.contains("these tests took 72 s when they last ran with --uml") && both.contains("140 s now"),
        "{both}"
    );
    let part = notes(Accelerator::Tcg, &["-f"]);
    assert!(part.contains("1 of these 2 tests took 23 s") && part.contains("(not known: diag)"), "{part}");
    assert!(!notes(Accelerator::Kvm, &[]).contains("--uml"));
}

#[test]
fn each_test_is_repeated_and_may_take_the_longer_the_slower_the_machine_is() {
    let (bench, guests, ..) = carried_out(|tests| tests.repeat = 3, passes);
    let numbers: Vec<u32> = bench.events().iter().filter_map(attempt).collect();
    assert_eq!(numbers.len(), 6);
    assert_eq!(numbers.iter().max(), Some(&3));
    assert_eq!(guests.log().started.len(), 2);
    let limits = |accelerator| {
        let (bench, ..) = carried_out(
            |tests| {
                let BackendPlan::Virtme(virtme) = &mut tests.guest.backend else { panic!("virtme-ng") };
                virtme.accelerator = Auto::Given(accelerator);
            },
            passes,
        );
        bench.events().iter().find_map(limit).unwrap()
    };
    assert_eq!(limits(Accelerator::Tcg), 8 * limits(Accelerator::Kvm));
}

fn attempt(event: &Event) -> Option<u32> {
    match event {
        Event::TestStarted { test, .. } => Some(test.attempt),
        _ => None,
    }
}

fn limit(event: &Event) -> Option<u64> {
    match event {
        Event::TestStarted { timeout, .. } => Some(*timeout),
        _ => None,
    }
}

/// How many of our processes do nothing but keep a core busy.
fn burners() -> usize {
    let busy = |process: &Process| {
        let line = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
        decode(&line).starts_with("sh\0-c\0while :; do :; done")
    };
    Process::own().unwrap().family().iter().filter(|process| busy(process)).count()
}

#[test]
fn stress_keeps_every_core_busy_as_long_as_tests_run() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let watcher = Rc::clone(&seen);
    let job_script = move |job: &protocol::Job| {
        // They are there before the first guest is; a shell may still be a copy of us.
        let cores = doctor::cores() as usize;
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while burners() < cores && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        watcher.borrow_mut().push(burners());
        passes(job)
    };
    let (bench, ..) = carried_out(|tests| tests.fleet.stress = true, job_script);
    assert_eq!(*seen.borrow(), [doctor::cores() as usize; 2]);
    assert_eq!(burners(), 0, "they end with the tests");
    assert!(bench.journal.summary().tests.iter().all(|test| test.result.outcome == Outcome::Pass));
}

#[test]
fn tests_that_are_not_installed_cannot_run() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new();
    let built = Built { selftests: None, ..built(dir.path()) };
    let host = host(dir.path());
    let mut guests = Simulation::new(|_| Script::of(passes));
    let tests = plan(&["diag"], dir.path());
    let error = run(&tests, &built, &host, &mut guests, &mut bench.journal).unwrap_err();
    assert_eq!(error.to_string(), "the selftests of net/mptcp are not installed");
    assert!(guests.log().started.is_empty());
}
