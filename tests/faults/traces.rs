//! What vmptcp has on this machine: processes, sockets, mounts; and how long something may take.

use crate::lab::lab;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

/// What there is of ours on this machine: processes, sockets and mounts, each as a line that names it.
#[derive(Debug)]
pub struct Traces(BTreeSet<String>);

impl Traces {
    fn now() -> Self {
        let out = lab().out().display().to_string();
        let ours = |line: &String| line.contains(&out) || line.contains("vmptcp.agent");
        let processes = processes_with("").into_iter().map(|pid| (pid, command_line(pid)));
        let processes = processes.filter(|(_, line)| ours(line));
        let processes = processes.map(|(pid, line)| format!("process {pid} {line}"));
        let sockets = fs::read_to_string("/proc/net/unix").expect("procfs");
        let sockets =
            sockets.lines().filter_map(|line| Some(format!("socket {}", line.split_once("@vmptcp-")?.1)));
        let mounts = fs::read_to_string("/proc/self/mounts").expect("procfs");
        let mounts = mounts.lines().map(|line| format!("mount {line}"));
        Self(processes.chain(sockets).chain(mounts).collect())
    }

    /// What is there now and was not then.
    fn left_since(&self) -> Vec<String> {
        Self::now().0.difference(&self.0).cloned().collect()
    }
}

/// Does something to vmptcp, and sees to it that nothing is left and the next invocation works.
pub fn leaves_nothing(fault: impl FnOnce()) {
    let before = Traces::now();
    fault();
    let mut left = Vec::new();
    within(Duration::from_secs(20), || {
        left = before.left_since();
        left.is_empty()
    });
    assert_eq!(left, [""; 0], "these were left");
    // The lock is free: else this would wait.
    let next = lab().run(&["build"]);
    assert_eq!(next.code, 0, "{}", next.stderr);
    assert!(!next.stderr.contains("waiting for"), "{}", next.stderr);
}

pub fn signal(child: &Child, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    nix::sys::signal::kill(pid, signal).expect("it is there");
}
pub fn wait_for(time: Duration, condition: impl FnMut() -> bool) {
    assert!(within(time, condition), "not within {time:?}");
}

/// Asks again and again; true as soon as it holds, false when the time is up.
pub fn within(time: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + time;
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    true
}

/// The process ids of all QEMUs whose command line has this text.
pub fn qemus_with(text: &str) -> Vec<i32> {
    processes_with(text).into_iter().filter(|pid| command_line(*pid).contains("qemu-system")).collect()
}

/// The process ids of all whose command line has this text.
pub fn processes_with(text: &str) -> Vec<i32> {
    let processes = Path::new("/proc").read_dir().expect("procfs").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| command_line(*pid).contains(text)).collect()
}

/// A process's arguments, with blanks between them.
pub fn command_line(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}
