//! The directory with the artifacts of a run.

use crate::error::{IoContext, Result};
use crate::report::incumbent::{self, About};
use crate::results::Summary;
use crate::text::file;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::Path;

/// Where in it the directory of the run is.
const OWN: &str = "vmptcp";

/// How well vmlinux is compressed: as well as costs seconds, not minutes.
const LEVEL: i32 = 9;

/// Makes it: what was there of an earlier run is gone. `out` is the build directory.
pub fn write(summary: &Summary, run: &Path, dir: &Path, about: &About, out: &Path) -> Result<()> {
    let own = dir.join(OWN);
    forget(dir)?;
    fs::create_dir_all(&own).doing("create", &own)?;
    for (name, content) in incumbent::files(summary, about) {
        file::replace(&dir.join(name), content.as_bytes())?;
    }
    copy(run, &own)?;
    let config = run.join(".config");
    if config.is_file() {
        let target = dir.join("config");
        fs::copy(&config, &target).doing("write", &target)?;
    }
    if summary.has_splat() && out.join("vmlinux").is_file() {
        compress(&out.join("vmlinux"), &dir.join("vmlinux.zstd"))?;
    }
    Ok(())
}

/// Removes the artifacts of an earlier run, which the copy of that run's directory tells from files of somebody else's.
fn forget(dir: &Path) -> Result<()> {
    if !dir.join(OWN).join("events.jsonl").is_file() {
        return Ok(());
    }
    for entry in fs::read_dir(dir).doing("read", dir)?.flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let ours = [".tap", ".txt", ".zstd"].iter().any(|ending| name.ends_with(ending))
            || ["results.json", "config"].contains(&name.as_str());
        if name == OWN {
            fs::remove_dir_all(&path).doing("remove", &path)?;
        } else if ours {
            fs::remove_file(&path).doing("remove", &path)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).doing("create", to)?;
    for entry in fs::read_dir(from).doing("read", from)?.flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().doing("look at", &path)?;
        if kind.is_dir() {
            copy(&path, &target)?;
        } else if kind.is_file() {
            fs::copy(&path, &target).doing("write", &target)?;
        }
    }
    Ok(())
}

fn compress(from: &Path, to: &Path) -> Result<()> {
    let input = BufReader::new(File::open(from).doing("read", from)?);
    let output = BufWriter::new(File::create(to).doing("create", to)?);
    zstd::stream::copy_encode(input, output, LEVEL).doing("write", to)
}
