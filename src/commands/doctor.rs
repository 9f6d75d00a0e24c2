//! `vmptcp doctor`: can the main job run here, and what is missing?

use super::context::Context;
use super::overrides::Overrides;
use super::pipeline::Target;
use crate::doctor::{self, Diagnosis, Fixed, Scope};
use crate::error::{ExitCode, Result};
use crate::kernel::{Variant, build};
use crate::report::console;
use crate::runner::guest::require_root;
use std::path::PathBuf;

/// Check every tool and the machine, and say what is missing
///
/// Exits with 0 only if the main job, `vmptcp run`, can run.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp doctor
  vmptcp doctor --fix                  install what is missing, after asking
  vmptcp doctor --fix --yes            the same in a script
  vmptcp doctor --fix --with sparse,clang
  vmptcp doctor --root lean            what guests with this root filesystem lack
  vmptcp doctor --json --reprobe")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    /// Install what is missing, after asking
    #[arg(long)]
    pub fix: bool,
    /// With --fix: do not ask
    #[arg(long, short, requires = "fix")]
    pub yes: bool,
    /// Count these as wanted: tools for one feature only, which are not installed unasked
    #[arg(long, value_name = "TOOL", value_delimiter = ',')]
    pub with: Vec<String>,
    /// Check this root filesystem of guests instead: an image (vmptcp image), or a directory
    #[arg(long, value_name = "NAME|DIR", conflicts_with_all = ["fix", "with", "reprobe"])]
    pub root: Option<String>,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
    /// Probe the accelerator again instead of trusting the remembered answer
    #[arg(long)]
    pub reprobe: bool,
}

/// How the command talks to a person while it works.
pub struct Talk<'a> {
    /// Asks a yes-or-no question; none if there is no terminal to ask on.
    pub ask: Option<&'a dyn Fn(&str) -> bool>,
    /// Shows a line of progress; it may hold the output of a package manager.
    pub say: &'a mut dyn FnMut(&str),
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    if let Some(root) = &args.root {
        return examine_root(root, args.json, context);
    }
    let (cache, venv) = (context.cache()?, context.venv()?);
    // Without a tree, or with one that cannot be used, there is still enough to examine.
    let target = Target::open(context, Overrides::default()).ok();
    let built = target.as_ref().and_then(|target| build::last(&target.out()));
    let uml = target.as_ref().and_then(built_uml);
    let scope = Scope {
        cache: &cache,
        venv: &venv,
        work: target.as_ref().map(|target| target.work.root()),
        image: built.as_ref().map(|built| &*built.image),
        uml: uml.as_deref(),
        reprobe: args.reprobe,
        with: &args.with,
    };
    let ask: Option<&dyn Fn(&str) -> bool> =
        if context.is_interactive() { Some(&console::ask) } else { None };
    let (text, code) = examine(args, &scope, &mut Talk { ask, say: &mut console::note })?;
    console::out(&text)?;
    Ok(code as u8)
}

/// Examines the root filesystem that the flag names.
fn examine_root(root: &str, json: bool, context: &Context) -> Result<u8> {
    let flag = Overrides::of("vm.root", "--root", root);
    let dir = context.root(&context.settings(None, flag)?.settings.vm.root)?;
    require_root(&dir)?;
    let diagnosis = doctor::examine_root(&dir)?;
    console::out(&if json { diagnosis.to_json()? } else { diagnosis.to_text() })?;
    Ok(if diagnosis.can_run { ExitCode::Passed } else { ExitCode::CannotRun } as u8)
}

/// The build directory of a kernel of user-mode Linux: of the variant that is meant, or the normal one.
fn built_uml(target: &Target) -> Option<PathBuf> {
    let variants = [Variant { uml: true, ..target.variant }, Variant { uml: true, ..Variant::default() }];
    let dirs = variants.map(|variant| target.work.build_dir(&variant.to_string()));
    dirs.into_iter().find(|dir| build::last(dir).is_some())
}

/// Examines, installs if asked to, and returns the text for standard output and the exit code.
fn examine(args: &Args, scope: &Scope, talk: &mut Talk) -> Result<(String, ExitCode)> {
    let mut diagnosis = doctor::examine(scope)?;
    if args.fix {
        diagnosis = repair(args, scope, diagnosis, talk)?;
    }
    let text = if args.json { diagnosis.to_json()? } else { diagnosis.to_text() };
    Ok((text, if diagnosis.can_run { ExitCode::Passed } else { ExitCode::CannotRun }))
}

fn repair(args: &Args, scope: &Scope, diagnosis: Diagnosis, talk: &mut Talk) -> Result<Diagnosis> {
    let confirm = |question: &str| args.yes || talk.ask.is_some_and(|ask| ask(question));
    match doctor::fix(&diagnosis, scope.venv, &confirm, talk.say)? {
        Some(fixed) if fixed == Fixed::default() => Ok(diagnosis),
        Some(fixed) => {
            if !fixed.failed.is_empty() {
                (talk.say)(&format!("could not install {}: going on without", fixed.failed.join(", ")));
            }
            // The probe, if it ran, is remembered.
            doctor::examine(&Scope { reprobe: false, ..*scope })
        }
        None => {
            let why = if talk.ask.is_some() {
                "nothing is installed"
            } else {
                "no terminal to ask on: nothing is installed without --yes"
            };
            (talk.say)(why);
            Ok(diagnosis)
        }
    }
}
