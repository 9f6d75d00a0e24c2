//! Partial clones (`git clone --filter=blob:none`): what is missing of a commit is fetched before it is needed, by the
//! user's git with the user's configuration, into the objects of our own repository.

use super::git::Git;
use crate::error::{Error, IoContext, Result};
use crate::process::quote;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The user's repository, if it is a partial clone.
#[derive(Debug)]
pub(super) struct Partial {
    source: Git,
    /// The remote repository that has what is missing.
    remote: String,
    /// Where the objects go.
    objects: PathBuf,
}

impl Partial {
    /// `None` if all objects of `source` are there. `repository` is our own.
    pub(super) fn of(source: &Git, repository: &Path) -> Option<Self> {
        let text = source.ask(["config", "--get-regexp", r"^remote\..*\.promisor$", "true"])?;
        let remote = text.lines().next()?.strip_prefix("remote.")?.strip_suffix(".promisor true")?.to_owned();
        Some(Self { source: source.clone(), remote, objects: repository.join("objects") })
    }

    /// Fetches what is missing of these paths in a commit; of all, if there are none.
    pub(super) fn complete(&self, ours: &Git, commit: &str, paths: &[&str]) -> Result<()> {
        let list = ["--literal-pathspecs", "ls-tree", "-r", "--full-tree", "-z", commit, "--"];
        let text = ours.read(list.iter().chain(paths)).map_err(|error| self.cannot(&error.to_string()))?;
        // `100644 blob HASH<tab>path`
        let blob = |entry: &str| Some(entry.split_once(" blob ")?.1.split_once('\t')?.0.to_owned());
        self.fetch(ours, &text.split('\0').filter_map(blob).collect())
    }

    /// Fetches what is missing of what the commits between two change.
    pub(super) fn complete_changes(&self, ours: &Git, base: &str, tip: &str) -> Result<()> {
        let range = format!("{base}..{tip}");
        let log = ["log", "--raw", "-r", "--no-renames", "--no-abbrev", "--format=", &range, "--"];
        let text = ours.read(log).map_err(|error| self.cannot(&error.to_string()))?;
        // `:100644 100644 OLD NEW M<tab>path`
        let blobs = text.lines().filter(|line| line.starts_with(':')).flat_map(|line| {
            let mut words = line.trim_start_matches(':').split(' ');
            let modes = [words.next().unwrap_or_default(), words.next().unwrap_or_default()];
            let hashes = [words.next().unwrap_or_default(), words.next().unwrap_or_default()];
            modes
                .into_iter()
                .zip(hashes)
                .filter(|(mode, _)| mode.starts_with("10"))
                .map(|(_, hash)| hash.to_owned())
        });
        self.fetch(ours, &blobs.collect())
    }

    fn fetch(&self, ours: &Git, blobs: &BTreeSet<String>) -> Result<()> {
        let scratch = tempfile::tempdir_in(&self.objects).doing("create a directory in", &self.objects)?;
        let names = scratch.path().join("names");
        let write = |hashes: &[&str]| std::fs::write(&names, hashes.join("\n") + "\n").doing("write", &names);
        write(&blobs.iter().map(String::as_str).collect::<Vec<_>>())?;
        let known = ours.cmd(["cat-file", "--batch-check=%(objectname)"]).output_of(&names)?;
        let missing: Vec<&str> =
            known.stdout.lines().filter_map(|line| line.strip_suffix(" missing")).collect();
        if missing.is_empty() {
            return Ok(());
        }
        write(&missing)?;
        // As git itself fetches what is missing, but that it is stored with us.
        let fetch = ["-c", "fetch.negotiationAlgorithm=noop", "fetch", &self.remote, "--no-tags"];
        let nothing_else = ["--no-write-fetch-head", "--recurse-submodules=no", "--refmap="];
        let fetch = fetch.into_iter().chain(nothing_else).chain(["--filter=blob:none", "--quiet", "--stdin"]);
        let fetch = self.source.cmd(fetch).env("GIT_OBJECT_DIRECTORY", &self.objects);
        let output = fetch.output_of(&names)?;
        if output.status.success() {
            return Ok(());
        }
        let said = output.stderr.trim().lines().last().unwrap_or("git does not say why").to_owned();
        Err(self.cannot(&format!(
            "{} files are missing, and {} did not send them: {said}",
            missing.len(),
            self.remote
        )))
    }

    fn cannot(&self, why: &str) -> Error {
        let place = self.source.place();
        Error::cannot_run(format!("{} is a partial clone: {why}", place.display())).hint(format!(
            "check the network, or fetch all that is missing: git -C {} fetch --refetch --no-filter {}",
            quote(place),
            self.remote
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::git::tests::{commit, repository};
    use super::super::workspace::Workspace;
    use super::*;
    use crate::process::Cmd;

    /// A clone without blobs of a repository with two commits; nothing is checked out.
    fn clone(dir: &Path) -> Git {
        let (whole, part) = (dir.join("whole"), dir.join("part"));
        let source = repository(&whole, &[("x", "1\n"), ("net/y", "y\n")]);
        source.read(["config", "uploadpack.allowFilter", "true"]).unwrap();
        source.read(["config", "uploadpack.allowAnySHA1InWant", "true"]).unwrap();
        commit(&whole, "mptcp: second", &[("x", "2\n")]);
        let url = format!("file://{}", whole.display());
        let clone = Cmd::new("git").args(["clone", "-q", "--no-checkout", "--filter=blob:none"]);
        clone.arg(url).arg(&part).read().unwrap();
        Git::of_tree(&part).unwrap()
    }

    #[test]
    fn what_a_partial_clone_lacks_is_fetched_into_our_own_repository() {
        let dir = tempfile::tempdir().unwrap();
        let source = clone(dir.path());
        let before = source.read(["count-objects", "-v"]).unwrap();
        let refs = source.read(["for-each-ref"]).unwrap();
        let place = dir.path().join("series");
        let workspace = Workspace::open(&place, &source).unwrap();
        let head = source.commit("HEAD").unwrap();
        workspace.complete_changes(&format!("{head}~1"), &head).unwrap();
        let git = workspace.git();
        assert_eq!(git.file(&head, "x").as_deref(), Some("2\n"));
        assert_eq!(git.file(&format!("{head}~1"), "x").as_deref(), Some("1\n"));
        assert_eq!(git.file(&head, "net/y"), None, "only what is needed");
        workspace.complete(&head, &["net"]).unwrap();
        assert_eq!(git.file(&head, "net/y").as_deref(), Some("y\n"));
        workspace.check_out(&head).unwrap();
        assert_eq!(std::fs::read_to_string(workspace.tree().join("x")).unwrap(), "2\n");
        assert_eq!(source.read(["count-objects", "-v"]).unwrap(), before);
        assert_eq!(source.read(["for-each-ref"]).unwrap(), refs);
        assert!(!dir.path().join("part/.git/FETCH_HEAD").exists());
    }

    #[test]
    fn a_checkout_fetches_by_itself_and_says_what_to_do_where_it_cannot() {
        let dir = tempfile::tempdir().unwrap();
        let source = clone(dir.path());
        let workspace = Workspace::open(&dir.path().join("one"), &source).unwrap();
        let head = source.commit("HEAD").unwrap();
        workspace.check_out(&head).unwrap();
        assert_eq!(std::fs::read_to_string(workspace.tree().join("net/y")).unwrap(), "y\n");
        let workspace = Workspace::open(&dir.path().join("two"), &source).unwrap();
        std::fs::rename(dir.path().join("whole"), dir.path().join("gone")).unwrap();
        let error = workspace.check_out(&head).unwrap_err();
        assert!(
            error.to_string().contains("is a partial clone: 2 files are missing, and origin did not send"),
            "{error}"
        );
        assert!(error.remedy().unwrap().contains("fetch --refetch --no-filter origin"));
    }

    #[test]
    fn a_clone_that_borrows_objects_lends_them_on() {
        let dir = tempfile::tempdir().unwrap();
        let whole = dir.path().join("whole");
        repository(&whole, &[("x", "1\n")]);
        let clone =
            Cmd::new("git").args(["clone", "-q", "--shared"]).arg(&whole).arg(dir.path().join("part"));
        clone.read().unwrap();
        let source = Git::of_tree(&dir.path().join("part")).unwrap();
        let workspace = Workspace::open(&dir.path().join("series"), &source).unwrap();
        workspace.check_out(&source.commit("HEAD").unwrap()).unwrap();
        assert_eq!(std::fs::read_to_string(workspace.tree().join("x")).unwrap(), "1\n");
    }
}
