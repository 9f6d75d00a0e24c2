//! The habits of mptcp-upstream-virtme-docker: a command line that begins with one of its modes becomes one of ours.
//!
//! Its variables, `INPUT_*`, count behind a mode only: behind a command of ours they would be a second set of settings.

mod table;

use crate::error::{Error, Result};
use crate::process::Cmd;
use crate::settings::Environment;
use clap::Command;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use table::{ELSEWHERE, INPUTS, Input, MODES, Mode, VARIANTS};

/// The command that lists them, hidden: `vmptcp help incumbent`.
pub const NAME: &str = "incumbent";

/// A command line of ours, and what to report about how it came to be.
#[derive(Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// Its words, without the name of the program.
    pub words: Vec<OsString>,
    /// The new spelling of each old one.
    pub notes: Vec<String>,
}

/// What a command line means whose first word is one of the modes; `None` if it is not. Without any word the mode is
/// that of `INPUT_MODE`. Fails, with what to run, for a mode that has no command here.
pub fn rewrite(words: &[OsString], environment: &Environment, cli: &Command) -> Result<Option<Rewritten>> {
    let from_input = || environment.variables().find(|(name, _)| *name == "INPUT_MODE").map(|(_, mode)| mode);
    let Some(first) = words.first().map(OsString::as_os_str).or_else(from_input) else { return Ok(None) };
    let Some(name) = first.to_str() else { return Ok(None) };
    if let Some((_, instead)) = ELSEWHERE.iter().find(|(names, _)| names.contains(&name)) {
        return Err(Error::usage(format!("no command here for the mode {name}")).hint(*instead));
    }
    let rest = words.get(1..).unwrap_or_default();
    let kind = rest.first().and_then(|word| variant(word));
    // Of the same name as a command of ours: a mode only where what follows is a word of theirs.
    let is_ours = cli.find_subcommand(name).is_some();
    let Some(mode) =
        MODES.iter().find(|mode| mode.names.contains(&name)).filter(|_| !is_ours || kind.is_some())
    else {
        return Ok(None);
    };
    Ok(Some(translate(mode, name, rest, environment, cli)))
}

/// The command line for a mode, what follows it, and the variables.
fn translate(
    mode: &Mode,
    name: &str,
    rest: &[OsString],
    environment: &Environment,
    cli: &Command,
) -> Rewritten {
    let mut words: Vec<OsString> = mode.words.split(' ').map(OsString::from).collect();
    let flags = Flags { cli, sub: words[0].clone() };
    let kind = rest.first().filter(|_| mode.variant).and_then(|word| variant(word));
    words.extend(kind.unwrap_or_default().split_whitespace().map(OsString::from));
    let mut notes = Vec::new();
    for (told, value, meaning) in inputs(environment) {
        let added = meaning.words(value, &flags);
        if let Input::Instead(text) = meaning {
            notes.push(format!("{told} is not read: {text}"));
        } else if !added.is_empty() {
            notes.push(format!("{told} is now: {}", line(&added)));
            words.extend(added);
        }
    }
    // Tests that are named take the place of a profile.
    let named = environment.variables().any(|(name, _)| name == "INPUT_RUN_TESTS_ONLY");
    if let Some(at) = words.iter().position(|word| word == "--profile").filter(|_| named) {
        words.drain(at..at + 2);
    }
    words.extend(kconfig(&rest[usize::from(kind.is_some())..], &flags));
    let command = Cmd::new("vmptcp").args(&words);
    notes.push(format!("{name} is now: {command}"));
    Rewritten { words, notes }
}

/// The variables of theirs that are set: as they are set, the value, and what it means.
fn inputs(environment: &Environment) -> impl Iterator<Item = (String, &OsStr, &'static Input)> {
    environment.variables().filter_map(|(name, value)| {
        let short = name.to_str()?.strip_prefix("INPUT_")?;
        let (_, meaning) = INPUTS.iter().find(|(known, _)| *known == short)?;
        Some((format!("INPUT_{short}={}", value.to_string_lossy()), value, meaning))
    })
}

/// The flags for one of their variants.
fn variant(word: &OsStr) -> Option<&'static str> {
    VARIANTS.iter().find(|(names, _)| names.iter().any(|name| word == *name)).map(|(_, flags)| *flags)
}

fn line(words: &[OsString]) -> String {
    let line = words.split_first().map(|(first, rest)| Cmd::new(first).args(rest).to_string());
    line.unwrap_or_default()
}

/// The flags of a command of ours.
struct Flags<'a> {
    cli: &'a Command,
    sub: OsString,
}

impl Flags<'_> {
    /// Whether this flag takes a value; `None` if there is no such flag.
    fn takes_value(&self, word: &str) -> Option<bool> {
        let sub = self.cli.find_subcommand(&self.sub);
        let mut all = sub.into_iter().flat_map(Command::get_arguments).chain(self.cli.get_arguments());
        let found = match word.strip_prefix("--") {
            Some(long) => {
                all.find(|arg| arg.get_long_and_visible_aliases().is_some_and(|all| all.contains(&long)))
            }
            None => all.find(|arg| {
                arg.get_short()
                    .is_some_and(|short| word.strip_prefix('-') == Some(short.encode_utf8(&mut [0; 4])))
            }),
        };
        found.map(|arg| arg.get_action().takes_values())
    }
}

impl Input {
    /// What a value of the variable is on the command line; nothing where it means nothing to the command.
    fn words(&self, value: &OsStr, flags: &Flags<'_>) -> Vec<OsString> {
        let has = |flag: &str| flags.takes_value(flag).is_some();
        let tests = || value.to_string_lossy().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        match self {
            Self::Flag(flag) if has(flag) => vec![flag.into(), value.to_owned()],
            Self::Switch(flag) if has(flag) && value == "1" => vec![flag.into()],
            Self::Only if flags.sub == "test" => tests().into_iter().map(OsString::from).collect(),
            Self::Except if flags.sub == "test" => {
                tests().into_iter().flat_map(|test| ["--except".into(), test.into()]).collect()
            }
            Self::Flag(_) | Self::Switch(_) | Self::Only | Self::Except | Self::Instead(_) => Vec::new(),
        }
    }
}

/// What stands behind a mode: arguments for the kernel's `scripts/config`, files of symbols, and flags of ours.
fn kconfig(words: &[OsString], flags: &Flags<'_>) -> Vec<OsString> {
    let mut done = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        let mut next = || words.next().cloned().unwrap_or_default();
        match text.as_ref() {
            "--" => {
                done.push(word.clone());
                done.extend(words.by_ref().cloned());
            }
            "--set-val" | "--set-str" => {
                let quote = if text == "--set-str" { "\"" } else { "" };
                let mut set = next();
                set.push("=");
                set.push(quote);
                set.push(next());
                set.push(quote);
                done.extend(["--set".into(), set]);
            }
            "-u" | "--undefine" => done.extend(["--disable".into(), next()]),
            flag if flag.starts_with('-') => {
                done.push(word.clone());
                if flags.takes_value(flag) == Some(true) {
                    done.extend(words.next().cloned());
                }
            }
            _ if flags.takes_value("--fragment").is_some() => {
                done.extend(["--fragment".into(), word.clone()]);
            }
            _ => done.push(word.clone()),
        }
    }
    done
}

/// All modes and variables, each with its new spelling.
pub fn page() -> String {
    let mut page = String::from("Modes:\n");
    for mode in MODES {
        let kind = if mode.variant { " [VARIANT]" } else { "" };
        let _ = writeln!(page, "  {}{kind}\n      vmptcp {}", mode.names.join(", "), mode.words);
    }
    for (names, instead) in ELSEWHERE {
        let _ = writeln!(page, "  {}\n      no command: {instead}", names.join(", "));
    }
    page.push_str("\nVARIANT:\n");
    for (names, flags) in VARIANTS {
        let flags = if flags.is_empty() { "no flag" } else { flags };
        let _ = writeln!(page, "  {:<16} {flags}", names.join(", "));
    }
    page.push_str("\nBehind a mode:\n  -e SYM, -d SYM, -m SYM          the same\n");
    page.push_str("  --set-val SYM VAL, --set-str    --set SYM=VAL, --set 'SYM=\"VAL\"'\n");
    page.push_str("  -u SYM                          -d SYM\n");
    page.push_str("  FILE                            --fragment FILE\n\nVariables, read behind a mode:\n");
    for (name, input) in INPUTS {
        let meaning = match input {
            Input::Flag(flag) => format!("{flag} VALUE"),
            Input::Switch(flag) => format!("{flag}, where it is 1"),
            Input::Only => "the tests' names, in place of --profile full".to_owned(),
            Input::Except => "--except TEST, for each".to_owned(),
            Input::Instead(text) => format!("not read: {text}"),
        };
        let _ = writeln!(page, "  INPUT_{name}\n      {meaning}");
    }
    page.push_str("\nFiles, exit codes and results: docs/migration.md.");
    page
}

#[cfg(test)]
mod tests;
