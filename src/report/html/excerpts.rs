//! The ends of files of a run: what a test said, and what was collected about it.

use crate::results::Summary;
use crate::text::decode;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path};

/// So much of a file is read, in bytes, from its end.
const MAX_BYTES: u64 = 64 * 1024;

/// So many lines of it are shown.
const MAX_LINES: usize = 60;

/// So many files at most: a page with more is read by nobody.
const MAX_FILES: usize = 100;

/// The last lines of files, by their names in the directory of a run.
#[derive(Debug, Default)]
pub struct Excerpts(BTreeMap<String, String>);

impl Excerpts {
    /// Reads what tells why tests failed in the run in the directory `run`. What cannot be read is left out: the page names the
    /// file anyhow.
    pub fn read(summary: &Summary, run: &Path) -> Self {
        let outputs =
            summary.tests.iter().filter(|test| test.failed()).filter_map(|test| test.result.output.as_ref());
        let evidence = summary.evidence.iter().map(|evidence| &evidence.file);
        let names = outputs.chain(evidence).take(MAX_FILES);
        Self(names.filter_map(|name| Some((name.clone(), tail(run, name)?))).collect())
    }

    /// The last lines of a file.
    pub fn of(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// The end of a text file below `run`.
fn tail(run: &Path, name: &str) -> Option<String> {
    // A name comes from a journal that anybody may have sent.
    let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    let path = run.join(name);
    if !inside || !std::fs::symlink_metadata(&path).ok()?.is_file() {
        return None;
    }
    let mut file = File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(MAX_BYTES))).ok()?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    if bytes.contains(&0) {
        // A capture of packets, or another file that is not to be read.
        return None;
    }
    let text = decode(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Some(lines[lines.len().saturating_sub(MAX_LINES)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_text_is_read_and_nothing_outside_of_the_run() {
        let run = tempfile::tempdir().unwrap();
        let lines: Vec<String> = (0..100).map(|line| format!("line {line}")).collect();
        std::fs::write(run.path().join("log"), lines.join("\n")).unwrap();
        std::fs::write(run.path().join("binary"), [0, 1]).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", run.path().join("link")).unwrap();
        let read = tail(run.path(), "log").unwrap();
        assert!(read.starts_with("line 40\n") && read.ends_with("line 99"), "{read}");
        for name in ["binary", "link", "../etc/passwd", "/etc/passwd", "none"] {
            assert_eq!(tail(run.path(), name), None, "{name}");
        }
    }
}
