//! Stopped from outside: SIGKILL, Ctrl-C, SIGTERM.

use crate::lab::lab;
use crate::scripts::Scripts;
use crate::traces::{command_line, leaves_nothing, processes_with, qemus_with, signal, wait_for};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

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

#[test]
#[ignore = "boots a kernel"]
fn ctrl_c_keeps_what_a_test_said_so_far() {
    const CHILD: &str = "FAULTS_IN_A_PROCESS_OF_ITS_OWN";
    const SAID: &str = "echo 'TAP version 13'; echo 1..3; echo 'ok 1 - one'; echo 'not ok 2 - two'; printf 'ok 3 - th'; sleep 600";
    if let Some(path) = std::env::var_os(CHILD) {
        process::interrupt::install().expect("signals");
        let scripts = Scripts::new(&[("talks", SAID), ("never", "exit 0")], 600);
        fs::write(&path, scripts.dir.path().display().to_string()).expect("a file");
        let done = scripts.run_interrupted();
        fs::write(&path, serde_json::to_string(&done.summary).expect("JSON")).expect("a file");
        return;
    }
    // An interrupt is one of the whole process.
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("told");
    let this = "stopped::ctrl_c_keeps_what_a_test_said_so_far";
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let mut child =
        command.args(["--ignored", "--exact", this]).env(CHILD, &path).spawn().expect("it starts");
    wait_for(Duration::from_secs(180), || {
        assert_eq!(child.try_wait().expect("it is a child"), None, "the run ended before it was interrupted");
        let run = fs::read_to_string(&path).unwrap_or_default();
        let log = fs::read_to_string(Path::new(&run).join("runs/latest/tests/talks.1.log"));
        log.is_ok_and(|log| log.ends_with("ok 3 - th"))
    });
    signal(&child, nix::sys::signal::Signal::SIGINT);
    assert!(child.wait().expect("it ends").success());
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).expect("what came of it")).expect("JSON");
    let test = &summary["tests"][0];
    let subtests: Vec<_> = test["subtests"].as_array().expect("subtests").iter().collect();
    let outcomes: Vec<_> = subtests.iter().map(|subtest| (&subtest["name"], &subtest["outcome"])).collect();
    assert_eq!(outcomes, [(&"one".into(), &"pass".into()), (&"two".into(), &"fail".into())], "{test}");
    assert_eq!(test["outcome"], "not-run");
    assert!(test["reason"].as_str().is_some_and(|why| why.starts_with("interrupted after ")), "{test}");
    assert_eq!(summary["tests"][1]["outcome"], "not-run");
}
/// Starts vmptcp, waits until `begun`, and interrupts it.
fn interrupted_when(mut command: Command, how: nix::sys::signal::Signal, begun: impl FnMut() -> bool) {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    wait_for(Duration::from_secs(120), begun);
    signal(&child, how);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "configures and builds a kernel"]
fn ctrl_c_while_configuring_and_building_leaves_nothing() {
    let work = tempfile::tempdir().expect("a directory");
    let out = work.path().join("build/normal");
    let elsewhere = || {
        let mut command = lab().command(&["build"]);
        command.env("VMPTCP_KERNEL_WORK_DIR", work.path());
        command
    };
    leaves_nothing(|| {
        interrupted_when(elsewhere(), nix::sys::signal::SIGINT, || out.join("scripts").exists());
        interrupted_when(elsewhere(), nix::sys::signal::SIGINT, || {
            fs::read_to_string(out.join("build.log")).is_ok_and(|log| log.lines().count() > 40)
        });
        let work = work.path().display().to_string();
        let left: Vec<String> = processes_with(&work).into_iter().map(command_line).collect();
        assert_eq!(left, [""; 0]);
    });
}

#[test]
#[ignore = "boots a kernel"]
fn ctrl_c_while_booting_and_sigterm_while_testing_leave_nothing() {
    let out = lab().out().display().to_string();
    leaves_nothing(|| {
        interrupted_when(lab().command(&["test", "pm_netlink"]), nix::sys::signal::SIGINT, || {
            !qemus_with(&out).is_empty()
        });
    });
    leaves_nothing(|| {
        let log = || lab().latest().join("tests/pm_netlink.1.log");
        let before = lab().latest();
        interrupted_when(lab().command(&["test", "pm_netlink"]), nix::sys::signal::SIGTERM, || {
            lab().latest() != before && fs::metadata(log()).is_ok_and(|log| log.len() > 0)
        });
    });
}
