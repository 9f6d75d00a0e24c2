//! Mails of every making, read by vmptcp and by `git am`: the same tree, author, subject and message, or refused by both.
//!
//! Two kinds are refused here on purpose, which git takes: binary files and symbolic links.

use crate::am::{Am, Read};
use crate::forms::{FORMS, Letter, ODD};
use vmptcp::series::input;

/// What a patch does to the tree; each as `git diff` has it.
struct Diff {
    name: &'static str,
    text: Vec<u8>,
    /// vmptcp refuses it, and git does not.
    refused: bool,
}

/// Makes the tree that all patches are for.
fn tree(am: &Am) {
    let numbers =
        |from: u32, to: u32| (from..=to).map(|line| format!("line {line}\n")).collect::<Vec<_>>().concat();
    am.write("net/mptcp/pm.c", numbers(1, 30).as_bytes());
    am.write("net/mptcp/latin.c", b"/* J\xf6rg */\nint a;\nint b;\nint c;\n");
    am.write("net/mptcp/utf8.c", "/* Jörg → 你好 */\nint a;\nint b;\nint c;\n".as_bytes());
    am.write("net/mptcp/crlf.txt", b"one\r\ntwo\r\nthree\r\nfour\r\n");
    am.write("net/mptcp/old.c", numbers(1, 12).as_bytes());
    am.write("a file.txt", b"one\ntwo\n");
    am.write("run.sh", b"#!/bin/sh\ntrue\n");
    am.write("end", b"one\ntwo");
    am.commit("the beginning");
}

type Change = (&'static str, bool, fn(&Am));

/// The kinds of changes; and whether vmptcp refuses them.
const CHANGES: &[Change] = &[
    ("plain", false, |am| edit(am, "net/mptcp/pm.c", "line 15\n", "line fifteen = 15\n")),
    ("utf8", false, |am| edit(am, "net/mptcp/utf8.c", "int b;", "int b; /* ünïcode ✓ */")),
    ("latin1 around", false, |am| edit(am, "net/mptcp/latin.c", "int a;", "int aa;")),
    ("long lines", false, |am| {
        edit(am, "net/mptcp/pm.c", "line 15\n", &format!("line 15 {}\n", "word ".repeat(60)));
    }),
    ("blanks at ends", false, |am| edit(am, "net/mptcp/pm.c", "line 15\n", "line 15  \n\n \n\t\n")),
    ("like a mail", false, |am| {
        let lines = "From a Mon Sep 17 00:00:00 2001\n-- \n--- a/x\n+++ b/x\n@@ -1 +1 @@\n";
        edit(am, "net/mptcp/pm.c", "line 15\n", lines);
    }),
    ("two places", false, |am| {
        edit(am, "net/mptcp/pm.c", "line 2\n", "");
        edit(am, "net/mptcp/pm.c", "line 29\n", "line 29\nline 29a\n");
    }),
    ("no line feed at the end", false, |am| am.write("end", b"one\n2")),
    ("new", false, |am| am.write("net/mptcp/new.c", "int ä;\n".as_bytes())),
    ("new and empty", false, |am| am.write("net/mptcp/empty", b"")),
    ("quoted path", false, |am| am.write("net/mptcp/snö w.c", b"int a;\n")),
    ("path with blanks", false, |am| am.write("a file.txt", b"one\n2\n")),
    ("deleted", false, |am| am.remove("net/mptcp/old.c")),
    ("renamed and changed", false, |am| {
        am.write("net/mptcp/young.c", &[&am.read("net/mptcp/old.c")[..], b"more\n"].concat());
        am.remove("net/mptcp/old.c");
    }),
    ("renamed", false, |am| {
        am.write("net/young.c", &am.read("net/mptcp/old.c"));
        am.remove("net/mptcp/old.c");
    }),
    ("made executable", false, |am| am.make_executable("run.sh")),
    ("CRLF", false, |am| edit(am, "net/mptcp/crlf.txt", "two", "2")),
    ("binary", true, |am| am.write("blob", b"\0\x01\x02binary")),
    ("link", true, |am| am.link("link", "/etc/passwd")),
];

fn edit(am: &Am, path: &str, from: &str, to: &str) {
    let old = am.read(path);
    let at = old.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
    am.write(path, &[&old[..at], to.as_bytes(), &old[at + from.len()..]].concat());
}

/// Makes each change, and asks git for it.
fn diffs(am: &Am) -> Vec<Diff> {
    let diff = |(name, refused, change): &Change| {
        am.reset();
        change(am);
        am.git(&["add", "-A", "-f"]);
        Diff { name, refused: *refused, text: am.output(&["diff", "--cached", "--binary", "-M", "HEAD"]) }
    };
    let diffs = CHANGES.iter().map(diff).collect();
    am.reset();
    diffs
}

/// What is not the same, for a person; none if all is.
fn difference(git: &Read, ours: &Read) -> Option<String> {
    (git != ours).then(|| format!("git: {git:?}\n  ours: {ours:?}"))
}

#[test]
fn mails_are_read_as_git_am_reads_them() {
    let am = Am::new();
    tree(&am);
    let diffs = diffs(&am);
    let base = am.head();
    let (mut wrong, mut count) = (Vec::new(), 0);
    let mut compare = |name: String, mail: &[u8], refused: bool| {
        count += 1;
        let (git, ours) = (am.apply(mail, &base), am.ours(mail, &base));
        if refused {
            if !matches!(ours, Read::Refused(_)) {
                wrong.push(format!("{name}: should be refused: {ours:?}"));
            }
        } else if let Some(why) = difference(&git.without_reason(), &ours.without_reason()) {
            wrong.push(format!("{name}: {why}"));
        }
    };
    // Each form with every fourth kind of diff, and each kind with every fourth form.
    for (at, (form, make)) in FORMS.iter().enumerate() {
        for diff in diffs.iter().enumerate().filter(|(number, _)| number % 4 == at % 4).map(|(_, diff)| diff)
        {
            let mail = make(&Letter::with(&diff.text));
            compare(format!("{form}, {}", diff.name), &mail, diff.refused);
        }
    }
    for (name, mail) in ODD {
        compare((*name).to_owned(), &mail(&Letter::with(&diffs[0].text)), false);
    }
    assert!(count >= 100, "{count} mails are few");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// A mail of a thread as an archive keeps it.
fn archived(subject: &str, id: &str, answers: &str, day: u32, body: &str) -> String {
    format!(
        "From mboxrd@z Thu Jan  1 00:00:00 1970\nFrom: Jo <jo@example.org>\nSubject: {subject}\nMessage-ID: <{id}@x>\n\
         In-Reply-To: <{answers}@x>\nDate: Mon, {day} Nov 2026 10:00:00 +0000\n\n{body}\n"
    )
}

#[test]
fn of_the_thread_of_an_archive_the_newest_version_is_read() {
    let am = Am::new();
    tree(&am);
    let change = |to: &str| {
        edit(&am, "net/mptcp/pm.c", "line 15\n", to);
        let diff = String::from_utf8(am.output(&["diff"])).unwrap();
        am.reset();
        format!("Why.\n>From here on it is so.\n---\n\n{diff}")
    };
    let (old, new) = (change("line XV\n"), change("line xv\n"));
    let advice = format!("> Why.\n\nRather so:\n\n{}", change("line fifteen\n"));
    let version_2 = archived("[PATCH mptcp-next v2 1/1] mptcp: b", "b2", "c2", 3, &new);
    let thread = [
        archived("[PATCH mptcp-next 0/1] the first", "c1", "", 1, "Hello."),
        archived("[PATCH mptcp-next 1/1] mptcp: b", "b1", "c1", 1, &old),
        archived("Re: [PATCH mptcp-next 1/1] mptcp: b", "r1", "b1", 2, &advice),
        version_2.clone(),
        archived("[PATCH mptcp-next v2 0/1] the second", "c2", "c1", 3, "Hello again."),
        archived("Re: [PATCH mptcp-next v2 1/1] mptcp: b: Tests Results", "r2", "b2", 4, "All is well."),
        version_2,
    ];
    let mails = input::mails(&[("thread".to_owned(), thread.concat().into_bytes())]).unwrap();
    assert_eq!(mails.cover.as_ref().unwrap().subject, "the second");
    insta::assert_snapshot!(mails.notes.join("\n"), @r"
    left out: 1 mail that is there twice
    left out: 2 replies
    left out: version 1, 1 patch: version 2 is newer
    ");
    let alone =
        archived("[PATCH mptcp-next v2 1/1] mptcp: b", "b2", "c2", 3, &new).replace("\n>From", "\nFrom");
    let base = am.head();
    assert_eq!(am.ours(thread.concat().as_bytes(), &base), am.apply(alone.as_bytes(), &base));
}
