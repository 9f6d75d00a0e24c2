//! `vmptcp report`: an earlier run again.

use super::context::Context;
use super::flakes::days_ago;
use super::history;
use super::overrides::Overrides;
use crate::error::{Error, ExitCode, Result};
use crate::history::{Filter, Listed, Origin};
use crate::process::Cmd;
use crate::report::{self, Excerpts, Exporter, Format, Html, Text, clean, console};
use crate::results::{Summary, cases, compare};
use crate::store::{self, LATEST, Replay};
use crate::text::file;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Show an earlier run again
///
/// Made again from what the run wrote while it went on, so that also one that was killed half-way can be shown. Exits with
/// the exit code of that run; with 130 if it did not end.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp report                        the newest run
  vmptcp report 20261122-131500-4711 --format junit
  vmptcp report path/to/a/run --write  make its files again
  vmptcp report --open                 its page, in a browser
  vmptcp report --format html --compare 20261121-09 > report.html
  vmptcp report --list
  vmptcp report --list --all-trees --commit v6.12 --verdict failed")]
pub struct Args {
    /// The run: its name, a unique beginning of it, or its directory
    #[arg(value_name = "RUN", default_value = LATEST)]
    run: String,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// For a program: the same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Write results.json, junit.xml, summary.md, summary.txt and report.html into the run's directory again
    #[arg(long)]
    write: bool,
    /// Write report.html into the run's directory, and open it in a browser
    #[arg(long, conflicts_with = "list")]
    open: bool,
    /// Show in the page what differs from this run
    #[arg(long, value_name = "RUN", conflicts_with = "list")]
    compare: Option<String>,
    #[command(flatten)]
    listing: Listing,
}

/// Which runs are listed.
#[derive(Debug, Clone, clap::Args)]
struct Listing {
    /// List the runs that there are
    #[arg(long)]
    list: bool,
    /// List runs of all trees
    #[arg(long, requires = "list")]
    all_trees: bool,
    /// List runs of kernels whose commit, or its description, contains this
    #[arg(long, value_name = "COMMIT", requires = "list")]
    commit: Option<String>,
    /// List runs with this verdict: passed, failed, crashed, kernel splat, build failed, could not run, interrupted, unfinished
    #[arg(long, value_name = "VERDICT", requires = "list")]
    verdict: Option<String>,
    /// List runs of the last days, as in 30d
    #[arg(long, value_name = "DAYS", requires = "list", value_parser = super::flakes::days)]
    since: Option<i32>,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    if args.listing.list {
        console::out(&list(&args.listing, args.json, context)?)?;
        return Ok(ExitCode::Passed as u8);
    }
    let replay = find(context, &args.run)?;
    let summary = Summary::of(&replay.records);
    if args.write {
        report::write_files(&summary, &replay.path)?;
    }
    let format = if args.json { Format::Json } else { args.format };
    if args.compare.is_some() && format != Format::Html && !args.open {
        return Err(Error::usage("--compare is for the page")
            .hint("add --open or --format html; else: vmptcp compare"));
    }
    if args.open {
        open(&page(args, context, &summary, &replay)?, &replay.path)?;
        return Ok(ExitCode::Passed as u8);
    }
    console::out(&match format {
        Format::Text => text(&summary, &replay, context.colour_on_stdout()),
        Format::Html => page(args, context, &summary, &replay)?,
        format => format.exporter(false).render(&summary),
    })?;
    Ok(summary.exit_code.unwrap_or(ExitCode::Interrupted as u8))
}

/// The page of a run, with what differs from another where that was asked for.
fn page(args: &Args, context: &Context, summary: &Summary, replay: &Replay) -> Result<String> {
    let comparison = args.compare.as_ref().map(|name| -> Result<_> {
        let before = Summary::of(&find(context, name)?.records);
        Ok((name.clone(), compare(&cases(&before), &cases(summary), None)))
    });
    let page = Html { excerpts: Excerpts::read(summary, &replay.path), comparison: comparison.transpose()? };
    Ok(page.render(summary))
}

/// Writes the page into the directory of its run, and hands it to the desktop.
fn open(page: &str, run: &Path) -> Result<()> {
    let path = run.join(report::PAGE);
    file::replace(&path, page.as_bytes())?;
    console::out(&format!("{}\n", path.display()))?;
    let failed = |why: &str| {
        Error::cannot_run(format!("cannot open a browser: {why}"))
            .hint(format!("open the page yourself: {}", path.display()))
    };
    let opener = which::which("xdg-open").map_err(|_| failed("there is no xdg-open"))?;
    let output = Cmd::new(opener).arg(&path).output().map_err(|error| failed(&error.to_string()))?;
    if output.status.success() { Ok(()) } else { Err(failed("xdg-open could not")) }
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

/// The runs of the tree, or of all trees. Those whose directory is gone are in the history only.
fn list(args: &Listing, json: bool, context: &Context) -> Result<String> {
    let runs = if args.all_trees { None } else { Some(runs(context)?) };
    let filter = Filter {
        commit: args.commit.clone(),
        verdict: args.verdict.clone(),
        since_ms: args.since.map(days_ago),
        ..Filter::default()
    };
    let mut listed = history::open(context)?.runs(&filter)?;
    // The index knows the real path only.
    let place = runs.as_ref().map(|runs| runs.canonicalize().unwrap_or_else(|_| runs.clone()));
    listed.retain(|run| match &run.origin {
        Origin::Local(path) => {
            place.as_ref().is_none_or(|place| path.parent() == Some(place)) && path.is_dir()
        }
        Origin::Public(_) => false,
    });
    if json {
        return report::json_of(&listed);
    }
    Ok(match (listed.is_empty(), runs) {
        (false, runs) => report::history::runs(&listed, runs.is_none()),
        (true, Some(runs)) if !runs.is_dir() => {
            format!("there is no run in {} yet\n", clean(&runs.display().to_string()))
        }
        (true, _) => "there is no such run\n".to_owned(),
    })
}

/// A run by its name, a unique beginning of it, or its directory: one of the tree, or else one that the history knows.
pub fn find(context: &Context, wanted: &str) -> Result<Replay> {
    if wanted.contains('/') {
        return store::replay(Path::new(""), wanted);
    }
    let Some(tree) = context.find_tree()? else { return elsewhere(context, wanted) };
    let loaded = context.settings(Some(&tree), Overrides::default())?;
    let here = store::replay(&Context::runs_dir(&context.work_dir(&tree, &loaded)?, &loaded), wanted);
    match here {
        Err(error) if wanted != LATEST => elsewhere(context, wanted).map_err(|_| error),
        here => here,
    }
}

/// A run of another tree.
fn elsewhere(context: &Context, wanted: &str) -> Result<Replay> {
    let mut runs = history::open(context)?.runs(&Filter::default())?;
    runs.retain(|run| run.name.starts_with(wanted));
    match runs.as_slice() {
        [Listed { origin: Origin::Local(path), .. }] => store::replay(path, &path.display().to_string()),
        found => Err(Error::usage(format!("{} runs begin with {wanted}", found.len()))
            .hint("list the runs that there are: vmptcp report --list --all-trees")),
    }
}
