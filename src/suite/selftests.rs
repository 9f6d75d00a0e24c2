//! The MPTCP selftests of a kernel tree, from the text of their `Makefile` and `settings`.

use super::{Limit, Suite, TestCase};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The directory below `tools/testing/selftests`, as kselftest names it.
pub const COLLECTION: &str = "net/mptcp";

/// The variables that name tests, in the order in which `lib.mk` runs them.
const VARIABLES: [&str; 3] = ["TEST_GEN_PROGS", "TEST_CUSTOM_PROGS", "TEST_PROGS"];

/// The tests of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The tests that can be run, in kselftest's order.
    pub tests: Vec<TestCase>,
    /// What a person should know: tests that are left out, settings that are not understood.
    pub notes: Vec<String>,
}

/// Lists the tests that `makefile` names and that are among the `installed` file names. `settings` is the text of the
/// file of that name, if there is one.
///
/// It is an error if no test is left.
pub fn list(makefile: &str, settings: Option<&str>, installed: &[impl AsRef<str>]) -> Result<Listing> {
    let installed: BTreeSet<&str> = installed.iter().map(AsRef::as_ref).collect();
    let mut notes = Vec::new();
    let limit = limit(settings.unwrap_or_default(), &mut notes);
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
            tests.push(TestCase {
                groups: Vec::new(),
                captures: false,
                suite: Suite::Selftests,
                name: name.to_owned(),
                program: program.to_owned(),
                args: Vec::new(),
                limit,
            });
        }
    }
    if !tests.is_empty() {
        return Ok(Listing { tests, notes });
    }
    let what = if programs.is_empty() {
        format!("tools/testing/selftests/{COLLECTION}/Makefile names no test in {}", VARIABLES.join(", "))
    } else {
        format!(
            "none of the {} tests in tools/testing/selftests/{COLLECTION}/Makefile is installed",
            programs.len()
        )
    };
    Err(Error::cannot_run(what).hint("choose a tree with MPTCP selftests, and build them: vmptcp build"))
}

/// True if a script says that it captures packets when it is given `-c`, or hands its arguments to one that does. `other`
/// gives the text of another script of the suite.
pub fn captures(script: &str, other: impl Fn(&str) -> Option<String>) -> bool {
    let offers = |text: &str| text.lines().any(|line| line.contains("-c") && line.contains("capture p"));
    let handed_to = |line: &str| {
        let call =
            line.trim().strip_prefix("\"$(dirname \"${0}\")/").filter(|call| call.contains("\"${@}\""))?;
        other(call.split('"').next()?)
    };
    offers(script) || script.lines().filter_map(handed_to).any(|text| offers(&text))
}

/// The words of the variables that name tests. Of a Makefile's language this understands assignments, continued lines
/// and comments; conditions are taken as true.
fn programs(makefile: &str) -> Vec<String> {
    let mut variables: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in logical_lines(makefile) {
        let Some((name, operator, value)) = assignment(&line) else { continue };
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

/// Lines with their continuations joined, then without comments: make does it in this order. Recipes are left out.
fn logical_lines(makefile: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in makefile.lines() {
        if open.is_none() && line.starts_with('\t') {
            continue;
        }
        let mut joined = open.take().unwrap_or_default();
        if let Some(part) = line.strip_suffix('\\') {
            joined.push_str(part);
            joined.push(' ');
            open = Some(joined);
        } else {
            joined.push_str(line);
            lines.push(joined);
        }
    }
    lines.extend(open);
    for line in &mut lines {
        line.truncate(line.find('#').unwrap_or(line.len()));
    }
    lines
}

/// Name, first character of the operator, value.
fn assignment(line: &str) -> Option<(&str, char, &str)> {
    let (left, value) = line.split_once('=')?;
    let name = left.trim_end_matches([':', '?', '+', '!']);
    let operator = left[name.len()..].chars().next().unwrap_or('=');
    let name = name.trim();
    let name = name.strip_prefix("override ").or_else(|| name.strip_prefix("export ")).unwrap_or(name);
    Some((name.trim(), operator, value))
}

/// True if the text can be joined to a directory and put into an argv without surprises.
fn is_file_name(text: &str) -> bool {
    let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    !text.is_empty() && !text.starts_with(['.', '-']) && text.chars().all(usual)
}

/// The limit that `settings` gives, like `kselftest/runner.sh` reads it: the last one counts, 0 is none at all.
fn limit(settings: &str, notes: &mut Vec<String>) -> Limit {
    let mut limit = Limit::Unspecified;
    for (number, line) in (1..).zip(settings.lines()) {
        let Some(value) = line.trim().strip_prefix("timeout=") else { continue };
        match seconds(value.trim()) {
            Some(Duration::ZERO) => limit = Limit::Unlimited,
            Some(time) => limit = Limit::Within(time),
            None => notes.push(format!(
                "tools/testing/selftests/{COLLECTION}/settings:{number}: timeout={value:?} is not a time: ignored"
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

    fn names(listing: &Listing) -> Vec<&str> {
        listing.tests.iter().map(|test| test.name.as_str()).collect()
    }

    #[test]
    fn a_script_offers_to_capture_packets_or_hands_its_arguments_on() {
        let connect = "usage() {\n\techo -e \"\\t-c: capture packets for each test using tcpdump\"\n}\n";
        let other = |name: &str| (name == "mptcp_connect.sh").then(|| connect.to_owned());
        assert!(captures(connect, other));
        assert!(captures("  echo \"  -c capture pcap files\"\n", other));
        let wrapper =
            "MPTCP_LIB_KSFT_TEST=x \\\n\t\"$(dirname \"${0}\")/mptcp_connect.sh\" -m mmap \"${@}\"\n";
        assert!(captures(wrapper, other));
        assert!(!captures(wrapper, |_| None));
        assert!(!captures("cond=\"grep -c token:\"\n", other));
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
        assert_eq!(listing.tests[0].limit, Limit::Unspecified);
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
        let read = |settings| limit(settings, &mut Vec::new());
        assert_eq!(read(""), Limit::Unspecified);
        assert_eq!(read("# timeout=5\nother=3\n"), Limit::Unspecified);
        assert_eq!(read("timeout=0"), Limit::Unlimited);
        assert_eq!(read("timeout=5\r\ntimeout=60\r\n"), Limit::Within(Duration::from_secs(60)));
        assert_eq!(read("timeout=1.5m"), Limit::Within(Duration::from_secs(90)));
        assert_eq!(read("timeout=2h"), Limit::Within(Duration::from_secs(7200)));
        assert_eq!(read("timeout=18446744073709551615d"), Limit::Within(Duration::from_secs(u64::MAX)));
        let mut notes = Vec::new();
        for value in ["", "-1", "soon", "inf", "1e400", "99999999999999999999999", "1.5x", "."] {
            assert_eq!(limit(&format!("timeout={value}"), &mut notes), Limit::Unspecified, "{value}");
        }
        assert_eq!(notes.len(), 8);
        assert_eq!(
            notes[2],
            r#"tools/testing/selftests/net/mptcp/settings:1: timeout="soon" is not a time: ignored"#
        );
    }
}
