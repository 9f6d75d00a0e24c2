//! What shells complete, and the manual pages.

use super::help::commands;
use super::sandbox::{Run, Sandbox};
use std::fs;

/// What bash is offered for the last of these words.
fn offered(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let mut command = sandbox.command(["--", "vmptcp"].iter().chain(words));
    command
        .env("COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
        .env("_CLAP_IFS", "\n");
    let Run { code, stdout, stderr, .. } = sandbox.finish(command);
    assert_eq!((code, stderr.as_str()), (0, ""), "{words:?}");
    stdout.lines().map(str::to_owned).collect()
}

#[test]
fn names_of_tests_samples_topologies_and_checks_are_completed() {
    let sandbox = Sandbox::new();
    assert_eq!(offered(&sandbox, &["vali"]), ["validate"]);
    assert_eq!(offered(&sandbox, &["test", "mptcp_so"]), ["mptcp_sockopt"]);
    assert_eq!(offered(&sandbox, &["test", "kun"]), ["kunit"]);
    assert_eq!(offered(&sandbox, &["test", "--profile", "fu"]), ["full"]);
    assert_eq!(offered(&sandbox, &["sample", "c-echo-"]), ["c-echo-v6"]);
    assert_eq!(offered(&sandbox, &["sample", "--topology", "pa"]), ["pair"]);
    assert_eq!(offered(&sandbox, &["validate", "--check", "signed"]), ["signed-off-by"]);
    sandbox.write("tree/.vmptcp/runs/20260101-000000-7/events.jsonl", "");
    assert_eq!(offered(&sandbox, &["report", "2026"]), ["20260101-000000-7"]);
}

#[test]
fn what_cannot_be_found_out_is_not_offered_and_says_nothing() {
    let sandbox = Sandbox::empty();
    assert_eq!(offered(&sandbox, &["test", "mptcp_so"]), Vec::<String>::new());
    assert_eq!(offered(&sandbox, &["stop", "1"]), Vec::<String>::new());
}

#[test]
fn every_flag_is_in_the_manual_and_completes() {
    let sandbox = Sandbox::new();
    let pages = sandbox.path("pages");
    assert_eq!(sandbox.run(["man", "--dir", &pages.display().to_string()]).code, 0);
    let mut cli = vmptcp::cli::command();
    cli.build();
    let mut flags = 0;
    for name in commands() {
        let page = fs::read_to_string(pages.join(format!("vmptcp-{name}.1"))).unwrap();
        let completed = offered(&sandbox, &[&name, "--"]);
        let shown = cli.find_subcommand(&name).unwrap().get_arguments().filter(|arg| !arg.is_hide_set());
        for long in shown.filter_map(|arg| arg.get_long()) {
            assert!(page.contains(&long.replace('-', "\\-")), "{name}: the manual lacks --{long}");
            assert!(
                completed.contains(&format!("--{long}")),
                "{name}: --{long} is not completed: {completed:?}"
            );
            flags += 1;
        }
    }
    assert!(flags > 100, "{flags} flags");
    assert!(fs::read_to_string(pages.join("vmptcp.1")).unwrap().contains("vmptcp\\-test(1)"));
}

#[test]
fn each_shell_gets_a_script_that_asks_vmptcp() {
    for shell in ["bash", "zsh", "fish"] {
        let run = Sandbox::empty().run(["completions", shell]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{shell}");
        assert!(run.stdout.contains("COMPLETE") && run.stdout.contains("vmptcp"), "{shell}: {}", run.stdout);
    }
    assert_eq!(Sandbox::empty().run(["completions", "tcsh"]).code, 2);
}
