//! The series that take no compiler, in a tree of a few files.

use crate::corpus::of_text;
use crate::lab::{BASE, Draft, Edit, Lab};
use std::fs;

/// A series that nothing stands against.
fn topic(lab: &Lab) {
    let draft = Draft {
        subject: "mptcp: ctrl: say it".to_owned(),
        body: "Why.\n\nSigned-off-by: Ann Author <ann@example.org>".to_owned(),
        edits: vec![("net/mptcp/ctrl.c", Edit::Append("int d;\n".to_owned()))],
    };
    lab.branch("topic", &[draft]);
}

#[test]
fn each_defect_is_found_by_its_check_and_by_no_other() {
    let lab = Lab::small();
    for case in of_text() {
        case.check(&lab);
    }
}

#[test]
fn the_checkout_the_index_the_stash_and_the_branches_stay_as_they_are() {
    let lab = Lab::small();
    topic(&lab);
    fs::write(lab.tree.join("net/mptcp/ctrl.c"), "changed, staged\n").unwrap();
    lab.git(&["add", "-A"]);
    lab.git(&["stash", "-q"]);
    fs::write(lab.tree.join("net/mptcp/ctrl.c"), "changed\n").unwrap();
    lab.git(&["add", "net/mptcp/ctrl.c"]);
    fs::write(lab.tree.join("net/mptcp/ctrl.c"), "changed again\n").unwrap();
    let state = || {
        let refs = lab.git(&["for-each-ref"]);
        let index = fs::read(lab.tree.join(".git/index")).unwrap();
        let objects = lab.git(&["count-objects", "-v"]);
        let file = fs::read(lab.tree.join("net/mptcp/ctrl.c")).unwrap();
        (refs, index, objects, file, lab.git(&["worktree", "list"]))
    };
    let before = state();
    assert_eq!(lab.found(&["--quick"]), Vec::<String>::new());
    assert!(state() == before);
}

#[test]
fn a_bisection_that_makes_no_sense_says_so_and_leaves_nothing() {
    let lab = Lab::small();
    let drafts: Vec<Draft> = (1..=2)
        .map(|number| Draft {
            subject: format!("mptcp: ctrl: {number}"),
            body: "Why.".to_owned(),
            edits: vec![("net/mptcp/ctrl.c", Edit::Append(format!("int d{number};\n")))],
        })
        .collect();
    lab.branch("topic", &drafts);
    let ran = lab.vmptcp(&["bisect", "topic", "base", "--", "diag"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("the good commit has to be an ancestor of the bad one"), "{}", ran.stderr);
    let ran = lab.vmptcp(&["bisect", "base", "nonsense", "--", "diag"]);
    assert!(ran.code == 2 && ran.stderr.contains("no commit \"nonsense\""), "{}", ran.stderr);
    assert_eq!(lab.vmptcp(&["bisect", "base", "topic"]).code, 2, "no tests");
    let ran = lab.vmptcp(&["bisect", "--reset"]);
    assert!(ran.code == 0 && ran.stderr.contains("no bisection was begun"), "{}", ran.stderr);
}

#[test]
fn only_what_was_asked_for_is_done_and_the_way_back_to_it_is_told() {
    let lab = Lab::small();
    let draft = |subject: &str, body: &str, text: &str| Draft {
        subject: subject.to_owned(),
        body: body.to_owned(),
        edits: vec![("net/mptcp/ctrl.c", Edit::Append(text.to_owned()))],
    };
    lab.branch(
        "topic",
        &[draft("mptcp: ctrl: one", "Why.", "int d;\n"), draft("mptcp: ctrl: two", "Why.", "int e;\n")],
    );
    let ran = lab.vmptcp(&["validate", "--patch", "2", "--check", "signed-off-by", "base.."]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.stdout.lines().skip(1).take_while(|line| !line.starts_with("not ready")).collect::<Vec<_>>().join("\n"), @r"
      1  mptcp: ctrl: one
      2  mptcp: ctrl: two

    check          1  2 series
    signed-off-by     ✗

    fail patch 2 · signed-off-by
      ✗ no Signed-off-by: add one with git commit --amend -s (author: Ann Author <ann@example.org>)
      alone: vmptcp validate --patch 2 --check signed-off-by base..
    ");
    let ran = lab.vmptcp(&["validate", "--check", "spelling"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("there is no check \"spelling\""), "{}", ran.stderr);
    let ran = lab.vmptcp(&["validate", "--also", "fast"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("unknown variant \"fast\"") && ran.stderr.contains("debug-clang"),
        "{}",
        ran.stderr
    );
    let ran = lab.vmptcp(&["validate", "--quick", "nonsense"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert_eq!(lab.vmptcp(&["validate", "--list"]).code, 0);
}

#[test]
fn a_tree_without_history_is_made_a_repository_to_validate_on() {
    let lab = Lab::small();
    fs::remove_dir_all(lab.tree.join(".git")).unwrap();
    // As Debian's: git add -A finds nothing.
    fs::write(lab.tree.join(".gitignore"), ".*\n*.o\n/*\n!/debian/\n").unwrap();
    let ran = lab.vmptcp(&["validate", "--quick"]);
    assert!(ran.code == 2 && ran.stderr.contains("vmptcp source --git --tree "), "{}", ran.stderr);
    let tree = lab.tree.display().to_string();
    let ran = lab.vmptcp(&["source", "--git", "--tree", &tree]);
    assert!(ran.code == 0 && ran.stderr.contains("is a git repository now"), "{}", ran.stderr);
    let ran = lab.vmptcp(&["source", "--git", "--tree", &tree]);
    assert!(ran.code == 0 && ran.stderr.contains("is a git repository already"), "{}", ran.stderr);
    assert_eq!(lab.git(&["status", "--porcelain"]), "");
    lab.git(&["tag", BASE]);
    topic(&lab);
    assert_eq!(lab.found(&["--quick"]), Vec::<String>::new());
    assert_eq!(lab.results(&["--quick"]).iter().filter(|one| one["patch"] == 2).count(), 0);
}

#[test]
fn a_partial_clone_is_enough_to_validate_on() {
    let lab = Lab::small();
    topic(&lab);
    for key in ["uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"] {
        lab.git(&["config", key, "true"]);
    }
    let place = tempfile::tempdir().unwrap();
    let part = Lab::at(&place.path().join("linux"), &place.path().join("home"));
    let (url, tree) = (format!("file://{}", lab.tree.display()), part.tree.display().to_string());
    lab.git(&["clone", "-q", "--filter=blob:none", "--branch", "topic", &url, &tree]);
    let objects = part.git(&["count-objects", "-v"]);
    assert_eq!(part.found(&["--quick", "base.."]), Vec::<String>::new());
    assert_eq!(part.git(&["count-objects", "-v"]), objects);
    let mails = place.path().join("mails").display().to_string();
    lab.git(&["format-patch", "-q", "-o", &mails, "--base=base", "base..topic"]);
    let found = part.found(&["--quick", "--subject-prefix", "PATCH mptcp-next", &mails]);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn what_does_not_apply_is_examined() {
    let lab = Lab::small();
    topic(&lab);
    let place = tempfile::tempdir().unwrap();
    let mails = place.path().display().to_string();
    lab.git(&["format-patch", "-q", "-o", &mails, "base..topic"]);
    // The three-way merge that is tried before ends in a conflict.
    let other = Draft {
        subject: "mptcp: ctrl: say another".to_owned(),
        body: "Why.".to_owned(),
        edits: vec![("net/mptcp/ctrl.c", Edit::Replace("int c;\n", "int x;\n".to_owned()))],
    };
    lab.branch("other", &[other]);
    let said = |onto: &str| {
        let results = lab.results(&["--quick", "--onto", onto, &mails]);
        let apply = results.iter().find(|one| one["check"] == "apply").unwrap();
        apply["findings"][0]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(said("topic"), "already applied: the base has all of this patch: leave it out");
    let other = said("other");
    let expected = "hunk does not apply: context differs: it was made on another version of the file, blob ";
    assert!(other.starts_with(expected), "{other}");
}
