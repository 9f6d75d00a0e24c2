//! Fills the directory of an image: mmdebstrap finds out which packages it takes, downloads and unpacks them.
//!
//! They are unpacked, not installed: none of their scripts runs, so it takes seconds, needs no more than a user namespace, and
//! all files are the user's own. What scripts would have done that programs need is done by [`super::finish`].

use super::Reporter;
use super::finish;
use super::mirror::Mirrors;
use super::recipe::Recipe;
use crate::error::{Error, IoContext, Result};
use crate::process::{self, Cmd, Identity, mount_namespace};
use crate::text::Shown;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Where the downloaded packages are left, below the root.
const ARCHIVES: &str = "var/cache/apt/archives";

/// What takes long of what mmdebstrap says that it does.
const STEPS: [&str; 3] = ["running apt-get update", "downloading packages", "extracting archives"];

/// Makes `partial/root`, and returns its packages with their versions.
pub(super) fn build(
    recipe: &Recipe,
    mirrors: &Mirrors,
    partial: &Path,
    reporter: &mut Reporter<'_>,
) -> Result<BTreeMap<String, String>> {
    let root = partial.join("root");
    let tmp = partial.join("tmp");
    fs::create_dir(&tmp).doing("create", &tmp)?;
    let cmd = command(recipe, mirrors, &root, &tmp)?;
    let mut last: Vec<String> = Vec::new();
    let status = cmd.stream(|line| {
        // Its own lines begin so; all others are apt's.
        if let Some(step) = line.strip_prefix("I: ") {
            if STEPS.iter().any(|known| step.starts_with(known)) {
                (reporter.progress)(&Shown::line(step).to_string());
            }
        } else if !line.trim().is_empty() {
            last.push(Shown::line(line.trim()).to_string());
            let surplus = last.len().saturating_sub(4);
            last.drain(..surplus);
        }
    })?;
    if !status.success() {
        return Err(Error::cannot_run(format!(
            "cannot make the image {}: {}",
            recipe.name,
            last.join("\n  ")
        ))
        .hint(
            "check the network and the mirror of image.mirror, or of apt: vmptcp settings, apt-get update",
        ));
    }
    let packages = take_packages(&root.join(ARCHIVES))?;
    finish::finish(&root, recipe, &packages)?;
    super::remove(&tmp)?;
    Ok(packages)
}

/// mmdebstrap's command line. As whoever it runs, it is root where it runs, and owns all files.
fn command(recipe: &Recipe, mirrors: &Mirrors, root: &Path, tmp: &Path) -> Result<Cmd> {
    let mmdebstrap = process::find("mmdebstrap")
        .map_err(|error| {
            error.hint("install it: apt-get install mmdebstrap (Debian, Ubuntu), dnf install mmdebstrap")
        })?
        .path;
    let namespace = mount_namespace(Identity::Root)?.ok_or_else(|| {
        Error::cannot_run("this system grants no user namespace to make an image in").hint(
            "allow them (sysctl kernel.unprivileged_userns_clone=1; in a container: --security-opt \
             seccomp=unconfined), or run as root",
        )
    })?;
    let cmd = namespace
        .arg(mmdebstrap)
        .args(["--mode=root", "--variant=extract", "--format=directory"])
        .arg("--skip=chroot/mount,cleanup/apt/cache")
        // apt's own user is nobody in a namespace of one user.
        .arg("--aptopt=APT::Sandbox::User \"root\"")
        .arg(format!("--include={}", recipe.packages.join(",")))
        .args(recipe.suites.first())
        .arg(root)
        .args(mirrors.sources(recipe));
    // Whoever a package's files belong to is nobody there, either.
    Ok(cmd.env("TAR_OPTIONS", "--no-same-owner").env("TMPDIR", tmp).env("LC_ALL", "C").cwd(tmp))
}

/// The packages that were downloaded, by the names of their files, which are removed.
fn take_packages(archives: &Path) -> Result<BTreeMap<String, String>> {
    let mut packages = BTreeMap::new();
    for entry in fs::read_dir(archives).doing("read", archives)? {
        let entry = entry.doing("read", archives)?;
        let Some((name, version)) = package_of(&entry.file_name().to_string_lossy()) else { continue };
        packages.insert(name, version);
        fs::remove_file(entry.path()).doing("remove", entry.path())?;
    }
    Ok(packages)
}

/// `iproute2_6.15.0-1_amd64.deb`; a colon in a version is written as `%3a`.
fn package_of(file: &str) -> Option<(String, String)> {
    let mut parts = file.strip_suffix(".deb")?.split('_');
    let (name, version) = (parts.next()?, parts.next()?);
    Some((name.to_owned(), version.replace("%3a", ":")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_known_by_their_files() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["iproute2_6.15.0-1_amd64.deb", "less_2%3a668-1_all.deb", "lock"] {
            fs::write(dir.path().join(file), "").unwrap();
        }
        fs::create_dir(dir.path().join("partial")).unwrap();
        let packages = take_packages(dir.path()).unwrap();
        assert_eq!(packages["iproute2"], "6.15.0-1");
        assert_eq!(packages["less"], "2:668-1");
        assert_eq!((packages.len(), fs::read_dir(dir.path()).unwrap().count()), (2, 2));
    }
}
