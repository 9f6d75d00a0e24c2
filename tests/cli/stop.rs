//! Runs that are stopped from outside: nothing outlives them, and what they wrote can be shown.

use super::sandbox::Sandbox;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Waits until `what` is there; fails after some time.
fn wait_for<T>(name: &str, mut what: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(Instant::now() < deadline, "timed out waiting for {name}");
        sleep(Duration::from_millis(10));
    }
}

/// Stops `vmptcp test` while its `make` sleeps. When this returns, that is gone.
fn stopped(sandbox: &Sandbox, signal: Signal) -> ExitStatus {
    let file = sandbox.path("pid");
    sandbox.tool("make", &format!("#!/bin/sh\nsleep 1000 &\necho $! > '{}'\nwait\n", file.display()));
    let mut command = sandbox.command(["test"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let sleeper: u32 = wait_for("make", || fs::read_to_string(&file).ok()?.trim().parse().ok());
    let pid = i32::try_from(child.id()).unwrap();
    kill(Pid::from_raw(pid), signal).unwrap();
    let status = wait_for("the end", || child.try_wait().unwrap());
    let stat = format!("/proc/{sleeper}/stat");
    wait_for("the end of make", || {
        let gone = fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        (gone || !Path::new(&stat).exists()).then_some(())
    });
    status
}

#[test]
fn whoever_is_asked_to_stop_says_so_and_leaves_no_process() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let sandbox = Sandbox::new();
        assert_eq!(stopped(&sandbox, signal).code(), Some(130), "{signal}");
        let run = sandbox.run(["report"]);
        assert_eq!(run.code, 130, "{signal}");
        assert!(run.stdout.contains("\ninterrupted, in "), "{signal}: {}", run.stdout);
        let us = format!("(process {})", std::process::id());
        assert!(run.stdout.contains("error: stopped by cli-") && run.stdout.contains(&us), "{}", run.stdout);
        assert!(sandbox.tree().join(".vmptcp/runs/latest/results.json").exists());
    }
}

#[test]
fn whoever_is_killed_leaves_no_process_no_lock_and_a_run_to_show() {
    let sandbox = Sandbox::new();
    assert_eq!(stopped(&sandbox, Signal::SIGKILL).code(), None);
    let run = sandbox.run(["report"]);
    assert_eq!(run.code, 130);
    assert!(run.stdout.contains("\nunfinished, in "), "{}", run.stdout);
    // Were the lock still held, this would wait for it.
    sandbox.tool("make", "#!/bin/sh\necho nothing to configure here >&2\nexit 1\n");
    assert_eq!(sandbox.run(["test"]).code, 4);
}
