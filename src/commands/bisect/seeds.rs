//! Bisecting what fails now and then, in virtual time: every commit is tested with the same seeds as the two ends, and is on the
//! side of the one that it fails as often as.

use crate::error::{Error, Result};
use crate::plan::Seeds;
use crate::report::console;
use crate::results::ends::{Ends, Side};
use crate::results::fisher::{Failures, short};
use crate::series::bisect::{Question, Term};
use crate::text::file;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A commit that is on neither side is tested with further seeds, up to this many times as many.
const MAX_ROUNDS: u32 = 4;

/// Tests a commit with seeds; none if it cannot be tested.
pub(super) type Try<'t> = dyn FnMut(&str, Seeds) -> Result<Option<Failures>> + 't;

/// How often commits fail.
pub(super) struct BySeeds {
    seeds: Seeds,
    /// What is known, by commit and seeds.
    known: BTreeMap<String, Failures>,
    /// Where that is kept, for the command that goes on.
    file: PathBuf,
}

impl BySeeds {
    /// Knows what was found before if this bisection goes on.
    pub fn open(file: PathBuf, seeds: Seeds, goes_on: bool) -> Self {
        let kept = if goes_on { std::fs::read(&file).ok() } else { None };
        let known = kept.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { seeds, known, file }
    }

    /// Tests both ends. Fails if they do not differ by more than chance.
    pub fn ends(&mut self, question: &Question, run: &mut Try<'_>) -> Result<Ends> {
        let mut end = |commit: &str, which: &str| {
            let failures = self.failures(commit, self.seeds, run)?;
            failures.ok_or_else(|| {
                Error::usage(format!("the {which} commit {commit:.12} cannot be tested"))
                    .hint("choose one that builds and has these tests")
            })
        };
        let ends = Ends { good: end(&question.good, "good")?, bad: end(&question.bad, "bad")? };
        let Ends { good, bad } = ends;
        let numbers = format!(
            "the good commit fails with {good} seeds, the bad one with {bad}, p = {}",
            short(ends.p())
        );
        if ends.differ() {
            console::note(&numbers);
            return Ok(ends);
        }
        Err(Error::usage(format!("{numbers}: that may be chance"))
            .hint("try more seeds: --seeds 1..200; vmptcp hunt says how often a test fails"))
    }

    /// What a commit is.
    pub fn judge(&mut self, ends: Ends, commit: &str, run: &mut Try<'_>) -> Result<Term> {
        let (mut all, mut seeds) = (Failures { failed: 0, ran: 0 }, self.seeds);
        for _ in 0..MAX_ROUNDS {
            let Some(more) = self.failures(commit, seeds, run)? else { return Ok(Term::Skip) };
            all = all.and(more);
            console::note(&format!("{commit:.12} fails with {all} seeds"));
            match ends.side(all) {
                Side::Good => return Ok(Term::Good),
                Side::Bad => return Ok(Term::Bad),
                Side::Unclear => {}
            }
            match seeds.following() {
                Some(next) => seeds = next,
                None => break,
            }
        }
        console::note("that is neither as often as the good one nor as the bad one");
        Ok(Term::Skip)
    }

    /// What is known of a commit, for a person; none if it was not tested.
    pub fn told(&self, commit: &str) -> Option<String> {
        let of_it = self.known.iter().filter(|(key, _)| key.split(' ').next() == Some(commit));
        let all = of_it.map(|(_, failures)| *failures).reduce(Failures::and)?;
        Some(format!("fails with {all} seeds"))
    }

    /// How often a commit fails with these seeds, known or found out now.
    fn failures(&mut self, commit: &str, seeds: Seeds, run: &mut Try<'_>) -> Result<Option<Failures>> {
        let key = format!("{commit} {seeds}");
        if let Some(known) = self.known.get(&key) {
            return Ok(Some(*known));
        }
        let found = run(commit, seeds)?.filter(|found| found.ran > 0);
        if let Some(found) = found {
            self.known.insert(key, found);
            file::replace(&self.file, &serde_json::to_vec(&self.known).unwrap_or_default())?;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bisects by the seeds 1 to 20, with a commit that fails with so many of each 20; and says what was tried.
    fn judged(file: &std::path::Path, bad: u32, commit: Option<u32>) -> (Result<Term>, Vec<String>) {
        let question = Question {
            good: "good".into(),
            bad: "bad".into(),
            tests: vec!["diag".into()],
            seeds: "1..20".into(),
        };
        let mut tried = Vec::new();
        let mut run = |commit_: &str, seeds: Seeds| {
            tried.push(format!("{commit_} {seeds}"));
            let failed = match commit_ {
                "good" => Some(0),
                "bad" => Some(bad),
                _ => commit,
            };
            Ok(failed.map(|failed| Failures { failed, ran: seeds.count() }))
        };
        let mut by_seeds = BySeeds::open(file.to_owned(), "1..20".parse().unwrap(), true);
        let ends = by_seeds.ends(&question, &mut run);
        let term = ends.and_then(|ends| by_seeds.judge(ends, "middle", &mut run));
        (term, tried)
    }

    #[test]
    fn a_commit_is_tested_with_the_seeds_of_the_ends_and_with_more_where_they_do_not_tell() {
        let dir = tempfile::tempdir().unwrap();
        let of = |name: &str, commit| judged(&dir.path().join(name), 7, commit);
        let (term, tried) = of("good", Some(0));
        assert_eq!(
            (term.unwrap(), tried),
            (Term::Good, ["good 1..20", "bad 1..20", "middle 1..20"].map(str::to_owned).to_vec())
        );
        assert_eq!(of("bad", Some(8)).0.unwrap(), Term::Bad);
        let (term, tried) = of("more", Some(4));
        assert_eq!((term.unwrap(), tried.last().unwrap().as_str()), (Term::Bad, "middle 21..40"));
        assert_eq!(of("gone", None).0.unwrap(), Term::Skip, "it does not build, or has no such test");
    }

    #[test]
    fn ends_that_do_not_differ_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (term, tried) = judged(&dir.path().join("x"), 2, Some(0));
        let error = term.unwrap_err().to_string();
        assert!(
            error.contains("0 of 20 seeds, the bad one with 2 of 20, p = 0.24: that may be chance"),
            "{error}"
        );
        assert_eq!(tried.len(), 2);
    }

    #[test]
    fn what_was_tested_is_known_to_the_command_that_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("failures.json");
        judged(&file, 7, Some(0)).0.unwrap();
        let (term, tried) = judged(&file, 7, Some(0));
        assert_eq!((term.unwrap(), tried), (Term::Good, Vec::new()));
        let known = BySeeds::open(file.clone(), "1..20".parse().unwrap(), true);
        assert_eq!(known.told("middle").unwrap(), "fails with 0 of 20 seeds");
        assert_eq!(
            BySeeds::open(file, "1..20".parse().unwrap(), false).told("middle"),
            None,
            "another bisection"
        );
    }
}
