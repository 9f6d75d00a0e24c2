//! Several kernels, of which none can be built here.

use super::sandbox::{Sandbox, fake_tree};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A sandbox with a second tree, and a `make` that fails, or hangs in that tree.
fn sandbox(hang: bool) -> Sandbox {
    let sandbox = Sandbox::new();
    fake_tree(&sandbox.path("other"));
    make(&sandbox, hang);
    sandbox
}

fn make(sandbox: &Sandbox, hang: bool) {
    let hang = if hang { "case \"$PWD $*\" in *other*) : > ../hangs; sleep 1000 ;; esac\n" } else { "" };
    sandbox.tool(
        "make",
        &format!("#!/bin/sh\ncd '{}'\n{hang}exit 1\n", sandbox.tree().display()).replace("$PWD", "$OLDPWD"),
    );
}

const TWO: [&str; 4] = ["matrix", "./", "../other", "--uml"];

#[test]
fn a_kernel_that_cannot_be_built_does_not_keep_the_others_from_their_turn() {
    let sandbox = sandbox(false);
    let run = sandbox.run(TWO);
    assert_eq!(run.code, 4, "{}", run.all());
    assert_eq!(run.stdout.matches("build failed").count(), 2, "{}", run.stdout);
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.run(TWO.iter().chain(&["--json"])).stdout).unwrap();
    assert_eq!((json[1]["kernel"].as_str(), json[1]["exit_code"].as_u64()), (Some("../other"), Some(4)));
}

#[test]
fn what_was_interrupted_goes_on_where_it_was() {
    let sandbox = sandbox(true);
    let mut matrix = sandbox.command(TWO);
    let mut matrix = matrix.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !sandbox.path("hangs").exists() {
        assert!(Instant::now() < deadline, "the second kernel is not begun");
        sleep(Duration::from_millis(10));
    }
    kill(Pid::from_raw(i32::try_from(matrix.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(matrix.wait().unwrap().code(), Some(130));
    make(&sandbox, false);
    let runs = || fs::read_dir(sandbox.tree().join(".vmptcp/runs")).unwrap().count();
    let before = runs();
    let run = sandbox.run(TWO);
    assert!(run.stderr.contains("./: build failed, before the interruption"), "{}", run.all());
    assert_eq!((run.code, runs()), (4, before));
    // It is at its end, and begins with the first again.
    assert!(!sandbox.run(TWO).stderr.contains("before the interruption"));
    assert!(runs() > before);
}

#[test]
fn what_is_no_kernel_is_refused_before_anything_is_done() {
    let sandbox = sandbox(false);
    let run = sandbox.run(["matrix", "newest"]);
    assert!(run.code == 2 && run.stderr.contains("name a version, as in 6.12"), "{}", run.all());
    assert_eq!(sandbox.run(["matrix", "./", "./nowhere"]).code, 2);
    let run = sandbox.run(["matrix", "./", "6.1", "--dry-run"]);
    assert!(run.code == 0 && run.stdout.contains("6.1: vmptcp source distro 6.1"), "{}", run.all());
    assert!(!sandbox.tree().join(".vmptcp").exists());
}
