//! What the verbs that work on a kernel share: a target, a lock, a journal, and the verdict.

use super::context::Context;
use super::history;
use super::inputs;
use super::overrides::Overrides;
use crate::doctor;
use crate::error::{Error, ExitCode, IoContext, Kind, Result};
use crate::event::{Event, SCHEMA};
use crate::history::Places;
use crate::kernel::lock::{Busy, Holder, Lock};
use crate::kernel::{Tree, Variant, WorkDir};
use crate::plan::{
    BackendPlan, FileServer, GuestPlan, GuestRules, Plan, RootPlan, Step, VirtmePlan, share_of_cores,
};
use crate::report;
use crate::results::{Observer, Summary};
use crate::runner::turns::Turn;
use crate::runner::{Host, Journal, building, steps};
use crate::settings::{Accelerator as Wanted, AfterSplat, Auto, BootSplat, Filesystem, Loaded, Size};
use crate::store::{self, Keep, RunDir};
use crate::suite::Suite;
use crate::vm::Listing;
use crate::vm::accel::Accelerator;
use crate::vm::backend::uml::Time;
use crate::vm::root::is_hidden;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A kernel to work on: its tree, its settings, its work directory.
pub struct Target {
    /// The kernel tree.
    pub tree: Tree,
    /// The settings that hold for it.
    pub loaded: Loaded,
    /// Where builds and runs are.
    pub work: WorkDir,
    /// The variant that is meant.
    pub variant: Variant,
    /// The user's cache of this program.
    pub cache: PathBuf,
}

/// A run that is about to begin.
pub struct NewRun<'r> {
    /// The names of its steps.
    pub steps: Vec<String>,
    /// What kind of run it is: see [`Event::RunStarted`].
    pub kind: String,
    /// The directory that gets its own.
    pub runs: &'r Path,
    /// Who watches it.
    pub observer: Box<dyn Observer>,
}

/// How a run ended.
pub struct FinishedRun {
    /// All that is known of it.
    pub summary: Summary,
    /// Its directory.
    pub path: PathBuf,
    /// Why it ended early, if it did.
    pub error: Option<Error>,
}

impl Target {
    /// The tree that the context finds, with these flags.
    pub fn open(context: &Context, flags: Overrides) -> Result<Self> {
        Self::of(context, context.tree()?, flags)
    }

    /// This tree, with these flags.
    pub fn of(context: &Context, tree: Tree, flags: Overrides) -> Result<Self> {
        // Before anything is done for a kernel that would be another one.
        context.make_environment()?;
        let loaded = context.settings(Some(&tree), flags)?;
        tree.require_mptcp_selftests()?;
        let work = context.work_dir(&tree, &loaded)?;
        let variant = inputs::variant(&loaded.settings);
        Ok(Self { tree, loaded, work, variant, cache: context.cache()? })
    }

    /// The tree that has the tests of a suite: the selftests may be those of another one.
    pub fn tree_of(&self, suite: &Suite) -> Result<Tree> {
        let other =
            if suite.needs.collection.is_some() { inputs::other_selftests(&self.loaded)? } else { None };
        Ok(other.unwrap_or_else(|| self.tree.clone()))
    }

    /// Where the results of tests are.
    pub fn runs(&self) -> PathBuf {
        Context::runs_dir(&self.work, &self.loaded)
    }

    /// Where the records of everything else are: builds, commands in guests.
    pub fn sessions(&self) -> PathBuf {
        self.work.root().join("sessions")
    }

    /// The build directory.
    pub fn out(&self) -> PathBuf {
        match self.tree.packed() {
            // Wherever the work on it goes, they are in the tree.
            Some(_) => WorkDir::inside(self.tree.root()).build_dir(&self.variant.to_string()),
            None => self.work.build_dir(&self.variant.to_string()),
        }
    }

    /// The guests that the settings ask for.
    pub fn guest(&self, context: &Context) -> Result<GuestPlan> {
        let vm = &self.loaded.settings.vm;
        let agent = std::env::current_exe().doing("find the path of", "this executable")?;
        if !agent.exists() {
            // A guest runs it too.
            return Err(Error::cannot_run("vmptcp itself was replaced while it ran").hint("run it again"));
        }
        let root = context.root(&vm.root)?;
        // A guest of user-mode Linux finds its agent at a place of its own.
        let tools = agent.parent().filter(|_| !self.variant.uml);
        let ro = unseen(&root, [self.tree.root(), self.work.root()].into_iter().chain(tools));
        for dir in &vm.rw {
            if !dir.is_dir() {
                return Err(Error::usage(format!("cannot share {}: it is not a directory", dir.display()))
                    .hint("make it first: mkdir -p DIR"));
            }
        }
        Ok(GuestPlan {
            kernel: self.out(),
            slow_kernel: self.variant.is_slow(),
            cpus: vm.cpus.map_or_else(|| share_of_cores(doctor::cores(), 1), std::num::NonZero::get),
            memory_mib: vm.memory.unwrap_or_else(|| default_memory(self.variant)).mib(),
            append: vm.append.clone(),
            backend: if self.variant.uml { BackendPlan::Uml(Time::Real) } else { self.virtme(context)? },
            root: RootPlan { dir: root, ro, rw: vm.rw.clone(), agent, cached: false },
            boot_timeout: vm.boot_timeout,
            hold: false,
            unconfined: vm.allow_unconfined,
            rules: GuestRules {
                replace_after_splat: vm.after_splat == AfterSplat::Replace,
                boot_splat_counts: vm.boot_splat == BootSplat::Fail,
                boots: vm.boots.get(),
            },
            listing: Listing { dir: context.guests()?, purpose: Context::argv().join(" ") },
        })
    }

    fn virtme(&self, context: &Context) -> Result<BackendPlan> {
        let vm = &self.loaded.settings.vm;
        Ok(BackendPlan::Virtme(VirtmePlan {
            program: doctor::vng(&context.venv()?)?,
            accelerator: match vm.accelerator {
                Wanted::Auto => Auto::Auto,
                Wanted::Kvm => Auto::Given(Accelerator::Kvm),
                Wanted::Tcg => Auto::Given(Accelerator::Tcg),
            },
            filesystem: match vm.filesystem {
                Filesystem::Auto => Auto::Auto,
                Filesystem::NineP => Auto::Given(FileServer::NineP),
                Filesystem::Virtiofs => Auto::Given(FileServer::Virtiofs),
            },
            lean: vm.lean,
            qemu_args: vm.qemu_args.clone(),
        }))
    }

    /// What the results depend on, as far as the tree and the settings tell.
    fn facts(&self) -> BTreeMap<String, String> {
        let settings = &self.loaded.settings;
        let other = settings.kernel.selftests.as_ref();
        let facts = [
            ("tree", self.tree.root().display().to_string()),
            ("tree version", self.tree.version().to_string()),
            ("variant", self.variant.to_string()),
            ("base", settings.kernel.base.to_string()),
        ];
        let facts = facts.into_iter().chain(other.map(|tree| ("selftests of", tree.display().to_string())));
        facts.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Carries out a plan under a lock and with a journal below `runs`.
    pub fn carry_out(&self, plan: &Plan, runs: &Path, context: &Context) -> Result<FinishedRun> {
        let observer = Box::new(context.terminal());
        self.carry_out_in(plan, NewRun { steps: plan.names(), kind: plan.kind(), runs, observer }, context)
    }

    /// The same, as this run.
    pub fn carry_out_in(&self, plan: &Plan, run: NewRun<'_>, context: &Context) -> Result<FinishedRun> {
        let host = context.host(Turn::alone())?;
        self.observed(run, context, |journal| self.steps_of(plan, &host, journal))
    }

    /// Carries out a plan as a part of a run, in the directory `dir`.
    pub fn carry_out_part(
        &self,
        plan: &Plan,
        (dir, observer): (RunDir, Box<dyn Observer>),
        turn: Turn,
        context: &Context,
    ) -> Result<FinishedRun> {
        let host = context.host(turn)?;
        let began = Began { steps: plan.names(), kind: plan.kind(), facts: self.facts() };
        recorded(dir, observer, began, context, |journal| self.steps_of(plan, &host, journal))
    }

    /// The steps of a plan, under a lock.
    fn steps_of(&self, plan: &Plan, host: &Host, journal: &mut Journal) -> Result<()> {
        // Only what is tested needs it, and git may take its time.
        let tests = plan.steps.iter().any(|step| matches!(step, Step::Test(_)));
        if let Some(commit) = tests.then(|| self.tree.commit()).flatten() {
            let dirty = if commit.dirty { ", with uncommitted changes" } else { "" };
            let commit = format!("{} ({}{dirty})", commit.hash, commit.describe);
            let facts = BTreeMap::from([("commit".to_owned(), commit)]);
            journal.add(Event::Provenance { step: None, facts })?;
        }
        // What is built already can be tested while others test it.
        if let Some(lock) = self.share()?
            && let Some(current) = building::current(plan)?
        {
            lock.sign()?;
            return steps::carry_out(plan, host, &lock, Some(current), journal);
        }
        let lock = self.lock(journal)?;
        steps::carry_out(plan, host, &lock, None, journal)
    }

    /// Lets the history find the runs below `runs`. Where that cannot be, they are runs all the same.
    fn place_in_history(&self, runs: &Path, context: &Context, journal: &mut Journal) -> Result<()> {
        if runs == self.sessions() {
            return Ok(());
        }
        let placed = context.cache().and_then(|cache| Places::of(&cache).add(runs));
        placed.or_else(|error| journal.note(format!("the history does not know of this run: {error}")))
    }

    /// Which runs are kept.
    fn kept(&self) -> Keep {
        let results = &self.loaded.settings.results;
        Keep {
            of_each_kind: results.keep.map(|keep| keep.get() as usize),
            age: results.keep_days.map(|days| Duration::from_secs(u64::from(days.get()) * 24 * 3600)),
        }
    }

    /// Uses what is built, together with others; `None` while somebody changes it.
    pub fn share(&self) -> Result<Option<Lock>> {
        Lock::share(&self.lock_file(), &Context::argv().join(" "))
    }

    fn lock_file(&self) -> PathBuf {
        self.work.lock_file(&self.variant.to_string())
    }

    /// Lets nobody else change the build meanwhile; says so if somebody has to be waited for.
    pub fn lock(&self, journal: &mut Journal) -> Result<Lock> {
        let file = self.lock_file();
        let command = Context::argv().join(" ");
        let mut noted = Ok(());
        let lock = Lock::acquire(&file, &command, Busy::Wait, |holder| {
            let who = holder.map_or_else(|| "another process".to_owned(), Holder::to_string);
            noted = journal.note(format!("waiting for {who}, which works on {}", self.out().display()));
        });
        noted.and(lock)
    }

    /// The same as [`Target::observed`], and shows it on the terminal.
    pub fn journaled(
        &self,
        steps: Vec<String>,
        kind: String,
        runs: &Path,
        context: &Context,
        work: impl FnOnce(&mut Journal) -> Result<()>,
    ) -> Result<FinishedRun> {
        self.observed(NewRun { steps, kind, runs, observer: Box::new(context.terminal()) }, context, work)
    }

    /// Does `work` with a journal below `runs`. How it ended is in the journal, on disk and in the result, also where it
    /// failed; an error of this function itself means that not even that could be written.
    pub fn observed(
        &self,
        NewRun { steps, kind, runs, observer }: NewRun<'_>,
        context: &Context,
        work: impl FnOnce(&mut Journal) -> Result<()>,
    ) -> Result<FinishedRun> {
        self.work.create()?;
        let dir = RunDir::create(runs)?;
        let began = Began { steps, kind, facts: self.facts() };
        recorded(dir, observer, began, context, |journal| {
            // The new one counts as well, and now says of what kind it is.
            store::prune(runs, self.kept());
            self.place_in_history(runs, context, journal)?;
            work(journal)
        })
    }
}

/// What is known of a run when it begins.
struct Began {
    steps: Vec<String>,
    kind: String,
    facts: BTreeMap<String, String>,
}

/// Does `work` with a journal in `dir`. See [`Target::observed`].
fn recorded(
    dir: RunDir,
    observer: Box<dyn Observer>,
    Began { steps, kind, facts }: Began,
    context: &Context,
    work: impl FnOnce(&mut Journal) -> Result<()>,
) -> Result<FinishedRun> {
    let path = dir.path().to_owned();
    let mut journal = Journal::new(dir, observer);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let outcome = journal
        .add(Event::RunStarted { schema: SCHEMA, version, argv: Context::argv(), steps, kind })
        .and_then(|()| journal.add(Event::Provenance { step: None, facts }))
        .and_then(|()| work(&mut journal));
    finish(journal, path, outcome, context)
}

/// Ends the journal of a run that came to this, and writes its files.
pub(super) fn finish(
    mut journal: Journal,
    path: PathBuf,
    outcome: Result<()>,
    context: &Context,
) -> Result<FinishedRun> {
    note_history(&mut journal, context)?;
    let so_far = journal.summary().exit_code_so_far();
    let (exit_code, error) = match outcome {
        Ok(()) => (so_far, None),
        // A kernel that crashes while it boots makes a run impossible, and is more than that.
        Err(error) if error.kind() == Kind::CannotRun && journal.summary().kernel_failed() => {
            (ExitCode::Crashed, Some(error))
        }
        Err(error) => (error.kind().exit_code(), Some(error)),
    };
    let written = journal.add(Event::RunEnded {
        exit_code: exit_code as u8,
        error: error.as_ref().map(ToString::to_string),
        hint: error.as_ref().and_then(|error| error.remedy().map(str::to_owned)),
    });
    let summary = journal.close();
    if let Some(error) = error.as_ref().filter(|error| error.kind().exit_code() != exit_code) {
        // Its exit code is not the one of the run: it is shown here only.
        report::console::error(error, context.colour_on_stderr());
    }
    report::write_files(&summary, &path)?;
    written?;
    Ok(FinishedRun { summary, path, error })
}

/// Notes what is known of the failures from the public CI. A history that cannot be read is no reason to fail.
fn note_history(journal: &mut Journal, context: &Context) -> Result<()> {
    let lines = history::of_failures(journal.summary(), context);
    let lines = lines.unwrap_or_else(|error| vec![error.to_string()]);
    lines.into_iter().try_for_each(|line| journal.note(line))
}

impl FinishedRun {
    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        self.summary.exit_code.unwrap_or(ExitCode::CannotRun as u8)
    }

    /// The exit code, or the error that ended it early.
    pub fn into_result(self) -> Result<u8> {
        let code = self.exit_code();
        match self.error {
            Some(error) if error.kind().exit_code() as u8 == code => Err(error),
            _ => Ok(code),
        }
    }
}

/// The directories that guests with this root do not see unless they are shown.
pub(super) fn unseen<'p>(root: &Path, dirs: impl Iterator<Item = &'p Path>) -> Vec<PathBuf> {
    let own_root = root != Path::new("/");
    let mut unseen: Vec<PathBuf> =
        dirs.filter(|path| own_root || is_hidden(path)).map(Path::to_owned).collect();
    unseen.dedup();
    unseen
}

fn default_memory(variant: Variant) -> Size {
    Size::from_mib(if variant.is_slow() { 2048 } else { 1024 })
}
