//! `--dry-run` and `--list`: what would be done, and nothing is.

use super::sandbox::{Sandbox, TESTS, fake_tree, fingerprint};

#[test]
fn the_list_has_every_test_and_says_which_are_in_the_profile() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run(["test", "--list"]).all(), @"
    mptcp_connect
    pm_netlink  (in the profile)
    diag  (in the profile)
    mptcp_sockopt  (in the profile)
    userspace_pm  (in the profile)
    exit code 0
    ");
    insta::assert_snapshot!(sandbox.run(["test", "--list", "sockopt", "diag/*x*"]).all(), @"
    diag  (in the profile)
    mptcp_sockopt  (in the profile)
    exit code 0
    ");
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.run(["test", "--list", "--json"]).stdout).unwrap();
    assert_eq!(json["tests"], serde_json::json!(TESTS));
}

#[test]
fn a_dry_run_prints_every_command_and_touches_nothing() {
    let sandbox = Sandbox::new();
    let before = fingerprint(&sandbox.tree());
    let run = sandbox.run(["run", "--dry-run", "-j", "3", "--ccache", "never", "--cpus", "2"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(fingerprint(&sandbox.tree()) == before);
    let plan = run.stdout.replace(env!("CARGO_BIN_EXE_vmptcp"), "[vmptcp]");
    insta::assert_snapshot!(plan, @"
    1. configure
       # skipped if the 8 fragments and symbols, and the tree's Kconfig files, did not change
       make -C [dir]/tree O=[dir]/tree/.vmptcp/build/normal KCONFIG_CONFIG=.vmptcp-new.config allnoconfig KCONFIG_ALLCONFIG=.vmptcp-merged.config
    2. build
       # skipped if no file of the tree changed
       LC_ALL=C LC_MESSAGES=C make -C [dir]/tree O=[dir]/tree/.vmptcp/build/normal -j3 --no-print-directory --output-sync=target all headers
       LC_ALL=C LC_MESSAGES=C make -C [dir]/tree/tools/testing/selftests O=[dir]/tree/.vmptcp/build/normal -j3 --no-print-directory --output-sync=target TARGETS=net/mptcp FORCE_TARGETS=1 KSFT_INSTALL_PATH=[dir]/tree/.vmptcp/build/normal/kselftest_install install
       LC_ALL=C LC_MESSAGES=C make -C [dir]/tree O=[dir]/tree/.vmptcp/build/normal -j3 --no-print-directory --output-sync=target --silent image_name
    3. test
       # --disable-kvm goes if KVM runs the kernel that was built: that is tried first
       # --force-9p and its rootflags go if guests can have virtiofs
       # in a mount namespace that hides udev and systemd-tmpfiles, if there are such
       # as many guests as the host carries:
       cd / && PATH=[dir]/bin:[dir]/bin:/usr/bin:/bin TMPDIR=RUN/tmp [dir]/bin/vng --run [dir]/tree/.vmptcp/build/normal --verbose --cpus 2 --memory 1024M --name vmptcp --disable-kvm --force-9p --append rootflags=version=9p2000.L,trans=virtio,access=any,msize=524288,cache=loose --append no_timer_check --append watchdog_thresh=60 --append rcupdate.rcu_cpu_stall_timeout=120 --append norandmaps '--qemu-opts=-chardev socket,id=vmptcp.agent,path=SOCKET,abstract=on -chardev socket,id=vmptcp.monitor,path=SOCKET-monitor,abstract=on -mon chardev=vmptcp.monitor,mode=control -chardev socket,id=vmptcp.relay,path=SOCKET-relay,abstract=on -mon chardev=vmptcp.relay,mode=control -device virtio-serial-pci -device virtserialport,name=vmptcp.agent,chardev=vmptcp.agent' --exec 'exec [vmptcp] agent'
       # in the guest, in net/mptcp of the installed selftests, each with a time limit:
       ./pm_netlink.sh
       ./diag.sh
       ./mptcp_sockopt.sh
       ./userspace_pm.sh
    4. samples
       cd / && PATH=[dir]/bin:[dir]/bin:/usr/bin:/bin TMPDIR=RUN/tmp [dir]/bin/vng --run [dir]/tree/.vmptcp/build/normal --verbose --cpus 2 --memory 1024M --name vmptcp --disable-kvm --force-9p --append rootflags=version=9p2000.L,trans=virtio,access=any,msize=524288,cache=loose --append no_timer_check --append watchdog_thresh=60 --append rcupdate.rcu_cpu_stall_timeout=120 --append norandmaps '--qemu-opts=-chardev socket,id=vmptcp.agent,path=SOCKET,abstract=on -chardev socket,id=vmptcp.monitor,path=SOCKET-monitor,abstract=on -mon chardev=vmptcp.monitor,mode=control -chardev socket,id=vmptcp.relay,path=SOCKET-relay,abstract=on -mon chardev=vmptcp.relay,mode=control -device virtio-serial-pci -device virtserialport,name=vmptcp.agent,chardev=vmptcp.agent' --exec 'exec [vmptcp] agent'
       # c-echo: [dir]/tree/.vmptcp/samples/c-echo, in pair
       # c-echo-v6: [dir]/tree/.vmptcp/samples/c-echo, in pair
       # python-echo: [dir]/tree/.vmptcp/samples/python-echo, in pair
       # mptcpize-echo: [dir]/tree/.vmptcp/samples/mptcpize-echo, in pair
       # kernel-path-manager: [dir]/tree/.vmptcp/samples/kernel-path-manager, in pair
       # userspace-path-manager: [dir]/tree/.vmptcp/samples/userspace-path-manager, in pair
       # schedulers: [dir]/tree/.vmptcp/samples/schedulers, in pair
       # bpf-mptcpify: [dir]/tree/.vmptcp/samples/bpf-mptcpify, in pair
    5. modules
       cd / && PATH=[dir]/bin:[dir]/bin:/usr/bin:/bin TMPDIR=RUN/tmp [dir]/bin/vng --run [dir]/tree/.vmptcp/build/normal --verbose --cpus 2 --memory 1024M --name vmptcp --disable-kvm --force-9p --append rootflags=version=9p2000.L,trans=virtio,access=any,msize=524288,cache=loose --append no_timer_check --append watchdog_thresh=60 --append rcupdate.rcu_cpu_stall_timeout=120 --append norandmaps '--qemu-opts=-chardev socket,id=vmptcp.agent,path=SOCKET,abstract=on -chardev socket,id=vmptcp.monitor,path=SOCKET-monitor,abstract=on -mon chardev=vmptcp.monitor,mode=control -chardev socket,id=vmptcp.relay,path=SOCKET-relay,abstract=on -mon chardev=vmptcp.relay,mode=control -device virtio-serial-pci -device virtserialport,name=vmptcp.agent,chardev=vmptcp.agent' --exec 'exec [vmptcp] agent'
       # kernel-echo: [dir]/tree/.vmptcp/samples/kernel-echo
       # kernel-echo-tcp: [dir]/tree/.vmptcp/samples/kernel-echo
    ");
}

#[test]
fn a_dry_run_follows_the_flags() {
    let sandbox = Sandbox::new();
    let plan = |args: &[&str]| sandbox.run([&["run", "--dry-run"], args].concat()).stdout;
    assert!(plan(&["--base", "defconfig"]).contains(" defconfig\n"));
    assert!(plan(&["--clang"]).contains("LLVM=1"));
    assert!(plan(&["--repeat", "3"]).contains("./diag.sh   # 3 times"));
    assert!(plan(&["--accelerator", "kvm"]).lines().all(|line| !line.contains("--disable-kvm")));
    assert!(plan(&["--memory", "3G"]).contains("--memory 3072M"));
    assert!(plan(&["--variant", "debug"]).contains(".vmptcp/build/debug"));
}

#[test]
fn a_dry_run_without_a_tree_says_where_one_would_come_from() {
    let sandbox = Sandbox::empty();
    insta::assert_snapshot!(sandbox.run(["run", "--dry-run"]).all(), @"
    1. source
       # [dir]/tree has no kernel tree: the first of these that works
       git clone --depth 1 --single-branch --branch export https://github.com/multipath-tcp/mptcp_net-next.git
       # the newest source package of the distribution
    The other steps depend on that tree: vmptcp source, then this command again
    exit code 0
    ");
    assert!(!sandbox.path("home/.cache").exists());
}

#[test]
fn paths_with_spaces_and_umlauts_are_quoted() {
    let sandbox = Sandbox::new();
    let tree = sandbox.tree().join("Käse und 'Brot'");
    fake_tree(&tree);
    let run = sandbox.run(["run", "--dry-run", "--tree", tree.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{}", run.all());
    let words = run.stdout.lines().find(|line| line.contains("make -C ")).and_then(shlex::split).unwrap();
    assert!(words.iter().any(|word| word.ends_with("/Käse und 'Brot'")), "{words:?}");
}

#[test]
fn several_variants_are_planned_one_by_one_and_run_as_one() {
    let sandbox = Sandbox::new();
    let plan = sandbox.run(["run", "--dry-run", "--variant", "normal,debug", "--only", "selftests"]).stdout;
    let heads: Vec<&str> =
        plan.lines().filter(|line| line.ends_with(':') && !line.starts_with(' ')).collect();
    assert_eq!(heads, ["normal:", "debug:"]);
    assert!(
        plan.contains("O=[dir]/tree/.vmptcp/build/normal ")
            && plan.contains("O=[dir]/tree/.vmptcp/build/debug ")
    );
    let all = sandbox.run(["run", "--dry-run", "--variant", "all"]).stdout;
    assert!(all.contains("\ndebug-btf:\n"), "{all}");
    let wrong = |args: &[&str]| sandbox.run(args).all();
    insta::assert_snapshot!([
        wrong(&["test", "--variant", "normal,fast"]),
        wrong(&["test", "--variant", "normal,normal"]),
        wrong(&["test", "--variant", "normal,debug", "--shard", "1/2"]),
        wrong(&["build", "--variant", "normal,debug"]),
    ].join("\n"), @r#"
    error: --variant normal,fast: kernel.variant = "fast": expected normal, debug, btf or debug-btf
      → correct or remove it, and run the same command again
    exit code 2
    error: the variant normal is named twice
      → name it once
    exit code 2
    error: --also and --shard are for one kernel
      → give one --variant; a CI gives each variant jobs of its own
    exit code 2
    error: --variant normal,debug: kernel.variant = "normal,debug": expected normal, debug, btf or debug-btf
      → correct or remove it, and run the same command again
    exit code 2
    "#);
}

#[test]
fn several_variants_are_not_repeated_for_ever_in_virtual_time() {
    let sandbox = Sandbox::new();
    for command in ["test", "run"] {
        let run = sandbox.run([command, "--uml", "--variant", "normal,debug", "--until-fail"]);
        assert_eq!(run.code, 2, "{}", run.all());
        assert!(run.stderr.contains("--until-fail would go on for ever"), "{}", run.all());
    }
}

#[test]
fn whole_suites_are_chosen_and_what_a_tree_lacks_is_left_out() {
    let sandbox = Sandbox::new();
    let list = |suites: &str| sandbox.run(["test", "--list", "--suite", suites]).all();
    insta::assert_snapshot!([list("all"), list("selftests"), list("kunit"), list("samples"), list("none")].join("\n"), @"
    mptcp_connect
    pm_netlink  (in the profile)
    diag  (in the profile)
    mptcp_sockopt  (in the profile)
    userspace_pm  (in the profile)
    note: cannot read [dir]/tree/net/mptcp/Makefile: No such file or directory (os error 2): left out
    note: packetdrill: not configured: packetdrill.source is empty: left out
    exit code 0
    mptcp_connect
    pm_netlink  (in the profile)
    diag  (in the profile)
    mptcp_sockopt  (in the profile)
    userspace_pm  (in the profile)
    exit code 0
    error: cannot read [dir]/tree/net/mptcp/Makefile: No such file or directory (os error 2)
    exit code 5
    error: --suite samples: no suite of this name has tests in a tree
      → use all, or one of selftests, kunit, packetdrill
    exit code 2
    error: --suite none: no suite of this name has tests in a tree
      → use all, or one of selftests, kunit, packetdrill
    exit code 2
    ");
}

#[test]
fn a_variant_that_cannot_be_configured_does_not_hide_the_others() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(["test", "--variant", "normal,debug", "diag"]);
    assert_eq!(run.code, 4, "{}", run.all());
    let steps: Vec<String> =
        run.stderr.lines().map(|line| line.split(" in 0.").next().unwrap().to_owned()).collect();
    insta::assert_snapshot!(steps.join("\n"), @"
    configure normal done
    build normal failed
    configure debug done
    build debug failed
    warning: debug: the kernel does not build:
      net/mptcp/protocol.c:7:2: error: expected ';' before '}' token
      the whole log: less [dir]/tree/.vmptcp/build/debug/build.log
    error: normal: the kernel does not build:
    net/mptcp/protocol.c:7:2: error: expected ';' before '}' token
      → the whole log: less [dir]/tree/.vmptcp/build/normal/build.log
    ");
}

#[test]
fn shards_divide_the_tests_and_say_what_is_wrong() {
    let sandbox = Sandbox::new();
    let list = |words: &[&str]| sandbox.run([&["test", "--list", "--shard"], words].concat());
    let all: Vec<String> = (1..=2).map(|number| list(&[&format!("{number}/2")]).stdout).collect();
    let mut lines: Vec<&str> = all.iter().flat_map(|text| text.lines()).collect();
    lines.sort_unstable();
    lines.dedup();
    let whole = sandbox.run(["test", "--list"]).stdout;
    let mut profile: Vec<&str> = whole.lines().filter(|line| line.contains("in the profile")).collect();
    profile.sort_unstable();
    assert_eq!(lines, profile);
    insta::assert_snapshot!([list(&["3/2"]), list(&["1/900"])].map(|run| run.all()).join("\n"), @r#"
    error: invalid value '3/2' for '--shard <K/N>': give the shard and how many there are, as in 2/4, at most 1000

    For more information, try '--help'.
    exit code 2
    error: 900 shards are too many: there are 4 tests and groups to divide
      → ask for at most 4: --shard 1/4
    exit code 2
    "#);
    sandbox.write("times.json", "no");
    insta::assert_snapshot!(list(&["1/2", "--shard-times", "../times.json"]).all(), @r#"
    error: [dir]/tree/../times.json does not hold the times of tests
      → give a copy of durations.json of a work directory: .vmptcp/durations.json
    exit code 2
    "#);
    insta::assert_snapshot!(sandbox.run(["merge", "nothing"]).all(), @r#"
    error: there is no run in [dir]/tree/.vmptcp/runs yet
      → make one: vmptcp run
    exit code 2
    "#);
}

#[test]
fn a_ci_run_chooses_like_a_test_run_and_refuses_what_fits_no_budget() {
    let sandbox = Sandbox::new();
    let of_test = sandbox.run(["test", "diag", "--list"]);
    let of_ci = sandbox.run(["ci", "run", "diag", "--list"]);
    assert_eq!((of_ci.code, of_ci.stdout), (0, of_test.stdout));
    insta::assert_snapshot!(sandbox.run(["ci", "run", "diag", "--budget", "1s"]).all(), @r#"
    error: no test fits into 1.0 s
      → give more time, or name shorter tests
    exit code 2
    "#);
}
