//! Checks that ask an external tool. Scripts of the kernel's own are taken from the base: the series has no say in them.

mod checkpatch;
mod kernel_doc;
mod lint;
mod maintainers;
mod shellcheck;

use super::diff::{Change, Kind};
use super::judgement::Judgement;
use super::model::{AppliedPatch, Patch, Series};
use super::news::{Remark, new_ones};
use super::workspace::Workspace;
use crate::error::{Error, IoContext, Result};
use crate::event::{CheckId, Finding, Severity};
use crate::process::{Cmd, Output, describe, find, identity, identity_of};
use std::path::{Path, PathBuf};

/// What the tools need of the base.
const SCRIPTS: &[&str] = &[
    "scripts",
    "tools/lib/python",
    "tools/docs",
    "MAINTAINERS",
    "COPYING",
    "CREDITS",
    "Kbuild",
    "Kconfig",
    "Makefile",
    "README",
    ".mailmap",
    ".get_maintainer.ignore",
];

/// What checkpatch and `get_maintainer` look for to know a kernel tree; they may be empty.
const DIRS: &[&str] =
    &["Documentation", "arch", "include", "drivers", "fs", "init", "ipc", "kernel", "lib", "net"];

/// The tools, and where they work.
#[derive(Debug)]
pub struct Tools<'a> {
    workspace: &'a Workspace,
    /// The base's scripts.
    root: PathBuf,
    base: &'a str,
}

impl<'a> Tools<'a> {
    /// Takes the scripts out of the base.
    pub fn of(workspace: &'a Workspace, base: &'a str) -> Result<Self> {
        let tree =
            |path: &str| workspace.git().ask(["rev-parse", &format!("{base}:{path}")]).unwrap_or_default();
        let (scripts, maintainers) = (tree("scripts"), tree("MAINTAINERS"));
        let name = format!("{scripts:.12}-{maintainers:.12}");
        let tools = workspace.dir("tools")?;
        let root = tools.join(&name);
        if !root.join(".whole").exists() {
            // Those of an earlier base.
            for entry in std::fs::read_dir(&tools).into_iter().flatten().flatten() {
                let _ = std::fs::remove_dir_all(entry.path());
            }
            workspace.export(base, SCRIPTS, &root)?;
            for dir in DIRS {
                let dir = root.join(dir);
                std::fs::create_dir_all(&dir).doing("create", &dir)?;
            }
            let whole = root.join(".whole");
            std::fs::write(&whole, "").doing("write", &whole)?;
        }
        Ok(Self { workspace, root, base })
    }

    /// Does one of the tools' checks.
    pub fn check(&self, check: CheckId, series: &Series, patch: AppliedPatch<'_>) -> Result<Judgement> {
        match check {
            CheckId::Checkpatch => checkpatch::check(self, patch.patch),
            CheckId::Maintainers => maintainers::check(self, series, patch.patch),
            CheckId::Shellcheck => shellcheck::check(self, patch),
            CheckId::KernelDoc => kernel_doc::check(self, patch),
            CheckId::Python => lint::python(self, patch),
            CheckId::Yaml => lint::yaml(self, patch),
            _ => Ok(Judgement::skip("no such tool")),
        }
    }

    /// What an answer of this check depends on, besides the patch itself.
    pub fn key(&self, check: CheckId) -> String {
        let scripts = self.root.display().to_string();
        match check {
            CheckId::Checkpatch => {
                let dictionary = checkpatch::dictionary().map(|path| identity(&path)).unwrap_or_default();
                format!("{scripts} {dictionary} {}", self.base)
            }
            CheckId::Shellcheck => identity_of("shellcheck"),
            CheckId::Python => lint::PYTHON.iter().map(|name| identity_of(name)).collect(),
            CheckId::Yaml => identity_of("yamllint"),
            _ => scripts,
        }
    }

    /// A script of the base's.
    fn script(&self, name: &str) -> Option<PathBuf> {
        let path = self.root.join("scripts").join(name);
        path.is_file().then_some(path)
    }

    /// Runs a Perl script of the base's on a patch, as a mail, at the top of the base. A judgement if that cannot be done.
    fn run_perl(
        &self,
        name: &str,
        patch: &Patch,
        arguments: impl FnOnce(Cmd) -> Cmd,
    ) -> Result<std::result::Result<Output, Judgement>> {
        let Some(script) = self.script(name) else {
            return Ok(Err(Judgement::skip(format!("the base has no scripts/{name}"))));
        };
        let perl = match program("perl") {
            Ok(perl) => perl,
            Err(missing) => return Ok(Err(missing)),
        };
        let scratch = self.scratch()?;
        let file = scratch.path().join("patch");
        std::fs::write(&file, &patch.text).doing("write", &file)?;
        arguments(perl.arg(script)).arg(&file).cwd(&self.root).output().map(Ok)
    }

    /// A directory for files of one check.
    fn scratch(&self) -> Result<tempfile::TempDir> {
        let dir = self.workspace.dir("scratch")?;
        tempfile::tempdir_in(&dir).doing("create a directory in", &dir)
    }

    /// Writes a file of a commit to where a tool can read it, with nothing else around it. `None` if it is not there.
    fn write(&self, commit: &str, path: &str, into: &Path) -> Result<Option<PathBuf>> {
        let Some(text) = self.workspace.git().file(commit, path) else { return Ok(None) };
        let name = Path::new(path).file_name().unwrap_or_default();
        let file = into.join(name);
        std::fs::write(&file, text).doing("write", &file)?;
        Ok(Some(file))
    }

    /// Asks a tool of each of these files before and after the patch, and judges what is new.
    fn compare(
        &self,
        patch: AppliedPatch<'_>,
        changes: &[&Change],
        ask: impl Fn(&Path, &str) -> Result<Vec<Remark>>,
    ) -> Result<Judgement> {
        let mut found: Vec<Finding> = Vec::new();
        for change in changes {
            let dir = self.scratch()?;
            let remarks = |commit: &str, path: &str| match self.write(commit, path, dir.path())? {
                Some(file) => ask(&file, &change.path),
                None => Ok(Vec::new()),
            };
            let old = change.old_path.as_deref().unwrap_or(&change.path);
            let before =
                if change.kind == Kind::Added { Vec::new() } else { remarks(&patch.commit.parent, old)? };
            let after = remarks(&patch.commit.hash, &change.path)?;
            let new =
                new_ones(&before, &after, |_, line| change.added.iter().any(|added| added.number == line));
            found.extend(new.iter().map(|remark| remark.finding(Severity::Warning)));
        }
        Ok(Judgement::Done(found))
    }
}

/// The changes that leave a file with one of these endings.
fn files(patch: &Patch, wanted: impl Fn(&Change) -> bool) -> Vec<&Change> {
    patch.changes.iter().filter(|change| change.kind != Kind::Deleted && wanted(change)).collect()
}

/// What a linter prints that ends with 0, or with 1 where it finds something. Any other code means that it did not look: an
/// old one does so for an option that it does not know, and would else be taken for one that finds nothing.
fn looked(linter: &Cmd) -> Result<Output> {
    let output = linter.output()?;
    if matches!(output.status.code(), Some(0 | 1)) {
        return Ok(output);
    }
    let last = output.stderr.trim().lines().last().unwrap_or_default().to_owned();
    Err(Error::cannot_run(format!("{linter} ({}): {last}", describe(output.status)))
        .hint("it may be too old for these options: see `vmptcp doctor`, or leave this check out"))
}

/// A program, or the judgement that it is missing.
fn program(name: &str) -> Result<Cmd, Judgement> {
    match find(name) {
        Ok(tool) => Ok(Cmd::new(tool.path).env("LC_ALL", "C.UTF-8")),
        Err(_) => Err(Judgement::skip(format!("{name} is not installed: vmptcp doctor names its package"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linter_that_did_not_look_finds_nothing_and_is_no_pass() {
        let ended = |script: &str| looked(&Cmd::new("sh").args(["-c", script]));
        assert_eq!(ended("echo x.py:1: bad; exit 1").unwrap().stdout, "x.py:1: bad\n");
        assert!(ended("true").is_ok());
        let error = ended("echo 'unknown option --norc' >&2; exit 4").unwrap_err().to_string();
        assert!(error.ends_with("(exit code 4): unknown option --norc"), "{error}");
    }
}
