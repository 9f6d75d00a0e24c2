//! `vmptcp validate`: a series of patches, before it is sent.

mod outcomes;
mod place;
mod source;
mod tip;

pub(super) use place::{Place, run_tests};

use super::context::Context;
use super::flags::RunFlags;
use crate::doctor;
use crate::error::{ExitCode, Result};
use crate::kernel::Variant;
use crate::report::{checks, console, junit, terminal::Table, terminal::Verbosity};
use crate::series::check::{CHECKS, Needs, names};
use crate::series::verdict::Report;
use crate::series::{Engine, Loaded, Options};
use crate::settings::Ccache;
use crate::text::file;
use clap::ValueEnum;
use std::fmt::Write as _;
use std::num::NonZero;
use std::path::{Path, PathBuf};

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
    /// Run the tests at the tip on this kernel as well: normal, debug or btf, also as in debug-clang
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

/// A form in which the result is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person.
    #[default]
    Text,
    /// For a program.
    Json,
    /// For CI systems.
    Junit,
    /// To paste into a mail.
    Markdown,
    /// A finding a line, as compilers write them: for editors.
    Lines,
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
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    if args.list {
        console::out(&list())?;
        return Ok(ExitCode::Passed as u8);
    }
    let place = Place::open(context, &args.flags)?;
    let loaded = source::load(args, context, &place)?;
    let report = validate(args, context, &place, &loaded)?;
    let results = place.workspace.dir("results")?;
    write_files(&report, &results)?;
    if let Some(file) = &args.junit {
        file::replace(&context.absolute(file), junit::render_checks(&report).as_bytes())?;
    }
    let code = if report.passed() { ExitCode::Passed } else { ExitCode::TestsFailed };
    if !(args.quiet_pass && report.passed()) {
        console::out(&shown(args, context, &report))?;
    }
    Ok(code as u8)
}

fn shown(args: &Args, context: &Context, report: &Report) -> String {
    let format = match args.format {
        _ if args.flags.tests.json => Format::Json,
        _ if args.markdown => Format::Markdown,
        format => format,
    };
    match format {
        Format::Text => checks::text::render(report, context.colour_on_stdout()),
        Format::Json => checks::json(report),
        Format::Junit => junit::render_checks(report),
        Format::Markdown => checks::markdown::render(report),
        Format::Lines => checks::lines(report),
    }
}

/// Does the checks that are wanted.
fn validate(args: &Args, context: &Context, place: &Place, loaded: &Loaded) -> Result<Report> {
    let kernel = &place.target.loaded.settings.kernel;
    let options = Options {
        patches: args.patch.clone(),
        checks: args.check.clone(),
        configs: args.config.clone(),
        quick: args.quick,
        strict: args.werror,
        jobs: kernel.jobs.map_or_else(doctor::cores, NonZero::get) as usize,
        ccache: kernel.ccache != Ccache::Never && crate::process::find("ccache").is_ok(),
    };
    options.check(loaded.series.patches.len())?;
    let builds = CHECKS.iter().any(|check| options.wants(check) && !check.is_quick());
    if builds {
        place.require_buildable()?;
    }
    let verbosity = if args.format == Format::Lines { Verbosity::Quiet } else { context.verbosity() };
    let mut table = Table::new(verbosity, context.colour_on_stderr(), context.is_live());
    let mut engine = Engine::new(&place.workspace, loaded, &options, &mut table)?;
    let outcome = engine.run().and_then(|()| {
        if engine.is_open(names::TESTS, None) && !args.no_tests {
            let mut variants = vec![place.target.variant];
            for also in &args.also {
                if !variants.contains(also) {
                    variants.push(*also);
                }
            }
            return tip::test(&mut engine, context, place, loaded, &variants, args);
        }
        Ok(())
    });
    let report = engine.finish();
    table.finish();
    outcome.map(|()| report)
}

/// Leaves the result where programs find it.
fn write_files(report: &Report, dir: &Path) -> Result<()> {
    file::replace(&dir.join("results.json"), checks::json(report).as_bytes())?;
    file::replace(&dir.join("junit.xml"), junit::render_checks(report).as_bytes())?;
    file::replace(&dir.join("summary.md"), checks::markdown::render(report).as_bytes())?;
    file::replace(&dir.join("summary.txt"), checks::text::render(report, false).as_bytes())
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
        let _ = writeln!(text, "{:<14} {scope:<7} {quick:<6} {}", check.name, check.about);
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
