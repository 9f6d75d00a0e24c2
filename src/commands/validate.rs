//! `vmptcp validate`: a series of patches, before it is sent.

use super::context::Context;
use super::flags::RunFlags;
use super::pipeline::NewRun;
use super::suites;
use super::workspace::{CommitRunner, LockedWorkspace};
use crate::doctor;
use crate::error::{ExitCode, Result};
use crate::kernel::Variant;
use crate::report::terminal::{Terminal, Verbosity};
use crate::report::{self, Format, console};
use crate::series::Loaded;
use crate::series::check::{self, CHECKS, Needs};
use crate::series::make::Config;
use crate::settings::Ccache;
use crate::text::file;
use crate::validate::{self, Input, Options, TestOptions};
use std::fmt::Write as _;
use std::num::NonZero;
use std::path::PathBuf;

/// Validate a series of patches before it is sent
///
/// Checks the text of each patch, builds each in every configuration that its files need, compares warnings before and
/// after, and runs the selftests at the tip. Your checkout, index, stash and branches are never touched. What was found is
/// remembered: after an amend only what changed is done again, and an interrupted run goes on where it was.
#[derive(Debug, Clone, Default, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent switches of the user's")]
#[command(after_help = "\
Examples:
  vmptcp validate                      what is on top of the export branch, of b4's cover, or of the upstream branch
  vmptcp validate HEAD~3..             these three
  vmptcp validate --quick              what takes no compiler: some seconds
  vmptcp validate outgoing/*.patch     files of git format-patch
  vmptcp validate series.mbx --onto export
  b4 am -o- MESSAGE-ID | vmptcp validate -
  vmptcp validate --patch 2 --check sparse
  vmptcp validate --also debug         the tests on a kernel with KASAN, lockdep and the like too
  vmptcp validate --markdown           to paste below the cover letter's ---
  vmptcp validate --list               what is checked

Exit codes: 0 nothing stands against it, 1 a check failed, 2 no such series, 5 could not run, 130 interrupted.")]
pub struct Args {
    /// A range (BASE..TIP), a b4 branch, mails, mailboxes, directories of them, or - for standard input
    #[arg(value_name = "INPUT")]
    pub(super) input: Vec<String>,
    /// The commit that mails are applied to [default: the base-commit that they name, else what is upstream]
    #[arg(long, value_name = "COMMIT")]
    pub(super) onto: Option<String>,
    /// What the subjects will have in brackets, as in 'PATCH mptcp-next v2'
    #[arg(long, value_name = "TEXT")]
    pub(super) subject_prefix: Option<String>,
    /// Only this patch, counted from 1
    #[arg(long, value_name = "N")]
    patch: Vec<usize>,
    /// Only this check
    #[arg(long, value_name = "NAME")]
    check: Vec<String>,
    /// Build only in this configuration, as in i386-ipv6-mptcp
    #[arg(long, value_name = "NAME")]
    config: Vec<String>,
    /// Nothing that builds or boots
    #[arg(long)]
    pub(super) quick: bool,
    /// Build, but boot nothing
    #[arg(long, conflicts_with = "full")]
    no_tests: bool,
    /// Run all selftests at the tip, and not only those of the profile or of what was touched
    #[arg(long)]
    full: bool,
    /// Run the tests at the tip on this kernel as well: normal, debug, btf or debug-btf, also as in debug-clang
    #[arg(long, value_name = "VARIANT", value_parser = Variant::parse, conflicts_with = "no_tests")]
    also: Vec<Variant>,
    /// Warnings stand against the series as well
    #[arg(long)]
    werror: bool,
    /// Print nothing if nothing stands against the series: for hooks.
    #[arg(skip)]
    quiet_pass: bool,
    /// List the checks
    #[arg(long)]
    list: bool,
    /// Show what would be done, with every command of make, and do nothing
    #[arg(long, conflicts_with = "list")]
    dry_run: bool,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// The same as --format markdown
    #[arg(long, conflicts_with_all = ["format", "json"])]
    markdown: bool,
    /// Write JUnit XML into this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    pub(super) flags: RunFlags,
}

impl Args {
    /// The flags on the tests at the tip, as they were typed.
    fn on_tests(&self) -> Result<String> {
        let mut flags = String::new();
        if self.full {
            flags.push_str(" --full");
        }
        for variant in &self.also {
            let _ = write!(flags, " --also {variant}");
        }
        for flag in self.flags.overrides()?.typed() {
            let _ = write!(flags, " {flag}");
        }
        Ok(flags)
    }

    /// What a hook asks for.
    pub(super) fn of_hook(input: Vec<String>, patch: Option<usize>, quick: bool, no_tests: bool) -> Self {
        let quiet_pass = patch.is_some();
        Self { input, patch: patch.into_iter().collect(), quick, no_tests, quiet_pass, ..Self::default() }
    }

    /// What b4 asks for: the quick checks of one commit. All that it is told, it takes for findings.
    pub(super) fn of_b4(commit: &str) -> Self {
        let input = vec![format!("{commit}~1..{commit}")];
        Self { format: Format::Lines, ..Self::of_hook(input, Some(1), true, true) }
    }

    /// What b4 asks for in a review: the quick checks of a patch, or of the series.
    pub(super) fn of_review(input: Vec<String>) -> Self {
        Self { format: Format::B4Review, ..Self::of_hook(input, None, true, true) }
    }

    fn format(&self) -> Format {
        match self.format {
            _ if self.flags.tests.json => Format::Json,
            _ if self.markdown => Format::Markdown,
            format => format,
        }
    }

    /// What is to be done.
    fn options(&self, context: &Context, place: &LockedWorkspace) -> Result<Options> {
        let kernel = &place.target.loaded.settings.kernel;
        let mut variants = vec![place.target.variant];
        for also in &self.also {
            if !variants.contains(also) {
                variants.push(*also);
            }
        }
        Ok(Options {
            patches: self.patch.clone(),
            checks: self.check.iter().map(|name| check::named(name)).collect::<Result<_>>()?,
            configs: self.config.iter().map(|name| Config::named(name)).collect::<Result<_>>()?,
            quick: self.quick,
            strict: self.werror,
            jobs: kernel.jobs.map_or_else(doctor::cores, NonZero::get) as usize,
            ccache: kernel.ccache != Ccache::Never && process::find("ccache").is_ok(),
            hidden: context.make_environment()?.names(),
            tests: if self.no_tests {
                None
            } else {
                Some(TestOptions { variants, full: self.full, flags: self.on_tests()? })
            },
        })
    }
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    if args.list {
        console::out(&list())?;
        return Ok(ExitCode::Passed as u8);
    }
    let place = LockedWorkspace::open(context, &args.flags)?;
    let loaded = validate::load(Input {
        words: &args.input,
        onto: args.onto.as_deref(),
        subject_prefix: args.subject_prefix.as_deref(),
        dir: &context.absolute(&PathBuf::new()),
        git: &place.git,
        workspace: &place.workspace,
    })?;
    let options = args.options(context, &place)?;
    options.check(loaded.series.patches.len())?;
    if args.dry_run {
        let scripts: Vec<String> =
            suites::of_default(&place.target)?.tests.into_iter().map(|test| test.name).collect();
        console::out(&validate::plan(&place.workspace, &loaded, &options, &scripts)?)?;
        return Ok(ExitCode::Passed as u8);
    }
    if options.builds() {
        place.require_buildable()?;
    }
    carry_out(args, context, &place, &loaded, &options)
}

/// Validates the series, as a run, and shows what was found.
fn carry_out(
    args: &Args,
    context: &Context,
    place: &LockedWorkspace,
    loaded: &Loaded,
    options: &Options,
) -> Result<u8> {
    let terminal = match args.format() {
        // Editors and b4 take all that is said for findings.
        Format::Lines | Format::B4Review => Terminal::new(Verbosity::Quiet, false, false),
        _ => context.terminal(),
    };
    let runs = place.target.runs();
    let run = NewRun {
        steps: options.steps().iter().map(|step| step.as_str().to_owned()).collect(),
        kind: validate::kind(options).to_owned(),
        runs: &runs,
        observer: Box::new(terminal),
    };
    let mut tests = CommitRunner { context, place, target: None };
    let ended = place.target.observed(run, context, |journal| {
        validate::run(&place.workspace, loaded, options, &mut tests, journal)
    })?;
    place.link_results(&ended.path)?;
    if ended.error.is_some() {
        return ended.into_result();
    }
    if let Some(file) = &args.junit {
        let junit = Format::Junit.exporter(false).render(&ended.summary);
        file::replace(&context.absolute(file), junit.as_bytes())?;
    }
    if !(args.quiet_pass && ended.exit_code() == ExitCode::Passed as u8) {
        let exporter = args.format().exporter(context.colour_on_stdout());
        report::show(&ended.summary, &ended.path, &*exporter, args.format() == Format::Text)?;
    }
    ended.into_result()
}

fn list() -> String {
    let mut text = String::new();
    for check in CHECKS {
        let scope = match check.needs {
            Needs::Patch(_) | Needs::Tool | Needs::Build => "patch",
            Needs::Series(_) => "series",
            Needs::Tip | Needs::Guest => "tip",
        };
        let quick = if check.is_quick() { "quick" } else { "" };
        let _ = writeln!(text, "{:<14} {scope:<7} {quick:<6} {}", check.id, check.about);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_tests_are_told_with_the_flags_that_they_depend_on() {
        let flags = |line: &str| {
            let words = shlex::split(line).unwrap();
            Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).args.on_tests().unwrap()
        };
        assert_eq!(flags("validate --check tests --quick base.."), "");
        let line =
            "validate --check tests --full --also debug --no-shards --append 'a b' --append c --cpus 2";
        assert_eq!(flags(line), " --full --also debug --no-shards --cpus 2 --append 'a b' --append c");
    }
}
