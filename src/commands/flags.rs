//! Groups of flags that several commands share.

use super::fragments::read_fragment;
use super::overrides::{KernelFlags, Overrides, TestSettings, VmFlags};
use crate::error::Result;
use crate::kernel::kconfig::{Request, Source, Value, malformed};
use crate::settings::Variant;
use clap::{Arg, ArgAction, ArgMatches};
use std::path::Path;

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
        let request = match self {
            Self::Fragment => return read_fragment(Path::new(text)).map(Source::Fragment),
            Self::Enable => Request::from_flag("-e", text, Value::Yes),
            Self::Disable => Request::from_flag("-d", text, Value::No),
            Self::Module => Request::from_flag("-m", text, Value::Module),
            Self::Set => Request::from_assignment("--set", text),
        };
        request.map(Source::Symbol).map_err(malformed)
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

/// Flags on tests.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Tests")]
pub struct TestFlags {
    #[command(flatten)]
    settings: TestSettings,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl TestFlags {
    /// The settings that they override.
    pub fn overrides(&self) -> Result<Overrides> {
        self.settings.overrides()
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
    pub fn overrides(&self) -> Result<Overrides> {
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
    pub fn overrides(&self) -> Result<Overrides> {
        Ok(self.vm.overrides()?.and(self.build.overrides()?))
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
        Ok(self.tests.overrides()?.and(self.kernel.overrides()?).and(self.vm.overrides()?))
    }

    /// The same for each variant that they name.
    pub fn of_each_variant(&self) -> Result<Vec<Overrides>> {
        Ok(self.overrides()?.each("kernel.variant", Variant::WORDS))
    }
}
