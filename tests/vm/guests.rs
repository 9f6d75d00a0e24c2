//! Guests: what passes in and out of them.

use crate::lab::{Ran, lab, ran};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

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
fn sockets_are_charged_to_a_memory_control_group() {
    let script = "cat /proc/self/cgroup; cat /sys/fs/cgroup/vmptcp/memory.stat; ls -d /sys/module/kfence";
    let ran = exec(&["sh", "-c", script], b"");
    assert!(ran.stdout.starts_with("0::/vmptcp\n"), "{}", ran.stdout);
    assert!(ran.stdout.lines().any(|line| line.starts_with("sock ")), "{}", ran.stdout);
    assert!(ran.stdout.contains("/sys/module/kfence"), "{}", ran.stdout);
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
