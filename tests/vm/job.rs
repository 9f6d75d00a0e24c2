//! The main job, and what it leaves behind.

use crate::lab::lab;
use serde_json::Value;
use std::fs;

const SMOKE: [&str; 4] = ["pm_netlink", "diag", "mptcp_sockopt", "userspace_pm"];

#[test]
#[ignore = "builds and boots a kernel"]
fn a_run_ends_with_the_verdict_of_the_smoke_profile() {
    let lab = lab();
    let ran = lab.run(&["run", "--json"]);
    let results: Value = serde_json::from_str(&ran.stdout).expect("results as JSON");
    let tests = results["tests"].as_array().expect("tests");
    let of = |suite: &str| -> Vec<&Value> { tests.iter().filter(|test| test["suite"] == suite).collect() };
    let selftests: Vec<&str> = of("selftests").iter().filter_map(|test| test["name"].as_str()).collect();
    assert_eq!(selftests, SMOKE);
    assert_eq!((ran.code, results["verdict"].as_str()), (0, Some("passed")), "{}\n{results:#}", ran.stderr);
    let passed = |suite: &str| of(suite).iter().filter(|test| test["outcome"] == "pass").count();
    assert!(passed("samples") >= 6 && passed("modules") == 2, "{tests:#?}");
    let protocols = |name: &str| {
        let modules = of("modules");
        let test = modules.iter().find(|test| test["name"] == name).expect("the pair of modules");
        (test["wire"]["mptcp"].as_u64(), test["wire"]["tcp"].as_u64())
    };
    assert_eq!(protocols("kernel-echo"), (Some(1), Some(0)));
    assert_eq!(protocols("kernel-echo-tcp"), (Some(0), Some(1)));
    for test in tests.iter().filter(|test| test["wire"].is_null() && test["outcome"] != "skip") {
        assert!(!test["subtests"].as_array().expect("subtests").is_empty(), "{test}");
        let output = lab.latest().join(test["output"].as_str().expect("output"));
        assert!(output.metadata().expect("raw output").len() > 0);
    }
    for file in ["events.jsonl", "results.json", "junit.xml", "summary.txt", ".config", "console-1.log"] {
        assert!(lab.latest().join(file).is_file(), "{file} is missing");
    }
    for fact in ["kernel", "accelerator", "QEMU", "virtme-ng", "gcc", "iproute2", "variant", "tree", "root"] {
        assert!(results["provenance"][fact].is_string(), "{fact}: {}", results["provenance"]);
    }
    let again = lab.run(&["report", "--json"]);
    assert_eq!(again.stdout, ran.stdout, "a replay says the same");
    assert!(!lab.latest().join("tmp").exists(), "temporary files are left");
}

#[test]
#[ignore = "builds a kernel"]
fn an_unchanged_kernel_is_not_built_again() {
    let image = lab().out().join("arch/x86/boot/bzImage");
    let before = image.metadata().and_then(|data| data.modified()).expect("an image");
    let ran = lab().run(&["build"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("up to date").count(), 2, "{}", ran.stderr);
    assert_eq!(image.metadata().and_then(|data| data.modified()).expect("an image"), before);
}

#[test]
#[ignore = "boots a kernel"]
fn a_test_that_does_not_end_in_its_time_is_stopped() {
    let ran = lab().run(&["test", "mptcp_connect.sh", "--timeout", "5", "--json"]);
    let results: Value = serde_json::from_str(&ran.stdout).expect("results as JSON");
    assert_eq!((ran.code, results["tests"][0]["outcome"].as_str()), (1, Some("timeout")), "{}", ran.stderr);
}

#[test]
#[ignore = "boots a kernel"]
fn kunit_reports_every_case_that_the_sources_declare() {
    let lab = lab();
    let sources = fs::read_dir(lab.tree.join("net/mptcp")).expect("a directory").flatten();
    let sources = sources.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let cases: usize = sources.map(|text| text.matches("KUNIT_CASE(").count()).sum();
    let ran = lab.run(&["test", "kunit", "--json"]);
    let results: Value = serde_json::from_str(&ran.stdout).expect("results as JSON");
    let tests = results["tests"].as_array().expect("tests");
    assert_eq!((ran.code, results["verdict"].as_str()), (0, Some("passed")), "{}\n{results:#}", ran.stderr);
    assert!(tests.iter().all(|test| test["suite"] == "kunit"), "{tests:#?}");
    let subtests: Vec<&Value> =
        tests.iter().filter_map(|test| test["subtests"].as_array()).flatten().collect();
    assert!(cases > 0 && subtests.len() == cases, "{cases} cases: {subtests:#?}");
    assert!(subtests.iter().all(|subtest| subtest["outcome"] == "pass"), "{subtests:#?}");
}
