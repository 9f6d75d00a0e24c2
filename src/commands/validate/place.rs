//! Where series are worked on: the tool's own place in the work directory of the tree.

use crate::commands::context::Context;
use crate::commands::flags::RunFlags;
use crate::commands::inputs;
use crate::commands::pipeline::{Ended, Target};
use crate::commands::test;
use crate::error::{Error, IoContext, Kind, Result};
use crate::kernel::lock::{Busy, Holder, Lock};
use crate::kernel::{Tree, Variant, WorkDir, workdir};
use crate::report::console;
use crate::results::Summary;
use crate::series::Workspace;
use crate::series::git::Git;

/// The tree, its repository, and our own place; locked as long as this lives.
pub(in crate::commands) struct Place {
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

impl Place {
    /// Opens it; waits for another invocation that works there.
    pub fn open(context: &Context, flags: &RunFlags) -> Result<Self> {
        Self::named(context, flags, "series")
    }

    /// The same below another name: what works there does not disturb this.
    pub fn named(context: &Context, flags: &RunFlags, name: &str) -> Result<Self> {
        let target = Target::open(context, flags.overrides()?)?;
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
        Ok(Target { tree, loaded, work, variant })
    }
}

/// Builds a tree, and runs these tests in a guest. A kernel that does not come up is a result; that it does not build,
/// an error.
pub(in crate::commands) fn run_tests(
    context: &Context,
    target: &Target,
    filters: &[String],
) -> Result<Summary> {
    let plan = test::plan(context, target, filters, &[], Vec::new())?;
    let runs = target.work.root().join("runs");
    let Ended { summary, error, .. } = target.carry_out(&plan, &runs, context)?;
    match error {
        Some(error) if error.kind() != Kind::CannotRun || summary.vms.is_empty() => Err(error),
        _ => Ok(summary),
    }
}
