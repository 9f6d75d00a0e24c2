//! A kernel that is built once and tested in many places: a pack has its image, modules and selftests, and those files of the
//! tree by which suites know their tests. Unpacked, it is a tree without sources.
//!
//! The same files make the same bytes: a pack has no times, owners or paths of the machine on which it was made.

mod collect;
mod read;
mod write;

pub use collect::{build_files, has_vmlinux};
pub use read::unpack;
pub use write::{Content, Entry, write};

use super::build::{Built, INSTALLED};
use super::variant::Variant;
use super::version::{Commit, Version};
use crate::error::{Error, IoContext, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// The manifest, in a pack and at the top of what was unpacked.
pub const MANIFEST: &str = ".vmptcp-pack.json";

/// Changes whenever an older vmptcp could not use a pack.
const FORMAT: u32 = 1;

/// What is in a pack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The version of the tree.
    pub version: Version,
    /// The commit of the tree.
    pub commit: Option<Commit>,
    /// The kernels, by variant.
    pub kernels: BTreeMap<String, Kernel>,
}

/// A kernel in a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// Its image, relative to its directory.
    pub image: String,
    /// What `uname -r` will say.
    pub release: String,
    /// The collections of selftests that are installed.
    pub collections: Vec<String>,
}

/// What a run needs of the kernels that were unpacked.
#[derive(Debug, Clone)]
pub struct PackedRequest {
    /// The tree.
    pub tree: PathBuf,
    /// The directory of its kernel.
    pub out: PathBuf,
    /// The variant.
    pub variant: Variant,
    /// The collections of selftests.
    pub collections: Vec<String>,
    /// What the pack has.
    pub manifest: Manifest,
}

impl Manifest {
    /// Of these kernels of a tree.
    pub fn new(version: Version, commit: Option<Commit>, kernels: BTreeMap<String, Kernel>) -> Self {
        Self { format: FORMAT, version, commit, kernels }
    }

    /// The manifest of what was unpacked at `root`; none if that is no pack. Fails for a damaged one.
    pub fn of(root: &Path) -> Result<Option<Self>> {
        let path = root.join(MANIFEST);
        match std::fs::read(&path) {
            Ok(text) => Self::parse(&text, &path.display().to_string()).map(Some),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error).doing("read", &path),
        }
    }

    /// Reads a manifest; `name` is where it stands, for a person.
    fn parse(text: &[u8], name: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::usage(format!("{name} is no manifest of a pack: {why}"))
                .hint("make the pack again, and with this version of vmptcp: vmptcp pack")
        };
        let manifest: Self = serde_json::from_slice(text).map_err(|error| wrong(&error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(wrong(&format!("its format is {}, and not {FORMAT}", manifest.format)));
        }
        for (variant, kernel) in &manifest.kernels {
            Variant::parse(variant).map_err(|error| wrong(&error.to_string()))?;
            let plain = |path: &str| {
                !path.is_empty()
                    && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
            };
            if !plain(&kernel.image) || !kernel.collections.iter().all(|collection| plain(collection)) {
                return Err(wrong(&format!("a path of the variant {variant} leads out of it")));
            }
        }
        Ok(manifest)
    }

    /// The names of its variants, for a person.
    fn variants(&self) -> String {
        self.kernels.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// The kernel that was unpacked. Fails, naming the remedy, for what is not in the pack.
pub fn find(request: &PackedRequest) -> Result<Built> {
    let PackedRequest { tree, out, variant, collections, manifest } = request;
    let lacks = |what: String, remedy: String| {
        Error::usage(format!("the pack in {} has {what}", tree.display())).hint(remedy)
    };
    let Some(kernel) = manifest.kernels.get(&variant.to_string()) else {
        let there = manifest.variants();
        let uml = manifest.kernels.keys().any(|name| name.ends_with("-uml"));
        let add = if uml && !variant.uml { ": add --uml" } else { "" };
        return Err(lacks(format!("no kernel of the variant {variant}"), format!("it has {there}{add}")));
    };
    if let Some(missing) = collections.iter().find(|collection| !kernel.collections.contains(collection)) {
        return Err(lacks(
            format!("no selftests of {missing}"),
            "pack them where the sources are: vmptcp pack --suite NAME".to_owned(),
        ));
    }
    let image = out.join(&kernel.image);
    if !image.is_file() {
        return Err(Error::cannot_run(format!("the pack's kernel is gone: {}", image.display()))
            .hint("unpack it again: vmptcp unpack FILE"));
    }
    let installed = out.join(INSTALLED);
    Ok(Built {
        image,
        selftests: (!collections.is_empty()).then_some(installed),
        kernel_release: kernel.release.clone(),
        config: out.join(".config"),
        out_dir: out.clone(),
        steps: 0,
        seconds: 0.0,
        up_to_date: true,
        elsewhere: true,
    })
}

#[cfg(test)]
mod tests;
