//! `vmptcp report`: an earlier run again.

use super::context::Context;
use super::overrides::Overrides;
use crate::error::{ExitCode, Result};
use crate::process::Cmd;
use crate::report::{self, Exporter, Format, Text, clean, console};
use crate::results::Summary;
use crate::store::{self, LATEST, Replay};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Show an earlier run again
///
/// Made anew from what the run wrote while it went on, so that also one that was killed half-way can be shown. Exits with
/// the exit code of that run; with 130 if it did not end.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp report                        the newest run
  vmptcp report 20261122-131500-4711 --format junit
  vmptcp report path/to/a/run --write  make its files again
  vmptcp report --list")]
pub struct Args {
    /// The run: its name, a unique beginning of it, or its directory
    #[arg(value_name = "RUN", default_value = LATEST)]
    run: String,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Write results.json, junit.xml, summary.md and summary.txt into the run's directory again
    #[arg(long)]
    write: bool,
    /// List the runs that there are
    #[arg(long)]
    list: bool,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    if args.list {
        console::out(&list(&runs(context)?))?;
        return Ok(ExitCode::Passed as u8);
    }
    let runs = if args.run.contains('/') { PathBuf::new() } else { runs(context)? };
    let replay = store::replay(&runs, &args.run)?;
    let summary = Summary::of(&replay.records);
    if args.write {
        report::write_files(&summary, &replay.path)?;
    }
    let format = if args.json { Format::Json } else { args.format };
    console::out(&match format {
        Format::Text => text(&summary, &replay, context.colour_on_stdout()),
        format => format.exporter(false).render(&summary),
    })?;
    Ok(summary.exit_code.unwrap_or(ExitCode::Interrupted as u8))
}

fn runs(context: &Context) -> Result<PathBuf> {
    let tree = context.tree()?;
    let loaded = context.settings(Some(&tree), Overrides::default())?;
    Ok(Context::runs_dir(&context.work_dir(&tree, &loaded)?, &loaded))
}

fn text(summary: &Summary, replay: &Replay, colour: bool) -> String {
    let mut text = Text { colour }.render(summary);
    for (line, why) in &replay.damaged {
        let _ = writeln!(text, "events.jsonl:{line}: not an event, left out: {}", clean(why));
    }
    let _ = writeln!(text, "results: {}", clean(&replay.path.display().to_string()));
    text
}

fn list(runs: &Path) -> String {
    let mut text = String::new();
    for name in store::list(runs) {
        let (verdict, what) = match store::replay(runs, &name) {
            Ok(replay) => {
                let summary = Summary::of(&replay.records);
                (report::verdict(&summary, false), what_ran(&summary))
            }
            Err(error) => (clean(&error.to_string()), String::new()),
        };
        let _ = writeln!(text, "{}  {verdict}{}", clean(&name), clean(&what));
    }
    if text.is_empty() {
        let _ = writeln!(text, "there is no run in {} yet", clean(&runs.display().to_string()));
    }
    text
}

/// The kind of a run, and its command line, for the end of a line.
fn what_ran(summary: &Summary) -> String {
    let Some((program, args)) = summary.argv.split_first() else { return String::new() };
    let program = Path::new(program).file_name().unwrap_or_default();
    let command = Cmd::new(program).args(args);
    let kind = if summary.kind.is_empty() { String::new() } else { format!("{}: ", summary.kind) };
    format!("  ({kind}{command})")
}
