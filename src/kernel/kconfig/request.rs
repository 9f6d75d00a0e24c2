//! A configuration as it is wanted, as data.

use crate::kernel::environment::MakeEnvironment;
use kconfig::{Fragment, Request};
use std::path::PathBuf;

/// What the requests are put on top of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Everything off that can be (`allnoconfig`).
    Minimal,
    /// The architecture's default (`defconfig`).
    Defconfig,
    /// The `.config` that is in the build directory.
    Existing,
    /// A `.config` somewhere else.
    File(PathBuf),
}

/// Something that asks for symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A fragment.
    Fragment(Fragment),
    /// One symbol, from the command line.
    Symbol(Request),
}

/// A configuration as it is wanted.
#[derive(Debug, Clone)]
pub struct ConfigureRequest {
    /// The kernel tree. It is only read.
    pub tree: PathBuf,
    /// The build directory (`O=`). It is created if need be.
    pub out: PathBuf,
    /// A directory of ours for what outlives a build: see [`Alias`].
    pub cache: PathBuf,
    /// What the requests are put on top of.
    pub base: Base,
    /// What is asked for, in order: the last one for a symbol wins.
    pub sources: Vec<Source>,
    /// What must take, whatever else is asked for these symbols.
    pub required: Vec<Request>,
    /// Variables for make's command line, as in `LLVM=1`.
    pub make_variables: Vec<String>,
    /// What make gets of the environment.
    pub environment: MakeEnvironment,
    /// Makes errors of warnings.
    pub strict: bool,
}
