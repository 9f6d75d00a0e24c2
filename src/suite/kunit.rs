//! MPTCP's KUnit tests: modules of `net/mptcp` that test it from within the kernel.

use super::makefile::{assignments, is_file_name};
use super::{Ended, Files, Listing, Marks, Needs, Output, Site, Start, Suite, TestCase, Tests};
use crate::error::{Error, Result};
use crate::event::Outcome;
use std::time::Duration;

/// Their directory in a tree.
const SOURCES: &str = "net/mptcp";

/// The symbols that build them: since 5.13, and before.
const SYMBOLS: [&str; 2] = ["MPTCP_KUNIT_TEST", "MPTCP_KUNIT_TESTS"];

/// Loads a module, and prints the results that the kernel has of one of its suites. A module that is loaded already is loaded
/// again; one that is built in ran when the kernel booted, and runs again where the kernel can do that (6.8).
const SCRIPT: &str = r#"
module=$1 suite=/sys/kernel/debug/kunit/$2
shift 2
grep -q ' /sys/kernel/debug ' /proc/mounts || mount -t debugfs debugfs /sys/kernel/debug || exit 1
modprobe -r "$module" 2> /dev/null
if [ ! -r "$suite/results" ]; then
    modprobe "$module" "$@" || exit 1
elif [ -w "$suite/run" ]; then
    echo run > "$suite/run"
fi
cat "$suite/results"
"#;

/// The row.
pub const SUITE: Suite = Suite {
    id: "kunit",
    about: "MPTCP's KUnit tests",
    needs: Needs { fragments: &["kunit"], guest_programs: &["modprobe"], ..Suite::PLAIN.needs },
    tests: Tests::Listed { sources: SOURCES, list },
    start,
    output: Output {
        subtest,
        marks: Marks {
            skipped: &[],
            failed: &[": EXPECTATION FAILED at ", ": ASSERTION FAILED at "],
            missing: "modprobe: FATAL: ",
        },
    },
    judge,
    ..Suite::PLAIN
};

/// A test for each KUnit suite in the modules that `net/mptcp/Makefile` builds for one of the [`SYMBOLS`].
fn list(files: &dyn Files) -> Result<Listing> {
    let makefile = files.text(&format!("{SOURCES}/Makefile"))?;
    let assigned = assignments(&makefile);
    let words = |name: &str| -> Vec<String> {
        let values = assigned.iter().filter(|assignment| assignment.name == name);
        values.flat_map(|assignment| assignment.value.split_whitespace()).map(str::to_owned).collect()
    };
    let (mut tests, mut notes) = (Vec::new(), Vec::new());
    for object in SYMBOLS.iter().flat_map(|symbol| words(&format!("obj-$(CONFIG_{symbol})"))) {
        let module = object.strip_suffix(".o").unwrap_or(&object);
        let parts = [words(&format!("{module}-objs")), words(&format!("{module}-y"))].concat();
        let parts = if parts.is_empty() { vec![object.clone()] } else { parts };
        let source = |part: &String| {
            let part = part.strip_suffix(".o").filter(|part| is_file_name(part))?;
            files.text(&format!("{SOURCES}/{part}.c")).ok()
        };
        let suites: Vec<String> = parts.iter().filter_map(source).flat_map(|text| suites(&text)).collect();
        if suites.is_empty() || !is_file_name(module) {
            notes.push(format!("{SOURCES}/Makefile: no KUnit suite is found in {object:?}: left out"));
            continue;
        }
        let test =
            |name: &String| TestCase { guess: Duration::from_secs(1), ..TestCase::new(&SUITE, name, module) };
        tests.extend(suites.iter().map(test));
    }
    if tests.is_empty() {
        let why = format!("{SOURCES}/Makefile names none for CONFIG_{}", SYMBOLS.join(" or CONFIG_"));
        return Err(Error::usage(format!("this tree has no KUnit tests of MPTCP: {why}"))
            .hint("list the tests that there are: vmptcp test --list"));
    }
    Ok(Listing { tests, notes })
}

/// The names of the KUnit suites that a source declares.
fn suites(source: &str) -> Vec<String> {
    let declared = source.split("struct kunit_suite ").skip(1);
    let name = |rest: &str| {
        let (_, value) = rest.split_once('}')?.0.split_once(".name")?;
        let name = value.split('"').nth(1)?;
        is_file_name(name).then(|| name.to_owned())
    };
    declared.filter_map(name).collect()
}

fn start(test: &TestCase, _: Site<'_>) -> Start {
    let mut argv = ["sh", "-c", SCRIPT, "sh", &test.program, &test.name].map(str::to_owned).to_vec();
    argv.extend(test.args.iter().cloned());
    Start { argv, ..Start::default() }
}

/// Without the name of the suite, which is that of the test.
fn subtest<'a>(test: &TestCase, printed: &'a str) -> &'a str {
    printed.strip_prefix(&test.name).and_then(|rest| rest.strip_prefix('/')).unwrap_or(printed)
}

/// The exit code only tells whether there are results.
fn judge(ended: &Ended<'_>) -> (Outcome, Option<String>) {
    match ended.exit_code {
        0 if ended.failed > 0 => (Outcome::Fail, None),
        0 if ended.results == 0 && ended.broken.is_none() => {
            (Outcome::Error, Some("the kernel has no results of it".to_owned()))
        }
        0 => ended.plain(),
        code => (Outcome::Error, ended.remarks.missing().or_else(|| Some(format!("exit code {code}")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Remarks;

    /// As in 5.13 and later.
    const MAKEFILE: &str = "obj-$(CONFIG_MPTCP) += mptcp.o\nmptcp-y := protocol.o \\\n\ttoken.o\n\
        mptcp_crypto_test-objs := crypto_test.o\nmptcp_token_test-objs := token_test.o\n\
        obj-$(CONFIG_MPTCP_KUNIT_TEST) += mptcp_crypto_test.o mptcp_token_test.o ../evil.o\n";

    /// A tree with this Makefile.
    struct Tree(String);

    impl Files for Tree {
        fn text(&self, path: &str) -> Result<String> {
            let suite = |name: &str| {
                format!(
                    "static struct kunit_suite s = {{\n\t.name = \"{name}\",\n}};\nkunit_test_suite(s);\n"
                )
            };
            match path {
                "net/mptcp/Makefile" => Ok(self.0.clone()),
                "net/mptcp/crypto_test.c" => Ok(suite("mptcp-crypto")),
                "net/mptcp/token_test.c" => Ok(suite("mptcp-token") + &suite("../../etc")),
                _ => Err(Error::usage(path)),
            }
        }

        fn names(&self, _: &str) -> Result<Vec<String>> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn each_suite_of_the_modules_is_a_test() {
        for makefile in [MAKEFILE.to_owned(), MAKEFILE.replace("KUNIT_TEST)", "KUNIT_TESTS)")] {
            let listing = list(&Tree(makefile)).unwrap();
            let found: Vec<(&str, &str)> =
                listing.tests.iter().map(|test| (&test.name[..], &test.program[..])).collect();
            assert_eq!(found, [("mptcp-crypto", "mptcp_crypto_test"), ("mptcp-token", "mptcp_token_test")]);
            assert_eq!(
                listing.notes,
                ["net/mptcp/Makefile: no KUnit suite is found in \"../evil.o\": left out"]
            );
        }
    }

    #[test]
    fn a_tree_without_such_tests_says_so() {
        let wrong = list(&Tree("obj-$(CONFIG_MPTCP) += mptcp.o\n".to_owned())).unwrap_err();
        insta::assert_snapshot!(wrong, @"this tree has no KUnit tests of MPTCP: net/mptcp/Makefile names none for CONFIG_MPTCP_KUNIT_TEST or CONFIG_MPTCP_KUNIT_TESTS");
    }

    #[test]
    fn only_results_are_a_pass() {
        let test = list(&Tree(MAKEFILE.to_owned())).unwrap().tests.remove(0);
        let mut remarks = Remarks::new(SUITE.output.marks);
        remarks.see("modprobe: FATAL: Module mptcp_crypto_test not found in directory /lib/modules/6.12");
        let judged = |exit_code, results, failed| {
            let (broken, skipped) = (None, None);
            judge(&Ended { test: &test, exit_code, results, failed, broken, skipped, remarks: &remarks })
        };
        assert_eq!(judged(0, 3, 0), (Outcome::Pass, None));
        assert_eq!(judged(0, 3, 1), (Outcome::Fail, None));
        assert_eq!(judged(0, 0, 0).0, Outcome::Error);
        let (outcome, reason) = judged(1, 0, 0);
        assert_eq!(outcome, Outcome::Error);
        assert!(reason.unwrap().contains("mptcp_crypto_test not found"));
        assert_eq!(subtest(&test, "mptcp-crypto/mptcp_crypto_test_basic"), "mptcp_crypto_test_basic");
    }
}
