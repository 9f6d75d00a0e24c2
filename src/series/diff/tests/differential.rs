//! Patches by the thousand, made up from a seed: read here, and by git. Of what git accepts, both have to say the same.

use crate::series::diff::{Change, Kind, parse};
use crate::series::git::Git;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Numbers that look like chance, and are the same in every run: xorshift64*.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % sides
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.roll(times) == 0
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}

const PATHS: [&str; 11] = [
    "net/mptcp/pm.c",
    "x",
    "a b/c d.c",
    "b/b",
    "../x",
    ".git/config",
    "/etc/passwd",
    "net//x.c",
    "n.c.orig",
    "a/./b",
    "x y",
];

const QUOTED: [&str; 4] = ["sn\\303\\266.c", "tab\\there", "quote\\\"d", "\\056\\056/x"];

const MODES: [&str; 10] = [
    "100644",
    "100755",
    "120000",
    "120000 x",
    "160000",
    "160000\ty",
    "100644\r",
    "100600",
    "120000 100644",
    "0100644",
];

const NOISE: [&str; 13] = [
    "",
    "Why this is so.",
    "---",
    " net/mptcp/pm.c | 2 +-",
    "new file mode 120000",
    "-- ",
    "2.47.3",
    "+++ b/x",
    "diff of things",
    "rename from x",
    "index 1111111..2222222 120000",
    "> diff --git a/x b/x",
    "--- a/x",
];

const TEXTS: [&str; 12] = [
    "int a;",
    "",
    " ",
    "-- a/x",
    "++ b/x",
    "@ -1 +1 @@",
    "\tx",
    "diff --git a/x b/x",
    "- x",
    "ü",
    "new file mode 120000",
    "\u{85}x\r",
];

/// A path as git writes it behind a prefix: plain, or quoted.
fn path(dice: &mut Dice) -> (String, bool) {
    if dice.once_in(6) {
        (dice.pick(&QUOTED).to_owned(), true)
    } else {
        (dice.pick(&PATHS).to_owned(), false)
    }
}

fn with(prefix: &str, (path, quoted): &(String, bool)) -> String {
    if *quoted { format!("\"{prefix}{path}\"") } else { format!("{prefix}{path}") }
}

fn noise(dice: &mut Dice, text: &mut String) {
    for _ in 0..dice.roll(4) {
        let _ = writeln!(text, "{}", dice.pick(&NOISE));
    }
}

/// Hunks: of an old file, of a new one, or of both.
fn hunks(dice: &mut Dice, text: &mut String, old: bool, new: bool) {
    let mut line = 1;
    for _ in 0..=dice.roll(2) {
        let (mut counts, mut body) = ((0, 0), String::new());
        for _ in 0..=dice.roll(5) {
            let kind = match (old, new) {
                (true, true) => dice.pick(&["+", "-", " ", " "]),
                (false, _) => "+",
                (_, false) => "-",
            };
            counts.0 += usize::from(kind != "+");
            counts.1 += usize::from(kind != "-");
            let _ = writeln!(body, "{kind}{}", dice.pick(&TEXTS));
        }
        if old && new && dice.once_in(6) {
            body.push('\n');
            counts = (counts.0 + 1, counts.1 + 1);
        }
        if dice.once_in(25) {
            counts.1 += 1;
        }
        let first = |count: usize| if count == 0 { 0 } else { line };
        let short = |count: usize| if count == 1 { String::new() } else { format!(",{count}") };
        let _ = writeln!(
            text,
            "@@ -{}{} +{}{} @@ {}",
            first(counts.0),
            short(counts.0),
            first(counts.1),
            short(counts.1),
            dice.pick(&NOISE)
        );
        text.push_str(&body);
        if dice.once_in(5) {
            text.push_str("\\ No newline at end of file\n");
        }
        line += 100;
        if !(old && new) {
            return;
        }
    }
}

/// A file of a patch of git's.
fn of_git(dice: &mut Dice, text: &mut String) {
    let (a, b) = [("a/", "b/"), ("a/", "b/"), ("i/", "w/"), ("linux.orig/", "linux/")][dice.roll(4)];
    let (old, kind) = (path(dice), dice.roll(6));
    let new = if kind == 3 { path(dice) } else { old.clone() };
    let _ = writeln!(text, "diff --git {} {}", with(a, &old), with(b, &new));
    let mut headers = Vec::new();
    match kind {
        0 => headers.push(format!("new file mode {}", dice.pick(&MODES))),
        1 => headers.push(format!("deleted file mode {}", dice.pick(&MODES))),
        2 => headers
            .extend([format!("old mode {}", dice.pick(&MODES)), format!("new mode {}", dice.pick(&MODES))]),
        3 => {
            let word = dice.pick(&["rename", "copy"]);
            headers.push(format!("similarity index {}%", dice.roll(101)));
            headers
                .extend([format!("{word} from {}", with("", &old)), format!("{word} to {}", with("", &new))]);
        }
        _ => {}
    }
    // git keeps the names of a `diff --git` that nothing follows, for whatever comes next. Nobody writes such a thing.
    if headers.is_empty() || dice.once_in(2) {
        let mode = if kind > 3 { format!(" {}", dice.pick(&MODES)) } else { String::new() };
        headers.push(format!("index 1111111..2222222{mode}"));
    }
    if dice.once_in(12) {
        let at = dice.roll(headers.len());
        headers.insert(at + 1, dice.pick(&NOISE).to_owned());
    }
    for header in headers {
        let _ = writeln!(text, "{header}");
    }
    match dice.roll(8) {
        0 => text.push_str("Binary files a/x and b/x differ\n"),
        1 if kind < 4 => {}
        _ => {
            let time = if dice.once_in(8) { "\t2026-01-01 10:00:00 +0100" } else { "" };
            let name = |there: bool, prefix: &str, path: &(String, bool)| {
                if there { with(prefix, path) + time } else { "/dev/null".to_owned() }
            };
            let _ = writeln!(text, "--- {}\n+++ {}", name(kind != 0, a, &old), name(kind != 1, b, &new));
            hunks(dice, text, kind != 0, kind != 1);
        }
    }
}

/// A file of a patch of other programs.
fn plain(dice: &mut Dice, text: &mut String) {
    let (old, kind) = (path(dice), dice.roll(4));
    let new = if dice.once_in(4) { (format!("{}.new", old.0), old.1) } else { old.clone() };
    let name = |there: bool, prefix: &str, path: &(String, bool)| {
        if there { with(prefix, path) + "\t2026-01-01 10:00:00 +0100" } else { "/dev/null".to_owned() }
    };
    let _ = writeln!(
        text,
        "--- {}\n+++ {}",
        name(kind != 0, "linux.orig/", &old),
        name(kind != 1, "linux/", &new)
    );
    hunks(dice, text, kind != 0, kind != 1);
}

fn patch(dice: &mut Dice) -> String {
    let mut text = String::new();
    noise(dice, &mut text);
    for _ in 0..=dice.roll(3) {
        if dice.once_in(5) {
            plain(dice, &mut text);
        } else {
            of_git(dice, &mut text);
        }
        if dice.once_in(3) {
            noise(dice, &mut text);
        }
    }
    text
}

/// What is said of a patch, a line a fact: lines and path of each file, then what comes, goes, or changes its mode.
fn ours(changes: &[Change]) -> Vec<String> {
    let count =
        |change: &Change, lines: usize| if change.binary { "-".to_owned() } else { lines.to_string() };
    let mut facts: Vec<String> = changes
        .iter()
        .map(|change| {
            let (added, removed) = (count(change, change.added.len()), count(change, change.removed.len()));
            format!("{added}\t{removed}\t{}", change.path)
        })
        .collect();
    for change in changes {
        match (change.kind, change.mode, &change.old_path) {
            (Kind::Added, Some(mode), _) => facts.push(format!("create mode {mode:06o} {}", change.path)),
            (Kind::Added, None, _) => facts.push(format!("create {}", change.path)),
            (Kind::Deleted, ..) => facts.push(format!("delete {}", change.path)),
            (Kind::Modified, _, Some(_)) => facts.push("moved".to_owned()),
            (Kind::Modified, ..) => {}
        }
    }
    facts
}

/// The same as git says it; none if it takes nothing of the patch.
fn gits(git: &Git, file: &Path) -> Option<Vec<String>> {
    let said = git.ask(["apply", "-p1", "--numstat", "--summary", "-z", "--", file.to_str().unwrap()])?;
    let counts = said.rfind('\0').map_or(0, |at| at + 1);
    let mut facts: Vec<String> = said[..counts].split_terminator('\0').map(str::to_owned).collect();
    for line in said[counts..].lines().map(|line| line.trim_start_matches(' ')) {
        if let Some((mode, path)) = line.strip_prefix("create mode ").and_then(|rest| rest.split_once(' ')) {
            // Before git 2.46 it was shown as it stands in the patch.
            let mode = super::canonical(u32::from_str_radix(mode, 8).unwrap());
            facts.push(format!("create mode {mode:06o} {path}"));
        } else if line.starts_with("create ") {
            facts.push(line.to_owned());
        } else if let Some(rest) = line.strip_prefix("delete ") {
            let path = rest
                .strip_prefix("mode ")
                .and_then(|rest| rest.split_once(' '))
                .map_or(rest, |(_, path)| path);
            facts.push(format!("delete {path}"));
        } else if line.starts_with("rename ") || line.starts_with("copy ") {
            facts.push("moved".to_owned());
        }
    }
    Some(facts)
}

/// Reads so many patches of a seed, and says how many of them git accepts.
fn compare(seed: u64, count: usize) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let git = Git::nowhere(dir.path());
    let file = dir.path().join("patch");
    let (mut dice, mut accepted) = (Dice(seed), 0);
    for number in 0..count {
        let text = patch(&mut dice);
        let ours = ours(&parse(&text));
        fs::write(&file, &text).unwrap();
        if let Some(gits) = gits(&git, &file) {
            accepted += 1;
            assert_eq!(ours, gits, "patch {number} of seed {seed}:\n{text}");
        }
    }
    accepted
}

#[test]
fn thousands_of_patches_are_read_as_git_reads_them() {
    let accepted = compare(0x6d70_7463_7031, 2000);
    assert!(accepted > 700, "git accepts only {accepted}");
}

#[test]
#[ignore = "takes minutes"]
fn tens_of_thousands_of_patches_are_read_as_git_reads_them() {
    for seed in 1..=20 {
        compare(seed, 2000);
    }
}
