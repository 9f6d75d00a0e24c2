//! `vmptcp unpack`: a kernel that was built elsewhere, to be tested here.

use super::context::Context;
use crate::error::{Error, ExitCode, Result};
use crate::kernel::pack;
use crate::report::{clean, console};
use std::path::{Path, PathBuf};

/// Unpack a kernel that was built elsewhere
///
/// Makes a directory that commands take as a kernel tree, with --tree or as the current directory. What only tests and boots
/// works there: test, hunt, exec, shell, matrix, ci. What needs the sources fails and says so: config, build, module, validate.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp unpack linux-6.12.7-normal.tar.zst
  vmptcp unpack kernel.tar.zst --into /tmp/kernel
  vmptcp --tree /tmp/kernel test diag")]
pub struct Args {
    /// The pack
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The new directory [default: the name of the pack, without .tar.zst, in this directory]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let file = context.absolute(&args.file);
    let into = match &args.into {
        Some(dir) => dir.clone(),
        None => directory_of(&file)?,
    };
    let into = context.absolute(&into);
    let manifest = pack::unpack(&file, &into)?;
    let shown = clean(&into.display().to_string());
    for (variant, kernel) in &manifest.kernels {
        console::note(&format!("Linux {}, {}", clean(&kernel.release), clean(variant)));
    }
    console::out(&format!("{shown}\n"))?;
    Ok(ExitCode::Passed as u8)
}

/// The name of a pack, without its ending.
fn directory_of(file: &Path) -> Result<PathBuf> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match name.strip_suffix(".tar.zst").filter(|stem| !stem.is_empty()) {
        Some(stem) => Ok(PathBuf::from(stem)),
        None => Err(Error::usage(format!("the name of {} does not end in .tar.zst", file.display()))
            .hint("name the directory that is to be made: --into DIR")),
    }
}
