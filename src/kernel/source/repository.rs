//! Files of a repository that is no kernel: a directory of the user's, or a clone at the branch that is for a kernel.

use super::git::{git, run};
use super::{Partial, Reporter, distinct_name, remove};
use crate::error::{Error, IoContext, Kind, Result};
use crate::kernel::lock::{Busy, Lock};
use crate::process::Cmd;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How old a clone may be before the server is asked again.
const FRESH: Duration = Duration::from_secs(24 * 3600);

/// The file in a clone that says when the server was asked.
const ASKED: &str = "vmptcp-asked";

/// What is wanted of a repository.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// A directory with its files, or what git clones.
    pub source: &'a str,
    /// A directory that is in it.
    pub has: &'a str,
    /// The branches, the best first; where it has none of them, its default branch.
    pub branches: &'a [String],
    /// The user's cache of this program.
    pub cache: &'a Path,
    /// What we are doing, for those whom we make wait.
    pub command: &'a str,
}

/// The directory with its files. One of the user's is taken as it is. A clone is kept, and brought up to date once a day; where
/// that fails, it is taken as it is, with a note.
pub fn files(wanted: &Wanted<'_>, note: &mut dyn FnMut(String)) -> Result<PathBuf> {
    let dir = Path::new(wanted.source);
    if dir.join(wanted.has).is_dir() {
        return Ok(dir.to_owned());
    }
    if !wanted.source.contains("://") && wanted.source.starts_with('/') && !dir.join("HEAD").is_file() {
        let wrong = format!("{} has no {}, and is no bare repository of git", dir.display(), wanted.has);
        return Err(Error::usage(wrong).hint("name a work tree, a bare repository, or a URL"));
    }
    let place = wanted.cache.join("repositories");
    fs::create_dir_all(&place).doing("create", &place)?;
    let _lock = Lock::acquire(&place.join(".lock"), wanted.command, Busy::Wait, |holder| {
        let who = holder.map_or_else(|| "another process".to_owned(), ToString::to_string);
        note(format!("waiting for {who}, which is obtaining a repository"));
    })?;
    let short = wanted.source.rsplit("://").next().unwrap_or_default().trim_end_matches(".git");
    let name = distinct_name("git", short, wanted.source.as_bytes());
    let clone = place.join(&name);
    if clone.join("HEAD").is_file() {
        update(&clone, wanted.source, note)?;
    } else {
        note(format!("cloning {}", wanted.source));
        let partial = Partial::create(&place, &name)?;
        let bare = partial.0.join("clone");
        let cmd = git().args(["clone", "--quiet", "--bare", "--no-tags", "--"]).arg(wanted.source).arg(&bare);
        quietly(&cmd).map_err(|error| error.context(format!("cannot clone {}", wanted.source)))?;
        asked(&bare)?;
        remove(&clone)?;
        fs::rename(&bare, &clone).doing("create", &clone)?;
    }
    checked_out(&place, &clone, &name, wanted)
}

/// Asks the server for what is new, if that was not done today.
fn update(clone: &Path, source: &str, note: &mut dyn FnMut(String)) -> Result<()> {
    let age = fs::metadata(clone.join(ASKED)).and_then(|data| data.modified()).ok();
    let age = age.and_then(|time| SystemTime::now().duration_since(time).ok());
    if age.is_some_and(|age| age < FRESH) {
        return Ok(());
    }
    let fetch = git().arg("--git-dir").arg(clone).args(["fetch", "--quiet", "--prune", "--no-tags", "--"]);
    match quietly(&fetch.arg(source).arg("+refs/heads/*:refs/heads/*")) {
        Err(error) if error.kind() == Kind::Interrupted => return Err(error),
        Err(error) => note(format!("{source} is as it was when it was last asked: {error}")),
        Ok(()) => {}
    }
    asked(clone)
}

/// Remembers that the server was asked now.
fn asked(clone: &Path) -> Result<()> {
    let path = clone.join(ASKED);
    File::create(&path).doing("write", &path).map(drop)
}

/// The files at the branch that is for the kernel: a directory for each commit.
fn checked_out(place: &Path, clone: &Path, name: &str, wanted: &Wanted<'_>) -> Result<PathBuf> {
    let commit = |what: &str| {
        let cmd = git().arg("--git-dir").arg(clone);
        cmd.args(["rev-parse", "--quiet", "--verify"]).arg(format!("{what}^{{commit}}")).read()
    };
    let known = wanted.branches.iter().find_map(|branch| commit(&format!("refs/heads/{branch}")).ok());
    let known = known.map_or_else(|| commit("HEAD"), Ok);
    let commit = known.map_err(|error| error.context(format!("{} has no branch", wanted.source)))?;
    let commit = commit.trim();
    let short = commit.get(..12).unwrap_or(commit);
    let dir = place.join(format!("{name}-{short}"));
    if !dir.is_dir() {
        let partial = Partial::create(place, short)?;
        let files = partial.0.join("files");
        fs::create_dir(&files).doing("create", &files)?;
        let cmd = git().arg("--git-dir").arg(clone).arg("--work-tree").arg(&files);
        let cmd = cmd.args(["checkout", "--quiet", "--force", commit, "--", "."]);
        quietly(&cmd.env("GIT_INDEX_FILE", partial.0.join("index")))?;
        fs::rename(&files, &dir).doing("create", &dir)?;
    }
    if dir.join(wanted.has).is_dir() {
        return Ok(dir);
    }
    Err(Error::usage(format!("{} has no {} at {short}", wanted.source, wanted.has))
        .hint("name the repository whose tests these are"))
}

/// Runs git, of which nothing but its failure is of interest.
fn quietly(cmd: &Cmd) -> Result<()> {
    run(cmd, &mut Reporter { progress: &mut |_| (), note: &mut |_| () })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tree::tests::git;

    /// A repository with a branch for 6.1 and an archived one for 5.15: its directory, its work tree, and a cache.
    fn repository() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let (work, cache) = (root.path().join("work"), root.path().join("cache"));
        let dir = work.as_path();
        fs::create_dir_all(dir.join("gtests")).unwrap();
        git(dir, &["init", "-q", "-b", "main"]);
        for branch in ["main", "mptcp-6.1", "archived/mptcp-5.15"] {
            if branch != "main" {
                git(dir, &["checkout", "-q", "-b", branch]);
            }
            fs::write(dir.join("gtests/branch"), branch).unwrap();
            git(dir, &["add", "-A"]);
            git(dir, &["commit", "-qm", branch]);
        }
        git(dir, &["checkout", "-q", "main"]);
        (root, work, cache)
    }

    #[test]
    fn a_directory_is_taken_as_it_is_and_a_clone_at_the_branch_for_the_kernel() {
        let (dir, work, cache) = repository();
        let bare = dir.path().join("bare.git");
        git(dir.path(), &["clone", "-q", "--bare", "work", "bare.git"]);
        let mut notes = Vec::new();
        let mut found = |source: &Path, version: &str| {
            let branches = [format!("mptcp-{version}"), format!("archived/mptcp-{version}")];
            let source = source.to_str().unwrap();
            let wanted =
                Wanted { source, has: "gtests", branches: &branches, cache: &cache, command: "test" };
            // A process that another test starts may hold the lock for a moment.
            files(&wanted, &mut |note| notes.extend(note.starts_with("cloning").then_some(note)))
        };
        let branch = |dir: PathBuf| fs::read_to_string(dir.join("gtests/branch")).unwrap();
        assert_eq!(found(&work, "6.1").unwrap(), work);
        assert_eq!(branch(found(&bare, "6.1").unwrap()), "mptcp-6.1");
        assert_eq!(branch(found(&bare, "5.15").unwrap()), "archived/mptcp-5.15");
        assert_eq!(branch(found(&bare, "6.2").unwrap()), "main");
        let wrong = found(dir.path(), "6.1").unwrap_err();
        assert!(wrong.to_string().ends_with("has no gtests, and is no bare repository of git"), "{wrong}");
        assert_eq!(notes, [format!("cloning {}", bare.display())], "once");
    }

    #[test]
    fn a_server_that_does_not_answer_leaves_the_clone_as_it_is() {
        let (_dir, work, cache) = repository();
        let source = format!("file://{}", work.display());
        let wanted = Wanted { source: &source, has: "gtests", branches: &[], cache: &cache, command: "test" };
        let mut notes = Vec::new();
        let mut note = |note: String| notes.extend((!note.starts_with("waiting")).then_some(note));
        let first = files(&wanted, &mut note).unwrap();
        fs::remove_dir_all(&work).unwrap();
        assert_eq!(files(&wanted, &mut note).unwrap(), first, "today it is not asked");
        let clones = fs::read_dir(cache.join("repositories")).unwrap().flatten();
        let asked = clones.map(|entry| entry.path().join(ASKED)).find(|path| path.exists()).unwrap();
        let old = SystemTime::now() - 2 * FRESH;
        File::options().write(true).open(&asked).unwrap().set_modified(old).unwrap();
        assert_eq!(files(&wanted, &mut note).unwrap(), first);
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[1].contains("as it was when it was last asked"), "{notes:?}");
    }
}
