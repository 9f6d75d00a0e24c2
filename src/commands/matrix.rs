//! `vmptcp matrix`: the same tests on several kernels.

mod table;

use super::context::Context;
use super::flags::RunFlags;
use super::pipeline::Target;
use super::{source, test};
use crate::error::{Error, ExitCode, IoContext, Kind, Result};
use crate::event::Outcome;
use crate::kernel::Tree;
use crate::kernel::lock::{Busy, Lock};
use crate::kernel::source::Source;
use crate::report::console;
use crate::results::{Summary, Test};
use crate::text::{file, hash};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Run the same tests on several kernels
///
/// Obtains each kernel, builds it in its own tree, runs the tests, and prints a table of what came of them. The exit code is
/// the highest of all kernels. What was interrupted goes on with the next kernel when the same command is given again.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
A kernel is a version whose source package the distribution offers, or the directory of a tree, with a slash in its path.

Examples:
  vmptcp matrix 6.1 6.12 --uml
  vmptcp matrix 6.1 6.12 ./my-tree --only diag,mptcp_join
  vmptcp matrix 6.12 ./my-tree --profile full --root lean
  vmptcp matrix 6.1 6.12 --dry-run")]
pub struct Args {
    /// Versions, or directories of trees
    #[arg(value_name = "KERNEL", required = true)]
    kernels: Vec<String>,
    /// Which tests, as vmptcp test takes them [default: the profile]
    #[arg(long, value_name = "FILTER", value_delimiter = ',')]
    only: Vec<String>,
    /// Begin with the first kernel, though the same command was interrupted
    #[arg(long)]
    restart: bool,
    /// Show which trees there would be, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    flags: RunFlags,
}

/// What came of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Column {
    /// As it was named.
    kernel: String,
    /// The version of its tree, where there is one.
    version: Option<String>,
    /// The exit code of its run, or of what kept it from running.
    exit_code: u8,
    /// The verdict, in a word or two.
    verdict: String,
    /// Where its results are.
    run: Option<PathBuf>,
    /// Why it ended early.
    error: Option<String>,
    /// What came of each test.
    tests: BTreeMap<String, String>,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let sources: Vec<Kernel> =
        args.kernels.iter().map(|name| kernel(name, context)).collect::<Result<_>>()?;
    if args.dry_run {
        return console::out(&outline(&args.kernels, &sources)).map(|()| ExitCode::Passed as u8);
    }
    let progress = Progress::open(args, context)?;
    let mut columns = if args.restart { Vec::new() } else { progress.read() };
    for (name, source) in args.kernels.iter().zip(&sources) {
        if let Some(done) = columns.iter().find(|column| column.kernel == *name) {
            console::note(&format!("{name}: {}, before the interruption", done.verdict));
            continue;
        }
        console::note(&format!("kernel {name}"));
        let column = match one(name, source, args, context) {
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            outcome => outcome.unwrap_or_else(|error| Column::failed(name, &error)),
        };
        if let Some(error) = &column.error {
            console::note(&format!("{name}: {error}"));
        }
        columns.push(column);
        progress.write(&columns)?;
    }
    progress.forget();
    console::out(&if args.flags.tests.json { table::json(&columns)? } else { table::text(&columns) })?;
    Ok(columns.iter().map(|column| column.exit_code).max().unwrap_or_default())
}

/// A kernel that was named.
enum Kernel {
    Tree(PathBuf),
    Source(Source),
}

fn kernel(name: &str, context: &Context) -> Result<Kernel> {
    if name.contains('/') {
        let tree = Tree::open(&context.absolute(name.as_ref()))?;
        return Ok(Kernel::Tree(tree.root().to_owned()));
    }
    Source::parse("distro", Some(name), None).map(Kernel::Source).map_err(|error| {
        Error::usage(error.to_string())
            .hint("name a version, as in 6.12, or a tree's directory with a slash in its path")
    })
}

fn outline(names: &[String], kernels: &[Kernel]) -> String {
    let line = |(name, kernel): (&String, &Kernel)| match kernel {
        Kernel::Tree(dir) => {
            format!("{name}: the tree {}\n", crate::report::clean(&dir.display().to_string()))
        }
        Kernel::Source(_) => format!("{name}: vmptcp source distro {name}\n"),
    };
    names.iter().zip(kernels).map(line).collect()
}

/// Obtains, builds and tests one.
fn one(name: &str, kernel: &Kernel, args: &Args, context: &Context) -> Result<Column> {
    let dir = match kernel {
        Kernel::Tree(dir) => dir.clone(),
        Kernel::Source(source) => source::obtain_only(context, source, false)?,
    };
    let target = Target::of(context, Tree::open(&dir)?, args.flags.overrides()?)?;
    let plan = test::plan(context, &target, &args.only, &[], Vec::new())?;
    let ended = target.carry_out(&plan, &target.runs(), context)?;
    let code = ended.exit_code();
    if code == ExitCode::Interrupted as u8 {
        return Err(process::interrupt::error());
    }
    Ok(Column {
        kernel: name.to_owned(),
        version: Some(target.tree.version().to_string()),
        exit_code: code,
        verdict: ended.summary.verdict.as_str().to_owned(),
        error: ended.error.map(|error| error.to_string()),
        tests: cells(&ended.summary),
        run: Some(ended.path),
    })
}

/// What came of each test; of one that ran several times, the first that went wrong.
fn cells(summary: &Summary) -> BTreeMap<String, String> {
    let mut cells: BTreeMap<String, &Test> = BTreeMap::new();
    for test in &summary.tests {
        let known = cells.entry(test.label()).or_insert(test);
        if known.result.outcome.is_ok() && !test.result.outcome.is_ok() {
            *known = test;
        }
    }
    cells.into_iter().map(|(name, test)| (name, cell(test))).collect()
}

/// "pass", "pass, 3 skip", "fail, 2 of 29".
fn cell(test: &Test) -> String {
    let outcome = test.result.outcome;
    let subtests = &test.result.subtests;
    let bad = subtests.iter().filter(|subtest| !subtest.outcome.is_ok()).count();
    let skipped = subtests.iter().filter(|subtest| subtest.outcome == Outcome::Skip).count();
    match (bad, skipped) {
        (0, 0) => outcome.as_str().to_owned(),
        (0, skipped) => format!("{}, {skipped} skip", outcome.as_str()),
        (bad, _) => format!("{}, {bad} of {}", outcome.as_str(), subtests.len()),
    }
}

impl Column {
    /// One that could not be tested.
    fn failed(name: &str, error: &Error) -> Self {
        Self {
            kernel: name.to_owned(),
            version: None,
            exit_code: error.kind().exit_code() as u8,
            verdict: "could not run".to_owned(),
            run: None,
            error: Some(error.to_string()),
            tests: BTreeMap::new(),
        }
    }
}

/// How far a matrix is, for the same command after an interruption.
struct Progress {
    path: PathBuf,
    _lock: Lock,
}

impl Progress {
    /// The one of this command, which only one invocation may work on.
    fn open(args: &Args, context: &Context) -> Result<Self> {
        let dir = context.cache()?.join("matrix");
        std::fs::create_dir_all(&dir).doing("create", &dir)?;
        let flags = args.flags.overrides()?;
        let key = hash::Key::new("matrix").field(env!("CARGO_PKG_VERSION")).list(&args.kernels);
        let key = key.list(&args.only).list(flags.typed()).digest().short();
        let lock = dir.join(format!("{key}.lock"));
        let command = Context::argv().join(" ");
        let lock = Lock::acquire(&lock, &command, Busy::Fail, |_| ())?;
        Ok(Self { path: dir.join(format!("{key}.json")), _lock: lock })
    }

    /// The kernels that are done; what could not be tested is tried again.
    fn read(&self) -> Vec<Column> {
        let text = std::fs::read(&self.path).unwrap_or_default();
        let columns: Vec<Column> = serde_json::from_slice(&text).unwrap_or_default();
        columns.into_iter().filter(|column| column.run.is_some()).collect()
    }

    fn write(&self, columns: &[Column]) -> Result<()> {
        file::replace(&self.path, table::json(columns)?.as_bytes())
    }

    fn forget(&self) {
        // What stays is done once more at worst.
        let _ = std::fs::remove_file(&self.path);
    }
}
