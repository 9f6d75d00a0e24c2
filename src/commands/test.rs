//! `vmptcp test`: builds what changed, then runs tests in guests.

use super::context::Context;
use super::flags::{Asked, RunFlags};
use super::inputs;
use super::pipeline::{Ended, Target};
use crate::error::{Error, ExitCode, IoContext, Result};
use crate::kernel::kconfig::Source;
use crate::plan::{FleetPlan, KnownSubtests, Plan, Step, TestPlan};
use crate::report::{console, json, text};
use crate::runner::remembered;
use crate::settings::{self, Auto, Slow};
use crate::suite::selftests::{self, Listing};
use crate::suite::{Profile, Selection, Timeouts, select, shard};
use crate::text::decode;
use crate::text::hash::Key;
use std::fmt::Write as _;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

/// How long a test may take that its suite does not limit.
const CAP: Duration = Duration::from_secs(3600);

/// Run the MPTCP selftests in a guest; builds first what changed
///
/// FILTER is a glob, or a part of a name: of a test, of `test/subtest`, or of `test:group`. Without one, the profile says what runs.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp test                          the default profile: smoke
  vmptcp test --list                   which tests there are
  vmptcp test diag sockopt             these two
  vmptcp test mptcp_join:subflows      only these groups of its subtests
  vmptcp test 'diag/*in use*'          all of diag runs, only these subtests count (Linux 6.6 or later)
  vmptcp test mptcp_join -- -f         one script, with an argument of its own
  vmptcp test --vms 1 --no-shards      one after the other, in one guest
  vmptcp test diag --until-fail --stress    hunt what fails now and then
  vmptcp test --profile full --repeat 10 --fail-fast
  vmptcp test --all-features           what is skipped fails: is anything missing?")]
pub struct Args {
    /// Which tests, or which of their subtests
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// Arguments for the script; only with a FILTER that chooses one
    #[arg(last = true, value_name = "ARGS", allow_hyphen_values = true)]
    arguments: Vec<String>,
    /// List the tests, and run none
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    flags: RunFlags,
    #[command(flatten)]
    asked: Asked,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let flags = args.flags.overrides()?;
    let target = Target::open(context, flags)?;
    if args.list {
        console::out(&list(&target, args)?)?;
        return Ok(ExitCode::Passed as u8);
    }
    let plan = plan(context, &target, &args.filters, &args.arguments, args.asked.sources()?)?;
    carry_out(context, &target, &plan, args.flags.tests.json)
}

/// The plan: configure, build, test.
pub fn plan(
    context: &Context,
    target: &Target,
    filters: &[String],
    arguments: &[String],
    asked: Vec<Source>,
) -> Result<Plan> {
    let settings = &target.loaded.settings;
    let (selections, notes) = selections(target, filters, arguments)?;
    let env = variables(&settings.test);
    let known = known_subtests(target, &env)?;
    remembered::read(&known.path).check(&selections, &known.key)?;
    let explicit = match settings.test.timeout {
        Auto::Auto => None,
        Auto::Given(time) => Some(time.as_secs()),
    };
    let choice =
        if filters.is_empty() { format!("profile {}", profile(target)?.name) } else { "tests".to_owned() };
    let tests = TestPlan {
        selections,
        choice,
        timeouts: Timeouts::of_suite(CAP).or_explicit(explicit)?,
        repeat: settings.test.repeat.get(),
        fail_fast: settings.test.fail_fast,
        all_features: settings.test.all_features,
        slow: match settings.test.slow {
            Slow::Auto => Auto::Auto,
            Slow::Yes => Auto::Given(true),
            Slow::No => Auto::Given(false),
        },
        env,
        guest: target.guest(context)?.with_steady_files(),
        fleet: FleetPlan {
            vms: settings.vm.count.map(NonZero::get).into(),
            cpus: settings.vm.cpus.map(NonZero::get).into(),
            shards: settings.test.shards,
            fresh: settings.test.fresh_vm,
            confirm: settings.test.confirm,
            until_fail: settings.test.until_fail,
            stress: settings.test.stress,
        },
        history: target.work.root().join("durations.json"),
        known,
    };
    Ok(Plan {
        notes,
        steps: vec![
            Step::Configure(inputs::configure(context, &target.tree, &target.work, &target.loaded, asked)?),
            Step::Build(inputs::build(context, &target.tree, &target.work, &target.loaded)?),
            Step::Test(Box::new(tests)),
        ],
    })
}

/// The variables that the tests are given: what the user sets wins.
fn variables(settings: &settings::Test) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> =
        settings.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let ours = [
        ("SELFTESTS_MPTCP_LIB_OVERRIDE_FLAKY", !settings.ignore_flaky),
        ("SELFTESTS_MPTCP_LIB_EXPECT_ALL_FEATURES", settings.all_features),
    ];
    for (name, _) in ours.into_iter().filter(|(_, wanted)| *wanted) {
        if !env.iter().any(|(known, _)| known == name) {
            env.push((name.to_owned(), "1".to_owned()));
        }
    }
    env
}

/// Where the subtests of the tree's selftests, as they are now, are remembered.
fn known_subtests(target: &Target, env: &[(String, String)]) -> Result<KnownSubtests> {
    let dir = target.tree.root().join("tools/testing/selftests").join(selftests::COLLECTION);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&dir).doing("read", &dir)?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut key = Key::new("subtests");
    for (name, value) in env {
        key = key.field(name).field(value);
    }
    for file in files.iter().filter(|file| file.is_file()) {
        let content = std::fs::read(file).doing("read", file)?;
        key = key.field(file.file_name().unwrap_or_default().as_encoded_bytes()).field(content);
    }
    Ok(KnownSubtests { path: target.work.root().join("subtests.json"), key: key.digest().to_string() })
}

/// Carries the plan out, shows the verdict, and returns the exit code.
pub fn carry_out(context: &Context, target: &Target, plan: &Plan, as_json: bool) -> Result<u8> {
    let ended = target.carry_out(plan, &target.runs(), context)?;
    show(context, &ended, as_json)?;
    ended.into_result()
}

/// Shows the verdict.
pub(super) fn show(context: &Context, ended: &Ended, as_json: bool) -> Result<()> {
    if as_json {
        return console::out(&json::render(&ended.summary));
    }
    let mut ending = text::ending(&ended.summary, context.colour_on_stdout());
    let _ = writeln!(ending, "results: {}", text::clean(&ended.path.display().to_string()));
    console::out(&ending)
}

/// The tests of the tree, as its Makefile and its files have them.
pub fn listing(target: &Target) -> Result<Listing> {
    let dir = target.tree.root().join("tools/testing/selftests").join(selftests::COLLECTION);
    let read = |name: &str| std::fs::read(dir.join(name)).map(|bytes| decode(&bytes).into_owned());
    let makefile = read("Makefile").doing("read", dir.join("Makefile"))?;
    let settings = read("settings").ok();
    let files: Vec<String> = std::fs::read_dir(&dir)
        .doing("read", &dir)?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let mut listing = selftests::list(&makefile, settings.as_deref(), &files)?;
    for test in &mut listing.tests {
        // A program that is no script has no source of its name here; then it has no groups either.
        let text = read(&test.program).unwrap_or_default();
        test.groups = shard::groups(&text);
        test.captures = selftests::captures(&text, |other| read(other).ok());
    }
    Ok(listing)
}

/// The tests that were asked for, and what the user should know about that.
fn selections(
    target: &Target,
    filters: &[String],
    arguments: &[String],
) -> Result<(Vec<Selection>, Vec<String>)> {
    let Listing { tests, mut notes } = listing(target)?;
    let mut selections = if filters.is_empty() {
        let (selections, more) = profile(target)?.select(&tests)?;
        notes.extend(more);
        selections
    } else {
        select(filters, &tests)?
    };
    if !arguments.is_empty() {
        let [selection] = &mut selections[..] else {
            let names: Vec<&str> = selections.iter().map(|selection| &selection.test.name[..]).collect();
            return Err(Error::usage(format!(
                "arguments for a script, but {} tests: {}",
                names.len(),
                names.join(", ")
            ))
            .hint("choose one: vmptcp test NAME -- ARGS"));
        };
        selection.test.args = arguments.to_vec();
    }
    Ok((selections, notes))
}

fn profile(target: &Target) -> Result<Profile> {
    let (name, profile) = target.loaded.profile()?;
    let filters: Vec<&str> = profile.tests.iter().map(String::as_str).collect();
    Ok(Profile::new(name, &filters))
}

fn list(target: &Target, args: &Args) -> Result<String> {
    let listing = listing(target)?;
    let chosen = if args.filters.is_empty() {
        listing.tests.clone()
    } else {
        select(&args.filters, &listing.tests)?.into_iter().map(|selection| selection.test).collect()
    };
    let in_profile: Vec<String> = profile(target)?
        .select(&listing.tests)
        .map(|(selections, _)| selections.into_iter().map(|selection| selection.test.name).collect())
        .unwrap_or_default();
    if args.flags.tests.json {
        let names: Vec<&str> = chosen.iter().map(|test| &test.name[..]).collect();
        let listed = serde_json::json!({ "tests": names, "profile": in_profile });
        return Ok(crate::text::json(&listed.to_string()) + "\n");
    }
    let mut text = String::new();
    for test in &chosen {
        let mark = if in_profile.contains(&test.name) { "  (in the profile)" } else { "" };
        let _ = writeln!(text, "{}{mark}", test.name);
    }
    for note in &listing.notes {
        let _ = writeln!(text, "note: {note}");
    }
    Ok(text)
}
