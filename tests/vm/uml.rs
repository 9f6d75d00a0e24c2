//! Guests of user-mode Linux: what they may touch, what their seed makes of them, and that nothing is left of them.

use crate::lab::{Ran, VMPTCP, place, ran, uml_lab};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The kernel, built once.
fn kernel() -> PathBuf {
    uml_lab().uml_out().join("linux")
}

fn exec(script: &str) -> Ran {
    uml_lab().run(&["exec", "--uml", "--", "sh", "-c", script])
}

/// Processes that run the kernel.
fn kernels() -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").expect("procfs").filter_map(|entry| Some(entry.ok()?.path()));
    let running = |process: &PathBuf| fs::read_link(process.join("exe")).is_ok_and(|exe| exe == kernel());
    processes.filter(running).collect()
}

fn wait_for(limit: Duration, what: &str, done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
#[ignore = "builds and boots a kernel of user-mode Linux"]
fn uml_streams_and_exit_code_pass_through() {
    let ran = exec("echo out; echo err >&2; uname -r; exit 42");
    let release =
        fs::read_to_string(kernel().with_file_name("include/config/kernel.release")).expect("a release");
    assert_eq!((ran.code, ran.stdout), (42, format!("out\n{release}")), "{}", ran.stderr);
    assert!(ran.stderr.contains("err"), "{}", ran.stderr);
}

#[test]
#[ignore = "builds and boots a kernel of user-mode Linux"]
fn uml_a_guest_that_is_root_cannot_touch_the_host() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    fs::write(&file, "host's").expect("a file");
    let mut victim = Command::new("sleep").arg("600").spawn().expect("it starts");
    // The host's files again, this time writable, by the name of the option that mount(8) of each distribution takes; its devices; its processes, by the number that they have there.
    let script = format!(
        "hostfs() {{
             mount -t hostfs none /tmp/h -o hostfs=$1 || LIBMOUNT_FORCE_MOUNT2=always mount -t hostfs none /tmp/h -o $1
         }}
         mkdir -p /tmp/h; hostfs {dir} && echo mounted
         mount -o remount,rw /tmp/h; echo guest > /tmp/h/file; touch /tmp/h/new; rm -f /tmp/h/file; chmod 0 /tmp/h/file
         hostfs / && echo evil > /tmp/h/{dir}/other
         kill -9 {victim}; ls /proc/{victim} 2>/dev/null
         echo x > /etc/vmptcp-uml-was-here; cat /etc/vmptcp-uml-was-here",
        dir = dir.path().display(),
        victim = victim.id(),
    );
    let ran = exec(&script);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("mounted") && ran.stdout.ends_with("x\n"), "{}\n{}", ran.stdout, ran.stderr);
    assert_eq!(fs::read_to_string(&file).expect("it is still there"), "host's");
    let names: Vec<_> = fs::read_dir(dir.path()).expect("a directory").collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(!Path::new("/etc/vmptcp-uml-was-here").exists());
    assert!(victim.try_wait().expect("it can be asked").is_none(), "a guest killed a process of the host's");
    victim.kill().expect("it can be killed");
    victim.wait().expect("it ends");
}

#[test]
#[ignore = "builds and boots a kernel of user-mode Linux"]
fn uml_the_same_seed_makes_the_same_run() {
    let run = || {
        let ran = uml_lab().run(&["test", "mptcp_sockopt", "--uml", "--seeds", "3..4"]);
        assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
        let dir = uml_lab().latest();
        let mut files = ["console-1.log", "console-2.log"].map(|name| dir.join(name)).to_vec();
        files.extend((1..=2).map(|attempt| dir.join(format!("tests/mptcp_sockopt.{attempt}.log"))));
        let read =
            |file: &PathBuf| fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        files.iter().map(read).collect::<Vec<_>>()
    };
    let (first, second) = (run(), run());
    // Which guest comes up first is the host's doing.
    let sorted = |mut consoles: Vec<Vec<u8>>| {
        consoles.sort();
        consoles
    };
    assert!(first[2..] == second[2..], "the outputs differ");
    assert!(sorted(first[..2].to_vec()) == sorted(second[..2].to_vec()), "the consoles differ");
    assert!(first[2] != first[3] || first[0] != first[1], "two seeds make the same run");
}

#[test]
#[ignore = "builds and boots a kernel of user-mode Linux"]
fn uml_the_same_seed_makes_the_same_run_wherever_vmptcp_is() {
    uml_lab();
    let run = |name: &str| {
        let dir = tempfile::tempdir().expect("a directory");
        let copy = dir.path().join(name);
        fs::copy(VMPTCP, &copy).expect("a copy of vmptcp");
        let mut command = Command::new(&copy);
        let tmp = dir.path().join("tmp");
        fs::create_dir(&tmp).expect("a directory");
        command.args(["test", "mptcp_sockopt", "--uml", "--seed", "3"]).current_dir(&uml_lab().tree);
        let ran = ran(command.env("TMPDIR", &tmp).env(name, name).stdin(Stdio::null()));
        assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
        let read = |file: &str| fs::read(uml_lab().latest().join(file)).expect("a file of the run");
        (read("tests/mptcp_sockopt.1.log"), read("console-1.log"))
    };
    let (here, there) = (run("vmptcp"), run("vmptcp-in-a-file-of-a-longer-name"));
    assert!(here.0 == there.0, "the outputs differ");
    assert!(here.1 == there.1, "the consoles differ");
}

#[test]
#[ignore = "builds and boots a kernel of user-mode Linux"]
fn uml_a_kernel_that_panics_is_gone_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let source = "#include <linux/module.h>\n\
        static int __init start(void) { panic(\"on purpose\"); }\nmodule_init(start);\nMODULE_LICENSE(\"GPL\");\n";
    fs::write(dir.path().join("panics.c"), source).expect("a module");
    fs::write(dir.path().join("Makefile"), "obj-m := panics.o\n").expect("a Makefile");
    let begin = Instant::now();
    let ran = uml_lab().run(&["module", "--uml", dir.path().to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 3, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("Kernel panic") && ran.stdout.contains("on purpose"), "{}", ran.stdout);
    // The limit of a module is longer, and a kernel that sends itself signals for ever would reach it.
    assert!(begin.elapsed() < Duration::from_secs(100), "{:?}", begin.elapsed());
}

/// Runs gdb on the one guest, and lets go of it.
fn gdb(args: &[&str]) -> Ran {
    uml_lab().run(&[&["gdb"], args, &["--", "-batch", "-ex", "bt"]].concat())
}

#[test]
#[ignore = "builds and boots a kernel of user-mode Linux"]
fn uml_a_seed_makes_the_same_run_in_gdb() {
    let test = ["test", "mptcp_sockopt", "--uml", "--seed", "3"];
    let read = |file: &str| fs::read(uml_lab().latest().join(file)).expect("a file of the run");
    let files = || (read("tests/mptcp_sockopt.1.log"), read("console-1.log"));
    assert_eq!(uml_lab().run(&test).code, 0);
    let alone = files();
    for (stop, expected) in
        [(["--at", "5.5"], "time_travel"), (["--break", "mptcp_setsockopt"], "sock_common_setsockopt")]
    {
        let mut held = uml_lab().command(&[&test[..], &["--gdb"]].concat());
        let mut held = held.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        wait_for(Duration::from_secs(60), "a guest that waits for gdb", || {
            uml_lab().run(&["ps"]).stdout.contains("--gdb")
        });
        let debugger = gdb(&stop);
        assert!(debugger.stdout.contains(expected), "{}\n{}", debugger.stdout, debugger.stderr);
        assert!(held.wait().expect("it ends").success());
        assert!(files() == alone, "gdb {stop:?} makes another run");
    }
}

#[test]
#[ignore = "builds and boots a kernel of user-mode Linux"]
fn uml_kernel_modules_are_built_for_it_loaded_and_unloaded() {
    let ran = uml_lab().run(&["module", "--uml"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    for said in
        ["listening on port 5000, by mptcp", "listening on port 5000, by tcp", "kernel_echo_server: gone"]
    {
        assert!(ran.stdout.contains(said), "{said}: {}", ran.stdout);
    }
    let events = fs::read_to_string(uml_lab().latest().join("events.jsonl")).expect("a journal");
    assert!(events.contains("\"accelerator\":\"uml\""), "not in user-mode Linux: {events}");
}

#[test]
#[ignore = "builds and boots a kernel of user-mode Linux"]
fn uml_sigkill_and_ctrl_c_leave_no_process_behind() {
    let commands: [&[&str]; 2] =
        [&["exec", "--uml", "--", "sleep", "600"], &["test", "simult_flows", "--uml"]];
    for (command, signal) in commands.into_iter().zip([Signal::SIGKILL, Signal::SIGINT]) {
        let mut child = Command::new(VMPTCP);
        child
            .args(command)
            .current_dir(&uml_lab().tree)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = child.spawn().expect("it starts");
        wait_for(Duration::from_secs(120), "a kernel", || !kernels().is_empty());
        kill(Pid::from_raw(i32::try_from(child.id()).expect("a process id")), signal).expect("it is there");
        child.wait().expect("it ends");
        wait_for(Duration::from_secs(20), "no kernel", || kernels().is_empty());
    }
}

/// A test, its outcome, and its subtests with theirs.
type Outcomes = (String, String, Vec<(String, String)>);

/// The tests of the newest run.
fn outcomes() -> Vec<Outcomes> {
    let text = fs::read_to_string(uml_lab().latest().join("results.json")).expect("results");
    let results: Value = serde_json::from_str(&text).expect("results as JSON");
    let word = |value: &Value| value.as_str().expect("a text").to_owned();
    let subtests = |test: &Value| {
        let all = test["subtests"].as_array().expect("subtests").iter();
        all.map(|one| (word(&one["name"]), word(&one["outcome"]))).collect()
    };
    let tests = results["tests"].as_array().expect("tests").iter();
    tests.map(|test| (word(&test["name"]), word(&test["outcome"]), subtests(test))).collect()
}

#[test]
#[ignore = "builds and boots a kernel of user-mode Linux"]
fn uml_shards_together_give_the_results_of_one_run() {
    let tests =
        ["test", "mptcp_sockopt", "mptcp_join:checksum", "mptcp_join:syncookies", "pm_netlink", "--uml"];
    let run = |more: &[&str]| {
        let ran = uml_lab().run(&[&tests[..], more].concat());
        assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
        uml_lab().latest().display().to_string()
    };
    run(&[]);
    let whole = outcomes();
    let shards: Vec<String> = (1..=3).map(|shard| run(&["--shard", &format!("{shard}/3")])).collect();
    let words: Vec<&str> = shards.iter().map(String::as_str).collect();
    let merged = uml_lab().run(&[&["merge"], &words[..]].concat());
    assert_eq!(merged.code, 0, "{}\n{}", merged.stdout, merged.stderr);
    assert_eq!(outcomes(), whole);
    let join = uml_lab().latest().join("tests/mptcp_join.1.log");
    let (join, of_join) =
        (fs::read_to_string(join).expect("its output"), &whole.iter().find(|test| test.0 == "mptcp_join"));
    assert!(of_join.is_some_and(|test| test.2.len() > 1 && join.contains(&test.2[0].0)), "{join}");
    let lacking = uml_lab().run(&[&["merge"], &words[1..]].concat());
    assert_eq!(lacking.code, 5, "{}", lacking.stdout);
    assert!(lacking.stderr.contains("shard 1/3 is missing"), "{}", lacking.stderr);
}

#[test]
#[ignore = "builds and boots a kernel of user-mode Linux"]
fn uml_packetdrill_runs_the_projects_own_scripts() {
    const SOURCE: &str = "VMPTCP_PACKETDRILL_SOURCE";
    if std::env::var_os(SOURCE).is_none() {
        eprintln!("SKIPPED: the scripts need packetdrill: set {SOURCE} to its repository");
        return;
    }
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/packetdrill");
    for time in ["virtual", "real"] {
        let mut command = place().command(&["test", "packetdrill:basics", "--uml", "--time", time, "--json"]);
        let ran = ran(command.env("VMPTCP_PACKETDRILL_SCRIPTS", &scripts));
        let results: Value = serde_json::from_str(&ran.stdout).expect("results as JSON");
        assert_eq!(
            (ran.code, results["verdict"].as_str()),
            (0, Some("passed")),
            "{}\n{results:#}",
            ran.stderr
        );
        let subtests = results["tests"][0]["subtests"].as_array().expect("subtests");
        let names: Vec<&str> = subtests.iter().filter_map(|subtest| subtest["name"].as_str()).collect();
        assert_eq!(
            names,
            [
                "connect.pkt (ipv4)",
                "connect.pkt (ipv4-mapped-v6)",
                "connect.pkt (ipv6)",
                "fallback.pkt (ipv4)",
                "fallback.pkt (ipv4-mapped-v6)",
                "fallback.pkt (ipv6)",
                "port_in_use_v4.pkt (ipv4)",
                "port_in_use_v4.pkt (ipv4-mapped-v6)",
            ]
        );
    }
}
