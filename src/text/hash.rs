//! Keys that stand for what they were made of: SHA-256 over fields that cannot run into each other. Pure.
//!
//! A key of 64 bits that anybody can compute lets one answer be taken for another's, by chance or on purpose: a patch
//! series comes from strangers. And what `{:?}` prints is for people; it may change with a compiler, and may leave out
//! what differs.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A SHA-256 value. Shown, and kept in files, as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The first 16 digits: enough to name a directory among others of one user's.
    pub fn short(&self) -> String {
        self.to_string()[..16].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no SHA-256 value");
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

/// A key that is being put together, field by field. Each field goes in with its length, so `("ab", "c")` and
/// `("a", "bc")` are two keys.
#[derive(Debug, Clone)]
pub struct Key(Sha256);

impl Key {
    /// Of a kind: keys of two kinds differ even when their fields are the same.
    pub fn new(kind: &str) -> Self {
        Self(Sha256::new()).field(kind)
    }

    /// With one field more.
    #[must_use]
    pub fn field(mut self, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.0.update((value.len() as u64).to_le_bytes());
        self.0.update(value);
        self
    }

    /// With a list more, which is one field: where it ends is part of the key.
    #[must_use]
    pub fn list<T: AsRef<[u8]>>(self, values: impl IntoIterator<Item = T>) -> Self {
        self.field(values.into_iter().fold(Self::new("list"), Self::field).digest())
    }

    /// The value of all fields.
    pub fn digest(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// The value of a text, as `sha256sum` prints it.
pub fn of(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_the_published_one() {
        // FIPS 180-4's example.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of(b"abc").to_string(), abc);
        assert_eq!(of(b"abc").short(), "ba7816bf8f01cfea");
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let keys = [
            Key::new("k").field("ab").field("c"),
            Key::new("k").field("a").field("bc"),
            Key::new("k").field("abc"),
            Key::new("k").field("abc").field(""),
            Key::new("ka").field("bc"),
            Key::new("k").list(["ab", "c"]),
            Key::new("k").list(["ab"]).field("c"),
            Key::new("k").list(["ab"]).list(["c"]),
        ];
        let all: std::collections::BTreeSet<Digest> = keys.into_iter().map(Key::digest).collect();
        assert_eq!(all.len(), 8);
    }

    #[test]
    fn a_value_is_kept_as_text_and_nothing_else_is_read() {
        let digest = of(b"x");
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(text, format!("\"{digest}\""));
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), digest);
        for wrong in ["7", "\"\"", "\"12\"", &format!("\"{}\"", "ü".repeat(32)), &text.replace('a', "+")] {
            assert!(serde_json::from_str::<Digest>(wrong).is_err(), "{wrong}");
        }
    }
}
