//! Unpacks a pack. It may come from anywhere: nothing of it is written outside of its new directory, and no link leads out.

use super::{MANIFEST, Manifest};
use crate::error::{Error, IoContext, Result};
use crate::process::interrupt;
use crate::text::{Shown, file};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use tar::{Archive, EntryType};

/// How large the manifest can be, in bytes.
const MAX_MANIFEST: u64 = 1 << 20;

/// How large all files together can be, in bytes: a kernel with all debug information is a tenth of that.
const MAX_SIZE: u64 = 16 << 30;

/// How many files there can be.
const MAX_FILES: usize = 200_000;

/// How the name of a directory begins that is not whole yet.
const PARTIAL: &str = ".vmptcp-unpack-";

/// Unpacks the file `pack` into the new directory `into`, which is there whole or not at all.
pub fn unpack(pack: &Path, into: &Path) -> Result<Manifest> {
    let taken = match fs::read_dir(into) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    };
    if taken {
        return Err(Error::usage(format!(
            "cannot unpack into {}: there is something already",
            into.display()
        ))
        .hint("name a new directory: --into DIR"));
    }
    let file = File::open(pack).doing("open", pack)?;
    if !file.metadata().doing("look at", pack)?.is_file() {
        return Err(foreign(pack, "it is not a file"));
    }
    let parent = into.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).doing("create", parent)?;
    let partial =
        tempfile::Builder::new().prefix(PARTIAL).tempdir_in(parent).doing("create a directory in", parent)?;
    let manifest =
        Unpacker { pack, root: partial.path(), links: BTreeSet::new(), size: 0, files: 0 }.all(file)?;
    fs::set_permissions(partial.path(), Permissions::from_mode(0o755))
        .doing("change the mode of", partial.path())?;
    fs::rename(partial.path(), into).doing("create", into)?;
    // It has moved: there is nothing to remove.
    let _ = partial.keep();
    Ok(manifest)
}

fn foreign(pack: &Path, why: &str) -> Error {
    Error::usage(format!("{} is not a pack: {why}", pack.display()))
        .hint("a pack is made where the kernel is built: vmptcp pack")
}

fn damaged(pack: &Path, error: &io::Error) -> Error {
    let why = Shown::line(&error.to_string()).to_string();
    Error::cannot_run(format!("cannot unpack {}: {why}", pack.display()))
        .hint("if there is room on the disk, the file is damaged or incomplete: copy it again")
}

/// One pack that is being unpacked.
struct Unpacker<'a> {
    pack: &'a Path,
    root: &'a Path,
    /// The symbolic links so far.
    links: BTreeSet<PathBuf>,
    size: u64,
    files: usize,
}

impl Unpacker<'_> {
    fn all(mut self, file: File) -> Result<Manifest> {
        let pack = self.pack;
        let damaged = |error: io::Error| damaged(pack, &error);
        let mut head = [0; 4];
        let mut file = BufReader::new(file);
        let whole = file.read_exact(&mut head);
        if whole.is_err() || head != [0x28, 0xb5, 0x2f, 0xfd] {
            return Err(foreign(pack, "it is not compressed with zstd"));
        }
        let zstd = zstd::Decoder::with_buffer(io::Cursor::new(head).chain(file)).map_err(damaged)?;
        let mut archive = Archive::new(zstd);
        let mut manifest = None;
        for entry in archive.entries().map_err(damaged)? {
            interrupt::check()?;
            let mut entry = entry.map_err(damaged)?;
            let name = entry.path().map_err(damaged)?.into_owned();
            if manifest.is_none() {
                manifest = Some(self.manifest(&name, &mut entry)?);
                continue;
            }
            let (kind, size) = (entry.header().entry_type(), entry.size());
            self.check(&name, size)?;
            let path = self.root.join(&name);
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir).doing("create", dir)?;
            }
            match kind {
                EntryType::Regular => {
                    let executable = entry.header().mode().map_err(damaged)? & 0o111 != 0;
                    self.file(&path, &mut entry, executable)?;
                }
                EntryType::Symlink => {
                    let target = entry.link_name().map_err(damaged)?.unwrap_or_default().into_owned();
                    self.link(&name, &target)?;
                }
                _ => return Err(self.untrusted(&name, "is neither a file nor a symbolic link")),
            }
        }
        // What follows the end of the archive: its checksum is behind it.
        io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
        manifest.ok_or_else(|| foreign(pack, "it is empty"))
    }

    /// The manifest, which comes first.
    fn manifest(&self, name: &Path, entry: &mut impl Read) -> Result<Manifest> {
        if name != Path::new(MANIFEST) {
            return Err(foreign(self.pack, &format!("it does not begin with {MANIFEST}")));
        }
        let mut text = Vec::new();
        entry.take(MAX_MANIFEST).read_to_end(&mut text).map_err(|error| damaged(self.pack, &error))?;
        let manifest = Manifest::parse(&text, &format!("{MANIFEST} of {}", self.pack.display()))?;
        let path = self.root.join(MANIFEST);
        file::replace(&path, &text)?;
        Ok(manifest)
    }

    /// Fails unless a file may have this name and size.
    fn check(&mut self, name: &Path, size: u64) -> Result<()> {
        let normal = |part| matches!(part, Component::Normal(_));
        if name.as_os_str().is_empty() || !name.components().all(normal) {
            return Err(self.untrusted(name, "leads out of it"));
        }
        if name.ancestors().any(|above| self.links.contains(above)) {
            return Err(self.untrusted(name, "is below a symbolic link, or in the place of one"));
        }
        self.size = self.size.saturating_add(size);
        self.files += 1;
        if self.size > MAX_SIZE || self.files > MAX_FILES {
            return Err(self.untrusted(name, "is too much: a kernel has less"));
        }
        Ok(())
    }

    fn file(&self, path: &Path, entry: &mut impl Read, executable: bool) -> Result<()> {
        let mode = if executable { 0o777 } else { 0o666 };
        // The umask has its say. A second file of the same name is an error.
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(path).doing("create", path)?;
        io::copy(entry, &mut file).map_err(|error| damaged(self.pack, &error))?;
        Ok(())
    }

    /// Makes a link that stays inside. Its directory is a real one, so the `..` in front lead where they seem to lead, and what
    /// follows them can only go down.
    fn link(&mut self, name: &Path, target: &Path) -> Result<()> {
        let depth = name.components().count() - 1;
        let up = target.components().take_while(|part| *part == Component::ParentDir).count();
        let down = target.components().skip(up).all(|part| matches!(part, Component::Normal(_)));
        if target.as_os_str().is_empty() || up > depth || !down {
            let why = format!("is a link that leads out of it, to {}", target.display());
            return Err(self.untrusted(name, &why));
        }
        let path = self.root.join(name);
        symlink(target, &path).doing("create", &path)?;
        self.links.insert(name.to_owned());
        Ok(())
    }

    fn untrusted(&self, name: &Path, what: &str) -> Error {
        let text = format!("will not unpack {}: {} {what}", self.pack.display(), name.display());
        Error::usage(Shown::line(&text).to_string()).hint("obtain the pack from a place that you trust")
    }
}
