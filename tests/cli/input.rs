//! Bad input: a clear error with the remedy, the documented exit code, and nothing left half-written.

use super::sandbox::{SELFTESTS, Sandbox, fingerprint};
use std::fs;
use std::path::Path;

#[test]
fn not_a_kernel_tree() {
    let sandbox = Sandbox::empty();
    insta::assert_snapshot!(sandbox.run(["test"]).all(), @"
    error: no kernel tree: [dir]/tree is not in one, and none is configured or was obtained
      → name one with --tree DIR, or obtain one: vmptcp source
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["build", "--tree", "."]).all(), @"
    error: . is not a kernel tree: no Makefile there
      → name one with --tree DIR, or obtain one: vmptcp source
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["config", "--tree", "nowhere"]).all(), @"
    error: nowhere is not a kernel tree: there is no such directory
      → name one with --tree DIR, or obtain one: vmptcp source
    exit code 2
    ");
}

#[test]
fn a_tree_without_the_selftests() {
    let sandbox = Sandbox::new();
    fs::remove_dir_all(sandbox.tree().join("tools")).unwrap();
    for command in ["run", "test", "build", "config"] {
        let run = sandbox.run([command]);
        assert_eq!(run.code, 2, "{command}");
        insta::allow_duplicates!(insta::assert_snapshot!(run.stderr, @"
        error: the kernel tree [dir]/tree (6.12.0) has no MPTCP selftests: no tools/testing/selftests/net/mptcp there
          → use a tree of version 5.6 or later that still has its tools/: vmptcp source
        "));
    }
    assert!(!sandbox.tree().join(".vmptcp").exists());
}

#[test]
fn a_tree_whose_selftests_are_empty() {
    let sandbox = Sandbox::new();
    sandbox.write(&format!("tree/{SELFTESTS}/Makefile"), "all:\n");
    insta::assert_snapshot!(sandbox.run(["test", "--list"]).all(), @"
    error: tools/testing/selftests/net/mptcp/Makefile names no test in TEST_GEN_PROGS, TEST_CUSTOM_PROGS, TEST_PROGS
      → choose a tree with MPTCP selftests, and build them: vmptcp build
    exit code 5
    ");
}

#[test]
fn a_symbol_that_the_tree_does_not_have() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(["config", "-e", "MPTCP_NO_SUCH"]);
    assert_eq!(run.code, 0, "a warning: {}", run.all());
    let warned: Vec<&str> = run.stdout.lines().take_while(|line| !line.is_empty()).collect();
    let at = warned.iter().position(|line| line.contains("MPTCP_NO_SUCH")).unwrap();
    insta::assert_snapshot!(warned[at..].join("\n"), @"
    warning: CONFIG_MPTCP_NO_SUCH is n, y was asked for (-e on the command line)
      why     this tree has no such symbol for this architecture
      remedy  drop the request, or waive it in a fragment: #? CONFIG_MPTCP_NO_SUCH: why it may be missing
    ");
    let strict = sandbox.run(["config", "-e", "MPTCP_NO_SUCH", "--strict"]);
    assert_eq!(strict.code, 4);
    assert!(strict.stderr.contains("CONFIG_MPTCP_NO_SUCH"), "{}", strict.stderr);
}

#[test]
fn a_symbol_that_the_tests_need_and_that_does_not_take() {
    let sandbox = Sandbox::new();
    sandbox.write(&format!("tree/{SELFTESTS}/config"), "CONFIG_MPTCP=y\nCONFIG_NET_NO_SUCH=y\n");
    let run = sandbox.run(["config"]);
    assert_eq!(run.code, 4, "{}", run.all());
    assert!(run.stderr.contains("CONFIG_NET_NO_SUCH"), "{}", run.stderr);
    assert!(run.stdout.contains(&format!("{SELFTESTS}/config:2")), "{}", run.stdout);
}

#[test]
fn fragments_and_symbols_that_cannot_be_read() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/bad.config", "CONFIG_A=y\n\nCONFIG_B: yes\n");
    sandbox.write("tree/binary.config", b"CONFIG_A=y\n\xff\n");
    insta::assert_snapshot!(sandbox.run(["config", "--fragment", "bad.config"]).all(), @r#"
    error: bad.config:3: not a line of a fragment: CONFIG_B: yes
      → write CONFIG_NAME=y, =m, =n, a number or a "string", or: # CONFIG_NAME is not set
    exit code 2
    "#);
    insta::assert_snapshot!(sandbox.run(["config", "--fragment", "binary.config"]).all(), @"
    error: binary.config:2: not UTF-8
      → give a text file with lines such as CONFIG_FOO=y
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["config", "--fragment", "nowhere.config"]).all(), @"
    error: cannot read the fragment nowhere.config: No such file or directory (os error 2)
      → name a file, or one of vmptcp's own: guest, virtme, mptcp, minimal, uml, oldroot, debug, btf, gcov, debuginfo, kunit, packetdrill, tracing
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["config", "-e", "MPTCP IPV6"]).all(), @"
    error: -e MPTCP IPV6: not the name of a kernel symbol
      → a name has letters, digits and underscores only: -e MPTCP_IPV6
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["config", "--set", "HZ"]).all(), @"
    error: --set HZ: no value
      → write it as --set HZ=VALUE
    exit code 2
    ");
    assert!(!sandbox.tree().join(".vmptcp").exists(), "nothing was begun");
}

#[test]
fn a_tool_that_is_missing() {
    let sandbox = Sandbox::new();
    let with_path = |path: &str, args: &[&str]| {
        let mut command = sandbox.command(args);
        command.env("PATH", path);
        sandbox.finish(command)
    };
    // Where there is one directory for all programs, an installed virtme-ng is always found.
    if !["/usr/local/sbin", "/usr/sbin", "/sbin"].iter().any(|dir| Path::new(dir).join("vng").exists()) {
        let nothing = sandbox.path("home");
        for args in [&["test"][..], &["run"], &["exec", "--", "true"], &["run", "--dry-run"]] {
            let run = with_path(nothing.to_str().unwrap(), args);
            assert_eq!(run.code, 5, "{args:?}");
            insta::allow_duplicates!(insta::assert_snapshot!(run.stderr, @"
            error: cannot find vng: it is not installed
              → install it into a virtual environment of its own: vmptcp doctor --fix
            "));
        }
    }
    fs::remove_file(sandbox.path("bin/make")).unwrap();
    for tool in ["sh", "grep"] {
        std::os::unix::fs::symlink(format!("/bin/{tool}"), sandbox.path("bin").join(tool)).unwrap();
    }
    let run = with_path(sandbox.path("bin").to_str().unwrap(), &["config"]);
    assert_eq!(run.code, 5, "{}", run.all());
    let said = "error: cannot run make: it is not installed\n  → see what is missing: vmptcp doctor\n";
    assert!(run.stderr.ends_with(said), "{}", run.stderr);
}

#[test]
fn a_kernel_that_does_not_build() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(["build", "--ccache", "never"]);
    assert_eq!(run.code, 4, "{}", run.all());
    assert!(run.stderr.contains("net/mptcp/protocol.c:7:2: error: expected ';'"), "{}", run.stderr);
}

#[test]
fn archives_that_are_none() {
    let sandbox = Sandbox::new();
    let good =
        [b"not an archive at all, and that for long: ".repeat(100), vec![0x1f, 0x8b, 8, 0, 1, 2, 3, 4]];
    sandbox.write("tree/text.tar.xz", &good[0]);
    sandbox.write("tree/cut.tar.gz", &good[1]);
    insta::assert_snapshot!(sandbox.run(["source", "tarball", "text.tar.xz"]).all(), @"
    error: [dir]/tree/text.tar.xz is not an archive: neither tar nor tar.{gz,bz2,xz,zst}
      → vmptcp source tarball FILE-or-URL: one as kernel.org offers them
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["source", "tarball", "nowhere.tar"]).all(), @"
    error: cannot read the tarball [dir]/tree/nowhere.tar: No such file or directory (os error 2)
      → vmptcp source tarball FILE-or-URL
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["source", "tarball", "."]).all(), @"
    error: the tarball [dir]/tree is not a file
      → a kernel tree that is unpacked already is used with --tree DIR
    exit code 2
    ");
    let cut = sandbox.run(["source", "tarball", "cut.tar.gz"]);
    assert!(cut.code == 2 || cut.code == 5, "{}", cut.all());
    assert!(cut.stderr.contains("cut.tar.gz"), "{}", cut.stderr);
    let trees = sandbox.path("home/.cache/vmptcp/trees");
    let left: Vec<String> = fs::read_dir(&trees)
        .map(|entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    assert!(left.iter().all(|name| name == ".lock"), "left behind: {left:?}");
}

#[test]
fn a_source_that_is_none() {
    let sandbox = Sandbox::new();
    for args in
        [&["source", "floppy"][..], &["source", "git"], &["source", "tarball"], &["source", "distro", "x"]]
    {
        let run = sandbox.run(args);
        assert_eq!(run.code, 2, "{args:?}");
        assert!(run.stderr.contains("→ vmptcp source [auto|distro [VERSION]|git URL"), "{}", run.stderr);
    }
}

#[test]
fn a_filter_that_matches_nothing_lists_the_tests() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run(["test", "mptcp_jion"]).all(), @r#"
    error: no test matches the filter "mptcp_jion"; there are: mptcp_connect, pm_netlink, diag, mptcp_sockopt, userspace_pm
      → did you mean mptcp_connect? vmptcp test mptcp_connect
    exit code 2
    "#);
    insta::assert_snapshot!(sandbox.run(["test", "--list", "nothing*"]).all(), @r#"
    error: no test matches the filter "nothing*"; there are: mptcp_connect, pm_netlink, diag, mptcp_sockopt, userspace_pm
      → give the name of a test, a part of it or a glob, and that of a subtest after a slash
    exit code 2
    "#);
    insta::assert_snapshot!(sandbox.run(["test", "diag", "--except", "join"]).all(), @r#"
    error: no test matches the filter "join"; there are: diag
      → give the name of a test, a part of it or a glob, and that of a subtest after a slash
    exit code 2
    "#);
    insta::assert_snapshot!(sandbox.run(["test", "selftest_diag", "--except", "diag.sh"]).all(), @r"
    error: everything is left out
      → name less with --except
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["test", "[a"]).all(), @r#"
    error: filter "[a": the pattern "[a" is malformed: unclosed character class; missing ']'
      → put a backslash before a `[`, `{`, `*` or `?` that stands for itself
    exit code 2
    "#);
    insta::assert_snapshot!(sandbox.run(["test", "--profile", "smok"]).all(), @"
    error: --profile smok: unknown profile smok: the nearest is smoke
      → use one of full, smoke, or add a section [profile.smok] to vmptcp.toml
    exit code 2
    ");
}

#[test]
fn times_and_counts_of_nothing() {
    let sandbox = Sandbox::new();
    for (flag, value) in [
        ("--timeout", "0"),
        ("--timeout", "-1"),
        ("--timeout", "soon"),
        ("--repeat", "0"),
        ("--boot-timeout", "0"),
        ("--memory", "0"),
        ("--accelerator", "xen"),
        ("--variant", "slow"),
    ] {
        let run = sandbox.run(["test", &format!("{flag}={value}")]);
        assert_eq!(run.code, 2, "{flag} {value}: {}", run.all());
        assert!(run.stderr.contains(flag), "{}", run.stderr);
    }
    insta::assert_snapshot!(sandbox.run(["test", "--timeout", "0"]).all(), @r#"
    error: --timeout 0: test.timeout = "0": expected auto or a time above 0: 90 (seconds), 90s, 30m or 2h
      → correct or remove it, and run the same command again
    exit code 2
    "#);
    insta::assert_snapshot!(sandbox.run(["test", "--repeat", "0"]).all(), @r#"
    error: --repeat 0: test.repeat = "0": expected a whole number from 1 to 10000
      → correct or remove it, and run the same command again
    exit code 2
    "#);
}

#[test]
fn arguments_for_more_than_one_script() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run(["test", "diag", "sockopt", "--", "-f"]).all(), @"
    error: arguments for a script, but 2 tests: diag, mptcp_sockopt
      → choose one: vmptcp test NAME -- ARGS
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["test", "--", "-f"]).all(), @"
    error: arguments for a script, but 4 tests: pm_netlink, diag, mptcp_sockopt, userspace_pm
      → choose one: vmptcp test NAME -- ARGS
    exit code 2
    ");
}

#[test]
fn variables_and_directories_for_a_guest() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run(["exec", "--env", "=x", "--", "true"]).all(), @"
    error: --env =x: not of the form NAME=VALUE
      → for example: --env SELFTESTS_MPTCP_LIB_NO_KVERSION_CHECK=1
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["test", "--env", "FOO"]).all(), @"
    error: --env FOO: not of the form NAME=VALUE
      → for example: --env SELFTESTS_MPTCP_LIB_NO_KVERSION_CHECK=1
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["exec", "--rw", "nowhere", "--", "true"]).all(), @"
    error: cannot share [dir]/tree/nowhere: it is not a directory
      → make it first: mkdir -p DIR
    exit code 2
    ");
    assert!(!sandbox.tree().join(".vmptcp").exists(), "nothing was begun");
}

#[test]
fn a_terminal_that_is_none() {
    insta::assert_snapshot!(Sandbox::new().run(["shell"]).all(), @"
    error: vmptcp shell needs a terminal as its standard input
      → for a command without one: vmptcp exec -- CMD
    exit code 2
    ");
}

#[test]
fn what_is_refused_leaves_the_tree_as_it_was() {
    let sandbox = Sandbox::new();
    let before = fingerprint(&sandbox.tree());
    for args in [
        &["test", "nothing"][..],
        &["test", "--timeout", "0"],
        &["build", "--variant", "x"],
        &["config", "-e", "a b"],
        &["report"],
        &["report", "--list"],
        &["test", "--list"],
        &["settings"],
    ] {
        sandbox.run(args);
        assert!(fingerprint(&sandbox.tree()) == before, "{args:?} changed the tree");
    }
}

#[test]
fn a_hunt_is_for_one_test_in_virtual_time() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run(["hunt", "mptcp"]).all(), @"
    error: a hunt is for one test, and these match: mptcp_connect, mptcp_sockopt
      → name one of them: vmptcp hunt NAME
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["hunt", "diag", "--time", "real"]).all(), @r#"
    error: in real time the same seed makes another run each time
      → leave --time real out, and vm.time = "real" of the settings
    exit code 2
    "#);
    insta::assert_snapshot!(sandbox.run(["hunt", "diag", "--seeds", "9..1"]).all(), @r#"
    error: bad seeds "9..1": the first is greater than the last
      → give one, as in --seed 4, or the first and the last of several: --seeds 1..50
    exit code 2
    "#);
    let run = sandbox.run(["hunt", "diag", "--budget", "30"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("give a number above 0 with a unit: 90s, 30m or 2h"), "{}", run.stderr);
}

#[test]
fn repeating_one_seed_until_it_fails_is_refused() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(["test", "diag", "--uml", "--until-fail"]);
    assert_eq!(run.code, 2, "{}", run.all());
    assert!(
        run.stderr.contains("the same seed makes the same run") && run.stderr.contains("vmptcp hunt"),
        "{}",
        run.stderr
    );
}
