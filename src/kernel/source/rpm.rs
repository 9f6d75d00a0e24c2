//! Kernel sources of distributions that use RPM.
//!
//! Written after the manuals of dnf, zypper and `rpm2archive`; not yet tried on each of these distributions.

use super::package::{largest_file, say};
use super::{Reporter, Store, unpack};
use crate::error::{Error, IoContext, Result};
use crate::kernel::slug::slug;
use crate::kernel::space;
use crate::kernel::tree::Tree;
use crate::process::{Cmd, find};
use std::fs;
use std::path::{Path, PathBuf};

/// What the package, the archive in it and the tree take together, in bytes.
const SPACE: u64 = 4 << 30;

/// Takes the kernel's source from the distribution with these os-release `ids`: the package `kernel-source` where there is
/// one, otherwise the archive in the source package `kernel`, without the distribution's patches.
pub(super) fn obtain(ids: &[String], store: &Store<'_>, reporter: &mut Reporter<'_>) -> Result<PathBuf> {
    let is = |id: &str| ids.iter().any(|known| known == id);
    let suse = is("suse") || is("opensuse");
    let binary = suse || is("openeuler") || is("kylin");
    find("rpm2archive").map_err(|error| error.hint("install the package rpm (4.12 or later)"))?;
    let package = if binary { "kernel-source" } else { "kernel" };
    let name = slug(&format!("{package}-{}", version(package, suse)?));
    if let Some(tree) = store.find(&name) {
        return Ok(tree);
    }
    store.make(&name, reporter, |partial, reporter| {
        space::require(partial, SPACE, "a kernel tree")?;
        let packages = partial.join("package");
        fs::create_dir(&packages).doing("create", &packages)?;
        say(&download(package, suse, binary, &packages), reporter)?;
        let rpm = find_file(&packages, ".rpm").ok_or_else(|| none_in(package, "RPM"))?;
        say(&Cmd::new("rpm2archive").arg(&rpm).cwd(&packages), reporter)?;
        let (archive, _) =
            largest_file(rpm.parent().unwrap_or(&packages)).ok_or_else(|| none_in(package, "archive"))?;
        let opened = partial.join("opened");
        unpack::files(&archive, package, &opened, reporter)?;
        if binary {
            return tree_in(&opened.join("usr/src")).ok_or_else(|| none_in(package, "kernel tree"));
        }
        (reporter.note)("taking the kernel without the distribution's patches".to_owned());
        let archive = find_file(&opened, ".tar.xz").ok_or_else(|| none_in(package, "archive of a kernel"))?;
        unpack::kernel(&archive, package, &partial.join("tree"), reporter)
    })
}

fn none_in(package: &str, what: &str) -> Error {
    Error::cannot_run(format!("no {what} in the package {package} of this distribution"))
        .hint("vmptcp source git URL, or vmptcp source tarball FILE-or-URL")
}

/// The version that the distribution offers just now.
fn version(package: &str, suse: bool) -> Result<String> {
    let text = if suse {
        Cmd::new("zypper").args(["--non-interactive", "info", package]).env("LC_ALL", "C").read()?
    } else {
        Cmd::new("dnf").args(["--quiet", "info", "--available", package]).env("LC_ALL", "C").read()?
    };
    let version = |line: &str| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "Version").then(|| value.trim().to_owned())
    };
    text.lines().rev().find_map(version).ok_or_else(|| none_in(package, "version"))
}

fn download(package: &str, suse: bool, binary: bool, to: &Path) -> Cmd {
    if suse {
        let cmd = Cmd::new("zypper").arg("--non-interactive").arg("--pkg-cache-dir").arg(to);
        return cmd.args(["download", package]);
    }
    // dnf 5 says --srpm, dnf 4 --source.
    let source = if find("dnf5").is_ok() { "--srpm" } else { "--source" };
    let cmd = Cmd::new("dnf").args(["--assumeyes", "download"]).args((!binary).then_some(source));
    cmd.arg("--destdir").arg(to).arg(package)
}

/// A file whose name ends with `ending`, in `dir` or below it.
fn find_file(dir: &Path, ending: &str) -> Option<PathBuf> {
    fs::read_dir(dir).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => find_file(&path, ending),
            Ok(kind) if kind.is_file() => {
                entry.file_name().to_string_lossy().ends_with(ending).then_some(path)
            }
            _ => None,
        }
    })
}

fn tree_in(sources: &Path) -> Option<PathBuf> {
    fs::read_dir(sources).ok()?.flatten().map(|entry| entry.path()).find(|path| Tree::open(path).is_ok())
}
