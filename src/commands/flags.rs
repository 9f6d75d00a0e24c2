//! Groups of flags that several commands share.

use super::fragments::read_fragment;
use super::overrides::{Overrides, typed};
use crate::error::{Error, Result};
use crate::kernel::kconfig::{Request, Source, Value};
use crate::settings::Override;
use clap::{Arg, ArgAction, ArgMatches};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Flags on the kernel and its build.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Kernel")]
#[allow(clippy::struct_excessive_bools, reason = "they are independent switches of the user's")]
pub struct KernelFlags {
    /// What the configuration starts from: minimal, defconfig, existing, or a file with a slash in its path
    #[arg(long, value_name = "BASE")]
    base: Option<String>,
    /// The kernel to build: normal, debug or btf
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
    /// Count which lines of the kernel run
    #[arg(long)]
    gcov: bool,
    /// Build with LLVM
    #[arg(long)]
    clang: bool,
    /// User-mode Linux: the kernel is a process of the host, and needs no KVM
    #[arg(long)]
    uml: bool,
    /// Make every symbol that did not take an error
    #[arg(long)]
    strict: bool,
    /// How many jobs make may run at once [default: one a core]
    #[arg(long, short, value_name = "N")]
    jobs: Option<u32>,
    /// Compile through ccache: auto, always or never
    #[arg(long, value_name = "WHEN")]
    ccache: Option<String>,
}

impl KernelFlags {
    /// The settings that they override.
    pub fn overrides(&self) -> Overrides {
        Overrides::default()
            .value("kernel.base", "--base", self.base.as_ref())
            .value("kernel.variant", "--variant", self.variant.as_ref())
            .switch("kernel.gcov", "--gcov", self.gcov)
            .switch("kernel.clang", "--clang", self.clang)
            .switch("kernel.uml", "--uml", self.uml)
            .switch("kernel.strict", "--strict", self.strict)
            .value("kernel.jobs", "--jobs", self.jobs.as_ref())
            .value("kernel.ccache", "--ccache", self.ccache.as_ref())
    }
}

/// The flags that ask for symbols, in the order in which they were given: the last one for a symbol wins.
#[derive(Debug, Clone, Default)]
pub struct Asked(Vec<(AskedFlag, String)>);

impl Asked {
    /// What they ask for.
    pub fn sources(&self) -> Result<Vec<Source>> {
        self.0.iter().map(|(flag, text)| flag.source(text)).collect()
    }
}

#[derive(Debug, Clone, Copy)]
enum AskedFlag {
    Fragment,
    Enable,
    Disable,
    Module,
    Set,
}

impl AskedFlag {
    const ALL: [Self; 5] = [Self::Fragment, Self::Enable, Self::Disable, Self::Module, Self::Set];

    fn id(self) -> &'static str {
        match self {
            Self::Fragment => "fragment",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Module => "module",
            Self::Set => "set",
        }
    }

    fn arg(self) -> Arg {
        let arg = Arg::new(self.id()).long(self.id()).action(ArgAction::Append).help_heading("Kernel");
        match self {
            Self::Fragment => arg.value_name("FILE").help(
                "Ask for the symbols in this file, or in a fragment of vmptcp's own: tracing, debuginfo, …",
            ),
            Self::Enable => arg.short('e').value_name("SYM").help("Ask for a symbol, built in"),
            Self::Disable => arg.short('d').value_name("SYM").help("Ask for a symbol to be off"),
            Self::Module => arg.short('m').value_name("SYM").help("Ask for a symbol, as a module"),
            Self::Set => arg.value_name("SYM=VAL").help("Ask for a symbol with this value"),
        }
    }

    fn source(self, text: &str) -> Result<Source> {
        Ok(Source::Symbol(match self {
            Self::Fragment => return read_fragment(Path::new(text)).map(Source::Fragment),
            Self::Enable => Request::from_flag("-e", text, Value::Yes)?,
            Self::Disable => Request::from_flag("-d", text, Value::No)?,
            Self::Module => Request::from_flag("-m", text, Value::Module)?,
            Self::Set => Request::from_assignment("--set", text)?,
        }))
    }
}

impl clap::Args for Asked {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.args(AskedFlag::ALL.map(AskedFlag::arg))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Asked {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut found = Vec::new();
        for flag in AskedFlag::ALL {
            let indices = matches.indices_of(flag.id()).into_iter().flatten();
            let values = matches.get_many::<String>(flag.id()).into_iter().flatten();
            found.extend(indices.zip(values).map(|(index, value)| (index, flag, value.clone())));
        }
        found.sort_by_key(|(index, ..)| *index);
        Ok(Self(found.into_iter().map(|(_, flag, value)| (flag, value)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Flags on the guest.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Guest")]
pub struct VmFlags {
    /// What runs the guest: auto, kvm or tcg
    #[arg(long, value_name = "ACCEL")]
    accelerator: Option<String>,
    /// Virtual CPUs of each guest [default: chosen from the host's cores]
    #[arg(long, value_name = "N", visible_alias = "cpus-per-vm")]
    cpus: Option<u32>,
    /// Memory of each guest, such as 1G
    #[arg(long, value_name = "SIZE", visible_alias = "memory-per-vm")]
    memory: Option<String>,
    /// How long the guest may take to come up, in seconds
    #[arg(long, value_name = "SECONDS")]
    boot_timeout: Option<String>,
    /// Let the guest write to this directory of the host
    #[arg(long, value_name = "DIR")]
    rw: Vec<PathBuf>,
    /// A further parameter of the kernel
    #[arg(long, value_name = "PARAMETER", allow_hyphen_values = true)]
    append: Vec<String>,
    /// A further argument of QEMU
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    qemu_arg: Vec<String>,
}

impl VmFlags {
    /// The settings that they override.
    pub fn overrides(&self) -> Overrides {
        let rw: Vec<String> = self.rw.iter().map(|dir| dir.display().to_string()).collect();
        Overrides::default()
            .value("vm.accelerator", "--accelerator", self.accelerator.as_ref())
            .value("vm.cpus", "--cpus", self.cpus.as_ref())
            .value("vm.memory", "--memory", self.memory.as_ref())
            .value("vm.boot-timeout", "--boot-timeout", self.boot_timeout.as_ref())
            .list("vm.rw", "--rw", &rw)
            .list("vm.append", "--append", &self.append)
            .list("vm.qemu-args", "--qemu-arg", &self.qemu_arg)
    }
}

/// Flags on tests.
#[derive(Debug, Clone, Default, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent flags")]
#[command(next_help_heading = "Tests")]
pub struct TestFlags {
    /// Which tests: smoke, full, or one of the settings
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Start nothing more after the first test that fails
    #[arg(long)]
    fail_fast: bool,
    /// Run every test this many times
    #[arg(long, value_name = "N")]
    repeat: Option<u32>,
    /// How many guests run tests side by side [default: as many as the host carries]
    #[arg(long, value_name = "N|auto", value_parser = count)]
    vms: Option<u32>,
    /// Give every test a guest of its own
    #[arg(long)]
    fresh_vm: bool,
    /// Run no test in parts
    #[arg(long)]
    no_shards: bool,
    /// Run a failed test again, alone, up to so many times: is it a flake?
    #[arg(long, value_name = "N")]
    confirm: Option<u32>,
    /// Repeat the tests until one fails
    #[arg(long)]
    until_fail: bool,
    /// Keep the host busy meanwhile
    #[arg(long)]
    stress: bool,
    /// Fail what is skipped: nothing may be missing
    #[arg(long)]
    all_features: bool,
    /// A variable for the tests
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// How long one test may take, in seconds [default: the suite's limit, scaled for slow machines]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<String>,
    /// Tell the tests that the machine is slow: auto, yes or no
    #[arg(long, value_name = "WHEN")]
    slow: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl TestFlags {
    /// The settings that they override.
    pub fn overrides(&self) -> Result<Overrides> {
        let mut overrides = Overrides::default()
            .value("test.profile", "--profile", self.profile.as_ref())
            .switch("test.fail-fast", "--fail-fast", self.fail_fast)
            .value("test.repeat", "--repeat", self.repeat.as_ref())
            .value("vm.count", "--vms", self.vms.as_ref())
            .switch("test.fresh-vm", "--fresh-vm", self.fresh_vm)
            .value("test.confirm", "--confirm", self.confirm.as_ref())
            .switch("test.until-fail", "--until-fail", self.until_fail)
            .switch("test.stress", "--stress", self.stress)
            .switch("test.all-features", "--all-features", self.all_features)
            .value("test.timeout", "--timeout", self.timeout.as_ref())
            .value("test.slow", "--slow", self.slow.as_ref());
        if self.no_shards {
            let flag = "--no-shards".to_owned();
            overrides = overrides.with(Override { key: "test.shards", value: false.into(), flag });
        }
        for variable in &self.env {
            let table = BTreeMap::from([variable_of(variable)?]);
            let flag = typed("--env", variable);
            overrides = overrides.with(Override { key: "test.env", value: table.into(), flag });
        }
        Ok(overrides)
    }
}

/// The flags of a build: of what kernel, and with what symbols.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct BuildFlags {
    #[command(flatten)]
    kernel: KernelFlags,
    #[command(flatten)]
    asked: Asked,
}

impl BuildFlags {
    /// The settings that they override.
    pub fn overrides(&self) -> Overrides {
        self.kernel.overrides()
    }

    /// The symbols that they ask for.
    pub fn sources(&self) -> Result<Vec<Source>> {
        self.asked.sources()
    }
}

/// The flags of a guest and of the kernel in it.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct GuestFlags {
    #[command(flatten)]
    vm: VmFlags,
    #[command(flatten)]
    build: BuildFlags,
}

impl GuestFlags {
    /// The settings that they override.
    pub fn overrides(&self) -> Overrides {
        self.vm.overrides().and(self.build.overrides())
    }

    /// The symbols that they ask for.
    pub fn sources(&self) -> Result<Vec<Source>> {
        self.build.sources()
    }
}

/// The flags of a whole run.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RunFlags {
    /// On tests.
    #[command(flatten)]
    pub tests: TestFlags,
    /// On the kernel.
    #[command(flatten)]
    pub kernel: KernelFlags,
    /// On guests.
    #[command(flatten)]
    vm: VmFlags,
}

impl RunFlags {
    /// The settings that they override.
    pub fn overrides(&self) -> Result<Overrides> {
        Ok(self.tests.overrides()?.and(self.kernel.overrides()).and(self.vm.overrides()))
    }
}

/// How many, or `auto`.
fn count(text: &str) -> Result<u32, String> {
    match text {
        "auto" => Ok(0),
        _ => text
            .parse()
            .ok()
            .filter(|&count| count > 0)
            .ok_or_else(|| "give a number above 0, or auto".to_owned()),
    }
}

/// Name and value of a variable, as `--env` is given it.
pub fn variable_of(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Error::usage(format!("--env {text}: not of the form NAME=VALUE"))
            .hint("for example: --env SELFTESTS_MPTCP_LIB_NO_KVERSION_CHECK=1")),
    }
}
