//! Obtains a kernel tree into the user's cache: from git, a tarball, or the distribution.
//!
//! Whatever is obtained grows in `<cache>/trees/.partial-…` and is renamed when it is whole. One invocation obtains at a
//! time (a lock that the kernel drops with the process), so a partial one that is found under the lock is what an
//! interrupted invocation left, and is removed.

mod distro;
mod follow;
mod git;
mod package;
pub mod repository;
mod rpm;
mod tarball;
mod unpack;

use super::lock::{Busy, Lock};
use super::slug::slug;
use super::tree::Tree;
use crate::error::{Error, IoContext, Kind, Result};
use crate::event::Progress;
use crate::process::interrupt;
use crate::text::{file, hash};
use std::fs;
use std::path::{Path, PathBuf};

/// Where a kernel tree comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The current directory, else the configured tree, else git, else the distribution.
    Auto,
    /// A source package that the distribution offers: of this version of the kernel, as in "6.12", or the newest.
    Distro(Option<String>),
    /// A branch of a repository.
    Git {
        /// The repository.
        url: String,
        /// The branch; the repository's default one without.
        branch: Option<String>,
    },
    /// An archive: a file or a URL.
    Tarball(String),
}

impl Source {
    /// Reads the words of a command line: the kind of source, and what that needs.
    pub fn parse(kind: &str, location: Option<&str>, branch: Option<&str>) -> Result<Self> {
        let usage = |message: &str| {
            Error::usage(message)
                .hint("vmptcp source [auto|distro [VERSION]|git URL [--branch B]|tarball FILE-or-URL]")
        };
        if branch.is_some() && kind != "git" {
            return Err(usage("--branch goes with the source git only"));
        }
        match (kind, location) {
            ("auto", None) => Ok(Self::Auto),
            ("distro", None) => Ok(Self::Distro(None)),
            ("distro", Some(version)) if is_version(version) => Ok(Self::Distro(Some(version.to_owned()))),
            ("distro", Some(other)) => {
                Err(usage(&format!("{other:?} is no version of a kernel, such as 6.12")))
            }
            ("auto", Some(extra)) => {
                Err(usage(&format!("the source {kind} takes no argument, but {extra:?} was given")))
            }
            ("git", Some(url)) => Ok(Self::Git { url: url.to_owned(), branch: branch.map(str::to_owned) }),
            ("tarball", Some(location)) => Ok(Self::Tarball(location.to_owned())),
            ("git", None) => Err(usage("the source git needs the URL of a repository")),
            ("tarball", None) => Err(usage("the source tarball needs a file or a URL")),
            _ => Err(usage(&format!("unknown source {kind:?}"))),
        }
    }
}

/// True for "6.12".
fn is_version(text: &str) -> bool {
    text.split('.').count() > 1 && text.split('.').all(|part| part.parse::<u16>().is_ok())
}

/// What [`obtain`] needs to know besides the source.
#[derive(Debug)]
pub struct Request<'a> {
    /// Where the tree is to come from.
    pub source: &'a Source,
    /// The user's cache of this program.
    pub cache: &'a Path,
    /// The current directory, for [`Source::Auto`].
    pub cwd: &'a Path,
    /// The tree that the settings name, for [`Source::Auto`].
    pub configured: Option<&'a Path>,
    /// The repository and branch that [`Source::Auto`] clones.
    pub upstream: (&'a str, &'a str),
    /// What was obtained earlier is brought up to date.
    pub update: bool,
    /// What we are doing, for those whom we make wait.
    pub command: &'a str,
}

/// The two ways in which [`obtain`] talks while it works.
pub struct Reporter<'a> {
    /// How far it is.
    pub progress: &'a mut dyn FnMut(Progress),
    /// What a person should know: which source was taken and why.
    pub note: &'a mut dyn FnMut(String),
}

/// Obtains a kernel tree and returns where it is. Ends with [`Error::interrupted`] on Ctrl-C, and leaves nothing
/// half-made whichever way it ends.
pub fn obtain(request: &Request<'_>, reporter: &mut Reporter<'_>) -> Result<PathBuf> {
    let store = Store::new(request);
    match request.source {
        Source::Auto => auto(request, &store, reporter),
        Source::Distro(version) => distro::obtain(version.as_deref(), &store, reporter),
        Source::Git { url, branch } => git::obtain(url, branch.as_deref(), &store, reporter),
        Source::Tarball(location) => tarball::obtain(location, request.cwd, &store, reporter),
    }
}

fn auto(request: &Request<'_>, store: &Store<'_>, reporter: &mut Reporter<'_>) -> Result<PathBuf> {
    if let Ok(tree) = Tree::open(request.cwd) {
        (reporter.note)(format!("taking the current directory, a kernel tree of version {}", tree.version()));
        return Ok(tree.root().to_owned());
    }
    if let Some(configured) = request.configured {
        let tree = Tree::open(configured).map_err(|error| error.context("the configured tree"))?;
        (reporter.note)(format!("taking the configured tree {}", tree.root().display()));
        return Ok(tree.root().to_owned());
    }
    let earlier = store.trees.join("auto");
    if let (false, Ok(tree)) = (request.update, Tree::open(&earlier)) {
        let root = tree.root().display();
        (reporter.note)(format!("taking {root}, as the last time (vmptcp source --update looks again)"));
        return Ok(tree.root().to_owned());
    }
    let (url, branch) = request.upstream;
    let tree = match git::obtain(url, Some(branch), store, reporter) {
        Err(error) if error.kind() != Kind::Interrupted => {
            (reporter.note)(format!("{error}; taking the distribution's kernel source instead"));
            distro::obtain(None, store, reporter).map_err(|second| {
                let hint = second.remedy().map(str::to_owned);
                let both =
                    Error::new(second.kind(), format!("no source of a kernel works: {error}; {second}"));
                both.hint(hint.unwrap_or_else(|| "vmptcp source tarball FILE-or-URL".to_owned()))
            })?
        }
        other => other?,
    };
    remember(&earlier, &tree)?;
    Ok(tree)
}

/// Leaves a symbolic link, so that a fallback does not cost its time-out again and again.
fn remember(link: &Path, tree: &Path) -> Result<()> {
    file::replace_link(link, tree)
}

/// The part of the cache that keeps trees.
struct Store<'a> {
    trees: PathBuf,
    update: bool,
    command: &'a str,
}

impl<'a> Store<'a> {
    fn new(request: &Request<'a>) -> Self {
        Self { trees: request.cache.join("trees"), update: request.update, command: request.command }
    }

    /// The tree `name`, if it is there.
    fn find(&self, name: &str) -> Option<PathBuf> {
        Tree::open(&self.trees.join(name)).ok().map(|tree| tree.root().to_owned())
    }

    /// Makes the tree `name`: `fill` is given an empty directory and returns the root of the tree in it. Waits for other
    /// invocations, and takes what one of them made meanwhile.
    fn make(
        &self,
        name: &str,
        reporter: &mut Reporter<'_>,
        fill: impl FnOnce(&Path, &mut Reporter<'_>) -> Result<PathBuf>,
    ) -> Result<PathBuf> {
        let _lock = self.lock(reporter)?;
        if let Some(tree) = self.find(name) {
            return Ok(tree);
        }
        let partial = Partial::create(&self.trees, name)?;
        let root = fill(&partial.0, reporter)?;
        interrupt::check()?;
        let place = self.trees.join(name);
        // Something that is not a kernel tree may be in the way, as `find` did not like it.
        remove(&place)?;
        fs::rename(&root, &place).doing("create", &place)?;
        Ok(Tree::open(&place)?.root().to_owned())
    }

    fn lock(&self, reporter: &mut Reporter<'_>) -> Result<Lock> {
        fs::create_dir_all(&self.trees).doing("create", &self.trees)?;
        let lock = Lock::acquire(&self.trees.join(".lock"), self.command, Busy::Wait, |holder| {
            let who = holder.map_or_else(|| "another process".to_owned(), ToString::to_string);
            (reporter.note)(format!("waiting for {who}, which is obtaining a tree"));
        })?;
        self.sweep()?;
        Ok(lock)
    }

    /// Removes what interrupted invocations left. Only under the lock.
    fn sweep(&self) -> Result<()> {
        for entry in fs::read_dir(&self.trees).doing("read", &self.trees)? {
            let path = entry.doing("read", &self.trees)?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".partial-")) {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

/// A directory that goes when this is dropped, unless its content was moved away.
struct Partial(PathBuf);

impl Partial {
    fn create(trees: &Path, name: &str) -> Result<Self> {
        let path = trees.join(format!(".partial-{}-{name}", std::process::id()));
        fs::create_dir(&path).doing("create", &path)?;
        Ok(Self(path))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next invocation.
        let _ = remove(&self.0);
    }
}

/// Removes a file, a link, or a directory with all that is in it; nothing there is fine.
fn remove(path: &Path) -> Result<()> {
    let result = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => return Ok(()),
    };
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, &error)),
        _ => Ok(()),
    }
}

/// A name for a directory: something to recognise it by, and a hash that tells it from all others.
fn distinct_name(kind: &str, text: &str, key: &[u8]) -> String {
    format!("{kind}-{}-{}", slug(text), hash::of(key).short())
}

#[cfg(test)]
mod tests;
