//! Collections of the tree's selftests, such as `net/mptcp`: built and installed beside a kernel, each by itself.

use super::stamp::{Installed, Stamp};
use super::{BuildRequest, fingerprint};
use crate::error::{IoContext, Result};
use crate::process::Cmd;
use crate::text::hash::{Digest, Key};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Where selftests are installed, relative to a build directory.
pub const INSTALLED: &str = "kselftest_install";

/// Where the selftests of a build directory are installed.
pub(super) fn install_dir(out: &Path) -> PathBuf {
    out.join(INSTALLED)
}

/// The commands that build and install a collection: those of another tree than the kernel's need its headers first.
pub(super) fn commands(request: &BuildRequest, collection: &str) -> Vec<Cmd> {
    let headers = request.selftests.as_ref().map(|other| request.make_user(other).arg("headers"));
    headers.into_iter().chain([install(request, collection)]).collect()
}

fn install(request: &BuildRequest, collection: &str) -> Cmd {
    // FORCE_TARGETS: a test program that does not compile is an error, not a test less.
    let mut install = OsString::from("KSFT_INSTALL_PATH=");
    install.push(request.alias.path(&install_dir(&request.out)));
    let make = request.make_user(&request.selftests().join("tools/testing/selftests"));
    let make = make.args([format!("TARGETS={collection}"), "FORCE_TARGETS=1".to_owned()]).arg(install);
    make.args(&request.make_variables).arg("install")
}

/// The collections of a request that are not as they would be built now, each with what is to be remembered of it. `tree` is
/// over every file of the tree that they are of.
pub(super) fn stale<'a>(
    request: &'a BuildRequest,
    stamp: &Stamp,
    tree: Digest,
) -> Result<Vec<(&'a str, Digest)>> {
    let mut stale = Vec::new();
    for collection in &request.collections {
        let asked = super::fingerprint_of(request, "collection", &commands(request, collection)).digest();
        let installed = stamp.collections.get(collection);
        let same = match installed {
            Some(known) if (known.request, known.tree) == (asked, tree) => {
                files(&request.out, collection)? == Some(known.files)
            }
            _ => false,
        };
        if !same {
            stale.push((collection.as_str(), asked));
        }
    }
    Ok(stale)
}

/// Removes what an earlier build left of a collection: the makefiles do not know which headers a program was made from, and
/// keep what a tree no longer has.
pub(super) fn clear(request: &BuildRequest, collection: &str) -> Result<()> {
    let built = request.user_dir().join("kselftest").join(collection);
    for stale in [built, install_dir(&request.out).join(collection)] {
        if stale.exists() {
            fs::remove_dir_all(&stale).doing("remove", &stale)?;
        }
    }
    Ok(())
}

/// What is to be remembered of a collection that was just installed.
pub(super) fn installed(out: &Path, collection: &str, request: Digest, tree: Digest) -> Result<Installed> {
    let files = files(out, collection)?.unwrap_or_else(|| Key::new("nothing").digest());
    Ok(Installed { request, tree, files })
}

/// Over the files of a collection; none if it is not installed.
fn files(out: &Path, collection: &str) -> Result<Option<Digest>> {
    let dir = install_dir(out).join(collection);
    dir.is_dir().then(|| fingerprint::tree(&dir, out, 1)).transpose()
}
