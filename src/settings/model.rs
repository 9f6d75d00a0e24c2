//! What the rest of vmptcp sees: the values in effect, typed. Their meaning is documented in `default.toml`.

use super::values::{
    Accelerator, AfterSplat, Auto, Base, BootSplat, Ccache, Filesystem, Size, Slow, Variant, auto_seconds,
    empty_is_none, zero_is_none,
};
use crate::suite::sample::Declared;
use crate::topology::Topology;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// Every setting. All paths are absolute.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// `[kernel]`: what is built, and how.
    pub kernel: Kernel,
    /// `[source]`: where a kernel tree comes from.
    pub source: Source,
    /// `[vm]`: the guests.
    pub vm: Vm,
    /// `[test]`: what runs in them.
    pub test: Test,
    /// `[results]`: what is kept.
    pub results: Results,
    /// `[profile.NAME]`: named lists of tests.
    pub profile: BTreeMap<String, Profile>,
    /// `[topology.NAME]`: networks for programs to run in.
    pub topology: BTreeMap<String, Topology>,
    /// `[[sample]]`: programs to run in them.
    #[serde(default)]
    pub sample: Vec<Declared>,
}

/// `[kernel]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent switches of the user's")]
pub struct Kernel {
    /// The kernel tree, if one is configured.
    #[serde(deserialize_with = "empty_is_none")]
    pub tree: Option<PathBuf>,
    /// Where everything is built and written, if not in the tree's `.vmptcp`.
    #[serde(deserialize_with = "empty_is_none")]
    pub work_dir: Option<PathBuf>,
    /// What the configuration starts from.
    pub base: Base,
    /// The kind of kernel.
    pub variant: Variant,
    /// Measure coverage.
    pub gcov: bool,
    /// Build with LLVM.
    pub clang: bool,
    /// User-mode Linux.
    pub uml: bool,
    /// Files with symbols, in order.
    pub fragments: Vec<PathBuf>,
    /// `NAME=value` each, without `CONFIG_` or with it, in order; they come after the fragments.
    pub symbols: Vec<String>,
    /// Every symbol that does not take is an error.
    pub strict: bool,
    /// Parallel compilations; none: one for each core.
    #[serde(deserialize_with = "zero_is_none")]
    pub jobs: Option<NonZeroU32>,
    /// When to compile through ccache.
    pub ccache: Ccache,
}

/// `[source]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Source {
    /// A git repository. Never starts with a dash.
    pub url: String,
    /// Its branch. Never starts with a dash.
    pub branch: String,
}

/// `[vm]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Vm {
    /// What the guest's CPU runs on.
    pub accelerator: Accelerator,
    /// How many guests run tests side by side; none: as many as the host carries.
    #[serde(deserialize_with = "zero_is_none")]
    pub count: Option<NonZeroU32>,
    /// Virtual CPUs of each; none: chosen from the host's.
    #[serde(deserialize_with = "zero_is_none")]
    pub cpus: Option<NonZeroU32>,
    /// Memory of the guest.
    pub memory: Auto<Size>,
    /// How long a guest may take until it answers; never zero.
    #[serde(deserialize_with = "auto_seconds")]
    pub boot_timeout: Auto<Duration>,
    /// So many guests in a row are booted until one comes up without a splat.
    pub boots: NonZeroU32,
    /// What a splat during boot means.
    pub boot_splat: BootSplat,
    /// What becomes of a guest whose kernel printed a splat.
    pub after_splat: AfterSplat,
    /// Boot without udev and systemd-tmpfiles.
    pub lean: bool,
    /// How guests see the host's files.
    pub filesystem: Filesystem,
    /// The guest's root file system.
    pub root: PathBuf,
    /// Directories of the host that the guest may write to.
    pub rw: Vec<PathBuf>,
    /// More parameters for the kernel.
    pub append: Vec<String>,
    /// More arguments for QEMU.
    pub qemu_args: Vec<String>,
}

/// `[test]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent switches of the user's")]
pub struct Test {
    /// The profile that runs when no test is named. That it exists is for [`Loaded::profile`](super::Loaded::profile)
    /// to say.
    pub profile: String,
    /// How long one test may take; never zero.
    #[serde(deserialize_with = "auto_seconds")]
    pub timeout: Auto<Duration>,
    /// `KSFT_MACHINE_SLOW`.
    pub slow: Slow,
    /// Stop at the first test that fails.
    pub fail_fast: bool,
    /// How many times each test runs.
    pub repeat: NonZeroU32,
    /// Split long tests over the guests.
    pub shards: bool,
    /// Every test gets a guest of its own.
    pub fresh_vm: bool,
    /// How many more times a failed test is run, to tell a flake from a failure.
    pub confirm: u32,
    /// Repeat the tests until one fails.
    pub until_fail: bool,
    /// Keep the host busy meanwhile.
    pub stress: bool,
    /// Environment variables of the tests.
    pub env: BTreeMap<String, String>,
    /// A failure that the test itself marks as flaky does not count.
    pub ignore_flaky: bool,
    /// What is skipped fails.
    pub all_features: bool,
}

/// `[results]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Results {
    /// Where runs are kept, if not in the work directory's `runs`.
    #[serde(deserialize_with = "empty_is_none")]
    pub dir: Option<PathBuf>,
    /// How many runs of each kind are kept; none: all.
    #[serde(deserialize_with = "zero_is_none")]
    pub keep: Option<NonZeroU32>,
    /// For how many days; none: for ever.
    #[serde(deserialize_with = "zero_is_none")]
    pub keep_days: Option<NonZeroU32>,
}

/// `[profile.NAME]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Profile {
    /// For people; may be empty.
    #[serde(default)]
    pub description: String,
    /// Patterns, at least one, as `vmptcp test` takes them.
    pub tests: Vec<String>,
}
