//! `vmptcp topology`: the networks that programs can run in.

use super::context::Context;
use super::overrides::Overrides;
use super::sample::no_topology;
use crate::error::{Error, ExitCode, Result};
use crate::report::clean;
use crate::report::console;
use crate::topology::{draw::draw, realise};
use std::fmt::Write as _;

/// List the networks that programs can run in, or draw one
///
/// They are sections [topology.NAME] of the settings; pair and lan are built in.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp topology                      which there are
  vmptcp topology pair                 one as a drawing
  vmptcp topology pair --commands      what makes it, in network namespaces
  vmptcp topology lan --json")]
pub struct Args {
    /// The network
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Print the commands that make it
    #[arg(long, requires = "name")]
    commands: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "commands")]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let tree = context.find_tree()?;
    let loaded = context.settings(tree.as_ref(), Overrides::default())?;
    let all = &loaded.settings.topology;
    let text = match &args.name {
        None if args.json => json(all)?,
        None => {
            let mut text = String::new();
            for (name, topology) in all {
                let hosts: Vec<&str> = topology.host.keys().map(String::as_str).collect();
                let _ =
                    writeln!(text, "{name:<12} {:<20} {}", hosts.join(", "), clean(&topology.description));
            }
            text
        }
        Some(name) => {
            let Some(topology) = all.get(name) else {
                return Err(no_topology(name, all.keys()));
            };
            if args.json {
                json(topology)?
            } else if args.commands {
                commands(topology)
            } else {
                draw(name, topology).lines().map(|line| clean(line) + "\n").collect()
            }
        }
    };
    console::out(&text)?;
    Ok(ExitCode::Passed as u8)
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::cannot_run(format!("cannot print the topology: {error}")))?;
    Ok(crate::text::json(&text) + "\n")
}

/// Everything that makes the network, as input of a shell.
fn commands(topology: &crate::topology::Topology) -> String {
    let mut text = String::new();
    for action in realise::actions(topology, crate::topology::Realisation::Namespaces) {
        let (argv, input) = action.command(true);
        let line = process::Cmd::new(&argv[0]).args(&argv[1..]).to_string();
        let here = if input.is_empty() { String::new() } else { format!(" << 'EOF'\n{input}EOF") };
        let _ = writeln!(text, "{line}{here}");
    }
    text
}
