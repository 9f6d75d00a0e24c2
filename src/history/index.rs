//! The index: an SQLite database with a row a run, and a row for each result.

use super::{Entry, Flake, Origin, Seen, flakes};
use crate::error::{Error, IoContext, Result};
use crate::event::Outcome;
use crate::process::Cmd;
use crate::results::{Case, Verdict};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The version of the tables; a database with another one is made again.
const VERSION: i64 = 1;

/// Where it is, in the user's cache.
const FILE: &str = "history/index.sqlite";

/// How long another invocation is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

const TABLES: &str = "
    CREATE TABLE runs(id INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE, local INTEGER NOT NULL, size INTEGER NOT NULL,
        name TEXT NOT NULL, kind TEXT NOT NULL, started_ms INTEGER NOT NULL, seconds REAL NOT NULL, verdict TEXT NOT NULL,
        tests INTEGER NOT NULL, failed INTEGER NOT NULL, tree TEXT NOT NULL, commit_id TEXT NOT NULL, version TEXT NOT NULL, configuration TEXT NOT NULL, argv TEXT NOT NULL);
    CREATE TABLE cases(id INTEGER PRIMARY KEY, suite TEXT NOT NULL, test TEXT NOT NULL, subtest TEXT,
        UNIQUE(suite, test, subtest));
    CREATE TABLE results(case_id INTEGER NOT NULL, run INTEGER NOT NULL, attempt INTEGER NOT NULL, outcome INTEGER NOT NULL,
        seconds REAL, PRIMARY KEY(case_id, run, attempt)) WITHOUT ROWID;
    CREATE INDEX by_run ON results(run);
    CREATE INDEX failing ON results(case_id) WHERE outcome >= 5;";

/// What [`Listed`] is made of.
const COLUMNS: &str =
    "origin, local, name, kind, started_ms, seconds, verdict, tests, failed, tree, commit_id,
    version, configuration, argv";

/// Outcomes by their number in the database: from 5 on they are failures.
const OUTCOMES: [Outcome; 10] = [
    Outcome::Pass,
    Outcome::Xfail,
    Outcome::Xpass,
    Outcome::Skip,
    Outcome::NotRun,
    Outcome::Flaky,
    Outcome::Fail,
    Outcome::Timeout,
    Outcome::Crash,
    Outcome::Error,
];

/// The index of a user's runs.
#[derive(Debug)]
pub struct Index {
    database: Connection,
    file: PathBuf,
    cases: HashMap<Case, i64>,
}

/// Which runs are meant: those for which all of it holds.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this tree: its directory, or the name of a public branch.
    pub tree: Option<String>,
    /// Of commits that begin so, or whose description contains it.
    pub commit: Option<String>,
    /// With this verdict, as `Verdict::as_str` has it.
    pub verdict: Option<String>,
    /// With kernels and machines whose description contains it.
    pub configuration: Option<String>,
    /// Not older than this, in milliseconds since 1970.
    pub since_ms: Option<i64>,
}

/// A run, as a list shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// Where it comes from.
    pub origin: Origin,
    /// Its name.
    pub name: String,
    /// What kind of run it is.
    pub kind: String,
    /// When it began.
    pub started: jiff::Timestamp,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The verdict's word.
    pub verdict: String,
    /// How many tests were planned; 0 where nobody knows.
    pub tests: u32,
    /// How many of them failed.
    pub failed: u32,
    /// The tree.
    pub tree: String,
    /// The kernel's commit.
    pub commit: String,
    /// The kernel's version.
    pub version: String,
    /// Variant and accelerator.
    pub configuration: String,
    /// The command line.
    pub argv: Vec<String>,
}

impl Index {
    /// The index of the cache directory `cache`; a new one where there is none, or one of another version.
    pub fn open(cache: &Path) -> Result<Self> {
        let file = cache.join(FILE);
        if let Some(dir) = file.parent() {
            std::fs::create_dir_all(dir).doing("create", dir)?;
        }
        let database = Self::connect(&file).map_err(|error| failed(&file, &error))?;
        Ok(Self { database, file, cases: HashMap::new() })
    }

    /// True if the cache directory `cache` has one.
    pub fn exists(cache: &Path) -> bool {
        cache.join(FILE).is_file()
    }

    /// Forgets everything, also what came from nowhere else.
    pub fn remove(cache: &Path) -> Result<()> {
        let file = cache.join(FILE);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("remove", &file, &error))
            }
            _ => Ok(()),
        }
    }

    fn connect(file: &Path) -> rusqlite::Result<Connection> {
        let mut database = Connection::open(file)?;
        database.busy_timeout(BUSY_TIMEOUT)?;
        // Losing the newest entries to a power cut costs reading their directories again.
        database.pragma_update(None, "synchronous", "OFF")?;
        // One at a time: of two that find it empty, the second finds it made.
        let change = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let version: i64 = change.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version != VERSION {
            for table in ["results", "cases", "runs"] {
                change.execute_batch(&format!("DROP TABLE IF EXISTS {table}"))?;
            }
            change.execute_batch(TABLES)?;
            change.pragma_update(None, "user_version", VERSION)?;
        }
        change.commit()?;
        Ok(database)
    }

    /// The directories of all runs that are known, with the size that their log had, in bytes.
    pub fn sizes(&self) -> Result<HashMap<PathBuf, u64>> {
        let read = || -> rusqlite::Result<_> {
            let mut rows = self.database.prepare("SELECT origin, size FROM runs WHERE local = 1")?;
            let rows = rows
                .query_map([], |row| Ok((PathBuf::from(row.get::<_, String>(0)?), row.get::<_, i64>(1)?)))?;
            rows.map(|row| row.map(|(path, size)| (path, u64::try_from(size).unwrap_or_default()))).collect()
        };
        read().map_err(|error| failed(&self.file, &error))
    }

    /// Adds runs, or replaces what is known of them; each with the size of its log, in bytes. All of them, or none.
    pub fn put(&mut self, entries: &[(Entry, u64)]) -> Result<()> {
        let cases = &mut self.cases;
        let mut write = || {
            let change = self.database.transaction()?;
            for (entry, size) in entries {
                put(&change, cases, entry, *size)?;
            }
            change.commit()
        };
        write().map_err(|error| failed(&self.file, &error))
    }

    /// The runs that a filter lets through, the oldest first.
    pub fn runs(&self, filter: &Filter) -> Result<Vec<Listed>> {
        let read = || -> rusqlite::Result<Vec<Listed>> {
            let mut rows =
                self.database.prepare(&format!("SELECT {COLUMNS} FROM runs ORDER BY started_ms, name"))?;
            let rows = rows.query_map([], listed)?;
            rows.filter(|row| row.as_ref().map_or(true, |run| filter.allows(run))).collect()
        };
        read().map_err(|error| failed(&self.file, &error))
    }

    /// The cases that failed at least once in the runs that a filter lets through, for each configuration.
    pub fn flakes(&self, filter: &Filter) -> Result<Vec<Flake>> {
        let read = || {
            let runs = self.runs_by_id(filter)?;
            let cases = self.cases_that_failed()?;
            let observed = self.observed(&runs)?;
            let flake = |((case, configuration), seen): ((i64, String), Vec<(i64, Outcome)>)| {
                let seen =
                    seen.into_iter().filter_map(|(run, outcome)| Some(seen_in(runs.get(&run)?, outcome)));
                flakes(cases.get(&case)?.clone(), configuration, seen.collect())
            };
            Ok(observed.into_iter().filter_map(flake).collect())
        };
        read().map_err(|error| failed(&self.file, &error))
    }

    fn runs_by_id(&self, filter: &Filter) -> rusqlite::Result<HashMap<i64, Listed>> {
        let mut rows = self.database.prepare(&format!("SELECT {COLUMNS}, id FROM runs"))?;
        let rows = rows.query_map([], |row| Ok((row.get("id")?, listed(row)?)))?;
        rows.filter(|row| row.as_ref().map_or(true, |(_, run)| filter.allows(run))).collect()
    }

    fn cases_that_failed(&self) -> rusqlite::Result<HashMap<i64, Case>> {
        let mut rows = self.database.prepare(
            "SELECT id, suite, test, subtest FROM cases WHERE id IN (SELECT case_id FROM results WHERE outcome >= 5)",
        )?;
        let case = |row: &Row<'_>| {
            Ok((
                row.get(0)?,
                Case { variant: None, suite: row.get(1)?, test: row.get(2)?, subtest: row.get(3)? },
            ))
        };
        rows.query_map([], case)?.collect()
    }

    /// How the cases that ever failed ended in these runs, by case and configuration.
    fn observed(&self, runs: &HashMap<i64, Listed>) -> rusqlite::Result<Observations> {
        let mut rows = self.database.prepare(
            "SELECT case_id, run, outcome FROM results
             WHERE case_id IN (SELECT case_id FROM results WHERE outcome >= 5)",
        )?;
        let mut observations = Observations::new();
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (case, run, outcome): (i64, i64, u8) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let Some(listed) = runs.get(&run) else { continue };
            let outcome = OUTCOMES.get(usize::from(outcome)).copied().unwrap_or(Outcome::Error);
            observations.entry((case, listed.configuration.clone())).or_default().push((run, outcome));
        }
        // A public run tells only what did not pass.
        let public =
            runs.iter().filter(|(_, run)| run.is_public() && run.verdict != Verdict::Unfinished.as_str());
        let mut by_configuration: HashMap<&str, Vec<i64>> = HashMap::new();
        for (id, run) in public {
            by_configuration.entry(&run.configuration).or_default().push(*id);
        }
        for ((_, configuration), seen) in &mut observations {
            let told: HashSet<i64> = seen.iter().map(|(run, _)| *run).collect();
            let all = by_configuration.get(configuration.as_str()).into_iter().flatten();
            seen.extend(all.filter(|run| !told.contains(run)).map(|run| (*run, Outcome::Pass)));
        }
        Ok(observations)
    }
}

/// Outcomes by case and configuration, each with its run.
type Observations = BTreeMap<(i64, String), Vec<(i64, Outcome)>>;

impl Filter {
    fn allows(&self, run: &Listed) -> bool {
        let is = |wanted: &Option<String>, is: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(is);
        is(&self.tree, &|tree| run.tree == tree)
            && is(&self.commit, &|commit| run.commit.contains(commit))
            && is(&self.verdict, &|verdict| run.verdict == verdict)
            && is(&self.configuration, &|part| run.configuration.contains(part))
            && self.since_ms.is_none_or(|since| run.started.as_millisecond() >= since)
    }
}

impl Listed {
    /// The command line without the directory of its program, for a shell; empty for public runs.
    pub fn command(&self) -> String {
        let Some((program, args)) = self.argv.split_first() else { return String::new() };
        Cmd::new(Path::new(program).file_name().unwrap_or_default()).args(args).to_string()
    }

    /// True if it is one of the public CI's.
    pub fn is_public(&self) -> bool {
        matches!(self.origin, Origin::Public(_))
    }
}

fn put(
    change: &Transaction<'_>,
    cases: &mut HashMap<Case, i64>,
    entry: &Entry,
    size: u64,
) -> rusqlite::Result<()> {
    let (origin, local) = match &entry.origin {
        Origin::Local(path) => (path.to_string_lossy().into_owned(), true),
        Origin::Public(number) => (number.clone(), false),
    };
    change
        .prepare_cached("DELETE FROM results WHERE run = (SELECT id FROM runs WHERE origin = ?1)")?
        .execute([&origin])?;
    change.prepare_cached("DELETE FROM runs WHERE origin = ?1")?.execute([&origin])?;
    change
        .prepare_cached(
            "INSERT INTO runs(origin, local, size, name, kind, started_ms, seconds, verdict, tests, failed, tree, commit_id,
             version, configuration, argv) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            origin,
            local,
            i64::try_from(size).unwrap_or(i64::MAX),
            entry.name,
            entry.kind,
            entry.started_ms,
            entry.seconds,
            entry.verdict.as_str(),
            entry.tests,
            entry.failed,
            entry.tree,
            entry.commit,
            entry.version,
            entry.configuration,
            serde_json::to_string(&entry.argv).unwrap_or_default(),
        ])?;
    let run = change.last_insert_rowid();
    let mut attempts: HashMap<i64, i64> = HashMap::new();
    let mut insert = change.prepare_cached(
        "INSERT INTO results(case_id, run, attempt, outcome, seconds) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for seen in &entry.results {
        let case = case_id(change, cases, &seen.case)?;
        let attempt = attempts.entry(case).and_modify(|attempt| *attempt += 1).or_insert(1);
        let outcome =
            (0u8..).zip(OUTCOMES).find(|(_, outcome)| *outcome == seen.outcome).map(|(number, _)| number);
        insert.execute(params![case, run, *attempt, outcome, seen.seconds])?;
    }
    Ok(())
}

/// The number of a case, which gets one if it has none.
fn case_id(change: &Transaction<'_>, cases: &mut HashMap<Case, i64>, case: &Case) -> rusqlite::Result<i64> {
    if let Some(id) = cases.get(case) {
        return Ok(*id);
    }
    let known = change
        .prepare_cached("SELECT id FROM cases WHERE suite = ?1 AND test = ?2 AND subtest IS ?3")?
        .query_row(params![case.suite, case.test, case.subtest], |row| row.get(0))
        .optional()?;
    let id = if let Some(id) = known {
        id
    } else {
        change
            .prepare_cached("INSERT INTO cases(suite, test, subtest) VALUES (?1, ?2, ?3)")?
            .execute(params![case.suite, case.test, case.subtest])?;
        change.last_insert_rowid()
    };
    cases.insert(case.clone(), id);
    Ok(id)
}

fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let origin: String = row.get("origin")?;
    let argv: String = row.get("argv")?;
    let local: bool = row.get("local")?;
    Ok(Listed {
        origin: if local { Origin::Local(origin.into()) } else { Origin::Public(origin) },
        name: row.get("name")?,
        kind: row.get("kind")?,
        started: jiff::Timestamp::from_millisecond(row.get("started_ms")?).unwrap_or_default(),
        seconds: row.get("seconds")?,
        verdict: row.get("verdict")?,
        tests: row.get("tests")?,
        failed: row.get("failed")?,
        tree: row.get("tree")?,
        commit: row.get("commit_id")?,
        version: row.get("version")?,
        configuration: row.get("configuration")?,
        argv: serde_json::from_str(&argv).unwrap_or_default(),
    })
}

fn seen_in(run: &Listed, outcome: Outcome) -> Seen {
    Seen {
        run: run.name.clone(),
        started_ms: run.started.as_millisecond(),
        commit: run.commit.clone(),
        outcome,
    }
}

fn failed(file: &Path, error: &rusqlite::Error) -> Error {
    Error::cannot_run(format!("cannot use the history {}: {error}", file.display()))
        .hint("make it again from the directories of runs: vmptcp history rebuild")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Observed, Streak};

    fn entry(name: &str, started_ms: i64, outcomes: &[(&str, Outcome)]) -> Entry {
        let results = outcomes.iter().map(|(subtest, outcome)| Observed {
            case: Case::test("selftests", "diag").subtest(*subtest),
            outcome: *outcome,
            seconds: None,
        });
        Entry {
            origin: Origin::Local(format!("/runs/{name}").into()),
            name: name.into(),
            kind: "tests".into(),
            started_ms,
            seconds: 1.0,
            verdict: Verdict::Failed,
            tests: 1,
            failed: 1,
            tree: "/tree".into(),
            commit: "abc (v6.12)".into(),
            version: "6.12".into(),
            configuration: "normal, tcg".into(),
            argv: vec!["vmptcp".into(), "test".into()],
            results: results.collect(),
        }
    }

    fn public(number: u32, outcomes: &[(&str, Outcome)]) -> Entry {
        Entry {
            origin: Origin::Public(format!("export/normal/{number}")),
            configuration: "public export/normal".into(),
            verdict: if outcomes.is_empty() { Verdict::Passed } else { Verdict::Failed },
            ..entry(&format!("export/{number}"), i64::from(number), outcomes)
        }
    }

    #[test]
    fn a_run_is_there_once_and_lists_and_flakes_tell_of_it() {
        let cache = tempfile::tempdir().unwrap();
        let mut index = Index::open(cache.path()).unwrap();
        let first = entry("one", 1000, &[("a", Outcome::Fail), ("b", Outcome::Pass)]);
        let second = entry("two", 2000, &[("a", Outcome::Pass), ("b", Outcome::Pass)]);
        index.put(&[(first.clone(), 10), (second, 20)]).unwrap();
        index.put(&[(first, 11)]).unwrap();
        drop(index);
        let index = Index::open(cache.path()).unwrap();
        assert_eq!(index.sizes().unwrap()[Path::new("/runs/one")], 11);
        let names =
            |filter: &Filter| index.runs(filter).unwrap().into_iter().map(|run| run.name).collect::<Vec<_>>();
        assert_eq!(names(&Filter::default()), ["one", "two"]);
        assert_eq!(names(&Filter { since_ms: Some(1500), ..Filter::default() }), ["two"]);
        assert!(names(&Filter { verdict: Some("passed".into()), ..Filter::default() }).is_empty());
        let flakes = index.flakes(&Filter::default()).unwrap();
        assert_eq!(flakes.len(), 1, "{flakes:?}");
        assert_eq!((flakes[0].failed, flakes[0].ran, flakes[0].streak), (1, 2, Streak::Passed(1)));
    }

    #[test]
    fn what_a_public_run_does_not_tell_of_passed_unless_nothing_is_known_of_it() {
        let cache = tempfile::tempdir().unwrap();
        let mut index = Index::open(cache.path()).unwrap();
        let unfinished = Entry { verdict: Verdict::Unfinished, ..public(4, &[]) };
        let skipped = public(5, &[("a", Outcome::Skip)]);
        let runs = [public(1, &[("a", Outcome::Fail)]), public(2, &[]), public(3, &[]), unfinished, skipped];
        index.put(&runs.map(|run| (run, 0))).unwrap();
        let flakes = index.flakes(&Filter::default()).unwrap();
        assert_eq!((flakes[0].failed, flakes[0].ran), (1, 3), "{flakes:?}");
    }

    #[test]
    fn a_database_of_another_version_is_made_again_and_one_that_is_none_is_named() {
        let cache = tempfile::tempdir().unwrap();
        let mut index = Index::open(cache.path()).unwrap();
        index.put(&[(entry("one", 1, &[]), 1)]).unwrap();
        index.database.pragma_update(None, "user_version", VERSION + 1).unwrap();
        drop(index);
        assert!(Index::open(cache.path()).unwrap().sizes().unwrap().is_empty());
        std::fs::write(cache.path().join("history/index.sqlite"), "no database, but some text that is long")
            .unwrap();
        let error = Index::open(cache.path()).unwrap_err();
        assert!(error.remedy().unwrap().contains("history rebuild"), "{error}");
        Index::remove(cache.path()).unwrap();
        assert!(Index::open(cache.path()).is_ok());
    }
}
