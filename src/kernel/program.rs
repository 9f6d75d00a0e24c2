//! Programs that suites need and that come as sources: built once for each version of these, and kept in the user's cache.

use super::lock::{Busy, Lock};
use crate::error::{Error, IoContext, Result};
use crate::process::{Cmd, Confinement, identity_of};
use crate::text::file;
use crate::text::hash::Key;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How many of the last lines of a failed build are shown.
const LAST_LINES: usize = 8;

/// How a program is built.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// Its name, and that of its file.
    pub name: &'static str,
    /// A header to put beside its sources: name and text.
    pub header: (&'static str, &'static str),
    /// Arguments of make.
    pub make: &'static [&'static str],
}

/// A program that is to be built.
#[derive(Debug, Clone)]
pub struct ProgramRequest {
    /// How.
    pub recipe: Recipe,
    /// Where its sources are. Nothing is written there.
    pub sources: PathBuf,
    /// The directory that it is built in and stays in: one for each version of the sources.
    pub place: PathBuf,
    /// Parallel compilations.
    pub jobs: usize,
    /// This executable, which confines the build.
    pub helper: PathBuf,
    /// What we are doing, for those whom we make wait.
    pub command: String,
}

impl ProgramRequest {
    /// The program.
    pub fn program(&self) -> PathBuf {
        self.place.join(self.recipe.name)
    }
}

/// Where the program of these sources is kept in the user's cache.
pub fn place(cache: &Path, recipe: Recipe, sources: &Path) -> Result<PathBuf> {
    let mut key = Key::new("program").field(recipe.header.1).list(recipe.make).field(identity_of("gcc"));
    for path in files(sources)? {
        let name = path.strip_prefix(sources).unwrap_or(&path).as_os_str().as_bytes();
        key = key.field(name).field(fs::read(&path).doing("read", &path)?);
    }
    Ok(cache.join("programs").join(format!("{}-{}", recipe.name, key.digest().short())))
}

/// The command of a build.
pub fn command_of(request: &ProgramRequest) -> Cmd {
    make(request, &request.place)
}

fn make(request: &ProgramRequest, dir: &Path) -> Cmd {
    let cmd = Cmd::new("make").cwd(dir).arg(format!("-j{}", request.jobs.max(1)));
    cmd.args(request.recipe.make).env("LC_ALL", "C")
}

/// Builds the program, unless it is there; true if it was built.
pub fn build(request: &ProgramRequest) -> Result<bool> {
    let ProgramRequest { recipe, place, .. } = request;
    let dir = place.parent().unwrap_or(place);
    fs::create_dir_all(dir).doing("create", dir)?;
    let _lock = Lock::acquire(&dir.join(".lock"), &request.command, Busy::Wait, |_| ())?;
    if request.program().is_file() {
        return Ok(false);
    }
    let partial = tempfile::Builder::new().prefix(".partial-").tempdir_in(dir).doing("create", dir)?;
    let build = partial.path().join(recipe.name);
    for path in files(&request.sources)? {
        let copy = build.join(path.strip_prefix(&request.sources).unwrap_or(&path));
        let parent = copy.parent().unwrap_or(&build);
        fs::create_dir_all(parent).doing("create", parent)?;
        fs::copy(&path, &copy).map_err(|error| Error::io("copy", &path, &error))?;
    }
    let header = build.join(recipe.header.0);
    file::replace(&header, recipe.header.1.as_bytes())?;
    let log = dir.join(format!("{}.log", recipe.name));
    run(&make(request, &build), &build, request, &log)?;
    if !build.join(recipe.name).is_file() {
        return Err(Error::build(format!("make succeeded, and yet there is no {}", recipe.name))
            .hint(format!("see the log: {}", log.display())));
    }
    if place.exists() {
        fs::remove_dir_all(place).doing("remove", place)?;
    }
    fs::rename(&build, place).doing("create", place)?;
    Ok(true)
}

/// Runs make, which may write into its directory only: its Makefile is a stranger's.
fn run(make: &Cmd, dir: &Path, request: &ProgramRequest, log: &Path) -> Result<()> {
    let tmp = dir.join(".tmp");
    fs::create_dir_all(&tmp).doing("create", &tmp)?;
    let confined = Confinement::probe(&request.helper, dir)?.wrap(&make.clone().env("TMPDIR", &tmp), &[dir]);
    let mut said = String::new();
    let status = confined.stream(|line| {
        said.push_str(line);
        said.push('\n');
    })?;
    file::replace(log, said.as_bytes())?;
    if status.success() {
        return Ok(());
    }
    let lines: Vec<&str> = said.lines().collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
    Err(Error::build(format!("{} does not build:\n{last}", request.recipe.name))
        .hint(format!("the whole log: less {}", log.display())))
}

/// All files below a directory, but what a build in it made.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let is_source = |path: &PathBuf| {
        path.symlink_metadata().is_ok_and(|data| data.is_file())
            && path.extension().is_none_or(|kind| kind != "o")
    };
    Ok(file::below(dir)?.into_iter().filter(is_source).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: Recipe =
        Recipe { name: "drill", header: ("own.h", "#define X 7\n"), make: &["-f", "Other", "drill"] };

    fn request(root: &Path) -> ProgramRequest {
        let sources = root.join("src");
        let place = place(&root.join("cache"), RECIPE, &sources).unwrap();
        let helper = root.join("none");
        ProgramRequest { recipe: RECIPE, sources, place, jobs: 1, helper, command: "test".to_owned() }
    }

    #[test]
    fn a_program_is_built_once_for_each_version_beside_its_sources() {
        let root = tempfile::tempdir().unwrap();
        let src = root.path().join("src");
        fs::create_dir_all(src.join("queue")).unwrap();
        fs::write(src.join("Other"), "drill: queue/q\n\tcat own.h queue/q > $@\n").unwrap();
        fs::write(src.join("queue/q"), "one\n").unwrap();
        fs::write(src.join("stale.o"), "").unwrap();
        let first = request(root.path());
        assert!(build(&first).unwrap());
        assert!(!build(&first).unwrap(), "it is there");
        assert_eq!(fs::read_to_string(first.program()).unwrap(), "#define X 7\none\n");
        assert!(!first.place.join("stale.o").exists() && !src.join("drill").exists());
        fs::write(src.join("queue/q"), "two\n").unwrap();
        let second = request(root.path());
        assert_ne!(second.place, first.place);
        assert!(build(&second).unwrap());
        fs::write(src.join("Other"), "drill:\n\t@echo bad.c:1: error: no; exit 1\n").unwrap();
        let wrong = build(&request(root.path())).unwrap_err().to_string();
        assert!(wrong.starts_with("drill does not build:\nbad.c:1: error: no"), "{wrong}");
    }
}
