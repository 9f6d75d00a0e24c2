//! Guests of user-mode Linux: vmptcp is ended in every phase of its work, and nothing is left; and what a guest that is root tries
//! to do to its host.

use crate::lab::{Ran, ran, uml_lab};
use crate::traces::{command_line, processes_with};
use crate::traces::{leaves_nothing_of, signal, user_mode_kernels, wait_for, within};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How vmptcp is ended.
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL];

/// Starts vmptcp, and ends it as soon as it has begun what it is to be ended in.
fn ended_when(mut command: Command, how: Signal, begun: impl FnMut() -> bool) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let in_time = within(Duration::from_secs(180), begun);
    let ended = child.try_wait().expect("it is a child");
    assert!(in_time && ended.is_none(), "{how}: not begun in time, or over already: {ended:?}");
    signal(&child, how);
    let status = child.wait().expect("it ends");
    let expected = if how == Signal::SIGKILL { None } else { Some(130) };
    assert_eq!(status.code(), expected, "{how}");
}

/// Ends this command with each signal, each time `begun` says so; nothing may be left.
fn ended_in(args: &[&str], begun: impl Fn(&Path) -> bool) {
    for how in SIGNALS {
        leaves_nothing_of(&["build", "--uml"], || {
            let results = tempfile::tempdir().expect("a directory");
            let mut command = uml_lab().command(args);
            command.env("VMPTCP_RESULTS_DIR", results.path());
            ended_when(command, how, || begun(&results.path().join("latest")));
            wait_for(Duration::from_secs(20), || user_mode_kernels().is_empty());
            let tmp = results.path().join("latest/tmp");
            assert!(how == Signal::SIGKILL || !tmp.exists(), "{how} left {}", tmp.display());
        });
    }
}

fn has_grown(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|data| data.len() > 0)
}

#[test]
#[ignore = "configures a kernel, and builds it"]
fn whatever_ends_vmptcp_while_it_builds_for_user_mode_leaves_nothing() {
    let work = tempfile::tempdir().expect("a directory");
    let build = || {
        let mut command = uml_lab().command(&["build", "--uml"]);
        command.env("VMPTCP_KERNEL_WORK_DIR", work.path());
        command
    };
    let out = work.path().join("build/normal-uml");
    leaves_nothing_of(&["build", "--uml"], || {
        for how in SIGNALS {
            let log = out.join("build.log");
            let before = fs::read_to_string(&log).map_or(0, |log| log.lines().count());
            ended_when(build(), how, || {
                fs::read_to_string(&log).is_ok_and(|log| log.lines().count() > before.max(40))
            });
            let mut left = Vec::new();
            within(Duration::from_secs(20), || {
                let place = work.path().display().to_string();
                left = processes_with(&place).into_iter().map(command_line).collect();
                left.is_empty()
            });
            assert_eq!(left, [""; 0], "{how}");
        }
    });
}

#[test]
#[ignore = "boots a kernel of user-mode Linux several times"]
fn whatever_ends_vmptcp_while_a_user_mode_guest_boots_leaves_nothing() {
    ended_in(&["test", "simult_flows", "--uml"], |_| !user_mode_kernels().is_empty());
}

#[test]
#[ignore = "boots a kernel of user-mode Linux several times"]
fn whatever_ends_vmptcp_while_a_user_mode_guest_tests_leaves_nothing() {
    let log = |run: &Path| run.join("tests/simult_flows.1.log");
    ended_in(&["test", "simult_flows", "--uml", "--no-shards"], |run| has_grown(&log(run)));
}

#[test]
#[ignore = "boots a kernel of user-mode Linux several times"]
fn whatever_ends_vmptcp_while_it_hunts_leaves_nothing() {
    let ended = |run: &Path| {
        fs::read_to_string(run.join("events.jsonl")).is_ok_and(|events| events.contains("test-ended"))
    };
    ended_in(&["hunt", "mptcp_sockopt", "--seeds", "1..50", "--all"], |run| ended(run));
}

#[test]
#[ignore = "boots a kernel of user-mode Linux"]
fn whatever_ends_vmptcp_while_a_command_runs_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let mark: PathBuf = dir.path().join("begun");
    let rw = dir.path().display().to_string();
    let script = format!("touch {}; sleep 600", mark.display());
    ended_in(&["exec", "--uml", "--rw", &rw, "--", "sh", "-c", &script], |_| {
        mark.exists() && fs::remove_file(&mark).is_ok()
    });
}

/// A block device of this machine: its name and its numbers.
fn block_device() -> Option<(String, String)> {
    let device = fs::read_dir("/sys/block").ok()?.flatten().next()?;
    let numbers = fs::read_to_string(device.path().join("dev")).ok()?;
    Some((device.file_name().into_string().ok()?, numbers.trim().replace(':', " ")))
}

#[test]
#[ignore = "boots a kernel of user-mode Linux"]
fn a_user_mode_guest_that_is_root_cannot_open_what_the_host_has() {
    attack(|script| uml_lab().run(&["exec", "--uml", "--", "sh", "-c", script]));
}

#[test]
#[ignore = "boots a kernel of user-mode Linux"]
fn a_user_mode_guest_without_namespaces_cannot_open_what_the_host_has_either() {
    let dir = tempfile::tempdir().expect("a directory");
    let unshare = dir.path().join("unshare");
    fs::write(&unshare, "#!/bin/sh\necho unshare failed: Operation not permitted >&2\nexit 1\n")
        .expect("a script");
    fs::set_permissions(&unshare, fs::Permissions::from_mode(0o755)).expect("an executable");
    let path = std::env::var("PATH").expect("a PATH");
    let run = |args: &[&str]| {
        let mut command = uml_lab().command(args);
        ran(command.env("PATH", format!("{}:{path}", dir.path().display())))
    };
    let refused = run(&["exec", "--uml", "--", "true"]);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(refused.stderr.contains("--allow-unconfined"), "{}", refused.stderr);
    attack(|script| run(&["exec", "--uml", "--allow-unconfined", "--", "sh", "-c", script]));
}

/// Lets root of a guest, in which `exec` runs a script, try what it can.
fn attack(exec: impl Fn(&str) -> Ran) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    fs::write(&file, "host's").expect("a file");
    let victim = Ended(Command::new("sleep").arg("600").spawn().expect("it starts"));
    let (disk, numbers) = block_device().unwrap_or(("vda".to_owned(), "254 0".to_owned()));
    // Each line that can be done says so. A node of a device that is found on the host stands for a device of the guest.
    let script = format!(
        "mkdir -p /tmp/h; mount -t hostfs none /tmp/h -o / && echo mounted
         try() {{ name=$1; shift; if \"$@\" > /dev/null 2>&1; then echo \"did: $name\"; fi; }}
         mknod /tmp/disk b {numbers}
         try 'read a disk by its numbers' dd if=/tmp/disk bs=512 count=1
         try 'make a node of a disk on the host' mknod /tmp/h{dir}/disk b {numbers}
         try 'read a disk by the node of the host' dd if=/tmp/h/dev/{disk} bs=512 count=1
         try 'write to the memory of the host' dd if=/dev/zero of=/tmp/h/dev/mem bs=1 count=1 conv=notrunc
         try 'read the memory of the host' dd if=/tmp/h/dev/mem bs=1 count=1 skip=1048576
         try 'change a process of the host' sh -c 'echo 999 > /tmp/h/proc/{pid}/oom_score_adj'
         try 'read the memory of a process' dd if=/tmp/h/proc/{pid}/mem bs=1 count=1 skip=4194304
         try 'change a setting of the host' sh -c 'echo x > /tmp/h/proc/sys/kernel/hostname'
         try 'ask the host for a crash' sh -c 'echo h > /tmp/h/proc/sysrq-trigger'
         try 'write a file' sh -c 'echo guest > /tmp/h{dir}/file'
         try 'truncate a file' truncate -s 0 /tmp/h{dir}/file
         try 'link a file' ln /tmp/h{dir}/file /tmp/h{dir}/other
         try 'rename a file' mv /tmp/h{dir}/file /tmp/h{dir}/other
         try 'change the mode of a file' chmod 777 /tmp/h{dir}/file
         try 'change the owner of a file' chown 1:1 /tmp/h{dir}/file
         try 'change the times of a file' touch -d 2000-01-01 /tmp/h{dir}/file
         try 'remount for writing' sh -c 'mount -o remount,rw /tmp/h && echo guest > /tmp/h{dir}/file'
         try 'end a process of the host' kill -9 {pid}
         echo end",
        dir = dir.path().display(),
        pid = victim.0.id(),
    );
    let ran = exec(&script);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "mounted\nend\n"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(&file).expect("it is still there"), "host's");
    assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 1);
}

/// A child that is ended whatever comes.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let alive = self.0.try_wait().is_ok_and(|status| status.is_none());
        let _ = self.0.kill();
        let _ = self.0.wait();
        assert!(alive || std::thread::panicking(), "a guest ended a process of the host");
    }
}
