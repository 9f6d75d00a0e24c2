//! The letter with which a series came: its cover letter, or its only patch.

use crate::error::{Error, IoContext, Result};
use crate::text::decode;
use mailparse::{MailHeaderMap, parse_headers};
use std::path::Path;

/// What of a letter an answer needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Letter {
    /// `Message-Id`, with its angle brackets.
    pub id: String,
    /// `Subject`.
    pub subject: String,
    /// `From`.
    pub from: String,
    /// `To` and `Cc`, as they stand there.
    pub copies: Vec<String>,
    /// `References`.
    pub references: String,
}

impl Letter {
    /// Reads the file of a mail.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).doing("read", path)?;
        Self::parse(&bytes).ok_or_else(|| {
            Error::usage(format!("{} is no mail with a Message-Id and a sender", path.display()))
                .hint("give the cover letter as it came: b4 am --cover, or a file of its mail")
        })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let start = bytes.strip_prefix(b"From ").map_or(0, |rest| {
            rest.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1 + b"From ".len())
        });
        let (headers, _) = parse_headers(&bytes[start..]).ok()?;
        let one = |name: &str| headers.get_first_value(name).map(|value| line(&value));
        let copies = ["To", "Cc"].iter().flat_map(|name| headers.get_all_values(name));
        let letter = Self {
            id: one("Message-Id")?,
            subject: one("Subject").unwrap_or_default(),
            from: one("From")?,
            copies: copies.map(|value| line(&value)).filter(|value| !value.is_empty()).collect(),
            references: one("References").unwrap_or_default(),
        };
        is_id(&letter.id).then_some(letter)
    }
}

/// True for a message id in its angle brackets.
pub fn is_id(text: &str) -> bool {
    let inner = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    inner.is_some_and(|id| {
        id.contains('@') && !id.contains(|char: char| char.is_whitespace() || "<>\"".contains(char))
    })
}

/// A header on one line: nothing in it begins another header.
fn line(text: &str) -> String {
    decode(text.as_bytes()).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_needs_a_few_headers() {
        let mail =
            b"From x Mon Sep 17 00:00:00 2001\nFrom: Ann <a@x>\nTo: mptcp@lists.linux.dev\nCc: b@x,\n c@x\n\
            Subject: [PATCH mptcp-next\n v2 0/3] mptcp: x\nMessage-Id: <1@x>\n\nTo: body\n";
        let letter = Letter::parse(mail).unwrap();
        assert_eq!(letter.id, "<1@x>");
        assert_eq!(letter.subject, "[PATCH mptcp-next v2 0/3] mptcp: x");
        assert_eq!(letter.copies, ["mptcp@lists.linux.dev", "b@x, c@x"]);
        assert_eq!(Letter::parse(b"From: a@x\n\nx"), None);
        assert_eq!(Letter::parse(b""), None);
        for wrong in ["1@x", "<1>", "<a b@x>", "<a@x>\n<b@x>"] {
            assert!(!is_id(wrong), "{wrong}");
        }
    }
}
