//! git send-email and b4 ask vmptcp.

use crate::lab::{Draft, Edit, Lab};
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn series(lab: &Lab, body: &str) -> Vec<String> {
    let draft = |number: u32| Draft {
        subject: format!("mptcp: ctrl: part {number}"),
        body: body.to_owned(),
        edits: vec![("net/mptcp/ctrl.c", Edit::Append(format!("int part{number};\n")))],
    };
    lab.branch("topic", &[draft(1), draft(2)]);
    let outgoing = lab.tree.join("../outgoing");
    let _ = fs::remove_dir_all(&outgoing);
    let outgoing = outgoing.display().to_string();
    let list = lab.git(&[
        "format-patch",
        "--subject-prefix=PATCH mptcp-next",
        "--base=base",
        "-o",
        &outgoing,
        "base..",
    ]);
    list.lines().map(str::to_owned).collect()
}

/// Asks the hook as git does: for each mail, with the headers that it will have.
fn send(lab: &Lab, mails: &[String], to: &str) -> Vec<i32> {
    let headers = lab.tree.join("../headers");
    fs::write(&headers, format!("From: Ann Author <ann@example.org>\nTo: {to}\n")).unwrap();
    let total = mails.len().to_string();
    let ask = |(at, mail): (usize, &String)| {
        let counter = (at + 1).to_string();
        let env = [("GIT_SENDEMAIL_FILE_COUNTER", counter.as_str()), ("GIT_SENDEMAIL_FILE_TOTAL", &total)];
        let args = ["hook", "run", "sendemail-validate", "--quick", "--", mail, headers.to_str().unwrap()];
        lab.vmptcp_with(&args, &env).code
    };
    mails.iter().enumerate().map(ask).collect()
}

#[test]
fn each_mail_and_then_the_series_is_validated_with_its_real_recipients() {
    let lab = Lab::small();
    let mails = series(&lab, "Why.\n\nSigned-off-by: Ann Author <ann@example.org>");
    assert_eq!(send(&lab, &mails, "mptcp@lists.linux.dev"), [0, 0]);
    assert_eq!(send(&lab, &mails, "netdev@vger.kernel.org"), [1, 1]);
    let mails = series(&lab, "Why.");
    assert_eq!(send(&lab, &mails, "mptcp@lists.linux.dev"), [1, 1]);
}

#[test]
fn b4_is_told_findings_and_nothing_else() {
    let lab = Lab::small();
    // What b4 gives the command for a patch: the commit as a mail.
    let asked = |body: &str| {
        let mails = series(&lab, body);
        lab.vmptcp_reads(&["hook", "run", "b4"], &fs::read_to_string(&mails[1]).unwrap())
    };
    let well = asked("Why.\n\nSigned-off-by: Ann Author <ann@example.org>");
    assert_eq!((well.code, &well.stdout[..], &well.stderr[..]), (0, "", ""));
    let unsigned = asked("Why.");
    assert_eq!((unsigned.code, &unsigned.stderr[..]), (1, ""));
    insta::assert_snapshot!(unsigned.stdout, @"ERROR: no Signed-off-by: add one with git commit --amend -s (author: Ann Author <ann@example.org>) [signed-off-by]");
}

#[test]
fn a_hook_that_was_there_is_kept_asked_first_and_comes_back() {
    let lab = Lab::small();
    let hook = lab.tree.join(".git/hooks/sendemail-validate");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let theirs = "#!/bin/sh\ntouch asked\nexit 3\n";
    fs::write(&hook, theirs).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(lab.vmptcp(&["hook", "install", "--quick"]).code, 0);
    assert_eq!(lab.vmptcp(&["hook", "install", "--quick"]).code, 0, "twice is once");
    let ran = std::process::Command::new(&hook).arg("mail").current_dir(&lab.tree).status().unwrap();
    assert_eq!(ran.code(), Some(3));
    assert!(lab.tree.join("asked").exists());
    assert!(lab.git(&["config", "b4.prep-perpatch-check-cmd"]).ends_with(" hook run b4"));
    assert_eq!(lab.vmptcp(&["hook", "remove"]).code, 0);
    assert_eq!(fs::read_to_string(&hook).unwrap(), theirs);
    assert!(!lab.git(&["config", "--list"]).contains("perpatch"));
    assert_eq!(lab.vmptcp(&["hook", "remove"]).code, 0, "nothing to undo");
}

#[test]
fn a_review_of_b4_gets_json_for_a_patch_and_for_a_series() {
    let lab = Lab::small();
    let mails = series(&lab, "Why.");
    let asked = |mail: &str| lab.vmptcp_reads(&["hook", "run", "b4-review"], mail);
    let patch = asked(&fs::read_to_string(mails.last().unwrap()).unwrap());
    let result: serde_json::Value = serde_json::from_str(&patch.stdout).unwrap();
    assert_eq!((result[0]["tool"].as_str(), result[0]["status"].as_str()), (Some("vmptcp"), Some("fail")));
    assert!(result[0]["details"].as_str().unwrap().contains("[signed-off-by]"), "{result}");
    let other = asked("Subject: [PATCH mptcp-next 0/7] mptcp: another\n\nx\n");
    assert_eq!((other.code, &other.stdout[..]), (2, ""));
    assert!(other.stderr.contains("7 patches"), "{}", other.stderr);
}
