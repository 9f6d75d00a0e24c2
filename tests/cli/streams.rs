//! Terminals, pipes and bytes: whatever comes in, nothing panics, and nothing raw goes out.

use super::sandbox::{Sandbox, fake_tree};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

/// Clears the screen, turns writing around, asks the terminal to answer, and hides text.
const EVIL: &str = "\u{1b}[2J\u{202e}\u{1b}[c\r\u{9b}31m\u{200b}\u{e0041}";

// `Sandbox::finish` looks at every run for hidden characters and panics.

#[test]
fn control_characters_in_arguments_are_shown() {
    let sandbox = Sandbox::new();
    for args in [
        &["test", EVIL][..],
        &["test", "--list", EVIL],
        &["test", "--profile", EVIL],
        &["test", "--env", EVIL],
        &["config", "-e", EVIL],
        &["config", "--set", EVIL],
        &["config", "--fragment", EVIL],
        &["build", "--variant", EVIL],
        &["exec", "--rw", EVIL, "--", "true"],
        &["report", EVIL],
        &["report", &format!("./{EVIL}")],
        &["source", EVIL],
        &["source", "tarball", EVIL],
        &["--tree", EVIL, "run"],
        &["settings", "--memory", EVIL],
    ] {
        let run = sandbox.run(args);
        assert_eq!(run.code, 2, "{args:?}: {}", run.all());
    }
}

#[test]
fn control_characters_in_files_and_variables_are_shown() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/x.config", format!("CONFIG_CMDLINE=\"{EVIL}\"\nCONFIG_FOO_NO_SUCH=\"{EVIL}\"\n"));
    sandbox.run(["config", "--fragment", "x.config"]);
    sandbox.write("tree/y.config", format!("CONFIG_X{EVIL}\n"));
    assert_eq!(sandbox.run(["config", "--fragment", "y.config"]).code, 2);
    let quoted = EVIL.chars().fold(String::new(), |all, char| all + &format!("\\U{:08x}", u32::from(char)));
    sandbox.write(
        "tree/vmptcp.toml",
        format!("[test.env]\nX = \"{quoted}\"\n[source]\nbranch = \"{quoted}\"\n"),
    );
    sandbox.run(["settings"]);
    sandbox.run(["settings", "--json"]);
    sandbox.run(["run", "--dry-run"]);
    sandbox.write("tree/vmptcp.toml", format!("[vm]\ncpus = \"{quoted}\"\n\"{quoted}\" = 1\n"));
    assert_eq!(sandbox.run(["settings"]).code, 2);
    let mut command = sandbox.command(["settings"]);
    command.env(format!("VMPTCP_{EVIL}"), EVIL).env("VMPTCP_VM_CPUS", EVIL);
    assert_eq!(sandbox.finish(command).code, 2);
}

#[test]
fn control_characters_in_the_path_of_a_tree_are_shown() {
    let sandbox = Sandbox::new();
    let tree = sandbox.tree().join(EVIL);
    fake_tree(&tree);
    std::fs::create_dir_all(tree.join(".vmptcp/runs").join(EVIL)).unwrap();
    std::fs::write(tree.join(".vmptcp/runs").join(EVIL).join("events.jsonl"), format!("{{\"{EVIL}\":1}}\n"))
        .unwrap();
    for args in [
        &["run", "--dry-run"][..],
        &["test", "--list"],
        &["test", "nothing"],
        &["config"],
        &["build"],
        &["report"],
        &["report", "--list"],
        &["settings"],
    ] {
        let mut command = sandbox.command(args);
        command.current_dir(&tree);
        sandbox.finish(command);
    }
}

#[test]
fn bytes_that_are_no_text_are_bad_input() {
    let sandbox = Sandbox::new();
    let bytes = OsStr::from_bytes(b"a\xff\xfe");
    for before in [
        &[][..],
        &["test"],
        &["report"],
        &["exec", "--"],
        &["config", "-e"],
        &["source", "tarball"],
        &["--tree"],
    ] {
        let args = before.iter().map(OsStr::new).chain([bytes]);
        let run = sandbox.run(args);
        assert_eq!(run.code, 2, "{before:?}: {}", run.all());
    }
    let mut command = sandbox.command(["settings"]);
    command.env("VMPTCP_VM_CPUS", bytes);
    assert_eq!(sandbox.finish(command).code, 2);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::new();
    for args in [
        &["--help"][..],
        &["settings"],
        &["settings", "--defaults"],
        &["test", "--list"],
        &["run", "--dry-run"],
    ] {
        let mut command = sandbox.command(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let status = child.wait().unwrap();
        assert!(status.code().is_some_and(|code| code != 101), "{args:?}: {status}: {said}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
    }
}

#[test]
fn progress_that_nobody_reads_does_not_change_the_outcome() {
    let sandbox = Sandbox::new();
    for (args, code) in
        [(&["build", "--ccache", "never"][..], 4), (&["test", "nothing"], 2), (&["config"], 0)]
    {
        let mut command = sandbox.command(args);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stderr.take());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{args:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let sandbox = Sandbox::new();
    for args in [&["settings"][..], &["run", "--dry-run"], &["test", "--list"]] {
        let mut command = sandbox.command(args);
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        assert_eq!(command.stderr(Stdio::null()).status().unwrap().code(), Some(5), "{args:?}");
    }
}

#[test]
fn colours_are_only_for_terminals_and_for_those_who_ask() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run(["test", "nothing", "--color", "never"]).code, 2);
    let coloured = sandbox.command(["test", "nothing", "--color", "always"]).output().unwrap();
    assert!(coloured.stderr.starts_with(b"\x1b[1;31merror:\x1b[0m"), "{coloured:?}");
}
