//! What all collections of the kernel's selftests share: how a `Makefile` and `settings` name tests, how one is started, and
//! what its exit code means.

mod judge;
mod start;

pub use judge::judge;
pub use start::{HEAD, RUNNER, command};

use super::makefile::{self, Assignment, is_file_name};
use super::{Limit, Listing, Suite, TestCase};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Where a tree has its selftests.
pub const SELFTESTS: &str = "tools/testing/selftests";

/// How long a test may take where a collection has no `settings`: `kselftest_default_timeout` in `kselftest/runner.sh`.
const DEFAULT_LIMIT: Limit = Limit::Within(Duration::from_secs(45));

/// The variables that name tests, in the order in which `lib.mk` runs them.
const VARIABLES: [&str; 3] = ["TEST_GEN_PROGS", "TEST_CUSTOM_PROGS", "TEST_PROGS"];

/// Lists the tests of `suite`, a `collection` such as `net/mptcp`: those that `makefile` names and that are among the
/// `installed` file names. `settings` is the text of the file of that name, if there is one.
///
/// It is an error if no test is left.
pub fn list(
    suite: &'static Suite,
    collection: &str,
    makefile: &str,
    settings: Option<&str>,
    installed: &[impl AsRef<str>],
) -> Result<Listing> {
    let installed: BTreeSet<&str> = installed.iter().map(AsRef::as_ref).collect();
    let mut notes = Vec::new();
    let limit = limit(collection, settings.unwrap_or_default(), &mut notes);
    let (mut tests, mut seen, mut taken) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let programs = programs(makefile);
    for word in &programs {
        let program = word.strip_prefix("$(OUTPUT)/").unwrap_or(word);
        if !seen.insert(program) {
            continue;
        }
        if !is_file_name(program) {
            notes.push(format!(
                "the Makefile names the test {word:?}, which is not a plain file name: left out"
            ));
        } else if !installed.contains(program) {
            notes.push(format!("the Makefile names the test {program}, which is not installed: left out"));
        } else {
            let short = program.strip_suffix(".sh").unwrap_or(program);
            let name = if taken.insert(short) { short } else { program };
            tests.push(TestCase { limit, ..TestCase::new(suite, name, program) });
        }
    }
    if !tests.is_empty() {
        return Ok(Listing { tests, notes });
    }
    let what = if programs.is_empty() {
        format!("{SELFTESTS}/{collection}/Makefile names no test in {}", VARIABLES.join(", "))
    } else {
        format!("none of the {} tests in {SELFTESTS}/{collection}/Makefile is installed", programs.len())
    };
    Err(Error::cannot_run(what).hint("choose a tree with MPTCP selftests, and build them: vmptcp build"))
}

/// The words of the variables that name tests.
fn programs(makefile: &str) -> Vec<String> {
    let mut variables: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for Assignment { name, operator, value } in makefile::assignments(makefile) {
        let Some(name) = VARIABLES.into_iter().find(|&variable| variable == name) else { continue };
        let words = value.split_whitespace().map(str::to_owned);
        match operator {
            '+' => variables.entry(name).or_default().extend(words),
            '?' if variables.contains_key(name) => {}
            _ => drop(variables.insert(name, words.collect())),
        }
    }
    VARIABLES.iter().filter_map(|name| variables.remove(name)).flatten().collect()
}

/// The limit that `settings` gives, like `kselftest/runner.sh` reads it: the last one counts, 0 is none at all.
fn limit(collection: &str, settings: &str, notes: &mut Vec<String>) -> Limit {
    let mut limit = DEFAULT_LIMIT;
    for (number, line) in (1..).zip(settings.lines()) {
        let Some(value) = line.trim().strip_prefix("timeout=") else { continue };
        match seconds(value.trim()) {
            Some(Duration::ZERO) => limit = Limit::Unlimited,
            Some(time) => limit = Limit::Within(time),
            None => notes.push(format!(
                "{SELFTESTS}/{collection}/settings:{number}: timeout={value:?} is not a time: ignored"
            )),
        }
    }
    limit
}

/// A time as `timeout(1)` takes it: a number with an optional unit.
fn seconds(value: &str) -> Option<Duration> {
    let value = value.trim_matches(['"', '\'']);
    let (number, unit) = match value.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, &value[number.len()..]),
        None => (value, "s"),
    };
    let unit = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => 1,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return Some(Duration::from_secs(whole.saturating_mul(unit)));
    }
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let time =
        number.parse().ok().filter(|_| plain).and_then(|number| Duration::try_from_secs_f64(number).ok())?;
    Some(time.saturating_mul(u32::try_from(unit).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in 6.1 to 6.12.
    const MAKEFILE: &str = "\
# SPDX-License-Identifier: GPL-2.0
top_srcdir = ../../../../..
CFLAGS += -Wall -I$(top_srcdir)/usr/include $(KHDR_INCLUDES)

TEST_PROGS := mptcp_connect.sh pm_netlink.sh \\
\t      mptcp_join.sh diag.sh

TEST_GEN_FILES = mptcp_connect pm_nl_ctl
TEST_FILES := mptcp_lib.sh settings
include ../../lib.mk
";

    const INSTALLED: [&str; 7] = [
        "diag.sh",
        "mptcp_connect",
        "mptcp_connect.sh",
        "mptcp_join.sh",
        "mptcp_lib.sh",
        "pm_netlink.sh",
        "settings",
    ];

    fn list(makefile: &str, settings: Option<&str>, installed: &[&str]) -> Result<Listing> {
        super::list(&crate::suite::selftests::SUITE, "net/mptcp", makefile, settings, installed)
    }

    fn names(listing: &Listing) -> Vec<&str> {
        listing.tests.iter().map(|test| test.name.as_str()).collect()
    }

    #[test]
    fn tests_come_in_the_order_of_the_makefile() {
        let listing = list(MAKEFILE, Some("timeout=1800\n"), &INSTALLED).unwrap();
        assert_eq!(names(&listing), ["mptcp_connect", "pm_netlink", "mptcp_join", "diag"]);
        assert_eq!(listing.tests[0].program, "mptcp_connect.sh");
        assert_eq!(listing.tests[0].limit, Limit::Within(Duration::from_secs(1800)));
        assert_eq!(listing.notes, [""; 0]);
    }

    #[test]
    fn newer_trees_have_one_test_a_line() {
        let makefile = "TEST_PROGS := \\\n\ta.sh \\\n\tb.sh \\\n# end of TEST_PROGS\n\nTEST_GEN_PROGS = c\n";
        assert_eq!(programs(makefile), ["c", "a.sh", "b.sh"]);
    }

    #[test]
    fn assignments_add_replace_or_give_way() {
        let makefile = "TEST_PROGS = z.sh\nexport TEST_PROGS ::= a.sh # b.sh\nTEST_PROGS+=c.sh\nTEST_PROGS ?= d.sh\n\
            TEST_PROGS_EXTENDED := e.sh\nall:\n\tTEST_PROGS=f.sh\n\techo $(TEST_PROGS) \\\n";
        assert_eq!(programs(makefile), ["a.sh", "c.sh"]);
        assert_eq!(programs("TEST_PROGS := a.sh \\"), ["a.sh"]);
        assert_eq!(programs("TEST_PROGS"), [""; 0]);
    }

    #[test]
    fn what_cannot_be_run_is_left_out_with_a_note() {
        let makefile =
            "TEST_PROGS = diag.sh gone.sh ../../evil.sh $(MORE) -rf diag.sh\nTEST_GEN_PROGS = $(OUTPUT)/diag";
        let listing = list(makefile, None, &["diag", "diag.sh", "-rf"]).unwrap();
        assert_eq!(names(&listing), ["diag", "diag.sh"]);
        assert_eq!(listing.tests[0].limit, DEFAULT_LIMIT);
        insta::assert_snapshot!(listing.notes.join("\n"), @r#"
        the Makefile names the test gone.sh, which is not installed: left out
        the Makefile names the test "../../evil.sh", which is not a plain file name: left out
        the Makefile names the test "$(MORE)", which is not a plain file name: left out
        the Makefile names the test "-rf", which is not a plain file name: left out
        "#);
    }

    #[test]
    fn no_test_at_all_is_an_error() {
        let texts = |wrong: Error| format!("{wrong}\n{}", wrong.remedy().unwrap());
        insta::assert_snapshot!(texts(list("", None, &INSTALLED).unwrap_err()), @r#"
        tools/testing/selftests/net/mptcp/Makefile names no test in TEST_GEN_PROGS, TEST_CUSTOM_PROGS, TEST_PROGS
        choose a tree with MPTCP selftests, and build them: vmptcp build
        "#);
        insta::assert_snapshot!(texts(list(MAKEFILE, None, &[""; 0]).unwrap_err()), @r#"
        none of the 4 tests in tools/testing/selftests/net/mptcp/Makefile is installed
        choose a tree with MPTCP selftests, and build them: vmptcp build
        "#);
    }

    #[test]
    fn settings_are_read_like_kselftest_does() {
        let read = |settings| limit("net/mptcp", settings, &mut Vec::new());
        assert_eq!(read(""), DEFAULT_LIMIT);
        assert_eq!(read("# timeout=5\nother=3\n"), DEFAULT_LIMIT);
        assert_eq!(read("timeout=0"), Limit::Unlimited);
        assert_eq!(read("timeout=5\r\ntimeout=60\r\n"), Limit::Within(Duration::from_secs(60)));
        assert_eq!(read("timeout=1.5m"), Limit::Within(Duration::from_secs(90)));
        assert_eq!(read("timeout=2h"), Limit::Within(Duration::from_secs(7200)));
        assert_eq!(read("timeout=18446744073709551615d"), Limit::Within(Duration::from_secs(u64::MAX)));
        let mut notes = Vec::new();
        for value in ["", "-1", "soon", "inf", "1e400", "99999999999999999999999", "1.5x", "."] {
            assert_eq!(limit("net/mptcp", &format!("timeout={value}"), &mut notes), DEFAULT_LIMIT, "{value}");
        }
        assert_eq!(notes.len(), 8);
        assert_eq!(
            notes[2],
            r#"tools/testing/selftests/net/mptcp/settings:1: timeout="soon" is not a time: ignored"#
        );
    }
}
