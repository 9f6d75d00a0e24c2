//! Where a series comes from: commits of the user's repository, or mails.

use super::git::Git;
use super::import::IMPORTED;
use super::mailbox;
use super::message::Message;
use super::model::Cover;
use super::subject::{Prefix, split};
use super::thread;
use crate::error::{Error, Result};
use crate::event::GIVEN;
use crate::text::Shown;

/// How far back the base is looked for, and the most commits that are taken for a series at all.
const MAX_COMMITS: usize = 300;

/// The line in the message of b4's cover commit, below which it keeps its data.
const B4_TRACKING: &str = "--- b4-submit-tracking ---";

/// A series of commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commits {
    /// What it is built on.
    pub base: String,
    /// How that was found, for a person.
    pub found_by: String,
    /// The commits, oldest first, without b4's cover.
    pub commits: Vec<String>,
    /// The cover letter that b4 keeps.
    pub cover: Option<Cover>,
    /// The prefix that b4, or git's configuration, will give the mails.
    pub prefix: Option<Prefix>,
}

/// A commit on the way back from the tip.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    hash: String,
    parents: Vec<String>,
    subject: String,
    /// Full names of the references that point to it.
    refs: Vec<String>,
    body: String,
}

pub use super::thread::Mails;

/// What `tip` (a branch, or HEAD) has on top of its base: b4's cover commit or a marker of an `export` branch, whichever is
/// nearer; else the upstream branch, which may as well be a copy of the series on a server.
pub fn on_top(git: &Git, tip: &str) -> Result<Commits> {
    let name = tip;
    let tip = git.commit(name)?;
    let upstream = || {
        let upstream =
            git.ask(["rev-parse", "--verify", "--quiet", &format!("{name}@{{upstream}}^{{commit}}")])?;
        Some((git.ask(["merge-base", &tip, &upstream])?, "the upstream branch"))
    };
    let (base, how) = marked(&walk(git, &tip)?).or_else(upstream).ok_or_else(|| {
        Error::usage(
            "cannot tell what the series is built on: no b4 cover, no marker of export or t/upstream, no upstream branch",
        )
        .hint("name the commit below the first patch: vmptcp validate BASE..")
    })?;
    if base == tip {
        return Err(nothing_on(&format!("{base:.12}, {how}")));
    }
    let mut commits = commits(git, &base, &tip)?;
    how.clone_into(&mut commits.found_by);
    Ok(commits)
}

/// The commits of a range: `BASE..TIP`, `BASE..`, or a commit alone for all that is on top of it.
pub fn range(git: &Git, text: &str) -> Result<Commits> {
    let (from, to) = text.split_once("..").unwrap_or((text, "HEAD"));
    if to.starts_with('.') {
        return Err(Error::usage(format!("{text}: a range of three dots is no series")).hint("BASE..TIP"));
    }
    let from = git.commit(if from.is_empty() { "HEAD" } else { from })?;
    let to = git.commit(if to.is_empty() { "HEAD" } else { to })?;
    let base = git.ask(["merge-base", &from, &to]).ok_or_else(|| {
        Error::usage(format!("{text}: the two have no common history"))
            .hint("give a base that is below the tip")
    })?;
    commits(git, &base, &to)
}

/// The commits between `base` and `tip`; the nearest b4 cover among them becomes the cover letter.
fn commits(git: &Git, base: &str, tip: &str) -> Result<Commits> {
    let list = git.read(["rev-list", "--reverse", "--topo-order", &format!("{base}..{tip}")])?;
    let count = list.lines().count();
    if count > MAX_COMMITS {
        return Err(Error::usage(format!("{count} commits on top of {base:.12} are no series"))
            .hint("name the range: vmptcp validate BASE..TIP"));
    }
    let mut prefix = git.ask(["config", "--get", "format.subjectPrefix"]).map(|text| Prefix::parse(&text));
    let (mut commits, mut cover) = (Vec::new(), None);
    for hash in list.lines() {
        let text = git.read(["show", "-s", "--format=%P%x00%B", hash])?;
        let (parents, message) = text.split_once('\0').unwrap_or_default();
        if parents.split(' ').count() > 1 {
            return Err(Error::usage(format!("{hash:.12} is a merge: a series is a line of commits"))
                .hint("rebase it first: git rebase --no-rebase-merges BASE"));
        }
        if let Some((letter, tracking)) = message.split_once(B4_TRACKING) {
            let (subject, body) = letter.split_once('\n').unwrap_or((letter, ""));
            cover = Some(Cover { subject: subject.trim().to_owned(), message: cover_message(body) });
            prefix = b4_prefix(tracking).or(prefix);
            continue;
        }
        commits.push(hash.to_owned());
    }
    if commits.is_empty() {
        return Err(nothing_on(&format!("{base:.12}")));
    }
    Ok(Commits { base: base.to_owned(), found_by: GIVEN.to_owned(), commits, cover, prefix })
}

fn nothing_on(base: &str) -> Error {
    Error::usage(format!("there is no commit on top of {base}"))
        .hint("name the range: vmptcp validate BASE..TIP")
}

/// b4 keeps the whole letter in one text; there is no part of it that is lost.
fn cover_message(body: &str) -> Message {
    Message { text: body.trim().to_owned(), notes: String::new() }
}

/// b4 keeps `"revision"` and `"prefixes"` as JSON below its line; lines of it may begin with `#`.
fn b4_prefix(tracking: &str) -> Option<Prefix> {
    let text: String = tracking.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let data: serde_json::Value = serde_json::from_str(&text).ok()?;
    let series = data.get("series")?;
    let words = series.get("prefixes").and_then(serde_json::Value::as_array).into_iter().flatten();
    let words: Vec<&str> = words.filter_map(serde_json::Value::as_str).collect();
    let revision = series.get("revision").and_then(serde_json::Value::as_u64).unwrap_or(1);
    Some(Prefix::parse(&format!("PATCH {} v{revision}", words.join(" "))))
}

fn walk(git: &Git, tip: &str) -> Result<Vec<Step>> {
    let count = format!("--max-count={MAX_COMMITS}");
    let format = "--format=%H%x00%P%x00%s%x00%D%x00%b%x01";
    let text = git.read(["log", "--first-parent", "--decorate=full", &count, format, tip, "--"])?;
    Ok(text.split('\u{1}').filter_map(step).collect())
}

fn step(text: &str) -> Option<Step> {
    let mut fields = text.trim_start_matches('\n').splitn(5, '\0');
    let mut next = || fields.next().map(str::to_owned);
    let (hash, parents, subject, refs, body) = (next()?, next()?, next()?, next()?, next()?);
    let refs = refs.split(", ").map(|name| name.trim_start_matches("tag: ").to_owned()).collect();
    let parents = parents.split_whitespace().map(str::to_owned).collect();
    Some(Step { hash, parents, subject, refs, body })
}

/// The base that a cover or a marker names, and which of them.
fn marked(walk: &[Step]) -> Option<(String, &'static str)> {
    walk.iter().find_map(|step| {
        if step.body.contains(B4_TRACKING) {
            return Some((step.parents.first()?.clone(), "b4's cover commit"));
        }
        Some((step.hash.clone(), marker(step)?))
    })
}

/// What ends the MPTCP tree: the topmost commits of an export branch are not to be merged, and its states are tagged; the
/// branch that it is exported from, and the branch for reviews, end in a merge. Else the only commit of a
/// tree that came without history.
fn marker(step: &Step) -> Option<&'static str> {
    let exported = |name: &String| {
        let tag = ["refs/tags/export/", "refs/tags/export-net/"].iter().any(|tags| name.starts_with(tags));
        tag || is_remote(name, &["export", "export-net"])
    };
    if step.subject.starts_with("DO-NOT-MERGE:") || step.refs.iter().any(exported) {
        return Some("a marker of the export branch");
    }
    let branches = ["t/upstream", "t/upstream-net", "for-review", "for-review-net"];
    let topgit = is_topgit_merge(&step.subject) || step.refs.iter().any(|name| is_remote(name, &branches));
    let imported = step.parents.is_empty() && step.body.contains(IMPORTED);
    let imported = imported.then_some("the commit of vmptcp source --git");
    if topgit { Some("the end of TopGit's t/upstream") } else { imported }
}

/// True for a remote branch of one of these names.
fn is_remote(name: &str, branches: &[&str]) -> bool {
    let named = |branch: &&str| name.strip_suffix(*branch).is_some_and(|rest| rest.ends_with('/'));
    name.starts_with("refs/remotes/") && branches.iter().any(named)
}

/// `tgupdate: merge t/upstream base into t/upstream` is what `tg update` writes, `Merge branch 't/upstream' into for-review`
/// what git does; the same with `-net` for the tree of fixes.
fn is_topgit_merge(subject: &str) -> bool {
    ["", "-net"].iter().any(|net| {
        let merged = subject.strip_suffix(&format!("t/upstream{net}' into for-review{net}"));
        subject == format!("tgupdate: merge t/upstream{net} base into t/upstream{net}")
            || merged.is_some_and(|start| start.starts_with("Merge "))
    })
}

/// Reads mails, or mailboxes, each with the name that errors call it, and takes the series out of them.
pub fn mails(files: &[(String, Vec<u8>)]) -> Result<Mails> {
    let wrong = |why: String| Error::usage(why).hint("give files of git format-patch, or a mailbox");
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let name = Shown::line(name).to_string();
        let mails = mailbox::read(&name, bytes)?;
        if mails.is_empty() {
            return Err(
                Error::usage(format!("{name} is empty")).hint("git format-patch makes files to validate")
            );
        }
        let several = mails.len() > 1;
        for (at, mail) in mails.into_iter().enumerate() {
            match mail {
                Ok(mail) => read.push(mail),
                Err(why) if several => unread.push(format!("{name}, mail {}: {why}", at + 1)),
                Err(why) => return Err(wrong(format!("{name}: {why}"))),
            }
        }
    }
    if read.is_empty() {
        return Err(wrong(unread.into_iter().next().unwrap_or_else(|| "there are no mails".to_owned())));
    }
    let mut mails = thread::sort(read).ok_or_else(|| wrong("none of the mails has a patch".to_owned()))?;
    mails.notes.extend(unread.iter().map(|why| format!("left out: {why}")));
    Ok(mails)
}

/// Reads what a person says the mails will have in their brackets.
pub fn prefix_of(text: &str) -> Prefix {
    let bracketed = if text.starts_with('[') { text.to_owned() } else { format!("[{text}]") };
    split(&bracketed).0.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::git::tests::{commit, repository};
    use super::*;

    #[test]
    fn the_nearest_of_cover_and_marker_is_the_base_else_upstream() {
        let dir = tempfile::tempdir().unwrap();
        let git = repository(dir.path(), &[("x", "1\n")]);
        assert!(on_top(&git, "HEAD").unwrap_err().remedy().unwrap().contains("BASE.."));
        git.read(["branch", "upstream"]).unwrap();
        git.read(["branch", "-q", "--set-upstream-to", "upstream"]).unwrap();
        commit(dir.path(), "mptcp: none", &[]);
        assert_eq!(on_top(&git, "HEAD").unwrap().found_by, "the upstream branch");
        let marker = commit(dir.path(), "DO-NOT-MERGE: git markup: features net-next", &[]);
        let nothing = on_top(&git, "HEAD").unwrap_err().to_string();
        assert!(nothing.ends_with(", a marker of the export branch"), "{nothing}");
        let one = commit(dir.path(), "mptcp: one", &[("x", "2\n")]);
        let found = on_top(&git, "HEAD").unwrap();
        assert_eq!((found.base, found.commits), (marker.clone(), vec![one.clone()]));
        git.read(["branch", "-f", "upstream"]).unwrap();
        assert_eq!(on_top(&git, "HEAD").unwrap().base, marker, "what was pushed is in the series too");
        let tracking = "#\n{ \"series\": { \"revision\": 3, \"prefixes\": [\"mptcp-next\"] } }";
        commit(dir.path(), &format!("A title\n\nEDITME: text\n\n{B4_TRACKING}\n{tracking}"), &[]);
        let two = commit(dir.path(), "mptcp: two", &[("x", "3\n")]);
        let found = on_top(&git, "HEAD").unwrap();
        assert_eq!((&found.base, &found.commits), (&one, &vec![two.clone()]));
        assert_eq!(found.found_by, "b4's cover commit");
        assert_eq!(found.cover.unwrap().subject, "A title");
        let prefix = found.prefix.unwrap();
        assert_eq!((prefix.version, prefix.tree()), (3, Some("mptcp-next")));
        assert_eq!(range(&git, "HEAD~3..").unwrap().commits, [one, two]);
        assert!(range(&git, "HEAD...HEAD~1").is_err());
        assert!(range(&git, "nonsense..").unwrap_err().to_string().contains("no commit \"nonsense\""));
    }

    #[test]
    fn the_ends_of_topgits_branches_are_bases() {
        for net in ["", "-net"] {
            for subject in [
                format!("tgupdate: merge t/upstream{net} base into t/upstream{net}"),
                format!("Merge branch 't/upstream{net}' into for-review{net}"),
                format!("Merge remote-tracking branch 'origin/t/upstream{net}' into for-review{net}"),
            ] {
                let dir = tempfile::tempdir().unwrap();
                let git = repository(dir.path(), &[("x", "1\n")]);
                commit(dir.path(), "DO-NOT-MERGE: git markup: net-next", &[]);
                git.read(["checkout", "-q", "-b", "side"]).unwrap();
                commit(dir.path(), "mptcp: of a topic", &[("y", "1\n")]);
                git.read(["checkout", "-q", "main"]).unwrap();
                let identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
                let merge = ["merge", "-q", "--no-ff", "-m", &subject, "side"];
                git.read(identity.into_iter().chain(merge)).unwrap();
                let base = git.commit("HEAD").unwrap();
                let one = commit(dir.path(), "mptcp: one", &[("x", "2\n")]);
                let found = on_top(&git, "HEAD").unwrap();
                assert_eq!((found.base, found.commits), (base, vec![one]), "{subject}");
                assert_eq!(found.found_by, "the end of TopGit's t/upstream");
            }
        }
        for other in [
            "tgupdate: merge t/mptcp-x into t/upstream base",
            "tgupdate: merge t/upstream-net base into t/upstream",
            "Merge branch 't/upstream-net' into for-review",
            "mptcp: Merge branch 't/upstream' into for-review",
        ] {
            assert!(!is_topgit_merge(other), "{other}");
        }
        assert!(is_remote("refs/remotes/origin/t/upstream", &["t/upstream"]));
        assert!(!is_remote("refs/remotes/origin/not-export", &["export"]));
        assert!(!is_remote("refs/heads/origin/export", &["export"]));
    }

    #[test]
    fn what_is_no_series_of_mails_says_so() {
        let said = |text: &str| {
            let error = mails(&[("x".to_owned(), text.as_bytes().to_vec())]).unwrap_err();
            error.to_string()
        };
        assert!(said("From: A <a@b.org>\nSubject: [PATCH 0/2] x\n\nText\n").contains("none of the mails"));
        assert!(said("text").starts_with("x: not a mail"));
        assert!(said("").starts_with("x is empty"));
    }
}
