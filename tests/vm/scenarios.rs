//! Samples and kernel modules, run in real guests.

use crate::lab::lab;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// What a command printed as JSON: exit code, and name, outcome and reason of each test, with the protocol that its connections used.
pub fn results_of(args: &[&str]) -> (i32, Vec<(String, String, String)>, Value) {
    let ran = lab().run(&[args, &["--json"]].concat());
    let results: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}\n{}", ran.stdout, ran.stderr));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tests = results["tests"].as_array().expect("tests");
    let told = tests
        .iter()
        .map(|test| (text(&test["name"]), text(&test["outcome"]), text(&test["reason"])))
        .collect();
    (ran.code, told, results)
}

fn stranger(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/strangers").join(name).display().to_string()
}

/// A directory with these files.
fn dir(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path: PathBuf = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    dir
}

#[test]
#[ignore = "boots a kernel"]
fn a_strangers_pair_runs_as_it_is() {
    let (code, tests, results) = results_of(&["sample", &stranger("pair")]);
    assert!(code == 0 && tests[0].1 == "pass", "{tests:#?}");
    assert_eq!(results["tests"][0]["wire"]["mptcp"], 1);
    let notes = results["notes"].to_string();
    assert!(notes.contains("192.168.56.101 is in the program: it is the server's address"), "{notes}");
    assert!(
        !Path::new(&stranger("pair")).join("my_mptcp_client").exists(),
        "it was built in its own directory"
    );
}

#[test]
#[ignore = "boots a kernel"]
fn a_strangers_modules_are_plain_tcp_whatever_their_exit_does() {
    let (code, tests, results) = results_of(&["module", &stranger("sockets"), "--time", "3"]);
    // The client stops a thread that is gone, which is a mistake. Whether the kernel notices is its affair, and what it
    // notices is the verdict.
    let splats = results["splats"].as_array().expect("splats").len();
    let (_, outcome, reason) = &tests[0];
    match outcome.as_str() {
        "pass" => assert_eq!((code, splats), (0, 0), "{tests:#?}"),
        "fail" => assert!(code == 3 && splats > 0 && reason.contains("kernel splat"), "{tests:#?}"),
        _ => assert!(code == 3 && outcome == "crash" && splats > 0, "{tests:#?}"),
    }
    // Its connection was counted unless the guest was gone before anyone could ask.
    let wire = &results["tests"][0]["wire"];
    assert_eq!(wire.is_null(), outcome == "crash", "{tests:#?}");
    if outcome != "crash" {
        assert_eq!((&wire["mptcp"], &wire["tcp"]), (&0.into(), &1.into()), "{wire}");
    }
    let log = lab().latest().join(results["tests"][0]["output"].as_str().expect("a log"));
    let log = fs::read_to_string(log).expect("the log");
    assert!(log.contains("ksock_server: received") && log.contains("ksock_client: done"), "{log}");
    assert_eq!(lab().run(&["exec", "--", "true"]).code, 0, "the next guest is well");
}

/// Accepts one client, and ends.
const SERVER: &str =
    "import socket\ns = socket.create_server(('0.0.0.0', 80))\nc, _ = s.accept()\nprint(c.recv(9))\n";

/// Says something to a server, and ends.
const CLIENT: &str =
    "import os, socket\nsocket.create_connection((os.environ['VMPTCP_SERVER'], 80)).sendall(b'hi')\n";

/// Name, files, outcome, and what its reason says.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str, &'static str);

#[test]
#[ignore = "boots a kernel"]
fn what_is_wrong_with_a_program_is_told_and_the_rest_goes_on() {
    let cases: [Case; 6] = [
        ("broken-make", &[("Makefile", "all:\n\tfalse no luck\n")], "error", "it does not build"),
        (
            "no-compile",
            &[("server.c", "int main() { retrun 0; }\n"), ("client.c", "int main(void) { return 0; }\n")],
            "error",
            "error: ",
        ),
        ("no-server", &[("client.py", CLIENT)], "error", "no program is called *server*"),
        (
            "busy-port",
            &[
                (
                    "server.py",
                    "import socket\nheld = socket.socket()\nheld.bind(('', 80))\nsocket.create_server(('', 80))\n",
                ),
                ("client.py", CLIENT),
            ],
            "fail",
            "the server ended before it listened",
        ),
        ("plain", &[("server.py", SERVER), ("client.py", CLIENT)], "pass", ""),
        (
            "not-there",
            &[("server.sh", "exec no-such-command\n"), ("client.py", CLIENT)],
            "fail",
            "no-such-command",
        ),
    ];
    let root = tempfile::tempdir().expect("a directory");
    let mut args = vec!["sample".to_owned()];
    for (name, files, ..) in &cases {
        let made = dir(files);
        let place = root.path().join(name);
        fs::rename(made.keep(), &place).expect("a place");
        args.push(place.display().to_string());
    }
    let (code, tests, _) = results_of(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(code, 1, "{tests:#?}");
    for ((name, _, outcome, reason), (test, was, why)) in cases.iter().zip(&tests) {
        assert_eq!(test, name);
        assert!(was == outcome && why.contains(reason), "{name}: {was}: {why}");
    }
}

/// A server by this protocol, and what it does once it listens.
fn server(protocol: u32, then: &str) -> String {
    format!(
        "import socket, time\ns = socket.socket(socket.AF_INET, socket.SOCK_STREAM, {protocol})\n\
         s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\ns.bind(('0.0.0.0', 80))\ns.listen(5)\n{then}\n"
    )
}

/// A client by this protocol, of this host, that stays long enough to be seen.
fn client(protocol: u32, host: &str) -> String {
    format!(
        "import os, socket, time\nc = socket.socket(socket.AF_INET, socket.SOCK_STREAM, {protocol})\n\
         c.connect(({host}, 80))\nc.sendall(b'hello')\ntime.sleep(3)\n"
    )
}

/// Runs directories with a server and a client each.
fn pairs(cases: &[(&str, String, String)], more: &[&str]) -> (i32, Vec<(String, String, String)>, Value) {
    let root = tempfile::tempdir().expect("a directory");
    let mut args = vec!["sample".to_owned()];
    for (name, server, client) in cases {
        let place = root.path().join(name);
        fs::create_dir(&place).expect("a directory");
        fs::write(place.join("server.py"), server).expect("a file");
        fs::write(place.join("client.py"), client).expect("a file");
        args.push(place.display().to_string());
    }
    let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
    results_of(&args)
}

const ACCEPT: &str = "c, _ = s.accept()\nprint(c.recv(9))\ntime.sleep(1)";
const PEER: &str = "os.environ['VMPTCP_SERVER']";

#[test]
#[ignore = "boots a kernel"]
fn what_programs_ask_for_is_seen_and_not_read() {
    let (_, tests, results) = pairs(
        &[
            ("unaccepted", server(262, "time.sleep(1000)"), client(262, PEER)),
            ("mixed", server(262, ACCEPT), client(0, PEER)),
            ("fell-back", server(0, ACCEPT), client(0x106, PEER)),
            ("plain", server(0, ACCEPT), client(0, PEER)),
            (
                "silent",
                server(262, "c, _ = s.accept()\ntime.sleep(1000)"),
                client(262, PEER) + "time.sleep(1000)\n",
            ),
            ("local", server(262, ACCEPT), client(262, "'localhost'")),
            ("lookup", server(262, ACCEPT), client(262, "'server.example'")),
        ],
        &[],
    );
    let told: Vec<(&str, &str)> =
        tests.iter().map(|(name, outcome, _)| (name.as_str(), outcome.as_str())).collect();
    assert_eq!(
        told,
        [
            ("unaccepted", "pass"),
            ("mixed", "fail"),
            ("fell-back", "fail"),
            ("plain", "pass"),
            ("silent", "pass"),
            ("local", "pass"),
            ("lookup", "fail")
        ],
        "{tests:#?}"
    );
    let wire = &results["tests"][0]["wire"];
    assert_eq!(
        (&wire["mptcp"], &wire["tcp"], &wire["unaccepted"]),
        (&1.into(), &0.into(), &1.into()),
        "{wire}"
    );
    assert_eq!(tests[1].2, "expected mptcp, but the client asked for TCP, and the server listens for MPTCP");
    assert!(tests[2].2.ends_with("the server listens for TCP"), "{tests:#?}");
    assert!(tests[6].2.contains("a guest resolves no names"), "{tests:#?}");
}

#[test]
#[ignore = "boots a kernel"]
fn a_connection_that_nobody_accepts_is_not_tcp() {
    let case = [("unaccepted", server(262, "time.sleep(1000)"), client(262, PEER))];
    let (code, tests, _) = pairs(&case, &["--expect", "tcp"]);
    assert_eq!(code, 1);
    assert_eq!(tests[0].2, "expected tcp, but there was 1 connection by MPTCP");
    let (_, tests, _) = pairs(&case, &["--expect", "none"]);
    assert_eq!(tests[0].2, "expected none, but there was 1 connection");
}

#[test]
#[ignore = "boots a kernel"]
fn a_build_writes_into_its_copy_and_its_home_alone() {
    let outside = tempfile::tempdir().expect("a directory");
    let target = outside.path().display();
    let sample = dir(&[
        (
            "mine/Makefile",
            &format!(
                "all:\n\techo here > $(HOME)/made\n\tmktemp\n\ttouch own\n\t-touch {target}/evil ../../evil\n\
                 \t-mount -o remount,bind,rw {target}\n\t-touch {target}/evil\n"
            ),
        ),
        ("mine/demo.py", "import os\nprint(open(os.environ['HOME'] + '/made').read())\n"),
        ("mine/vmptcp.toml", "[[sample]]\nname = 'mine'\npath = '.'\nexpect = ['none']\noutput = 'here'\n"),
    ]);
    let (code, tests, results) = results_of(&["sample", &sample.path().join("mine").display().to_string()]);
    assert!(code == 0 && tests[0].1 == "pass", "{tests:#?}");
    let confined = !results["warnings"].to_string().contains("no mount namespace");
    assert_eq!(outside.path().join("evil").exists(), !confined, "{results}");
}

#[test]
#[ignore = "boots a kernel"]
fn what_is_a_module_says_kbuild() {
    let module = |name: &str, init: &str| {
        format!(
            "#include <linux/module.h>\nextern int helper(void);\nint helper(void);\nstatic int __init my_init(void)\n{{\n{init}\n}}\n\
             static void __exit my_exit(void)\n{{\n}}\nmodule_init(my_init);\nmodule_exit(my_exit);\nMODULE_LICENSE(\"GPL\");\n// {name}\n"
        )
    };
    let plain = module("plain", "return 0;");
    let uses = module("uses", "return helper();");
    let gives = module("gives", "return 0;") + "int helper(void) { return 0; }\nEXPORT_SYMBOL(helper);\n";
    let above = "#include \"../above.h\"\n".to_owned() + &module("above", "return ABOVE;");
    let root = dir(&[
        ("variable/Makefile", "name := hello\nobj-m += $(name).o\n"),
        ("variable/hello.c", &plain),
        ("below/Makefile", "obj-m += a_client.o lib/\nall:\n\tfalse\n"),
        ("below/a_client.c", &uses),
        ("below/lib/Makefile", "obj-m := zlib_helper.o\n"),
        ("below/lib/zlib_helper.c", &gives),
        ("above/mod/Makefile", "obj-m := needs_above.o\n"),
        ("above/mod/needs_above.c", &above),
        ("above/above.h", "#define ABOVE 0\n"),
        ("without/Makefile", "obj-$(CONFIG_NO_SUCH_SYMBOL) += x.o\n"),
        ("without/x.c", &plain),
        ("inner/Makefile", "all:\n\t$(MAKE) -C /lib/modules/x/build M=$(PWD)/src modules\n"),
        ("inner/src/Kbuild", "obj-m := x.o\n"),
        ("inner/src/x.c", &plain),
    ]);
    let path = |name: &str| root.path().join(name).display().to_string();
    let names = ["variable", "below", "above/mod", "without", "inner"].map(path);
    let (_, tests, _) =
        results_of(&[&["module", "--time", "1"][..], &names.each_ref().map(String::as_str)].concat());
    let outcomes: Vec<&str> = tests.iter().map(|(_, outcome, _)| outcome.as_str()).collect();
    assert_eq!(outcomes, ["pass", "pass", "pass", "error", "error"], "{tests:#?}");
    assert!(tests[4].2.contains("but in src: name that directory"), "{tests:#?}");
    let (_, tests, _) = results_of(&[&["sample"][..], &names.each_ref().map(String::as_str)].concat());
    for (name, outcome, why) in &tests {
        assert!(outcome == "error" && why.contains("vmptcp module is for those"), "{name}: {outcome}: {why}");
    }
}

#[test]
#[ignore = "boots a kernel"]
fn what_is_wrong_with_a_module_is_told_and_the_next_gets_a_guest() {
    let module = |init: &str, exit: &str| {
        format!(
            "#include <linux/module.h>\nstatic int __init my_init(void)\n{{\n{init}\nreturn 0;\n}}\n\
             static void __exit my_exit(void)\n{{\n{exit}\n}}\nmodule_init(my_init);\nmodule_exit(my_exit);\nMODULE_LICENSE(\"GPL\");\n"
        )
    };
    let cases = [
        ("bad-load", module("*(volatile int *)8 = 1;", ""), "NULL pointer"),
        ("bad-unload", module("", "*(volatile int *)8 = 1;"), "NULL pointer"),
        ("bad-leak", module("__module_get(THIS_MODULE);", ""), "cannot be unloaded"),
        ("bad-c", "nonsense\n".to_owned(), "it does not build"),
        ("good", module("pr_info(\"hello\\n\");", ""), ""),
    ];
    let root = tempfile::tempdir().expect("a directory");
    let mut args = vec!["module".to_owned(), "--time".to_owned(), "1".to_owned()];
    for (name, source, _) in &cases {
        let place = root.path().join(name);
        fs::create_dir(&place).expect("a directory");
        let object = name.replace('-', "_");
        fs::write(place.join("Makefile"), format!("obj-m := {object}.o\n")).expect("a file");
        fs::write(place.join(format!("{object}.c")), source).expect("a file");
        args.push(place.display().to_string());
    }
    let (code, tests, _) = results_of(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(code, 3, "{tests:#?}");
    for ((name, _, reason), (test, outcome, why)) in cases.iter().zip(&tests) {
        assert_eq!(test, name);
        assert_eq!(outcome == "pass", reason.is_empty(), "{name}: {outcome}: {why}");
        assert!(why.contains(reason), "{name}: {outcome}: {why}");
    }
}

#[test]
#[ignore = "boots two kernels"]
fn two_guests_speak_mptcp_with_each_other() {
    let (code, tests, results) = results_of(&["sample", "c-echo", "--guests"]);
    assert!(code == 0 && tests[0].1 == "pass", "{tests:#?}");
    assert_eq!(results["vms"].as_array().map(Vec::len), Some(2));
    assert_eq!(results["tests"][0]["wire"]["joins"], 1);
}
