//! Asks git what mails say: it splits mailboxes, decodes, and tells the message from the patch as `git am` does.

use super::git::Git;
use super::mail::{Info, Mail, assemble, headers};
use super::subject::split;
use crate::error::{Error, IoContext, Result};
use crate::process::interrupt;
use std::fs;
use std::path::{Path, PathBuf};

/// A mail that is larger than this is no patch, in bytes.
const MAX_SIZE: usize = 8 << 20;

/// A mailbox that may have more mails than this is no thread.
const MAX_MAILS: usize = 5000;

/// How archives of public-inbox, and b4, begin a mailbox in which lines are escaped.
const ARCHIVE: &[u8] = b"From mboxrd@";

/// Reads the mails of a mailbox, or of a file that is one mail: each, or why it cannot be read.
pub fn read(name: &str, bytes: &[u8]) -> Result<Vec<std::result::Result<Mail, String>>> {
    let dir = tempfile::tempdir().doing("create", "a temporary directory")?;
    let reader = Reader { git: Git::nowhere(dir.path()), dir: dir.path() };
    let mut mails = Vec::new();
    for file in reader.split(name, bytes)? {
        interrupt::check()?;
        mails.push(reader.mail(&file)?);
    }
    Ok(mails)
}

struct Reader<'a> {
    git: Git,
    dir: &'a Path,
}

impl Reader<'_> {
    /// A file for each mail, in order.
    fn split(&self, name: &str, bytes: &[u8]) -> Result<Vec<PathBuf>> {
        let borders = bytes.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"From ")).count();
        if borders > MAX_MAILS {
            return Err(Error::usage(format!("{name} has more than {MAX_MAILS} mails: it is no series"))
                .hint("give the mails of one thread: b4 mbox MESSAGE-ID"));
        }
        let (mailbox, mails) = (self.dir.join("mailbox"), self.dir.join("mails"));
        fs::write(&mailbox, bytes).doing("write", &mailbox)?;
        fs::create_dir(&mails).doing("create", &mails)?;
        let escaped = bytes.trim_ascii_start().starts_with(ARCHIVE).then_some("--mboxrd");
        let split = self.git.cmd(["mailsplit", "-d6", "-b"]).args(escaped);
        let output = split.arg(format!("-o{}", mails.display())).arg("--").arg(&mailbox).output()?;
        let mut files: Vec<PathBuf> =
            fs::read_dir(&mails).doing("read", &mails)?.flatten().map(|entry| entry.path()).collect();
        // What is empty is said by whoever knows what it was for.
        if !output.status.success() && !bytes.trim_ascii().is_empty() {
            let why = output.stderr.lines().last().unwrap_or_default();
            return Err(Error::usage(format!("{name}: git cannot split it into mails: {why}"))
                .hint("give files of git format-patch, or a mailbox"));
        }
        files.sort();
        Ok(files)
    }

    /// What git says of one mail.
    fn mail(&self, file: &Path) -> Result<std::result::Result<Mail, String>> {
        let bytes = fs::read(file).doing("read", file)?;
        if bytes.len() > MAX_SIZE {
            return Ok(Err(format!("it has {} MiB: no patch is that large", bytes.len() >> 20)));
        }
        let (message, patch) = (self.dir.join("message"), self.dir.join("patch"));
        let info =
            |flag: &[&str]| self.git.cmd(["mailinfo"]).args(flag).arg(&message).arg(&patch).output_of(file);
        let mut headers = headers(&bytes);
        if headers.prefix.is_none() {
            // The text of a mail may begin with a subject, which then counts.
            let kept = info(&["-k"])?.stdout;
            headers.prefix =
                kept.lines().find_map(|line| line.strip_prefix("Subject: ")).and_then(|line| split(line).0);
        }
        let said = info(&[])?;
        if !said.status.success() {
            let why = said.stderr.lines().last().unwrap_or("it does not say why").to_owned();
            return Ok(Err(format!("git cannot read it: {why}")));
        }
        let read = |path: &Path| fs::read(path).doing("read", path);
        Ok(assemble(
            headers,
            Info {
                facts: said.stdout,
                message: utf8(&read(&message)?),
                patch: read(&patch)?,
                has_patch: self.has_patch(&patch)?,
            },
        ))
    }

    /// True if git finds a patch in this file, be it one that is damaged.
    fn has_patch(&self, file: &Path) -> Result<bool> {
        let bytes = fs::read(file).doing("read", file)?;
        // git would unpack it, to whatever size it says that it has.
        if !super::safety::examine_text(&bytes).is_empty() {
            return Ok(true);
        }
        let asked = self.git.cmd(["apply", "--numstat", "-z", "--"]).arg(file).output()?;
        let none = ["No valid patches in input", "unrecognized input"];
        Ok(asked.status.success() || !none.iter().any(|none| asked.stderr.contains(none)))
    }
}

/// The text as git commits it: what is not UTF-8 is taken for Latin-1.
fn utf8(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|&byte| char::from(byte)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MBOX: &str = "From 1234 Mon Sep 17 00:00:00 2001\nFrom: A <a@b.org>\nSubject: [PATCH net v2 0/1] cover\n\nhello\n>From me\n\n\
        From 1234 Mon Sep 17 00:00:00 2001\nFrom: A <a@b.org>\nTo: mptcp@lists.linux.dev\n\
        Subject: [PATCH net v2 1/1] =?UTF-8?q?mptcp:_caf=C3=A9?=\nContent-Type: text/plain; charset=UTF-8\n\
        Content-Transfer-Encoding: quoted-printable\n\nFrom: Z <z@z.org>\n\nWhy =3D this\n\nSigned-off-by: Z <z@z.org>\n---\nv2: x\n\n\
        diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n-- =\n\n2.47\n";

    fn mails(text: &str) -> Vec<Mail> {
        read("x", text.as_bytes()).unwrap().into_iter().map(|mail| mail.unwrap()).collect()
    }

    #[test]
    fn a_mailbox_is_read() {
        let read = mails(MBOX);
        assert_eq!((read.len(), read[0].has_patch, read[1].has_patch), (2, false, true));
        assert_eq!(read[0].message.text, "hello\n>From me");
        let mail = &read[1];
        assert_eq!((&mail.subject[..], &mail.author.email[..]), ("mptcp: café", "z@z.org"));
        assert_eq!(mail.message.text, "Why = this\n\nSigned-off-by: Z <z@z.org>");
        assert_eq!(mail.message.notes, "v2: x");
        let archive = MBOX.replacen("From 1234", "From mboxrd@z", 1);
        assert_eq!(mails(&archive)[0].message.text, "hello\nFrom me");
    }

    #[test]
    fn a_subject_in_the_text_has_the_prefix_where_the_header_has_none() {
        let read =
            mails("From: A <a@b.org>\nSubject: look\n\nSubject: [PATCH net v3 2/3] mptcp: x\n\nWhy.\n---\n");
        assert_eq!((&read[0].subject[..], read[0].headers.prefix.as_ref().unwrap().version), ("mptcp: x", 3));
    }

    #[test]
    fn what_is_no_mail_says_so() {
        let why = |text: &[u8]| read("x", text).unwrap().pop().unwrap().unwrap_err();
        assert!(why(b"hello\n").contains("no From"));
        assert!(why(&[b"From: a@b\n\n".to_vec(), vec![b'x'; MAX_SIZE]].concat()).contains("8 MiB"));
        assert!(
            why(b"From: a@b\nContent-Type: text/plain; charset=klingon\n\n\xe4\n")
                .contains("git cannot read it")
        );
        assert!(read("x", b"\n\n").unwrap().is_empty());
        assert!(read("x", "From a 00:00:00 2000\n".repeat(MAX_MAILS + 1).as_bytes()).is_err());
    }
}
