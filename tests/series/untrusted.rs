//! Series that want more than to be validated.

use crate::lab::{Draft, Edit, Lab};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn mail(subject: &str, patch: &str) -> String {
    format!(
        "From: Eve <eve@example.org>\nSubject: [PATCH mptcp-next] {subject}\n\nWhy.\n\n\
         Signed-off-by: Eve <eve@example.org>\n---\n{patch}"
    )
}

fn new_file(path: &str, mode: &str, text: &str) -> String {
    format!(
        "diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{text}\n"
    )
}

/// All files below a directory but those of vmptcp's own place.
fn files(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.ends_with(".vmptcp") {
            continue;
        }
        found.push(path.display().to_string());
        if path.is_dir() && !path.is_symlink() {
            files(&path, found);
        }
    }
}

#[test]
fn nothing_is_written_out_of_the_tree() {
    let lab = Lab::small();
    let around = lab.tree.parent().unwrap().to_owned();
    let place = around.join("mail");
    let list = || {
        let mut found = Vec::new();
        files(&around, &mut found);
        found.sort();
        found
    };
    fs::write(&place, "").unwrap();
    let before = list();
    let huge = format!(
        "diff --git a/h b/h\nnew file mode 100644\n--- /dev/null\n+++ b/h\n@@ -0,0 +1,300000 @@\n{}",
        "+x\n".repeat(300_000)
    );
    let bad = [
        new_file("../escaped", "100644", "x"),
        new_file("/tmp/vmptcp-escaped", "100644", "x"),
        new_file("net/../../escaped", "100644", "x"),
        new_file(".git/hooks/post-checkout", "100755", "x"),
        new_file(".GIT/config", "100644", "x"),
        new_file("net/mptcp/link", "120000", "/etc"),
        new_file("net/mptcp/sub", "160000", "Subproject commit 0123456789012345678901234567890123456789"),
        "diff --git a/b b/b\nnew file mode 100644\nGIT binary patch\nliteral 1\nIcmZPo000310RR91\n\n"
            .to_owned(),
        huge,
    ];
    for patch in bad {
        fs::write(&place, mail("mptcp: ctrl: do evil", &patch)).unwrap();
        let found = lab.found(&["--quick", place.to_str().unwrap()]);
        assert!(found.contains(&"safety 1".to_owned()), "{found:?}: {}", &patch[..patch.len().min(200)]);
        assert_eq!(list(), before);
    }
    let empty = lab.tree.join(".vmptcp/series/tree");
    assert_eq!(fs::read_dir(empty).unwrap().count(), 0, "nothing was checked out");
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let lab = Lab::small();
    let place = lab.tree.parent().unwrap().join("mail");
    let patch = new_file("net/mptcp/\u{1b}]0;x\u{7}.c", "100644", "\u{1b}[2J");
    fs::write(&place, mail("mptcp: \u{1b}[2J\u{1b}]0;title\u{7} \u{202e}evil", &patch)).unwrap();
    for format in ["text", "json", "junit", "markdown"] {
        let ran = lab.vmptcp(&["validate", "--quick", "--format", format, place.to_str().unwrap()]);
        for text in [&ran.stdout, &ran.stderr] {
            let raw = text
                .chars()
                .find(|char| char.is_control() && *char != '\n' || *char == '\u{202e}' && format != "json");
            assert_eq!(raw, None, "{format}: {text}");
        }
    }
}

#[test]
fn nothing_of_a_series_and_no_hook_runs() {
    let lab = Lab::small();
    let marker = lab.tree.parent().unwrap().join("ran");
    let run = format!("sh -c 'touch {}; cat'", marker.display());
    for (key, value) in [
        ("filter.evil.clean", &run),
        ("filter.evil.smudge", &run),
        ("diff.evil.textconv", &run),
        ("diff.evil.command", &run),
    ] {
        lab.git(&["config", key, value]);
    }
    lab.git(&["config", "core.fsmonitor", marker.to_str().unwrap()]);
    for hook in ["post-checkout", "post-index-change", "reference-transaction", "pre-commit"] {
        let path = lab.tree.join(".git/hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\ntouch {}\n", marker.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let place = lab.tree.parent().unwrap().join("mail");
    let script = |path: &str| new_file(path, "100755", &format!("touch {}", marker.display()));
    let patches = [
        new_file(".gitattributes", "100644", "* filter=evil diff=evil"),
        new_file("vmptcp.toml", "100644", "[kernel]"),
        script("scripts/checkpatch.pl"),
        script("scripts/get_maintainer.pl"),
        script("scripts/kernel-doc"),
    ];
    fs::write(&place, mail("treewide: change how things are done", &patches.concat())).unwrap();
    let ran = lab.vmptcp(&["validate", "--quick", place.to_str().unwrap()]);
    assert!(ran.code == 0 || ran.code == 1, "{}", ran.stderr);
    assert!(!marker.exists());
    let draft = Draft {
        subject: "treewide: change how things are done".to_owned(),
        body: "Why.".to_owned(),
        edits: vec![(
            "scripts/checkpatch.pl",
            Edit::Append(format!("system('touch {}')\n", marker.display())),
        )],
    };
    for hook in ["post-checkout", "post-index-change", "reference-transaction", "pre-commit"] {
        fs::remove_file(lab.tree.join(".git/hooks").join(hook)).unwrap();
    }
    lab.git(&["config", "--unset", "core.fsmonitor"]);
    lab.branch("topic", &[draft]);
    lab.found(&["--quick"]);
    assert!(!marker.exists());
}

#[test]
fn nonsense_is_told_as_such() {
    let lab = Lab::small();
    let place = lab.tree.parent().unwrap().join("mail");
    for text in
        ["", "\n\n\n", "hello", "From nobody\n", "Subject: x\nFrom: y\n\nno patch\n", "\u{0}\u{1}\u{2}"]
    {
        fs::write(&place, text).unwrap();
        let ran = lab.vmptcp(&["validate", "--quick", place.to_str().unwrap()]);
        assert_eq!(ran.code, 2, "{text:?}: {}", ran.stderr);
    }
}
