//! Layers, defaults, and the provenance of every value.
//!
//! Five layers, of which a later one wins key by key: the built-in [`DEFAULTS`], the user's file, the kernel tree's
//! `vmptcp.toml`, variables `VMPTCP_*`, and flags. Each layer becomes a list of checked [`Leaf`]s; these are merged once
//! and deserialised once into [`Settings`]. Only this room reads the environment and TOML.
//!
//! Which file is the tree's depends on a setting itself, `kernel.tree`: ask [`configured_tree`] for it, find the tree,
//! then [`load`] with it.

mod declare;
mod environment;
mod file;
mod given;
mod keys;
mod layers;
mod model;
mod render;
mod shape;
mod values;

pub use declare::{Flag, Group, Takes};
pub use environment::Environment;
pub use given::Override;
pub use layers::{Layer, Leaf, Origin, Place};
pub use model::{Image, Kernel, Packetdrill, Profile, Results, Settings, Source, Test, Vm};
pub use values::{
    Accelerator, AfterSplat, Auto, Base, BootSplat, Ccache, Filesystem, GuestTime, Root, Size, Slow, Variant,
    Vary,
};

use crate::error::{Error, Result};
use crate::suite::sample::Declared;
use crate::text::nearest::most_like;
use crate::topology::Topology;
use declare::Setting;
use file::File;
use layers::{Merged, refuse};
use serde::Deserialize;
use shape::Shape;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The built-in layer: every key with a comment that documents it, then the profiles and networks that are always there.
pub static DEFAULTS: LazyLock<String> = LazyLock::new(|| {
    let mut text = include_str!("head.toml").to_owned();
    let mut section = "";
    for setting in model::all() {
        if setting.section != section {
            section = setting.section;
            let _ = writeln!(text, "\n[{section}]");
        }
        text += &setting.declaration();
    }
    text + "\n" + include_str!("open.toml")
});

/// A flag that overrides a setting, and the key of that.
pub fn flags(group: Group) -> impl Iterator<Item = (&'static str, Flag)> {
    let of_group = move |(setting, (key, _)): (&'static Setting, &'static (String, Shape))| {
        setting.flag.iter().filter(move |flag| flag.group == group).map(|flag| (key.as_str(), *flag))
    };
    model::all().zip(keys::KEYS.iter()).flat_map(of_group)
}

/// The name of the settings file at the top of a kernel tree.
pub const TREE_FILE: &str = "vmptcp.toml";

/// A settings file has at most this many bytes.
const LONGEST: u64 = 1 << 20;

/// The settings in effect, and where each comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The values, typed.
    pub settings: Settings,
    leaves: Vec<Leaf>,
}

impl Loaded {
    /// Every value, in the order of [`DEFAULTS`].
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// Where the value of a key comes from. A name of a table is part of the key: `test.env.FOO`.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.leaves.iter().find(|leaf| leaf.key == key).map(|leaf| &leaf.origin)
    }

    /// The profile that `test.profile` names, with its name. Fails if there is none.
    pub fn profile(&self) -> Result<(&str, &Profile)> {
        let (name, profiles) = (&self.settings.test.profile, &self.settings.profile);
        profiles.get_key_value(name).map(|(name, profile)| (name.as_str(), profile)).ok_or_else(|| {
            let origin = self.origin("test.profile").map(Origin::to_string).unwrap_or_default();
            let known: Vec<&str> = profiles.keys().map(String::as_str).collect();
            let nearest = most_like(name, known.iter().copied()).unwrap_or_default();
            Error::usage(format!("{origin}: unknown profile {name}: the nearest is {nearest}")).hint(format!(
                "use one of {}, or add a section [profile.{name}] to {TREE_FILE}",
                known.join(", ")
            ))
        })
    }
}

/// The kernel tree that the user's file, the environment or a flag names, if any does. Fails as [`load`] does.
pub fn configured_tree(environment: &Environment, overrides: &[Override]) -> Result<Option<PathBuf>> {
    let merged = merge(environment, None, overrides)?;
    let tree = merged.get("kernel.tree").and_then(|leaf| leaf.value.as_str());
    Ok(tree.filter(|path| !path.is_empty()).map(PathBuf::from))
}

/// Loads all layers; that of the tree only if there is one. A file that does not exist is an empty one.
///
/// Fails with a usage error that names everything that is wrong: the file, line and column, or the variable, or the
/// flag; the key and value; and what is expected.
pub fn load(environment: &Environment, tree: Option<&Path>, overrides: &[Override]) -> Result<Loaded> {
    let merged = merge(environment, tree, overrides)?;
    let settings = Settings::deserialize(merged.to_table())
        .map_err(|error| Error::usage(format!("cannot use the settings: {}", error.message())))?;
    Ok(Loaded { settings, leaves: merged.into_leaves() })
}

/// Reads declarations of samples, as they stand in a settings file. Their paths are left as they are.
pub fn samples(text: &str) -> Result<Vec<Declared>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        sample: Vec<Declared>,
    }
    let file: File = toml::from_str(text)
        .map_err(|error| Error::usage(format!("cannot read the samples: {}", error.message())))?;
    Ok(file.sample)
}

/// What a sample's own [`TREE_FILE`] declares.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SampleFile {
    /// Its samples, with absolute paths.
    pub samples: Vec<Declared>,
    /// Its networks, by name.
    pub topologies: BTreeMap<String, Topology>,
}

/// Reads the file of a sample's directory; an empty one if there is none. It may declare samples and networks, nothing else:
/// a directory that somebody got from a stranger sets nothing of his.
///
/// Fails with a usage error that names the file, line and key of everything that is wrong.
pub fn sample_file(dir: &Path, environment: &Environment) -> Result<SampleFile> {
    #[derive(Deserialize)]
    struct Declarations {
        #[serde(default)]
        sample: Vec<Declared>,
        #[serde(default)]
        topology: BTreeMap<String, Topology>,
    }
    let path = dir.join(TREE_FILE);
    let (leaves, mut problems) = read(File { layer: Layer::User, path: &path, home: environment.home() });
    let (own, others): (Vec<Leaf>, Vec<Leaf>) =
        leaves.into_iter().partition(|leaf| leaf.key == "sample" || leaf.key.starts_with("topology."));
    problems.extend(others.iter().map(|leaf| {
        format!("{}: {}: a sample's own file declares samples and topologies only", leaf.origin, leaf.key)
    }));
    if !problems.is_empty() {
        return Err(refuse(&problems));
    }
    let mut merged = Merged::default();
    merged.lay(own);
    let Declarations { sample, topology } = Declarations::deserialize(merged.to_table())
        .map_err(|error| Error::usage(format!("cannot use {}: {}", path.display(), error.message())))?;
    Ok(SampleFile { samples: sample, topologies: topology })
}

fn merge(environment: &Environment, tree: Option<&Path>, overrides: &[Override]) -> Result<Merged> {
    let home = environment.home();
    let user_file = environment.config_dir().ok().map(|dir| dir.join("config.toml"));
    let tree_file = tree.map(|tree| environment.current_dir().join(tree).join(TREE_FILE));
    let built_in = File { layer: Layer::BuiltIn, path: Path::new("/default.toml"), home };
    let mut layers = vec![built_in.parse(DEFAULTS.as_bytes())];
    for (layer, path) in [(Layer::User, user_file), (Layer::Tree, tree_file)] {
        if let Some(path) = path {
            layers.push(read(File { layer, path: &path, home }));
        }
    }
    layers.push(given::from_environment(environment));
    layers.push(given::from_flags(overrides, environment));
    let (mut merged, mut problems) = (Merged::default(), Vec::new());
    for (leaves, wrong) in layers {
        merged.lay(leaves);
        problems.extend(wrong);
    }
    problems.extend(merged.problems());
    if problems.is_empty() { Ok(merged) } else { Err(refuse(&problems)) }
}

/// A file's values and problems; one that cannot be read is a problem.
fn read(file: File) -> (Vec<Leaf>, Vec<String>) {
    let refused = |why: &str| {
        let path = render::escaped(&file.path.to_string_lossy());
        (Vec::new(), vec![format!("cannot read {path}: {why}")])
    };
    match std::fs::metadata(file.path) {
        // Reading a device or a pipe might never end, and the file comes with the tree.
        Ok(metadata) if !metadata.is_file() => return refused("it is not a regular file"),
        Ok(metadata) if metadata.len() > LONGEST => return refused("it is longer than 1 MiB"),
        _ => {}
    }
    match std::fs::read(file.path) {
        Ok(text) => file.parse(&text),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            (Vec::new(), Vec::new())
        }
        Err(error) => refused(&error.to_string()),
    }
}

#[cfg(test)]
mod tests;
