//! `vmptcp ps`: the guests that run now.

use super::context::Context;
use crate::error::{Error, ExitCode, Result};
use crate::report::{clean, console, duration};
use crate::vm::registry::{self, Listed};
use std::fmt::Write as _;

/// List the guests that you are running
///
/// Also those that a killed vmptcp left behind: `vmptcp stop` removes them.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp ps
  vmptcp ps --json | jq -r '.[].console'      where their consoles are written")]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let listed = registry::list(&context.guests()?);
    console::out(&if args.json { as_json(&listed) } else { table(&listed) })?;
    Ok(ExitCode::Passed as u8)
}

fn as_json(listed: &[Listed]) -> String {
    let guest = |listed: &Listed| {
        let guest = &listed.guest;
        serde_json::json!({
            "guest": guest.name(),
            "pid": guest.owner.pid,
            "vm": guest.vm,
            "since": guest.since,
            "command": guest.command,
            "kernel": guest.kernel,
            "console": guest.console,
            "orphan": listed.orphan,
        })
    };
    let guests = serde_json::Value::Array(listed.iter().map(guest).collect());
    crate::text::json(&guests.to_string()) + "\n"
}

fn table(listed: &[Listed]) -> String {
    if listed.is_empty() {
        return "no guest is running\n".to_owned();
    }
    let mut table = format!("{:<12} {:>12}  {:<40}  {}\n", "GUEST", "RUNS FOR", "KERNEL", "COMMAND");
    for Listed { guest, orphan, .. } in listed {
        let age = jiff::Timestamp::now().duration_since(guest.since).as_secs_f64().max(0.0);
        let left = if *orphan { "left behind by " } else { "" };
        let kernel = clean(&guest.kernel.display().to_string());
        let command = clean(&guest.command);
        let _ = writeln!(table, "{:<12} {:>12}  {kernel:<40}  {left}{command}", guest.name(), duration(age));
    }
    table
}

/// The guest of that name, or the only one where none is named.
pub(super) fn find(context: &Context, name: Option<&str>) -> Result<Listed> {
    let listed = registry::list(&context.guests()?);
    let names = || listed.iter().map(|listed| listed.guest.name()).collect::<Vec<_>>().join(", ");
    let found: Vec<&Listed> = match name {
        Some(name) => {
            let matches =
                |listed: &&Listed| listed.guest.name() == name || listed.guest.owner.pid.to_string() == name;
            listed.iter().filter(matches).collect()
        }
        None => listed.iter().collect(),
    };
    match (&found[..], name) {
        ([one], _) => Ok((*one).clone()),
        ([], _) if listed.is_empty() => {
            Err(Error::usage("no guest is running").hint("start one: vmptcp shell"))
        }
        ([], Some(name)) => Err(Error::usage(format!("no guest is called {name}; there are: {}", names()))
            .hint("see what they do: vmptcp ps")),
        _ => Err(Error::usage(format!("several guests are running: {}", names()))
            .hint("name one; see what they do: vmptcp ps")),
    }
}
