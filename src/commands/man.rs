//! `vmptcp man`: the manual pages.

use super::context::Context;
use crate::error::{Error, ExitCode, IoContext, Result};
use crate::report::console;
use crate::text::{decode, file};
use clap::Command;
use std::fs;
use std::path::PathBuf;

/// Write the manual pages
///
/// One for vmptcp and one for each of its commands: vmptcp-test(1). `scripts/install` puts them where man(1) looks.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp man | man -l -                            read the page of vmptcp
  vmptcp man --dir ~/.local/share/man/man1         write all pages")]
pub struct Args {
    /// Write all pages into this directory, and make it if it is not there [default: print the page of vmptcp]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs the command. `command` is the whole command line.
pub fn run(args: &Args, context: &Context, mut command: Command) -> Result<u8> {
    command.build();
    match &args.dir {
        None => console::out(&page(&command)?)?,
        Some(dir) => {
            let dir = context.absolute(dir);
            fs::create_dir_all(&dir).doing("create", &dir)?;
            for (name, command) in pages(&command) {
                let path = dir.join(format!("{name}.1"));
                file::replace(&path, page(&command)?.as_bytes())?;
            }
        }
    }
    Ok(ExitCode::Passed as u8)
}

/// The commands that have a page, each with its name: `vmptcp-history-import`.
fn pages(command: &Command) -> Vec<(String, Command)> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let below =
        command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    let below: Vec<_> = below.flat_map(pages).collect();
    std::iter::once((name, command.clone())).chain(below).collect()
}

fn page(command: &Command) -> Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(|error| Error::cannot_run(format!("cannot write the manual: {error}")))?;
    Ok(decode(&page).into_owned())
}
