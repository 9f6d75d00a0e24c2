//! Writes a pack: a tar archive, compressed with zstd, whose bytes depend on its files only.

use super::{MANIFEST, Manifest};
use crate::error::{Error, IoContext, Result};
use crate::process::interrupt;
use crate::text::file;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};

/// The time of every file: the beginning of 2000, in seconds. Nothing depends on it.
const TIME: u64 = 946_684_800;

/// How much is compressed: from 1 to 22. More takes longer and saves little.
const LEVEL: i32 = 10;

/// A file for a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name there.
    pub name: PathBuf,
    /// What is in it.
    pub content: Content,
}

/// What is in a file of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The content of this file, which can be executed there if it can be here.
    File(PathBuf),
    /// A symbolic link to this.
    Link(PathBuf),
}

/// Writes a pack of these files. Those of the same name are one.
pub fn write(pack: &Path, manifest: &Manifest, mut entries: Vec<Entry>) -> Result<()> {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries.dedup_by(|a, b| a.name == b.name);
    file::replace_with(pack, |file| {
        let mut zstd = zstd::Encoder::new(file, LEVEL).doing("write", pack)?;
        zstd.include_checksum(true).doing("write", pack)?;
        let mut archive = Builder::new(zstd);
        let text = serde_json::to_vec_pretty(manifest)
            .map_err(|error| Error::cannot_run(format!("cannot describe the pack: {error}")))?;
        add(&mut archive, Path::new(MANIFEST), &mut header(text.len() as u64, 0o644), &text[..])
            .doing("write", pack)?;
        for entry in &entries {
            interrupt::check()?;
            add_entry(&mut archive, entry)?;
        }
        let zstd = archive.into_inner().doing("write", pack)?;
        zstd.finish().map(drop).doing("write", pack)
    })
}

fn add_entry(archive: &mut Builder<impl Write>, entry: &Entry) -> Result<()> {
    match &entry.content {
        Content::File(path) => {
            let file = File::open(path).doing("pack", path)?;
            let meta = file.metadata().doing("pack", path)?;
            let mode = if meta.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
            add(archive, &entry.name, &mut header(meta.len(), mode), file).doing("pack", path)
        }
        Content::Link(target) => {
            let mut header = header(0, 0o777);
            header.set_entry_type(EntryType::Symlink);
            archive.append_link(&mut header, &entry.name, target).doing("pack", &entry.name)
        }
    }
}

fn add(
    archive: &mut Builder<impl Write>,
    name: &Path,
    header: &mut Header,
    data: impl io::Read,
) -> io::Result<()> {
    archive.append_data(header, name, data)
}

fn header(size: u64, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(TIME);
    header.set_uid(0);
    header.set_gid(0);
    header
}
