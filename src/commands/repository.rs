//! The repository of a suite's tests: where the settings say that it is, at the branch for the kernel, and its program.

use super::context::Context;
use super::pipeline::Target;
use crate::doctor;
use crate::error::{Error, IoContext, Result};
use crate::kernel::program::{self, ProgramRequest, Recipe};
use crate::kernel::source::repository::{self, Wanted};
use crate::plan::{RepositoryPlace, Step};
use crate::report::console;
use crate::settings::TREE_FILE;
use crate::suite::Suite;
use crate::suite::row::Repository;
use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};

/// The files that a suite's tests are found in: those of the tree, or of its repository.
pub fn tests_of(target: &Target, suite: &Suite) -> Result<PathBuf> {
    let Some(repository) = suite.needs.repository else {
        return Ok(target.tree_of(suite)?.root().to_owned());
    };
    match &target.loaded.settings.packetdrill.scripts {
        Some(dir) => Ok(dir.clone()),
        None => Ok(files(target, suite, repository)?.join(repository.tests)),
    }
}

/// The steps that build the programs of these suites.
pub fn steps(target: &Target, suites: &[&'static Suite]) -> Result<Vec<Step>> {
    let programs = suites.iter().filter_map(|suite| Some((*suite, suite.needs.repository?)));
    programs
        .map(|(suite, repository)| {
            let files = files(target, suite, repository)?;
            Ok(Step::Program(Box::new(request(target, repository, &files)?)))
        })
        .collect()
}

/// Where the tests of these suites are, as far as they have a repository.
pub fn places(target: &Target, suites: &[&'static Suite]) -> Result<BTreeMap<&'static str, RepositoryPlace>> {
    let repositories = suites.iter().filter_map(|suite| Some((*suite, suite.needs.repository?)));
    let place = |(suite, repository): (&'static Suite, &'static Repository)| {
        let files = files(target, suite, repository)?;
        let program = request(target, repository, &files)?.program();
        let scripts = target.loaded.settings.packetdrill.scripts.clone();
        let tests = scripts.unwrap_or_else(|| files.join(repository.tests));
        Ok((suite.id, RepositoryPlace { tests, program }))
    };
    repositories.map(place).collect()
}

/// How the program of a repository with these files is built.
fn request(target: &Target, repository: &'static Repository, files: &Path) -> Result<ProgramRequest> {
    let sources = files.join(repository.sources);
    let recipe = Recipe { name: repository.program, header: repository.header, make: repository.make };
    let jobs = target.loaded.settings.kernel.jobs;
    Ok(ProgramRequest {
        place: program::place(&target.cache, recipe, &sources)?,
        recipe,
        sources,
        jobs: jobs.map_or_else(doctor::cores, NonZero::get) as usize,
        helper: std::env::current_exe().doing("find the path of", "this executable")?,
        command: Context::argv().join(" "),
    })
}

/// The files of the repository.
fn files(target: &Target, suite: &Suite, repository: &Repository) -> Result<PathBuf> {
    let source = &target.loaded.settings.packetdrill.source;
    if source.is_empty() {
        let hint = format!(
            "name a work tree or a URL of git in your settings or in {TREE_FILE}: [packetdrill] source = \
             \"https://github.com/multipath-tcp/packetdrill.git\""
        );
        return Err(Error::usage(format!("{suite}: not configured: packetdrill.source is empty")).hint(hint));
    }
    let version = target.tree.version();
    let wanted = Wanted {
        source,
        has: repository.sources,
        branches: &(repository.branches)(version.major, version.minor),
        cache: &target.cache,
        command: &Context::argv().join(" "),
    };
    repository::files(&wanted, &mut |note| console::note(&note))
        .map_err(|error| error.context(format_args!("{suite}: packetdrill.source")))
}
