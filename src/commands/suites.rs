//! The tests that a tree has of each suite, and those of them that are asked for.

use super::pipeline::Target;
use super::repository::tests_of;
use crate::error::{Error, IoContext, Result};
use crate::event::DEFAULT_SUITE;
use crate::plan::KnownSubtests;
use crate::suite::{
    Conditions, Files, KnownFlake, Listing, Profile, SUITES, Selection, Suite, TestCase, Tests, Words,
    chosen, find, leave_out, select,
};
use crate::text::decode;
use crate::text::file;
use crate::text::hash::Key;
use jiff::civil::Date;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The files of a kernel tree, as suites read them.
struct TreeFiles<'a>(&'a Path);

impl Files for TreeFiles<'_> {
    fn text(&self, path: &str) -> Result<String> {
        let path = self.0.join(path);
        Ok(decode(&std::fs::read(&path).doing("read", &path)?).into_owned())
    }

    fn names(&self, dir: &str) -> Result<Vec<String>> {
        let dir = self.0.join(dir);
        let entries = std::fs::read_dir(&dir).doing("read", &dir)?;
        Ok(entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
    }
}

/// The same, and a record of what was read.
struct Recorded<'a> {
    files: TreeFiles<'a>,
    texts: RefCell<BTreeSet<PathBuf>>,
    dirs: RefCell<BTreeSet<PathBuf>>,
}

impl Files for Recorded<'_> {
    fn text(&self, path: &str) -> Result<String> {
        let text = self.files.text(path)?;
        self.texts.borrow_mut().insert(path.into());
        Ok(text)
    }

    fn names(&self, dir: &str) -> Result<Vec<String>> {
        let names = self.files.names(dir)?;
        self.dirs.borrow_mut().insert(dir.into());
        Ok(names)
    }
}

/// The files of the tree by which it is known which tests and subtests there are of all suites that it has; their paths in it.
pub fn sources(target: &Target) -> Result<BTreeSet<PathBuf>> {
    let root = target.tree.root();
    let files = Recorded { files: TreeFiles(root), texts: RefCell::default(), dirs: RefCell::default() };
    for suite in SUITES {
        let Tests::Listed { sources, list } = suite.tests else { continue };
        if suite.needs.repository.is_some() {
            continue;
        }
        // A tree need not have all of them.
        if list(&files).is_ok() {
            files.dirs.borrow_mut().insert(sources.into());
        }
    }
    let mut found = files.texts.into_inner();
    for dir in files.dirs.into_inner() {
        let path = root.join(&dir);
        let entries = std::fs::read_dir(&path).doing("read", &path)?.flatten();
        let plain = entries.filter(|entry| entry.path().is_file());
        found.extend(plain.map(|entry| dir.join(entry.file_name())));
    }
    Ok(found)
}

/// The tests of a suite, as the tree's files have them; none of a suite that no tree lists.
pub fn listing(target: &Target, suite: &Suite) -> Result<Listing> {
    match suite.tests {
        Tests::Listed { list, .. } => list(&TreeFiles(&tests_of(target, suite)?)),
        Tests::Lab(_) => Ok(Listing { tests: Vec::new(), notes: Vec::new() }),
    }
}

/// The tests of the default suite.
pub fn of_default(target: &Target) -> Result<Listing> {
    listing(target, find(DEFAULT_SUITE).unwrap_or(&Suite::PLAIN))
}

/// The tests that `words` ask for, or the profile where there are none, and what the user should know about that.
pub fn selections(target: &Target, words: &[String]) -> Result<(Vec<Selection>, Vec<String>)> {
    let (mut selections, mut notes) =
        if words.is_empty() { of_profile(target)? } else { named(target, words)? };
    notes.extend(waive(&mut selections, target, jiff::Zoned::now().date()));
    Ok((selections, notes))
}

/// All tests of these suites, by name; `all` are those of every suite that lists some for this tree.
pub fn whole(target: &Target, names: &[String]) -> Result<(Vec<Selection>, Vec<String>)> {
    if !names.iter().any(|name| name == "all") {
        if let Some(name) = names.iter().find(|name| listed(name).is_none()) {
            return Err(Error::usage(format!("--suite {name}: no suite of this name has tests in a tree"))
                .hint(format!("use all, or one of {}", listed_names())));
        }
        return selections(target, names);
    }
    let All { tests, mut notes, lacking } = all(target)?;
    notes.extend(lacking.iter().map(|why| format!("{why}: left out")));
    let mut selections: Vec<Selection> = tests.into_iter().map(Selection::whole).collect();
    notes.extend(waive(&mut selections, target, jiff::Zoned::now().date()));
    Ok((selections, notes))
}

/// The tests of all suites.
pub struct All {
    /// The tests.
    pub tests: Vec<TestCase>,
    /// What the user should know of them.
    pub notes: Vec<String>,
    /// Why there are none of a suite: a tree need not have all of them.
    pub lacking: Vec<Error>,
}

/// All tests that the tree has. Fails if it has none of the default suite.
pub fn all(target: &Target) -> Result<All> {
    let mut all = All { tests: Vec::new(), notes: Vec::new(), lacking: Vec::new() };
    for suite in SUITES {
        match listing(target, suite) {
            Err(error) if suite.id != DEFAULT_SUITE => all.lacking.push(error),
            listing => {
                let Listing { tests, notes } = listing?;
                all.tests.extend(tests);
                all.notes.extend(notes);
            }
        }
    }
    Ok(all)
}

/// The suite of this name, if its tests are commands that a tree lists.
pub fn listed(name: &str) -> Option<&'static Suite> {
    find(name).filter(|suite| suite.is_listed())
}

/// The names of those suites, for a person.
pub fn listed_names() -> String {
    let names: Vec<&str> = SUITES.iter().filter(|suite| suite.is_listed()).map(|suite| suite.id).collect();
    names.join(", ")
}

/// Leaves out what `words` name, as [`selections`] takes them: whole suites, tests, subtests.
pub fn except(mut selections: Vec<Selection>, words: &[String]) -> Result<Vec<Selection>> {
    for Words { suite, filters } in chosen(words)? {
        let (mut theirs, others): (Vec<_>, Vec<_>) =
            selections.into_iter().partition(|selection| selection.test.suite == suite);
        if theirs.is_empty() {
            return Err(Error::usage(format!("no test of {suite} is chosen that could be left out"))
                .hint("the suite stands before the filter: --except kunit --except NAME"));
        }
        if filters.is_empty() {
            theirs.clear();
        } else {
            leave_out(&mut theirs, &filters)?;
        }
        selections = theirs.into_iter().chain(others).collect();
    }
    if selections.is_empty() {
        return Err(Error::usage("everything is left out").hint("name less with --except"));
    }
    selections.sort_by_key(|selection| SUITES.iter().position(|suite| *suite == selection.test.suite));
    Ok(selections)
}

/// The tests that `words` ask for.
fn named(target: &Target, words: &[String]) -> Result<(Vec<Selection>, Vec<String>)> {
    let (mut selections, mut notes) = (Vec::new(), Vec::new());
    for Words { suite, filters } in chosen(words)? {
        let listing = listing(target, suite)?;
        notes.extend(listing.notes);
        selections.extend(select(&filters, &listing.tests)?);
    }
    Ok((selections, notes))
}

/// The tests of the profile. What a tree lacks is left out, unless that is all.
fn of_profile(target: &Target) -> Result<(Vec<Selection>, Vec<String>)> {
    let (name, profile) = target.loaded.profile()?;
    let asked = chosen(&profile.tests)?;
    let (mut selections, mut notes) = (Vec::new(), Vec::new());
    for Words { suite, filters } in &asked {
        let listing = match listing(target, suite) {
            Err(error) if asked.len() > 1 => {
                notes.push(format!("profile {name}: {error}: left out"));
                continue;
            }
            listing => listing?,
        };
        notes.extend(listing.notes);
        let (chosen, more) = if filters.is_empty() {
            (select(filters, &listing.tests)?, Vec::new())
        } else {
            let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
            Profile::new(name, &filters).select(&listing.tests)?
        };
        selections.extend(chosen);
        notes.extend(more);
    }
    if selections.is_empty() {
        return Err(Error::usage(format!("profile {name}: this tree has none of its tests"))
            .hint("name the tests instead: vmptcp test TEST…"));
    }
    Ok((selections, notes))
}

/// Gives the tests their known flakes of today, and returns a note for each that is over.
fn waive(selections: &mut [Selection], target: &Target, today: Date) -> Vec<String> {
    let settings = &target.loaded.settings.test;
    let known = settings.known_flakes.iter().filter(|_| settings.ignore_flaky);
    let mut notes = Vec::new();
    // The settings hold no other than such as can be read.
    for (text, flake) in known.filter_map(|text| Some((text, text.parse::<KnownFlake>().ok()?))) {
        let theirs = selections.iter_mut().filter(|selection| flake.is_of(&selection.test.name));
        if flake.is_over(today) {
            if theirs.count() > 0 {
                notes.push(format!("a known flake is over, its failures count: {text}"));
            }
            continue;
        }
        theirs.for_each(|selection| selection.known_flakes.push(flake.clone()));
    }
    notes
}

/// Where the subtests of the suites that are chosen, as the tree's files are now, are remembered.
pub fn known_subtests(
    target: &Target,
    selections: &[Selection],
    conditions: Conditions,
    env: &[(String, String)],
) -> Result<KnownSubtests> {
    let mut keys = BTreeMap::new();
    for suite in selections.iter().map(|selection| selection.test.suite) {
        let Tests::Listed { sources, .. } = suite.tests else { continue };
        if keys.contains_key(suite.id) {
            continue;
        }
        let mut key = Key::new("subtests");
        for (name, value) in suite.variables(conditions, env) {
            key = key.field(name).field(value);
        }
        let dir = tests_of(target, suite)?.join(sources);
        for file in file::below(&dir)?.iter().filter(|file| file.is_file()) {
            let content = std::fs::read(file).doing("read", file)?;
            let name = file.strip_prefix(&dir).unwrap_or(file);
            key = key.field(name.as_os_str().as_encoded_bytes()).field(content);
        }
        keys.insert(suite.id, key.digest().to_string());
    }
    Ok(KnownSubtests { path: target.work.root().join("subtests.json"), keys })
}
