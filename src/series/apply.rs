//! Applies mails in an index of our own: git's answer is judged there, before any file is written.

use super::diagnose::{Trial, explain};
use super::mail::Mail;
use super::raw;
use super::safety;
use super::workspace::Workspace;
use crate::error::{Error, IoContext, Result};
use crate::event::Finding;
use crate::process::Cmd;
use crate::text::decode;
use std::path::PathBuf;

/// What became of a mail.
#[derive(Debug)]
pub enum Applied {
    /// It is this commit now.
    Commit {
        /// Its hash.
        hash: String,
        /// It took a three-way merge.
        three_way: bool,
    },
    /// It does not apply: why.
    Not(Vec<Finding>),
    /// It may not be written: why.
    Refused(Vec<Finding>),
}

/// An index, and what it was made from. After a mail that became no commit it is of no use any more.
#[derive(Debug)]
pub struct Index<'a> {
    workspace: &'a Workspace,
    scratch: tempfile::TempDir,
    parent: String,
}

impl<'a> Index<'a> {
    /// The files of `base`.
    pub fn of(workspace: &'a Workspace, base: &str) -> Result<Self> {
        let scratch = workspace.dir("apply")?;
        let scratch = tempfile::tempdir_in(&scratch).doing("create a directory in", &scratch)?;
        let index = Self { workspace, scratch, parent: base.to_owned() };
        index.git(&["read-tree", base]).read()?;
        Ok(index)
    }

    fn git(&self, args: &[&str]) -> Cmd {
        let cmd = self.workspace.git().cmd(args).cwd(self.scratch.path());
        cmd.env("GIT_INDEX_FILE", self.scratch.path().join("index"))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let file = self.scratch.path().join(name);
        std::fs::write(&file, bytes).doing("write", &file)?;
        Ok(file)
    }

    /// Applies a mail on top of those before it.
    pub fn add(&mut self, mail: &Mail) -> Result<Applied> {
        let refused = safety::examine_text(&mail.patch);
        if !refused.is_empty() {
            return Ok(Applied::Refused(refused));
        }
        let three_way = match self.apply(mail)? {
            Ok(three_way) => three_way,
            Err(stderr) => return self.not_applied(mail, &stderr),
        };
        let changed = ["diff-index", "--cached"].into_iter().chain(raw::OPTIONS).chain([&self.parent[..]]);
        let changed = self.git(&changed.collect::<Vec<_>>()).read()?;
        let refused = safety::examine(&entries(&changed)?);
        if !refused.is_empty() {
            return Ok(Applied::Refused(refused));
        }
        if three_way && changed.is_empty() {
            return Ok(Applied::Not(vec![Finding::error(
                "already applied: the base has all of this patch: leave it out",
            )]));
        }
        Ok(match self.commit(mail)? {
            Ok(hash) => {
                self.parent.clone_from(&hash);
                Applied::Commit { hash, three_way }
            }
            Err(stderr) => self.not_applied(mail, &stderr)?,
        })
    }

    /// Refused, or why it does not apply, where git said `stderr` of it.
    fn not_applied(&self, mail: &Mail, stderr: &str) -> Result<Applied> {
        let said = stderr.lines().filter_map(|line| line.split_once(": "));
        let said = said.filter(|(word, _)| ["error", "fatal"].contains(word)).map(|(_, text)| text);
        let refused: Vec<Finding> = said.filter_map(safety::refused_by_git).collect();
        if !refused.is_empty() {
            return Ok(Applied::Refused(refused));
        }
        // A merge that was tried has left its conflicts in the index.
        self.git(&["read-tree", &self.parent]).read()?;
        let git = |args: &[&str]| self.git(args).output();
        let file = self.scratch.path().join("patch");
        let text = decode(&mail.patch);
        Ok(Applied::Not(explain(&Trial { git: &git, file: &file, text: &text }, stderr)?))
    }

    /// True if it took a three-way merge; what git said without one if it does not apply.
    fn apply(&self, mail: &Mail) -> Result<std::result::Result<bool, String>> {
        let file = self.write("patch", &mail.patch)?;
        let apply = |options: &[&str]| {
            let apply = ["apply", "--cached", "--whitespace=nowarn", "-p1"];
            self.git(&apply).args(options).arg("--").arg(&file).output()
        };
        let first = apply(&[])?;
        if first.status.success() {
            return Ok(Ok(false));
        }
        let second = apply(&["--3way"])?;
        let clean = second.status.success() && !second.stderr.contains("with conflicts");
        Ok(if clean { Ok(true) } else { Err(first.stderr) })
    }

    /// Makes a commit of the index; or says why git makes none. The same mail on the same parent is the same commit.
    fn commit(&self, mail: &Mail) -> Result<std::result::Result<String, String>> {
        let tree = self.git(&["write-tree"]).read()?;
        let message = format!("{}\n\n{}\n", mail.subject, mail.message.text);
        let file = self.write("message", message.trim_start().as_bytes())?;
        // As for `git am`, but that a mail without a date is not one of today.
        let date = if mail.date.is_empty() { "@0 +0000" } else { &mail.date };
        let commit = self.git(&["commit-tree", tree.trim(), "-p", &self.parent, "-F"]).arg(&file);
        let commit =
            commit.env("GIT_AUTHOR_NAME", &mail.author.name).env("GIT_AUTHOR_EMAIL", &mail.author.email);
        let commit = commit.env("GIT_AUTHOR_DATE", date).env("GIT_COMMITTER_DATE", date);
        let commit =
            commit.env("GIT_COMMITTER_NAME", "vmptcp").env("GIT_COMMITTER_EMAIL", "vmptcp@localhost");
        let output = commit.output()?;
        Ok(if output.status.success() { Ok(output.stdout.trim().to_owned()) } else { Err(output.stderr) })
    }
}

/// What git says that a change does.
pub fn entries(changed: &str) -> Result<Vec<raw::Entry>> {
    raw::parse(changed).map_err(|part| {
        Error::cannot_run(format!("output of git that is not understood: {part:?}"))
            .hint("report this, with the output of: git --version")
    })
}
