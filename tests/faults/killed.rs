//! A part of a guest is killed while its test runs.

use crate::lab::lab;
use crate::scripts::{Scripts, virtme};
use crate::traces::{leaves_nothing, wait_for};
use std::fs;
use std::time::Duration;
use vmptcp::event::Outcome;
use vmptcp::vm::backend::virtme::{Filesystem, virtiofs};
use vmptcp::vm::registry;

/// Ends something of a guest while its first test runs.
fn sabotage(what: &'static str) {
    let scripts = Scripts::new(&[("victim", "echo begun; sleep 1000"), ("after", "exit 0")], 300);
    sabotage_of(what, scripts, Outcome::Crash);
}

fn sabotage_of(what: &'static str, scripts: Scripts, outcome: Outcome) {
    leaves_nothing(|| {
        let (guests, run) = (
            scripts.setup.spec.listing.dir.clone(),
            scripts.dir.path().join("runs/latest/tests/victim.1.log"),
        );
        let saboteur = std::thread::spawn(move || {
            wait_for(Duration::from_secs(120), || {
                fs::read_to_string(&run).is_ok_and(|log| log.contains("begun"))
            });
            let listed = registry::list(&guests);
            assert_eq!((listed.len(), listed[0].orphan), (1, false));
            let name = |pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let theirs = listed[0].processes();
            let found = theirs.iter().rev().find(|process| name(process.pid).starts_with(what));
            let killed = found.map(|process| process.signal(nix::sys::signal::SIGKILL).expect("it is ours"));
            assert_eq!(killed, Some(true), "no {what}: {theirs:?}");
        });
        let done = scripts.run();
        saboteur.join().expect("it was killed");
        assert_eq!(done.outcomes(), [("victim", outcome), ("after", Outcome::Pass)]);
        assert_eq!(done.summary.exit_code_so_far() as u8, 3);
    });
}

#[test]
#[ignore = "boots a kernel twice"]
fn a_virtiofsd_that_is_killed_costs_only_its_test() {
    if let Some(why) = virtiofs::obstacle(&lab().out(), &std::env::temp_dir()) {
        eprintln!("guests here have no virtiofs: {why}");
        return;
    }
    // What reads a file then waits for ever, and so does the test.
    let script = "echo begun; while :; do ls -lR /usr/share > /dev/null; done";
    let mut scripts = Scripts::new(&[("victim", script), ("after", "exit 0")], 30);
    scripts.setup.spec.backend = virtme(Filesystem::Virtiofs);
    sabotage_of("virtiofsd", scripts, Outcome::Timeout);
}

#[test]
#[ignore = "boots a kernel twice"]
fn a_qemu_that_is_killed_costs_only_its_test() {
    sabotage("qemu");
}

#[test]
#[ignore = "boots a kernel twice"]
fn a_virtme_ng_that_is_killed_costs_only_its_test() {
    sabotage("vng");
}

#[test]
#[ignore = "boots a kernel twice"]
fn an_agent_that_is_killed_costs_only_its_test() {
    let kill = "echo begun; for pid in /proc/[0-9]*; do tr '\\0' ' ' < $pid/cmdline | grep -q 'vmptcp agent' && kill -9 ${pid#/proc/}; done; sleep 100";
    let done = Scripts::new(&[("victim", kill), ("after", "exit 0")], 60).run();
    assert_eq!(done.outcomes(), [("victim", Outcome::Crash), ("after", Outcome::Pass)]);
}
