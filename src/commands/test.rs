//! `vmptcp test`: builds what changed, then runs tests in guests.

mod also;
mod held;

use super::context::Context;
use super::flags::{Asked, RunFlags};
use super::joint::{self, Part};
use super::overrides::Overrides;
use super::pipeline::{FinishedRun, Target, unseen};
use super::repository;
use super::suites;
use crate::error::{Error, ExitCode, Result};
use crate::event::{Portion, RunShard};
use crate::kernel::kconfig::Source;
use crate::plan::{BackendPlan, FleetPlan, GuestPlan, Plan, Seeds, Step, TestPlan};
use crate::report::{self, Ending, Exporter, Json, console};
use crate::runner::history::KnownTimes;
use crate::runner::remembered;
use crate::settings::{Auto, GuestTime, Layer, Slow, Vary};
use crate::suite::division::{Guesses, divide};
use crate::suite::{Conditions, Selection, Suite, TestCase, Timeouts};
use crate::vm::backend::uml::Time;
use std::fmt::Write as _;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

/// How long a test may take that its suite does not limit.
const CAP: Duration = Duration::from_secs(3600);

/// Run tests in a guest; builds first what changed
///
/// The MPTCP selftests, unless the name of another suite stands before the filters.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp test                          the default profile: smoke
  vmptcp test --list                   which tests there are
  vmptcp test diag sockopt             these two
  vmptcp test mptcp_join:subflows      only these groups of its subtests
  vmptcp test 'diag/*in use*'          all of diag runs, only these subtests count (Linux 6.6 or later)
  vmptcp test mptcp_join -- -f         one script, with an argument of its own
  vmptcp test kunit                    all tests of another suite
  vmptcp test packetdrill:dss          one directory of packetdrill's scripts
  vmptcp test --suite all              all tests of every suite that the tree has
  vmptcp test --except diag            the profile without this test
  vmptcp test diag --except 'diag/*in use*'    all subtests but these count (Linux 6.6 or later)
  vmptcp test --vms 1 --no-shards      one after the other, in one guest
  vmptcp test diag --until-fail --stress    hunt what fails now and then
  vmptcp test --profile full --repeat 10 --fail-fast
  vmptcp test simult_flows --uml --seeds 1..50    in virtual time: what fails now and then, fails again
  vmptcp test simult_flows --uml --seeds 1..50 --vary delay,loss    each on other links
  vmptcp test simult_flows --uml --seed 4 --gdb    the run of this seed, in gdb: vmptcp gdb
  vmptcp test --uml --profile full --also virtme    and what user-mode Linux cannot show, with virtme-ng
  vmptcp test --profile full --shard 1/4    the first of four parts, for four machines
  vmptcp test --variant normal,debug   on both kernels, in one run with one verdict
  vmptcp test --selftests ../net-next  the selftests of another tree on this kernel
  vmptcp test --all-features           what is skipped fails: is anything missing?")]
pub struct Args {
    /// Which tests: the name of a suite, a glob or a part of a name, of `test`, `test/subtest` or `test:group` [default: the profile]
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// All tests of these suites; all: of every suite that the tree has
    #[arg(long, value_name = "SUITE", value_delimiter = ',', conflicts_with = "filters")]
    suite: Vec<String>,
    /// Arguments for the script; only with a FILTER that chooses one
    #[arg(last = true, value_name = "ARGS", allow_hyphen_values = true)]
    arguments: Vec<String>,
    /// Leave these out: a test, `test/subtest`, or the name of a suite and then its tests, as FILTER has them
    #[arg(long, value_name = "FILTER")]
    except: Vec<String>,
    /// Run one of N parts of the tests, each for a machine of its own; vmptcp merge makes one run of them
    #[arg(long, value_name = "K/N", conflicts_with = "also")]
    shard: Option<RunShard>,
    /// Divide by how long tests took, as in the durations.json of a work directory; the same file on all machines
    #[arg(long, value_name = "FILE", requires = "shard")]
    shard_times: Option<PathBuf>,
    /// List the tests, and run none
    #[arg(long)]
    list: bool,
    /// After a run on user-mode Linux, run with virtme-ng what was skipped there
    #[arg(long, value_name = "BACKEND", conflicts_with = "json")]
    also: Option<Also>,
    /// Let the kernel of the one test wait for vmptcp gdb before it starts; in virtual time only
    #[arg(long, conflicts_with_all = ["also", "shard"])]
    gdb: bool,
    #[command(flatten)]
    flags: RunFlags,
    #[command(flatten)]
    asked: Asked,
}

/// What else runs tests.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Also {
    /// Guests of virtme-ng.
    Virtme,
}

impl Args {
    /// They ask for a list of the tests only.
    pub(super) fn lists(&self) -> bool {
        self.list
    }

    /// The settings that they override.
    pub(super) fn overrides(&self) -> Result<Overrides> {
        self.flags.overrides()
    }
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let mut variants = args.flags.of_each_variant()?;
    if variants.len() > 1 && !args.list {
        return several(args, context, variants);
    }
    let target = Target::open(context, variants.swap_remove(0))?;
    if args.list {
        console::out(&list(context, &target, args)?)?;
        return Ok(ExitCode::Passed as u8);
    }
    if args.also.is_some() && !target.variant.uml {
        return Err(Error::usage("--also virtme is for a run on user-mode Linux").hint("add --uml"));
    }
    let plan = chosen(args, context, &target)?;
    match args.also {
        None => carry_out(context, &target, &plan, args.flags.tests.json),
        Some(Also::Virtme) => also::run(args, context, &target, &plan),
    }
}

/// Runs the tests on kernels of several variants.
fn several(args: &Args, context: &Context, variants: Vec<Overrides>) -> Result<u8> {
    if args.also.is_some() || args.shard.is_some() {
        return Err(Error::usage("--also and --shard are for one kernel")
            .hint("give one --variant; a CI gives each variant jobs of its own"));
    }
    let part = |flags| {
        let target = Target::open(context, flags)?;
        let plan = chosen(args, context, &target)?;
        Ok(Part { target, plan })
    };
    let parts: Vec<Part> = variants.into_iter().map(part).collect::<Result<_>>()?;
    carry_out_all(context, &parts, args.flags.tests.json)
}

/// The plan for what the arguments choose.
pub(super) fn chosen(args: &Args, context: &Context, target: &Target) -> Result<Plan> {
    let asked = args.asked.sources()?;
    let selected = selected(args, context, target)?;
    // What is left of a profile is another kind of run.
    let choice = match &args.suite[..] {
        [] => (!args.filters.is_empty() || !args.except.is_empty()).then(|| "tests".to_owned()),
        suites => Some(format!("suite {}", suites.join(" and "))),
    };
    let division = selected.division.clone();
    let mut plan = plan_of(context, target, selected, choice.as_deref(), asked)?;
    plan.shard = args.shard.zip(division);
    if args.gdb {
        held::hold(&mut plan)?;
    }
    Ok(plan)
}

/// A choice of tests.
struct Selected {
    /// The tests: of a shard, its part.
    selections: Vec<Selection>,
    /// Notes on the choice.
    notes: Vec<String>,
    /// How all tests are divided among machines.
    division: Option<Vec<Portion>>,
    /// The suites of all tests: every shard builds the same kernel.
    suites: Vec<&'static Suite>,
}

impl Selected {
    /// All of these tests.
    fn whole((selections, notes): (Vec<Selection>, Vec<String>)) -> Self {
        let mut suites: Vec<&'static Suite> =
            selections.iter().map(|selection| selection.test.suite).collect();
        suites.dedup();
        Self { selections, notes, division: None, suites }
    }
}

/// What the arguments choose.
fn selected(args: &Args, context: &Context, target: &Target) -> Result<Selected> {
    let (mut selections, notes) = match &args.suite[..] {
        [] => suites::selections(target, &args.filters)?,
        suites => suites::whole(target, suites)?,
    };
    if !args.except.is_empty() {
        selections = suites::except(selections, &args.except)?;
    }
    give(&mut selections, &args.arguments)?;
    let all = Selected::whole((selections, notes));
    let Some(shard) = args.shard else { return Ok(all) };
    let (own, division) = match &args.shard_times {
        None => divide(&all.selections, shard, &Guesses)?,
        Some(file) => {
            let times = KnownTimes::read(&context.absolute(file), &target.variant.to_string())?;
            divide(&all.selections, shard, &times)?
        }
    };
    Ok(Selected { selections: own, division: Some(division), ..all })
}

/// The plan: configure, build, test.
pub fn plan(
    context: &Context,
    target: &Target,
    words: &[String],
    arguments: &[String],
    asked: Vec<Source>,
) -> Result<Plan> {
    let (mut selections, notes) = suites::selections(target, words)?;
    give(&mut selections, arguments)?;
    let choice = if words.is_empty() { None } else { Some("tests") };
    plan_of(context, target, Selected::whole((selections, notes)), choice, asked)
}

/// The same for these tests, with notes on their choice. `choice` is what chose them; none for the profile.
fn plan_of(
    context: &Context,
    target: &Target,
    Selected { selections, notes, suites, .. }: Selected,
    choice: Option<&str>,
    asked: Vec<Source>,
) -> Result<Plan> {
    let tests = tests(context, target, selections, choice)?;
    let mut plan = super::build::plan(context, target, &suites, asked)?;
    plan.notes = notes;
    plan.steps.push(Step::Test(Box::new(tests)));
    Ok(plan)
}

/// The tests of a plan, which has to be one test. `what` it is for, and `again` says how to name one.
pub(super) fn only_test<'p>(plan: &'p mut Plan, what: &str, again: &str) -> Result<&'p mut TestPlan> {
    let tests = plan.steps.iter_mut().find_map(|step| match step {
        Step::Test(tests) => Some(&mut **tests),
        _ => None,
    });
    let tests = tests.ok_or_else(|| Error::usage("there is no such test"))?;
    if tests.selections.len() == 1 {
        return Ok(tests);
    }
    let names: Vec<String> = tests.selections.iter().map(|selection| selection.test.label()).collect();
    Err(Error::usage(format!("{what} is for one test, and these match: {}", names.join(", ")))
        .hint(format!("name one of them: {again}")))
}

/// How these tests are run. `choice` is what chose them; none for the profile.
pub(super) fn tests(
    context: &Context,
    target: &Target,
    selections: Vec<Selection>,
    choice: Option<&str>,
) -> Result<TestPlan> {
    let (settings, packetdrill) = (&target.loaded.settings.test, &target.loaded.settings.packetdrill);
    let env: Vec<(String, String)> =
        settings.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let conditions = Conditions {
        flaky_counts: !settings.ignore_flaky,
        all_features: settings.all_features,
        misses_deadlines: packetdrill.debug_flaky && target.variant.is_slow(),
        ..Conditions::default()
    };
    let known = suites::known_subtests(target, &selections, conditions, &env)?;
    remembered::read(&known.path).check(&selections, |suite| known.key_of(suite))?;
    let explicit = match settings.timeout {
        Auto::Auto => None,
        Auto::Given(time) => Some(time.as_secs()),
    };
    let choice = match choice {
        Some(choice) => choice.to_owned(),
        None => format!("profile {}", target.loaded.profile()?.0),
    };
    let mut suites: Vec<&'static Suite> = selections.iter().map(|selection| selection.test.suite).collect();
    suites.dedup();
    let repositories = repository::places(target, &suites)?;
    let mut guest = in_time(target.guest(context)?.with_steady_files(), target)?;
    let dirs = repositories.values().flat_map(|place| [Some(&*place.tests), place.program.parent()]);
    guest.root.ro.extend(unseen(&guest.root.dir, dirs.flatten()));
    Ok(TestPlan {
        selections,
        choice,
        timeouts: Timeouts::of_suite(CAP).or_explicit(explicit)?,
        repeat: settings.repeat.get(),
        seeds: seeds(&settings.seeds)?,
        seeds_chosen: seeds_chosen(target),
        vary: vary(&settings.vary, &guest)?,
        fail_fast: settings.fail_fast,
        hunt: None,
        conditions,
        slow: match settings.slow {
            Slow::Auto => Auto::Auto,
            Slow::Yes => Auto::Given(true),
            Slow::No => Auto::Given(false),
        },
        tolerance: packetdrill.tolerance.map(NonZero::get).into(),
        repositories,
        env,
        guest,
        fleet: fleet(target),
        history: target.work.root().join("durations.json"),
        known,
    })
}

/// Seeds, as a user names them.
pub(super) fn seeds(text: &str) -> Result<Seeds> {
    text.parse().map_err(|wrong: String| {
        Error::usage(wrong)
            .hint("give one, as in --seed 4, or the first and the last of several: --seeds 1..50")
    })
}

/// The words for what a seed varies in these guests.
fn vary(words: &[Vary], guest: &GuestPlan) -> Result<Vec<&'static str>> {
    if !words.is_empty() && !guest.has_virtual_time() {
        return Err(Error::usage("--vary is for tests in virtual time: there a seed draws the same again")
            .hint("add --uml"));
    }
    Ok(words.iter().map(|vary| vary.as_str()).collect())
}

/// Whether a user named the seeds.
pub(super) fn seeds_chosen(target: &Target) -> bool {
    target.loaded.origin("test.seeds").is_some_and(|origin| origin.layer() != Layer::BuiltIn)
}

/// The guests, with time that passes as the settings say.
fn in_time(guest: GuestPlan, target: &Target) -> Result<GuestPlan> {
    let time = target.loaded.settings.vm.time;
    let backend = match (guest.backend, time) {
        (BackendPlan::Uml(_), GuestTime::Auto | GuestTime::Virtual) => BackendPlan::Uml(Time::Virtual),
        (BackendPlan::Virtme(_), GuestTime::Virtual) => {
            return Err(Error::usage("only guests of user-mode Linux have virtual time").hint("add --uml"));
        }
        (backend, _) => backend,
    };
    Ok(GuestPlan { backend, ..guest })
}

/// How many guests, and what each of them is for.
fn fleet(target: &Target) -> FleetPlan {
    let (vm, test) = (&target.loaded.settings.vm, &target.loaded.settings.test);
    FleetPlan {
        vms: vm.count.map(NonZero::get).into(),
        cpus: vm.cpus.map(NonZero::get).into(),
        shards: test.shards,
        fresh: test.fresh_vm,
        confirm: test.confirm,
        until_fail: test.until_fail,
        stress: test.stress,
    }
}

/// Gives arguments to the one test that is chosen.
fn give(selections: &mut [Selection], arguments: &[String]) -> Result<()> {
    if arguments.is_empty() {
        return Ok(());
    }
    let [selection] = selections else {
        let names: Vec<&str> = selections.iter().map(|selection| &selection.test.name[..]).collect();
        let wrong = format!("arguments for a script, but {} tests: {}", names.len(), names.join(", "));
        return Err(Error::usage(wrong).hint("choose one: vmptcp test NAME -- ARGS"));
    };
    selection.test.args = arguments.to_vec();
    Ok(())
}

/// Carries the plan out, shows the verdict, and returns the exit code.
pub fn carry_out(context: &Context, target: &Target, plan: &Plan, as_json: bool) -> Result<u8> {
    refuse_to_repeat_seeds(plan)?;
    let ended = target.carry_out(plan, &target.runs(), context)?;
    show(context, &ended, as_json)?;
    ended.into_result()
}

/// The same for kernels of several variants, as one run.
pub fn carry_out_all(context: &Context, parts: &[Part], as_json: bool) -> Result<u8> {
    parts.iter().try_for_each(|part| refuse_to_repeat_seeds(&part.plan))?;
    let ended = joint::carry_out(parts, Box::new(context.terminal()), context)?;
    show(context, &ended, as_json)?;
    ended.into_result()
}

/// Fails where tests are repeated until one fails, and every round would be the one before.
fn refuse_to_repeat_seeds(plan: &Plan) -> Result<()> {
    let repeats = |step: &Step| match step {
        Step::Test(tests) => tests.fleet.until_fail && tests.guest.has_virtual_time(),
        _ => false,
    };
    if !plan.steps.iter().any(repeats) {
        return Ok(());
    }
    Err(Error::usage("in virtual time the same seed makes the same run: --until-fail would go on for ever")
        .hint("try one seed after the other: vmptcp hunt TEST; or let time pass as on the host: --time real"))
}

/// Shows the verdict.
pub(super) fn show(context: &Context, ended: &FinishedRun, as_json: bool) -> Result<()> {
    let ending = Ending { colour: context.colour_on_stdout() };
    let exporter: &dyn Exporter = if as_json { &Json } else { &ending };
    report::show(&ended.summary, &ended.path, exporter, !as_json)
}

/// The tests that there are, or that are asked for, and which of them are in the profile.
fn list(context: &Context, target: &Target, args: &Args) -> Result<String> {
    let mut notes = Vec::new();
    let all = args.filters.is_empty() && args.suite.is_empty() && args.except.is_empty();
    let chosen: Vec<TestCase> = if all && args.shard.is_none() {
        let all = suites::all(target)?;
        notes.extend(all.notes);
        all.tests
    } else {
        let selected = selected(args, context, target)?;
        notes = selected.notes;
        selected.selections.into_iter().map(|selection| selection.test).collect()
    };
    let profile = suites::selections(target, &[]).map(|(selections, _)| selections).unwrap_or_default();
    let in_profile: Vec<&TestCase> = profile.iter().map(|selection| &selection.test).collect();
    if args.flags.tests.json {
        let names: Vec<String> = chosen.iter().map(TestCase::label).collect();
        let profile: Vec<String> = in_profile.iter().map(|test| test.label()).collect();
        let listed = serde_json::json!({ "tests": names, "profile": profile });
        return Ok(crate::text::json(&listed.to_string()) + "\n");
    }
    let mut text = String::new();
    for test in &chosen {
        let is_in = in_profile.iter().any(|other| other.label() == test.label());
        let mark = if is_in { "  (in the profile)" } else { "" };
        let args = if test.args.is_empty() { String::new() } else { format!(" -- {}", test.args.join(" ")) };
        let _ = writeln!(text, "{}{args}{mark}", test.words());
    }
    for note in &notes {
        let _ = writeln!(text, "note: {note}");
    }
    Ok(text)
}
