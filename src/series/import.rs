//! Makes a kernel tree that came without history, as an archive does, a git repository: one commit of everything.

use super::git::{Git, own, quiet};
use crate::error::{Error, IoContext, Result};
use crate::event::{Progress, Unit};
use crate::process::{Cmd, quote};
use crate::text::decode;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What stands in the message of the commit, and tells it from others.
pub(super) const IMPORTED: &str = "Imported by vmptcp source --git.";

/// The work directory, which is no part of the sources.
const WORK: &str = ".vmptcp";

/// Files that the kernel tracks although its `.gitignore` has `.*`: it excepts them by name there, which Debian's copy
/// does not.
const TRACKED: [&str; 13] = [
    ".clang-format",
    ".clippy.toml",
    ".cocciconfig",
    ".editorconfig",
    ".get_maintainer.ignore",
    ".gitattributes",
    ".gitignore",
    ".kunitconfig",
    ".mailmap",
    ".pylintrc",
    ".rustfmt.toml",
    ".shellcheckrc",
    ".yamllint",
];

/// A repository that was made.
#[derive(Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its only commit.
    pub commit: String,
    /// The products of builds that were left out, relative to the tree.
    pub left_out: Vec<String>,
}

/// Makes the kernel tree `tree` a repository, unless it is one: then `None`. Nothing is left half-made.
pub fn import(tree: &Path, subject: &str, on_progress: &mut dyn FnMut(Progress)) -> Result<Option<Imported>> {
    let place = tree.join(".git");
    if place.exists() {
        return match Git::of_tree(tree)?.ask(["rev-parse", "--verify", "--quiet", "HEAD"]) {
            Some(_) => Ok(None),
            None => Err(Error::usage(format!("{} is a git repository without a commit", tree.display()))
                .hint(format!("if nothing in it is yours, remove it: rm -rf {}", quote(&place)))),
        };
    }
    let work = tree.join(WORK);
    fs::create_dir_all(&work).doing("create", &work)?;
    let scratch =
        tempfile::Builder::new().prefix("import-").tempdir_in(&work).doing("create a directory in", &work)?;
    let made = Making { tree, git: scratch.path().join(".git") };
    made.init(scratch.path())?;
    let left_out = made.products()?;
    made.add(&left_out, on_progress)?;
    let commit = made.commit(subject)?;
    fs::rename(&made.git, &place).doing("create", &place)?;
    Ok(Some(Imported { commit, left_out }))
}

/// A repository that is being made, apart from the tree.
struct Making<'a> {
    tree: &'a Path,
    git: PathBuf,
}

impl Making<'_> {
    /// git on this tree. No configuration of the user's or the machine's changes what is stored, or signs it.
    fn cmd<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Cmd {
        let git = own(quiet(Cmd::new("git"))).cwd(self.tree);
        let git = git.env("GIT_DIR", &self.git).env("GIT_WORK_TREE", self.tree);
        let git = git.env("GIT_INDEX_FILE", self.git.join("index"));
        // With the limit at a byte, `git add` writes one pack, and not 90,000 files.
        git.args(["-c", "core.bigFileThreshold=1", "-c", "core.compression=1"]).args(args)
    }

    fn init(&self, scratch: &Path) -> Result<()> {
        let init = own(quiet(Cmd::new("git")))
            .args(["init", "--quiet", "--template=", "--initial-branch=main"])
            .arg(scratch);
        init.read().map_err(|error| error.context("cannot make the tree a repository"))?;
        let info = self.git.join("info");
        fs::create_dir_all(&info).doing("create", &info)?;
        let exclude = info.join("exclude");
        fs::write(&exclude, format!("/{WORK}/\n")).doing("write", &exclude)
    }

    /// What a build has left in the tree, as its `.gitignore` files name it. In a tree that nothing was built in they name
    /// sources too, which are not left out.
    fn products(&self) -> Result<Vec<String>> {
        let top = self.tree.join(".gitignore");
        let rules = fs::read(&top).unwrap_or_default();
        let exclude = rules_of_top(&decode(&rules));
        let exclude = exclude.into_iter().map(|rule| format!("--exclude={rule}"));
        let list = ["ls-files", "-z", "--others", "--ignored", "--exclude-per-directory=.gitignore"];
        let args = list.map(str::to_owned).into_iter().chain(exclude);
        let text = self.cmd(args.chain(paths())).read()?;
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let ignored = text.split('\0').filter(|path| !path.is_empty());
        let ignored = ignored.filter(|path| !TRACKED.contains(&name(path).as_str()));
        let ignored: Vec<String> = ignored.map(str::to_owned).collect();
        let built = ignored.iter().any(|path| is_product(&name(path)) || is_elf(&self.tree.join(path)));
        Ok(if built { ignored } else { Vec::new() })
    }

    /// Stores everything else. `.gitignore` has no say: Debian's ends in `/*`.
    fn add(&self, left_out: &[String], on_progress: &mut dyn FnMut(Progress)) -> Result<()> {
        let mut specs: Vec<String> = paths().skip(1).collect();
        if !left_out.is_empty() {
            let all = self.cmd(["ls-files", "-z", "--others"].map(str::to_owned).into_iter().chain(paths()));
            let all = all.read()?;
            let out: BTreeSet<&str> = left_out.iter().map(String::as_str).collect();
            let kept = all.split('\0').filter(|path| !out.contains(path));
            specs.extend(exclusions(left_out, kept));
        }
        let file = self.git.join("paths");
        fs::write(&file, specs.join("\0")).doing("write", &file)?;
        let from = format!("--pathspec-from-file={}", file.display());
        let add = self.cmd(["add", "--all", "--force", "--verbose", "--pathspec-file-nul", &from]);
        let (mut done, mut said) = (0, Vec::new());
        let status = add.stream(|line| match line.strip_prefix("add '") {
            Some(path) => {
                done += 1;
                let detail = format!("storing {}", path.trim_end_matches('\''));
                on_progress(Progress { done, total: None, unit: Unit::Steps, detail });
            }
            None => said.push(line.to_owned()),
        })?;
        fs::remove_file(&file).doing("remove", &file)?;
        if status.success() {
            return Ok(());
        }
        let said = said.split_off(said.len().saturating_sub(3)).join("\n  ");
        Err(Error::cannot_run(format!("cannot store {} in git: {said}", self.tree.display()))
            .hint("a repository of a kernel takes about 350 MB: df -h"))
    }

    /// The same tree is the same commit: its date is that of the Makefile, which an archive keeps.
    fn commit(&self, subject: &str) -> Result<String> {
        let makefile = self.tree.join("Makefile");
        let changed = makefile.metadata().and_then(|data| data.modified()).doing("look at", &makefile)?;
        let seconds = changed.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let date = format!("@{seconds} +0000");
        let message = format!("{subject}\n\n{IMPORTED}");
        let mut commit = self.cmd(["commit", "--quiet", "--no-gpg-sign", "--message", &message]);
        for who in ["AUTHOR", "COMMITTER"] {
            commit = commit.env(format!("GIT_{who}_NAME"), "vmptcp");
            commit = commit.env(format!("GIT_{who}_EMAIL"), "vmptcp@localhost");
            commit = commit.env(format!("GIT_{who}_DATE"), &date);
        }
        commit.read()?;
        Ok(self.cmd(["rev-parse", "HEAD"]).read()?.trim().to_owned())
    }
}

/// All of the tree but our own work directory.
fn paths() -> impl Iterator<Item = String> {
    ["--", ".", ":(exclude,top).vmptcp"].map(str::to_owned).into_iter()
}

/// The rules of the topmost `.gitignore` for what is at the top, without one that names everything there. They are given
/// to git before those of the files, and must not count for anything deeper.
fn rules_of_top(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rules = lines.filter(|line| !["/*", "*", "/**", "**"].contains(line)).map(|line| {
        let (not, rule) = line.strip_prefix('!').map_or(("", line), |rule| ("!", rule));
        let anchored = rule.trim_end_matches('/').contains('/');
        if anchored { line.to_owned() } else { format!("{not}/{rule}") }
    });
    ["!/*".to_owned()].into_iter().chain(rules).collect()
}

/// True for the name of what only a build writes.
fn is_product(name: &str) -> bool {
    name == ".config" || [".o", ".ko", ".a", ".cmd", ".mod"].iter().any(|ending| name.ends_with(ending))
}

fn is_elf(path: &Path) -> bool {
    let mut head = [0; 4];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == *b"\x7fELF"
}

/// Words for git that exclude these files: an ending that no other file has stands for all that have it, as git compares
/// each word with each file.
fn exclusions<'a>(left_out: &[String], kept: impl Iterator<Item = &'a str>) -> Vec<String> {
    fn ending(path: &str) -> Option<&str> {
        let name = path.rsplit('/').next()?;
        let (_, ending) = name.rsplit_once('.')?;
        ending.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(ending)
    }
    let of_sources: BTreeSet<&str> = kept.filter_map(ending).collect();
    let words = left_out.iter().map(|path| match ending(path).filter(|one| !of_sources.contains(one)) {
        Some(ending) => format!(":(exclude,top,glob)**/*.{ending}"),
        None => format!(":(exclude,top,literal){path}"),
    });
    words.collect::<BTreeSet<String>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::git::tests::commit;
    use super::super::input;
    use super::*;

    /// Debian's `.gitignore`, in short.
    const IGNORE: &str = "# all\n.*\n*.o\n*.mod.c\n/vmlinux\n/*\n!/debian/\n";

    fn tree(more: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            ("Makefile", "VERSION = 6\n"),
            (".gitignore", IGNORE),
            (".clang-format", "x\n"),
            ("net/mptcp/pm.c", "int a;\n"),
            ("net/.kunitconfig", "x\n"),
            ("tools/.gitignore", "tags\n!keep.o\n"),
            ("tools/tags/Makefile", "x\n"),
            ("tools/keep.o", "x\n"),
            (".vmptcp/build/pm.o", "x\n"),
        ];
        for (name, text) in files.iter().chain(more) {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn files(dir: &Path) -> String {
        Git::of_tree(dir).unwrap().read(["ls-tree", "-r", "--name-only", "HEAD"]).unwrap().replace('\n', " ")
    }

    #[test]
    fn a_tree_without_history_becomes_one_commit_of_everything() {
        let dir = tree(&[]);
        let mut steps = 0;
        let imported = import(dir.path(), "Linux 6.12", &mut |_| steps += 1).unwrap().unwrap();
        assert_eq!((imported.left_out.len(), steps), (0, 8));
        assert_eq!(
            files(dir.path()),
            ".clang-format .gitignore Makefile net/.kunitconfig net/mptcp/pm.c tools/.gitignore tools/keep.o tools/tags/Makefile"
        );
        let git = Git::of_tree(dir.path()).unwrap();
        assert_eq!(git.read(["status", "--porcelain", "--ignored=no"]).unwrap(), "");
        assert_eq!(git.read(["log", "--format=%an %ae %s"]).unwrap(), "vmptcp vmptcp@localhost Linux 6.12");
        assert_eq!(import(dir.path(), "again", &mut |_| ()).unwrap(), None);
        assert_eq!(fs::read_dir(dir.path().join(WORK)).unwrap().count(), 1, "nothing is left");
        let same = tree(&[]);
        let date =
            fs::File::open(dir.path().join("Makefile")).unwrap().metadata().unwrap().modified().unwrap();
        fs::File::options()
            .append(true)
            .open(same.path().join("Makefile"))
            .unwrap()
            .set_modified(date)
            .unwrap();
        let again = import(same.path(), "Linux 6.12", &mut |_| ()).unwrap().unwrap();
        assert_eq!(again.commit, imported.commit);
        // What is on top of it is a series.
        let one = commit(dir.path(), "mptcp: one", &[("net/mptcp/pm.c", "int b;\n")]);
        let found = input::on_top(&git, "HEAD").unwrap();
        assert_eq!((found.base, found.commits), (imported.commit, vec![one]));
    }

    #[test]
    fn the_products_of_a_build_are_left_out() {
        let dir = tree(&[
            (".config", "x\n"),
            ("vmlinux", "x\n"),
            ("net/mptcp/pm.o", "x\n"),
            ("net/mptcp/.pm.o.cmd", "x\n"),
            ("net/x.mod.c", "x\n"),
        ]);
        let imported = import(dir.path(), "Linux 6.12", &mut |_| ()).unwrap().unwrap();
        assert_eq!(
            imported.left_out.join(" "),
            ".config net/mptcp/.pm.o.cmd net/mptcp/pm.o net/x.mod.c tools/tags/Makefile vmlinux"
        );
        assert_eq!(
            files(dir.path()),
            ".clang-format .gitignore Makefile net/.kunitconfig net/mptcp/pm.c tools/.gitignore tools/keep.o"
        );
    }

    #[test]
    fn a_repository_without_a_commit_is_somebody_elses() {
        let dir = tree(&[]);
        Cmd::new("git").args(["init", "-q"]).arg(dir.path()).read().unwrap();
        let error = import(dir.path(), "x", &mut |_| ()).unwrap_err();
        assert!(error.to_string().ends_with("is a git repository without a commit"), "{error}");
        assert!(error.remedy().is_some());
    }

    #[test]
    fn an_ending_that_only_products_have_stands_for_all_of_them() {
        let out = ["a.o", "b/c.o", "b/x.mod.c", "vmlinux"].map(str::to_owned);
        let words = exclusions(&out, ["a.c", "README"].into_iter());
        assert_eq!(
            words,
            [":(exclude,top,glob)**/*.o", ":(exclude,top,literal)b/x.mod.c", ":(exclude,top,literal)vmlinux"]
        );
    }
}
