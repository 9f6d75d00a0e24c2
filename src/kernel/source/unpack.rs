//! Unpacks an archive of a kernel.

use super::Reporter;
use super::follow::{LastWords, Patience, Sign, follow};
use crate::error::{Error, IoContext, Result};
use crate::event::{Progress, Unit};
use crate::kernel::space;
use crate::kernel::tree::Tree;
use crate::process::{Cmd, Pid, Process, find, interrupt};
use crate::text::Shown;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

impl Packing {
    /// From its first bytes; names lie. `None` if it is no archive of a kind that we know.
    fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [b'B', b'Z', b'h', ..] => Some(Self::Bzip2),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ => (head.get(257..262) == Some(b"ustar")).then_some(Self::Plain),
        }
    }

    /// The program that tar runs to decompress it.
    fn tool(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Gzip => Some("gzip"),
            Self::Bzip2 => Some("bzip2"),
            Self::Xz => Some("xz"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// How many times larger a kernel tree is than its archive, on disk, generously: measured 11.4 for xz.
    fn growth(self) -> u64 {
        match self {
            Self::Plain => 2,
            Self::Gzip => 8,
            Self::Bzip2 => 11,
            Self::Xz | Self::Zstd => 13,
        }
    }
}

/// Unpacks `archive` into the new directory `into` and returns the root of the kernel tree in it. `name` is what the
/// user knows the archive by.
pub(super) fn kernel(
    archive: &Path,
    name: &str,
    into: &Path,
    reporter: &mut Reporter<'_>,
) -> Result<PathBuf> {
    files(archive, name, into, reporter)?;
    let root = single_directory(into)?;
    match Tree::open(&root) {
        Ok(_) => Ok(root),
        Err(_) => Err(Error::usage(format!(
            "{name} is not the archive of a kernel: no Makefile with a VERSION, or no Kconfig, at its top"
        ))
        .hint("vmptcp source tarball FILE-or-URL: one as kernel.org offers them")),
    }
}

/// Unpacks any archive into the new directory `into`, and fails if there is anything in it but files, directories, and
/// links that stay inside.
pub(super) fn files(archive: &Path, name: &str, into: &Path, reporter: &mut Reporter<'_>) -> Result<()> {
    let (packing, size) = inspect(archive, name)?;
    if let Some(tool) = packing.tool() {
        find(tool)?;
    }
    fs::create_dir(into).doing("create", into)?;
    space::require(into, size.saturating_mul(packing.growth()), "a kernel tree")?;
    // GNU tar refuses absolute and `..` members by itself. --force-local: a colon in the name is no host.
    let cmd = Cmd::new("tar")
        .args(["--extract", "--force-local", "--no-same-owner", "--no-same-permissions", "--file"])
        .arg(archive)
        .arg("--directory")
        .arg(into)
        .env("LC_ALL", "C");
    let mut words = LastWords::default();
    let status = follow(&cmd, Patience::default(), |sign| match sign {
        Sign::Said(line) => words.push(line),
        Sign::Tick(pid) => {
            if let Some(done) = position(pid, archive) {
                let detail = format!("unpacking {name}");
                (reporter.progress)(Progress { done, total: Some(size), unit: Unit::Bytes, detail });
            }
        }
    })?;
    if !status.success() {
        return Err(corrupt(name, &words.to_string()));
    }
    refuse_escapes(into, into, name)
}

fn corrupt(name: &str, why: &str) -> Error {
    let error = Error::cannot_run(format!("cannot unpack {name}: {why}"));
    if why.contains("No space left") {
        return error.hint("free some disk space, then run the same command again");
    }
    error.hint("the archive is damaged or incomplete: obtain it again")
}

/// Its packing and its size in bytes.
fn inspect(archive: &Path, name: &str) -> Result<(Packing, u64)> {
    let mut head = Vec::new();
    let mut file = File::open(archive).doing("open", archive)?;
    file.by_ref().take(512).read_to_end(&mut head).doing("read", archive)?;
    let size = file.seek(SeekFrom::End(0)).doing("read", archive)?;
    match Packing::of(&head) {
        Some(packing) => Ok((packing, size)),
        None if size == 0 => Err(corrupt(name, "it is empty")),
        None => Err(Error::usage(format!("{name} is not an archive: neither tar nor tar.{{gz,bz2,xz,zst}}"))
            .hint("vmptcp source tarball FILE-or-URL: one as kernel.org offers them")),
    }
}

/// How far `archive` was read by the process `pid` or any descendant of it: tar itself, or the program that decompresses for it.
fn position(pid: Pid, archive: &Path) -> Option<u64> {
    for Process { pid, .. } in Process::of(pid)?.family() {
        for fd in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            if fs::read_link(fd.path()).is_ok_and(|target| target == archive) {
                let info = format!("/proc/{pid}/fdinfo/{}", fd.file_name().to_string_lossy());
                let info = fs::read_to_string(info).ok()?;
                return info.lines().find_map(|line| line.strip_prefix("pos:")?.trim().parse().ok());
            }
        }
    }
    None
}

/// The root of what was unpacked: the one directory at the top, or the top itself.
fn single_directory(dir: &Path) -> Result<PathBuf> {
    let mut directories = Vec::new();
    for entry in fs::read_dir(dir).doing("read", dir)? {
        let entry = entry.doing("read", dir)?;
        if entry.file_type().doing("look at", entry.path())?.is_dir() {
            directories.push(entry.path());
        }
    }
    match directories.as_slice() {
        [one] if !dir.join("Makefile").exists() => Ok(one.clone()),
        _ => Ok(dir.to_owned()),
    }
}

fn refuse_escapes(root: &Path, dir: &Path, name: &str) -> Result<()> {
    interrupt::check()?;
    for entry in fs::read_dir(dir).doing("read", dir)? {
        let entry = entry.doing("read", dir)?;
        let path = entry.path();
        let kind = entry.file_type().doing("look at", &path)?;
        let inside = path.strip_prefix(root).unwrap_or(&path);
        if kind.is_dir() {
            refuse_escapes(root, &path, name)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).doing("read the link", &path)?;
            if escapes(inside, &target) {
                let what = format!("the link {} leads out of it, to {}", inside.display(), target.display());
                return Err(untrusted(name, &what));
            }
        } else if !kind.is_file() {
            return Err(untrusted(name, &format!("{} is neither a file nor a directory", inside.display())));
        }
    }
    Ok(())
}

fn untrusted(name: &str, what: &str) -> Error {
    Error::usage(format!("will not use {name}: {}", Shown::line(what)))
        .hint("obtain the archive from a place that you trust")
}

/// True if a link at `link`, relative to some root, to `target` leaves that root.
fn escapes(link: &Path, target: &Path) -> bool {
    let mut depth = link.components().count().saturating_sub(1);
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_known_by_its_first_bytes() {
        assert_eq!(Packing::of(b"\x1f\x8b\x08"), Some(Packing::Gzip));
        assert_eq!(Packing::of(b"\xfd7zXZ\0\0"), Some(Packing::Xz));
        assert_eq!(Packing::of(b"\x28\xb5\x2f\xfd"), Some(Packing::Zstd));
        let mut plain = vec![0u8; 512];
        plain[257..262].copy_from_slice(b"ustar");
        assert_eq!(Packing::of(&plain), Some(Packing::Plain));
        assert_eq!(Packing::of(b"<!DOCTYPE html>"), None);
        assert_eq!(Packing::of(b""), None);
    }

    #[test]
    fn a_link_may_not_leave_its_root() {
        let escapes = |link: &str, target: &str| escapes(Path::new(link), Path::new(target));
        assert!(!escapes("linux/scripts/dtc/include-prefixes/arm", "../../../arch/arm/boot/dts"));
        assert!(escapes("linux/x", "../../etc/passwd"));
        assert!(escapes("linux/x", "/etc/passwd"));
        assert!(escapes("linux/a/x", "b/../../../../etc"));
    }
}
