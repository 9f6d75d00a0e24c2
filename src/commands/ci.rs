//! `vmptcp ci run`: tests with the habits of a CI system.

mod artifacts;
mod budget;
mod curl;
mod letter;
mod mail;
mod patchwork;

use super::context::Context;
use super::pipeline::{NewRun, Target};
use super::test;
use crate::error::{IoContext, Result};
use crate::report::incumbent::About;
use crate::report::{CiSystem, CiView, Exporter, Markdown, console};
use crate::results::Summary;
use crate::text::{decode, duration};
use clap::{Subcommand, ValueEnum};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Run tests as a CI system does, and tell others of the results
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp ci run                                     the profile, with groups, annotations and artifacts
  vmptcp ci run --profile full --uml --budget 2h    what fits into two hours, the likeliest to fail first
  vmptcp ci run --artifacts out diag -- -v
  vmptcp ci patchwork --dry-run                     the results as checks of Patchwork
  vmptcp ci mail --cover cover.eml --from ci@example.org    the results as an answer")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, Subcommand)]
enum What {
    /// Run tests, with the output, the summary and the artifacts that a CI system takes
    Run(RunArgs),
    /// Print the checks of a series for Patchwork, or send them
    Patchwork(patchwork::Args),
    /// Print the answer to a series, or send it
    Mail(mail::Args),
}

/// Run tests, with the output, the summary and the artifacts that a CI system takes
///
/// On GitHub, steps are groups of the log, failures annotations beside the source, and the summary is that of the job; on
/// GitLab, steps are sections. The artifacts are in one directory: at its top in the form of mptcp-upstream-virtme-docker, and
/// below vmptcp/ the directory of the run.
#[derive(Debug, Clone, clap::Args)]
struct RunArgs {
    /// The CI system [default: found out by its variables]
    #[arg(long, value_name = "SYSTEM")]
    system: Option<System>,
    /// Leave out the tests that do not fit into this time, as in 30m or 2h; those that failed lately run first
    #[arg(long, value_name = "TIME", value_parser = time)]
    budget: Option<Duration>,
    /// Where the artifacts are made; what is there of an earlier run is replaced [default: ci/ of the work directory]
    #[arg(long, value_name = "DIR")]
    artifacts: Option<PathBuf>,
    #[command(flatten)]
    tests: test::Args,
}

/// The CI systems that are known.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum System {
    /// GitHub Actions.
    Github,
    /// GitLab CI.
    Gitlab,
    /// Any other.
    Plain,
}

fn time(text: &str) -> Result<Duration, String> {
    duration::parse(text).ok_or_else(|| format!("give {}", duration::FORM))
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    match &args.what {
        What::Run(args) => run_tests(args, context),
        What::Patchwork(args) => patchwork::run(args, context),
        What::Mail(args) => mail::run(args, context),
    }
}

/// Runs tests.
fn run_tests(args: &RunArgs, context: &Context) -> Result<u8> {
    if args.tests.lists() {
        return test::run(&args.tests, context);
    }
    let target = Target::open(context, args.tests.overrides()?)?;
    let mut plan = test::chosen(&args.tests, context, &target)?;
    if let Some(budget) = args.budget {
        budget::fit(&mut plan, budget, &target)?;
    }
    let system = args.system.map_or_else(|| detected(context), CiSystem::from);
    let observer = Box::new(CiView::new(context.terminal(), system));
    let runs = target.runs();
    let run = NewRun { steps: plan.names(), kind: plan.kind(), runs: &runs, observer };
    let ended = target.carry_out_in(&plan, run, context)?;
    test::show(context, &ended, false)?;
    let dir =
        args.artifacts.as_ref().map_or_else(|| target.work.root().join("ci"), |dir| context.absolute(dir));
    artifacts::write(
        &ended.summary,
        &ended.path,
        &dir,
        &about(context, &target, &ended.summary),
        &target.out(),
    )?;
    console::note(&format!("artifacts: {}", dir.display()));
    summarise(context, &ended.summary)?;
    ended.into_result()
}

impl From<System> for CiSystem {
    fn from(system: System) -> Self {
        match system {
            System::Github => Self::Github,
            System::Gitlab => Self::Gitlab,
            System::Plain => Self::Plain,
        }
    }
}

/// A variable of the CI system.
fn variable(context: &Context, name: &str) -> Option<String> {
    let mut all = context.environment.variables();
    all.find(|(known, _)| *known == name).map(|(_, value)| decode(value.as_encoded_bytes()).into_owned())
}

fn detected(context: &Context) -> CiSystem {
    let set = |name: &str| variable(context, name).is_some_and(|value| value == "true");
    match (set("GITHUB_ACTIONS"), set("GITLAB_CI")) {
        (true, _) => CiSystem::Github,
        (_, true) => CiSystem::Gitlab,
        _ => CiSystem::Plain,
    }
}

fn about(context: &Context, target: &Target, summary: &Summary) -> About {
    let given =
        ["GITHUB_REF_NAME", "CI_COMMIT_REF_NAME"].into_iter().find_map(|name| variable(context, name));
    let commit = || summary.provenance.get("commit").or(summary.provenance.get("tree version")).cloned();
    let run = ["GITHUB_RUN_ID", "CI_PIPELINE_ID"].into_iter().find_map(|name| variable(context, name));
    About {
        mode: target.variant.to_string(),
        reference: given.or_else(commit).unwrap_or_else(|| "Unknown".to_owned()),
        run: run.unwrap_or_else(|| "none".to_owned()),
    }
}

/// Adds the results to the page of the job.
fn summarise(context: &Context, summary: &Summary) -> Result<()> {
    let Some(file) = variable(context, "GITHUB_STEP_SUMMARY") else { return Ok(()) };
    let path = Path::new(&file);
    let mut out = OpenOptions::new().append(true).create(true).open(path).doing("open", path)?;
    out.write_all(Markdown.render(summary).as_bytes()).doing("write", path)
}
