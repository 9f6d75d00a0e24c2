//! The five layers, from outside.

use super::sandbox::{Run, Sandbox};
use serde_json::{Value, json};

fn with_env(sandbox: &Sandbox, env: &[(&str, &str)], args: &[&str]) -> Run {
    let mut command = sandbox.command(args);
    command.envs(env.iter().copied());
    sandbox.finish(command)
}

#[test]
fn every_layer_wins_over_the_one_before_and_is_named() {
    let sandbox = Sandbox::new();
    let get = |env: &[(&str, &str)], args: &[&str]| {
        let run = with_env(&sandbox, env, &[&["settings", "--json"], args].concat());
        assert_eq!(run.code, 0, "{}", run.stderr);
        serde_json::from_str::<Value>(&run.stdout).unwrap()["vm.cpus"].clone()
    };
    let is =
        |value: u32, layer: &str, source: Value| json!({ "value": value, "layer": layer, "source": source });
    assert_eq!(get(&[], &[])["layer"], "built-in");
    sandbox.write("home/.config/vmptcp/config.toml", "[vm]\ncpus = 2\n");
    assert_eq!(get(&[], &[]), is(2, "user", "[dir]/home/.config/vmptcp/config.toml:2".into()));
    sandbox.write("tree/vmptcp.toml", "# ours\n[vm]\ncpus = 3\n");
    assert_eq!(get(&[], &[]), is(3, "tree", "[dir]/tree/vmptcp.toml:3".into()));
    let env = [("VMPTCP_VM_CPUS", "4")];
    assert_eq!(get(&env, &[]), is(4, "environment", "VMPTCP_VM_CPUS".into()));
    assert_eq!(get(&env, &["--cpus", "5"]), is(5, "flags", "--cpus 5".into()));
    // As everywhere, an empty variable is none, and a base directory may be elsewhere.
    assert_eq!(get(&[("VMPTCP_VM_CPUS", "")], &[])["layer"], "tree");
}

#[test]
fn a_setting_that_does_not_exist_has_a_nearest_name() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(with_env(&sandbox, &[("VMPTCP_VM_CPU", "1")], &["test"]).all(), @"
    error: unknown variable VMPTCP_VM_CPU: the nearest is VMPTCP_VM_CPUS
      → correct or remove it, and run the same command again
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["test", "--time-out", "3"]).all(), @"
    error: unexpected argument '--time-out' found

      tip: a similar argument exists: '--timeout'
      tip: to pass '--time-out' as a value, use '-- --time-out'

    Usage: vmptcp test --timeout <TIME> [FILTER]... [-- <ARGS>...]

    For more information, try '--help'.
    exit code 2
    ");
    sandbox.write("tree/vmptcp.toml", "[vm]\nmemory = \"1G\"\ncpsu = 4\n");
    insta::assert_snapshot!(sandbox.run(["test"]).all(), @"
    error: [dir]/tree/vmptcp.toml:3:1: unknown setting vm.cpsu: the nearest is vm.cpus
      → correct or remove it, and run the same command again
    exit code 2
    ");
    sandbox.write("tree/vmptcp.toml", "[vm\n");
    insta::assert_snapshot!(sandbox.run(["build"]).all(), @"
    error: cannot read [dir]/tree/vmptcp.toml:1:4: unclosed table, expected `]`
    1 | [vm
           ^
      → correct or remove it, and run the same command again
    exit code 2
    ");
    sandbox.write("tree/vmptcp.toml", "[vm]\ncpus = \"many\"\n");
    sandbox.write("home/.config/vmptcp/config.toml", "[test]\nrepeat = 0\n");
    insta::assert_snapshot!(sandbox.run(["config"]).all(), @r#"
    error: 2 settings are wrong:
      [dir]/home/.config/vmptcp/config.toml:2:1: test.repeat = 0: expected a whole number from 1 to 10000
      [dir]/tree/vmptcp.toml:2:1: vm.cpus = "many": expected a whole number from 0 to 1024
      → correct or remove it, and run the same command again
    exit code 2
    "#);
}

#[test]
fn the_tree_of_the_users_file_is_taken_where_there_is_no_other() {
    let sandbox = Sandbox::new();
    sandbox.write("home/.config/vmptcp/config.toml", "[kernel]\ntree = \"~/../tree\"\n");
    let mut elsewhere = sandbox.command(["test", "--list"]);
    elsewhere.current_dir(sandbox.path("home"));
    let run = sandbox.finish(elsewhere);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("pm_netlink"));
}

#[test]
fn the_built_in_file_is_one_that_can_be_used() {
    let sandbox = Sandbox::new();
    let defaults = sandbox.run(["settings", "--defaults"]).stdout;
    sandbox.write("home/.config/vmptcp/config.toml", &defaults);
    let run = sandbox.run(["settings"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("config.toml"), "{}", run.stdout);
}
