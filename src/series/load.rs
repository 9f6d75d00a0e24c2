//! Brings a series into the workspace's repository, commit by commit, without writing any file of it.

use super::diff;
use super::input::{Commits, Mails};
use super::mail::Mail;
use super::message::{Message, Person};
use super::model::{Envelope, Origin, Patch, Series};
use super::safety;
use super::verdict::Finding;
use super::workspace::Workspace;
use crate::error::{IoContext, Result};
use crate::process::Cmd;
use std::path::Path;

/// The selftests' fragment in a tree.
const SELFTESTS_CONFIG: &str = "tools/testing/selftests/net/mptcp/config";

/// A series in the workspace's repository.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The series.
    pub series: Series,
    /// So many of its patches applied and may be checked out; the rest has no commit.
    pub applied: usize,
    /// Why the one after them did not apply.
    pub trouble: Vec<Finding>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Loads commits, which are there already.
pub fn commits(workspace: &Workspace, found: Commits, input: String) -> Result<Loaded> {
    let git = workspace.git();
    let mut series = Series {
        origin: Origin::Git,
        input,
        again: String::new(),
        base: found.base.clone(),
        base_known: Some(found.found_by),
        prefix: found.prefix,
        cover: found.cover,
        patches: Vec::new(),
        selftests_config: String::new(),
    };
    for (at, hash) in found.commits.iter().enumerate() {
        series.patches.push(patch(workspace, hash, at + 1, &found.base)?);
    }
    let applied = series
        .patches
        .iter()
        .position(|patch| !safety::examine(&patch.changes).is_empty())
        .unwrap_or(series.patches.len());
    let tip = tip(&series, applied);
    series.selftests_config = git.file(&tip, SELFTESTS_CONFIG).unwrap_or_default();
    Ok(Loaded { series, applied, trouble: Vec::new(), notes: Vec::new() })
}

/// Loads mails: applies them to the first of `bases` that takes the first patch, in an index of our own.
pub fn mails(
    workspace: &Workspace,
    mails: &Mails,
    bases: &[(String, Option<String>)],
    input: &str,
) -> Result<Loaded> {
    let mut best: Option<Loaded> = None;
    for (base, known) in bases {
        let loaded = on_base(workspace, mails, base, known.clone(), input.to_owned())?;
        let all = loaded.applied == mails.patches.len();
        if best.as_ref().is_none_or(|best| loaded.applied > best.applied) {
            best = Some(loaded);
        }
        if all {
            break;
        }
    }
    best.ok_or_else(|| {
        crate::error::Error::usage("no base to apply the mails to").hint("name one: --onto COMMIT")
    })
}

fn on_base(
    workspace: &Workspace,
    mails: &Mails,
    base: &str,
    known: Option<String>,
    input: String,
) -> Result<Loaded> {
    let git = workspace.git();
    let mut loaded = Loaded {
        series: Series {
            origin: Origin::Mail,
            input,
            again: String::new(),
            base: base.to_owned(),
            base_known: known,
            prefix: Some(mails.prefix.clone()),
            cover: mails.cover.clone(),
            patches: Vec::new(),
            selftests_config: String::new(),
        },
        applied: 0,
        trouble: Vec::new(),
        notes: Vec::new(),
    };
    let scratch = workspace.dir("apply")?;
    let scratch = tempfile::tempdir_in(&scratch).doing("create a directory in", &scratch)?;
    let index = Index { workspace, file: scratch.path().join("index"), scratch: scratch.path() };
    index.read(base)?;
    let mut parent = base.to_owned();
    let mut broken = false;
    for (at, mail) in mails.patches.iter().enumerate() {
        let number = at + 1;
        let safe = safety::examine(&diff::parse(&mail.patch)).is_empty();
        let outcome = if broken || !safe { Err(Vec::new()) } else { index.apply(mail)? };
        let patch = match outcome {
            Ok(three_way) => {
                if three_way {
                    loaded.notes.push(format!("patch {number} applied only after a three-way merge"));
                }
                parent = index.commit(mail, &parent)?;
                loaded.applied = number;
                let applied = patch(workspace, &parent, number, base)?;
                Patch { message: mail.message.clone(), author: mail.author.clone(), ..applied }
            }
            Err(trouble) => {
                if !broken && safe {
                    loaded.trouble = trouble;
                }
                broken = true;
                unapplied(mail, number)
            }
        };
        let envelope = Envelope { recipients: mail.recipients.clone() };
        loaded.series.patches.push(Patch {
            envelope: Some(envelope),
            subject: mail.subject.clone(),
            ..patch
        });
    }
    let tip = tip(&loaded.series, loaded.applied);
    loaded.series.selftests_config = git.file(&tip, SELFTESTS_CONFIG).unwrap_or_default();
    Ok(loaded)
}

/// The commit after so many patches.
pub fn tip(series: &Series, applied: usize) -> String {
    match applied {
        0 => series.base.clone(),
        count => series.patches[count - 1].commit.clone(),
    }
}

fn unapplied(mail: &Mail, number: usize) -> Patch {
    Patch {
        number,
        commit: String::new(),
        parent: String::new(),
        tree: String::new(),
        author: mail.author.clone(),
        subject: mail.subject.clone(),
        message: mail.message.clone(),
        changes: diff::parse(&mail.patch),
        text: mail.patch.clone(),
        envelope: None,
        fixes: Vec::new(),
    }
}

/// Reads a commit as a patch.
fn patch(workspace: &Workspace, hash: &str, number: usize, base: &str) -> Result<Patch> {
    let git = workspace.git();
    let text = git.read(["show", "-s", "--format=%H%x00%P%x00%T%x00%an%x00%ae%x00%s%x00%b", hash])?;
    let mut fields = text.splitn(7, '\0').map(str::to_owned);
    let mut next = || fields.next().unwrap_or_default();
    let (commit, parent, tree, name, email, subject, body) =
        (next(), next(), next(), next(), next(), next(), next());
    let options = ["--stdout", "--no-signature", "--no-ext-diff", "--no-textconv", "--no-color", "-M", "-1"];
    let text = git.read(["format-patch"].into_iter().chain(options).chain([hash]))? + "\n";
    let message = Message::parse(&body);
    let lookup = |value: &String| {
        let hash = value.split_whitespace().next().unwrap_or_default();
        let hex = hash.len() >= 4 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hex { git.look_up(hash, base) } else { super::model::Lookup::Missing }
    };
    let fixes = message.values("Fixes").iter().map(lookup).collect();
    let changes = diff::parse(&text[diff::begin(&text)..]);
    let author = Person { name, email };
    Ok(Patch { number, commit, parent, tree, author, subject, message, changes, text, envelope: None, fixes })
}

/// An index of our own to apply mails in.
struct Index<'a> {
    workspace: &'a Workspace,
    file: std::path::PathBuf,
    scratch: &'a Path,
}

impl Index<'_> {
    fn git(&self, args: &[&str]) -> Cmd {
        self.workspace.git().cmd(args).env("GIT_INDEX_FILE", &self.file).cwd(self.scratch)
    }

    fn read(&self, base: &str) -> Result<()> {
        self.git(&["read-tree", base]).read().map(drop)
    }

    /// Applies a mail's patch; true if that took a three-way merge, and what is wrong if it does not apply.
    fn apply(&self, mail: &Mail) -> Result<Result<bool, Vec<Finding>>> {
        let file = self.scratch.join("patch");
        std::fs::write(&file, &mail.patch).doing("write", &file)?;
        let apply = |options: &[&str]| {
            self.git(&["apply", "--cached", "--whitespace=nowarn", "-p1"])
                .args(options)
                .arg("--")
                .arg(&file)
                .output()
        };
        let first = apply(&[])?;
        if first.status.success() {
            return Ok(Ok(false));
        }
        let three_way = apply(&["--3way"])?;
        if three_way.status.success() && !three_way.stderr.contains("with conflicts") {
            return Ok(Ok(true));
        }
        Ok(Err(why(&first.stderr)))
    }

    /// Makes a commit of the index. The same mail on the same parent is the same commit.
    fn commit(&self, mail: &Mail, parent: &str) -> Result<String> {
        let tree = self.git(&["write-tree"]).read()?;
        let file = self.scratch.join("message");
        let message = format!("{}\n\n{}\n", mail.subject, mail.message.text);
        std::fs::write(&file, message).doing("write", &file)?;
        let seconds = mailparse::dateparse(&mail.date).unwrap_or(0).max(0);
        let date = format!("@{seconds} +0000");
        let name = if mail.author.name.trim().is_empty() { &mail.author.email } else { &mail.author.name };
        let commit = self.git(&["commit-tree", tree.trim(), "-p", parent, "-F"]).arg(&file);
        let commit = commit.env("GIT_AUTHOR_NAME", name).env("GIT_AUTHOR_EMAIL", &mail.author.email);
        let commit = commit.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
        let commit =
            commit.env("GIT_COMMITTER_NAME", "vmptcp").env("GIT_COMMITTER_EMAIL", "vmptcp@localhost");
        Ok(commit.read()?.trim().to_owned())
    }
}

/// Reads what `git apply` says: `error: patch failed: net/mptcp/pm.c:12`.
fn why(stderr: &str) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for line in stderr.lines().filter_map(|line| line.strip_prefix("error: ")) {
        match line.strip_prefix("patch failed: ").and_then(|place| place.rsplit_once(':')) {
            Some((file, number)) => {
                let finding = Finding::error("does not apply: the tree has other lines there");
                found.push(match number.parse() {
                    Ok(number) => finding.at(file, number),
                    Err(_) => finding.file(file),
                });
            }
            // It follows a line as above, for the same file.
            None if line.ends_with("patch does not apply") && !found.is_empty() => {}
            None => found.push(Finding::error(format!("does not apply: {line}"))),
        }
    }
    if found.is_empty() {
        found.push(Finding::error("does not apply"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::git::tests::{commit, repository};
    use super::super::input;
    use super::*;

    const FILE: &str = "a\nb\nc\nd\ne\n";

    fn mail(count: &str, patch: &str) -> (String, Vec<u8>) {
        let text = format!(
            "From: Ä <a@example.org>\nTo: mptcp@lists.linux.dev\nDate: Mon, 2 Nov 2026 10:00:00 +0000\n\
             Subject: [PATCH mptcp-next {count}] mptcp: {count}\n\nWhy.\n\nFixes: 0123456789ab (\"x\")\n---\nnotes\n\n{patch}"
        );
        (count.to_owned(), text.into_bytes())
    }

    fn change(from: &str, to: &str) -> String {
        format!("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -2,3 +2,3 @@\n b\n-{from}\n+{to}\n d\n")
    }

    #[test]
    fn mails_become_the_same_commits_every_time_and_nothing_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let source = repository(dir.path(), &[("x", FILE)]);
        let place = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(place.path(), &source).unwrap();
        let base = source.commit("HEAD").unwrap();
        let load = || {
            let read =
                input::mails(&[mail("1/2", &change("c", "C")), mail("2/2", &change("C", "D"))]).unwrap();
            mails(&workspace, &read, &[(base.clone(), None)], "x").unwrap()
        };
        let loaded = load();
        assert_eq!((loaded.applied, loaded.trouble.len()), (2, 0));
        let patch = &loaded.series.patches[1];
        assert_eq!(workspace.git().file(&patch.commit, "x").unwrap(), "a\nb\nD\nd\ne\n");
        assert_eq!(patch.message.notes, "notes");
        assert_eq!(patch.author.name, "Ä");
        assert_eq!(patch.fixes, [super::super::model::Lookup::Missing]);
        assert_eq!(patch.changes[0].added[0].number, 3);
        assert_eq!(load().series, loaded.series);
        assert_eq!(std::fs::read_dir(workspace.tree()).unwrap().count(), 0);
    }

    #[test]
    fn what_does_not_apply_names_the_place_and_stops_there() {
        let dir = tempfile::tempdir().unwrap();
        let source = repository(dir.path(), &[("x", FILE)]);
        let place = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(place.path(), &source).unwrap();
        let base = source.commit("HEAD").unwrap();
        let read =
            input::mails(&[mail("1/2", &change("other", "C")), mail("2/2", &change("c", "D"))]).unwrap();
        let loaded = mails(&workspace, &read, &[(base, None)], "x").unwrap();
        assert_eq!(loaded.applied, 0);
        assert_eq!(loaded.trouble[0].place().unwrap(), "x:2");
        assert_eq!(loaded.series.patches.len(), 2);
    }

    #[test]
    fn dangerous_patches_are_not_applied() {
        let dir = tempfile::tempdir().unwrap();
        let source = repository(dir.path(), &[("x", FILE)]);
        let place = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(&place.path().join("series"), &source).unwrap();
        let base = source.commit("HEAD").unwrap();
        let new = |path: &str, mode: &str| {
            format!(
                "diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+/etc/passwd\n"
            )
        };
        for bad in [
            new("../escaped", "100644"),
            new("link", "120000"),
            new(".git/hooks/x", "100755"),
            new("sub", "160000"),
        ] {
            let read = input::mails(&[mail("1/1", &bad)]).unwrap();
            let loaded = mails(&workspace, &read, &[(base.clone(), None)], "x").unwrap();
            assert_eq!(loaded.applied, 0, "{bad}");
        }
        assert!(!place.path().join("escaped").exists());
        assert_eq!(std::fs::read_dir(workspace.tree()).unwrap().count(), 0);
        // A commit that has a link is not checked out either.
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
        commit(dir.path(), "mptcp: link", &[]);
        let found = input::range(&source, "HEAD~1..").unwrap();
        assert_eq!(commits(&workspace, found, "x".to_owned()).unwrap().applied, 0);
    }
}
