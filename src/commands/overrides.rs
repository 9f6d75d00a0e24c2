//! The flags that override settings: as the settings declare them.

use crate::error::{Error, Result};
use crate::process::quote;
use crate::settings::{Flag, Group, Override, Takes, flags};
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches};
use std::collections::BTreeMap;
use std::ffi::OsStr;

/// Overrides of settings.
#[derive(Debug, Default)]
pub struct Overrides(Vec<Override>);

impl Overrides {
    /// One setting, which a flag of the whole command line overrides.
    pub fn of(key: &'static str, flag: &str, value: &str) -> Self {
        Self(vec![Override { key, flag: format!("{flag} {}", quote(value)), value: value.into() }])
    }

    /// All of these and all of those.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The same with one value each, where a flag gave several to this setting, with commas between them; `all` is what the
    /// word stands for.
    #[must_use]
    pub fn each(self, key: &str, all: &[&str]) -> Vec<Self> {
        let several = self.0.iter().rposition(|given| given.key == key).and_then(|at| {
            let value = self.0[at].value.as_str()?;
            let values: Vec<&str> = if value == "all" { all.to_vec() } else { value.split(',').collect() };
            (values.len() > 1).then(|| (at, values.into_iter().map(str::to_owned).collect::<Vec<_>>()))
        });
        let Some((at, values)) = several else { return vec![self] };
        let with = |value: String| {
            let mut given = self.0.clone();
            given[at].value = value.trim().into();
            Self(given)
        };
        values.into_iter().map(with).collect()
    }

    /// The flags, as they were typed.
    pub fn typed(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|given| given.flag.as_str())
    }

    /// The overrides.
    pub fn into_vec(self) -> Vec<Override> {
        self.0
    }
}

/// What was given on a command line: keys, their flags, and the values.
type Given = Vec<(&'static str, Flag, Vec<String>)>;

/// A group of flags as clap sees it.
macro_rules! group {
    ($(#[$meta:meta])* $name:ident, $group:expr, $heading:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default)]
        pub struct $name(Given);

        impl $name {
            /// The settings that they override.
            pub fn overrides(&self) -> Result<Overrides> {
                overrides(&self.0)
            }
        }

        impl clap::Args for $name {
            fn augment_args(command: clap::Command) -> clap::Command {
                command.args(flags($group).map(|(key, flag)| arg(key, &flag).help_heading($heading)))
            }

            fn augment_args_for_update(command: clap::Command) -> clap::Command {
                Self::augment_args(command)
            }
        }

        impl clap::FromArgMatches for $name {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self(given($group, matches)))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }
    };
}

group! {
    /// Flags on the kernel and its build.
    KernelFlags, Group::Kernel, "Kernel"
}

group! {
    /// Flags on the guest.
    VmFlags, Group::Guest, "Guest"
}

group! {
    /// Flags on tests that override settings.
    TestSettings, Group::Tests, "Tests"
}

fn arg(key: &'static str, flag: &Flag) -> Arg {
    let arg = Arg::new(key).long(flag.long).help(flag.help).action(match flag.takes {
        Takes::Nothing(_) => ArgAction::SetTrue,
        Takes::Value | Takes::Count => ArgAction::Set,
        Takes::List | Takes::Pairs => ArgAction::Append,
    });
    let arg = if flag.value_name.is_empty() { arg } else { arg.value_name(flag.value_name) };
    let arg = match flag.takes {
        Takes::Count => arg.value_parser(count),
        Takes::Value if !flag.words.is_empty() => arg.value_parser(Words(flag.words)),
        Takes::List if !flag.words.is_empty() => arg.value_parser(Words(flag.words)).value_delimiter(','),
        // What is handed on to another program may begin with a dash.
        Takes::List => arg.allow_hyphen_values(true),
        Takes::Nothing(_) | Takes::Value | Takes::Pairs => arg,
    };
    let arg = match flag.short {
        Some(short) => arg.short(short),
        None => arg,
    };
    match flag.alias {
        Some(alias) => arg.visible_alias(alias),
        None => arg,
    }
}

fn given(group: Group, matches: &ArgMatches) -> Given {
    let values = |(key, flag): (&'static str, Flag)| {
        let values = match flag.takes {
            Takes::Nothing(_) => matches.get_flag(key).then(Vec::new)?,
            _ => matches.get_many::<String>(key)?.cloned().collect(),
        };
        Some((key, flag, values))
    };
    flags(group).filter_map(values).collect()
}

fn overrides(given: &Given) -> Result<Overrides> {
    let mut all = Vec::new();
    for (key, flag, values) in given {
        let typed = |value: &String| format!("--{} {}", flag.long, quote(value));
        let flags = || values.iter().map(typed).collect::<Vec<_>>().join(" ");
        let one = |flag, value| Override { key, value, flag };
        match flag.takes {
            Takes::Nothing(value) => all.push(one(format!("--{}", flag.long), value.into())),
            Takes::Value | Takes::Count => all.push(one(flags(), values.concat().into())),
            Takes::List => all.push(one(flags(), values.clone().into())),
            Takes::Pairs => {
                for value in values {
                    all.push(one(typed(value), BTreeMap::from([variable_of(value)?]).into()));
                }
            }
        }
    }
    Ok(Overrides(all))
}

/// Takes any text, and lets the help and shells know the words that there are. The settings judge it: where several may stand,
/// and where the value comes from.
#[derive(Debug, Clone, Copy)]
struct Words(&'static [(&'static str, &'static str)]);

impl TypedValueParser for Words {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let value = |(word, meaning): &(&'static str, &'static str)| {
            PossibleValue::new(*word).help(meaning.trim().trim_end_matches('.'))
        };
        Some(Box::new(self.0.iter().map(value)))
    }
}

/// How many, or `auto`.
fn count(text: &str) -> Result<String, String> {
    match text {
        "auto" => Ok("0".to_owned()),
        _ if text.parse().is_ok_and(|count: u32| count > 0) => Ok(text.to_owned()),
        _ => Err("give a number above 0, or auto".to_owned()),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn values(given: &str) -> Vec<String> {
        let flags = Overrides::of("kernel.uml", "--uml", "true");
        let flags = flags.and(Overrides::of("kernel.variant", "--variant", given));
        let each = flags.each("kernel.variant", &["normal", "debug"]);
        each.iter().map(|flags| flags.0[1].value.as_str().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn several_values_are_as_many_command_lines() {
        assert_eq!(values("debug"), ["debug"]);
        assert_eq!(values("normal, debug"), ["normal", "debug"]);
        assert_eq!(values("all"), ["normal", "debug"]);
        assert_eq!(values("normal,"), ["normal", ""], "the settings say what is wrong with it");
        assert_eq!(Overrides::default().each("kernel.variant", &[]).len(), 1);
    }
}
