use super::*;
use crate::guest::protocol::Job;
use crate::kernel::MakeEnvironment;
use crate::kernel::alias::Alias;
use crate::plan::lab::Modules;
use crate::runner::fixture::{Bench, built, guest_plan, host};
use crate::settings::Auto;
use crate::suite::sample::{Declared, Expect};
use crate::suite::{Suite, module, sample as samples};
use crate::topology::model::tests::pair;
use crate::vm::VmId;
use crate::vm::simulated::{Action, JobScript, Script, Simulation, after};
use std::fs;
use std::path::Path;

const LISTENER: &str = "mptcp LISTEN 0 5 0.0.0.0:5000 0.0.0.0:*";

/// What a guest's own programs print, and what the programs of a sample do.
fn guest(mut program: impl FnMut(&str) -> JobScript + 'static) -> Script {
    let mut serves = false;
    Script::of(move |job| {
        let line = job.argv.join(" ");
        let printed =
            |text: String| JobScript::of([after(1, Action::Print(text)), after(2, Action::Exit(0))]);
        if line.contains("ss -HltnM") {
            return printed(if serves { LISTENER.to_owned() } else { String::new() });
        }
        if line.contains("ip -o link show") {
            return printed(links());
        }
        let of_sample = ["server.sh", "client.sh", "insmod", "rmmod", "refcnt"];
        match of_sample.iter().find(|name| line.contains(*name)) {
            Some(name) => {
                let script = program(name);
                let ends = script.acts.iter().any(|(_, action)| matches!(action, Action::Exit(_)));
                serves |= *name == "server.sh" && !ends;
                script
            }
            None => printed(String::new()),
        }
    })
}

/// The interfaces of any guest: each finds its own by their addresses.
fn links() -> String {
    let topology = pair();
    let all = topology.host.keys().flat_map(|host| interfaces(&topology, host)).enumerate();
    let line = |(number, interface): (usize, crate::topology::Interface)| {
        format!("{number}: enp0s{number}: <UP> \\ link/ether {} brd x", interface.mac)
    };
    all.map(line).collect::<Vec<_>>().join("\n")
}

/// Runs until it is told to end.
fn serves() -> JobScript {
    JobScript::of([after(100, Action::Print("listening".into()))])
}

fn exits(code: i32) -> JobScript {
    JobScript::of([after(1000, Action::Print("hello".into())), after(2000, Action::Exit(code))])
}

/// A sample with a server and a client, or with what else `change` makes of it.
fn sample(name: &str, dir: &Path, change: impl FnOnce(&mut Declared, &mut Scenario)) -> Scenario {
    let path = dir.join("sources").join(name);
    fs::create_dir_all(&path).unwrap();
    for script in ["server.sh", "client.sh"] {
        fs::write(path.join(script), "#!/bin/sh\n").unwrap();
    }
    let mut declared = Declared {
        name: name.to_owned(),
        description: String::new(),
        path,
        build: None,
        server: None,
        client: None,
        topology: None,
        seconds: None,
        expect: Vec::new(),
        exit: Some(0),
        output: Some("hello".to_owned()),
        mptcpize: false,
        needs: Vec::new(),
        symbols: Vec::new(),
    };
    let mut scenario = Scenario {
        name: name.to_owned(),
        kind: Kind::Modules(Box::new(modules(dir))),
        realisation: Realisation::Namespaces,
        topology: Some(("pair".to_owned(), pair())),
        time: Duration::from_secs(10),
        expect: vec![Expect::None],
    };
    change(&mut declared, &mut scenario);
    scenario.kind = Kind::Sample(Box::new(declared));
    scenario
}

fn modules(dir: &Path) -> Modules {
    let path = dir.join("sources/demo.ko");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "no real module").unwrap();
    Modules {
        path,
        params: Vec::new(),
        tree: dir.to_owned(),
        out: dir.to_owned(),
        alias: Alias::default(),
        make_variables: Vec::new(),
        environment: MakeEnvironment::default(),
    }
}

fn module(name: &str, dir: &Path) -> Scenario {
    Scenario {
        name: name.to_owned(),
        kind: Kind::Modules(Box::new(modules(dir))),
        realisation: Realisation::Namespaces,
        topology: None,
        time: Duration::from_secs(3),
        expect: Vec::new(),
    }
}

/// What came of scenarios.
struct LabRun {
    bench: Bench,
    guests: Simulation,
    outcome: Result<()>,
}

impl LabRun {
    /// Names, outcomes, and what the reasons say.
    fn outcomes(&self) -> Vec<(String, Outcome, String)> {
        let told = |test: &crate::results::Test| {
            let result = &test.result;
            (test.name.clone(), result.outcome, result.reason.clone().unwrap_or_default())
        };
        self.bench.journal.summary().tests.iter().map(told).collect()
    }

    fn first(&self) -> (Outcome, String) {
        let (_, outcome, reason) = self.outcomes().remove(0);
        (outcome, reason)
    }
}

fn lab_run(
    suite: &'static Suite,
    scenarios: impl FnOnce(&Path) -> Vec<Scenario>,
    change: impl FnOnce(&mut LabPlan),
    cast: impl FnMut(VmId) -> Script + 'static,
) -> LabRun {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new();
    let mut plan = LabPlan {
        suite,
        scenarios: scenarios(dir.path()),
        guest: guest_plan(dir.path()),
        cpus: Auto::Auto,
        fail_fast: false,
        all_features: false,
        pcap: false,
        home: None,
    };
    change(&mut plan);
    let guests = Simulation::new(cast);
    let hubs = || -> Box<dyn Hub> { Box::new(guests.clone()) };
    let outcome = run(&plan, &built(dir.path()), &host(dir.path()), &hubs, &mut bench.journal);
    assert!(guests.is_over(), "a guest is left");
    LabRun { bench, guests, outcome }
}

fn one_sample(
    change: impl FnOnce(&mut Declared, &mut Scenario),
    program: impl FnMut(&str) -> JobScript + Clone + 'static,
) -> LabRun {
    let cast = move |_| guest(program.clone());
    lab_run(&samples::SUITE, |dir| vec![sample("demo", dir, change)], |_| (), cast)
}

#[test]
fn a_server_and_its_client_run_in_namespaces_of_one_guest() {
    let program = |name: &str| if name == "server.sh" { serves() } else { exits(0) };
    let scenarios = |dir: &Path| vec![sample("one", dir, |_, _| ()), sample("two", dir, |_, _| ())];
    let lab_run = lab_run(&samples::SUITE, scenarios, |plan| plan.pcap = true, move |_| guest(program));
    lab_run.outcome.as_ref().unwrap();
    let outcomes: Vec<Outcome> = lab_run.outcomes().into_iter().map(|(_, outcome, _)| outcome).collect();
    assert_eq!(outcomes, [Outcome::Pass, Outcome::Pass], "{:?}", lab_run.outcomes());
    assert_eq!(lab_run.guests.log().started.len(), 1);
    let log = lab_run.bench.file("tests/samples.one.1.log");
    assert!(log.contains("[server] listening") && log.contains("[client] hello"), "{log}");
    let jobs = jobs(&lab_run.guests);
    assert!(jobs.iter().any(|job| job.argv.join(" ").starts_with("ip netns exec ")), "{jobs:?}");
    let client = jobs.iter().find(|job| job.argv.join(" ").contains("client.sh")).unwrap();
    let server = client.env.iter().find(|(name, _)| name == "VMPTCP_SERVER").unwrap();
    assert_eq!(server.1, "10.0.1.2");
}

fn jobs(guests: &Simulation) -> Vec<Job> {
    let job = |request| match request {
        crate::guest::protocol::ToGuest::Run(job) => Some(job),
        _ => None,
    };
    guests.sent_to(1).into_iter().filter_map(job).collect()
}

#[test]
fn hosts_that_are_guests_have_a_network_of_their_own() {
    let program = |name: &str| if name == "server.sh" { serves() } else { exits(0) };
    let lab_run = one_sample(|_, scenario| scenario.realisation = Realisation::Guests, program);
    assert_eq!(lab_run.first(), (Outcome::Pass, String::new()));
    assert_eq!(lab_run.guests.log().started.len(), 2);
    let renamed = |job: &Job| job.argv.join(" ").contains("enp0s");
    assert!(jobs(&lab_run.guests).iter().any(renamed));
}

#[test]
fn what_a_sample_does_wrong_is_its_reason() {
    let fails = |program: fn(&str) -> JobScript, change: fn(&mut Declared, &mut Scenario)| {
        let lab_run = one_sample(change, program);
        lab_run.outcome.as_ref().unwrap();
        lab_run.first()
    };
    let nothing: fn(&mut Declared, &mut Scenario) = |_, _| ();
    let connects: fn(&mut Declared, &mut Scenario) = |_, scenario| scenario.expect = vec![Expect::Mptcp];
    let client_fails = |name: &str| if name == "server.sh" { serves() } else { exits(7) };
    assert_eq!(fails(client_fails, nothing), (Outcome::Fail, "the client: exit code 7: hello".into()));
    let server_ends = |_: &str| exits(3);
    let why = "the server ended before it listened: exit code 3: hello";
    assert_eq!(fails(server_ends, connects), (Outcome::Fail, why.into()));
    let well = |name: &str| if name == "server.sh" { serves() } else { exits(0) };
    let (outcome, why) = fails(well, connects);
    assert!(outcome == Outcome::Fail && why.starts_with("expected mptcp"), "{why}");
    let lacks: fn(&mut Declared, &mut Scenario) =
        |declared, _| declared.symbols = vec!["DEBUG_INFO_BTF".to_owned()];
    let (outcome, why) = fails(well, lacks);
    assert!(outcome == Outcome::Skip && why.contains("--variant btf has it"), "{why}");
    let needs: fn(&mut Declared, &mut Scenario) =
        |declared, _| declared.needs = vec!["no-such-program".into()];
    assert_eq!(fails(well, needs).0, Outcome::Skip);
    let broken: fn(&mut Declared, &mut Scenario) = |declared, _| {
        declared.build =
            Some(vec!["sh".into(), "-c".into(), "echo 'x.c:1: error: no luck' >&2; exit 1".into()]);
    };
    let (outcome, why) = fails(well, broken);
    assert!(outcome == Outcome::Error && why.contains("no luck"), "{why}");
    let silent = |name: &str| if name == "server.sh" { serves() } else { JobScript::default() };
    assert_eq!(fails(silent, nothing), (Outcome::Fail, "the client timed out".into()));
    let refused =
        |name: &str| if name == "server.sh" { serves() } else { JobScript::of([after(0, Action::Refuse)]) };
    assert_eq!(fails(refused, nothing), (Outcome::Error, "no such command".into()));
}

#[test]
fn a_guest_that_a_sample_crashes_is_replaced() {
    let scenarios = |dir: &Path| vec![sample("crashes", dir, |_, _| ()), sample("next", dir, |_, _| ())];
    let cast = |vm| {
        guest(move |name| match (name, vm) {
            ("server.sh", _) => serves(),
            (_, 1) => JobScript::of([after(100, Action::Crash)]),
            _ => exits(0),
        })
    };
    let lab_run = lab_run(&samples::SUITE, scenarios, |_| (), cast);
    lab_run.outcome.as_ref().unwrap();
    let told = |name: &str, outcome, why: &str| (name.to_owned(), outcome, why.to_owned());
    let expected = [told("crashes", Outcome::Crash, "the guest is gone"), told("next", Outcome::Pass, "")];
    assert_eq!(lab_run.outcomes(), expected);
    let ends = lab_run.bench.ends();
    assert_eq!(ends[0], (1, true, "the guest is gone".into()));
}

#[test]
fn guests_of_a_lab_that_do_not_come_up_are_given_up_on() {
    let dead = |_| Script { acts: vec![after(10, Action::Crash)], ..guest(|_| exits(0)) };
    let scenarios = |dir: &Path| vec![sample("demo", dir, |_, _| ())];
    let lab_run = lab_run(&samples::SUITE, scenarios, |plan| plan.guest.rules.boots = 2, dead);
    let error = lab_run.outcome.as_ref().unwrap_err();
    assert_eq!(error.to_string(), "2 guests in a row did not come up");
    assert_eq!(lab_run.first().0, Outcome::NotRun);
}

#[test]
fn a_splat_at_boot_is_no_lab_and_one_in_a_test_fails_it() {
    const SPLAT: &str = "[    5.0] WARNING: CPU: 0 PID: 7 at net/mptcp/x.c:1 f+0x1/0x2";
    let cast = |vm| {
        let mut script = guest(|name| match name {
            "server.sh" => serves(),
            _ => JobScript::of([
                after(1, Action::Print("hello".into())),
                after(5, Action::Kernel(SPLAT.into())),
                after(900, Action::Exit(0)),
            ]),
        });
        if vm == 1 {
            script.acts.insert(0, after(100, Action::Kernel(SPLAT.into())));
        }
        script
    };
    let scenarios = |dir: &Path| vec![sample("splats", dir, |_, _| ()), sample("next", dir, |_, _| ())];
    let lab_run = lab_run(&samples::SUITE, scenarios, |plan| plan.fail_fast = true, cast);
    lab_run.outcome.as_ref().unwrap();
    let reason = "kernel splat: WARNING: CPU: 0 PID: 7 at net/mptcp/x.c:1 f+0x1/0x2";
    assert_eq!(lab_run.first(), (Outcome::Fail, reason.to_owned()));
    assert_eq!(lab_run.outcomes()[1].1, Outcome::NotRun, "--fail-fast");
    let reasons: Vec<String> = lab_run.bench.ends().into_iter().map(|(.., reason)| reason).collect();
    assert_eq!(reasons, ["replaced after a splat during boot", AFTER_SPLAT]);
}

#[test]
fn modules_are_loaded_watched_and_unloaded() {
    let one = |program: fn(&str) -> JobScript| {
        let scenarios = |dir: &Path| vec![module("demo", dir), module("next", dir)];
        let lab_run = lab_run(&module::SUITE, scenarios, |_| (), move |_| guest(program));
        lab_run.outcome.as_ref().unwrap();
        let count = lab_run.guests.log().started.len();
        (lab_run.first(), count)
    };
    let fine = |_: &str| JobScript::of([after(10, Action::Exit(0))]);
    assert_eq!(one(fine), ((Outcome::Pass, String::new()), 1));
    let stays = |name: &str| match name {
        "rmmod" => JobScript::of([
            after(10, Action::Print("Module demo is in use".into())),
            after(20, Action::Exit(1)),
        ]),
        "refcnt" => JobScript::of([after(10, Action::Print("1".into())), after(20, Action::Exit(0))]),
        _ => JobScript::of([after(10, Action::Exit(0))]),
    };
    let why = "demo cannot be unloaded: Module demo is in use; 1 references to it are left";
    assert_eq!(one(stays), ((Outcome::Fail, why.into()), 2), "the next gets a fresh guest");
    let refused = |name: &str| match name {
        "insmod" => JobScript::of([
            after(10, Action::Print("Invalid module format".into())),
            after(20, Action::Exit(1)),
        ]),
        _ => JobScript::of([after(10, Action::Exit(0))]),
    };
    let ((outcome, why), _) = one(refused);
    assert!(outcome == Outcome::Fail && why.starts_with("demo cannot be loaded: Invalid module"), "{why}");
    let hangs = |name: &str| match name {
        "rmmod" => JobScript::default(),
        _ => JobScript::of([after(10, Action::Exit(0))]),
    };
    let ((outcome, why), count) = one(hangs);
    assert_eq!((outcome, count), (Outcome::Timeout, 2), "{why}");
}

#[test]
fn the_state_of_mptcp_is_asked_on_each_host() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new();
    let answers = |job: &Job| {
        let line = job.argv.join(" ");
        let text = match () {
            () if line.ends_with("sysctl net.mptcp") => {
                "net.mptcp.enabled = 1\nnet.mptcp.scheduler = default"
            }
            () if line.contains("endpoint show") => "10.0.2.1 id 1 subflow",
            () if line.contains("limits show") => "add_addr_accepted 2 subflows 2",
            () => "",
        };
        JobScript::of([after(1, Action::Print(text.into())), after(2, Action::Exit(0))])
    };
    let guests = Simulation::new(move |_| Script::of(answers));
    let states = show(
        &guest_plan(dir.path()),
        &built(dir.path()),
        Some(&pair()),
        &["net.mptcp.enabled=1".to_owned()],
        &host(dir.path()),
        Box::new(guests.clone()),
        &mut bench.journal,
    )
    .unwrap();
    let hosts: Vec<&str> = states.iter().map(|state| &state.host[..]).collect();
    assert_eq!(hosts, ["client", "server"]);
    assert_eq!(states[0].sysctls["scheduler"], "default");
    assert_eq!(states[1].endpoints, ["10.0.2.1 id 1 subflow"]);
    assert!(guests.is_over());
    let silent = Simulation::new(|_| Script::of(|_| JobScript::of([after(1, Action::Exit(1))])));
    let asked = show(
        &guest_plan(dir.path()),
        &built(dir.path()),
        None,
        &[],
        &host(dir.path()),
        Box::new(silent.clone()),
        &mut bench.journal,
    );
    assert!(asked.unwrap_err().to_string().contains("on guest: sysctl net.mptcp"));
}
