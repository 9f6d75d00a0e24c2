//! Root filesystems of vmptcp's own, made by a stand-in for mmdebstrap.

use super::sandbox::Sandbox;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Makes what the real one would leave: directories, a program, and a package's file. Says that it ran.
const STAND_IN: &str = r#"#!/bin/sh
echo ran >> "$RAN"
for arg; do case $arg in --*|deb*|trixie) ;; *) root=$arg ;; esac; done
mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/var/cache/apt/archives"
for name in ip ss nstat; do : > "$root/usr/bin/$name"; done
: > "$root/var/cache/apt/archives/iproute2_6.15.0-1_amd64.deb"
echo "I: extracting archives..."
sleep "${PAUSE:-0}"
"#;

fn sandbox(pause: u32) -> Sandbox {
    let sandbox = Sandbox::new();
    let ran = sandbox.path("ran");
    // Without namespaces of its own: what is tested is what is made of it.
    sandbox.tool(
        "unshare",
        "#!/bin/sh\nwhile :; do case $1 in --*) shift ;; mount) exit 0 ;; *) exec \"$@\" ;; esac; done\n",
    );
    sandbox.tool(
        "mmdebstrap",
        &STAND_IN.replace("$RAN", &ran.display().to_string()).replace("${PAUSE:-0}", &pause.to_string()),
    );
    sandbox
}

/// The directories of images that there are, half-made ones too.
fn places(sandbox: &Sandbox) -> Vec<String> {
    let dir = sandbox.path("home/.cache/vmptcp/images");
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

fn times_run(sandbox: &Sandbox) -> usize {
    fs::read_to_string(sandbox.path("ran")).unwrap_or_default().lines().count()
}

/// Runs it, and returns the root of the only image that is there then.
fn root_after(sandbox: &Sandbox, args: &[&str]) -> PathBuf {
    let run = sandbox.run(args);
    let places = places(sandbox);
    assert!(run.code == 0 && places.len() == 1, "{places:?} {}", run.all());
    assert!(run.stdout.trim().ends_with(&format!("/images/{}/root", places[0])), "{}", run.stdout);
    sandbox.path("home/.cache/vmptcp/images").join(&places[0]).join("root")
}

#[test]
fn an_image_is_made_once_listed_examined_and_removed() {
    let sandbox = sandbox(0);
    let root = root_after(&sandbox, &["image", "build", "lean"]);
    assert!(root.join("etc/hosts").is_file() && root.join("usr/sbin/iptables").is_symlink());
    assert_eq!(root_after(&sandbox, &["image", "build", "lean"]), root);
    assert_eq!((times_run(&sandbox), places(&sandbox).len()), (1, 1));
    let list = sandbox.run(["image", "list"]).stdout;
    assert!(list.contains("\nlean     2") && list.contains("\nfull     -"), "{list}");
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.run(["image", "list", "lean", "--json"]).stdout).unwrap();
    assert_eq!(json[0]["packages"]["iproute2"], "6.15.0-1");
    let doctor = sandbox.run(["doctor", "--root", "lean"]);
    assert_eq!(doctor.code, 5, "{}", doctor.all());
    assert!(
        doctor.stdout.contains("it has no usable") && doctor.stdout.contains("no tc"),
        "{}",
        doctor.stdout
    );
    root_after(&sandbox, &["image", "update"]);
    assert_eq!((times_run(&sandbox), places(&sandbox).len()), (2, 1));
    assert_eq!(sandbox.run(["image", "rm", "lean"]).code, 0);
    assert_eq!(places(&sandbox), [""; 0]);
}

#[test]
fn two_at_once_make_one_image() {
    let sandbox = sandbox(1);
    let mut first = sandbox.command(["image", "build", "lean"]);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let root = root_after(&sandbox, &["image", "build", "lean"]);
    assert!(first.wait().unwrap().success() && root.is_dir());
    assert_eq!((times_run(&sandbox), places(&sandbox).len()), (1, 1));
}

#[test]
fn one_that_was_interrupted_leaves_nothing_and_one_that_was_killed_is_swept_away() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let sandbox = sandbox(1000);
        let mut build = sandbox.command(["image", "build", "lean"]);
        let mut build = build.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while times_run(&sandbox) == 0 {
            assert!(Instant::now() < deadline, "it does not begin");
            sleep(Duration::from_millis(10));
        }
        kill(Pid::from_raw(i32::try_from(build.id()).unwrap()), signal).unwrap();
        build.wait().unwrap();
        if signal == Signal::SIGTERM {
            assert_eq!(places(&sandbox), [""; 0]);
        }
        assert!(sandbox.run(["image", "list"]).stdout.contains("\nlean     -"));
        sandbox.run(["image", "rm", "lean"]);
        assert_eq!(places(&sandbox), [""; 0]);
    }
}

#[test]
fn who_asks_for_what_is_not_there_is_told_what_to_do() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(["image", "build", "leen"]);
    assert!(run.code == 2 && run.stderr.contains("use one of lean, full"), "{}", run.all());
    let run = sandbox.run(["test", "--root", "leen"]);
    assert!(run.code == 2 && run.stderr.contains("there is no image leen"), "{}", run.all());
    let run = sandbox.run(["doctor", "--root", "lean"]);
    assert!(run.code == 5 && run.stderr.contains("vmptcp image build"), "{}", run.all());
    let run = sandbox.run(["image", "build"]);
    assert!(run.code == 2 && run.stderr.contains("which image?"), "{}", run.all());
}
