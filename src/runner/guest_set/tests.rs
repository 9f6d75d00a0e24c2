use super::*;
use crate::guest::protocol::{self, Exit, ToGuest};
use crate::runner::fixture::{Bench, spec};
use crate::vm::simulated::{Action, Deaf, JobScript, Script, Simulation, after};
use nix::libc::{SIGKILL, SIGTERM};

const BOOT_TIMEOUT: Duration = Duration::from_secs(60);
const SPLAT: &str = "[    5.0] WARNING: CPU: 0 PID: 7 at net/mptcp/subflow.c:1 subflow_check+0x1/0x2";

/// A guest whose commands do what `job_script` says of their first word.
fn script(mut job_script: impl FnMut(&str) -> JobScript + 'static) -> Script {
    Script::of(move |job| match job.id {
        evidence::JOB => {
            JobScript::of([after(900, Action::Print("== processes".into())), after(1000, Action::Exit(0))])
        }
        leaks::JOB => JobScript::of([after(6000, Action::Exit(0))]),
        _ => job_script(&job.argv[0]),
    })
}

/// A guest set on so many guests, with a test that began.
fn guest_set(guests: &Simulation, count: usize, bench: &mut Bench) -> GuestSet {
    let specs = vec![spec(); count];
    let hub = Box::new(guests.clone());
    let mut guest_set =
        GuestSet::open(hub, &specs, BOOT_TIMEOUT, GuestRules::default(), &mut bench.journal).unwrap();
    let test = test();
    assert!(!guest_set.splatted_before(&test, &mut bench.journal).unwrap());
    guest_set.begin(&test, &bench.journal.path().join("tests/demo.log")).unwrap();
    guest_set
}

fn test() -> TestId {
    TestId::new("samples", "demo", 1)
}

fn command(guest: usize, program: &str) -> Task {
    Task::new(guest, vec![program.to_owned()])
}

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn commands_run_side_by_side_in_several_guests() {
    let mut bench = Bench::new();
    let guests = Simulation::new(|vm| {
        script(move |program| match program {
            "refused" => JobScript::of([after(0, Action::Refuse)]),
            "server" => {
                JobScript::of([after(100, Action::Print(format!("on {vm}"))), after(9000, Action::Exit(3))])
            }
            _ => JobScript::of([after(2000, Action::Print("hello".into())), after(2001, Action::Exit(0))]),
        })
    });
    let mut guest_set = guest_set(&guests, 2, &mut bench);
    assert_eq!((guest_set.vm(0), guest_set.vm(1)), (1, 2));
    let server = guest_set.start(Task { label: Some("server".to_owned()), ..command(1, "server") });
    let reading = command(0, "client").reading("input\n".to_owned());
    let client = guest_set.run(reading, LIMIT, &mut bench.journal).unwrap();
    assert!(client.is_good() && client.output == "hello\n", "{client:?}");
    assert_eq!((guest_set.said(server).as_str(), guest_set.ended(server).is_none()), ("on 2\n", true));
    let refused = guest_set.run(command(0, "refused"), LIMIT, &mut bench.journal).unwrap();
    assert_eq!((refused.exit, refused.output.as_str()), (None, "no such command"));
    guest_set.pump(Duration::from_secs(8), &mut bench.journal).unwrap();
    assert_eq!(guest_set.ended(server).and_then(|ended| ended.exit), Some(Exit::Code(3)));
    guest_set.note("of ours").unwrap();
    assert!(guest_set.end(&mut bench.journal).unwrap().is_empty());
    guest_set.close(End::Done, &mut bench.journal).unwrap();
    assert!(guests.is_over());
    assert_eq!(bench.ends(), [(1, false, "done".into()), (2, false, "done".into())]);
    let log = bench.file("tests/demo.log");
    assert!(log.contains("[server] on 2\n") && log.contains("# of ours\n"), "{log}");
    let fed =
        guests.sent_to(1).into_iter().filter(|request| matches!(request, ToGuest::Stdin { .. })).count();
    assert_eq!(fed, 2, "its input and the end of it");
}

#[test]
fn a_guest_that_does_not_come_up_is_no_stage() {
    for (acts, why) in [
        (vec![], "the guest did not come up within 60 s"),
        (vec![after(100, Action::Crash)], "the guest did not come up"),
    ] {
        let mut bench = Bench::new();
        let guests =
            Simulation::new(move |_| Script { acts: acts.clone(), ..script(|_| JobScript::default()) });
        let opened = GuestSet::open(
            Box::new(guests.clone()),
            &[spec()],
            BOOT_TIMEOUT,
            GuestRules::default(),
            &mut bench.journal,
        );
        let Err(Trouble::Guest(reason)) = opened else { panic!("it came up") };
        assert_eq!(reason, why);
        assert_eq!(bench.ends(), [(1, true, "it did not come up".into())]);
        assert!(guests.is_over());
    }
}

#[test]
fn a_command_that_does_not_end_is_examined() {
    let mut bench = Bench::new();
    let guests = Simulation::new(|_| script(|_| JobScript::default()));
    let mut guest_set = guest_set(&guests, 1, &mut bench);
    let Err(Trouble::Timeout(why)) = guest_set.run(command(0, "rmmod"), LIMIT, &mut bench.journal) else {
        panic!("it ended");
    };
    assert_eq!(why, "rmmod timed out after 20 s");
    assert_eq!(bench.file(&format!("tests/{}.post-mortem.txt", test().stem())), "== processes\n");
    guest_set.end(&mut bench.journal).unwrap();
    guest_set.close(End::Crash(&why), &mut bench.journal).unwrap();
    assert_eq!(bench.ends(), [(1, false, "done".into())], "the guest itself is well");
}

#[test]
fn a_guest_that_hangs_with_a_command_is_examined_from_outside() {
    let mut bench = Bench::new();
    let guests = Simulation::new(|_| {
        Script::of(|job| match job.id {
            evidence::JOB => JobScript::of([after(0, Action::Freeze)]),
            _ => JobScript::default(),
        })
    });
    let mut guest_set = guest_set(&guests, 1, &mut bench);
    let Err(Trouble::Guest(why)) = guest_set.run(command(0, "rmmod"), LIMIT, &mut bench.journal) else {
        panic!("the guest is well");
    };
    assert_eq!(why, "rmmod timed out after 20 s, and the guest hangs");
    assert_eq!(guests.log().examined, [1]);
    guest_set.close(End::Crash(&why), &mut bench.journal).unwrap();
    assert_eq!(bench.ends(), [(1, true, why)]);
    assert!(bench.file("vm-1.registers.txt").starts_with("RIP="));
}

#[test]
fn a_command_of_no_test_that_does_not_end_costs_the_guest() {
    let mut bench = Bench::new();
    let guests = Simulation::new(|_| script(|_| JobScript::default()));
    let hub = Box::new(guests.clone());
    let mut guest_set =
        GuestSet::open(hub, &[spec()], BOOT_TIMEOUT, GuestRules::default(), &mut bench.journal).unwrap();
    let Err(Trouble::Guest(why)) = guest_set.run(command(0, "ip"), LIMIT, &mut bench.journal) else {
        panic!("the guest is well");
    };
    assert_eq!(why, "ip timed out after 20 s, and the guest hangs");
    assert_eq!(guests.log().examined, [1]);
}

#[test]
fn a_guest_that_says_nothing_any_more_is_noticed_while_a_program_runs() {
    let mut bench = Bench::new();
    let guests = Simulation::new(|_| script(|_| JobScript::of([after(0, Action::Freeze)])));
    let mut guest_set = guest_set(&guests, 1, &mut bench);
    guest_set.start(command(0, "server"));
    let hour = Duration::from_secs(3600);
    let Err(Trouble::Guest(why)) = guest_set.pump(hour, &mut bench.journal) else { panic!("it is well") };
    assert_eq!(why, "the guest hangs: its agent has not answered for 180 s");
    assert!(guests.elapsed() < Duration::from_secs(200));
    assert_eq!(guests.log().examined, [1]);
    assert!(guest_set.pump(Duration::ZERO, &mut bench.journal).is_err(), "it stays lost");
}

#[test]
fn time_that_the_host_needs_for_itself_is_not_the_guests() {
    let mut bench = Bench::new();
    let mut guests = Simulation::new(|_| script(|_| JobScript::of([after(100, Action::Exit(0))])));
    let mut guest_set = guest_set(&guests, 1, &mut bench);
    // A build between two samples: nobody listens meanwhile.
    let end = guests.now() + Duration::from_secs(900);
    while guests.now() < end {
        guests.next(Duration::from_secs(900)).unwrap();
    }
    assert!(guest_set.run(command(0, "true"), LIMIT, &mut bench.journal).unwrap().is_good());
}

#[test]
fn a_program_is_stopped_step_by_step() {
    for (deaf, signals, exit) in [
        (Deaf::No, vec![SIGTERM], Some(Exit::Signal(SIGTERM))),
        (Deaf::ToTerminate, vec![SIGTERM, SIGKILL], Some(Exit::Signal(SIGKILL))),
        (Deaf::ToAll, vec![SIGTERM, SIGKILL], None),
    ] {
        let mut bench = Bench::new();
        let guests = Simulation::new(move |_| script(move |_| JobScript { acts: Vec::new(), deaf }));
        let mut guest_set = guest_set(&guests, 1, &mut bench);
        let server = guest_set.start(command(0, "server"));
        let ended = guest_set.stop(server, &mut bench.journal).unwrap();
        assert_eq!(ended.and_then(|ended| ended.exit), exit);
        let signal = |request| match request {
            ToGuest::Signal { signal, .. } => Some(signal),
            _ => None,
        };
        assert_eq!(guests.sent_to(1).into_iter().filter_map(signal).collect::<Vec<_>>(), signals);
    }
}

#[test]
fn a_splat_belongs_to_the_test_that_runs() {
    let mut bench = Bench::new();
    let guests = Simulation::new(|_| {
        script(|_| JobScript::of([after(100, Action::Kernel(SPLAT.into())), after(200, Action::Exit(0))]))
    });
    let mut guest_set = guest_set(&guests, 1, &mut bench);
    assert!(!guest_set.splatted() && !guest_set.is_fresh());
    guest_set.run(command(0, "insmod"), LIMIT, &mut bench.journal).unwrap();
    let splats = guest_set.end(&mut bench.journal).unwrap();
    assert_eq!((splats.len(), guest_set.splatted()), (1, true), "{splats:?}");
    let splat = &bench.journal.summary().splats[0];
    assert_eq!((splat.test.as_ref(), splat.boot), (Some(&test()), false));
    assert!(bench.file("tests/demo.log").contains("[kernel 1] [    5.0] WARNING"));
    guest_set.close(End::Replaced("replaced after a splat"), &mut bench.journal).unwrap();
    assert_eq!(bench.ends(), [(1, false, "replaced after a splat".into())]);
}

#[test]
fn a_splat_at_boot_is_seen_before_the_first_test() {
    let mut bench = Bench::new();
    let guests = Simulation::new(|_| {
        let mut script = script(|_| JobScript::default());
        script.acts.insert(0, after(500, Action::Kernel(SPLAT.into())));
        script
    });
    let hub = Box::new(guests.clone());
    let mut guest_set =
        GuestSet::open(hub, &[spec()], BOOT_TIMEOUT, GuestRules::default(), &mut bench.journal).unwrap();
    assert!(guest_set.splatted_before(&test(), &mut bench.journal).unwrap());
    assert!(bench.journal.summary().splats[0].boot);
}

#[test]
fn guests_are_asked_for_leaks_before_they_go() {
    const LEAK: &str = "unreferenced object 0xffff888004c1a000 (size 64):\n  comm \"sh\", pid 9, jiffies 500\n  \
                        backtrace:\n    mptcp_pm_alloc+0x3d/0x90";
    for (answers, late) in [(true, false), (false, true)] {
        let mut bench = Bench::new();
        let guests = Simulation::new(move |_| {
            let job = move |job: &protocol::Job| match job.id {
                leaks::JOB if answers => {
                    JobScript::of([after(6000, Action::Print(LEAK.into())), after(6001, Action::Exit(0))])
                }
                leaks::JOB => JobScript::default(),
                _ => JobScript::of([after(1, Action::Exit(0))]),
            };
            Script { leaks_since: Some(100), ..Script::of(job) }
        });
        let mut guest_set = guest_set(&guests, 1, &mut bench);
        assert!(guest_set.asks_for_leaks());
        guest_set.end(&mut bench.journal).unwrap();
        guest_set.close(End::Done, &mut bench.journal).unwrap();
        let summary = bench.journal.summary();
        assert_eq!(summary.splats.len(), usize::from(answers));
        assert_eq!(summary.notes.iter().any(|note| note.contains("did not say within 12 s")), late);
    }
}

#[test]
fn an_interrupt_is_no_fault_of_a_guest() {
    let mut bench = Bench::new();
    let guests =
        Simulation::new(|_| script(|_| JobScript::default())).interrupted_after(Duration::from_secs(5));
    let mut guest_set = guest_set(&guests, 1, &mut bench);
    let Err(Trouble::Error(error)) = guest_set.run(command(0, "server"), LIMIT, &mut bench.journal) else {
        panic!("it was not interrupted");
    };
    assert_eq!(error.kind(), error::Kind::Interrupted);
}
