//! Finds the commit that broke something, with git's own bisection in our own repository: its state outlives us, and its
//! log is one that `git bisect replay` takes.

use super::git::Git;
use super::workspace::Workspace;
use crate::error::{Error, IoContext, Result};
use crate::text::file;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// A commit where all is well.
    pub good: String,
    /// A commit where it is not.
    pub bad: String,
    /// The tests that tell.
    pub tests: Vec<String>,
    /// The seeds that a commit is compared with the two ends by; empty where a failure tells.
    #[serde(default)]
    pub seeds: String,
}

/// What a commit turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// All tests passed, every time.
    Good,
    /// One failed.
    Bad,
    /// Nobody can tell: it does not build, or has no such test.
    Skip,
}

impl Term {
    /// git's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Skip => "skip",
        }
    }
}

/// Where a bisection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// This commit is to be tried next; what git says of what is left.
    Try(String, String),
    /// This is the first bad commit.
    Found(String),
    /// It is one of these: all others were skipped.
    OneOf(Vec<String>),
}

/// A bisection in a workspace.
#[derive(Debug)]
pub struct Bisection<'a> {
    workspace: &'a Workspace,
    question: PathBuf,
    /// The last thing that git said.
    said: String,
}

impl<'a> Bisection<'a> {
    /// Goes on with the bisection of this question; begins it if there is none. True if it goes on. Another question that was
    /// begun is in the way.
    pub fn open(workspace: &'a Workspace, question: &Question) -> Result<(Self, bool)> {
        let file = workspace.dir("state")?.join("question.json");
        let mut bisection = Self { workspace, question: file, said: String::new() };
        if let Some(begun) = bisection.begun() {
            if begun != *question {
                let Question { good, bad, tests, seeds } = &begun;
                let seeds = if seeds.is_empty() { String::new() } else { format!(" and seeds {seeds}") };
                return Err(Error::usage(format!(
                    "another bisection was begun: from {good:.12} to {bad:.12}, with {}{seeds}",
                    tests.join(" ")
                ))
                .hint("go on with it by the same arguments, or give it up: vmptcp bisect --reset"));
            }
            bisection.said = bisection.log()?;
            return Ok((bisection, true));
        }
        // git wants to know where it came from.
        workspace.check_out(&question.good)?;
        let git = workspace.git();
        bisection.said = git
            .read(["bisect", "start", "--no-checkout", &question.bad, &question.good])
            .map_err(|error| {
                Error::usage(format!("cannot bisect: {error}"))
                    .hint("the good commit has to be an ancestor of the bad one")
            })?;
        let text = serde_json::to_vec(question).unwrap_or_default();
        file::replace(&bisection.question, &text)?;
        Ok((bisection, false))
    }

    /// Gives up what was begun; false if there was nothing.
    pub fn reset(workspace: &'a Workspace) -> Result<bool> {
        let bisection =
            Self { workspace, question: workspace.dir("state")?.join("question.json"), said: String::new() };
        let was = bisection.begun().is_some();
        if was {
            bisection.end()?;
        }
        Ok(was)
    }

    /// Forgets it.
    pub fn end(&self) -> Result<()> {
        self.git().ask(["bisect", "reset"]);
        std::fs::remove_file(&self.question).doing("remove", &self.question)
    }

    /// Tells git what the commit is that was to be tried.
    pub fn tell(&mut self, commit: &str, verdict: Term) -> Result<()> {
        // When only skipped ones are left git says so, and exits with 2.
        let output = self.git().cmd(["bisect", verdict.as_str(), commit]).output()?;
        self.said = output.stdout;
        if output.status.success() || self.said.contains("only 'skip'ped commits left") {
            return Ok(());
        }
        Err(Error::cannot_run(format!("git bisect {}: {}", verdict.as_str(), output.stderr.trim())))
    }

    /// Where it stands.
    pub fn standing(&self) -> Result<Standing> {
        let log = self.log()?;
        if let Some(found) = first_bad(&log) {
            return Ok(Standing::Found(found));
        }
        if log.contains("# only skipped commits left to test") {
            return Ok(Standing::OneOf(possible(&log)));
        }
        let next = self.git().commit("BISECT_HEAD")?;
        let left = self.said.lines().find(|line| line.starts_with("Bisecting: ")).unwrap_or_default();
        Ok(Standing::Try(next, left.to_owned()))
    }

    /// git's log so far.
    pub fn log(&self) -> Result<String> {
        Ok(self.git().read(["bisect", "log"])? + "\n")
    }

    fn git(&self) -> &Git {
        self.workspace.git()
    }

    fn begun(&self) -> Option<Question> {
        self.git().ask(["bisect", "log"])?;
        serde_json::from_slice(&std::fs::read(&self.question).ok()?).ok()
    }
}

/// `# first bad commit: [hash] subject`.
fn first_bad(log: &str) -> Option<String> {
    let line = log.lines().find_map(|line| line.strip_prefix("# first bad commit: ["))?;
    line.split_once(']').map(|(hash, _)| hash.to_owned())
}

/// `# possible first bad commit: [hash] subject`.
fn possible(log: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| line.strip_prefix("# possible first bad commit: ["));
    lines.filter_map(|line| Some(line.split_once(']')?.0.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::git::tests::{commit, repository};
    use super::*;

    /// Bisects eight commits of which the sixth is the first bad one; those of `skipped` cannot be tried.
    fn bisect(skipped: &[usize]) -> (Standing, Vec<String>, String) {
        let dir = tempfile::tempdir().unwrap();
        let git = repository(dir.path(), &[("x", "0")]);
        let good = git.commit("HEAD").unwrap();
        let commits: Vec<String> = (1..=8)
            .map(|number| commit(dir.path(), &format!("commit {number}"), &[("x", &number.to_string())]))
            .collect();
        let place = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(place.path(), &git).unwrap();
        let question =
            Question { good, bad: commits[7].clone(), tests: vec!["diag".to_owned()], seeds: String::new() };
        let (mut resumed, mut tried) = (0, 0);
        loop {
            // Every step is one of an invocation of its own.
            let (mut bisection, goes_on) = Bisection::open(&workspace, &question).unwrap();
            resumed += usize::from(goes_on);
            match bisection.standing().unwrap() {
                Standing::Try(next, _) => {
                    let at = commits.iter().position(|commit| *commit == next).unwrap();
                    let verdict = match at {
                        at if skipped.contains(&at) => Term::Skip,
                        0..=4 => Term::Good,
                        _ => Term::Bad,
                    };
                    bisection.tell(&next, verdict).unwrap();
                    tried += 1;
                }
                standing => {
                    assert_eq!(resumed, tried);
                    let log = bisection.log().unwrap();
                    for other in [
                        Question { tests: vec!["join".to_owned()], ..question.clone() },
                        Question { seeds: "1..50".to_owned(), ..question.clone() },
                    ] {
                        let error = Bisection::open(&workspace, &other).unwrap_err().to_string();
                        assert!(error.contains("another bisection"), "{error}");
                    }
                    // What git takes in a repository of its own.
                    let file = place.path().join("log");
                    std::fs::write(&file, &log).unwrap();
                    git.cmd(["bisect", "replay"]).arg(&file).output().unwrap();
                    let replayed = git.read(["bisect", "log"]).unwrap() + "\n";
                    assert_eq!(first_bad(&replayed), first_bad(&log));
                    assert!(Bisection::reset(&workspace).unwrap());
                    assert!(!Bisection::reset(&workspace).unwrap());
                    return (standing, commits, log);
                }
            }
        }
    }

    #[test]
    fn the_first_bad_commit_is_found_over_many_invocations() {
        let (standing, commits, log) = bisect(&[]);
        assert_eq!(standing, Standing::Found(commits[5].clone()));
        assert!(log.starts_with("git bisect start") || log.starts_with('#'), "{log}");
        let (standing, commits, _) = bisect(&[3]);
        assert_eq!(standing, Standing::Found(commits[5].clone()));
    }

    #[test]
    fn where_all_that_is_left_was_skipped_the_suspects_are_named() {
        let (standing, commits, _) = bisect(&[3, 4, 5, 6]);
        let Standing::OneOf(suspects) = standing else { panic!("{standing:?}") };
        assert!(suspects.contains(&commits[5]), "{suspects:?}");
    }
}
