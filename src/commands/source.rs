//! `vmptcp source`: obtains a kernel tree.

use super::context::Context;
use super::overrides::Overrides;
use crate::error::{ExitCode, Result};
use crate::kernel::Tree;
use crate::kernel::source::{self, Reporter, Request, Source};
use crate::report::console;
use crate::report::terminal::Terminal;
use crate::series;
use crate::series::import::Imported;
use crate::settings;
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// Obtain a kernel tree
///
/// Prints where it is. What was obtained before is taken as it is, unless --update is given.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Sources:
  auto            the current directory if it is a kernel tree, else the configured one, else a shallow clone of
                  the MPTCP development tree, else the source package of the distribution
  distro          the newest source package of the distribution, or that of a VERSION (Debian)
  git URL         a shallow clone
  tarball WHERE   an archive, a file or a URL

Examples:
  vmptcp source
  vmptcp source distro
  vmptcp source distro 6.1
  vmptcp source git https://github.com/multipath-tcp/mptcp_net-next.git --branch export
  vmptcp source tarball linux-6.12.tar.xz
  vmptcp source distro --git
  vmptcp source --git --tree linux-6.12
  cd \"$(vmptcp source distro)\" && vmptcp run")]
pub struct Args {
    /// auto, distro, git or tarball
    #[arg(value_name = "SOURCE", default_value = "auto")]
    kind: String,
    /// The URL or file, for git and tarball; the version, for distro
    #[arg(value_name = "WHERE")]
    location: Option<String>,
    /// The branch, for git
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// Look again, even if there is a tree from this source already
    #[arg(long)]
    update: bool,
    /// Make the tree a git repository with one commit of everything, if it is none: to validate series on it
    #[arg(long)]
    git: bool,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let source = Source::parse(&args.kind, args.location.as_deref(), args.branch.as_deref())?;
    let path = match &context.global.tree {
        Some(tree) if args.git && source == Source::Auto => Tree::open(tree)?.root().to_owned(),
        _ => obtain(context, &source, args.update)?,
    };
    if args.git {
        import(context, &path)?;
    }
    console::out(&format!("{}\n", path.display()))?;
    Ok(ExitCode::Passed as u8)
}

/// Makes a tree a repository.
fn import(context: &Context, tree: &Path) -> Result<()> {
    let subject = format!("Linux {}", Tree::open(tree)?.version());
    let terminal = RefCell::new(context.terminal());
    let outcome =
        series::import::import(tree, &subject, &mut |progress| terminal.borrow_mut().show(&progress));
    Terminal::finish(&terminal.borrow());
    let place = tree.display();
    let note = match outcome? {
        None => format!("{place} is a git repository already"),
        Some(imported) => {
            format!("{place} is a git repository now, at {:.12}{}", imported.commit, left(&imported))
        }
    };
    terminal.borrow_mut().note(&note);
    Ok(())
}

/// What is not in the commit.
fn left(imported: &Imported) -> String {
    let files = &imported.left_out;
    let Some(first) = files.first() else { return String::new() };
    let products = match files.len() {
        1 => first.clone(),
        count => format!("{first} and {} more", count - 1),
    };
    format!(", without products of a build: {products}")
}

/// Obtains a tree for a run that has none.
pub fn obtain_for_run(context: &Context) -> Result<Tree> {
    Tree::open(&obtain(context, &Source::Auto, false)?)
}

fn obtain(context: &Context, source: &Source, update: bool) -> Result<PathBuf> {
    let tree = obtain_only(context, source, update)?;
    context.remember(&tree)?;
    Ok(tree)
}

/// Obtains a tree that is not the one of commands without a tree from now on.
pub(super) fn obtain_only(context: &Context, source: &Source, update: bool) -> Result<PathBuf> {
    let settings = context.settings(None, Overrides::default())?.settings;
    let configured = match &context.global.tree {
        Some(tree) => Some(tree.clone()),
        None => settings::configured_tree(&context.environment, &[])?,
    };
    let cache = context.cache()?;
    let command = Context::argv().join(" ");
    let request = Request {
        source,
        cache: &cache,
        cwd: context.environment.current_dir(),
        configured: configured.as_deref(),
        upstream: (&settings.source.url, &settings.source.branch),
        update,
        command: &command,
    };
    let terminal = RefCell::new(context.terminal());
    let outcome = source::obtain(
        &request,
        &mut Reporter {
            progress: &mut |progress| terminal.borrow_mut().show(&progress),
            note: &mut |note| terminal.borrow_mut().note(&note),
        },
    );
    Terminal::finish(&terminal.borrow());
    outcome
}
