//! Two invocations on one tree at the same time.

use super::sandbox::Sandbox;
use std::fs;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A `make` that says when it begins, waits for a file if it is asked to configure, and fails.
const MAKE: &str = "#!/bin/sh
echo begin >> DIR/log
echo x > DIR/begun
while [ ! -e DIR/go ]; do sleep 0.02; done
echo end >> DIR/log
exit 2
";

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_second_of_two_waits_for_the_build_of_the_first_and_says_for_whom() {
    let sandbox = Sandbox::new();
    sandbox.tool("make", &MAKE.replace("DIR", sandbox.path("").to_str().unwrap().trim_end_matches('/')));
    let start = |log: &str| -> Child {
        let log = fs::File::create(sandbox.path(log)).unwrap();
        sandbox.command(["test"]).stdout(Stdio::null()).stderr(log).spawn().unwrap()
    };
    let mut first = start("first");
    wait_for("the first make", || sandbox.path("begun").exists());
    let mut second = start("second");
    let said = || fs::read_to_string(sandbox.path("second")).unwrap();
    wait_for("the second to say that it waits", || said().contains("waiting for"));
    let holder = format!("process {}", first.id());
    assert!(said().contains(&holder), "{}", said());
    assert_eq!(fs::read_to_string(sandbox.path("log")).unwrap(), "begin\n", "one at a time");
    sandbox.write("go", "");
    for child in [&mut first, &mut second] {
        assert_eq!(child.wait().unwrap().code(), Some(4), "the configuration failed");
    }
    assert_eq!(fs::read_to_string(sandbox.path("log")).unwrap(), "begin\nend\nbegin\nend\n");
    let runs = fs::read_dir(sandbox.tree().join(".vmptcp/runs")).unwrap();
    let runs = runs.filter(|entry| entry.as_ref().unwrap().file_type().unwrap().is_dir()).count();
    assert_eq!(runs, 2, "each has results of its own");
}
