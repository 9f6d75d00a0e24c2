//! Samples, kernel modules and networks, as far as no kernel is needed.

use super::sandbox::Sandbox;
use std::path::Path;
use vmptcp::process::{Cmd, Confinement};

fn with_settings(text: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("tree/vmptcp.toml", text);
    sandbox
}

#[test]
fn networks_are_listed_and_drawn() {
    let sandbox = Sandbox::empty();
    insta::assert_snapshot!(sandbox.run(["topology"]).all(), @"
    lan          client, server       two hosts with two interfaces each, all in one network
    pair         client, server       a client and a server, over two links
    exit code 0
    ");
    insta::assert_snapshot!(sandbox.run(["topology", "pair"]).all(), @"
    pair: a client and a server, over two links

      link 1 (10mbit, delay 5ms)
      ├── client eth0    10.0.1.1/24  fd00:1::1/64
      └── server eth0    10.0.1.2/24  fd00:1::2/64

      link 2 (10mbit, delay 5ms)
      ├── client eth1    10.0.2.1/24  fd00:2::1/64
      └── server eth1    10.0.2.2/24  fd00:2::2/64

      client   up to 2 more subflows; accepts 2 addresses; endpoint 10.0.2.1 (subflow); endpoint fd00:2::1 (subflow)
      server   up to 2 more subflows; accepts 2 addresses
    exit code 0
    ");
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.run(["topology", "lan", "--json"]).stdout).unwrap();
    assert_eq!(json["link"][0]["ends"][3]["address"][0], "192.168.3.21/24");
    let commands = sandbox.run(["topology", "lan", "--commands"]).stdout;
    assert!(
        commands.contains("ip -n vmptcp-switch -batch - << 'EOF'\nlink set port0-0 master br0 up\n"),
        "{commands}"
    );
    insta::assert_snapshot!(sandbox.run(["topology", "pear"]).all(), @"
    error: there is no topology pear
      → did you mean pair? Else add a section [topology.pear] to vmptcp.toml
    exit code 2
    ");
}

#[test]
fn a_network_of_the_settings_is_one_like_any_other() {
    let sandbox = with_settings(
        "[topology.mine]\nhost.server.scheduler = 'bpf_rr'\nhost.client.sysctl = { 'net.ipv4.tcp_syncookies' = '2' }\n\
         [[topology.mine.link]]\nends = [{ host = 'client', address = ['10.9.0.1/24'] }, \
         { host = 'server', address = ['10.9.0.2/24'] }]\nloss = 2.5\nmtu = 1400\n",
    );
    insta::assert_snapshot!(sandbox.run(["topology", "mine"]).all(), @"
    mine

      link 1 (loss 2.5%, mtu 1400)
      ├── client eth0    10.9.0.1/24
      └── server eth0    10.9.0.2/24

      client   net.ipv4.tcp_syncookies=2
      server   scheduler bpf_rr
    exit code 0
    ");
}

#[test]
fn what_is_wrong_with_a_network_is_told_with_its_line() {
    let link = |ends: &str| {
        format!("[topology.t]\nhost.client = {{}}\nhost.server = {{}}\n[[topology.t.link]]\n{ends}\n")
    };
    let ends = |a: &str, b: &str| {
        format!("ends = [{{ host = 'client', address = ['{a}'] }}, {{ host = 'server', address = ['{b}'] }}]")
    };
    let all = [
        link(&ends("10.0.0.1/24", "10.0.0.1/24")),
        link(&ends("10.0.0.1", "10.0.0.2/24")),
        link(&(ends("10.0.0.1/24", "10.0.0.2/24") + "\nspeed = '1mbit'")),
        link(&(ends("10.0.0.1/24", "10.0.0.2/24") + "\nrate = 'fast'")),
        "[topology.t]\nhost.client.pathmanager = 'kernel'\nlink = []\n".to_owned(),
        "[topology.t]\n".to_owned(),
        "topology = 3\n".to_owned(),
    ];
    let told: Vec<String> = all.iter().map(|text| with_settings(text).run(["topology"]).all()).collect();
    insta::assert_snapshot!(told.join("\n\n"), @r#"
    error: [dir]/tree/vmptcp.toml:1:11: topology.t: 10.0.0.1 is given twice: to client and to server
      → correct or remove it, and run the same command again
    exit code 2

    error: [dir]/tree/vmptcp.toml:5:38: topology.t: "10.0.0.1" is no address with a prefix, such as 10.0.1.2/24 or fd00:1::2/64
      → correct or remove it, and run the same command again
    exit code 2

    error: [dir]/tree/vmptcp.toml:6:1: topology.t: unknown field `speed`, expected one of `ends`, `rate`, `delay`, `loss`, `mtu`
      → correct or remove it, and run the same command again
    exit code 2

    error: [dir]/tree/vmptcp.toml:1:11: topology.t: link 1: rate = "fast": expected a number and one of kbit, mbit, gbit
      → correct or remove it, and run the same command again
    exit code 2

    error: [dir]/tree/vmptcp.toml:2:13: topology.t: unknown field `pathmanager`, expected one of `endpoint`, `subflows`, `add-addr-accepted`, `path-manager`, `scheduler`, `sysctl`
      → correct or remove it, and run the same command again
    exit code 2

    error: [dir]/tree/vmptcp.toml:1:1: topology.t: missing field `host`
      → correct or remove it, and run the same command again
    exit code 2

    error: [dir]/tree/vmptcp.toml:1:1: topology is a section: expected a line [topology] with its keys below
      → correct or remove it, and run the same command again
    exit code 2
    "#);
}

#[test]
fn samples_are_listed_and_those_that_do_not_exist_are_not_run() {
    let sandbox = Sandbox::new();
    let list = sandbox.run(["sample", "--list"]);
    assert_eq!(list.code, 0, "{}", list.all());
    for name in ["c-echo ", "python-echo ", "mptcpize-echo ", "schedulers ", "bpf-mptcpify "] {
        assert!(
            list.stdout.lines().any(|line| line.starts_with(name)),
            "{name} is missing:\n{}",
            list.stdout
        );
    }
    insta::assert_snapshot!(sandbox.run(["sample", "no-such"]).all(), @"
    error: no-such is neither the name of a sample nor a path
      → give the path of its directory, or one of c-echo, c-echo-v6, python-echo, mptcpize-echo, kernel-path-manager, userspace-path-manager, schedulers, bpf-mptcpify
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["sample", "c-echo", "--topology", "star"]).all(), @"
    error: there is no topology star
      → use one of lan, pair, or add a section [topology.star] to vmptcp.toml
    exit code 2
    ");
    insta::assert_snapshot!(sandbox.run(["sample", "c-echo", "--expect", "mptcp,fast"]).all(), @r#"
    error: invalid value 'fast' for '--expect <LIST>': "fast" is no expectation: mptcp, tcp, none, subflows>=N or subflows=N

    For more information, try '--help'.
    exit code 2
    "#);
    assert!(!sandbox.tree().join(".vmptcp").exists(), "nothing was begun");
}

#[test]
fn a_sample_of_the_settings_is_declared_or_told_wrong() {
    let good = with_settings("[[sample]]\nname = 'mine'\npath = 'my samples/x'\ndescription = 'of my own'\n");
    let list = good.run(["sample", "--list"]).stdout;
    assert!(list.lines().any(|line| line.starts_with("mine ") && line.ends_with("of my own")), "{list}");
    let plan = good.run(["sample", "mine", "--dry-run"]).all();
    assert!(plan.contains("# mine: '[dir]/tree/my samples/x', in pair"), "{plan}");
    let wrong = |text: &str| with_settings(text).run(["sample", "--list"]).all();
    insta::assert_snapshot!(
        [
            wrong("[[sample]]\nname = 'x'\n"),
            wrong("[[sample]]\nname = 'x'\npath = 'x'\nexpects = ['mptcp']\n"),
            wrong("[[sample]]\nname = 'x'\npath = 'x'\nexpect = ['udp']\n"),
            wrong("[[sample]]\nname = '../x'\npath = 'x'\n"),
        ]
        .join("\n\n"),
        @r#"
    error: [dir]/tree/vmptcp.toml:1:1: sample: missing field `path`
      → correct or remove it, and run the same command again
    exit code 2

    error: [dir]/tree/vmptcp.toml:4:1: sample: unknown field `expects`, expected one of `name`, `description`, `path`, `build`, `server`, `client`, `topology`, `seconds`, `expect`, `exit`, `output`, `mptcpize`, `needs`, `symbols`
      → correct or remove it, and run the same command again
    exit code 2

    error: [dir]/tree/vmptcp.toml:4:10: sample: "udp" is no expectation: mptcp, tcp, none, subflows>=N or subflows=N
      → correct or remove it, and run the same command again
    exit code 2

    error: the sample "../x" has no usable name
      → a name is of letters, digits, dots, - and _
    exit code 2
    "#);
}

#[test]
fn a_directory_declares_its_own_samples_and_networks_and_nothing_else() {
    let sandbox = Sandbox::new();
    let own = "[[sample]]\nname = 'one'\npath = '.'\ntopology = 'own'\n[[sample]]\nname = 'two'\npath = 'b'\n\
               [topology.own]\nhost.server = {}\nhost.client = {}\n[[topology.own.link]]\nends = [\
               { host = 'client', address = ['10.9.0.1/24'] }, { host = 'server', address = ['10.9.0.2/24'] }]\n";
    sandbox.write("theirs/vmptcp.toml", own);
    let plan = sandbox.run(["sample", "../theirs", "--dry-run"]).all();
    assert!(plan.contains("# one: [dir]/tree/../theirs, in own"), "{plan}");
    assert!(plan.contains("# two: [dir]/tree/../theirs/b, in pair"), "{plan}");
    let wrong = |text: &str| {
        sandbox.write("theirs/vmptcp.toml", text);
        sandbox.run(["sample", "../theirs", "--dry-run"]).all()
    };
    insta::assert_snapshot!(
        [
            wrong("[vm]\ncpus = 4\n[kernel]\ntree = '/x'\n"),
            wrong("[[sample]]\nname = 'x'\n"),
            wrong("[[sample]]\nname = 'x'\npath = '.'\nexpect = ['none', 'tcp']\n"),
            wrong("[[samples]]\nname = 'x'\n"),
        ]
        .join("\n\n"),
        @"
        error: 2 settings are wrong:
          [dir]/tree/../theirs/vmptcp.toml:2: vm.cpus: a sample's own file declares samples and topologies only
          [dir]/tree/../theirs/vmptcp.toml:4: kernel.tree: a sample's own file declares samples and topologies only
          → correct or remove it, and run the same command again
        exit code 2

        error: [dir]/tree/../theirs/vmptcp.toml:1:1: sample: missing field `path`
          → correct or remove it, and run the same command again
        exit code 2

        error: the sample x: none excludes every other expectation
          → expect none alone, or leave it out
        exit code 2

        error: [dir]/tree/../theirs/vmptcp.toml:1:3: unknown setting samples: the nearest is vm.filesystem
          → correct or remove it, and run the same command again
        exit code 2
        ");
}

#[test]
fn modules_that_are_not_there_and_parameters_that_are_none() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(
        [
            sandbox.run(["module", "nowhere"]).all(),
            sandbox.run(["module", "--param", "server_port=5555"]).all(),
            sandbox.run(["mptcp", "--sysctl", "net.ipv4.ip_forward=1"]).all(),
        ]
        .join("\n\n"),
        @"
    error: nowhere does not exist
      → give the directory of the modules, the one with their Makefile
    exit code 2

    error: --param server_port=5555: not of the form MODULE.NAME=VALUE
      → for example: --param kernel-socket-server.server_port=5555
    exit code 2

    error: --sysctl net.ipv4.ip_forward=1: not of the form KEY=VALUE
      → for example: --sysctl checksum_enabled=1
    exit code 2
    ");
    assert!(!sandbox.tree().join(".vmptcp").exists(), "nothing was begun");
}

#[test]
fn suites_are_chosen_by_name() {
    let sandbox = Sandbox::new();
    let steps = |args: &[&str]| {
        let plan = sandbox.run(["run", "--dry-run"].iter().chain(args)).stdout;
        let steps = plan.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
        steps.map(|line| line[3..].to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(steps(&[]), "configure build test samples modules");
    assert_eq!(steps(&["--only", "selftests"]), "configure build test");
    assert_eq!(steps(&["--only", "samples,modules"]), "configure build samples modules");
    assert_eq!(steps(&["--skip", "samples"]), "configure build test modules");
    let wrong = sandbox.run(["run", "--only", "sample"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("selftests, kunit, packetdrill, samples, modules"), "{}", wrong.stderr);
}

#[test]
fn a_confined_command_writes_where_it_may_and_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let (inside, outside) = (dir.path().join("in side"), dir.path().join("outside"));
    std::fs::create_dir(&inside).unwrap();
    std::fs::create_dir(&outside).unwrap();
    let confinement = Confinement::probe(Path::new(env!("CARGO_BIN_EXE_vmptcp")), dir.path()).unwrap();
    if !confinement.holds() {
        // Not every builder grants namespaces. Then a command is left as it is.
        let cmd = Cmd::new("true");
        return assert_eq!(confinement.wrap(&cmd, &[&inside]), cmd);
    }
    let run = |script: &str| {
        let cmd = Cmd::new("sh").args(["-c", script]).cwd(&inside).env("OUTSIDE", &outside);
        confinement.wrap(&cmd, &[&inside]).output().unwrap()
    };
    assert!(
        run("echo 1 > here && mkdir below && echo 2 > below/too && cat /proc/version > /dev/null")
            .status
            .success()
    );
    assert!(inside.join("below/too").exists());
    for script in [
        "echo 1 > \"$OUTSIDE/evil\"",
        "echo 1 > ../outside/evil",
        "mount -o remount,bind,rw / ; mount -o remount,rw / ; echo 1 > \"$OUTSIDE/evil\"",
        "umount / ; umount -l . ; echo 1 > \"$OUTSIDE/evil\"",
        "unshare --user --map-root-user --mount sh -c 'mount -o remount,bind,rw /; echo 1 > \"$OUTSIDE/evil\"'",
        "ln -s \"$OUTSIDE\" link ; echo 1 > link/evil",
        "mv below \"$OUTSIDE/evil\"",
    ] {
        let output = run(script);
        assert!(!output.status.success() && !outside.join("evil").exists(), "{script}: {}", output.stderr);
    }
    let missing = confinement.wrap(&Cmd::new("no-such-program"), &[&inside]).output().unwrap();
    assert!(missing.stderr.contains("no-such-program: it is not installed"), "{}", missing.stderr);
    assert_eq!(run("exit 7").status.code(), Some(7));
}

#[test]
fn a_guest_reaches_nothing_of_the_host_whatever_its_kernel_does() {
    let dir = tempfile::tempdir().unwrap();
    let (inside, outside) = (dir.path().join("in side"), dir.path().join("outside"));
    std::fs::create_dir(&inside).unwrap();
    std::fs::create_dir(&outside).unwrap();
    let Some(namespace) = process::guest_namespace().unwrap() else { return };
    // As long as it lives, it can be signalled.
    let host = Cmd::new("sleep").arg("60").spawn(process::Stdio::Merged).unwrap();
    let confine = namespace
        .arg(env!("CARGO_BIN_EXE_vmptcp"))
        .args(["confine", "--guest", "--repeatable", "--hand-over"])
        .arg(&outside)
        .arg("--write")
        .arg(&inside)
        .arg("--");
    let run = |script: &str| {
        let cmd = Cmd::new("sh").args(["-c", script]).cwd(&inside).env("OUTSIDE", &outside);
        cmd.env("HOST", host.id().to_string()).through(confine.clone()).output().unwrap()
    };
    let alive = run("echo 1 > here && test -d /dev/shm/vmptcp && echo 1 > /dev/shm/own");
    assert!(alive.status.success(), "{}", alive.stderr);
    assert!(!Path::new("/dev/shm/own").exists());
    for script in [
        "echo 1 > \"$OUTSIDE/evil\"",
        "echo 1 > /dev/shm/vmptcp/evil",
        "mount -o remount,bind,rw / && echo 1 > \"$OUTSIDE/evil\"",
        "unshare --user --map-root-user --mount sh -c 'mount -o remount,bind,rw /; echo 1 > \"$OUTSIDE/evil\"'",
        "mknod node b 7 0",
        "kill -KILL \"$HOST\"",
        "kill -0 \"$HOST\"",
        "ip link add evil type dummy",
        "grep -q 'CapBnd:.*[1-9a-f]' /proc/self/status",
    ] {
        let output = run(script);
        assert!(!output.status.success() && !outside.join("evil").exists(), "{script}: {}", output.stderr);
    }
    let random = run("python3 -c 'import os; os.getrandom(8)'");
    assert!(!random.status.success(), "{}", random.stdout);
    let addresses = || run("grep -m1 stack /proc/self/maps").stdout;
    assert_eq!(addresses(), addresses(), "they are not random");
}
