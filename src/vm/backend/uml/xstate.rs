//! What kernels before 6.13 need on a processor with AMX, whose registers are more than they save: see `xstate.c`.

use crate::error::{Error, IoContext, Result};
use crate::process::{self, Cmd};
use crate::text::{file, hash};
use std::fs;
use std::path::{Path, PathBuf};

const SOURCE: &str = include_str!("xstate.c");

/// What compiles it.
const COMPILERS: [&str; 3] = ["cc", "gcc", "clang"];

/// The library for the kernel in this build directory, made and kept in `cache`; none where it needs none.
pub fn library(kernel: &Path, cache: &Path) -> Result<Option<PathBuf>> {
    // Since 6.13 a kernel keeps as many registers as the processor has.
    if super::release(kernel) >= Some((6, 13))
        || !has_amx(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
    {
        return Ok(None);
    }
    make(cache).map(Some)
}

/// Whether a processor of this `/proc/cpuinfo` has registers of AMX.
fn has_amx(cpuinfo: &str) -> bool {
    let flags = cpuinfo.lines().find_map(|line| line.strip_prefix("flags")?.split_once(':'));
    flags.is_some_and(|(_, flags)| flags.split_whitespace().any(|flag| flag == "amx_tile"))
}

fn make(cache: &Path) -> Result<PathBuf> {
    let path = cache.join(format!("xstate-{}.so", hash::of(SOURCE.as_bytes()).short()));
    if path.exists() {
        return Ok(path);
    }
    let compiler = COMPILERS.iter().find(|name| process::find(name).is_ok()).ok_or_else(|| {
        Error::cannot_run("this processor has AMX, and a user-mode Linux before 6.13 needs a library for that: no C compiler")
            .hint("install one: vmptcp doctor --fix")
    })?;
    fs::create_dir_all(cache).doing("create", cache)?;
    let scratch = tempfile::tempdir_in(cache).doing("create a directory in", cache)?;
    let (source, made) = (scratch.path().join("xstate.c"), scratch.path().join("xstate.so"));
    file::replace(&source, SOURCE.as_bytes())?;
    let cmd = Cmd::new(compiler).args(["-O2", "-shared", "-fPIC", "-o"]).arg(&made).arg(&source);
    cmd.read().map_err(|error| error.context("cannot compile what user-mode Linux needs for AMX"))?;
    // Another invocation that makes it at the same time makes the same.
    file::replace(&path, &fs::read(&made).doing("read", &made)?)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_with_amx_is_known_by_its_flags() {
        assert!(has_amx("processor\t: 0\nflags\t\t: fpu avx512f amx_bf16 amx_tile\nbugs\t:"));
        assert!(!has_amx("flags\t\t: fpu avx512f\n"));
        assert!(!has_amx(""));
    }

    #[test]
    fn the_library_is_made_once_and_has_what_the_kernel_calls() {
        let cache = tempfile::tempdir().unwrap();
        let path = make(cache.path()).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.windows(7).any(|name| name == b"\0ptrace"), "it has no ptrace");
        assert_eq!(make(cache.path()).unwrap(), path);
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1, "nothing else is left");
    }
}
