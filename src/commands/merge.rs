//! `vmptcp merge`: one run of those of several shards.

use super::context::Context;
use super::overrides::Overrides;
use super::pipeline::{self, Target};
use super::{report as report_command, test};
use crate::error::{Error, Result};
use crate::event::{Event, SCHEMA};
use crate::results::Merge;
use crate::runner::{Journal, merging};
use crate::store::{Replay, RunDir};
use std::path::{Path, PathBuf};

/// Merge the runs of all shards into one run with one report
///
/// `vmptcp test --shard K/N` runs a part of the tests, on each of N machines another. The merged run has the tests of all, in
/// their usual order, and the verdict and exit code of all. A shard that is missing, did not end or could not run is named;
/// its tests are reported as not run, and the exit code is 5.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp merge shard-1 shard-2 shard-3 shard-4       directories of runs, as artifacts bring them
  vmptcp merge 20261122-131500-4711 20261122-140210-815 --json
  vmptcp merge shard-* --dir merged                  without a kernel tree: below this directory")]
pub struct Args {
    /// The runs: directories, names, or unique beginnings of names
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<String>,
    /// Make the run below this directory [default: with the runs of the tree]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let mut replays: Vec<Replay> =
        args.runs.iter().map(|run| report_command::find(context, run)).collect::<Result<_>>()?;
    for replay in &replays {
        if let Some((line, wrong)) = replay.damaged.first() {
            crate::report::console::note(&format!(
                "{}: line {line} of its log is no event, and is left out: {wrong}",
                replay.path.display()
            ));
        }
    }
    replays
        .sort_by_cached_key(|replay| merging::shard_run(replay).map(|run| run.number()).unwrap_or_default());
    let shards = replays.iter().map(merging::shard_run).collect::<Result<Vec<_>>>()?;
    let merge = Merge::of(shards)?;
    let dirs: Vec<&Path> = replays.iter().map(|replay| &*replay.path).collect();
    let runs = place(args, context)?;
    let dir = RunDir::create(&runs)?;
    let path = dir.path().to_owned();
    let mut journal = Journal::new(dir, Box::new(context.terminal()));
    let started = Event::RunStarted {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        argv: Context::argv(),
        steps: vec!["test".to_owned()],
        kind: merge.kind(),
    };
    let outcome = journal.add(started).and_then(|()| merging::merge(&merge, &dirs, &mut journal));
    let ended = pipeline::finish(journal, path, outcome, context)?;
    test::show(context, &ended, args.json)?;
    ended.into_result()
}

/// Where the run is made.
fn place(args: &Args, context: &Context) -> Result<PathBuf> {
    if let Some(dir) = &args.dir {
        return Ok(context.absolute(dir));
    }
    let Some(tree) = context.find_tree()? else {
        return Err(Error::usage("no kernel tree whose runs the merged run could be one of")
            .hint("name a directory for it: --dir DIR"));
    };
    Ok(Target::of(context, tree, Overrides::default())?.runs())
}
