//! Guests: what passes in and out of them, and what becomes of them when something goes wrong.

use crate::lab::{Ran, VMPTCP, lab, qemus_with, ran};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use vmptcp::doctor;
use vmptcp::event::{Outcome, Progress, Record, TestId};
use vmptcp::report::{Reporter, Summary};
use vmptcp::runner::Journal;
use vmptcp::runner::fleet::{self, Job, Orders};
use vmptcp::settings::Environment;
use vmptcp::store::RunDir;
use vmptcp::suite::{Limit, Selection, Suite, TestCase};
use vmptcp::vm::Spec;

fn exec(args: &[&str], stdin: &[u8]) -> Ran {
    let mut command = lab().command(&[&["exec", "--"], args].concat());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vmptcp starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    let data = stdin.to_vec();
    let writer = std::thread::spawn(move || drop(pipe.write_all(&data)));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("the writer ends");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
#[ignore = "boots a kernel"]
fn streams_and_exit_code_pass_through() {
    // More than any window or pipe holds, and no UTF-8.
    let input: Vec<u8> = (0..300_000u32).map(|number| u8::try_from(number % 251).unwrap()).collect();
    let script = "wc -c; cksum /dev/null >&2; uname -r >&2; exit 42";
    let ran = exec(&["sh", "-c", script], &input);
    assert_eq!((ran.code, ran.stdout.trim()), (42, "300000"), "{}", ran.stderr);
    let release = fs::read_to_string(lab().out().join("include/config/kernel.release")).expect("a release");
    assert!(ran.stderr.contains(release.trim()), "{}", ran.stderr);
}

#[test]
#[ignore = "boots a kernel"]
fn a_command_that_is_not_there_says_so() {
    let ran = exec(&["no-such-command"], b"");
    assert_eq!(ran.code, 127);
    assert!(ran.stderr.contains("no such command in the guest: no-such-command"), "{}", ran.stderr);
}

#[test]
#[ignore = "boots a kernel"]
fn what_a_guest_writes_stays_there_unless_it_is_opened() {
    let dir = tempfile::tempdir().expect("a directory");
    // Characters that virtme-ng does not take.
    let open = dir.path().join("ö pen");
    fs::create_dir(&open).expect("a directory");
    let script = "touch /etc/vmptcp-was-here /usr/vmptcp-was-here; echo mine > \"$VMPTCP_RUN_DIR/own\"; \
                  echo yours > \"$1/file\"; echo \"$VMPTCP_RUN_DIR\"";
    let open_name = open.to_str().expect("UTF-8");
    let mut command = lab().command(&["exec", "--rw", open_name, "--", "sh", "-c", script, "sh", open_name]);
    let ran = ran(&mut command);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!Path::new("/etc/vmptcp-was-here").exists() && !Path::new("/usr/vmptcp-was-here").exists());
    assert_eq!(fs::read_to_string(open.join("file")).expect("what the guest wrote"), "yours\n");
    let own = Path::new(ran.stdout.trim()).join("own");
    assert_eq!(fs::read_to_string(own).expect("what the guest wrote"), "mine\n");
}

/// A fleet of one VM on tests of our own.
fn run_scripts(scripts: &[(&str, &str)], timeout: u64) -> (Summary, tempfile::TempDir) {
    struct Nobody;
    impl Reporter for Nobody {
        fn record(&mut self, _: &Record) {}
        fn activity(&mut self, _: u32, _: &str) {}
        fn hide(&mut self) {}
        fn progress(&mut self, _: &Progress) {}
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mut jobs = Vec::new();
    for (name, script) in scripts {
        let program = format!("{name}.sh");
        let path = dir.path().join(&program);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        let name = (*name).to_owned();
        let (args, groups, limit) = (vec![], vec![], Limit::Unspecified);
        let test = TestCase { suite: Suite::Selftests, name, program, args, limit, groups };
        jobs.push(Job {
            id: TestId::new(test.name.clone(), 1),
            shard: None,
            timeout: Duration::from_secs(timeout),
            expected: Duration::ZERO,
            selection: Selection::whole(test),
        });
    }
    let run = RunDir::create(&dir.path().join("runs")).expect("a run directory");
    let mut journal = Journal::new(run, Box::new(Nobody));
    let venv = Environment::from_process().cache_dir().expect("a cache").join("venv");
    let orders = Orders {
        spec: Spec {
            vng: doctor::vng(&venv).expect("virtme-ng"),
            kernel: lab().out(),
            kvm: false,
            cpus: 1,
            memory_mib: 512,
            root: None,
            shares: vec![],
            append: vec![],
            qemu_args: vec![],
            agent: VMPTCP.into(),
            without: None,
            force_9p: true,
            tmp: journal.tmp().expect("a directory"),
            guests: dir.path().join("guests"),
            purpose: "a test".to_owned(),
        },
        vms: 1,
        fresh: false,
        confirm: 0,
        until_fail: false,
        boot_timeout: Duration::from_secs(180),
        directory: dir.path().display().to_string(),
        env: vec![],
        fail_fast: false,
    };
    fleet::run(jobs, &orders, &mut journal).expect("all tests were run");
    (journal.close(), dir)
}

fn outcomes(summary: &Summary) -> Vec<(&str, Outcome)> {
    summary.tests.iter().map(|test| (&test.name[..], test.result.outcome)).collect()
}

#[test]
#[ignore = "boots a kernel several times"]
fn a_guest_that_panics_or_hangs_costs_only_its_test() {
    let (summary, _dir) = run_scripts(
        &[
            ("before", "echo 'TAP version 13'; echo 1..1; echo 'ok 1 - one'"),
            (
                "panic",
                "echo 'TAP version 13'; echo 1..2; echo 'ok 1 - one'; sleep 1; echo c > /proc/sysrq-trigger",
            ),
            ("between", "exit 0"),
            ("endless", "trap '' TERM INT; while :; do sleep 1; done"),
            ("after", "exit 4"),
        ],
        20,
    );
    assert_eq!(
        outcomes(&summary),
        [
            ("before", Outcome::Pass),
            ("panic", Outcome::Crash),
            ("between", Outcome::Pass),
            ("endless", Outcome::Timeout),
            ("after", Outcome::Skip),
        ]
    );
    assert_eq!(summary.tests[1].result.subtests.len(), 1, "what the test said before is kept");
    assert_eq!(
        summary.vms.len(),
        3,
        "one replaces the one that panicked, one the one with a test that did not end"
    );
    let panic = summary.splats.first().expect("a splat");
    assert!(panic.title.contains("sysrq triggered crash"), "{panic:?}");
    assert_eq!(panic.test.as_ref().map(|test| &test.name[..]), Some("panic"));
    assert!(
        summary.vms[0].console_tail.iter().any(|line| line.contains("Kernel panic")),
        "{:?}",
        summary.vms[0]
    );
    assert_eq!(summary.exit_code_so_far() as u8, 3);
}

#[test]
#[ignore = "boots a kernel"]
fn a_splat_fails_the_test_that_ran_when_it_appeared() {
    let warning = "echo '<4>WARNING: CPU: 0 PID: 1 at net/mptcp/x.c:1 f+0x1/0x2' > /dev/kmsg";
    let (summary, _dir) = run_scripts(&[("quiet", "exit 0"), ("loud", warning), ("later", "sleep 1")], 30);
    assert_eq!(
        outcomes(&summary),
        [("quiet", Outcome::Pass), ("loud", Outcome::Fail), ("later", Outcome::Pass)]
    );
    let reason = summary.tests[1].result.reason.as_deref().unwrap_or_default();
    assert!(reason.starts_with("kernel splat: WARNING: CPU: 0"), "{reason}");
    assert_eq!(summary.vms.len(), 1, "the guest went on");
}

#[test]
#[ignore = "boots a kernel"]
fn noise_and_daemons_hold_nobody_up() {
    let (summary, dir) = run_scripts(
        &[
            ("noisy", "head -c 50000000 /dev/zero | tr '\\0' x; echo; head -c 20000 /dev/urandom"),
            ("console", "head -c 1000000 /dev/zero | tr '\\0' x > /dev/ttyS0"),
            ("daemon", "setsid sleep 1000 & echo started"),
            ("last", "! pidof sleep"),
        ],
        120,
    );
    assert_eq!(
        outcomes(&summary),
        [
            ("noisy", Outcome::Pass),
            ("console", Outcome::Pass),
            ("daemon", Outcome::Pass),
            ("last", Outcome::Pass)
        ],
        "{:?}",
        summary.tests.iter().map(|test| test.result.reason.clone()).collect::<Vec<_>>()
    );
    assert!(summary.tests[2].result.seconds < 30.0, "a daemon that holds the output was waited for");
    // All that vmptcp does for a run happens in this process.
    let status = fs::read_to_string("/proc/self/status").expect("procfs");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    assert!(peak.expect("a peak") < 50 << 10, "it took {peak:?} KiB of memory");
    let log = dir.path().join("runs/latest/tests/noisy.1.log");
    let size = log.metadata().expect("a log").len();
    assert!(size < 34 << 20, "the log is capped: {size}");
}

#[test]
#[ignore = "boots a kernel"]
fn sigkill_of_the_host_side_leaves_no_process_behind() {
    let out = lab().out().display().to_string();
    let mut child =
        lab().command(&["exec", "--", "sleep", "600"]).stderr(Stdio::null()).spawn().expect("it starts");
    wait_for(Duration::from_secs(60), || !qemus_with(&out).is_empty());
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    wait_for(Duration::from_secs(20), || qemus_with(&out).is_empty());
}

#[test]
#[ignore = "boots a kernel"]
fn ctrl_c_stops_the_guest_and_says_so() {
    let out = lab().out().display().to_string();
    let mut command = lab().command(&["test", "pm_netlink"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    wait_for(Duration::from_secs(60), || !qemus_with(&out).is_empty());
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("it is there");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    assert!(qemus_with(&out).is_empty(), "QEMU is still there");
    assert!(String::from_utf8_lossy(&output.stdout).contains("interrupted"), "{output:?}");
    let report = lab().run(&["report"]);
    assert_eq!(report.code, 130, "{}", report.stdout);
}

fn wait_for(time: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + time;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {time:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
