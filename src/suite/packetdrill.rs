//! MPTCP's packetdrill tests: scripts that say which system calls are made, and which packets are sent and expected, when.
//!
//! They come from a repository of their own, with the program that runs them. A test is a directory of scripts, a subtest a
//! script over one family of addresses.

use super::makefile::is_file_name;
use super::{
    Conditions, Ended, Files, Limit, Listing, Marks, Needs, Output, Repository, Site, Start, Suite, TestCase,
    Tests,
};
use crate::error::{Error, Result};
use crate::event::Outcome;
use std::time::Duration;

/// How long a script takes over all families, roughly.
const OF_A_SCRIPT: Duration = Duration::from_secs(6);

/// No directory may take longer.
const LIMIT: Duration = Duration::from_secs(3600);

/// How long a script may take over one family; see `run.sh`.
const LIMIT_OF_A_SCRIPT: Duration = Duration::from_secs(180);

/// Runs the scripts of a directory in a guest.
const SCRIPT: &str = include_str!("packetdrill/run.sh");

/// Where they come from.
const REPOSITORY: Repository = Repository {
    branches: |major, minor| {
        vec![format!("mptcp-{major}.{minor}"), format!("archived/mptcp-{major}.{minor}")]
    },
    tests: "gtests/net/mptcp",
    sources: "gtests/net/packetdrill",
    program: "packetdrill",
    // Warnings of newer compilers are no errors of it.
    make: &["-f", "Makefile.Linux", "CC=gcc -include vmptcp.h", "CFLAGS=-g -Wall", "packetdrill"],
    header: ("vmptcp.h", include_str!("packetdrill/vmptcp.h")),
};

/// The row.
pub const SUITE: Suite = Suite {
    id: "packetdrill",
    about: "MPTCP's packetdrill scripts",
    needs: Needs {
        fragments: &["packetdrill"],
        repository: Some(&REPOSITORY),
        host_programs: &["make", "gcc", "flex", "bison"],
        guest_programs: &["bash", "ip", "sysctl", "tc", "timeout"],
        ..Suite::PLAIN.needs
    },
    tests: Tests::Listed { sources: "", list },
    environment,
    start,
    output: Output { subtest: |_, printed| printed, marks: Marks::NONE },
    judge,
    ..Suite::PLAIN
};

/// A test for each directory with scripts.
fn list(files: &dyn Files) -> Result<Listing> {
    let (mut tests, mut notes) = (Vec::new(), Vec::new());
    let mut dirs = files.names("")?;
    dirs.sort();
    for dir in dirs {
        // What is no directory has no names.
        let names = files.names(&dir).unwrap_or_default();
        let scripts = names.iter().filter(|name| is_script(name)).count();
        if scripts == 0 {
            continue;
        }
        if !is_file_name(&dir) {
            notes.push(format!("the directory of scripts {dir:?} has no plain name: left out"));
            continue;
        }
        let scripts = u32::try_from(scripts).unwrap_or(u32::MAX);
        tests.push(TestCase {
            limit: Limit::Within(LIMIT_OF_A_SCRIPT.saturating_mul(scripts.saturating_mul(3)).min(LIMIT)),
            guess: OF_A_SCRIPT.saturating_mul(scripts),
            ..TestCase::new(&SUITE, &dir, &dir)
        });
    }
    if tests.is_empty() {
        return Err(Error::usage("packetdrill: no directory with scripts (*.pkt) is there")
            .hint("see where they come from: vmptcp settings (packetdrill.source, packetdrill.scripts)"));
    }
    Ok(Listing { tests, notes })
}

/// A script's name ends so, and in no other case.
fn is_script(name: &str) -> bool {
    name.strip_suffix(".pkt").is_some()
}

fn environment(conditions: Conditions) -> Vec<(&'static str, String)> {
    let flaky = conditions.misses_deadlines && !conditions.flaky_counts;
    let tolerance = ("VMPTCP_PACKETDRILL_TOLERANCE", conditions.tolerance.max(1).to_string());
    std::iter::once(tolerance).chain(flaky.then(|| ("VMPTCP_PACKETDRILL_FLAKY", "1".to_owned()))).collect()
}

fn start(test: &TestCase, site: Site<'_>) -> Start {
    let program =
        site.program.map_or_else(|| REPOSITORY.program.to_owned(), |path| path.display().to_string());
    let mut argv = ["sh", "-c", SCRIPT, "sh", &program, &test.program].map(str::to_owned).to_vec();
    argv.extend(test.args.iter().cloned());
    Start { argv, ..Start::default() }
}

/// The exit code says no more than the results.
fn judge(ended: &Ended<'_>) -> (Outcome, Option<String>) {
    match ended.exit_code {
        1 if ended.failed > 0 => (Outcome::Fail, None),
        _ if ended.results == 0 => (Outcome::Error, Some("it printed no results".to_owned())),
        _ => ended.plain(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Remarks;
    use std::path::Path;

    /// Directories, each with these names in it.
    struct Dirs(&'static [(&'static str, &'static [&'static str])]);

    impl Files for Dirs {
        fn text(&self, path: &str) -> Result<String> {
            Err(Error::usage(path))
        }

        fn names(&self, dir: &str) -> Result<Vec<String>> {
            if dir.is_empty() {
                return Ok(self.0.iter().map(|(name, _)| (*name).to_owned()).collect());
            }
            let found = self.0.iter().find(|(name, _)| *name == dir).ok_or_else(|| Error::usage(dir))?;
            Ok(found.1.iter().map(|name| (*name).to_owned()).collect())
        }
    }

    #[test]
    fn each_directory_with_scripts_is_a_test() {
        let listing = list(&Dirs(&[
            ("mp_join", &["a_v4.pkt"]),
            ("dss", &["a.pkt", "b.pkt", "README"]),
            ("common", &["defaults.sh"]),
            ("-x", &["a.pkt"]),
        ]))
        .unwrap();
        let names: Vec<&str> = listing.tests.iter().map(|test| &test.name[..]).collect();
        assert_eq!(names, ["dss", "mp_join"]);
        assert_eq!(listing.tests[0].limit, Limit::Within(Duration::from_secs(6 * 180)));
        assert_eq!(listing.notes, ["the directory of scripts \"-x\" has no plain name: left out"]);
        let wrong = list(&Dirs(&[("common", &["defaults.sh"])])).unwrap_err();
        insta::assert_snapshot!(format!("{wrong}\n{}", wrong.remedy().unwrap()), @"
        packetdrill: no directory with scripts (*.pkt) is there
        see where they come from: vmptcp settings (packetdrill.source, packetdrill.scripts)
        ");
    }

    #[test]
    fn the_branch_is_that_of_the_kernel() {
        assert_eq!((REPOSITORY.branches)(6, 12), ["mptcp-6.12", "archived/mptcp-6.12"]);
    }

    #[test]
    fn a_test_gets_the_program_the_directory_and_its_arguments() {
        let mut test = TestCase::new(&SUITE, "dss", "dss");
        test.args = vec!["--verbose".to_owned()];
        let site = Site { program: Some(Path::new("/run/packetdrill")), ..Site::default() };
        assert_eq!(start(&test, site).argv[3..], ["sh", "/run/packetdrill", "dss", "--verbose"]);
    }

    #[test]
    fn a_failure_is_a_flake_where_the_kernel_misses_deadlines_unless_flakes_count() {
        let slow = Conditions { misses_deadlines: true, tolerance: 3, ..Conditions::default() };
        let text = |conditions| {
            let all: Vec<String> =
                environment(conditions).iter().map(|(name, value)| format!("{name}={value}")).collect();
            all.join(" ")
        };
        assert_eq!(text(slow), "VMPTCP_PACKETDRILL_TOLERANCE=3 VMPTCP_PACKETDRILL_FLAKY=1");
        assert_eq!(text(Conditions { flaky_counts: true, ..slow }), "VMPTCP_PACKETDRILL_TOLERANCE=3");
    }

    #[test]
    fn only_results_are_a_pass() {
        let test = TestCase::new(&SUITE, "dss", "dss");
        let remarks = Remarks::new(SUITE.output.marks);
        let judged = |exit_code, results, failed| {
            let (broken, skipped) = (None, None);
            judge(&Ended { test: &test, exit_code, results, failed, broken, skipped, remarks: &remarks }).0
        };
        assert_eq!(judged(0, 3, 0), Outcome::Pass);
        assert_eq!(judged(1, 3, 1), Outcome::Fail);
        assert_eq!(judged(1, 0, 0), Outcome::Error);
    }
}
