//! The habits of mptcp-upstream-virtme-docker, from outside.

use super::sandbox::Sandbox;

#[test]
fn a_mode_runs_the_command_and_reports_its_new_spelling() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["auto-btf-debug", "--list"]);
    command.env("INPUT_RUN_TESTS_ONLY", "selftest_diag").env("INPUT_CPUS", "4");
    insta::assert_snapshot!(sandbox.finish(command).all(), @r"
    diag  (in the profile)
    vmptcp: INPUT_CPUS=4 is now: --cpus 4
    vmptcp: INPUT_RUN_TESTS_ONLY=selftest_diag is now: selftest_diag
    vmptcp: auto-btf-debug is now: vmptcp test --variant debug-btf --cpus 4 selftest_diag --list
    exit code 0
    ");
    let run = sandbox.run(["defconfig", "debug", "--set-val", "NR_CPUS", "4"]);
    let first = run.stderr.lines().next().unwrap();
    assert_eq!(first, "vmptcp: defconfig is now: vmptcp config --variant debug --set NR_CPUS=4");
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn a_mode_without_a_command_is_bad_usage() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run(["cmd", "ls"]).all(), @r"
    error: no command here for the mode cmd
      → run the command as it is: there is no container
    exit code 2
    ");
}

#[test]
fn the_help_lists_modes_and_variables() {
    let sandbox = Sandbox::empty();
    let (help, page) = (sandbox.run(["help", "incumbent"]), sandbox.run(["incumbent"]));
    assert_eq!((help.code, page.code), (0, 0), "{help:?} {page:?}");
    for part in [
        "auto-btf-debug, expect-btf-debug\n      vmptcp test --profile full",
        "INPUT_CPUS\n      --cpus VALUE",
    ] {
        assert!(help.stdout.contains(part) && page.stdout.contains(part), "{part}: {help:?}");
    }
}
