//! A mail of a series: what git says of it, and what only its headers say. Pure.

use super::diff;
use super::message::{Message, Person};
use super::subject::{Prefix, split};
use crate::text::decode;
use mailparse::{MailHeader, MailHeaderMap};

/// What a mail program puts in front of the subject of an answer.
const ANSWERS: [&str; 6] = ["re:", "aw:", "sv:", "antw:", "fwd:", "fw:"];

/// A mail of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// What git does not need, and a thread is sorted by.
    pub headers: Headers,
    /// The subject without its brackets.
    pub subject: String,
    /// Who wrote the patch.
    pub author: Person,
    /// When, as the mail states it; empty if it does not.
    pub date: String,
    /// The text before the diff.
    pub message: Message,
    /// What git looks for a patch in.
    pub patch: Vec<u8>,
    /// True if git finds one.
    pub has_patch: bool,
    /// The commit that it names as its base.
    pub base: Option<String>,
}

/// The headers that only we read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// What stands in the brackets of the subject.
    pub prefix: Option<Prefix>,
    /// The subject begins as that of an answer does.
    pub is_answer: bool,
    /// All addresses of To and Cc.
    pub recipients: Vec<String>,
    /// `Message-Id`.
    pub id: Option<String>,
    /// The messages that it refers to: `In-Reply-To` and `References`.
    pub refers_to: Vec<String>,
    /// `Date`, in seconds since 1970.
    pub sent: Option<i64>,
}

/// What `git mailinfo` makes of a mail.
#[derive(Debug, Default)]
pub struct Info {
    /// Lines such as `Author: A`.
    pub facts: String,
    /// The text before the patch, without what git takes from it for the facts.
    pub message: String,
    /// All that comes after it.
    pub patch: Vec<u8>,
    /// True if git finds a patch there.
    pub has_patch: bool,
}

/// Reads the headers of a mail. What cannot be read is not there.
pub fn headers(mail: &[u8]) -> Headers {
    // A mailbox has a line of its own before them.
    let first = mail.iter().position(|&byte| byte == b'\n').map_or(mail.len(), |at| at + 1);
    let mail = if mail.starts_with(b"From ") { &mail[first..] } else { mail };
    let Ok((headers, _)) = mailparse::parse_headers(mail) else { return Headers::default() };
    let all = |name: &str| headers.get_all_values(name).into_iter();
    let subject = headers.get_first_value("Subject").unwrap_or_default();
    Headers {
        prefix: split(&subject).0,
        is_answer: is_answer(&subject),
        recipients: all("To").chain(all("Cc")).flat_map(|list| addresses(&list)).collect(),
        id: headers.get_first_value("Message-Id").and_then(|text| ids(&text).pop()),
        refers_to: all("In-Reply-To").chain(all("References")).flat_map(|text| ids(&text)).collect(),
        sent: headers.get_first_header("Date").map(MailHeader::get_value).and_then(|date| seconds(&date)),
    }
}

fn seconds(date: &str) -> Option<i64> {
    mailparse::dateparse(date).ok()
}

/// `<a@b> <c@d>`: what stands between the brackets.
fn ids(text: &str) -> Vec<String> {
    let ids = text.split('<').skip(1).filter_map(|rest| rest.split_once('>'));
    ids.map(|(id, _)| id.trim().to_owned()).filter(|id| !id.is_empty()).collect()
}

/// True for `Re: [PATCH] x` and `[list] Re: x`.
fn is_answer(subject: &str) -> bool {
    let mut rest = subject.trim_start();
    loop {
        let start: String = rest.chars().take(5).collect::<String>().to_ascii_lowercase();
        if ANSWERS.iter().any(|answer| start.starts_with(answer)) {
            return true;
        }
        match rest.strip_prefix('[').and_then(|text| text.split_once(']')) {
            Some((_, behind)) => rest = behind.trim_start(),
            None => return false,
        }
    }
}

/// Puts a mail together. Fails, saying why, if there is no telling who wrote it.
pub fn assemble(headers: Headers, info: Info) -> Result<Mail, String> {
    let fact = |name: &str| {
        let line = info.facts.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default().trim().to_owned()
    };
    let author = Person { name: fact("Author"), email: fact("Email") };
    if author.email.is_empty() {
        return Err("not a mail: it has no From with an address".to_owned());
    }
    let text = decode(&info.patch);
    let notes = text[..diff::begin(&text)].trim_start();
    let notes = notes.strip_prefix("---\n").unwrap_or(notes);
    let base = base_commit(&info.message).or_else(|| base_commit(&text));
    let message = Message {
        text: without_signature(&info.message).trim().to_owned(),
        notes: without_signature(notes).trim().to_owned(),
    };
    Ok(Mail {
        headers,
        subject: fact("Subject"),
        author,
        date: fact("Date"),
        message,
        base,
        has_patch: info.has_patch,
        patch: info.patch,
    })
}

/// `base-commit: <hash>`, as `git format-patch --base` writes it.
fn base_commit(text: &str) -> Option<String> {
    let hash = text.lines().find_map(|line| line.strip_prefix("base-commit: "))?.trim();
    let hex = hash.len() >= 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| hash.to_owned())
}

/// The addresses in a header.
pub fn addresses(list: &str) -> Vec<String> {
    match mailparse::addrparse(list) {
        Ok(list) => list
            .iter()
            .flat_map(|entry| match entry {
                mailparse::MailAddr::Single(one) => vec![one.addr.clone()],
                mailparse::MailAddr::Group(group) => group.addrs.iter().map(|one| one.addr.clone()).collect(),
            })
            .collect(),
        Err(_) => list.split(',').filter_map(Person::parse).map(|person| person.email).collect(),
    }
}

/// The text without what git puts below it: `-- ` and its version.
fn without_signature(text: &str) -> &str {
    text.rfind("\n-- \n").map_or(text, |at| &text[..=at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_what_a_thread_is_sorted_by() {
        let read = headers(
            b"From 1234 Mon Sep 17 00:00:00 2001\nFrom: A <a@b.org>\nTo: mptcp@lists.linux.dev,\n \"B, C\" <b@c.org>\n\
              Cc: d@e.org\nSubject: =?UTF-8?q?[PATCH_net_v2_1/2]_mptcp:_caf=C3=A9?=\nMessage-ID: <1@x>\n\
              Date: Mon, 2 Nov 2026 10:00:00 +0100\nIn-Reply-To: <0@x>\nReferences: <9@y>\n <0@x>\n\nTo: no@x\n",
        );
        let prefix = read.prefix.unwrap();
        assert_eq!((prefix.version, prefix.count, read.is_answer), (2, Some((1, 2)), false));
        assert_eq!(read.recipients, ["mptcp@lists.linux.dev", "b@c.org", "d@e.org"]);
        assert_eq!((read.id.as_deref(), read.sent), (Some("1@x"), Some(1_793_610_000)));
        assert_eq!(read.refers_to, ["0@x", "9@y", "0@x"]);
        assert_eq!(headers(b"\xff\xfe"), Headers::default());
    }

    #[test]
    fn answers_are_known_by_their_subject() {
        for subject in ["Re: x", "RE: [PATCH] x", "[mptcp] Re: [PATCH] x", "AW: x", "Fwd: [PATCH] x"] {
            assert!(is_answer(subject), "{subject}");
        }
        for subject in ["[PATCH] mptcp: re: x", "reset: x", "[PATCH", "", "[PATCH] x Re: y"] {
            assert!(!is_answer(subject), "{subject}");
        }
    }

    #[test]
    fn what_git_says_becomes_a_mail() {
        let info = |facts: &str, message: &str, patch: &str| Info {
            facts: facts.to_owned(),
            message: message.to_owned(),
            patch: patch.as_bytes().to_vec(),
            has_patch: true,
        };
        let hash = "0123456789".repeat(4);
        let patch = format!(
            "---\nv2: y\n\n x | 2\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n\nbase-commit: {hash}\n-- \n2.47\n"
        );
        let said = info("Author: Ä\nEmail: a@b\nSubject: mptcp: x\nSubject: y\n\n", "Why.\n", &patch);
        let mail = assemble(Headers::default(), said).unwrap();
        assert_eq!((&mail.author.name[..], &mail.subject[..], &mail.date[..]), ("Ä", "mptcp: x", ""));
        assert_eq!((&mail.message.text[..], &mail.message.notes[..]), ("Why.", "v2: y\n\n x | 2"));
        assert_eq!(mail.base, Some(hash));
        let nobody = info("Author: \nEmail: \nSubject: x\n", "", "");
        assert!(assemble(Headers::default(), nobody).unwrap_err().contains("no From"));
    }
}
