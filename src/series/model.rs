//! A series of patches as data: what the checks look at. Pure.

use super::diff::Change;
use super::message::{Message, Person};
use super::subject::Prefix;
use std::ops::Deref;

/// What came with a mail and is not part of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// All addresses of To and Cc.
    pub recipients: Vec<String>,
}

/// A commit that a `Fixes:` trailer names, looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It is in the history of the base, with this subject.
    Found(String),
    /// It is not.
    Missing,
    /// Nobody can tell: the history that is here is not whole.
    Unknown,
}

/// A commit in the tool's own repository, by hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its own.
    pub hash: String,
    /// That of the commit before it.
    pub parent: String,
    /// That of the whole tree with it.
    pub tree: String,
}

/// One patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Its place, from 1.
    pub number: usize,
    /// Its commit; none if it was not applied.
    pub commit: Option<Commit>,
    /// Who wrote it.
    pub author: Person,
    /// Its subject, without the prefix.
    pub subject: String,
    /// Its message.
    pub message: Message,
    /// Its changes.
    pub changes: Vec<Change>,
    /// As `git format-patch` prints it.
    pub text: String,
    /// The mail that it came with.
    pub envelope: Option<Envelope>,
    /// The commits that its `Fixes:` trailers name, in their order.
    pub fixes: Vec<Lookup>,
}

impl Patch {
    /// The files that it touches, with both paths of one that is renamed.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.changes
            .iter()
            .flat_map(|change| std::iter::once(&change.path).chain(&change.old_path).map(String::as_str))
    }
}

/// A patch that was applied and found safe: it may be looked at in its tree.
#[derive(Debug, Clone, Copy)]
pub struct AppliedPatch<'a> {
    /// The patch.
    pub patch: &'a Patch,
    /// Its commit.
    pub commit: &'a Commit,
}

impl Deref for AppliedPatch<'_> {
    type Target = Patch;

    fn deref(&self) -> &Patch {
        self.patch
    }
}

/// The cover letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cover {
    /// Its subject, without the prefix.
    pub subject: String,
    /// Its text.
    pub message: Message,
}

/// Where a series came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Commits of a repository.
    Git,
    /// Mails, or patch files.
    Mail,
}

/// A series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Where it came from.
    pub origin: Origin,
    /// For a person: the range, or the files.
    pub input: String,
    /// What names it on the command line, with a blank before it; empty for what is found without.
    pub again: String,
    /// The commit that it is built on.
    pub base: String,
    /// How the base was found; none if it was only guessed.
    pub base_known: Option<String>,
    /// The commit that a mail names as its base, if the repository does not have it.
    pub base_missing: Option<String>,
    /// What stands, or will stand, in the brackets of the subjects; none if nobody said.
    pub prefix: Option<Prefix>,
    /// The cover letter.
    pub cover: Option<Cover>,
    /// The patches.
    pub patches: Vec<Patch>,
    /// `CONFIG_…` symbols of the selftests' fragment at the tip.
    pub selftests_config: String,
}

impl Series {
    /// The tree that it is meant for.
    pub fn tree(&self) -> Option<&'static str> {
        self.prefix.as_ref().and_then(Prefix::tree)
    }

    /// All files that it touches, once each, in order.
    pub fn files(&self) -> Vec<&str> {
        let mut files: Vec<&str> = self.patches.iter().flat_map(Patch::files).collect();
        files.sort_unstable();
        files.dedup();
        files
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::event::GIVEN;
    use crate::series::diff;

    /// A patch with this subject and message, for the tests of this room.
    pub(crate) fn patch(subject: &str, message: &str, text: &str) -> Patch {
        let author = Person { name: "A".to_owned(), email: "a@example.org".to_owned() };
        Patch {
            number: 1,
            commit: Some(Commit { hash: "c".repeat(40), parent: "b".repeat(40), tree: "t".repeat(40) }),
            author,
            subject: subject.to_owned(),
            message: Message::parse(message),
            changes: diff::parse(text),
            text: text.to_owned(),
            envelope: None,
            fixes: Vec::new(),
        }
    }

    /// A series of these patches for mptcp-next, for the tests of this room.
    pub(crate) fn series(mut patches: Vec<Patch>) -> Series {
        for (at, patch) in patches.iter_mut().enumerate() {
            patch.number = at + 1;
        }
        Series {
            origin: Origin::Git,
            input: "base..".to_owned(),
            again: String::new(),
            base: "b".repeat(40),
            base_known: Some(GIVEN.to_owned()),
            base_missing: None,
            prefix: Some(Prefix::parse("PATCH mptcp-next")),
            cover: None,
            patches,
            selftests_config: String::new(),
        }
    }
}
