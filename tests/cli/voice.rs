//! The words of docs/development.md: what a user reads is written in the terms of the field.

use super::examples::{documents, helps, root};
use super::sandbox::Sandbox;
use std::fs;
use std::path::Path;

/// Words that stand for a term of the field, or make a sentence longer than it is.
const BANNED: [&str; 22] = [
    "anew",
    "as far as",
    "bury",
    "did not end in its time",
    "excuse",
    "forgive",
    "forgiven",
    "given up",
    "gives up",
    "in vain",
    "moot",
    "muster",
    "nobody",
    "settled otherwise",
    "so many",
    "somebody",
    "spoke",
    "that which",
    "theatre",
    "took, ",
    "whoever",
    "wishes",
];

/// What is quoted from elsewhere, or told as the old name of something.
const ALLOWED: [(&str, &str); 2] =
    [("docs/results.md", "status `n/a` of a check where 2 had `moot`"), ("samples/", "nobody")];

/// Every text that comes with the program and that people read, each with its name.
fn texts() -> Vec<(String, String)> {
    let sandbox = Sandbox::empty();
    let mut all = helps(&sandbox);
    all.extend(documents());
    all.push(("settings --defaults".to_owned(), sandbox.run(["settings", "--defaults"]).stdout));
    for dir in ["kconfig", "samples"] {
        files(&root().join(dir), &mut all);
    }
    all
}

fn files(dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            files(&entry, found);
        } else {
            let name = entry.strip_prefix(root()).unwrap().display().to_string();
            found.push((name, fs::read_to_string(&entry).unwrap()));
        }
    }
}

/// True if `line` has these words, and not as a part of others.
fn has(line: &str, words: &str) -> bool {
    let letter = |text: &str, last: bool| {
        let char = if last { text.chars().next_back() } else { text.chars().next() };
        char.is_some_and(char::is_alphanumeric)
    };
    line.match_indices(words)
        .any(|(at, _)| !letter(&line[..at], true) && !letter(&line[at + words.len()..], false))
}

#[test]
fn no_banned_word_is_in_what_users_read() {
    let texts = texts();
    assert!(texts.len() > 50, "{} texts", texts.len());
    let mut wrong = Vec::new();
    for (place, text) in &texts {
        for (number, line) in text.lines().enumerate() {
            let allowed = ALLOWED.iter().any(|(file, part)| place.starts_with(file) && line.contains(part));
            let lower = line.to_lowercase();
            let banned = BANNED.iter().filter(|words| !allowed && has(&lower, words));
            wrong.extend(banned.map(|words| format!("{place}:{}: {words:?}: {line}", number + 1)));
        }
    }
    assert!(wrong.is_empty(), "say it plainly:\n{}", wrong.join("\n"));
}

#[test]
fn words_are_whole_words() {
    assert!(has("nobody says", "nobody") && has("x (so many)", "so many"));
    assert!(!has("spokesman", "spoke") && !has("bespoke", "spoke"));
}
