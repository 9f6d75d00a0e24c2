//! The tool's own place for series, in the work directory: a repository that shares the user's objects, and a work tree
//! of it. The user's checkout, index, stash and references are never touched.

use super::git::Git;
use super::partial::Partial;
use crate::error::{Error, IoContext, Result};
use crate::text::file;
use std::path::{Path, PathBuf};

/// A place to apply, build and test series in. One process at a time.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    git: Git,
    /// What the user's repository lacks is fetched through this.
    partial: Option<Partial>,
}

impl Workspace {
    /// Opens, or makes, the place `root` for series on top of what is in the repository `source`.
    pub fn open(root: &Path, source: &Git) -> Result<Self> {
        let tree = root.join("tree");
        std::fs::create_dir_all(&tree).doing("create", &tree)?;
        let repository = root.join("repo.git");
        let git = Git::own(&repository, &tree, source)?;
        Ok(Self { root: root.to_owned(), git, partial: Partial::of(source, &repository) })
    }

    /// Makes sure that these paths of a commit are there, and not only named; all of it, if there are none. A partial clone
    /// has not fetched them all.
    pub fn complete(&self, commit: &str, paths: &[&str]) -> Result<()> {
        self.partial.as_ref().map_or(Ok(()), |partial| partial.complete(&self.git, commit, paths))
    }

    /// The same for all that the commits between two change.
    pub fn complete_changes(&self, base: &str, tip: &str) -> Result<()> {
        self.partial.as_ref().map_or(Ok(()), |partial| partial.complete_changes(&self.git, base, tip))
    }

    /// Its repository.
    pub fn git(&self) -> &Git {
        &self.git
    }

    /// The work tree. Empty until [`Workspace::check_out`].
    pub fn tree(&self) -> PathBuf {
        self.root.join("tree")
    }

    /// A directory of this name in it, which is made if need be.
    pub fn dir(&self, name: &str) -> Result<PathBuf> {
        let dir = self.root.join(name);
        std::fs::create_dir_all(&dir).doing("create", &dir)?;
        Ok(dir)
    }

    /// Makes the work tree what it is in `commit`. Only files that differ are written, so that builds stay incremental.
    pub fn check_out(&self, commit: &str) -> Result<()> {
        let tree = self.tree();
        let link = tree.join(".git");
        if !link.exists() {
            let text = format!("gitdir: {}\n", self.root.join("repo.git").display());
            file::replace(&link, text.as_bytes())?;
        }
        self.complete(commit, &[])?;
        let mut said = Vec::new();
        let status =
            self.git.cmd(["reset", "--hard", "--quiet", commit]).stream(|line| said.push(line.to_owned()))?;
        if status.success() {
            return Ok(());
        }
        Err(Error::cannot_run(format!(
            "cannot check out {commit} in {}: {}",
            tree.display(),
            said.join("\n  ")
        ))
        .hint(format!("if it is damaged, remove it, and it is made again: rm -rf {}", self.root.display())))
    }

    /// Removes what is no part of the commit from the work tree: left by an interrupted run.
    pub fn clean(&self) -> Result<()> {
        let status = self.git.cmd(["clean", "-ffdxq", "-e", "/.git", "-e", "/.vmptcp"]).stream(|_| ())?;
        if status.success() {
            return Ok(());
        }
        Err(Error::cannot_run(format!("cannot clean {}", self.tree().display())))
    }

    /// Writes files of a commit into the fresh directory `into`. For the tools of the base: the series has no say in them.
    pub fn export(&self, commit: &str, paths: &[&str], into: &Path) -> Result<()> {
        std::fs::create_dir_all(into).doing("create", into)?;
        let there: Vec<String> = paths
            .iter()
            .filter(|path| self.git.ask(["cat-file", "-e", &format!("{commit}:{path}")]).is_some())
            .map(|&path| path.to_owned())
            .collect();
        self.complete(commit, paths)?;
        let archive = tempfile::NamedTempFile::new_in(&self.root).doing("create a file in", &self.root)?;
        let output = format!("--output={}", archive.path().display());
        let args = ["archive", "--format=tar", &output, commit, "--"].map(str::to_owned);
        self.git.read(args.into_iter().chain(there))?;
        let tar = process::Cmd::new("tar").arg("-xf").arg(archive.path()).arg("-C").arg(into);
        tar.arg("--no-same-owner").read().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::super::git::tests::{commit, repository};
    use super::*;
    use std::fs;

    #[test]
    fn checking_out_runs_no_hook_and_no_filter() {
        let dir = tempfile::tempdir().unwrap();
        let source = repository(dir.path(), &[("x", "1\n"), ("y", "1\n")]);
        let evil = [(".gitattributes", "* filter=evil ident\n"), ("x", "$Id$ 2\n")];
        let second = commit(dir.path(), "second", &evil);
        let marker = dir.path().join("ran");
        let run = format!("sh -c 'touch {}; cat'", marker.display());
        let config = ["config", "filter.evil.smudge", &run];
        process::Cmd::new("git").args(config).cwd(dir.path()).read().unwrap();
        let hook = dir.path().join(".git/hooks/post-checkout");
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        fs::write(&hook, format!("#!/bin/sh\ntouch {}\n", marker.display())).unwrap();

        let place = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(&place.path().join("series"), &source).unwrap();
        workspace.check_out(&source.commit("HEAD~1").unwrap()).unwrap();
        let before = workspace.tree().join("y").metadata().unwrap().modified().unwrap();
        fs::write(workspace.tree().join("left"), "").unwrap();
        workspace.clean().unwrap();
        workspace.check_out(&second).unwrap();
        assert_eq!(fs::read_to_string(workspace.tree().join("x")).unwrap(), "$Id$ 2\n");
        assert_eq!(workspace.tree().join("y").metadata().unwrap().modified().unwrap(), before);
        assert!(!workspace.tree().join("left").exists() && !marker.exists());
        let tools = place.path().join("tools");
        workspace.export(&second, &["x", "nothing"], &tools).unwrap();
        assert_eq!(fs::read_to_string(tools.join("x")).unwrap(), "$Id$ 2\n");
    }
}
