//! What a shell completes where flags and commands end: names that only the tree, its runs and this machine know.
//!
//! A shell asks while somebody types. So what cannot be found out is no error here, but nothing to offer.

use crate::commands::names;
use clap::Command;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use std::ffi::OsStr;

/// Returns names, each with a line about it, or with none.
type Names = fn() -> Vec<(String, String)>;

/// The command, its argument, and the names that it takes.
const TAKES: [(&str, &str, Names); 28] = [
    ("test", "filters", names::tests),
    ("test", "except", names::tests),
    ("test", "test.profile", names::profiles),
    ("run", "test.profile", names::profiles),
    ("hunt", "test", names::tests),
    ("bisect", "tests", names::tests),
    ("flakes", "filters", names::tests),
    ("sample", "what", names::samples),
    ("sample", "topology", names::topologies),
    ("module", "topology", names::topologies),
    ("mptcp", "topology", names::topologies),
    ("topology", "name", names::topologies),
    ("report", "run", names::runs),
    ("compare", "before", names::runs),
    ("compare", "after", names::runs),
    ("attach", "guest", names::guests),
    ("stop", "guests", names::guests),
    ("gdb", "guest", names::guests),
    ("dump", "guest", names::guests),
    ("image", "names", names::images),
    ("test", "vm.root", names::images),
    ("run", "vm.root", names::images),
    ("exec", "vm.root", names::images),
    ("shell", "vm.root", names::images),
    ("hunt", "vm.root", names::images),
    ("matrix", "vm.root", names::images),
    ("doctor", "root", names::images),
    ("validate", "check", names::checks),
];

/// The command line, with what its arguments take.
pub fn with_names(command: Command) -> Command {
    TAKES.iter().fold(command, |command, &(name, argument, names)| {
        // All are looked at, as changing one by its name would change the order of those without a flag.
        command.mut_subcommand(name, |command| {
            command.mut_args(|arg| if arg.get_id() == argument { arg.add(completer(names)) } else { arg })
        })
    })
}

fn completer(names: Names) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| offered(typed, names))
}

fn offered(typed: &OsStr, names: Names) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let fitting = names().into_iter().filter(|(name, _)| name.starts_with(&*typed));
    fitting
        .map(|(name, about)| CompletionCandidate::new(name).help((!about.is_empty()).then(|| about.into())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_and_argument_of_the_table_is_there() {
        let command = crate::cli::Cli::command();
        for (name, argument, _) in TAKES {
            let found = command.find_subcommand(name).unwrap();
            assert!(found.get_arguments().any(|arg| arg.get_id() == argument), "{name} {argument}");
        }
    }
}
