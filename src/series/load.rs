//! Brings a series into the workspace's repository, commit by commit, without writing any file of it.

use super::apply::{Applied, Index, entries};
use super::diff::{self, Change};
use super::input::{Commits, Mails};
use super::mail::Mail;
use super::message::{Message, Person};
use super::model::{AppliedPatch, Commit, Envelope, Origin, Patch, Series};
use super::raw;
use super::safety;
use super::workspace::Workspace;
use crate::error::Result;
use crate::event::Finding;
use crate::text::decode;

/// The selftests' fragment in a tree.
const SELFTESTS_CONFIG: &str = "tools/testing/selftests/net/mptcp/config";

/// A series in the workspace's repository.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The series.
    pub series: Series,
    /// So many of its patches applied and may be checked out; the rest must not be.
    pub applied: usize,
    /// Why the one after them did not apply.
    pub trouble: Vec<Finding>,
    /// Why the one after them is refused.
    pub refused: Vec<Finding>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Loaded {
    /// The patch that is refused: neither it nor any after it is looked at in a tree.
    pub fn refused_patch(&self) -> Option<usize> {
        (!self.refused.is_empty()).then_some(self.applied + 1)
    }

    /// The patches that may be looked at in their tree.
    pub fn applied_patches(&self) -> impl Iterator<Item = AppliedPatch<'_>> {
        let applied = self.series.patches.iter().take(self.applied);
        applied.filter_map(|patch| Some(AppliedPatch { patch, commit: patch.commit.as_ref()? }))
    }

    /// The commit after the last of them, or the base.
    pub fn tip(&self) -> &str {
        self.applied_patches().last().map_or(&self.series.base, |patch| &patch.commit.hash)
    }

    /// Why not all patches can be looked at in a tree; none if they can.
    pub fn shortfall(&self) -> Option<String> {
        match self.refused_patch() {
            Some(number) => Some(format!("patch {number} is refused")),
            None if self.applied < self.series.patches.len() => {
                Some(format!("patch {} does not apply", self.applied + 1))
            }
            None => None,
        }
    }
}

/// Loads commits, which are there already.
pub fn commits(workspace: &Workspace, found: Commits, input: String) -> Result<Loaded> {
    let git = workspace.git();
    if let Some(tip) = found.commits.last() {
        workspace.complete_changes(&found.base, tip)?;
        workspace.complete(tip, &[SELFTESTS_CONFIG])?;
    }
    let mut loaded = Loaded {
        series: Series {
            origin: Origin::Git,
            input,
            again: String::new(),
            base: found.base.clone(),
            base_known: Some(found.found_by),
            base_missing: None,
            prefix: found.prefix,
            cover: found.cover,
            patches: Vec::new(),
            selftests_config: String::new(),
        },
        applied: 0,
        trouble: Vec::new(),
        refused: Vec::new(),
        notes: Vec::new(),
    };
    for (at, hash) in found.commits.iter().enumerate() {
        let (patch, commit) = patch(workspace, hash, at + 1, &found.base)?;
        if loaded.refused.is_empty() {
            let diff_tree = ["diff-tree", "-r"].into_iter().chain(raw::OPTIONS);
            let changed = git.read(diff_tree.chain([&commit.parent[..], &commit.hash]))?;
            loaded.refused = safety::examine(&entries(&changed)?);
            loaded.applied += usize::from(loaded.refused.is_empty());
        }
        loaded.series.patches.push(Patch { commit: Some(commit), ..patch });
    }
    loaded.series.selftests_config = git.file(loaded.tip(), SELFTESTS_CONFIG).unwrap_or_default();
    Ok(loaded)
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
        // Of two bases that take as many, the one on which git saw what is to be refused.
        let weight = |loaded: &Loaded| (loaded.applied, !loaded.refused.is_empty());
        if best.as_ref().is_none_or(|best| weight(&loaded) > weight(best)) {
            best = Some(loaded);
        }
        if all {
            break;
        }
    }
    best.ok_or_else(|| error::Error::usage("no base to apply the mails to").hint("name one: --onto COMMIT"))
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
            base_missing: mails
                .base
                .clone()
                .filter(|named| git.ask(["cat-file", "-e", &format!("{named}^{{commit}}")]).is_none()),
            prefix: Some(mails.prefix.clone()),
            cover: mails.cover.clone(),
            patches: Vec::new(),
            selftests_config: String::new(),
        },
        applied: 0,
        trouble: Vec::new(),
        refused: Vec::new(),
        notes: mails.notes.clone(),
    };
    complete(workspace, mails, base)?;
    let mut index = Some(Index::of(workspace, base)?);
    for (at, mail) in mails.patches.iter().enumerate() {
        let number = at + 1;
        let applied = index.as_mut().map(|index| index.add(mail)).transpose()?;
        let patch = if let Some(Applied::Commit { hash, three_way }) = applied {
            if three_way {
                loaded.notes.push(format!("patch {number} applied only after a three-way merge"));
            }
            loaded.applied = number;
            let (applied, commit) = patch(workspace, &hash, number, base)?;
            let (message, author) = (mail.message.clone(), mail.author.clone());
            Patch { commit: Some(commit), message, author, ..applied }
        } else {
            match applied {
                Some(Applied::Not(trouble)) => loaded.trouble = trouble,
                Some(Applied::Refused(refused)) => loaded.refused = refused,
                _ => {}
            }
            index = None;
            unapplied(mail, number)
        };
        let envelope = Envelope { recipients: mail.headers.recipients.clone() };
        loaded.series.patches.push(Patch { envelope: Some(envelope), ..patch });
    }
    loaded.series.selftests_config = git.file(loaded.tip(), SELFTESTS_CONFIG).unwrap_or_default();
    Ok(loaded)
}

/// Makes sure that what the mails touch of the base is there.
fn complete(workspace: &Workspace, mails: &Mails, base: &str) -> Result<()> {
    let changes: Vec<Change> =
        mails.patches.iter().flat_map(|mail| diff::parse(&decode(&mail.patch))).collect();
    let touched = changes.iter().flat_map(|change| [Some(&change.path), change.old_path.as_ref()]);
    let mut touched: Vec<&str> = touched.flatten().map(String::as_str).collect();
    touched.push(SELFTESTS_CONFIG);
    workspace.complete(base, &touched)
}

fn unapplied(mail: &Mail, number: usize) -> Patch {
    let text = decode(&mail.patch).into_owned();
    Patch {
        number,
        commit: None,
        author: mail.author.clone(),
        subject: mail.subject.clone(),
        message: mail.message.clone(),
        changes: diff::parse(&text),
        text,
        envelope: None,
        fixes: Vec::new(),
    }
}

/// Reads a commit as a patch, which does not have it yet.
fn patch(workspace: &Workspace, hash: &str, number: usize, base: &str) -> Result<(Patch, Commit)> {
    let git = workspace.git();
    let text = git.read(["show", "-s", "--format=%H%x00%P%x00%T%x00%an%x00%ae%x00%s%x00%b", hash])?;
    let mut fields = text.splitn(7, '\0').map(str::to_owned);
    let mut next = || fields.next().unwrap_or_default();
    let commit = Commit { hash: next(), parent: next(), tree: next() };
    let (name, email, subject, body) = (next(), next(), next(), next());
    let options = ["--stdout", "--no-signature", "--no-ext-diff", "--no-textconv", "--no-color", "-M", "-1"];
    let text = git.read(["format-patch"].into_iter().chain(options).chain([hash]))? + "\n";
    let message = Message::parse(&body);
    let lookup = |value: &String| {
        let hash = value.split_whitespace().next().unwrap_or_default();
        let hex = hash.len() >= 4 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hex { git.look_up(hash, base) } else { super::model::Lookup::Missing }
    };
    let fixes = message.values("Fixes").iter().map(lookup).collect();
    // Not those of the text: its message may look like a patch.
    let options = ["diff-tree", "-p", "-M", "--no-ext-diff", "--no-textconv", "--no-color"];
    let changes = diff::parse(&git.read(options.into_iter().chain([&commit.parent[..], &commit.hash]))?);
    let author = Person { name, email };
    let patch =
        Patch { number, commit: None, author, subject, message, changes, text, envelope: None, fixes };
    Ok((patch, commit))
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
        assert_eq!(workspace.git().file(loaded.tip(), "x").unwrap(), "a\nb\nD\nd\ne\n");
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
