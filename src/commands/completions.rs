//! `vmptcp completions`: what makes a shell complete commands, flags and names.

use crate::error::{Error, ExitCode, Result};
use crate::report::console;
use crate::text::decode;
use clap::ValueEnum;
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

/// Print what makes a shell complete commands, flags and names
///
/// Tests, profiles, samples, topologies, runs and guests are completed too: the shell asks vmptcp while you type.
/// `scripts/install` puts it where shells look.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp completions bash > ~/.local/share/bash-completion/completions/vmptcp
  vmptcp completions zsh > ~/.zfunc/_vmptcp      with ~/.zfunc in fpath, before compinit
  vmptcp completions fish > ~/.config/fish/completions/vmptcp.fish")]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// The shells.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    /// GNU bash, with the package bash-completion.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

/// The variable by which a shell asks.
const VARIABLE: &str = "COMPLETE";

/// Runs the command.
pub fn run(args: &Args) -> Result<u8> {
    let shell: &dyn EnvCompleter = match args.shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
    };
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, "vmptcp", "vmptcp", "vmptcp", &mut script)
        .map_err(|error| Error::cannot_run(format!("cannot write completions: {error}")))?;
    console::out(&decode(&script))?;
    Ok(ExitCode::Passed as u8)
}
