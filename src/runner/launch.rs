//! The command that starts a test, by what its installed file is.

use super::journal::Journal;
use crate::error::Result;
use crate::suite::TestCase;
use crate::suite::start::{self, HEAD, ProgramFile, RUNNER};
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The words that start a test in `directory`, where its suite is installed, without its arguments. Says once in a run that
/// a script had to be started by its interpreter.
pub(super) fn words(directory: &Path, test: &TestCase, journal: &mut Journal) -> Result<Vec<String>> {
    let path = directory.join(&test.program);
    let mut head = Vec::new();
    if let Ok(file) = File::open(&path) {
        // What cannot be read, the guest is asked to start all the same: it knows better what is wrong.
        let _ = file.take(HEAD).read_to_end(&mut head);
    }
    let file = ProgramFile {
        executable: is_executable(&path),
        head: &head,
        has_runner: is_executable(&directory.join(RUNNER)),
    };
    let (words, note) = start::command(&test.program, file);
    if let Some(note) = note.filter(|note| !journal.summary().notes.contains(note)) {
        journal.note(note)?;
    }
    Ok(words)
}

fn is_executable(path: &Path) -> bool {
    let executable = |data: Metadata| data.is_file() && data.permissions().mode() & 0o111 != 0;
    path.metadata().is_ok_and(executable)
}
