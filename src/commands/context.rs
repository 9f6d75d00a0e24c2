//! What every command needs: the environment, the settings, the kernel tree, and somewhere to print.

use super::overrides::Overrides;
use crate::error::{Error, IoContext, Result};
use crate::image::{Images, Recipe};
use crate::kernel::lock::Lock;
use crate::kernel::{MakeEnvironment, Tree, WorkDir};
use crate::report::terminal::{Terminal, Verbosity};
use crate::runner::Host;
use crate::runner::turns::Turn;
use crate::settings::{self, Environment, Loaded, Override, Root};
use clap::ValueEnum;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The link to the tree that was obtained last, in the cache.
const REMEMBERED: &str = "trees/.last";

/// Flags that every command takes.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The kernel tree [default: the current directory, the configured one, or what `vmptcp source` obtained]
    #[arg(long, global = true, value_name = "DIR")]
    pub tree: Option<PathBuf>,
    /// Show every subtest and every VM
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Show only what went wrong, and the verdict
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What every command needs.
pub struct Context {
    /// The process's environment.
    pub environment: Environment,
    /// Flags that every command takes.
    pub global: Global,
    /// The images that are used, until this command ends.
    held: Mutex<Vec<Lock>>,
}

impl Context {
    /// Looks at the process's environment, once.
    pub fn new(global: Global) -> Self {
        Self { environment: Environment::from_process(), global, held: Mutex::default() }
    }

    /// What make gets of the environment. Fails if a variable in it would build another kernel than vmptcp says.
    pub fn make_environment(&self) -> Result<MakeEnvironment> {
        MakeEnvironment::of(self.environment.variables())
    }

    /// The user's cache: kernel trees, answers of probes, links.
    pub fn cache(&self) -> Result<PathBuf> {
        self.environment.cache_dir()
    }

    /// virtme-ng's private virtual environment.
    pub fn venv(&self) -> Result<PathBuf> {
        Ok(self.cache()?.join("venv"))
    }

    /// The places that the runner needs, which it uses when it is its turn.
    pub fn host(&self, turn: Turn) -> Result<Host> {
        Ok(Host { cache: self.cache()?, venv: self.venv()?, turn })
    }

    /// The root filesystems of vmptcp's own.
    pub fn images(&self) -> Result<Images> {
        Ok(Images::new(&self.cache()?, &Self::argv().join(" ")))
    }

    /// The directory that is the root filesystem of guests. An image that is there stays as it is until this command ends.
    pub fn root(&self, root: &Root) -> Result<PathBuf> {
        let name = match root {
            Root::Dir(dir) => return Ok(dir.clone()),
            Root::Image(name) => name,
        };
        let (images, recipe) = (self.images()?, Recipe::find(name)?);
        let held = images.hold(&recipe)?;
        self.held.lock().unwrap_or_else(PoisonError::into_inner).extend(held);
        Ok(images.root(&recipe))
    }

    /// Where the guests are listed that run now.
    pub fn guests(&self) -> Result<PathBuf> {
        Ok(self.cache()?.join("guests"))
    }

    /// True if standard error is a terminal on which things may move.
    pub fn is_live(&self) -> bool {
        std::io::stderr().is_terminal() && !self.environment.is_ci()
    }

    /// True if there is somebody to ask.
    pub fn is_interactive(&self) -> bool {
        std::io::stdin().is_terminal() && self.is_live()
    }

    fn colour(&self, stream_is_terminal: bool) -> bool {
        match self.global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => stream_is_terminal && !self.environment.no_color(),
        }
    }

    /// True if standard error gets colours.
    pub fn colour_on_stderr(&self) -> bool {
        self.colour(std::io::stderr().is_terminal())
    }

    /// True if standard output gets colours.
    pub fn colour_on_stdout(&self) -> bool {
        self.colour(std::io::stdout().is_terminal())
    }

    /// How much is shown.
    pub fn verbosity(&self) -> Verbosity {
        match (self.global.quiet, self.global.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }

    /// The live view of a run.
    pub fn terminal(&self) -> Terminal {
        Terminal::new(self.verbosity(), self.colour_on_stderr(), self.is_live())
    }

    /// The command line, as it was given.
    pub fn argv() -> Vec<String> {
        std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect()
    }

    fn overrides(&self, flags: Overrides) -> Vec<Override> {
        let tree = self.global.tree.as_ref();
        let tree = tree.map(|tree| Overrides::of("kernel.tree", "--tree", &tree.display().to_string()));
        flags.and(tree.unwrap_or_default()).into_vec()
    }

    /// The kernel tree that is meant, if there is one: by flag; else the current directory or one above it; else by the
    /// settings; else the one that was obtained last.
    pub fn find_tree(&self) -> Result<Option<Tree>> {
        if let Some(tree) = &self.global.tree {
            return Tree::open(tree).map(Some);
        }
        if let Some(tree) = self.environment.current_dir().ancestors().find_map(|dir| Tree::open(dir).ok()) {
            return Ok(Some(tree));
        }
        if let Some(configured) = settings::configured_tree(&self.environment, &[])? {
            return Tree::open(&configured).map(Some).map_err(|error| error.context("the configured tree"));
        }
        Ok(Tree::open(&self.cache()?.join(REMEMBERED)).ok())
    }

    /// Lets commands without a tree of their own use this one from now on.
    pub fn remember(&self, tree: &Path) -> Result<()> {
        let link = self.cache()?.join(REMEMBERED);
        if let Some(dir) = link.parent() {
            std::fs::create_dir_all(dir).doing("create", dir)?;
        }
        crate::text::file::replace_link(&link, tree)
    }

    /// The kernel tree, which must be there.
    pub fn tree(&self) -> Result<Tree> {
        self.find_tree()?.ok_or_else(|| {
            Error::usage(format!(
                "no kernel tree: {} is not in one, and none is configured or was obtained",
                self.environment.current_dir().display()
            ))
            .hint("name one with --tree DIR, or obtain one: vmptcp source")
        })
    }

    /// The settings for a tree, or those that hold without one.
    pub fn settings(&self, tree: Option<&Tree>, flags: Overrides) -> Result<Loaded> {
        settings::load(&self.environment, tree.map(Tree::root), &self.overrides(flags))
    }

    /// The work directory of a tree, which need not exist yet.
    pub fn work_dir(&self, tree: &Tree, loaded: &Loaded) -> Result<WorkDir> {
        match &loaded.settings.kernel.work_dir {
            Some(dir) => Ok(WorkDir::at(dir)),
            None => Ok(WorkDir::of(tree, &self.cache()?)),
        }
    }

    /// Where the runs of a tree are.
    pub fn runs_dir(work: &WorkDir, loaded: &Loaded) -> PathBuf {
        loaded.settings.results.dir.clone().unwrap_or_else(|| work.root().join("runs"))
    }

    /// `path` as it is meant from the current directory.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        self.environment.current_dir().join(path)
    }
}
