//! `vmptcp pack`: a built kernel in one file, to be tested on other machines.

use super::context::Context;
use super::flags::BuildFlags;
use super::pipeline::Target;
use super::{inputs, suites};
use crate::error::{Error, ExitCode, IoContext, Result};
use crate::event::DEFAULT_SUITE;
use crate::kernel::build::{self, Built};
use crate::kernel::pack::{self, Content, Entry, Kernel, Manifest};
use crate::kernel::{Tree, Variant, WorkDir};
use crate::report::{clean, console};
use crate::suite::{Suite, find};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What names the source lines of a splat, in a tree.
const DECODER: &str = "scripts/decode_stacktrace.sh";

/// The tree's settings.
const SETTINGS: &str = "vmptcp.toml";

/// Pack a built kernel, to test it on other machines
///
/// Builds what changed, then packs image, modules, selftests, configuration, the tree's settings, and those of its files by which
/// tests are known. After vmptcp unpack FILE on another machine, vmptcp test runs there without sources, make or a compiler. The
/// same kernel makes the same bytes.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp pack                          linux-VERSION-VARIANT.tar.zst, in this directory
  vmptcp pack --uml kernel.tar.zst     user-mode Linux
  vmptcp pack --also normal-uml --also debug    several kernels in one pack
  vmptcp pack --suite selftests --suite kunit   with what these suites need
  vmptcp pack --variant debug --vmlinux         splats get their source lines elsewhere, too")]
pub struct Args {
    /// The pack [default: linux-VERSION-VARIANT.tar.zst]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Pack what this suite needs [default: selftests]
    #[arg(long, value_name = "SUITE")]
    suite: Vec<String>,
    /// Pack the kernel of this variant as well, such as debug or normal-uml
    #[arg(long, value_name = "VARIANT")]
    also: Vec<String>,
    /// Pack vmlinux: splats are decoded on the other machine
    #[arg(long)]
    vmlinux: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: BuildFlags,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let target = Target::open(context, args.flags.overrides()?)?;
    target.tree.require_sources("pack a kernel")?;
    let suites = chosen(&args.suite)?;
    let mut variants = vec![target.variant];
    for name in &args.also {
        variants.push(Variant::parse(name)?);
    }
    if let Some(counted) = variants.iter().find(|variant| variant.gcov) {
        return Err(Error::usage(format!(
            "cannot pack {counted}: which lines run is reported beside the sources"
        ))
        .hint("test it here: vmptcp test --gcov"));
    }
    let mut kernels = BTreeMap::new();
    let mut entries = of_tree(&target, args.vmlinux)?;
    for variant in variants {
        let (kernel, files) = match built(args, context, &target.tree, variant, &suites)? {
            Ok(packed) => packed,
            Err(code) => return Ok(code),
        };
        kernels.insert(variant.to_string(), kernel);
        entries.extend(files);
    }
    let name = format!("linux-{}-{}.tar.zst", target.tree.version(), target.variant);
    let file = context.absolute(args.file.as_deref().unwrap_or(Path::new(&name)));
    let manifest = Manifest::new(target.tree.version().clone(), target.tree.commit(), kernels);
    pack::write(&file, &manifest, entries)?;
    show(&file, &manifest, args.json)?;
    Ok(ExitCode::Passed as u8)
}

/// The suites of these names, or the default one.
fn chosen(names: &[String]) -> Result<Vec<&'static Suite>> {
    if names.is_empty() {
        return Ok(find(DEFAULT_SUITE).into_iter().collect());
    }
    let listed = |name: &String| {
        suites::listed(name).ok_or_else(|| {
            Error::usage(format!("no suite {name} can be packed"))
                .hint(format!("those are: {}", suites::listed_names()))
        })
    };
    names.iter().map(listed).collect()
}

/// Builds a variant, and finds its files; or the exit code with which that failed.
fn built(
    args: &Args,
    context: &Context,
    tree: &Tree,
    variant: Variant,
    suites: &[&'static Suite],
) -> Result<Result<(Kernel, Vec<Entry>), u8>> {
    let mut target = Target::of(context, tree.clone(), args.flags.overrides()?)?;
    inputs::ask_for(variant, &mut target.loaded.settings);
    target.variant = variant;
    let plan = super::build::plan(context, &target, suites, args.flags.sources()?)?;
    let ended = target.carry_out(&plan, &target.sessions(), context)?;
    if ended.exit_code() != ExitCode::Passed as u8 {
        return ended.into_result().map(Err);
    }
    // Nobody changes it while it is read.
    let lock = target.share()?;
    let (Some(lock), Some(built)) = (lock, build::last(&target.out())) else {
        return Err(Error::cannot_run(format!("the kernel {variant} is built by another invocation now"))
            .hint("run the same command again when that has ended: vmptcp ps"));
    };
    lock.sign()?;
    if args.vmlinux {
        require_vmlinux(&built, variant)?;
    }
    let top = WorkDir::inside(Path::new("")).build_dir(&variant.to_string());
    pack::build_files(&built, &top, variant, &inputs::collections(suites), args.vmlinux).map(Ok)
}

fn require_vmlinux(built: &Built, variant: Variant) -> Result<()> {
    if pack::has_vmlinux(built) {
        return Ok(());
    }
    Err(Error::cannot_run(format!("the build of {variant} has no vmlinux")).hint("leave --vmlinux out"))
}

/// The files of the tree.
fn of_tree(target: &Target, vmlinux: bool) -> Result<Vec<Entry>> {
    let root = target.tree.root();
    let mut names = suites::sources(target)?;
    let more = [(SETTINGS, true), (DECODER, vmlinux)];
    let more = more.iter().filter(|(name, wanted)| *wanted && root.join(name).is_file());
    names.extend(more.map(|(name, _)| PathBuf::from(name)));
    Ok(names.into_iter().map(|name| Entry { content: Content::File(root.join(&name)), name }).collect())
}

/// Prints where the pack is, and what is in it.
fn show(file: &Path, manifest: &Manifest, json: bool) -> Result<()> {
    let bytes = std::fs::metadata(file).doing("look at", file)?.len();
    let variants: Vec<&str> = manifest.kernels.keys().map(String::as_str).collect();
    let path = file.display().to_string();
    if json {
        let document = serde_json::json!({
            "file": path, "bytes": bytes, "version": manifest.version.to_string(), "variants": variants,
        });
        return console::out(&(crate::text::json(&document.to_string()) + "\n"));
    }
    console::note(&format!(
        "Linux {}, {}: {} kB; elsewhere: vmptcp unpack FILE",
        manifest.version,
        variants.join(" and "),
        bytes.div_ceil(1000)
    ));
    console::out(&format!("{}\n", clean(&path)))
}
