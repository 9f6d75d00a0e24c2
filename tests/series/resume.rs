//! A validation that is interrupted goes on where it was.

use crate::lab::{Draft, Edit, Lab};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A `make` that takes note of what it builds, and interrupts who called it once it comes to the second patch.
const MAKE: &str = r#"#!/bin/sh
case "$*" in *TARGETS=net/mptcp*) ;; *) exit 0 ;; esac
tree=$(cat SIDE/tree 2> /dev/null)
for arg; do case $arg in */tools/testing/selftests) tree=$arg ;; esac; done
patch=$(grep -c 'int more' "$tree/net/mptcp/demo.c")
echo "$patch" >> SIDE/built
if [ "$patch" = 2 ] && [ ! -e SIDE/interrupted ]; then
    touch SIDE/interrupted
    kill -TERM "$(cat SIDE/pid)"
    sleep 60
fi
"#;

fn path_with(make: &Path) -> String {
    format!("{}:{}", make.parent().unwrap().display(), std::env::var("PATH").unwrap())
}

#[test]
fn what_was_found_before_an_interrupt_is_not_built_again() {
    let lab = Lab::small();
    let draft = |number| Draft {
        subject: format!("selftests: mptcp: demo: more {number}"),
        body: "Why.\n\nSigned-off-by: Ann Author <ann@example.org>".to_owned(),
        edits: vec![(
            "tools/testing/selftests/net/mptcp/demo.c",
            Edit::Append(format!("int more{number};\n")),
        )],
    };
    lab.branch("topic", &[draft(1), draft(2), draft(3)]);
    let side = tempfile::tempdir().unwrap();
    let make = side.path().join("make");
    fs::write(&make, MAKE.replace("SIDE", side.path().to_str().unwrap())).unwrap();
    fs::set_permissions(&make, fs::Permissions::from_mode(0o755)).unwrap();
    let path = path_with(&make);
    let args = ["validate", "--check", "selftests", "--json", "base.."];
    // The shell becomes vmptcp, and so has its process id.
    let script = format!("echo $$ > {}/pid; exec \"$@\"", side.path().display());
    let interrupted = lab.under(&["sh", "-c", &script, "sh"], &args, &[("PATH", &path)]);
    assert_eq!(interrupted.code, 130, "{}", interrupted.stderr);
    let resumed = lab.vmptcp_with(&args, &[("PATH", &path)]);
    assert_eq!(resumed.code, 0, "{}{}", resumed.stdout, resumed.stderr);
    let report: serde_json::Value = serde_json::from_str(&resumed.stdout).unwrap();
    let results = report["results"].as_array().unwrap();
    let told: Vec<(u64, bool, &str)> = results
        .iter()
        .filter(|result| result["check"] == "selftests")
        .map(|result| {
            (result["patch"].as_u64().unwrap(), result["cached"] == true, result["status"].as_str().unwrap())
        })
        .collect();
    assert_eq!(told, [(1, true, "pass"), (2, false, "pass"), (3, false, "pass")], "{report:#}");
    let built = fs::read_to_string(side.path().join("built")).unwrap();
    assert_eq!(built, "1\n2\n2\n3\n", "the first is built once");
}
