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
        // Where vmptcp keeps what it knows of runs.
        found.retain(|path| !Path::new(path).starts_with(around.join("home")));
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

/// A diff that moves a file as it is.
fn moved(from: &str, to: &str) -> String {
    format!("diff --git a/{from} b/{to}\nsimilarity index 100%\nrename from {from}\nrename to {to}\n")
}

fn status<'r>(results: &'r [serde_json::Value], check: &str, patch: u64) -> Option<&'r str> {
    let result = results.iter().find(|result| result["check"] == check && result["patch"] == patch)?;
    result["status"].as_str()
}

/// Links of a tree, and a mail that makes, moves or changes one in a way of its own.
fn links(lab: &Lab) -> Vec<(&'static str, String)> {
    let dir = lab.tree.join("a/b/c");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("file"), "x\n").unwrap();
    // Within the tree here, and out of it two directories higher.
    std::os::unix::fs::symlink("../../../net/mptcp/ctrl.c", dir.join("link")).unwrap();
    std::os::unix::fs::symlink("a/b", lab.tree.join("short")).unwrap();
    lab.git(&["add", "-A", "-f"]);
    lab.git(&["commit", "-q", "-m", "links"]);
    let hash = |name: &str| lab.git(&["rev-parse", &format!("HEAD:{name}")]);
    let retarget = format!(
        "diff --git a/short b/short\nindex {}..1234567 120000\n--- a/short\n+++ b/short\n@@ -1 +1 @@\n-a/b\n\\ No newline at end of file\n+../..\n\\ No newline at end of file\n",
        hash("short")
    );
    let copy = "diff --git a/a/b/c/link b/link\nsimilarity index 100%\ncopy from a/b/c/link\ncopy to link\n";
    let turned = "diff --git a/a/b/c/file b/a/b/c/file\ndeleted file mode 100644\n--- a/a/b/c/file\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\
                  diff --git a/a/b/c/file b/a/b/c/file\nnew file mode 120000\n--- /dev/null\n+++ b/a/b/c/file\n@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n";
    let evil = "tools/testing/selftests/net/mptcp/evil.h";
    let submodule = "Subproject commit 0123456789012345678901234567890123456789";
    vec![
        ("a mode with more behind it", new_file(evil, "120000 x", "/etc/passwd")),
        ("a mode with a return behind it", new_file(evil, "120000\r", "/etc/passwd")),
        ("a plain link", new_file(evil, "120000", "/etc/passwd")),
        ("a link moved to another depth", moved("a/b/c/link", "link")),
        ("a link moved aside", moved("a/b/c/link", "a/b/c/other")),
        ("a link copied to another depth", copy.to_owned()),
        ("a link that points elsewhere", retarget),
        ("a file that becomes a link", turned.to_owned()),
        ("a submodule", new_file("sub", "160000", submodule)),
        ("a submodule with more behind its mode", new_file("sub", "160000 y", submodule)),
        ("a file through a link", new_file("short/x.c", "100644", "x")),
        ("a path in git's directory", new_file("a/.git/config", "100644", "x")),
        ("a quoted path out of the tree", {
            let path = "\\056./escaped";
            format!(
                "diff --git \"a/{path}\" \"b/{path}\"\nnew file mode 100644\n--- /dev/null\n+++ \"b/{path}\"\n@@ -0,0 +1 @@\n+x\n"
            )
        }),
    ]
}

#[test]
fn what_git_would_make_a_link_is_refused_and_nothing_after_it_is_touched() {
    let lab = Lab::small();
    let links = links(&lab);
    let place = lab.tree.parent().unwrap().join("mails");
    let good = "diff --git a/net/mptcp/ctrl.c b/net/mptcp/ctrl.c\n--- a/net/mptcp/ctrl.c\n+++ b/net/mptcp/ctrl.c\n\
                @@ -2,3 +2,4 @@\n int a;\n int b;\n int c;\n+int d;\n";
    let empty = lab.tree.join(".vmptcp/series/tree");
    for (name, patch) in &links {
        let mails =
            [mail("1/2 x", patch).replace("] 1/2", " 1/2]"), mail("2/2 y", good).replace("] 2/2", " 2/2]")];
        let mails: String = mails.map(|mail| format!("From 1 Mon Sep 17 00:00:00 2001\n{mail}\n")).concat();
        fs::write(&place, mails).unwrap();
        for args in [
            &["--check", "selftests", "--check", "build"][..],
            &["--patch", "2", "--check", "build"],
            &["--no-tests"],
        ] {
            let args = [args, &["--onto", "HEAD", place.to_str().unwrap()]].concat();
            let results = lab.results(&args);
            assert_eq!(status(&results, "safety", 1), Some("fail"), "{name}: {args:?}");
            for result in results.iter().filter(|result| result["patch"] == 1 && result["check"] != "safety")
            {
                assert_eq!(result["status"], "not-run", "{name}: {result}");
                assert_eq!(result["note"], "patch 1 is refused", "{name}");
            }
            for check in ["build", "selftests", "checkpatch"] {
                assert!(matches!(status(&results, check, 2), None | Some("not-run")), "{name}: {check}");
            }
            assert_eq!(fs::read_dir(&empty).unwrap().count(), 0, "{name}: something was checked out");
        }
        assert_eq!(
            lab.vmptcp(&["validate", "--check", "selftests", "--onto", "HEAD", place.to_str().unwrap()]).code,
            1
        );
    }
}

#[test]
fn a_link_in_a_commit_is_refused_as_well_and_one_may_go() {
    let lab = Lab::small();
    links(&lab);
    lab.git(&["mv", "a/b/c/link", "link"]);
    lab.git(&["commit", "-q", "-m", "mptcp: move a link"]);
    let results = lab.results(&["--check", "build", "HEAD~1.."]);
    assert_eq!(
        (status(&results, "safety", 1), status(&results, "build", 1)),
        (Some("fail"), Some("not-run"))
    );
    lab.git(&["rm", "-q", "link", "short"]);
    lab.git(&["commit", "-q", "-m", "mptcp: remove links"]);
    assert_eq!(lab.found(&["--check", "safety", "--check", "apply", "HEAD~1.."]), Vec::<String>::new());
}

#[test]
fn what_a_message_or_an_attribute_says_hides_no_change() {
    let lab = Lab::small();
    let code = "net/mptcp/ctrl.c";
    let fake = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,9999 +1,9999 @@";
    let draft = |body: &str, file: &'static str, text: &str| Draft {
        subject: "mptcp: ctrl: say it".to_owned(),
        body: format!("{body}\n\nSigned-off-by: Ann Author <ann@example.org>"),
        edits: vec![(file, Edit::Append(text.to_owned()))],
    };
    let inline = "inline int d(void)\n{\n\treturn 0;\n}\n";
    lab.branch("topic", &[draft("Why.", ".gitattributes", "*.c binary -diff\n"), draft(fake, code, inline)]);
    let found = lab.found(&["--check", "inline", "--check", "safety"]);
    assert_eq!(found, ["inline 2"]);
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
            let raw = text.chars().find(|char| vmptcp::text::is_hidden(*char) && *char != '\n');
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
