//! Knows that a configuration is still what its inputs make of it, without running make.
//!
//! Kconfig's result depends on: the requests, the base, make's variables, the Kconfig files and the scripts and
//! Makefiles that evaluate them, and the tools that they probe (compiler, linker, …). All are part of a hash that is
//! kept next to `.config`. Files count by their size, modification and change time: the set of Kconfig
//! files itself can only change with one of them. A stamp of a tree whose files could not all be followed is never
//! trusted.

use super::request::{Base, ConfigureRequest, Source};
use crate::error::{Error, IoContext, Result};
use crate::process::{Cmd, find, identity};
use crate::text::file;
use crate::text::hash::{self, Digest, Key};
use kconfig::lang::Architecture;
use kconfig::{Asker, Proof, Request};
use serde::{Deserialize, Serialize};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Its file in the build directory.
const FILE: &str = ".vmptcp-config.json";

/// Changes whenever the same inputs make another proof.
const FORMAT: u32 = 2;

/// What a configuration is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    format: u32,
    version: String,
    /// Of the requests and all else but the files.
    inputs: Digest,
    /// The Kconfig files that were read, relative to the tree.
    files: Vec<PathBuf>,
    /// Of the state of these files, and of the scripts.
    tree: Digest,
}

impl State {
    /// As things are now; `files` are those that [`kconfig::lang::read`] reads.
    pub(super) fn of(request: &ConfigureRequest, files: Vec<PathBuf>) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            inputs: inputs(request),
            tree: tree_state(request, &files),
            files,
        }
    }
}

/// What is remembered of a configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// What it was made of.
    state: State,
    /// Of the `.config` that came out.
    config: Digest,
    /// What it proved.
    pub(super) proof: Proof,
}

impl Stamp {
    /// The stamp of a `.config` and what it was made of.
    pub(super) fn new(state: State, config: &[u8], proof: Proof) -> Self {
        Self { state, config: hash::of(config), proof }
    }

    /// The stamp in the build directory, if all that it stands for is as it was.
    pub(super) fn still_holds(request: &ConfigureRequest) -> Option<Self> {
        let stamp: Self = serde_json::from_slice(&std::fs::read(request.out.join(FILE)).ok()?).ok()?;
        let config = std::fs::read(request.out.join(".config")).ok()?;
        let same =
            stamp.config == hash::of(&config) && stamp.state == State::of(request, stamp.state.files.clone());
        same.then_some(stamp)
    }

    pub(super) fn save(&self, out: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(|error| {
            Error::cannot_run(format!("cannot write down the configuration's state: {error}"))
        })?;
        file::replace(&out.join(FILE), &text)
    }

    /// From here on, until one is saved, nothing is known.
    pub(super) fn forget(out: &Path) -> Result<()> {
        match std::fs::remove_file(out.join(FILE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).doing("remove", out.join(FILE))
            }
            _ => Ok(()),
        }
    }
}

fn inputs(request: &ConfigureRequest) -> Digest {
    let (base, text) = match &request.base {
        // Of an existing `.config`, the result is the next base: that it is unchanged is checked for every base.
        Base::Minimal => ("minimal", Vec::new()),
        Base::Defconfig => ("defconfig", Vec::new()),
        Base::Existing => ("existing", Vec::new()),
        Base::File(path) => ("file", std::fs::read(path).unwrap_or_default()),
    };
    let asked = |key: Key, request: &Request| {
        let line = request.origin.line.map(|line| line.to_string()).unwrap_or_default();
        let value = String::from(request.value.clone());
        key.list(["symbol", &request.symbol, &value, &request.origin.label, &line])
    };
    let key = Key::new("kconfig's inputs").field(base).field(text);
    let key = request.sources.iter().fold(key, |key, source| match source {
        Source::Fragment(fragment) => {
            let by = if fragment.by == Asker::User { "the user's fragment" } else { "fragment" };
            key.list([by, &fragment.label, &fragment.text])
        }
        Source::Symbol(request) => asked(key, request),
    });
    let key = request.required.iter().fold(key.field("required"), asked);
    let strict = if request.strict { "strict" } else { "" };
    let environment = request.environment.kept.iter().flat_map(|(name, value)| [name, value]);
    key.field(strict)
        .list(&request.make_variables)
        .list(environment)
        .field(request.tree.as_os_str().as_bytes())
        .list(tools(&request.make_variables))
        .digest()
}

/// What the compiler and the linker say that they are, and the state of the optional tools that Kconfig probes.
fn tools(variables: &[String]) -> Vec<String> {
    let given = |name: &str| {
        variables
            .iter()
            .rev()
            .find_map(|variable| variable.strip_prefix(name)?.strip_prefix('='))
            .map(str::to_owned)
    };
    let cross = given("CROSS_COMPILE").unwrap_or_default();
    let (cc, ld) = match given("LLVM").as_deref() {
        None | Some("" | "0") => (format!("{cross}gcc"), format!("{cross}ld")),
        Some(suffix) if suffix.starts_with('-') => (format!("clang{suffix}"), format!("ld.lld{suffix}")),
        Some(dir) if dir.ends_with('/') => (format!("{dir}clang"), format!("{dir}ld.lld")),
        Some(_) => ("clang".to_owned(), "ld.lld".to_owned()),
    };
    let mut tools = Vec::new();
    for command in [given("CC").unwrap_or(cc), given("LD").unwrap_or(ld)] {
        let mut words = shlex::split(&command).unwrap_or_default().into_iter();
        let said = words.next().map(|program| Cmd::new(program).args(words).arg("--version").read());
        tools.push(said.and_then(Result::ok).unwrap_or_default());
    }
    for (variable, default) in [("RUSTC", "rustc"), ("BINDGEN", "bindgen"), ("PAHOLE", "pahole")] {
        let found = find(&given(variable).unwrap_or_else(|| default.to_owned()));
        tools.push(found.map(|tool| identity(&tool.path)).unwrap_or_default());
    }
    tools
}

fn tree_state(request: &ConfigureRequest, files: &[PathBuf]) -> Digest {
    let srcarch = Architecture::of_build(request.make_variables.iter().map(String::as_str)).srcarch;
    let arch = Path::new("arch").join(srcarch);
    let mut paths: Vec<PathBuf> = files.to_vec();
    paths.push("Makefile".into());
    paths.push(arch.join("Makefile"));
    let dirs = [
        "scripts".into(),
        "scripts/kconfig".into(),
        arch.join("configs"),
        arch.join("tools"),
        "kernel/configs".into(),
    ];
    for dir in dirs {
        let entries = std::fs::read_dir(request.tree.join(&dir)).into_iter().flatten().flatten();
        let mut names: Vec<PathBuf> = entries.map(|entry| dir.join(entry.file_name())).collect();
        names.sort();
        paths.append(&mut names);
    }
    let of_one = |key: Key, path: &PathBuf| {
        let state = state(&request.tree.join(path));
        key.field(path.as_os_str().as_bytes()).list(state.into_iter().flatten().map(i64::to_le_bytes))
    };
    paths.iter().fold(Key::new("kconfig's files"), of_one).digest()
}

/// What changes when a file does: size, modification and change time in seconds and nanoseconds. `None` without it, or
/// for a directory, whose entries count and not itself.
fn state(path: &Path) -> Option<[i64; 5]> {
    let data = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some([data.size().cast_signed(), data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()])
}
