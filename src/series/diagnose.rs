//! Why a patch does not apply: git is asked what would make it apply.

use crate::error::Result;
use crate::event::Finding;
use crate::process::Output;
use std::path::Path;

/// A patch that git did not apply, and where that was tried.
pub(super) struct Trial<'a> {
    /// Runs git with these arguments on the index that the patch was tried on.
    pub(super) git: &'a dyn Fn(&[&str]) -> Result<Output>,
    /// The file with the patch.
    pub(super) file: &'a Path,
    /// Its text.
    pub(super) text: &'a str,
}

/// What git would have to overlook for a patch to apply, in the order in which it is asked, and what that means.
const REMEDIES: [(&str, &str); 4] = [
    ("--reverse", "already applied: the base has this change: leave it out"),
    (
        "--ignore-whitespace",
        "hunk does not apply: only white space differs: a mail program changed it: git send-email does not",
    ),
    (
        "-C1",
        "hunk does not apply: context differs, though it would with one line of context (git apply -C1): rebase onto the base",
    ),
    (
        "--recount",
        "hunk does not apply: the numbers of lines in @@ are wrong, as after editing by hand (git apply --recount takes it)",
    ),
];

/// What stands against a patch, from what git said of it: a finding for each file.
pub(super) fn explain(trial: &Trial<'_>, stderr: &str) -> Result<Vec<Finding>> {
    if trial.takes(None, "--reverse")? {
        return Ok(vec![Finding::error("already applied: the base has all of this patch: leave it out")]);
    }
    let mut found: Vec<Finding> = Vec::new();
    let lines = stderr.lines().filter_map(|line| line.split_once(": "));
    for line in lines.filter(|(word, _)| ["error", "fatal"].contains(word)).map(|(_, line)| line) {
        if let Some((file, number)) =
            line.strip_prefix("patch failed: ").and_then(|place| place.rsplit_once(':'))
        {
            let finding = Finding::error(trial.hunk(file)?);
            found.push(match number.parse() {
                Ok(number) => finding.at(file, number),
                Err(_) => finding.file(file),
            });
        } else if let Some(file) = line.strip_suffix(": already exists in index") {
            let applied = trial.takes(Some(file), "--reverse")?;
            let text = if applied {
                REMEDIES[0].1
            } else {
                "new file exists: the base has another file of this name"
            };
            found.push(Finding::error(text).file(file));
        } else if let Some(file) = line.strip_suffix(": does not exist in index") {
            let applied = trial.takes(Some(file), "--reverse")?;
            let text = if applied {
                REMEDIES[0].1
            } else {
                "no such file in the base: a patch before this one is missing, or the base is another"
            };
            found.push(Finding::error(text).file(file));
        } else if line.ends_with("patch does not apply") && !found.is_empty() {
            // It follows a line as above, for the same file.
        } else if line.starts_with("corrupt patch at ") {
            found.push(Finding::error(trial.corrupt(line)?));
        } else {
            found.push(Finding::error(format!("does not apply: {line}")));
        }
    }
    if found.is_empty() {
        found.push(Finding::error("does not apply"));
    }
    Ok(found)
}

impl Trial<'_> {
    /// Would the patch, or its part for this file, apply with this option?
    fn takes(&self, file: Option<&str>, option: &str) -> Result<bool> {
        let apply = ["apply", "--cached", "--check", "--whitespace=nowarn", "-p1", option];
        let include = file.map(|file| format!("--include={}", literal(file)));
        let place = self.file.to_string_lossy();
        let mut args: Vec<&str> = apply.to_vec();
        args.extend(include.as_deref());
        args.extend(["--", &place]);
        Ok((self.git)(&args)?.status.success())
    }

    /// What is wrong with the hunks of a file.
    fn hunk(&self, file: &str) -> Result<String> {
        for (option, text) in REMEDIES {
            if self.takes(Some(file), option)? {
                return Ok(text.to_owned());
            }
        }
        let differs = "hunk does not apply: context differs";
        let Some(blob) = old_blob(self.text, file) else { return Ok(differs.to_owned()) };
        if (self.git)(&["cat-file", "-e", &format!("{blob}^{{blob}}")])?.status.success() {
            return Ok(format!(
                "{differs}: it was made on another version of the file, blob {blob}: \
                 git log --all --find-object={blob} -- {file} shows where that was, for --onto"
            ));
        }
        Ok(format!(
            "{differs}: it was made on a version of the file that is not in this repository, blob {blob}: \
             fetch the tree that the series is built on, and name the commit: --onto COMMIT"
        ))
    }

    fn corrupt(&self, line: &str) -> Result<String> {
        if self.takes(None, "--recount")? {
            return Ok(REMEDIES[3].1.to_owned());
        }
        Ok(format!(
            "does not apply: {line}: a mail program changed it, as by wrapping lines: git send-email does not"
        ))
    }
}

/// A pattern that is nothing but this path.
fn literal(path: &str) -> String {
    path.chars()
        .flat_map(|char| ['\\'].into_iter().filter(move |_| "*?[\\".contains(char)).chain([char]))
        .collect()
}

/// The blob that a patch says it changes this file from; none for a new file, or where it does not say.
fn old_blob<'t>(text: &'t str, file: &str) -> Option<&'t str> {
    let (old, new) = (format!("--- a/{file}"), format!("+++ b/{file}"));
    let mut blob = None;
    for line in text.lines() {
        if line.starts_with("diff --git ") {
            blob = None;
        } else if let Some(hashes) = line.strip_prefix("index ") {
            blob = hashes.split_once("..").map(|(old, _)| old);
        } else if line == old || line == new {
            return blob.filter(|hash| {
                hash.len() >= 7
                    && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
                    && hash.bytes().any(|byte| byte != b'0')
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::git::tests::{commit, repository};
    use super::*;

    const FILE: &str = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n";

    /// What is said of the difference that `edit` makes to FILE, on a file with this text.
    fn said(base: &str, edit: (&str, &str), mangle: impl Fn(&str) -> String) -> String {
        let dir = tempfile::tempdir().unwrap();
        let git = repository(dir.path(), &[("net/x.c", FILE)]);
        commit(dir.path(), "edit", &[("net/x.c", &FILE.replace(edit.0, edit.1))]);
        let text = mangle(&(git.read(["diff", "HEAD~1", "HEAD"]).unwrap() + "\n"));
        commit(dir.path(), "base", &[("net/x.c", base)]);
        explained(&git, dir.path(), &text)
    }

    fn explained(git: &super::super::git::Git, dir: &Path, text: &str) -> String {
        let file = dir.join(".git/patch");
        std::fs::write(&file, text).unwrap();
        let git = |args: &[&str]| git.cmd(args).output();
        let place = file.to_string_lossy();
        let first = git(&["apply", "--cached", "--check", "--", &place]).unwrap();
        assert!(!first.status.success(), "it applies");
        let found = explain(&Trial { git: &git, file: &file, text }, &first.stderr).unwrap();
        let show = |one: &Finding| format!("{}: {}", one.place().unwrap_or_default(), one.text);
        found.iter().map(show).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn each_reason_is_told_from_the_others() {
        let same = str::to_owned;
        let said = |base: &str, mangle: &dyn Fn(&str) -> String| said(base, ("e\n", "E\n"), mangle);
        assert_eq!(
            said(&FILE.replace("e\n", "E\n"), &same),
            ": already applied: the base has all of this patch: leave it out"
        );
        assert!(said(&FILE.replace("b\n", "other\n"), &same).starts_with(
            "net/x.c:2: hunk does not apply: context differs, though it would with one line of context"
        ));
        assert!(
            said(&FILE.replace("b\n", "\tb\n"), &|text| text.replace(" b\n", "   b\n"))
                .contains("only white space differs")
        );
        assert!(
            said(FILE, &|text| text.replace("@@ -2,7 +2,7 @@", "@@ -2,8 +2,8 @@"))
                .contains("the numbers of lines in @@ are wrong")
        );
        let other = said(&FILE.replace("e\n", "other\n"), &same);
        assert!(
            other.contains("context differs: it was made on another version of the file, blob "),
            "{other}"
        );
        let unknown =
            said(&FILE.replace("e\n", "other\n"), &|text| text.replacen("index ", "index 0123456789a", 1));
        assert!(unknown.contains("that is not in this repository, blob 0123456789a"), "{unknown}");
        let wrapped = said(FILE, &|text| text.replace("-e\n", "-\ne\n"));
        assert!(wrapped.contains("corrupt patch at ") && wrapped.contains("wrapping lines"), "{wrapped}");
    }

    #[test]
    fn each_file_has_its_own_reason() {
        let dir = tempfile::tempdir().unwrap();
        let git =
            repository(dir.path(), &[("a[1].c", FILE), ("b.c", FILE), ("gone.c", FILE), ("old.c", FILE)]);
        for name in ["gone.c", "old.c"] {
            std::fs::remove_file(dir.path().join(name)).unwrap();
        }
        let edited = FILE.replace("e\n", "E\n");
        commit(dir.path(), "edit", &[("a[1].c", &edited), ("b.c", &edited), ("new.c", "new\n")]);
        let text = git.read(["diff", "--no-renames", "HEAD~1", "HEAD"]).unwrap() + "\n";
        let other = FILE.replace("e\n", "other\n");
        std::fs::remove_file(dir.path().join("b.c")).unwrap();
        commit(dir.path(), "base", &[("a[1].c", &edited), ("new.c", "another\n"), ("old.c", &other)]);
        insta::assert_snapshot!(explained(&git, dir.path(), &text), @r"
        a[1].c:2: already applied: the base has this change: leave it out
        b.c: no such file in the base: a patch before this one is missing, or the base is another
        gone.c: already applied: the base has this change: leave it out
        new.c: new file exists: the base has another file of this name
        old.c:1: hunk does not apply: context differs: it was made on another version of the file, blob 92dfa21: git log --all --find-object=92dfa21 -- old.c shows where that was, for --onto
        ");
    }

    #[test]
    fn the_blob_of_a_file_is_that_of_its_own_part() {
        let text = "diff --git a/x b/x\nindex 1111111..2222222 100644\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n\
                    diff --git a/y b/y\nnew file mode 100644\nindex 0000000..3333333\n--- /dev/null\n+++ b/y\n";
        assert_eq!(old_blob(text, "x"), Some("1111111"));
        assert_eq!(old_blob(text, "y"), None);
        assert_eq!(literal("a[1]*.c"), "a\\[1]\\*.c");
    }
}
