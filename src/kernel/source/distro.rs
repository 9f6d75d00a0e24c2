//! The newest kernel source that the distribution offers, without root where that is possible.

use super::follow::{LastWords, Patience, Sign, follow};
use super::package::{largest_file, say};
use super::{Reporter, Store, rpm, unpack};
use crate::error::{Error, IoContext, Result};
use crate::event::{Progress, Unit};
use crate::kernel::slug::slug;
use crate::kernel::space;
use crate::process::{Cmd, find};
use std::fs;
use std::path::{Path, PathBuf};

/// What the package, the archive in it and the tree take together, in bytes.
const SPACE: u64 = 2 << 30;

/// Where packages of sources put them.
const SOURCES: &str = "/usr/src";

/// Takes the kernel source of the distribution that we run on: that of a version, or the newest.
pub(super) fn obtain(
    version: Option<&str>,
    store: &Store<'_>,
    reporter: &mut Reporter<'_>,
) -> Result<PathBuf> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let ids = ids(&release);
    let is = |id: &str| ids.iter().any(|known| known == id);
    if is("debian") || is("ubuntu") {
        return debian(version, store, reporter);
    }
    if let Some(version) = version {
        return Err(Error::cannot_run(format!(
            "vmptcp cannot choose a version ({version}) of this distribution's kernels"
        ))
        .hint("vmptcp source git URL --branch BRANCH, or vmptcp source tarball FILE-or-URL"));
    }
    if is("suse") || is("opensuse") || is("openeuler") || is("kylin") || is("fedora") || is("rhel") {
        return rpm::obtain(&ids, store, reporter);
    }
    let name = ids.first().map_or("this distribution", String::as_str);
    Err(Error::cannot_run(format!("{name} has no package of the kernel's source that vmptcp knows"))
        .hint("vmptcp source git URL, or vmptcp source tarball FILE-or-URL"))
}

/// `ID` and `ID_LIKE` of an os-release file, in order.
pub(super) fn ids(release: &str) -> Vec<String> {
    let value = |key: &str| {
        release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default()
    };
    [value("ID"), value("ID_LIKE")]
        .iter()
        .flat_map(|text| text.trim_matches(['"', '\'']).split_whitespace())
        .map(str::to_lowercase)
        .collect()
}

/// A package that apt offers.
#[derive(Debug, PartialEq, Eq)]
struct Candidate {
    package: String,
    version: String,
    /// What is to be downloaded, in bytes.
    size: Option<u64>,
}

fn debian(version: Option<&str>, store: &Store<'_>, reporter: &mut Reporter<'_>) -> Result<PathBuf> {
    find("apt-cache")?;
    let mut candidate = candidate(version)?;
    if candidate.is_none() && nix::unistd::geteuid().is_root() {
        (reporter.note)("apt does not know the kernel's source package: updating its lists".to_owned());
        say(&Cmd::new("apt-get").args(["--quiet", "update"]), reporter)?;
        candidate = self::candidate(version)?;
    }
    if let (None, Some(version)) = (&candidate, version) {
        return Err(Error::cannot_run(format!("apt offers no linux-source-{version}"))
            .hint("which there are: apt-cache search --names-only '^linux-source-[0-9]'; or vmptcp source git, tarball"));
    }
    let Some(candidate) = candidate else {
        return installed_or(store, reporter, || {
            Error::cannot_run(
                "apt offers no linux-source package: its lists are empty or lack the main section",
            )
            .hint("sudo apt-get update, then the same command again")
        });
    };
    let Candidate { package, version, .. } = &candidate;
    let name = slug(&format!("{package}_{version}"));
    if let Some(tree) = store.find(&name) {
        return Ok(tree);
    }
    let installed = archive_of(Path::new(SOURCES), package);
    if let Some(archive) = installed.filter(|_| installed_version(package).as_deref() == Some(version)) {
        (reporter.note)(format!("taking {} ({version}), which is installed", archive.display()));
        return store.make(&name, reporter, |partial, reporter| {
            unpack::kernel(&archive, &archive.display().to_string(), &partial.join("tree"), reporter)
        });
    }
    (reporter.note)(format!("taking the package {package} {version}"));
    let made = store.make(&name, reporter, |partial, reporter| {
        space::require(partial, SPACE, "a kernel tree")?;
        let archive = download(&candidate, partial, reporter)?;
        unpack::kernel(&archive, package, &partial.join("tree"), reporter)
    });
    match made {
        Err(error) if error.kind() == error::Kind::CannotRun => {
            let older = archive_of(Path::new(SOURCES), package).is_some();
            if older {
                (reporter.note)(format!("{error}; taking the version that is installed"));
            }
            if older { installed_or(store, reporter, || error) } else { Err(error) }
        }
        other => other,
    }
}

/// The `linux-source-VERSION` that apt knows: of this version, or the newest.
fn candidate(version: Option<&str>) -> Result<Option<Candidate>> {
    let search = Cmd::new("apt-cache").args(["search", "--names-only", "^linux-source-[0-9]"]).read()?;
    let wanted =
        |name: &&str| version.is_none_or(|version| name.strip_prefix("linux-source-") == Some(version));
    let names = search.lines().filter_map(|line| line.split_whitespace().next());
    let Some(package) = newest(names.filter(wanted)) else {
        return Ok(None);
    };
    let show = Cmd::new("apt-cache").args(["show", "--no-all-versions", package]).read()?;
    let field = |name: &str| show.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let Some(version) = field("Version") else { return Ok(None) };
    Ok(Some(Candidate {
        package: package.to_owned(),
        version: version.to_owned(),
        size: field("Size").and_then(|size| size.parse().ok()),
    }))
}

/// The newest of `linux-source-…` names; others (`-rt`, meta-packages) are left out.
fn newest<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names.filter_map(|name| Some((version_of(name)?, name))).max().map(|(_, name)| name)
}

fn version_of(package: &str) -> Option<Vec<u32>> {
    package.strip_prefix("linux-source-")?.split('.').map(|part| part.parse().ok()).collect()
}

fn installed_version(package: &str) -> Option<String> {
    let query =
        Cmd::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status} ${Version}", package]);
    query.read().ok()?.strip_prefix("installed ").map(str::to_owned)
}

/// Downloads the package into `partial`, opens it there, and returns the archive in it. Nothing is installed.
fn download(candidate: &Candidate, partial: &Path, reporter: &mut Reporter<'_>) -> Result<PathBuf> {
    let Candidate { package, version, size } = candidate;
    let (debs, opened) = (partial.join("package"), partial.join("opened"));
    fs::create_dir(&debs).doing("create", &debs)?;
    // apt's own user may not write into our directory; without this root gets a warning for it.
    let user = nix::unistd::geteuid().is_root().then_some("--option=APT::Sandbox::User=root");
    let cmd = Cmd::new("apt-get").args(["--quiet", "download"]).args(user);
    let cmd = cmd.arg(format!("{package}={version}")).cwd(&debs).env("LC_ALL", "C");
    let mut words = LastWords::default();
    let status = follow(&cmd, Patience::default(), |sign| match sign {
        Sign::Said(line) => words.push(line),
        Sign::Tick(_) => {
            let done = largest_file(&debs).map_or(0, |(_, size)| size);
            let detail = format!("downloading {package}");
            (reporter.progress)(Progress { done, total: *size, unit: Unit::Bytes, detail });
        }
    })?;
    let Some((deb, _)) = largest_file(&debs).filter(|_| status.success()) else {
        return Err(Error::cannot_run(format!("cannot download the package {package}: {words}"))
            .hint("check the network, or let the lists be updated: sudo apt-get update"));
    };
    say(&Cmd::new("dpkg-deb").arg("--extract").arg(&deb).arg(&opened), reporter)?;
    super::remove(&debs)?;
    archive_of(&opened.join("usr/src"), package).ok_or_else(|| {
        Error::cannot_run(format!("the package {package} {version} has no {package}.tar.* in {SOURCES}"))
            .hint("vmptcp source git URL, or vmptcp source tarball FILE-or-URL")
    })
}

/// The archive that `package` put into `sources`: `X.tar.xz` (Debian) or `X/X.tar.bz2` (Ubuntu).
fn archive_of(sources: &Path, package: &str) -> Option<PathBuf> {
    [sources.join(package), sources.to_owned()].iter().find_map(|dir| {
        ["tar.xz", "tar.zst", "tar.bz2", "tar.gz"].iter().find_map(|extension| {
            let archive = dir.join(format!("{package}.{extension}")).canonicalize().ok()?;
            archive.is_file().then_some(archive)
        })
    })
}

/// Takes the newest archive that is installed, whatever apt knows of it.
fn installed_or(
    store: &Store<'_>,
    reporter: &mut Reporter<'_>,
    otherwise: impl FnOnce() -> Error,
) -> Result<PathBuf> {
    let sources = Path::new(SOURCES);
    let names: Vec<String> = fs::read_dir(sources)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .map(|name| name.split(".tar").next().unwrap_or_default().to_owned())
        .collect();
    let Some(package) = newest(names.iter().map(String::as_str)) else { return Err(otherwise()) };
    let Some(archive) = archive_of(sources, package) else { return Err(otherwise()) };
    (reporter.note)(format!("taking {}, which is installed", archive.display()));
    super::tarball::obtain(&archive.to_string_lossy(), sources, store, reporter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_so_by_number() {
        let names = [
            "linux-source",
            "linux-source-6.1",
            "linux-source-6.12",
            "linux-source-6.9-rt",
            "linux-source-6.2",
        ];
        assert_eq!(newest(names.into_iter()), Some("linux-source-6.12"));
        assert_eq!(
            newest(["linux-source-6.8.0", "linux-source-6.11.0"].into_iter()),
            Some("linux-source-6.11.0")
        );
        assert_eq!(newest(["linux-source"].into_iter()), None);
    }

    #[test]
    fn a_derivative_is_known_by_what_it_is_like() {
        assert_eq!(
            ids("NAME=x\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"),
            ["linuxmint", "ubuntu", "debian"]
        );
        assert_eq!(ids("ID=\"openEuler\"\n"), ["openeuler"]);
        assert!(ids("").is_empty());
    }

    #[test]
    fn the_archive_is_found_where_either_family_puts_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        assert_eq!(archive_of(&root, "linux-source-6.8.0"), None);
        fs::create_dir(root.join("linux-source-6.8.0")).unwrap();
        let nested = root.join("linux-source-6.8.0/linux-source-6.8.0.tar.bz2");
        fs::write(&nested, "").unwrap();
        fs::write(root.join("linux-source-6.12.tar.xz"), "").unwrap();
        assert_eq!(archive_of(&root, "linux-source-6.8.0"), Some(nested));
        assert_eq!(archive_of(&root, "linux-source-6.12"), Some(root.join("linux-source-6.12.tar.xz")));
    }
}
