//! Everything that can go wrong, done on purpose: real guests on a real kernel. After each fault nothing may be left: no
//! process, no socket, no lock, no mount.
//!
//! ```sh
//! cargo test --release --test faults -- --ignored --test-threads 1
//! ```

#![allow(clippy::disallowed_methods, reason = "vmptcp is run from outside, as a user does")]

mod killed;
#[path = "../vm/lab.rs"]
mod lab;
#[path = "../vm/scripts.rs"]
mod scripts;
mod stopped;
mod traces;
mod uml;

use lab::{VMPTCP, lab, ran};
use scripts::Scripts;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::process::{Child, Command, Stdio};
use traces::leaves_nothing;
use vmptcp::event::Outcome;

#[test]
#[ignore = "boots a kernel several times"]
fn a_guest_that_panics_or_hangs_costs_only_its_test() {
    let done = Scripts::new(
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
    )
    .run();
    assert_eq!(
        done.outcomes(),
        [
            ("before", Outcome::Pass),
            ("panic", Outcome::Crash),
            ("between", Outcome::Pass),
            ("endless", Outcome::Timeout),
            ("after", Outcome::Skip),
        ]
    );
    assert_eq!(done.summary.tests[1].result.subtests.len(), 1, "what the test said before is kept");
    assert_eq!(
        done.summary.vms.len(),
        3,
        "one replaces the one that panicked, one the one with a test that did not end"
    );
    let panic = done.summary.splats.first().expect("a splat");
    assert!(panic.title.contains("sysrq triggered crash"), "{panic:?}");
    assert_eq!(panic.test.as_ref().map(|test| &test.name[..]), Some("panic"));
    assert!(
        done.summary.vms[0].console_tail.iter().any(|line| line.contains("Kernel panic")),
        "{:?}",
        done.summary.vms[0]
    );
    assert_eq!(done.summary.exit_code_so_far() as u8, 3);
}

#[test]
#[ignore = "boots a kernel"]
fn noise_and_daemons_do_not_block_a_fleet() {
    let done = Scripts::new(
        &[
            ("noisy", "head -c 50000000 /dev/zero | tr '\\0' x; echo; head -c 20000 /dev/urandom"),
            ("console", "head -c 1000000 /dev/zero | tr '\\0' x > /dev/ttyS0"),
            ("daemon", "setsid sleep 1000 & echo started"),
            ("last", "! pidof sleep"),
        ],
        120,
    )
    .run();
    assert_eq!(
        done.outcomes(),
        [
            ("noisy", Outcome::Pass),
            ("console", Outcome::Pass),
            ("daemon", Outcome::Pass),
            ("last", Outcome::Pass)
        ],
        "{:?}",
        done.summary.tests.iter().map(|test| test.result.reason.clone()).collect::<Vec<_>>()
    );
    assert!(done.summary.tests[2].result.seconds < 30.0, "a daemon that holds the output was waited for");
    // All that vmptcp does for a run happens in this process.
    let status = fs::read_to_string("/proc/self/status").expect("procfs");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    assert!(peak.expect("a peak") < 50 << 10, "it took {peak:?} KiB of memory");
    let log = done.dir.path().join("runs/latest/tests/noisy.1.log");
    let size = log.metadata().expect("a log").len();
    assert!(size < 34 << 20, "the log is capped: {size}");
}

#[test]
#[ignore = "boots a kernel"]
fn tests_are_started_as_kselftest_starts_them() {
    let scripts = Scripts::new(
        &[
            ("script", "echo run by $0 $1"),
            ("data", ""),
            ("interpreter", ""),
            ("gone", ""),
            ("executable", "exit 0"),
        ],
        30,
    );
    let place = scripts.setup.directory_of(&vmptcp::suite::selftests::SUITE);
    let mode = |name: &str, mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(place.join(name), mode).expect("a mode");
    };
    mode("script.sh", 0o644);
    fs::write(place.join("data.sh"), "\x7fELF").expect("a file");
    mode("data.sh", 0o644);
    fs::write(place.join("interpreter.sh"), "#!/no/such/shell\n").expect("a file");
    fs::remove_file(place.join("gone.sh")).expect("it was there");
    let done = scripts.run();
    let reason = |at: usize| done.summary.tests[at].result.reason.clone().unwrap_or_default();
    let outcomes: Vec<Outcome> = done.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    let error = Outcome::Error;
    assert_eq!(outcomes, [Outcome::Pass, error, error, error, Outcome::Pass], "{:?}", done.summary.tests);
    assert_eq!(
        done.summary.notes,
        ["script.sh is not executable: started by its interpreter, /bin/sh"],
        "it is said once"
    );
    assert!(reason(1).contains("./data.sh: it is not executable"), "{}", reason(1));
    assert!(reason(2).contains("its interpreter /no/such/shell"), "{}", reason(2));
    assert!(reason(3).starts_with("there is no ./gone.sh in the guest"), "{}", reason(3));
}

#[test]
#[ignore = "boots a kernel, and hangs it"]
fn a_guest_with_its_interrupts_off_is_examined_and_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let source = "#include <linux/module.h>\n#include <linux/irqflags.h>\nstatic int __init hang_init(void)\n\
        {\n\tpr_info(\"hanging\\n\");\n\tlocal_irq_disable();\n\tfor (;;)\n\t\tcpu_relax();\n\treturn 0;\n}\n\
        module_init(hang_init);\nMODULE_LICENSE(\"GPL\");\n";
    fs::write(dir.path().join("hang.c"), source).expect("a source");
    fs::write(dir.path().join("Makefile"), "obj-m := hang.o\n").expect("a Makefile");
    let module = format!("M={}", dir.path().display());
    let built = ran(Command::new("make").arg("-C").arg(lab().out()).arg(&module).arg("modules"));
    assert_eq!(built.code, 0, "{}\n{}", built.stdout, built.stderr);
    let insert = format!("insmod {}", dir.path().join("hang.ko").display());
    let done = Scripts::new(&[("hang", &insert), ("after", "exit 0")], 5).run();
    assert_eq!(done.outcomes(), [("hang", Outcome::Timeout), ("after", Outcome::Pass)]);
    let reason = done.summary.tests[0].result.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("the guest hangs"), "{reason}");
    let files: Vec<&str> = done.summary.evidence.iter().map(|evidence| &evidence.file[..]).collect();
    assert_eq!(files, ["vm-1.registers.txt", "tests/hang.1.post-mortem.txt"]);
    let registers =
        fs::read_to_string(done.dir.path().join("runs/latest").join(files[0])).expect("registers");
    assert!(registers.contains("RIP=") && registers.contains("CPU#0"), "{registers}");
    assert_eq!(done.summary.vms.len(), 2);
}

#[test]
#[ignore = "boots a kernel"]
fn a_test_that_hangs_is_examined_before_it_is_stopped() {
    let hang = "ip netns add vmptcp-here; ip -n vmptcp-here link set lo up; echo waiting; sleep 1000";
    let done = Scripts::new(&[("hang", hang)], 5).run();
    assert_eq!(done.outcomes(), [("hang", Outcome::Timeout)]);
    assert_eq!(done.summary.splats.len(), 0, "what was asked for is no splat: {:?}", done.summary.splats);
    let run = done.dir.path().join("runs/latest");
    let text = fs::read_to_string(run.join("tests/hang.1.post-mortem.txt")).expect("a post-mortem");
    for part in ["sleep 1000", "nanosleep", "network namespace vmptcp-here", "endpoints and limits"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    let console = fs::read_to_string(run.join("console-1.log")).expect("a console");
    assert!(console.contains("Show Blocked State"), "{console}");
}

#[test]
#[ignore = "boots a kernel"]
fn a_guest_without_memory_fails_the_test_that_took_it() {
    let done = Scripts::new(&[("hog", "tail /dev/zero"), ("after", "exit 0")], 120).run();
    assert_eq!(done.outcomes(), [("hog", Outcome::Fail), ("after", Outcome::Pass)]);
    let reason = done.summary.tests[0].result.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("invoked oom-killer"), "{reason}");
}

#[test]
#[ignore = "boots a kernel"]
fn endless_output_is_capped_and_its_end_is_kept() {
    // A gigabyte takes minutes without KVM: FLOOD_BYTES=1000000000.
    let bytes = std::env::var("FLOOD_BYTES").unwrap_or_else(|_| "100000000".to_owned());
    let flood = format!("head -c {bytes} /dev/zero | tr '\\0' '\\n'; echo the very end");
    let done = Scripts::new(&[("flood", &flood)], 900).run();
    assert_eq!(done.outcomes(), [("flood", Outcome::Pass)], "{:?}", done.summary.tests[0].result.reason);
    let path = done.dir.path().join("runs/latest/tests/flood.1.log");
    let mut log = fs::File::open(path).expect("a log");
    let size = log.seek(SeekFrom::End(0)).expect("a size");
    assert!(size < 34 << 20, "{size} bytes");
    // Not all of it: another test looks at how much memory this process ever had.
    log.seek(SeekFrom::Start(32 << 20)).expect("a place");
    let mut end = Vec::new();
    log.read_to_end(&mut end).expect("its end");
    assert!(end.ends_with(b"the very end\n"));
    assert!(String::from_utf8_lossy(&end).contains("bytes are left out here"));
}

#[test]
#[ignore = "boots a kernel"]
fn a_clock_that_jumps_changes_no_time_limit() {
    let jump = "date -s '2040-01-01' && sleep 2 && date -s '1999-01-01' && sleep 2";
    let done = Scripts::new(&[("jump", jump), ("after", "sleep 1")], 30).run();
    assert_eq!(done.outcomes(), [("jump", Outcome::Pass), ("after", Outcome::Pass)]);
    assert!(done.summary.tests[0].result.seconds < 30.0);
}

#[test]
#[ignore = "boots a kernel"]
fn a_full_disk_is_an_error_that_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let small = dir.path().join("small");
    fs::create_dir(&small).expect("a directory");
    leaves_nothing(|| {
        // Room for the configuration, and too little for what is said while a guest boots.
        let config = fs::metadata(lab().out().join(".config")).expect("a configuration").len() / 1024;
        let size = format!("size={}k", config + 32);
        let script = "mount -t tmpfs -o $0 none \"$1\" && shift && exec \"$@\"";
        let mut command = Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "sh", "-c", script, &size]).arg(&small);
        command.args([VMPTCP, "test", "pm_netlink", "--vms", "1"]);
        command.current_dir(&lab().tree).env("VMPTCP_RESULTS_DIR", &small);
        let ran = ran(&mut command);
        assert_eq!(ran.code, 5, "{}\n{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("No space left on device"), "{}", ran.stderr);
    });
}

/// What the probe found, by booting a kernel.
fn kvm_works() -> bool {
    let ran = lab().run(&["doctor", "--json"]);
    let diagnosis: serde_json::Value = serde_json::from_str(&ran.stdout).expect("a diagnosis");
    let findings = diagnosis["findings"].as_array().expect("findings");
    let accelerator = findings.iter().find(|finding| finding["name"] == "accelerator").expect("a probe");
    accelerator["version"] == "kvm"
}

#[test]
#[ignore = "boots a kernel"]
fn a_kvm_that_opens_and_does_not_run_is_named() {
    leaves_nothing(|| {
        let ran = lab().run(&["exec", "--accelerator", "kvm", "--boot-timeout", "20", "--", "true"]);
        if kvm_works() {
            assert_eq!(ran.code, 0, "{}", ran.stderr);
        } else {
            assert_eq!(ran.code, 5, "{}", ran.stderr);
            assert!(ran.stderr.contains("--accelerator tcg"), "{}", ran.stderr);
        }
    });
}

#[test]
#[ignore = "boots a kernel many times"]
fn boots_in_a_row_and_four_at_once_leak_nothing() {
    // 200 take a quarter of an hour: SOAK_BOOTS=200.
    let boots = std::env::var("SOAK_BOOTS").ok().and_then(|count| count.parse().ok()).unwrap_or(4);
    leaves_nothing(|| {
        for boot in 0..boots {
            let ran = lab().run(&["exec", "--", "sh", "-c", "exit 7"]);
            assert_eq!(ran.code, 7, "boot {boot}: {}", ran.stderr);
        }
        let four: Vec<Child> = (0..4)
            .map(|number| {
                let command = format!("echo {number}; ls /sys/class/net");
                let mut command = lab().command(&["exec", "--", "sh", "-c", &command]);
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
            })
            .collect();
        for (number, child) in four.into_iter().enumerate() {
            let output = child.wait_with_output().expect("it ends");
            let text = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
            assert!(text.starts_with(&number.to_string()), "{text}");
        }
    });
}
