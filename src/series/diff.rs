//! Reads a patch in git's format: which files it touches, which lines it adds. Pure.

use crate::text::decode;

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is new.
    Added,
    /// It is changed, perhaps renamed.
    Modified,
    /// It goes.
    Deleted,
}

/// A line of a file, numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number: of an added line in the new file, of a removed one in the old.
    pub number: u32,
    /// Its text, without the line feed.
    pub text: String,
}

/// The change of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its path; the new one, if it has two. From a patch: to be checked before it is used.
    pub path: String,
    /// Its path before, if that is another one.
    pub old_path: Option<String>,
    /// What happens to it.
    pub kind: Kind,
    /// Its new mode, as in `0o100644`, if the patch states it.
    pub mode: Option<u32>,
    /// True if it has no lines.
    pub binary: bool,
    /// The lines that are added.
    pub added: Vec<Line>,
    /// The lines that are removed.
    pub removed: Vec<Line>,
}

impl Change {
    fn new(path: String) -> Self {
        Self {
            path,
            old_path: None,
            kind: Kind::Modified,
            mode: None,
            binary: false,
            added: Vec::new(),
            removed: Vec::new(),
        }
    }

    /// True if the file's name ends with one of these.
    pub fn ends_with(&self, endings: &[&str]) -> bool {
        endings.iter().any(|ending| self.path.ends_with(ending))
    }
}

/// Reads the changes of a patch, in order. Whatever stands around them is passed over; what is malformed ends a hunk.
pub fn parse(text: &str) -> Vec<Change> {
    let mut reader = Reader::default();
    for line in text.lines() {
        reader.line(line);
    }
    reader.changes
}

/// The place in `text` where its first change begins; its end, if there is none.
pub fn begin(text: &str) -> usize {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with("diff --git ") || line.starts_with("--- a/") || line.starts_with("--- /dev/null")
        {
            return at;
        }
        at += line.len();
    }
    text.len()
}

#[derive(Default)]
struct Reader {
    changes: Vec<Change>,
    /// Lines that the hunk still has: of the old file, of the new one.
    left: (u32, u32),
    /// Numbers of its next lines.
    next: (u32, u32),
}

impl Reader {
    fn line(&mut self, line: &str) {
        if self.left != (0, 0) && self.in_hunk(line) {
            return;
        }
        if let Some(rest) = line.strip_prefix("diff --git ") {
            self.changes.push(Change::new(path_of_header(rest).unwrap_or_default()));
        } else if let Some(rest) = line.strip_prefix("@@ -") {
            if let Some((old, new)) = hunk(rest) {
                (self.next, self.left) = ((old.0, new.0), (old.1, new.1));
            }
        } else if let Some(path) = line.strip_prefix("--- ") {
            // A patch that was not made by git has no header.
            if self.changes.last().is_none_or(|change| !change.added.is_empty() || !change.removed.is_empty())
            {
                self.changes.push(Change::new(strip(path).unwrap_or_default()));
            }
            if path.trim_end() == "/dev/null" {
                self.set(|change| change.kind = Kind::Added);
            }
        } else if let Some(path) = line.strip_prefix("+++ ") {
            match strip(path) {
                Some(path) => self.set(|change| change.path = path),
                None => self.set(|change| change.kind = Kind::Deleted),
            }
        } else {
            self.extended_header(line);
        }
    }

    fn extended_header(&mut self, line: &str) {
        let mode = |text: &str| u32::from_str_radix(text.trim(), 8).ok();
        if let Some(text) = line.strip_prefix("new file mode ") {
            self.set(|change| (change.kind, change.mode) = (Kind::Added, mode(text)));
        } else if let Some(text) = line.strip_prefix("new mode ") {
            self.set(|change| change.mode = mode(text));
        } else if line.starts_with("deleted file mode ") {
            self.set(|change| change.kind = Kind::Deleted);
        } else if let Some(text) = line.strip_prefix("rename from ").or(line.strip_prefix("copy from ")) {
            self.set(|change| change.old_path = Some(unquote(text)));
        } else if let Some(text) = line.strip_prefix("rename to ").or(line.strip_prefix("copy to ")) {
            self.set(|change| change.path = unquote(text));
        } else if line.starts_with("Binary files ") || line.starts_with("GIT binary patch") {
            self.set(|change| change.binary = true);
        } else if let Some((_, text)) = line.strip_prefix("index ").and_then(|rest| rest.rsplit_once(' ')) {
            self.set(|change| change.mode = change.mode.or(mode(text)));
        }
    }

    /// False if the line is no part of a hunk.
    fn in_hunk(&mut self, line: &str) -> bool {
        let Some(change) = self.changes.last_mut() else { return false };
        let (text, added, removed) = match line.split_at_checked(1) {
            Some(("+", text)) => (text, true, false),
            Some(("-", text)) => (text, false, true),
            Some((" ", text)) => (text, true, true),
            // Mailers drop the blank at the end of an empty line.
            None => ("", true, true),
            Some(("\\", _)) => return true,
            _ => {
                self.left = (0, 0);
                return false;
            }
        };
        if added && !removed {
            change.added.push(Line { number: self.next.1, text: text.to_owned() });
        } else if removed && !added {
            change.removed.push(Line { number: self.next.0, text: text.to_owned() });
        }
        if removed {
            self.next.0 = self.next.0.saturating_add(1);
            self.left.0 = self.left.0.saturating_sub(1);
        }
        if added {
            self.next.1 = self.next.1.saturating_add(1);
            self.left.1 = self.left.1.saturating_sub(1);
        }
        true
    }

    fn set(&mut self, set: impl FnOnce(&mut Change)) {
        if let Some(change) = self.changes.last_mut() {
            set(change);
        }
    }
}

/// A first line and a number of lines.
type Range = (u32, u32);

/// Reads `12,3 +14,5 @@ …`.
fn hunk(text: &str) -> Option<(Range, Range)> {
    let (old, rest) = text.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let range = |text: &str| match text.split_once(',') {
        Some((first, count)) => Some((first.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    };
    Some((range(old)?, range(new)?))
}

/// Reads `a/x b/x`. Where both paths are the same, that splits it in two equal halves, whatever blanks are in it.
fn path_of_header(text: &str) -> Option<String> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (_, new) = quoted.split_once("\" ")?;
        return strip(new.trim_start());
    }
    let half = text.len().checked_sub(1)? / 2;
    if let (Some(old), Some(new)) = (text.get(..half), text.get(half + 1..))
        && old.get(2..) == new.get(2..)
    {
        return strip(new);
    }
    strip(text.rsplit_once(' ')?.1)
}

/// Takes the `a/` or `b/` off; `None` for `/dev/null`.
fn strip(path: &str) -> Option<String> {
    let path = path.trim_end_matches(['\t', '\r']);
    // A time may follow, after a tab.
    let path = path.split('\t').next().unwrap_or(path);
    if path == "/dev/null" {
        return None;
    }
    let path = unquote(path);
    let inner = path.strip_prefix("a/").or_else(|| path.strip_prefix("b/"));
    Some(inner.map_or(path.clone(), str::to_owned))
}

/// Reads git's quoted paths: `"a/\303\244"`.
fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut bytes = Vec::new();
    let mut rest = inner.bytes().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(digit @ b'0'..=b'7') => {
                let mut value = u32::from(digit - b'0');
                for _ in 0..2 {
                    if let Some(digit @ b'0'..=b'7') = rest.peek().copied() {
                        value = value * 8 + u32::from(digit - b'0');
                        rest.next();
                    }
                }
                bytes.push(u8::try_from(value & 0xff).unwrap_or_default());
            }
            Some(b'n') => bytes.push(b'\n'),
            Some(b't') => bytes.push(b'\t'),
            Some(b'r') => bytes.push(b'\r'),
            Some(other) => bytes.push(other),
            None => {}
        }
    }
    decode(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "\
From 123 Mon Sep 17 00:00:00 2001
Subject: [PATCH] x
---
 net/mptcp/pm.c | 2 +-

diff --git a/net/mptcp/pm.c b/net/mptcp/pm.c
index 1111111..2222222 100644
--- a/net/mptcp/pm.c
+++ b/net/mptcp/pm.c
@@ -10,4 +10,4 @@ static int x(void)
 one

-two
--- three
+++ four
+five
 six
diff --git a/a file b/a file
new file mode 120000
--- /dev/null
+++ b/a file
@@ -0,0 +1 @@
+/etc/passwd
\\ No newline at end of file
diff --git a/old.c b/new.c
similarity index 100%
rename from old.c
rename to new.c
diff --git \"a/sn\\303\\266.c\" \"b/sn\\303\\266.c\"
deleted file mode 100644
--
2.47
";

    #[test]
    fn files_lines_and_modes_are_read() {
        let changes = parse(PATCH);
        let said: Vec<String> = changes
            .iter()
            .map(|change| {
                let Change { path, old_path, kind, mode, .. } = change;
                let lines = |lines: &[Line]| {
                    lines.iter().map(|line| format!("{}:{}", line.number, line.text)).collect::<Vec<_>>()
                };
                format!(
                    "{path} {old_path:?} {kind:?} {mode:?} +{:?} -{:?}",
                    lines(&change.added),
                    lines(&change.removed)
                )
            })
            .collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        net/mptcp/pm.c None Modified Some(33188) +["12:++ four", "13:five"] -["12:two", "13:-- three"]
        a file None Added Some(40960) +["1:/etc/passwd"] -[]
        new.c Some("old.c") Modified None +[] -[]
        snö.c None Deleted None +[] -[]
        "#);
    }

    #[test]
    fn nonsense_is_no_panic() {
        for text in [
            "@@ -1,2 +1,2 @@\n+x",
            "diff --git \n@@ -9999999999 +1 @@\n",
            "diff --git \"\n",
            "+++ x",
            "--- \n@@ -1 +1 @@\nü",
        ] {
            parse(text);
        }
    }

    #[test]
    fn a_patch_without_git_is_read_too() {
        let changes = parse(
            "--- a/x.c\t2026-01-01\n+++ b/x.c\t2026-01-02\n@@ -1 +1 @@\n-a\n+b\n--- a/y.c\n+++ b/y.c\n@@ -1 +0,0 @@\n-a\n",
        );
        assert_eq!(changes.iter().map(|change| &change.path[..]).collect::<Vec<_>>(), ["x.c", "y.c"]);
    }
}
