//! Several guests at once, and talking to one of them from outside.

use crate::lab::{lab, ran};
use crate::scripts::Scripts;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};
use vmptcp::event::{Outcome, TestId};
use vmptcp::runner::job::{Alone, Job};
use vmptcp::suite::selftests;

/// A script with groups, made like `mptcp_join.sh`.
const GROUPS: &str = r#"
exec bash -s -- "$@" <<'END'
declare -A all_tests
all_tests_sorted=(
	a@first_tests
	b@second_tests
	c@third_tests
)
all_tests_args=""
for subtests in "${all_tests_sorted[@]}"; do
	all_tests_args+="${subtests%@*}"
	all_tests["${subtests%@*}"]="${subtests#*@}"
done
tests=()
while getopts "${all_tests_args}" opt; do
	tests+=("${all_tests[${opt}]}")
done
[ ${#tests[@]} -gt 0 ] || tests=(first_tests second_tests third_tests)
lines=()
add() { lines+=("ok $((${#lines[@]} + 1)) - groups: $1 # time=5ms"); }
first_tests() { add one; add two; }
second_tests() { add three; sleep 2; }
third_tests() { add four; add five; add six; }
for test in "${tests[@]}"; do "$test"; done
echo "TAP version 13"
echo "1..${#lines[@]}"
printf '%s\n' "${lines[@]}"
END
"#;

/// The whole test of the first script as the parts that it offers.
fn in_parts(scripts: &mut Scripts) {
    let whole = scripts.jobs.remove(0);
    let parts = (selftests::SUITE.divide)(&whole.selection, &|_| Vec::new(), Duration::from_secs(60));
    assert_eq!(parts.len(), 3, "it has three groups");
    for (number, part) in (1..).zip(parts) {
        let mut job = Job { shard: Some(part.name), ..whole.clone() };
        job.id = TestId { shard: Some(number), ..whole.id.clone() };
        job.selection.test.args = part.args;
        scripts.jobs.push(job);
    }
}

#[test]
#[ignore = "boots a kernel several times"]
fn a_test_in_parts_reads_like_the_whole() {
    let whole = Scripts::new(&[("groups", GROUPS)], 60).run();
    let mut scripts = Scripts::new(&[("groups", GROUPS)], 60);
    in_parts(&mut scripts);
    scripts.setup.vms = 2;
    let parts = scripts.run();
    assert_eq!(whole.outcomes(), [("groups", Outcome::Pass)]);
    assert_eq!(parts.outcomes(), whole.outcomes());
    assert_eq!(parts.summary.tests[0].result.subtests, whole.summary.tests[0].result.subtests);
    let tap = |done: &crate::scripts::Done| {
        fs::read_to_string(done.dir.path().join("runs/latest/tests/groups.1.tap")).expect("TAP")
    };
    assert_eq!(tap(&parts), tap(&whole));
    assert_eq!(parts.summary.vms.len(), 2);
}

/// Fails, and captures a packet if it is asked to.
const BROKEN: &str = r#"
usage() { echo "  -c capture packets"; }
if [ "$1" = -c ]; then
    ip link set lo up
    tcpdump -i lo -U -c 1 -w broken.pcap -Z "$SUDO_USER" &
    for _ in 1 2 3 4 5 6 7 8 9 10; do ping -c 1 127.0.0.1 > /dev/null; sleep 0.5; done
fi
exit 1"#;

#[test]
#[ignore = "boots a kernel several times"]
fn a_failure_that_does_not_come_again_is_a_flake() {
    // The file is in the guest's memory, and each rerun gets a fresh guest: so it is the host's directory that remembers.
    let mut scripts = Scripts::new(&[("flaky", "exit 0"), ("broken", BROKEN), ("fine", "exit 0")], 60);
    let shared = |name: &str| {
        let place = scripts.dir.path().join(name);
        fs::create_dir(&place).expect("a directory");
        vmptcp::vm::root::Share { host: place.clone(), guest: place, writable: true }
    };
    let (memory, captures) = (shared("memory"), shared("captures"));
    let flaky = format!("cd {}; [ -e failed ] || {{ touch failed; exit 1; }}", memory.host.display());
    let program = scripts.setup.directory_of(&selftests::SUITE).join("flaky.sh");
    fs::write(program, format!("#!/bin/sh\n{flaky}\n")).expect("a script");
    scripts.setup.spec.machine.root.shares.push(memory);
    let mut alone = scripts.setup.spec.clone();
    let place = captures.host.clone();
    alone.machine.root.shares.push(captures);
    scripts.setup.alone = Some(Alone { spec: alone, captures: Some(place.clone()) });
    scripts.setup.confirm = 2;
    scripts.setup.vms = 2;
    let done = scripts.run();
    assert_eq!(
        done.outcomes(),
        [("flaky", Outcome::Flaky), ("broken", Outcome::Fail), ("fine", Outcome::Pass)]
    );
    let reruns: Vec<usize> = done.summary.tests.iter().map(|test| test.reruns.len()).collect();
    assert_eq!(reruns, [1, 2, 0], "a flake is known after one, a failure after all");
    assert_eq!(done.summary.vms.len(), 5, "each rerun has a guest of its own");
    assert_eq!(done.summary.exit_code_so_far() as u8, 1);
    for rerun in ["broken.1.rerun-1", "broken.1.rerun-2"] {
        let packets = fs::read(place.join(rerun).join("broken.pcap")).expect("a capture");
        assert!(packets.len() > 24, "{rerun}: more than the header of the file");
    }
    assert_eq!(fs::read_dir(&place).expect("a directory").count(), 2, "those of the others were not kept");
}

#[test]
#[ignore = "boots a kernel"]
fn others_can_enter_a_guest_and_stop_it() {
    let child = lab()
        .command(&["exec", "--", "sleep", "600"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let name = loop {
        let listed = lab().run(&["ps", "--json"]);
        let guests: serde_json::Value = serde_json::from_str(&listed.stdout).expect("JSON");
        let ours = |guest: &&serde_json::Value| guest["pid"] == child.id();
        if let Some(guest) = guests.as_array().expect("a list").iter().find(ours) {
            break guest["guest"].as_str().expect("a name").to_owned();
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let inside = lab().run(&["attach", &name, "--", "sh", "-c", "pidof sleep && uname -r; exit 9"]);
    assert_eq!(inside.code, 9, "{}", inside.stderr);
    assert_eq!(inside.stdout.lines().count(), 2, "{}", inside.stdout);
    let began = Instant::now();
    let stopped = lab().run(&["stop", &name]);
    assert_eq!(stopped.code, 0, "{}", stopped.stderr);
    assert!(began.elapsed() < Duration::from_secs(60));
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    let gone = ran(lab().command(&["attach", &name, "--", "true"]).stdin(Stdio::null()));
    assert_eq!(gone.code, 2, "{}", gone.stderr);
}
