//! The message of a patch: body, trailers, and what stands below the line of dashes. Pure.

/// A line such as `Fixes: 0123456789ab ("subject")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailer {
    /// What stands before the colon.
    pub key: String,
    /// What stands after it.
    pub value: String,
}

/// A message, without the subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// All that becomes part of the history, trailers included.
    pub text: String,
    /// What stands below `---`: changelog, base, notes. Lost when the patch is applied.
    pub notes: String,
}

impl Message {
    /// Splits a message (without its subject, and without the diff) at the line of dashes.
    pub fn parse(text: &str) -> Self {
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            if line.trim_end() == "---" {
                let notes = &text[at + line.len()..];
                return Self { text: text[..at].trim().to_owned(), notes: notes.trim().to_owned() };
            }
            at += line.len();
        }
        Self { text: text.trim().to_owned(), notes: String::new() }
    }

    /// The trailers: `Key: value` lines at the end, and those of this form anywhere that are known by their key.
    pub fn trailers(&self) -> Vec<Trailer> {
        self.text.lines().filter_map(trailer).collect()
    }

    /// The values of the trailers with this key, whatever its case.
    pub fn values(&self, key: &str) -> Vec<String> {
        let same = |trailer: &Trailer| trailer.key.eq_ignore_ascii_case(key);
        self.trailers().into_iter().filter(same).map(|trailer| trailer.value).collect()
    }

    /// The text without its trailers: what the author wrote for the reader.
    pub fn body(&self) -> String {
        let lines = self.text.lines().filter(|line| trailer(line).is_none());
        lines.collect::<Vec<_>>().join("\n").trim().to_owned()
    }
}

/// Keys that end neither with `-by` nor stand alone as a rule, but are trailers all the same.
const KEYS: [&str; 9] = [
    "fixes",
    "closes",
    "link",
    "cc",
    "change-id",
    "message-id",
    "based-on",
    "base-commit",
    "reported-and-tested-by",
];

/// Reads a line as a trailer. A line of the text such as `Note: this` is none.
pub fn trailer(line: &str) -> Option<Trailer> {
    let (key, value) = line.split_once(':')?;
    let lower = key.to_ascii_lowercase();
    let known = lower.ends_with("-by") || KEYS.contains(&lower.as_str());
    let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (known && plain && !value.trim().is_empty())
        .then(|| Trailer { key: key.to_owned(), value: value.trim().to_owned() })
}

/// A name and an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// The name; may be empty.
    pub name: String,
    /// The address.
    pub email: String,
}

impl Person {
    /// Reads `Name <address>`, or an address alone; `None` if there is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, email) = match text.rsplit_once('<') {
            Some((name, rest)) => (name, rest.split('>').next()?),
            None => ("", text),
        };
        let email = email.trim();
        let name = name.trim().trim_matches('"').to_owned();
        email.contains('@').then(|| Self { name, email: email.to_owned() })
    }

    /// True if both have the same address, and the same name where both have one.
    pub fn is(&self, other: &Self) -> bool {
        let name = self.name.is_empty() || other.name.is_empty() || self.name == other.name;
        name && self.email.eq_ignore_ascii_case(&other.email)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_trailers_and_notes_are_told_apart() {
        let message = Message::parse(
            "Why: because.\n\nMore.\n\nFixes: 123 (\"x\")\nCc: stable@vger.kernel.org # v6.1\nSigned-off-by: A <a@b>\n---\nv2: y\n---\n",
        );
        assert_eq!(message.body(), "Why: because.\n\nMore.");
        assert_eq!(message.values("cc"), ["stable@vger.kernel.org # v6.1"]);
        assert_eq!(message.trailers().len(), 3);
        assert_eq!(message.notes, "v2: y\n---");
        assert_eq!(Message::parse("only text").notes, "");
    }

    #[test]
    fn people_are_compared_by_address_and_name() {
        let person = |text| Person::parse(text).unwrap();
        assert!(person("A B <a@b.org>").is(&person("\"A B\" <A@B.org>")));
        assert!(person("a@b.org").is(&person("A B <a@b.org>")));
        assert!(!person("A C <a@b.org>").is(&person("A B <a@b.org>")));
        assert_eq!(Person::parse("nobody"), None);
    }
}
