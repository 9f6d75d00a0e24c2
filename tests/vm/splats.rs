//! Guests whose kernels are not well: none of them runs a further test, whatever comes first.
//!
//! What only a kernel with checkers finds (lockdep, KASAN, kmemleak) is in the tests whose names begin with `debug_kernel`.
//! They build the debug variant, which takes long, so `scripts/test` leaves them out:
//!
//! ```sh
//! cargo test --release --test vm debug_kernel -- --ignored --test-threads 1
//! ```

use crate::lab::{VMPTCP, lab, ran};
use crate::scenarios::results_of;
use crate::scripts::Scripts;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use vmptcp::event::Outcome;
use vmptcp::plan::GuestRules;
use vmptcp::vm::root::Share;

const WARNING: &str = "echo '<4>WARNING: CPU: 0 PID: 1 at net/mptcp/x.c:1 f+0x1/0x2' > /dev/kmsg";

#[test]
#[ignore = "boots a kernel several times"]
fn a_guest_that_splatted_runs_no_further_test_unless_the_settings_say_so() {
    let scripts = [("quiet", "exit 0"), ("loud", WARNING), ("again", WARNING), ("later", "exit 0")];
    let outcomes = [
        ("quiet", Outcome::Pass),
        ("loud", Outcome::Fail),
        ("again", Outcome::Fail),
        ("later", Outcome::Pass),
    ];
    let done = Scripts::new(&scripts, 30).run();
    assert_eq!(done.outcomes(), outcomes);
    let vms: Vec<Option<u32>> = done.summary.tests.iter().map(|test| test.result.vm).collect();
    assert_eq!(vms, [Some(1), Some(1), Some(2), Some(3)]);
    assert!(done.summary.vms.iter().all(|vm| !vm.crashed), "{:?}", done.summary.vms);
    let of: Vec<&str> = done.summary.splats[0].tests.iter().map(|test| &test.name[..]).collect();
    assert_eq!((done.summary.splats.len(), of), (1, vec!["loud", "again"]), "one cause, in two tests");
    let mut scripts = Scripts::new(&scripts, 30);
    scripts.setup.rules.replace_after_splat = false;
    let reason = done.summary.tests[1].result.reason.as_deref().unwrap_or_default();
    assert!(reason.starts_with("kernel splat: WARNING: CPU: 0"), "{reason}");
    let kept = scripts.run();
    assert_eq!((kept.outcomes(), kept.summary.vms.len()), (outcomes.to_vec(), 1));
}

/// Lets each guest do something odd while it boots, before its agent is up: lines of shell in a directory that the guests
/// share and may write to.
fn boots_oddly(scripts: &mut Scripts, what: &str) {
    let memory = scripts.dir.path().join("memory");
    fs::create_dir(&memory).expect("a directory");
    let agent = memory.join("agent");
    fs::write(&agent, format!("#!/bin/sh\ncd \"${{0%/*}}\"\n{what}\nexec {VMPTCP} \"$@\"\n"))
        .expect("a script");
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).expect("executable");
    scripts.setup.spec.machine.root.agent = agent;
    scripts.setup.spec.machine.root.shares.push(Share {
        host: memory.clone(),
        guest: memory,
        writable: true,
    });
}

#[test]
#[ignore = "boots a kernel several times"]
fn a_splat_during_boot_is_a_notice_and_the_guest_is_replaced() {
    let mut scripts = Scripts::new(&[("one", "exit 0"), ("two", "exit 0")], 30);
    boots_oddly(&mut scripts, &format!("[ -e one ] || {{ touch one; {WARNING}; }}"));
    let done = scripts.run();
    assert_eq!(done.outcomes(), [("one", Outcome::Pass), ("two", Outcome::Pass)]);
    let splat = &done.summary.splats[0];
    assert!(splat.boot && splat.notice && splat.tests.is_empty(), "{splat:?}");
    assert_eq!((done.summary.vms.len(), done.summary.exit_code_so_far() as u8), (2, 0));
    let mut strict = Scripts::new(&[("one", "exit 0")], 30);
    strict.setup.rules.boot_splat_counts = true;
    boots_oddly(&mut strict, &format!("[ -e one ] || {{ touch one; {WARNING}; }}"));
    assert_eq!(strict.run().summary.exit_code_so_far() as u8, 3);
}

#[test]
#[ignore = "boots a kernel several times"]
fn a_kernel_that_splats_at_every_boot_is_tested_all_the_same_and_that_is_said() {
    let mut scripts = Scripts::new(&[("one", "exit 0"), ("two", "exit 0")], 30);
    scripts.setup.rules = GuestRules { boots: 3, ..GuestRules::default() };
    boots_oddly(&mut scripts, WARNING);
    let done = scripts.run();
    assert_eq!(done.outcomes(), [("one", Outcome::Pass), ("two", Outcome::Pass)]);
    assert_eq!((done.summary.vms.len(), done.summary.exit_code_so_far() as u8), (3, 0));
    assert!(done.summary.warnings[0].text.contains("3 guests in a row"), "{:?}", done.summary.warnings);
}

#[test]
#[ignore = "boots a kernel several times"]
fn boots_that_fail_cost_no_test_as_long_as_one_of_five_works() {
    let mut scripts = Scripts::new(&[("one", "exit 0")], 30);
    let fail = "for n in 1 2 3; do [ -e $n ] || { touch $n; sync; echo c > /proc/sysrq-trigger; }; done";
    boots_oddly(&mut scripts, fail);
    let done = scripts.run();
    assert_eq!(done.outcomes(), [("one", Outcome::Pass)]);
    assert_eq!((done.summary.vms.len(), done.summary.exit_code_so_far() as u8), (4, 0));
}

/// Modules in directories of their own.
fn modules(sources: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a directory");
    for (name, source) in sources {
        let place = root.path().join(name);
        fs::create_dir(&place).expect("a directory");
        fs::write(place.join("Makefile"), format!("obj-m := {name}.o\n")).expect("a file");
        let source = format!(
            "#include <linux/module.h>\n#include <linux/completion.h>\n#include <linux/mutex.h>\n\
             #include <linux/slab.h>\n{source}\nMODULE_LICENSE(\"GPL\");\n"
        );
        fs::write(place.join(format!("{name}.c")), source).expect("a file");
    }
    root
}

/// `vmptcp module` with these, in this order.
fn loaded(root: &Path, names: &[&str], more: &[&str]) -> (i32, Vec<(String, String, String)>, Value) {
    let paths: Vec<String> = names.iter().map(|name| root.join(name).display().to_string()).collect();
    let args: Vec<&str> = ["module", "--time", "1"].into_iter().chain(more.iter().copied()).collect();
    results_of(&args.into_iter().chain(paths.iter().map(String::as_str)).collect::<Vec<_>>())
}

fn vms_of(results: &Value) -> Vec<Option<u64>> {
    results["tests"].as_array().expect("tests").iter().map(|test| test["vm"].as_u64()).collect()
}

const OOPS: &str = "static int __init bad_init(void) { *(volatile int *)8 = 1; return 0; }\n\
    static void __exit bad_exit(void) { }\nmodule_init(bad_init);\nmodule_exit(bad_exit);";

const GOOD: &str = "static int __init good_init(void) { return 0; }\nstatic void __exit good_exit(void) { }\n\
    module_init(good_init);\nmodule_exit(good_exit);";

const HANG: &str = "static DECLARE_COMPLETION(never);\nstatic int __init hang_init(void) { return 0; }\n\
    static noinline void waits_for_nobody(void) { wait_for_completion(&never); barrier(); }\n\
    static void __exit hang_exit(void) { waits_for_nobody(); barrier(); }\n\
    module_init(hang_init);\nmodule_exit(hang_exit);";

#[test]
#[ignore = "boots a kernel twice"]
fn a_module_after_one_that_oopsed_gets_a_guest_of_its_own() {
    let root = modules(&[("oops", OOPS), ("good", GOOD), ("better", GOOD)]);
    let (code, tests, results) = loaded(root.path(), &["oops", "good", "better"], &[]);
    assert_eq!(code, 3, "{tests:#?}");
    let outcomes: Vec<&str> = tests.iter().map(|(_, outcome, _)| &outcome[..]).collect();
    assert_eq!(outcomes, ["fail", "pass", "pass"], "{tests:#?}");
    assert_eq!(vms_of(&results), [Some(1), Some(2), Some(2)]);
    assert_eq!(results["verdict"], "splat", "the guest lived on");
    let shown = lab().run(&["report"]).stdout;
    for part in ["RIP: 0010:bad_init", "do_init_module", "kernel splat"] {
        assert!(shown.contains(part), "{part} is missing: {shown}");
    }
    assert!(!shown.contains("R10: ") && !shown.contains("crash"), "{shown}");
}

#[test]
#[ignore = "boots a kernel twice, and waits for a minute"]
fn a_module_whose_unload_hangs_is_examined_and_its_guest_replaced() {
    let root = modules(&[("hang", HANG), ("good", GOOD)]);
    let (code, tests, results) = loaded(root.path(), &["hang", "good"], &[]);
    assert_eq!((code, &tests[0].1[..], &tests[1].1[..]), (1, "timeout", "pass"), "{tests:#?}");
    assert!(tests[0].2.contains("rmmod hang timed out after"), "{tests:#?}");
    assert_eq!(vms_of(&results), [Some(1), Some(2)]);
    let text = fs::read_to_string(lab().latest().join("tests/modules.hang.1.post-mortem.txt"));
    let text = text.expect("a post-mortem");
    for part in ["rmmod hang", "waits_for_nobody", "initial network namespace"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    let console = fs::read_to_string(lab().latest().join("console-1.log")).expect("a console");
    assert!(console.contains("Show Blocked State"), "{console}");
}

/// Takes two locks in one order, and then in the other.
fn inversion(name: &str) -> String {
    format!(
        "static DEFINE_MUTEX({name}_a);\nstatic DEFINE_MUTEX({name}_b);\n\
         static noinline void {name}_takes(struct mutex *one, struct mutex *two)\n\
         {{ mutex_lock(one); mutex_lock(two); mutex_unlock(two); mutex_unlock(one); }}\n\
         static int __init {name}_init(void)\n\
         {{ {name}_takes(&{name}_a, &{name}_b); {name}_takes(&{name}_b, &{name}_a); return 0; }}\n\
         static void __exit {name}_exit(void) {{ }}\nmodule_init({name}_init);\nmodule_exit({name}_exit);"
    )
}

/// Reads what it did not allocate.
fn overrun(name: &str) -> String {
    format!(
        "static noinline int {name}_reads(volatile char *p, int at) {{ return p[at]; }}\n\
         static int __init {name}_init(void)\n\
         {{ char *p = kmalloc(24, GFP_KERNEL); int n = {name}_reads(p, 24); kfree(p); return n < -999; }}\n\
         static void __exit {name}_exit(void) {{ }}\nmodule_init({name}_init);\nmodule_exit({name}_exit);"
    )
}

/// Loses what it allocated: in a function that is gone after the load, and in one that goes with the module.
const LEAK: &str = "static void *volatile lost;\n\
    static noinline void leaks_late(void) { lost = kmalloc(200, GFP_KERNEL); lost = NULL; }\n\
    static int __init leak_init(void) { lost = kmalloc(1000, GFP_KERNEL); lost = NULL; return 0; }\n\
    static void __exit leak_exit(void) { leaks_late(); barrier(); }\n\
    module_init(leak_init);\nmodule_exit(leak_exit);";

#[test]
#[ignore = "builds and boots the debug kernel"]
fn debug_kernel_two_reports_of_lockdep_and_of_kasan_are_each_of_their_own_module() {
    let sources = [
        ("lock1", inversion("lock1")),
        ("lock2", inversion("lock2")),
        ("read1", overrun("read1")),
        ("read2", overrun("read2")),
    ];
    let sources = sources.each_ref().map(|(name, source)| (*name, &source[..]));
    let root = modules(&sources);
    for order in [["lock1", "lock2", "read1", "read2"], ["read2", "lock2", "read1", "lock1"]] {
        let (code, tests, results) = loaded(root.path(), &order, &["--variant", "debug"]);
        assert_eq!(code, 3, "{tests:#?}");
        for (test, outcome, why) in &tests {
            let expected =
                if test.contains("lock") { "circular locking" } else { "slab-out-of-bounds in read" };
            assert!(outcome == "fail" && why.contains(expected), "{tests:#?}");
        }
        let splats = results["splats"].as_array().expect("splats");
        assert_eq!(splats.len(), 4, "{splats:#?}");
        for (splat, name) in splats.iter().zip(order) {
            assert_eq!(splat["test"]["name"], name);
            assert!(splat["lines"].to_string().contains(&format!("{name}_init")), "{splat:#}");
        }
    }
}

#[test]
#[ignore = "builds and boots the debug kernel"]
fn debug_kernel_a_leak_is_named_with_its_function_and_its_module() {
    let root = modules(&[("leak", LEAK), ("good", GOOD)]);
    let (code, tests, results) = loaded(root.path(), &["leak", "good"], &["--variant", "debug"]);
    assert_eq!(code, 3, "{tests:#?}");
    assert_eq!((&tests[0].1[..], &tests[1].1[..]), ("fail", "pass"), "{tests:#?}");
    let splats = results["splats"].as_array().expect("splats");
    for (size, function) in [(1024, "leak_init"), (256, "leaks_late")] {
        let title = format!("memory leak: {size} bytes, allocated in {function} [leak]");
        let found = splats.iter().find(|splat| splat["title"] == title.as_str());
        let found = found.unwrap_or_else(|| panic!("no {title}: {splats:#?}"));
        assert_eq!(found["test"]["name"], "leak");
    }
}

#[test]
#[ignore = "builds and boots the debug kernel"]
fn debug_kernel_a_guest_without_a_leak_takes_no_more_than_twelve_seconds_to_say_so() {
    let root = modules(&[("good", GOOD)]);
    let (code, tests, results) = loaded(root.path(), &["good"], &["--variant", "debug"]);
    assert_eq!((code, &tests[0].1[..]), (0, "pass"), "{tests:#?}");
    assert!(!results["notes"].to_string().contains("whether memory leaked"), "{}", results["notes"]);
    let events = fs::read_to_string(lab().latest().join("events.jsonl")).expect("events");
    let at = |what: &str| {
        let line = events.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what}"));
        serde_json::from_str::<Value>(line).expect("JSON")["at_ms"].as_u64().expect("a time")
    };
    let asked = at("\"vm-ended\"") - at("\"test-ended\"");
    assert!((5_000..13_000).contains(&asked), "{asked} ms");
}

#[test]
#[ignore = "builds and boots the debug kernel"]
fn debug_kernel_two_tests_of_one_queue_report_an_inversion_and_an_overrun_each() {
    assert_eq!(lab().run(&["build", "--variant", "debug"]).code, 0, "the debug kernel does not build");
    let out = lab().tree.join(".vmptcp/build/debug");
    let names = ["lock1", "read1", "read2", "lock2"];
    let sources = names.map(|name| if name.starts_with("lock") { inversion(name) } else { overrun(name) });
    let sources: Vec<(&str, &str)> = names.into_iter().zip(sources.iter().map(String::as_str)).collect();
    let root = modules(&sources);
    let mut scripts = Vec::new();
    for name in names {
        let module = format!("M={}", root.path().join(name).display());
        let built = ran(Command::new("make").arg("-C").arg(&out).arg(&module).arg("modules"));
        assert_eq!(built.code, 0, "{}\n{}", built.stdout, built.stderr);
        scripts.push(format!("insmod {}/{name}.ko", root.path().join(name).display()));
    }
    let tests: Vec<(&str, &str)> = names.into_iter().zip(scripts.iter().map(String::as_str)).collect();
    let mut fleet = Scripts::new(&tests, 120);
    fleet.setup.spec.machine.kernel = out;
    fleet.setup.spec.machine.memory_mib = 2048;
    fleet.setup.boot_timeout = std::time::Duration::from_secs(600);
    let done = fleet.run();
    assert_eq!(done.outcomes(), names.map(|name| (name, Outcome::Fail)));
    for (test, name) in done.summary.tests.iter().zip(names) {
        let reason = test.result.reason.as_deref().unwrap_or_default();
        assert!(reason.contains(if name.starts_with("lock") { "circular" } else { "KASAN" }), "{reason}");
    }
    assert_eq!(done.summary.vms.len(), 4, "each in a guest of its own");
}
