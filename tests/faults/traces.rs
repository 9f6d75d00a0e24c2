//! What vmptcp has on this machine: processes, sockets, mounts; and how long something may take.

use crate::lab::place;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

/// What there is of ours on this machine: processes, kernels among them, sockets, mounts, and files for the time being; each as
/// a line that names it.
#[derive(Debug)]
pub struct Traces(BTreeSet<String>);

impl Traces {
    fn now() -> Self {
        let out = place().out().display().to_string();
        let ours = |line: &String| line.contains(&out) || line.contains("vmptcp.agent");
        let processes = processes_with("").into_iter().map(|pid| (pid, command_line(pid)));
        let processes = processes.filter(|(pid, line)| ours(line) || is_user_mode_kernel(*pid));
        let processes = processes.map(|(pid, line)| format!("process {pid} {line}"));
        let sockets = fs::read_to_string("/proc/net/unix").expect("procfs");
        // Others may run guests meanwhile: the name of a socket begins with the process that has it.
        let is_left = |name: &&str| {
            let owner = name.split('-').next().unwrap_or_default();
            !Path::new("/proc").join(owner).exists()
        };
        let sockets = sockets.lines().filter_map(|line| Some(line.split_once("@vmptcp-")?.1));
        let sockets = sockets.filter(is_left).map(|name| format!("socket {name}"));
        let mounts = fs::read_to_string("/proc/self/mounts").expect("procfs");
        let mounts = mounts.lines().map(|line| format!("mount {line}"));
        let files = ["/dev/shm".into(), std::env::temp_dir()].into_iter().flat_map(of_guests);
        Self(processes.chain(sockets).chain(mounts).chain(files).collect())
    }

    /// What is there now and was not then.
    fn left_since(&self) -> Vec<String> {
        Self::now().0.difference(&self.0).cloned().collect()
    }
}

/// The files in a directory that guests have for the time being, or whoever starts them.
fn of_guests(dir: PathBuf) -> impl Iterator<Item = String> {
    let names = fs::read_dir(&dir).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let ours =
        |name: &str| ["uml", "vm_file-", "vmptcp", "virtme"].iter().any(|begin| name.starts_with(begin));
    let names = names.filter_map(move |name| name.into_string().ok().filter(|name| ours(name)));
    names.map(move |name| format!("file {}", dir.join(name).display()))
}

/// Whether a process is a kernel of user-mode Linux that vmptcp built in this tree, or one that such a kernel runs programs in:
/// whatever these call themselves, they are that file, or one that it made.
fn is_user_mode_kernel(pid: i32) -> bool {
    let Ok(exe) = fs::read_link(format!("/proc/{pid}/exe")) else { return false };
    exe.starts_with(place().uml_out()) || exe.to_string_lossy().contains("memfd:uml-userspace")
}

/// The kernels of user-mode Linux of this tree that run.
pub fn user_mode_kernels() -> Vec<i32> {
    processes_with("").into_iter().filter(|pid| is_user_mode_kernel(*pid)).collect()
}

/// Does something to vmptcp, and sees to it that nothing is left and the next invocation works.
pub fn leaves_nothing(fault: impl FnOnce()) {
    leaves_nothing_of(&["build"], fault);
}

/// The same where the next invocation is this one.
pub fn leaves_nothing_of(next: &[&str], fault: impl FnOnce()) {
    let before = Traces::now();
    fault();
    let mut left = Vec::new();
    within(Duration::from_secs(20), || {
        left = before.left_since();
        left.is_empty()
    });
    assert_eq!(left, [""; 0], "these were left");
    // The lock is free: else this would wait.
    let next = place().run(next);
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
