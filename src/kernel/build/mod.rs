//! Builds a configured kernel out of its tree: image, modules, exported headers, and collections of selftests.
//!
//! A build is a few commands, [`commands_of`] a request: that is what `--dry-run` prints and what [`build`] runs. If
//! nothing changed since the last one that succeeded, none of them is run.

mod collection;
pub mod failure;
mod fingerprint;
mod stamp;
mod steps;

use super::alias::Alias;
use super::environment::MakeEnvironment;
use super::space;
use super::variant::Variant;
use crate::error::{Error, IoContext, Result};
use crate::event::{Progress, Unit};
use crate::process::{self, Cmd, find};
use crate::text::Shown;
use crate::text::hash::{self, Digest, Key};
pub use collection::INSTALLED;
use collection::install_dir;
use failure::Watch;
use stamp::{Done, Stamp};
use std::fs::{self, File};
use std::io::{LineWriter, Write};
use std::path::{Component, Path, PathBuf};
use std::time::Instant;
use steps::Step;

/// What a first build needs at least, in bytes: a minimal one without debug info takes 260 MiB.
const SPACE: u64 = 1 << 30;

/// What is to be built, and how.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// The kernel tree.
    pub tree: PathBuf,
    /// The build directory; its `.config` is there.
    pub out: PathBuf,
    /// The paths of both that make can take.
    pub alias: Alias,
    /// The log: all that make says. The last build's is overwritten.
    pub log: PathBuf,
    /// The variant.
    pub variant: Variant,
    /// How many jobs make may run at once.
    pub jobs: usize,
    /// Compile through ccache: see [`use_ccache`].
    pub ccache: bool,
    /// Collections of selftests that are built and installed as well: `net/mptcp`.
    pub collections: Vec<String>,
    /// Another tree, whose collections these are; none for the kernel's own.
    pub selftests: Option<PathBuf>,
    /// More variables for make, as `NAME=VALUE`.
    pub make_variables: Vec<String>,
    /// What make gets of the environment.
    pub environment: MakeEnvironment,
}

/// A kernel that was built.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// The bootable image.
    pub image: PathBuf,
    /// The build directory.
    pub out_dir: PathBuf,
    /// Where selftests are installed, as `net/mptcp/…` below it; none if there are none.
    pub selftests: Option<PathBuf>,
    /// What `uname -r` will say.
    pub kernel_release: String,
    /// The configuration that was built.
    pub config: PathBuf,
    /// How many files were compiled, linked or generated; of the build that made it, if this one had nothing to do.
    pub steps: u64,
    /// How long it took; see `steps`.
    pub seconds: f64,
    /// True if nothing had changed, and make was not even asked.
    pub up_to_date: bool,
    /// True if it was unpacked: another machine built it.
    pub elsewhere: bool,
}

/// Whether to compile through ccache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ccache {
    /// If it is installed.
    Auto,
    /// Yes; fails if it is not installed.
    Always,
    /// No.
    Never,
}

/// Decides on ccache for the build directory `out`. What was begun with, or without, ccache goes on so while that is possible:
/// to kbuild `ccache gcc` is another compiler, for which everything is compiled again.
pub fn use_ccache(wanted: Ccache, out: &Path) -> Result<bool> {
    match wanted {
        Ccache::Never => Ok(false),
        Ccache::Always => find("ccache").map(|_| true),
        Ccache::Auto => Ok(find("ccache").is_ok() && Stamp::read(out).ccache.unwrap_or(true)),
    }
}

impl BuildRequest {
    /// make for the kernel.
    fn make_kernel(&self) -> Cmd {
        self.make(&self.tree, &self.out).args(self.variant.make_variables())
    }

    /// make for what runs on it.
    fn make_user(&self, dir: &Path) -> Cmd {
        self.make(dir, &self.user_dir()).args(self.variant.user_variables())
    }

    /// Where headers for programs, and the selftests, are made: user-mode Linux has the host's, which a build of its own
    /// would mix up with the kernel's. Those of another tree have headers of their own.
    fn user_dir(&self) -> PathBuf {
        match (&self.selftests, self.variant.uml) {
            (Some(_), _) => self.out.join("other"),
            (None, true) => self.out.join("user"),
            (None, false) => self.out.clone(),
        }
    }

    /// The tree whose selftests are built.
    fn selftests(&self) -> &Path {
        self.selftests.as_deref().unwrap_or(&self.tree)
    }

    /// The same for a kernel without selftests, or with those of its own tree.
    fn of_kernel(&self) -> Self {
        Self { selftests: None, ..self.clone() }
    }

    fn make(&self, dir: &Path, out_dir: &Path) -> Cmd {
        let mut out = std::ffi::OsString::from("O=");
        out.push(self.alias.path(out_dir));
        // With --output-sync the messages of two compilers that fail at the same time do not mix.
        let cmd = self
            .alias
            .command("make")
            .arg("-C")
            .arg(self.alias.path(dir))
            .arg(out)
            .arg(format!("-j{}", self.jobs.max(1)))
            .args(["--no-print-directory", "--output-sync=target"])
            .env("LC_ALL", "C")
            // The kernel's Makefile drops LC_ALL, and the compiler would speak the user's language.
            .env("LC_MESSAGES", "C");
        self.environment.on(cmd)
    }
}

/// The commands of a build, in order: kernel with modules and headers, collections of selftests, and the question which file the
/// image is.
pub fn commands_of(request: &BuildRequest) -> Vec<Cmd> {
    let (kernel, image) = kernel_commands(request);
    let collections =
        request.collections.iter().flat_map(|collection| collection::commands(request, collection));
    kernel.into_iter().chain(collections).chain([image]).collect()
}

/// The commands that build the kernel, and the one that tells which file its image is.
fn kernel_commands(request: &BuildRequest) -> (Vec<Cmd>, Cmd) {
    let mut kernel = request.make_kernel();
    if request.ccache {
        let compiler = request.variant.compiler();
        kernel = kernel.arg(format!("CC=ccache {compiler}")).arg(format!("HOSTCC=ccache {compiler}"));
        // Hits also for another tree or build directory: what is below the tree counts by its relative path.
        kernel = kernel.env("CCACHE_BASEDIR", request.alias.path(&request.tree)).env("CCACHE_NOHASHDIR", "1");
    }
    let kernel = kernel.args(&request.make_variables);
    let commands = if request.variant.uml {
        // "Headers not exportable for UML": they are the host's.
        vec![kernel.arg("all"), request.of_kernel().make_user(&request.tree).arg("headers")]
    } else {
        vec![kernel.args(["all", "headers"])]
    };
    let image = request.make_kernel().arg("--silent").args(&request.make_variables);
    (commands, image.arg("image_name"))
}

/// Builds what `request` asks for, as far as it is not there already. A failed build ends with an error of kind
/// [`Build`](error::Kind::Build) that shows the first real error; one that was interrupted can be gone on with.
pub fn build(request: &BuildRequest, progress: &mut dyn FnMut(Progress)) -> Result<Built> {
    check(request)?;
    let mut stamp = Stamp::read(&request.out);
    // Before anything is built: what is edited meanwhile makes the next build look again.
    let tree = fingerprint::tree(&request.tree, &request.out, request.jobs)?;
    let asked = request_fingerprint(request)?;
    let holds = still_holds(request, &stamp, asked, tree)?.cloned();
    let theirs = selftests_fingerprint(request, tree)?;
    let stale = collection::stale(request, &stamp, theirs)?;
    if let Some(done) = holds.as_ref().filter(|_| stale.is_empty()) {
        return Ok(built(request, done, true));
    }
    let mut run = Run { log: log(&request.log)?, request, steps: 0, total: None, progress };
    let done = match holds {
        Some(done) => done,
        None => kernel(&mut run, &mut stamp, asked, tree)?,
    };
    for (name, asked) in stale {
        // Until it is whole again, it is not the last build's any more.
        stamp.collections.remove(name);
        stamp.write(&request.out)?;
        collection::clear(request, name)?;
        fs::create_dir_all(request.user_dir()).doing("create", request.user_dir())?;
        for command in collection::commands(request, name) {
            run.make(&command, "selftests do")?;
        }
        stamp.collections.insert(name.to_owned(), collection::installed(&request.out, name, asked, theirs)?);
        stamp.write(&request.out)?;
    }
    Ok(built(request, &done, false))
}

/// Over the files of the tree that the selftests are of; `own` is that of the kernel's.
fn selftests_fingerprint(request: &BuildRequest, own: Digest) -> Result<Digest> {
    match &request.selftests {
        Some(other) => fingerprint::tree(other, &request.out, request.jobs),
        None => Ok(own),
    }
}

/// Builds the kernel, its modules and headers.
fn kernel(run: &mut Run, stamp: &mut Stamp, asked: Digest, tree: Digest) -> Result<Done> {
    let (started, request) = (Instant::now(), run.request);
    // modpost is among the first things that every build makes, and not made by configuring.
    let first = !request.out.join("scripts/mod/modpost").exists();
    if first {
        space::require(&request.out, SPACE, "a build of the kernel")?;
    }
    // Until it is whole again, the directory is not the last build's any more.
    (stamp.done, stamp.ccache) = (None, Some(request.ccache));
    stamp.write(&request.out)?;
    // How much an incremental build has to do nobody knows before make.
    run.total = first.then(|| {
        let config = || fs::read_to_string(request.out.join(".config")).unwrap_or_default();
        stamp.full_steps.unwrap_or_else(|| steps::estimate(&config()))
    });
    let user_dir = request.of_kernel().user_dir();
    fs::create_dir_all(&user_dir).doing("create", &user_dir)?;
    let (commands, question) = kernel_commands(request);
    for command in &commands {
        run.make(command, "kernel does")?;
    }
    let image = image_name(&question)?;
    let release = request.out.join("include/config/kernel.release");
    let done = Done {
        request: asked,
        tree,
        config: config_fingerprint(request)?,
        products: products(request, &image),
        release: fs::read_to_string(&release).doing("read", &release)?.trim().to_owned(),
        image,
        steps: run.steps,
        seconds: started.elapsed().as_secs_f64(),
    };
    let built = built(request, &done, false);
    if !built.image.is_file() {
        let image = built.image.display();
        return Err(Error::build(format!("the build succeeded, and yet there is no {image}"))
            .hint(format!("see the log: {}", request.log.display())));
    }
    stamp.full_steps = stamp.full_steps.max(first.then_some(run.steps));
    stamp.done = Some(done.clone());
    stamp.write(&request.out)?;
    Ok(done)
}

fn still_holds<'a>(
    request: &BuildRequest,
    old: &'a Stamp,
    asked: Digest,
    tree: Digest,
) -> Result<Option<&'a Done>> {
    let Some(done) = old.done.as_ref().filter(|done| (done.request, done.tree) == (asked, tree)) else {
        return Ok(None);
    };
    let same = (done.config, done.products) == (config_fingerprint(request)?, products(request, &done.image));
    Ok(same.then_some(done))
}

/// The kernel that `request` would build, if it is there and nothing changed since. Changes nothing.
pub fn current(request: &BuildRequest) -> Result<Option<Built>> {
    let old = Stamp::read(&request.out);
    if old.done.is_none() {
        return Ok(None);
    }
    check(request)?;
    let tree = fingerprint::tree(&request.tree, &request.out, request.jobs)?;
    let done = still_holds(request, &old, request_fingerprint(request)?, tree)?;
    let theirs = selftests_fingerprint(request, tree)?;
    let done = if collection::stale(request, &old, theirs)?.is_empty() { done } else { None };
    Ok(done.map(|done| built(request, done, true)))
}

/// The kernel that was built last in `out`, if that build was whole and its image is still there. Whether anything changed
/// since is not looked at.
pub fn last(out: &Path) -> Option<Built> {
    let done = Stamp::read(out).done?;
    let built = built_in(out, &done, true);
    built.image.is_file().then_some(built)
}

fn check(request: &BuildRequest) -> Result<()> {
    let config = request.out.join(".config");
    if !config.is_file() {
        return Err(Error::usage(format!(
            "there is no configuration to build: {} is missing",
            config.display()
        ))
        .hint("vmptcp config"));
    }
    for variable in &request.make_variables {
        let name = variable.split_once('=').map_or("", |(name, _)| name);
        // As in CFLAGS_protocol.o; what begins with a dash is an option, and `--eval=…` runs what it is given.
        let plain = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"_.-".contains(&c));
        let reserved =
            ["O", "M", "KBUILD_OUTPUT", "KBUILD_EXTMOD", "TARGETS", "KSFT_INSTALL_PATH"].contains(&name);
        if !plain || reserved {
            let why = if reserved { "vmptcp sets that itself" } else { "not NAME=VALUE" };
            return Err(Error::usage(format!("bad variable for make: {variable:?}: {why}"))
                .hint("for example KCFLAGS=-Werror"));
        }
    }
    Ok(())
}

fn built(request: &BuildRequest, done: &Done, up_to_date: bool) -> Built {
    let selftests = (!request.collections.is_empty()).then(|| install_dir(&request.out));
    Built { selftests, ..built_in(&request.out, done, up_to_date) }
}

fn built_in(out: &Path, done: &Done, up_to_date: bool) -> Built {
    Built {
        image: out.join(&done.image),
        out_dir: out.to_owned(),
        selftests: Some(install_dir(out)).filter(|dir| dir.is_dir()),
        kernel_release: done.release.clone(),
        config: out.join(".config"),
        steps: done.steps,
        seconds: done.seconds,
        up_to_date,
        elsewhere: false,
    }
}

fn log(path: &Path) -> Result<LineWriter<File>> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).doing("create", dir)?;
    }
    Ok(LineWriter::new(File::create(path).doing("create the log", path)?))
}

/// Which file the image is, relative to the build directory: only the tree knows, for its architecture and configuration.
fn image_name(cmd: &Cmd) -> Result<String> {
    let said = cmd.read().map_err(|error| error.context("cannot ask the tree for its image"))?;
    let name = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let inside = |component| matches!(component, Component::Normal(_));
    if name.is_empty() || !Path::new(name).components().all(inside) {
        return Err(Error::build(format!(
            "the tree's image_name is no path in the build directory: {name:?}"
        ))
        .hint("is this tree patched? compare: make -s image_name"));
    }
    Ok(name.to_owned())
}

/// The stages of one build under way.
struct Run<'a> {
    request: &'a BuildRequest,
    log: LineWriter<File>,
    steps: u64,
    total: Option<u64>,
    progress: &'a mut dyn FnMut(Progress),
}

impl Run<'_> {
    /// Runs one of the commands; `what` is what it makes.
    fn make(&mut self, cmd: &Cmd, what: &str) -> Result<()> {
        let mut watch = Watch::default();
        let mut written = writeln!(self.log, "$ {cmd}");
        let status = cmd.stream(|line| {
            if written.is_ok() {
                written = writeln!(self.log, "{line}");
            }
            watch.push(line);
            if let Some(step) = Step::parse(line).filter(Step::counts) {
                self.steps += 1;
                // An estimate that was too low is not one any more.
                self.total = self.total.filter(|&total| total >= self.steps);
                let target = Path::new(step.target);
                let target = target.strip_prefix(&self.request.out).unwrap_or(target);
                let detail = format!("{} {}", step.verb, target.display());
                let (done, total) = (self.steps, self.total);
                (self.progress)(Progress { done, total, unit: Unit::Steps, detail });
            }
        })?;
        written.and_then(|()| self.log.flush()).doing("write the log", &self.request.log)?;
        if status.success() {
            return Ok(());
        }
        // What was stopped together with us did not fail.
        process::interrupt::check()?;
        Err(failed(what, &watch.first_error(), &process::describe(status), self.request))
    }
}

fn failed(what: &str, excerpt: &[String], how: &str, request: &BuildRequest) -> Error {
    let shown = if excerpt.is_empty() {
        format!("make ended with {how}")
    } else {
        Shown::lines(&excerpt.join("\n")).to_string()
    };
    let wrong = format!("the {what} not build:\n{shown}");
    let log = request.log.display();
    match failure::remedy(excerpt, &request.tree) {
        Some(remedy) => Error::build(format!("{wrong}\n(the whole log: {log})")).hint(remedy),
        None => Error::build(wrong).hint(format!("the whole log: less {log}")),
    }
}

/// Over all that makes the build of a kernel another one, besides the files: commands, environment, tools, and the commit, where
/// that is part of the kernel's version.
fn request_fingerprint(request: &BuildRequest) -> Result<Digest> {
    let (mut commands, question) = kernel_commands(request);
    commands.push(question);
    let config = request.out.join(".config");
    let text = fs::read_to_string(&config).doing("read", &config)?;
    let commit = if text.contains("\nCONFIG_LOCALVERSION_AUTO=y\n") {
        let git = Cmd::new("git").arg("-C").arg(&request.tree).args(["rev-parse", "HEAD"]);
        git.read().unwrap_or_default()
    } else {
        String::new()
    };
    Ok(fingerprint_of(request, "build", &commands).field(commit).digest())
}

/// Over commands, what they get of the environment, and the tools that they run.
fn fingerprint_of(request: &BuildRequest, kind: &'static str, commands: &[Cmd]) -> Key {
    // The number of jobs does not change what is built.
    let jobs = format!(" -j{} ", request.jobs.max(1));
    let commands = commands.iter().map(|command| command.to_string().replacen(&jobs, " ", 1));
    let linker = if request.variant.clang { "ld.lld" } else { "ld" };
    let tools = [request.variant.compiler(), linker, "as", "make", "pahole", "rsync"];
    let tools: Vec<PathBuf> = tools.iter().filter_map(|tool| Some(find(tool).ok()?.path)).collect();
    let environment = request.environment.kept.iter().flat_map(|(name, value)| [name, value]);
    Key::new(kind).list(commands).list(environment).field(fingerprint::files(&tools))
}

fn config_fingerprint(request: &BuildRequest) -> Result<Digest> {
    let path = request.out.join(".config");
    Ok(hash::of(&fs::read(&path).doing("read", &path)?))
}

/// Over what the build of a kernel leaves for others: if any of it is gone or was made again, make is asked again.
fn products(request: &BuildRequest, image: &str) -> Digest {
    let out = &request.out;
    let mut files: Vec<PathBuf> = [image, "vmlinux", "Module.symvers", "modules.order", "modules.builtin"]
        .iter()
        .map(|name| out.join(name))
        .collect();
    let order = fs::read_to_string(out.join("modules.order")).unwrap_or_default();
    files.extend(order.lines().map(|line| out.join(line).with_extension("ko")));
    Key::new("products").field(fingerprint::files(&files)).digest()
}

#[cfg(test)]
mod tests;
