//! Is it safe to write the files of a patch? Asked before anything of it touches the disk. Pure.

use super::diff::{Change, Kind};
use super::verdict::Finding;
use crate::text::{Shown, is_hidden};
use std::path::{Component, Path};

/// More lines than this in one file are no source.
const LINES: usize = 200_000;

/// A file name longer than this cannot be written.
const NAME: usize = 255;

/// What is wrong with these changes.
pub fn examine(changes: &[Change]) -> Vec<Finding> {
    changes.iter().flat_map(of_change).collect()
}

fn of_change(change: &Change) -> Vec<Finding> {
    let mut found = Vec::new();
    for path in std::iter::once(&change.path).chain(&change.old_path) {
        if let Some(why) = wrong_path(path) {
            found.push(Finding::error(format!("refused: {why}: {}", Shown::line(path))));
        }
    }
    let kind = match change.mode.map(|mode| mode & 0o170_000) {
        Some(0o120_000) => Some("it makes a symbolic link, which could point out of the tree"),
        Some(0o160_000) => Some("it makes a submodule"),
        Some(0o100_000) | None => None,
        Some(_) => Some("it makes a file of an unknown type"),
    };
    if let Some(why) = kind.filter(|_| change.kind != Kind::Deleted) {
        found.push(Finding::error(format!("refused: {why}")).file(Shown::line(&change.path).to_string()));
    }
    if change.added.len() > LINES {
        let text = format!("refused: it adds {} lines to one file", change.added.len());
        found.push(Finding::error(text).file(Shown::line(&change.path).to_string()));
    }
    if change.binary && change.kind != Kind::Deleted {
        found.push(
            Finding::error("refused: a binary file: kernel patches are text")
                .file(Shown::line(&change.path).to_string()),
        );
    }
    found
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
                if name.len() > NAME {
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
    use crate::series::diff::parse;

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
    fn links_submodules_and_binaries_are_refused() {
        let patch = "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n\
            diff --git a/m b/m\nnew file mode 160000\n--- /dev/null\n+++ b/m\n@@ -0,0 +1 @@\n+Subproject commit 1\n\
            diff --git a/b b/b\nnew file mode 100644\nBinary files /dev/null and b/b differ\n\
            diff --git a/s b/s\nnew file mode 100755\n--- /dev/null\n+++ b/s\n@@ -0,0 +1 @@\n+#!/bin/sh\n";
        let said: Vec<String> = examine(&parse(patch))
            .iter()
            .map(|found| format!("{:?} {}", found.place(), found.text))
            .collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        Some("l") refused: it makes a symbolic link, which could point out of the tree
        Some("m") refused: it makes a submodule
        Some("b") refused: a binary file: kernel patches are text
        "#);
    }
}
