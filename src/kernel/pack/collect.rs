//! Which files of a build directory its kernel needs in guests.

use super::super::build::{Built, INSTALLED};
use super::super::variant::Variant;
use super::Kernel;
use super::write::{Content, Entry};
use crate::error::{IoContext, Result};
use crate::text::decode;
use std::fs;
use std::path::{Path, PathBuf};

/// What is there beside image and modules, and may be missing: what guests read of their configuration, and what depmod reads.
const BESIDE: [&str; 6] = [
    ".config",
    "include/config/kernel.release",
    "modules.order",
    "modules.builtin",
    "modules.builtin.modinfo",
    "System.map",
];

/// The kernel with debug information, which names the source lines of a splat.
const VMLINUX: &str = "vmlinux";

/// The files that guests of this kernel need, which are below `top` in a pack, with these collections of selftests; with `vmlinux`, also what names source lines.
pub fn build_files(
    built: &Built,
    top: &Path,
    variant: Variant,
    collections: &[String],
    vmlinux: bool,
) -> Result<(Kernel, Vec<Entry>)> {
    let out = &built.out_dir;
    let image = if variant.uml {
        // The process is of this name; the image is the same file.
        "linux".to_owned()
    } else {
        let image = built.image.strip_prefix(out).unwrap_or(&built.image);
        image.to_string_lossy().into_owned()
    };
    let mut paths: Vec<PathBuf> = vec![PathBuf::from(&image)];
    paths.extend(BESIDE.iter().map(PathBuf::from).filter(|path| out.join(path).is_file()));
    paths.extend((vmlinux && !variant.uml).then(|| PathBuf::from(VMLINUX)));
    paths.extend(modules(out)?);
    let file = |path: PathBuf| Entry { name: top.join(&path), content: Content::File(out.join(path)) };
    let mut entries: Vec<Entry> = paths.into_iter().map(file).collect();
    let installed = out.join(INSTALLED);
    if !collections.is_empty() {
        walk(&installed, &top.join(INSTALLED), &mut entries)?;
    }
    let kernel = Kernel { image, release: built.kernel_release.clone(), collections: collections.to_vec() };
    Ok((kernel, entries))
}

/// True if a kernel has a file with debug information beside its image.
pub fn has_vmlinux(built: &Built) -> bool {
    built.out_dir.join(VMLINUX).is_file()
}

/// The modules, as `modules.order` lists them: as objects since 6.2.
fn modules(out: &Path) -> Result<Vec<PathBuf>> {
    let order = out.join("modules.order");
    let text = match fs::read(&order) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).doing("read", &order),
    };
    Ok(decode(&text).lines().map(|line| Path::new(line).with_extension("ko")).collect())
}

/// Adds the files and links of a directory.
fn walk(dir: &Path, name: &Path, entries: &mut Vec<Entry>) -> Result<()> {
    for entry in fs::read_dir(dir).doing("read", dir)? {
        let entry = entry.doing("read", dir)?;
        let (path, name) = (entry.path(), name.join(entry.file_name()));
        let kind = entry.file_type().doing("look at", &path)?;
        if kind.is_dir() {
            walk(&path, &name, entries)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).doing("read the link", &path)?;
            entries.push(Entry { name, content: Content::Link(target) });
        } else {
            entries.push(Entry { name, content: Content::File(path) });
        }
    }
    Ok(())
}
