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

/// Reads the changes of a patch, in order, as `git apply -p1` does. Whatever stands around them is passed over; a hunk that is
/// malformed, for which git takes nothing of the patch, ends there.
pub fn parse(text: &str) -> Vec<Change> {
    let mut reader = Reader { lines: text.split('\n').collect(), at: 0, changes: Vec::new() };
    while let Some(&line) = reader.lines.get(reader.at) {
        if let Some(rest) = line.strip_prefix("diff --git ") {
            reader.at += 1;
            if reader.git_header(rest) {
                reader.hunks();
            }
        } else if reader.is_plain_header() {
            reader.plain_header();
            let hunks = reader.hunks();
            reader.of_one_hunk(&hunks);
        } else {
            reader.at += 1;
        }
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

struct Reader<'t> {
    lines: Vec<&'t str>,
    at: usize,
    changes: Vec<Change>,
}

impl Reader<'_> {
    /// The headers that follow `diff --git`. The first line that is none of them ends it; false if that is the next.
    fn git_header(&mut self, names: &str) -> bool {
        let begin = self.at;
        let name = path_of_header(names).unwrap_or_default();
        let mut change = Change::new(name.clone());
        while let Some(line) = self.lines.get(self.at) {
            if line.starts_with("@@ -") || !header(&mut change, &name, line) {
                break;
            }
            self.at += 1;
        }
        if self.at == begin {
            return false;
        }
        change.binary = self.lines.get(self.at).is_some_and(|line| is_binary(line));
        self.changes.push(change);
        true
    }

    /// True at the three lines that begin a patch which was not made by git.
    fn is_plain_header(&self) -> bool {
        let starts = |at: usize, with: &str| self.lines.get(at).is_some_and(|line| line.starts_with(with));
        starts(self.at, "--- ") && starts(self.at + 1, "+++ ") && starts(self.at + 2, "@@ -")
    }

    fn plain_header(&mut self) {
        let (old, new) = (&self.lines[self.at][4..], &self.lines[self.at + 1][4..]);
        let quoted = new.starts_with('"');
        let (before, after) = (alone(old).unwrap_or_default(), strip(new).unwrap_or_default());
        let change = if is_nothing(old) {
            Change { kind: Kind::Added, ..Change::new(squashed(after)) }
        } else if is_nothing(new) {
            Change { kind: Kind::Deleted, ..Change::new(before) }
        } else if !quoted && after.starts_with(&before) {
            // Of `x.c` and `x.c.new`, git takes what is the beginning of the other.
            Change::new(before)
        } else {
            Change::new(squashed(after))
        };
        self.at += 2;
        self.changes.push(change);
    }

    /// Without a header that says so, a file that has no line before the only hunk, or none after it, is new, or goes.
    fn of_one_hunk(&mut self, hunks: &[(Range, Range)]) {
        if let (Some(change), &[(old, new)]) = (self.changes.last_mut(), hunks) {
            match (change.kind, old.1, new.1) {
                (Kind::Modified, 0, _) => change.kind = Kind::Added,
                (Kind::Modified, _, 0) => change.kind = Kind::Deleted,
                _ => {}
            }
        }
    }

    fn hunks(&mut self) -> Vec<(Range, Range)> {
        let mut hunks = Vec::new();
        while let Some(range) = self.lines.get(self.at).and_then(|line| hunk(line.strip_prefix("@@ -")?)) {
            self.at += 1;
            self.hunk(range);
            hunks.push(range);
        }
        hunks
    }

    /// The lines of a hunk: as many of the old and the new file as it says.
    fn hunk(&mut self, (old, new): (Range, Range)) {
        let Some(change) = self.changes.last_mut() else { return };
        let (mut next, mut left) = ((old.0, new.0), (old.1, new.1));
        while left != (0, 0) {
            let Some(line) = self.lines.get(self.at) else { return };
            let (removed, added, text) = match line.split_at_checked(1) {
                Some(("+", text)) => (false, true, text),
                Some(("-", text)) => (true, false, text),
                Some((" ", text)) => (true, true, text),
                // Mailers drop the blank at the end of an empty line.
                None if line.is_empty() => (true, true, ""),
                Some(("\\", _)) => (false, false, ""),
                _ => return,
            };
            if added && !removed {
                change.added.push(Line { number: next.1, text: text.to_owned() });
            } else if removed && !added {
                change.removed.push(Line { number: next.0, text: text.to_owned() });
            }
            let step = |count: &mut u32, left: &mut u32| {
                (*count, *left) = (count.saturating_add(1), left.saturating_sub(1));
            };
            if removed {
                step(&mut next.0, &mut left.0);
            }
            if added {
                step(&mut next.1, &mut left.1);
            }
            self.at += 1;
        }
        // That the last line has no line feed.
        if self.lines.get(self.at).is_some_and(|line| line.starts_with("\\ ")) {
            self.at += 1;
        }
    }
}

/// Takes a header of a patch of git's for a file of this name; false if the line is none.
fn header(change: &mut Change, name: &str, line: &str) -> bool {
    let after = |prefixes: &[&str]| prefixes.iter().find_map(|prefix| line.strip_prefix(prefix));
    if let Some(path) = after(&["--- "]) {
        if let Some(path) = alone(path).filter(|_| change.kind == Kind::Deleted) {
            change.path = path;
        }
    } else if let Some(path) = after(&["+++ "]) {
        if let Some(path) = alone(path).filter(|_| change.kind != Kind::Deleted) {
            change.path = path;
        }
    } else if let Some(text) = after(&["new file mode "]) {
        (change.kind, change.mode, change.path) = (Kind::Added, mode(text), name.to_owned());
    } else if after(&["deleted file mode "]).is_some() {
        (change.kind, change.path) = (Kind::Deleted, name.to_owned());
    } else if let Some(text) = after(&["new mode "]) {
        change.mode = mode(text);
    } else if let Some(path) = after(&["rename from ", "rename old ", "copy from "]) {
        change.old_path = Some(renamed(path));
    } else if let Some(path) = after(&["rename to ", "rename new ", "copy to "]) {
        change.path = renamed(path);
    } else if let Some(rest) = after(&["index "]) {
        let text = rest.split_once(' ').map(|(_, text)| text);
        change.mode = change.mode.or(text.and_then(mode));
    } else {
        return after(&["old mode ", "similarity index ", "dissimilarity index "]).is_some();
    }
    true
}

fn is_binary(line: &str) -> bool {
    line == "GIT binary patch"
        || ["Binary files ", "Files "].iter().any(|start| line.starts_with(start))
            && line.ends_with(" differ")
}

/// The octal number that a line begins with, as git reads it: anything may follow after a blank.
fn mode(text: &str) -> Option<u32> {
    u32::from_str_radix(text.split_ascii_whitespace().next()?, 8).ok().map(canonical)
}

/// The mode that git makes of one: there are two for files, and one each for links and submodules.
fn canonical(mode: u32) -> u32 {
    match mode & 0o170_000 {
        0o100_000 => 0o100_644 | if mode & 0o100 == 0 { 0 } else { 0o111 },
        0o120_000 => 0o120_000,
        0o040_000 => 0o040_000,
        _ => 0o160_000,
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

/// Reads `a/x b/x`: both have to be the same but for their first directory, whatever blanks are in them.
fn path_of_header(text: &str) -> Option<String> {
    let same = |old: &str, new: &str| strip(new).filter(|new| strip(old).as_ref() == Some(new));
    if text.starts_with('"') {
        let end = quoted_end(text)?;
        return same(&text[..end], text[end..].trim_start());
    }
    text.match_indices(' ').find_map(|(at, _)| same(&text[..at], &text[at + 1..]))
}

/// Where the quoted text at the beginning ends.
fn quoted_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return Some(at + 1),
            byte => escaped = byte == b'\\' && !escaped,
        }
    }
    None
}

/// A path without its first directory, `a/` or another; `None` if it has none.
fn strip(path: &str) -> Option<String> {
    let path = if path.starts_with('"') { unquote(path) } else { whole(path) };
    path.split_once('/').map(|(_, inner)| inner.to_owned()).filter(|inner| !inner.is_empty())
}

/// The same where a path stands alone on its line: there two slashes are as one.
fn alone(path: &str) -> Option<String> {
    strip(path).map(squashed)
}

/// True if no file stands there.
fn is_nothing(path: &str) -> bool {
    whole(path).trim_end() == "/dev/null"
}

fn squashed(mut path: String) -> String {
    while path.contains("//") {
        path = path.replace("//", "/");
    }
    path
}

/// A path as it stands, up to the tab that a time may follow.
fn whole(path: &str) -> String {
    if path.starts_with('"') {
        unquote(path)
    } else {
        path.split(['\t', '\r']).next().unwrap_or(path).to_owned()
    }
}

/// A path of a rename or a copy, which nothing follows.
fn renamed(path: &str) -> String {
    squashed(if path.starts_with('"') { unquote(path) } else { path.trim_end_matches('\r').to_owned() })
}

/// Reads git's quoted paths: `"a/\303\244"`.
fn unquote(text: &str) -> String {
    let inner = quoted_end(text).and_then(|end| text.get(1..end - 1));
    let Some(inner) = inner else { return text.to_owned() };
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
    mod differential;

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
