//! Copies a sample into a directory of its own, with what its sources include from outside of it.

use crate::error::{Error, IoContext, Result};
use crate::suite::sample::include;
use crate::text::decode;
use std::fs;
use std::path::{Path, PathBuf};

/// A sample is small: more than this, in bytes, is something else.
const LARGEST: u64 = 256 * 1024 * 1024;

/// At most so many directories up, and so many files, are what a sample includes from outside.
const LEVELS: usize = 3;
const FILES: usize = 256;

/// What includes by `#include "…"`.
const INCLUDING: [&str; 8] = ["c", "h", "cc", "cpp", "cxx", "hh", "hpp", "S"];

/// A copy.
pub(super) struct Copied {
    /// The directory with the sample's own files: at or below the one that was asked for.
    pub dir: PathBuf,
    /// What was copied besides, as it was included.
    pub besides: Vec<PathBuf>,
}

/// Copies a file, or all regular files of a directory, and what they include by `#include "../x.h"` from directories above,
/// into `to`, such that they find it. What begins with a dot stays behind.
pub(super) fn copy(from: &Path, to: &Path) -> Result<Copied> {
    let from = from.canonicalize().doing("find", from)?;
    let besides = included(&from)?;
    let own = if from.is_file() { from.parent().unwrap_or(&from) } else { &from };
    let base = besides.iter().fold(own, |base, path| common(base, path.parent().unwrap_or(path)));
    let dir = own.strip_prefix(base).map_or_else(|_| to.to_owned(), |below| to.join(below));
    fs::create_dir_all(&dir).doing("create", &dir)?;
    if from.is_file() {
        put(&from, &dir.join(from.file_name().unwrap_or_default()))?;
    } else {
        copy_all(&from, &dir, &mut 0)?;
    }
    for path in &besides {
        if let Ok(below) = path.strip_prefix(base) {
            put(path, &to.join(below))?;
        }
    }
    Ok(Copied { dir, besides })
}

fn put(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).doing("create", parent)?;
    }
    fs::copy(from, to).doing("copy", from).map(drop)
}

fn copy_all(from: &Path, to: &Path, total: &mut u64) -> Result<()> {
    for entry in fs::read_dir(from).doing("read", from)? {
        let entry = entry.doing("read", from)?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let data = path.metadata().doing("read", &path)?;
        if entry.file_type().doing("read", &path)?.is_dir() {
            fs::create_dir_all(&target).doing("create", &target)?;
            copy_all(&path, &target, total)?;
        } else if data.is_file() {
            *total += data.len();
            if *total > LARGEST {
                return Err(Error::usage(format!("{} is too large for a sample", from.display()))
                    .hint("name the directory of the sample itself"));
            }
            fs::copy(&path, &target).doing("copy", &path)?;
        }
    }
    Ok(())
}

/// The files outside of `root` that the sources in it include, and those that these include.
fn included(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut left = sources(root)?;
    while let Some(source) = left.pop() {
        let (Ok(text), Some(dir)) = (fs::read(&source), source.parent()) else { continue };
        let text = decode(&text);
        for path in include::quoted(&text).into_iter().filter_map(|path| include::outside(root, dir, path)) {
            let near = root
                .ancestors()
                .take(LEVELS + 1)
                .any(|above| above.parent().is_some() && path.starts_with(above));
            if near && path.is_file() && !found.contains(&path) && found.len() < FILES {
                left.push(path.clone());
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn sources(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).doing("read", path)?.flatten() {
        let path = entry.path();
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !hidden => found.extend(sources(&path)?),
            Ok(kind) if kind.is_file() && !hidden => {
                let including =
                    |kind: &std::ffi::OsStr| INCLUDING.iter().any(|known| kind.eq_ignore_ascii_case(known));
                found.extend(Some(path).filter(|path| path.extension().is_some_and(including)));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The directory that both are in.
fn common<'a>(one: &'a Path, other: &Path) -> &'a Path {
    one.ancestors().find(|above| other.starts_with(above)).unwrap_or(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with these files, and a copy of one of its paths: all files of the copy, by their paths, and the directory
    /// of the sample in it.
    fn copied(files: &[(&str, &str)], what: &str) -> (String, String) {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join("src").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let to = root.path().join("copy");
        let copied = copy(&root.path().join("src").join(what), &to).unwrap();
        let mut names: Vec<String> = Vec::new();
        let mut left = vec![to.clone()];
        while let Some(dir) = left.pop() {
            for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    left.push(path);
                } else {
                    names.push(path.strip_prefix(&to).unwrap().display().to_string());
                }
            }
        }
        names.sort();
        (names.join(" "), copied.dir.strip_prefix(&to).unwrap().display().to_string())
    }

    #[test]
    fn what_sources_include_from_above_is_copied_too() {
        let files = [
            ("a/pair/server.c", "#include \"../common.h\"\n#include \"own.h\"\n"),
            ("a/pair/own.h", ""),
            ("a/pair/.git/config", ""),
            ("a/common.h", "#include \"lib/deep.h\"\n#include \"../top.h\"\n#include \"missing.h\"\n"),
            ("a/lib/deep.h", ""),
            ("a/other.h", ""),
            ("top.h", ""),
        ];
        let (names, dir) = copied(&files, "a/pair");
        assert_eq!(names, "a/common.h a/lib/deep.h a/pair/own.h a/pair/server.c top.h");
        assert_eq!(dir, "a/pair");
    }

    #[test]
    fn a_directory_that_needs_nothing_is_copied_as_it_is() {
        let files =
            [("pair/x.c", "#include \"y.h\"\n"), ("pair/sub/y.h", "#include \"../x.c\"\n"), ("z.h", "")];
        assert_eq!(copied(&files, "pair"), ("sub/y.h x.c".to_owned(), String::new()));
    }

    #[test]
    fn a_single_file_comes_with_what_it_includes() {
        let files = [("client.c", "#include \"y.h\"\n"), ("y.h", ""), ("z.h", "")];
        assert_eq!(copied(&files, "client.c"), ("client.c y.h".to_owned(), String::new()));
    }
}
