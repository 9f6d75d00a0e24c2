//! `vmptcp history`: the index of all runs, and the public CI's results in it.

use super::context::Context;
use super::overrides::Overrides;
use crate::error::{Error, ExitCode, Result};
use crate::history::{self, Entry, Filter, Flake, Index, Places, public, refresh};
use crate::report::terminal::Terminal;
use crate::report::{console, plural};
use crate::results::{Case, Summary, cases};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// So many failures are looked up: more have one cause, which no history tells.
const MAX_NOTES: usize = 20;

/// Add the public CI's results to the history, or rebuild it
///
/// vmptcp keeps an index of all runs of the user in the cache. It is made from the directories of the runs, and brought up to
/// date by every command that uses it.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  git clone https://github.com/multipath-tcp/mptcp-upstream-tests-results
  vmptcp history import mptcp-upstream-tests-results/html/results
  vmptcp history import results/export/normal.json
  vmptcp flakes --on 'public export/normal'
  vmptcp history rebuild")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    /// Import results of the public CI: TREE/VARIANT.json, or directories with such files
    ///
    /// A run that was imported before is replaced.
    Import {
        /// Files or directories
        #[arg(value_name = "PATH", required = true)]
        paths: Vec<PathBuf>,
    },
    /// Make the index again from the directories of runs
    ///
    /// Forgets runs whose directories are gone, and what was imported.
    Rebuild,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let text = match &args.what {
        What::Import { paths } => import(paths, context)?,
        What::Rebuild => {
            Index::remove(&context.cache()?)?;
            let runs = open(context)?.runs(&Filter::default())?.len();
            format!("{}\n", plural(runs, "run"))
        }
    };
    console::out(&text)?;
    Ok(ExitCode::Passed as u8)
}

/// The index, with all runs that there are.
pub fn open(context: &Context) -> Result<Index> {
    let cache = context.cache()?;
    let mut index = Index::open(&cache)?;
    let places = Places::of(&cache);
    if let Some(runs) = runs_of_tree(context)?.filter(|runs| runs.is_dir()) {
        places.add(&runs)?;
    }
    let mut terminal = context.terminal();
    let outcome = refresh(&mut index, &places, &mut |progress| terminal.show(progress));
    Terminal::finish(&terminal);
    let unreadable = outcome?.unreadable;
    if unreadable > 0 {
        console::note(&format!("{unreadable} runs are left out: their log holds no event that can be read"));
    }
    Ok(index)
}

/// What the public CI's history says of the tests and subtests that failed in this run; nothing where none was imported.
pub fn of_failures(summary: &Summary, context: &Context) -> Result<Vec<String>> {
    let failed: BTreeSet<Case> = cases(summary)
        .into_iter()
        // Of a run on several kernels, each of these has its own notes.
        .filter(|(case, results)| {
            case.variant.is_none() && results.iter().any(|result| history::is_failure(result.outcome))
        })
        .map(|(case, _)| case)
        .collect();
    let cache = context.cache()?;
    if failed.is_empty() || !Index::exists(&cache) {
        return Ok(Vec::new());
    }
    let variant = summary.provenance.get("variant").map_or("", String::as_str);
    let filter = Filter { configuration: Some(public::configuration_of(variant)), ..Filter::default() };
    let flakes = Index::open(&cache)?.flakes(&filter)?;
    let known = flakes.iter().filter(|flake| failed.contains(&flake.case));
    let line = |flake: &Flake| {
        format!("{}: failed in {} of {} runs of {}", flake.case, flake.failed, flake.ran, flake.configuration)
    };
    Ok(known.take(MAX_NOTES).map(line).collect())
}

/// Where the runs of the tree are that the context finds, if it finds one.
fn runs_of_tree(context: &Context) -> Result<Option<PathBuf>> {
    let Some(tree) = context.find_tree()? else { return Ok(None) };
    let loaded = context.settings(Some(&tree), Overrides::default())?;
    Ok(Some(Context::runs_dir(&context.work_dir(&tree, &loaded)?, &loaded)))
}

fn import(paths: &[PathBuf], context: &Context) -> Result<String> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    let mut index = Index::open(&context.cache()?)?;
    let (mut runs, mut results) = (0, 0);
    for file in &files {
        let entries = read(file)?;
        runs += entries.len();
        results += entries.iter().map(|entry| entry.results.len()).sum::<usize>();
        index.put(&entries.into_iter().map(|entry| (entry, 0)).collect::<Vec<_>>())?;
    }
    Ok(format!(
        "imported {} with {} that did not pass, from {}\n",
        plural(runs, "run"),
        plural(results, "result"),
        plural(files.len(), "file")
    ))
}

/// The files that are meant by a path: itself, or all `TREE/VARIANT.json` below it.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let metadata = std::fs::metadata(path)
        .map_err(|error| Error::usage(format!("cannot read {}: {error}", path.display())))?;
    if !metadata.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(|error| Error::io("read", path, &error))?;
    let mut names: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    names.sort();
    let before = files.len();
    for name in names {
        if name.is_dir() {
            // Directories without results are no error where others have some.
            let _ = collect(&name, files);
        } else if name.extension().is_some_and(|extension| extension == "json") && is_results(&name) {
            files.push(name);
        }
    }
    if files.len() == before {
        return Err(Error::usage(format!("{} holds no results of the public CI", path.display()))
            .hint("name html/results of a clone of multipath-tcp/mptcp-upstream-tests-results"));
    }
    Ok(())
}

/// Beside the results are lists of trees and variants.
fn is_results(file: &Path) -> bool {
    file.file_stem().is_some_and(|stem| {
        ["normal", "debug", "btf-normal", "btf-debug"].iter().any(|variant| stem == *variant)
    })
}

fn read(file: &Path) -> Result<Vec<Entry>> {
    let bytes = std::fs::read(file)
        .map_err(|error| Error::usage(format!("cannot read {}: {error}", file.display())))?;
    let absolute = file.canonicalize().map_err(|error| Error::io("read", file, &error))?;
    let name = |path: Option<&Path>| {
        path.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
    };
    let tree = name(absolute.parent());
    let variant = absolute.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    public::parse(&bytes, &tree, &variant).map_err(|wrong| {
        let run = if wrong.run > 0 { format!("run {}: ", wrong.run) } else { String::new() };
        Error::usage(format!("{}: {run}{}", file.display(), wrong.what))
            .hint("a file TREE/VARIANT.json of multipath-tcp/mptcp-upstream-tests-results is expected")
    })
}
