//! The examples of the help and of the documents: what is shown works when typed, on every tree that is supported.

use super::help::commands;
use super::sandbox::{SELFTESTS, Sandbox, fake_tree};
use std::fs;
use std::path::PathBuf;

/// The tests of trees that are supported, as their Makefiles name them.
const TREES: [(&str, &str); 3] = [
    (
        "6.1",
        "mptcp_connect mptcp_connect_mmap mptcp_connect_sendfile mptcp_connect_checksum pm_netlink mptcp_join diag \
         simult_flows mptcp_sockopt userspace_pm",
    ),
    (
        "6.12",
        "mptcp_connect mptcp_connect_mmap mptcp_connect_sendfile mptcp_connect_checksum pm_netlink mptcp_join diag \
         simult_flows mptcp_sockopt userspace_pm",
    ),
    (
        "7.3",
        "diag mptcp_connect mptcp_connect_checksum mptcp_connect_mmap mptcp_connect_sendfile mptcp_connect_splice \
         mptcp_join mptcp_sockopt pm_netlink simult_flows userspace_pm",
    ),
];

/// Since this version the scripts print results of their subtests.
const WITH_SUBTESTS: &str = "6.6";

/// Some of the groups that `mptcp_join.sh` has had since before 6.1.
const JOIN: &str = "#!/bin/bash\nall_tests_sorted=(\n\tf@subflows_tests\n\te@subflows_error_tests\n\ts@signal_address_tests\n)\n\
    while getopts \"${all_tests_args}cCih\" opt; do\n\ttests+=(\"${all_tests[${opt}]}\")\ndone\n";

/// A command line that somebody is shown.
#[derive(Debug)]
struct Example {
    /// Where.
    place: String,
    /// Its words, without the name of the program.
    words: Vec<String>,
    /// What is said of it.
    comment: String,
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The documents, each with its name.
pub fn documents() -> Vec<(String, String)> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let markdown = docs.filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        (name, fs::read_to_string(&path).unwrap())
    };
    markdown.chain([root().join("README.md")]).map(read).collect()
}

/// The help of the program and of all of its commands.
pub fn helps(sandbox: &Sandbox) -> Vec<(String, String)> {
    let of = |name: String| (format!("{name} --help"), sandbox.run([name.as_str(), "--help"]).stdout);
    let mut all: Vec<(String, String)> = commands().into_iter().map(of).collect();
    all.push(("--help".to_owned(), sandbox.run(["--help"]).stdout));
    all
}

/// The examples of a text: lines of a block that begin with the name of the program.
fn examples(place: &str, text: &str) -> Vec<Example> {
    let mut found = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("  ")) {
        let line = line.trim_start().trim_start_matches("$ ");
        if !line.starts_with("vmptcp ") {
            continue;
        }
        // In the help a comment is set apart by blanks, in the documents by a hash.
        let (command, comment) =
            line.split_once("  ").or_else(|| line.split_once(" #")).unwrap_or((line, ""));
        let Some(words) = shlex::split(command) else { continue };
        // Sentences, placeholders and pipes are no command lines.
        let plain = |word: &String| !word.contains('…') && !["|", ">", "&&"].contains(&word.as_str());
        if words.len() > 1 && words.iter().all(plain) {
            let (words, comment) = (words[1..].to_vec(), comment.trim().trim_start_matches("# ").to_owned());
            found.push(Example { place: place.to_owned(), words, comment });
        }
    }
    found
}

fn all(sandbox: &Sandbox) -> Vec<Example> {
    let texts = helps(sandbox).into_iter().chain(documents());
    let found: Vec<Example> = texts.flat_map(|(place, text)| examples(&place, &text)).collect();
    assert!(found.len() > 100, "{} examples", found.len());
    found
}

/// A sandbox with the tests of one of the trees.
fn with_tests(tests: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let scripts: Vec<String> = tests.split_whitespace().map(|test| format!("{test}.sh")).collect();
    sandbox.write(&format!("tree/{SELFTESTS}/Makefile"), format!("TEST_PROGS := {}\n", scripts.join(" ")));
    for script in scripts {
        let text = if script == "mptcp_join.sh" { JOIN } else { "#!/bin/bash\n" };
        sandbox.write(&format!("tree/{SELFTESTS}/{script}"), text);
    }
    // Where examples have another tree.
    fake_tree(&sandbox.path("net-next"));
    fake_tree(&sandbox.path("home/src/net-next"));
    sandbox.write("tree/net/mptcp/Makefile", "obj-$(CONFIG_MPTCP_KUNIT_TEST) += token_test.o\n");
    let suite = "static struct kunit_suite mptcp_token_suite = {\n\t.name = \"mptcp-token\",\n};\n";
    sandbox.write("tree/net/mptcp/token_test.c", suite);
    for dir in ["dss", "basics"] {
        sandbox.write(&format!("tree/drill/{dir}/a.pkt"), "");
    }
    sandbox.write("tree/vmptcp.toml", "[packetdrill]\nscripts = \"drill\"\n");
    sandbox
}

/// The subtests of a test, from the captures of real runs; none where there is no capture.
fn subtests(test: &str) -> Option<Vec<String>> {
    let capture = root().join(format!("crates/ktap/tests/captures/{test}-6.12.out"));
    let text = fs::read_to_string(capture).ok()?;
    let mark = format!(" - {test}: ");
    let name = |line: &str| Some(line.split_once(&mark)?.1.split(" # ").next()?.to_owned());
    Some(text.lines().filter(|line| line.starts_with("ok ")).filter_map(name).collect())
}

#[test]
fn every_example_is_understood() {
    let sandbox = Sandbox::new();
    for example in all(&sandbox) {
        // With this nothing is done, but what stands before it is read.
        let at = example.words.iter().position(|word| word == "--").unwrap_or(example.words.len());
        let mut words = example.words.clone();
        words.insert(at, "--help".to_owned());
        let run = sandbox.run(&words);
        assert_eq!(run.code, 0, "{}: vmptcp {}: {}", example.place, example.words.join(" "), run.stderr);
    }
}

#[test]
fn every_filter_that_is_shown_matches_on_every_tree() {
    let found = all(&Sandbox::new());
    let shown: Vec<&Example> = found.iter().filter(|example| example.words[0] == "test").collect();
    assert!(shown.len() > 10, "{shown:?}");
    for (version, tests) in TREES {
        let sandbox = with_tests(tests);
        for example in &shown {
            let words =
                example.words.iter().take_while(|word| *word != "--").filter(|word| *word != "--list");
            let run = sandbox.run(words.chain([&"--list".to_owned()]));
            assert_eq!(run.code, 0, "{} on {version}: {example:?}: {}", example.place, run.stderr);
        }
    }
}

#[test]
fn every_filter_on_subtests_that_is_shown_matches_and_says_since_when() {
    let found = all(&Sandbox::new());
    let mut checked = 0;
    for example in found.iter().filter(|example| example.words[0] == "test") {
        for filter in example.words.iter().take_while(|word| *word != "--") {
            let Some((test, subtest)) = filter.split_once('/') else { continue };
            // As in --shard 1/4, and a path.
            if test.bytes().all(|byte| byte.is_ascii_digit()) || filter.starts_with(['.', '~']) {
                continue;
            }
            let Some(names) = subtests(test) else { panic!("{example:?}: no capture of {test}") };
            let pattern = vmptcp::suite::Pattern::new(subtest).unwrap();
            assert!(names.iter().any(|name| pattern.matches(name)), "{example:?}: {names:?}");
            assert!(example.comment.contains(WITH_SUBTESTS), "{example:?}: since when?");
            checked += 1;
        }
    }
    assert!(checked > 0, "no example has a filter on subtests");
}

#[test]
fn every_profile_that_is_shown_can_be_chosen_on_every_tree() {
    let mut checked = 0;
    for (place, text) in documents() {
        for block in text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            for line in block.lines().filter_map(|line| line.strip_prefix("[profile.")) {
                let name = line.trim_end_matches(']');
                for (version, tests) in TREES {
                    let sandbox = with_tests(tests);
                    sandbox.write("tree/vmptcp.toml", block);
                    sandbox.write("tree/my.config", "");
                    let run = sandbox.run(["test", "--list", "--profile", name]);
                    let all = run.stdout.matches("(in the profile)").count();
                    assert_eq!((run.code, all), (0, 3), "{place} on {version}: {}", run.all());
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 0, "no profile is shown");
}

#[test]
fn what_is_no_example_is_none() {
    let found =
        examples("x", "vmptcp is a program\n    vmptcp test 'a b'   # both\n  vmptcp run\nso vmptcp test\n");
    let lines: Vec<String> = found.iter().map(|example| example.words.join("|")).collect();
    assert_eq!(lines, ["test|a b", "run"]);
}
