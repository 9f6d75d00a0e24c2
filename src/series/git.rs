//! git, as this room calls it: the user's repository is only read, and one of our own is worked in.

use super::model::Lookup;
use crate::error::{Error, IoContext, Result};
use crate::process::Cmd;
use crate::text::file;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A repository.
#[derive(Debug, Clone)]
pub struct Git {
    cmd: Cmd,
    place: PathBuf,
}

/// Variables that would lead git to another repository or to other objects, or change what it answers: those of
/// `git rev-parse --local-env-vars`, and some more. Whoever calls us, as git does for a hook, may have set them.
const FOREIGN: [&str; 24] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DEFAULT_HASH",
    "GIT_DIFF_OPTS",
    "GIT_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GLOB_PATHSPECS",
    "GIT_GRAFT_FILE",
    "GIT_ICASE_PATHSPECS",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_TEMPLATE_DIR",
    "GIT_TRACE",
    "GIT_WORK_TREE",
];

/// No configuration but that of the repository itself, no attributes of the machine.
const OWN: [(&str, &str); 5] = [
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_PARAMETERS", ""),
    ("GIT_CONFIG_COUNT", "0"),
    ("GIT_ATTR_NOSYSTEM", "1"),
];

pub(super) fn own(cmd: Cmd) -> Cmd {
    OWN.iter().fold(cmd, |cmd, (key, value)| cmd.env(key, value))
}

/// What every call is told: to speak English, to ask nobody, to start no daemon, to run no hook, to mind no repository but
/// the one that is meant, which is named after this.
pub(super) fn quiet(cmd: Cmd) -> Cmd {
    let cmd = FOREIGN.iter().fold(cmd, Cmd::env_remove);
    cmd.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_OPTIONAL_LOCKS", "0").args([
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.fsmonitor=false",
        "-c",
        "gc.auto=0",
        "-c",
        "maintenance.auto=false",
        "-c",
        "log.showSignature=false",
        "-c",
        "color.ui=false",
    ])
}

impl Git {
    /// The repository that the kernel tree `tree` is the work tree of. It will only be read.
    pub fn of_tree(tree: &Path) -> Result<Self> {
        let git = Self { cmd: quiet(Cmd::new("git").arg("-C").arg(tree)), place: tree.to_owned() };
        let top = git.read(["rev-parse", "--show-cdup"]).map_err(|error| {
            let wrong = if error.to_string().contains("dubious ownership") {
                return error.hint(format!(
                    "if you trust it: git config --global --add safe.directory {}",
                    tree.display()
                ));
            } else {
                format!("{} is no git repository, and a series is validated against one", tree.display())
            };
            Error::usage(wrong).hint(format!(
                "make it one: vmptcp source --git --tree {}, or clone the kernel: vmptcp source git URL --branch B",
                process::quote(tree)
            ))
        })?;
        if !top.is_empty() {
            return Err(Error::usage(format!("{} is not the top of its git repository", tree.display()))
                .hint(format!(
                    "vmptcp validate --tree DIR, with the directory that has .git, or make it a repository of its own: \
                     vmptcp source --git --tree {}",
                    process::quote(tree)
                )));
        }
        Ok(git)
    }

    /// git without any repository and configuration: it reads what it is given, in this directory.
    pub fn nowhere(dir: &Path) -> Self {
        // Else it would look for one in the directories above.
        let cmd = own(quiet(Cmd::new("git"))).cwd(dir).env("GIT_DIR", "/dev/null");
        Self { cmd, place: dir.to_owned() }
    }

    /// Our own repository in `place`, sharing the objects of `source`. Neither the user's configuration nor that of the
    /// machine counts in it, and no attribute of the tree makes git run or rewrite anything.
    pub fn own(place: &Path, work_tree: &Path, source: &Self) -> Result<Self> {
        std::fs::create_dir_all(work_tree).doing("create", work_tree)?;
        let git = Self {
            cmd: own(quiet(Cmd::new("git")))
                // Before git 2.40 some commands want to be at the top.
                .cwd(work_tree)
                .env("GIT_DIR", place)
                .env("GIT_WORK_TREE", work_tree)
                .env("GIT_INDEX_FILE", place.join("index"))
                .env("GIT_OBJECT_DIRECTORY", place.join("objects")),
            place: place.to_owned(),
        };
        if !place.join("HEAD").exists() {
            let format = source.read(["rev-parse", "--show-object-format"])?;
            // Its place is an argument, and the variables above would contradict it.
            let init = own(quiet(Cmd::new("git")))
                .args(["init", "--quiet", "--bare", "--template="])
                .arg(format!("--object-format={format}"))
                .arg(place);
            init.read().map_err(|error| error.context("cannot create a repository for the series"))?;
            let config = place.join("config");
            git.read(
                ["config", "--file"]
                    .map(OsStr::new)
                    .into_iter()
                    .chain([config.as_os_str()])
                    .chain(["core.bare", "false"].map(OsStr::new)),
            )?;
        }
        git.refuse_foreign_settings()?;
        let info = place.join("info");
        std::fs::create_dir_all(&info).doing("create", &info)?;
        let attributes = info.join("attributes");
        let none = "* -text -eol -ident -filter -working-tree-encoding -export-subst -export-ignore -merge !diff !whitespace\n";
        file::replace(&attributes, none.as_bytes())?;
        let objects = source.path("objects")?;
        let alternates = place.join("objects/info/alternates");
        if let Some(dir) = alternates.parent() {
            std::fs::create_dir_all(dir).doing("create", dir)?;
        }
        file::replace(&alternates, format!("{}\n", objects.display()).as_bytes())?;
        let (theirs, ours) = (source.path("shallow")?, place.join("shallow"));
        if theirs.is_file() {
            std::fs::copy(&theirs, &ours).doing("write", &ours)?;
        } else if ours.exists() {
            std::fs::remove_file(&ours).doing("remove", &ours)?;
        }
        // Left by a run that was killed; whoever calls holds our lock.
        for stale in ["index.lock", "HEAD.lock"] {
            let _ = std::fs::remove_file(place.join(stale));
        }
        Ok(git)
    }

    /// Fails if git reads other configuration than this repository's and ours: before 2.32 it does not know the variables that
    /// forbid it, and what a series is would depend on the user's.
    fn refuse_foreign_settings(&self) -> Result<()> {
        let too_old = |error: Error| error.hint("install git 2.32 or later: see `vmptcp doctor`");
        let all = self.read(["config", "--list", "--show-scope"]).map_err(too_old)?;
        let foreign = all.lines().find(|line| line.starts_with("system\t") || line.starts_with("global\t"));
        foreign.map_or(Ok(()), |line| {
            let what = format!("git reads configuration that is not allowed: {line:?}");
            Err(too_old(Error::cannot_run(what)))
        })
    }

    /// A command, with these arguments.
    pub fn cmd<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Cmd {
        self.cmd.clone().args(args)
    }

    /// Lets another program, which calls git itself, see this repository as we do.
    pub fn lend(&self, cmd: Cmd) -> Cmd {
        own(cmd).env("GIT_DIR", &self.place).env("GIT_OBJECT_DIRECTORY", self.place.join("objects"))
    }

    /// What a command prints, without the line feed at its end.
    pub fn read<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Result<String> {
        let mut text = self.cmd(args).read()?;
        text.truncate(text.trim_end_matches('\n').len());
        Ok(text)
    }

    /// The same; `None` if it fails, which for some commands is an answer.
    pub fn ask<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Option<String> {
        let output = self.cmd(args).output().ok()?;
        output.status.success().then(|| output.stdout.trim_end_matches('\n').to_owned())
    }

    /// Where it is.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// A path in the repository, absolute.
    fn path(&self, name: &str) -> Result<PathBuf> {
        let path = self.read(["rev-parse", "--git-path", name])?;
        Ok(self.place.join(path))
    }

    /// The content of a commit: the hash of its tree.
    pub fn tree_of(&self, commit: &str) -> Result<String> {
        self.read(["rev-parse", &format!("{commit}^{{tree}}")])
    }

    /// The full hash of a commit; an error of usage if there is none of this name.
    pub fn commit(&self, name: &str) -> Result<String> {
        let named = format!("{name}^{{commit}}");
        self.ask(["rev-parse", "--verify", "--quiet", "--end-of-options", &named])
            .filter(|hash| !hash.is_empty())
            .ok_or_else(|| {
                Error::usage(format!("there is no commit {name:?} in {}", self.place.display()))
                    .hint("see what there is: git log --oneline -20")
            })
    }

    /// The content of a file in a commit; `None` if it has none there.
    pub fn file(&self, commit: &str, path: &str) -> Option<String> {
        let output = self.cmd(["cat-file", "blob", &format!("{commit}:{path}")]).output().ok()?;
        output.status.success().then_some(output.stdout)
    }

    /// Looks up a commit that a `Fixes:` trailer names.
    pub fn look_up(&self, hash: &str, base: &str) -> Lookup {
        let shallow = || self.ask(["rev-parse", "--is-shallow-repository"]).as_deref() == Some("true");
        let absent = || if shallow() { Lookup::Unknown } else { Lookup::Missing };
        let Ok(full) = self.commit(hash) else { return absent() };
        if self.ask(["merge-base", "--is-ancestor", &full, base]).is_none() {
            return absent();
        }
        self.ask(["show", "-s", "--format=%s", &full]).map_or(Lookup::Missing, Lookup::Found)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A repository with one commit, for the tests of this room.
    pub(crate) fn repository(dir: &Path, files: &[(&str, &str)]) -> Git {
        Cmd::new("git").args(["init", "-q", "-b", "main"]).arg(dir).read().unwrap();
        commit(dir, "first", files);
        Git::of_tree(dir).unwrap()
    }

    /// One commit more; returns its hash.
    pub(crate) fn commit(dir: &Path, message: &str, files: &[(&str, &str)]) -> String {
        for (name, text) in files {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"];
        let git = |args: &[&str]| Cmd::new("git").args(identity).args(args).cwd(dir).read().unwrap();
        git(&["add", "-A"]);
        git(&["commit", "-q", "--allow-empty", "-m", message]);
        git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    #[test]
    fn our_own_repository_sees_the_objects_and_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let source = repository(dir.path(), &[("x", "1\n")]);
        let place = tempfile::tempdir().unwrap();
        let (repo, tree) = (place.path().join("repo.git"), place.path().join("tree"));
        std::fs::create_dir(&tree).unwrap();
        let own = Git::own(&repo, &tree, &source).unwrap();
        let head = source.commit("HEAD").unwrap();
        assert_eq!(own.file(&head, "x").as_deref(), Some("1\n"));
        assert_eq!(own.file(&head, "y"), None);
        assert_eq!(own.look_up(&head[..12], &head), Lookup::Found("first".to_owned()));
        assert_eq!(own.look_up("0123456789ab", &head), Lookup::Missing);
        assert!(source.commit("--all").is_err());
        assert!(source.read(["status", "--porcelain"]).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_repository_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let error = Git::of_tree(dir.path()).unwrap_err();
        assert!(error.to_string().contains("is no git repository"), "{error}");
    }
}
