//! Is it safe to write the files of a patch? Asked of what git made of it, before anything of it touches the disk. Pure.

use super::raw::Entry;
use crate::event::Finding;
use crate::text::{Shown, is_hidden};
use std::path::{Component, Path};

/// More lines than this in one file are no source.
const MAX_LINES: u64 = 200_000;

/// A file name longer than this cannot be written.
const MAX_NAME: usize = 255;

/// How a mail has the content of a binary file.
const BINARY: &str = "GIT binary patch";

/// What is wrong with these changes.
pub fn examine(entries: &[Entry]) -> Vec<Finding> {
    entries.iter().flat_map(of_entry).collect()
}

fn of_entry(entry: &Entry) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(why) = wrong_path(&entry.path) {
        found.push(Finding::error(format!("refused: {why}: {}", Shown::line(&entry.path))));
    }
    if entry.new_mode == 0 {
        return found;
    }
    let mut refuse = |why: &str| {
        found.push(Finding::error(format!("refused: {why}")).file(Shown::line(&entry.path).to_string()));
    };
    match entry.new_mode & 0o170_000 {
        0o100_000 => {}
        // One that was there may point elsewhere from its new place, or with its new content.
        0o120_000 => refuse("it makes, moves or changes a symbolic link, which could point out of the tree"),
        0o160_000 => refuse("it makes or changes a submodule"),
        _ => refuse("it makes a file of an unknown type"),
    }
    match entry.added {
        None => refuse("a binary file: kernel patches are text"),
        Some(lines) if lines > MAX_LINES => refuse(&format!("it adds {lines} lines to one file")),
        Some(_) => {}
    }
    found
}

/// What is wrong with the text of a patch, before git is given it: a few bytes can stand for a binary file of gigabytes.
/// Every line of a hunk begins with another character.
pub fn examine_text(patch: &[u8]) -> Vec<Finding> {
    let binary = patch.split(|&byte| byte == b'\n').any(|line| line.starts_with(BINARY.as_bytes()));
    let refused = binary.then(|| Finding::error("refused: it has a binary file: kernel patches are text"));
    refused.into_iter().collect()
}

/// What git refuses to apply anywhere, by what it says of it.
pub fn refused_by_git(line: &str) -> Option<Finding> {
    let refused = line.starts_with("invalid path ")
        || line.ends_with("is beyond a symbolic link")
        || line.starts_with("cannot apply binary patch ");
    refused.then(|| Finding::error(format!("refused: git says: {}", Shown::line(line))))
}

/// Why nothing may be written to this path of a tree; none if it may.
pub fn wrong_path(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("a file without a name");
    }
    if path.contains(is_hidden) {
        return Some("a path with characters that cannot be seen");
    }
    if path.contains('\\') {
        return Some("a path with a backslash");
    }
    let path = Path::new(path);
    for component in path.components() {
        match component {
            Component::Normal(name) => {
                let name = name.to_string_lossy().to_lowercase();
                if name == ".git" || name.starts_with(".git~") || name == "git~1" {
                    return Some("a path into git's own directory");
                }
                if name.len() > MAX_NAME {
                    return Some("a name that is too long");
                }
            }
            _ => return Some("a path that leaves the tree"),
        }
    }
    // `a/./b` and `a//b` are the same to components(), and nothing that git writes.
    let plain = path.to_string_lossy();
    plain.split('/').any(|part| matches!(part, "" | "." | "..")).then_some("a path that is not plain")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::raw::parse;

    #[test]
    fn only_plain_paths_within_the_tree_will_do() {
        for good in ["net/mptcp/pm.c", ".gitignore", "a b/ü.c", "net/.gitattributes"] {
            assert_eq!(wrong_path(good), None, "{good}");
        }
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            ".git/hooks/pre-commit",
            "a/.GIT/config",
            "a/./b",
            "a//b",
            "x\u{1b}[2J",
            "a\\b",
        ] {
            assert!(wrong_path(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn links_submodules_and_binaries_are_refused_and_may_go() {
        let raw = ":000000 120000 0 1 A@l@:120000 120000 1 2 M@m@:100644 120000 1 2 T@t@:000000 160000 0 1 A@s@\
                   :000000 100644 0 1 A@b@:000000 100644 0 1 A@h@:000000 100755 0 1 A@x@\
                   :120000 000000 1 0 D@dl@:160000 000000 1 0 D@ds@:100644 000000 1 0 D@db@:120000 100644 1 2 T@f@";
        let counts = "1\t0\tl@1\t1\tm@1\t1\tt@1\t0\ts@-\t-\tb@200001\t0\th@1\t0\tx@\
                      0\t1\tdl@0\t1\tds@-\t-\tdb@1\t1\tf@";
        let said: Vec<String> = examine(&parse(&format!("{raw}{counts}").replace('@', "\0")).unwrap())
            .iter()
            .map(|found| format!("{:?} {}", found.place(), found.text))
            .collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        Some("l") refused: it makes, moves or changes a symbolic link, which could point out of the tree
        Some("m") refused: it makes, moves or changes a symbolic link, which could point out of the tree
        Some("t") refused: it makes, moves or changes a symbolic link, which could point out of the tree
        Some("s") refused: it makes or changes a submodule
        Some("b") refused: a binary file: kernel patches are text
        Some("h") refused: it adds 200001 lines to one file
        "#);
    }

    #[test]
    fn a_binary_file_is_seen_before_git_unpacks_it() {
        assert_eq!(examine_text(b"diff --git a/x b/x\nGIT binary patch\nliteral 4294967295\n").len(), 1);
        assert_eq!(examine_text(b"+GIT binary patch\n GIT binary patch\n").len(), 0);
    }
}
