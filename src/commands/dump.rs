//! `vmptcp dump`: the memory of a guest that runs, for crash and drgn.

use super::context::Context;
use super::{gdb, ps};
use crate::error::{Error, ExitCode, IoContext, Result};
use crate::report::{clean, console};
use crate::vm::monitor::Tools;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Write the memory of a guest that is running into a file
///
/// The file is compressed as crash and makedumpfile know it. The guest stands still meanwhile, and goes on. crash and
/// drgn need a kernel with debug information: --fragment debuginfo.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "\
Examples:
  vmptcp dump                          the only guest, into vmcore-PID.VM
  vmptcp dump 4711.2 hang.vmcore       this one: vmptcp ps lists them")]
pub struct Args {
    /// Which guest [default: the only one]
    #[arg(value_name = "GUEST")]
    guest: Option<String>,
    /// The file [default: vmcore-PID.VM, in this directory]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let listed = gdb::living(ps::find(context, args.guest.as_deref())?)?;
    let guest = &listed.guest;
    if gdb::is_uml(guest) {
        return Err(Error::usage(
            "the memory of user-mode Linux is that of a process, which crash does not read",
        )
        .hint("vmptcp gdb -- -batch -ex 'generate-core-file FILE'"));
    }
    let name = format!("vmcore-{}", guest.name());
    let file = context.absolute(args.file.as_deref().unwrap_or(Path::new(&name)));
    if file.exists() {
        return Err(Error::usage(format!("{} is there already", file.display())).hint("name another file"));
    }
    // Made by us, so that QEMU makes none that others can read.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file)
        .map(drop)
        .doing("create", &file)?;
    if let Err(error) = Tools::connect(&guest.socket).and_then(|mut tools| tools.dump(&file)) {
        let _ = std::fs::remove_file(&file);
        return Err(error);
    }
    let shown = clean(&file.display().to_string());
    console::note(&format!(
        "look into it: crash {}/vmlinux {shown}",
        clean(&guest.kernel.display().to_string())
    ));
    console::out(&format!("{shown}\n"))?;
    Ok(ExitCode::Passed as u8)
}
