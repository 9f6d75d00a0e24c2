//! Untrusted text, and what of it a person may see.
//!
//! A test's output, a commit's message, the name of a file: whoever wrote them may have put sequences into them that clear
//! a screen, change the order of what is read, or stand for nothing visible at all.
//!
//! ```
//! use shown::{Shown, decode};
//!
//! assert_eq!(Shown::line("ok\u{1b}[2J \u{202e}txt").to_string(), "ok\\u{1b}[2J \\u{202e}txt");
//! // Colours mean nothing in a name, and are dropped.
//! assert_eq!(Shown::line("\u{1b}[32mok\u{1b}[0m").to_string(), "ok");
//! // Bytes that are no UTF-8 stay different from each other.
//! assert_eq!(decode(b"a\xff"), "a\\xff");
//! ```

#![forbid(unsafe_code)]
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::path::Path;

/// Untrusted text as it may be shown: `Display` writes it so that nothing in it acts on a terminal, hides other text or
/// changes its order.
///
/// * Hidden characters ([`is_hidden`]) are written as Rust escapes them: `\r`, `\u{1b}`, `\u{202e}`.
/// * Bytes that are no UTF-8 are written as `\xff`: visible, and still the same bytes.
/// * Sequences that only set colours are dropped: they are common in names of tests, and mean nothing.
///
/// What is shown is for a person: a backslash stays as it is, so that the text cannot always be read back.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    bytes: &'a [u8],
    several: bool,
}

impl<'a> Shown<'a> {
    /// Text that has to stay on one line: a line feed is shown as `\n`, a tab as a blank.
    pub fn line(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { bytes: text.as_ref(), several: false }
    }

    /// Text of several lines: line feeds and tabs stay, and a carriage return before a line feed is dropped.
    pub fn lines(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { bytes: text.as_ref(), several: true }
    }

    /// A path, on one line.
    pub fn path(path: &'a Path) -> Self {
        Self::line(path.as_os_str().as_encoded_bytes())
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        for chunk in self.bytes.utf8_chunks() {
            self.write_text(chunk.valid(), out)?;
            escape_bytes(chunk.invalid(), out)?;
        }
        Ok(())
    }

    fn write_text(&self, text: &str, out: &mut impl fmt::Write) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_hidden) {
            out.write_str(&rest[..at])?;
            rest = &rest[at..];
            if let Some(length) = colour(rest) {
                rest = &rest[length..];
                continue;
            }
            let mut chars = rest.chars();
            let Some(char) = chars.next() else { break };
            rest = chars.as_str();
            match char {
                '\n' | '\t' if self.several => out.write_char(char)?,
                '\r' if self.several && rest.starts_with('\n') => {}
                '\t' => out.write_char(' ')?,
                char => write!(out, "{}", char.escape_default())?,
            }
        }
        out.write_str(rest)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.width().is_none() && f.precision().is_none() {
            return self.write(f);
        }
        let mut whole = String::with_capacity(self.bytes.len());
        self.write(&mut whole)?;
        f.pad(&whole)
    }
}

/// Bytes as text. What is no UTF-8 becomes `\xff`, so that no two texts become the same by losing what tells them apart.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return text.into();
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        // Writing into a string cannot fail.
        let _ = escape_bytes(chunk.invalid(), &mut text);
    }
    text.into()
}

/// Whether a character acts on what shows it, or cannot be seen: control characters, the marks that change the direction
/// of writing (as in CVE-2021-42574), separators of lines, and characters without width or ink.
///
/// From Unicode's properties `Cc`, `Zl`, `Zp`, `Bidi_Control` and `Default_Ignorable_Code_Point`.
pub fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// JSON as it may be shown: hidden characters, which can only stand in its texts, as `\u202e`. To a program it is the same.
pub fn json(document: &str) -> String {
    let mut shown = String::with_capacity(document.len());
    for char in document.chars() {
        if is_hidden(char) && char != '\n' {
            let mut units = [0; 2];
            // Writing into a string cannot fail.
            let _ = char.encode_utf16(&mut units).iter().try_for_each(|unit| write!(shown, "\\u{unit:04x}"));
        } else {
            shown.push(char);
        }
    }
    shown
}

fn escape_bytes(bytes: &[u8], out: &mut impl fmt::Write) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "\\x{byte:02x}"))
}

/// The length of the sequence at the beginning of `text` that only sets colours.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|char: char| !char.is_ascii_digit() && !";:".contains(char))?;
    parameters[end..].starts_with('m').then_some(end + 3)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_a_terminal() {
        let cases: [(&[u8], &str); 8] = [
            (b"plain \xc3\xbc \\ '\"", "plain \u{fc} \\ '\""),
            (b"a\x1b[31mred\x1b[0m\x1b[m\x1b[38:5:1mb", "aredb"),
            (b"\x1b]0;title\x07x\r", "\\u{1b}]0;title\\u{7}x\\r"),
            (b"\x1b[2J\x1b[", "\\u{1b}[2J\\u{1b}["),
            (b"one\ntwo\tthree\0", "one\\ntwo three\\u{0}"),
            (b"\xc2\x9b2J\x7f", "\\u{9b}2J\\u{7f}"),
            (
                "\u{202e}txt\u{2066}\u{200b}\u{feff}\u{e0041}".as_bytes(),
                "\\u{202e}txt\\u{2066}\\u{200b}\\u{feff}\\u{e0041}",
            ),
            (b"", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(Shown::line(text).to_string(), expected);
        }
    }

    #[test]
    fn invalid_bytes_stay_visible_and_different() {
        assert_eq!(Shown::line(b"a\xff\xc3").to_string(), "a\\xff\\xc3");
        assert_eq!(decode(b"a\xff\xe2\x82b"), "a\\xff\\xe2\\x82b");
        assert_ne!(decode(b"\xfe"), decode(b"\xff"));
        assert!(matches!(decode("ü".as_bytes()), Cow::Borrowed("ü")));
    }

    #[test]
    fn lines_keep_their_ends_and_their_tabs() {
        let text = b"\tint x;\r\n\t^\x1b[K\rover\n";
        assert_eq!(Shown::lines(text).to_string(), "\tint x;\n\t^\\u{1b}[K\\rover\n");
    }

    #[test]
    fn columns_are_padded() {
        assert_eq!(format!("{:<5}|{:.2}", Shown::line("\r"), Shown::line("abc")), "\\r   |ab");
    }

    #[test]
    fn json_means_the_same_and_hides_nothing() {
        let value =
            serde_json::json!({ "a\u{202e}": ["\u{1b}[2J\u{7f}\u{9b}\u{e0041}\n\t\u{fc}\\\"", 1.5, null] });
        for text in [value.to_string(), format!("{value:#}")] {
            let shown = json(&text);
            assert!(!shown.contains(|char| is_hidden(char) && char != '\n'), "{shown}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }

    #[test]
    fn no_hidden_character_is_left_whatever_the_bytes() {
        // Every character that there is, and every byte at every place of a short text.
        for char in '\0'..=char::MAX {
            let shown = Shown::line(&char.to_string()).to_string();
            assert!(!shown.contains(is_hidden), "{:x}", u32::from(char));
            assert!(!shown.is_empty());
        }
        for byte in 0..=u8::MAX {
            for text in [[byte, b'a', b'b'], [0xe2, byte, 0x80], [0xe2, 0x80, byte], [0xc2, byte, byte]] {
                assert!(!Shown::line(&text).to_string().contains(is_hidden), "{text:x?}");
            }
        }
    }
}
