//! The command that starts a test: what its suite says, for what its installed file is.

use super::job::{Job, Setup};
use super::journal::Journal;
use super::packets::Place;
use super::vary;
use crate::error::Result;
use crate::suite::kselftest::{HEAD, RUNNER};
use crate::suite::{ProgramFile, Site, Start};
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A test as its guest is asked to start it.
pub(super) struct Prepared {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Where.
    pub cwd: String,
    /// Variables for it.
    pub env: Vec<(String, String)>,
    /// Where it runs, if it captures packets.
    pub place: Option<Place>,
}

/// Prepares a test of `setup`. A rerun that can capture packets gets a directory of its own. Says once in a run what the user
/// should know of how tests are started.
pub(super) fn prepare(job: &Job, setup: &Setup, journal: &mut Journal) -> Result<Prepared> {
    let test = &job.selection.test;
    let suite = test.suite;
    let directory = setup.directory_of(suite);
    let captures = setup.alone.as_ref().and_then(|alone| alone.captures.as_ref());
    let place = match (captures, suite.needs.collection) {
        (Some(captures), Some(collection)) if job.id.rerun > 0 && test.captures => {
            Some(Place::furnish(captures, &job.id, &directory, collection)?)
        }
        _ => None,
    };
    let head = head(&directory.join(&test.program));
    let file = ProgramFile {
        executable: is_executable(&directory.join(&test.program)),
        head: &head,
        has_runner: is_executable(&directory.join(RUNNER)),
    };
    let root = &setup.spec.machine.root;
    let program = setup.repositories.get(suite.id).map(|place| root.seen(&place.program));
    let site = Site { file, capture: place.is_some(), program: program.as_deref() };
    let Start { argv, env, note } = (suite.start)(test, site);
    if let Some(note) = note.filter(|note| !journal.summary().notes.contains(note)) {
        journal.note(note)?;
    }
    let mut variables = suite.variables(setup.conditions, &setup.env);
    variables.extend(env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    variables.extend(vary::variables(&setup.vary, job.seed));
    let cwd = place.as_ref().map_or_else(|| root.seen(&directory), |place| place.cwd().to_owned());
    let cwd = cwd.display().to_string();
    Ok(Prepared { argv, cwd, env: variables, place })
}

/// The first bytes of a file. What cannot be read, the guest is asked to start all the same: it knows better what is wrong.
fn head(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(HEAD).read_to_end(&mut head);
    }
    head
}

fn is_executable(path: &Path) -> bool {
    let executable = |data: Metadata| data.is_file() && data.permissions().mode() & 0o111 != 0;
    path.metadata().is_ok_and(executable)
}
