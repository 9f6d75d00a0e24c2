//! Mails and mailboxes, as `git format-patch`, `git send-email`, b4 and public-inbox make them. Pure.

use super::diff;
use super::message::{Message, Person};
use super::subject::{Prefix, split};
use crate::text::decode;
use mailparse::{MailHeaderMap, ParsedMail};

/// A mail that is larger than this is no patch, in bytes.
pub const LARGEST: usize = 8 << 20;

/// A mail of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// What stands in the brackets of the subject.
    pub prefix: Prefix,
    /// The subject without them.
    pub subject: String,
    /// Who wrote the patch.
    pub author: Person,
    /// When, as the mail states it.
    pub date: String,
    /// All addresses of To and Cc.
    pub recipients: Vec<String>,
    /// The text before the diff.
    pub message: Message,
    /// The patch itself; empty for a cover letter.
    pub patch: String,
}

/// Splits a mailbox. A file that is no mailbox is one mail.
pub fn split_mbox(text: &[u8]) -> Vec<Vec<u8>> {
    let mut mails: Vec<Vec<u8>> = Vec::new();
    let mut after_blank = true;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if after_blank && is_from_line(line) {
            mails.push(Vec::new());
        } else {
            if mails.is_empty() {
                mails.push(Vec::new());
            }
            let quoted = line.first() == Some(&b'>') && line.trim_ascii_start_quotes().starts_with(b"From ");
            let line = if quoted { &line[1..] } else { line };
            if let Some(mail) = mails.last_mut() {
                mail.extend_from_slice(line);
            }
        }
        after_blank = line.trim_ascii().is_empty();
    }
    mails.retain(|mail| !mail.trim_ascii().is_empty());
    mails
}

trait Quotes {
    fn trim_ascii_start_quotes(&self) -> &[u8];
}

impl Quotes for [u8] {
    fn trim_ascii_start_quotes(&self) -> &[u8] {
        let end = self.iter().position(|&byte| byte != b'>').unwrap_or(self.len());
        &self[end..]
    }
}

/// `From <hash or address> <day> <month> …`, as git and mail programs write it.
fn is_from_line(line: &[u8]) -> bool {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let line = decode(line);
    let mut words = line.split_whitespace();
    words.next() == Some("From")
        && words.next().is_some()
        && words.next().is_some_and(|day| DAYS.contains(&day))
}

/// Reads one mail. Fails, saying why, if it is no mail, or one that nobody can read.
pub fn parse(bytes: &[u8]) -> Result<Mail, String> {
    if bytes.len() > LARGEST {
        return Err(format!("it has {} MiB: no patch is that large", bytes.len() >> 20));
    }
    let parsed = mailparse::parse_mail(bytes).map_err(|error| format!("not a mail: {error}"))?;
    let header = |name: &str| parsed.headers.get_first_value(name);
    let (Some(subject), Some(from)) = (header("Subject"), header("From")) else {
        return Err("not a mail: it has no From or no Subject".to_owned());
    };
    let text = text_of(&parsed)?.replace("\r\n", "\n");
    let at = diff::begin(&text);
    let (mut message, patch) = (&text[..at], &text[at..]);
    let mut author = Person::parse(&from).unwrap_or_default();
    // Whoever sends another's patch puts its author on the first line.
    if let Some((first, rest)) = message.trim_start().split_once('\n')
        && let Some(person) = first.strip_prefix("From: ").and_then(Person::parse)
    {
        (author, message) = (person, rest);
    }
    let (prefix, subject) = split(&subject);
    let recipients = ["To", "Cc"].iter().flat_map(|name| parsed.headers.get_all_values(name));
    Ok(Mail {
        prefix: prefix.unwrap_or_else(|| Prefix::parse("")),
        subject,
        author,
        date: header("Date").unwrap_or_default(),
        recipients: recipients.flat_map(|list| addresses(&list)).collect(),
        message: Message::parse(message),
        patch: without_signature(patch).to_owned(),
    })
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

/// The first part that is text.
fn text_of(mail: &ParsedMail<'_>) -> Result<String, String> {
    let parts: Vec<&ParsedMail<'_>> = mail.parts().filter(|part| part.subparts.is_empty()).collect();
    let plain = parts.iter().find(|part| part.ctype.mimetype == "text/plain").or(parts.first());
    let Some(part) = plain else { return Err("it has no text".to_owned()) };
    part.get_body().map_err(|error| format!("its text cannot be read: {error}"))
}

/// The patch without what git puts below it: `-- ` and its version.
fn without_signature(patch: &str) -> &str {
    patch.rfind("\n-- \n").map_or(patch, |at| &patch[..=at])
}

#[cfg(test)]
mod tests {
    use super::*;

    const MBOX: &str = "From 1234 Mon Sep 17 00:00:00 2001\nFrom: A <a@b.org>\nSubject: [PATCH net v2 0/1] cover\n\nhello\n>From me\n\n\
        From 1234 Mon Sep 17 00:00:00 2001\nFrom: A <a@b.org>\nTo: mptcp@lists.linux.dev,\n \"B, C\" <b@c.org>\nCc: d@e.org\n\
        Subject: [PATCH net v2 1/1] =?UTF-8?q?mptcp:_caf=C3=A9?=\nContent-Type: text/plain; charset=UTF-8\n\
        Content-Transfer-Encoding: quoted-printable\n\nFrom: Z <z@z.org>\n\nWhy =3D this\n\nSigned-off-by: Z <z@z.org>\n---\nv2: x\n\n\
        diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n-- =\n\n2.47\n";

    #[test]
    fn a_mailbox_is_read() {
        let mails: Vec<Mail> =
            split_mbox(MBOX.as_bytes()).iter().map(|bytes| parse(bytes).unwrap()).collect();
        assert_eq!(mails.len(), 2);
        assert_eq!(mails[0].patch, "");
        assert_eq!(mails[0].message.text, "hello\nFrom me");
        let mail = &mails[1];
        assert_eq!((&mail.subject[..], mail.prefix.count), ("mptcp: café", Some((1, 1))));
        assert_eq!(mail.author.email, "z@z.org");
        assert_eq!(mail.recipients, ["mptcp@lists.linux.dev", "b@c.org", "d@e.org"]);
        assert_eq!(mail.message.text, "Why = this\n\nSigned-off-by: Z <z@z.org>");
        assert_eq!(mail.message.notes, "v2: x");
        assert!(mail.patch.ends_with("+b\n"), "{:?}", mail.patch);
    }

    #[test]
    fn what_is_no_mail_says_so() {
        assert!(parse(b"hello\n").unwrap_err().contains("no From"));
        assert!(parse(b"").is_err());
        assert!(parse(&vec![b'x'; LARGEST + 1]).unwrap_err().contains("8 MiB"));
        assert_eq!(split_mbox(b"\n\n").len(), 0);
    }
}
