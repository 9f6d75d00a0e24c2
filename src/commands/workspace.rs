//! Where series are worked on: a workspace in the work directory of the tree, for one invocation at a time.

use super::context::Context;
use super::flags::RunFlags;
use super::inputs;
use super::pipeline::{FinishedRun, Target};
use super::{suites, test};
use crate::error::{Error, IoContext, Kind, Result};
use crate::kernel::lock::{Busy, Holder, Lock};
use crate::kernel::{Tree, Variant, WorkDir, workdir};
use crate::report::console;
use crate::series::Workspace;
use crate::series::git::Git;
use crate::settings;
use crate::text::file;
use crate::validate::{TestRun, TestRunner};
use std::path::Path;

/// The directory for series, in the work directory.
const SERIES: &str = "series";

/// The tree, its repository, and our workspace; locked as long as this lives.
pub(super) struct LockedWorkspace {
    /// The kernel tree, its settings and its work directory.
    pub target: Target,
    /// The flags that its settings were loaded with.
    pub flags: RunFlags,
    /// Its repository.
    pub git: Git,
    /// Our own.
    pub workspace: Workspace,
    _lock: Lock,
}

impl LockedWorkspace {
    /// Opens it; waits for another invocation that works there.
    pub fn open(context: &Context, flags: &RunFlags) -> Result<Self> {
        Self::named(context, flags, SERIES)
    }

    /// The same below another name: what works there does not disturb this.
    pub fn named(context: &Context, flags: &RunFlags, name: &str) -> Result<Self> {
        let target = Target::open(context, flags.overrides()?)?;
        target.tree.require_sources("check out commits")?;
        let git = Git::of_tree(target.tree.root())?;
        target.work.create()?;
        let root = target.work.root().join(name);
        std::fs::create_dir_all(&root).doing("create", &root)?;
        let command = Context::argv().join(" ");
        let lock = Lock::acquire(&root.join("lock"), &command, Busy::Wait, |holder| {
            let who = holder.map_or_else(|| "another process".to_owned(), Holder::to_string);
            console::note(&format!("waiting for {who}, which works on {}", root.display()));
        })?;
        let workspace = Workspace::open(&root, &git)?;
        Ok(Self { target, flags: flags.clone(), git, workspace, _lock: lock })
    }

    /// Fails if make could not take the path of our work tree.
    pub fn require_buildable(&self) -> Result<()> {
        let tree = self.workspace.tree();
        if !tree.to_string_lossy().contains([' ', ':', '\t', '\n']) {
            return Ok(());
        }
        Err(Error::usage(format!("make cannot take the path {}", tree.display())).hint(
            "choose a work directory without blanks and colons: VMPTCP_KERNEL_WORK_DIR=DIR vmptcp validate",
        ))
    }

    /// Lets `results` in our place be the directory of the newest validation: who reads it there need not know its name.
    pub fn link_results(&self, run: &Path) -> Result<()> {
        let link = self.target.work.root().join(SERIES).join("results");
        if link.is_dir() && !link.is_symlink() {
            // Earlier versions wrote the files themselves.
            std::fs::remove_dir_all(&link).doing("remove", &link)?;
        }
        file::replace_link(&link, run)
    }

    /// Our work tree at a commit, as a tree to build this variant of and to test. Its settings are the user's: a series has
    /// no say in them.
    pub fn check_out(&self, context: &Context, commit: &str, variant: Variant) -> Result<Target> {
        self.workspace.check_out(commit)?;
        let tree = Tree::open(&self.workspace.tree())?;
        tree.require_mptcp_selftests()?;
        let mut loaded = context.settings(Some(&self.target.tree), self.flags.overrides()?)?;
        inputs::ask_for(variant, &mut loaded.settings);
        // Where a tree of the user's has it: ccache then knows what was built there before.
        let work = WorkDir::at(&self.workspace.tree().join(workdir::NAME));
        Ok(Target { tree, loaded, work, variant, cache: context.cache()? })
    }
}

/// Builds a tree, and runs these tests in a guest, as a run below `runs`. A kernel that does not come up is a result; that
/// it does not build, an error.
pub(super) fn run_tests(
    context: &Context,
    target: &Target,
    filters: &[String],
    runs: &Path,
) -> Result<TestRun> {
    let plan = test::plan(context, target, filters, &[], Vec::new())?;
    let FinishedRun { summary, path, error } = target.carry_out(&plan, runs, context)?;
    match error {
        Some(error) if error.kind() != Kind::CannotRun || summary.vms.is_empty() => Err(error),
        _ => Ok(TestRun { summary, path }),
    }
}

/// Runs the tests of commits, in our workspace.
pub(super) struct CommitRunner<'a> {
    pub context: &'a Context,
    pub place: &'a LockedWorkspace,
    /// What is checked out.
    pub target: Option<Target>,
}

impl TestRunner for CommitRunner<'_> {
    fn check_out(&mut self, commit: &str, variant: Variant) -> Result<Vec<String>> {
        let target = self.target.insert(self.place.check_out(self.context, commit, variant)?);
        Ok(suites::of_default(target)?.tests.into_iter().map(|test| test.name).collect())
    }

    fn run(&mut self, filters: &[String], seeds: Option<u32>, runs: &Path) -> Result<TestRun> {
        let Some(target) = &mut self.target else {
            return Err(Error::cannot_run("no commit was checked out to be tested"));
        };
        let asked = &self.place.target.loaded.settings.test.seeds;
        target.loaded.settings.test.seeds =
            seeds.map_or_else(|| asked.clone(), |count| format!("1..{count}"));
        run_tests(self.context, target, filters, runs)
    }

    fn settings(&self) -> &settings::Loaded {
        &self.place.target.loaded
    }
}
