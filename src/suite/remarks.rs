//! What a test says is missing, where it skips something or fails for that; and runs in which nothing may be missing.

use crate::event::Outcome;

/// How many of these lines are remembered: more tell nobody anything.
const MAX_LINES: usize = 200;

/// How lines say it: what comes before the reason, or the name of the feature.
#[derive(Debug, Clone, Copy)]
pub struct Marks {
    /// Something is skipped.
    pub skipped: &'static [&'static str],
    /// Something failed.
    pub failed: &'static [&'static str],
    /// A feature is missing that the test was told to expect; empty where nothing says so.
    pub missing: &'static str,
}

impl Marks {
    /// Of a suite whose tests say all that they have to say in their results.
    pub const NONE: Self = Self { skipped: &[], failed: &[], missing: "" };
}

/// What a test said about it, line by line.
#[derive(Debug)]
pub struct Remarks {
    marks: Marks,
    /// What was skipped, as the line names it, and why; either may be empty.
    lines: Vec<(String, String)>,
    /// What failed, likewise.
    failed: Vec<(String, String)>,
    missing: Option<String>,
    /// What the line before names: an error of the shell may come between it and its end.
    before: String,
}

impl Remarks {
    /// Nothing yet, of a suite with these marks.
    pub fn new(marks: Marks) -> Self {
        Self { marks, lines: Vec::new(), failed: Vec::new(), missing: None, before: String::new() }
    }

    /// Takes a line that is no TAP.
    pub fn see(&mut self, line: &str) {
        let Marks { skipped, failed, missing } = self.marks;
        if let Some((_, feature)) = line.split_once(missing).filter(|_| !missing.is_empty()) {
            self.missing = Some(feature.trim().to_owned());
        }
        for (marks, lines) in [(skipped, &mut self.lines), (failed, &mut self.failed)] {
            let found = marks.iter().find_map(|mark| line.split_once(mark));
            if let Some((what, why)) = found.filter(|_| lines.len() < MAX_LINES) {
                let what = if what.trim().is_empty() { &self.before } else { what.trim() };
                lines.push((what.to_owned(), why.trim().to_owned()));
            }
        }
        line.split("  ").next().unwrap_or_default().trim().clone_into(&mut self.before);
    }

    /// The feature that the test was told to expect, and that is missing.
    pub fn missing(&self) -> Option<String> {
        self.missing.as_ref().map(|feature| format!("{}{feature}", self.marks.missing))
    }

    /// Why the test as a whole was skipped: the last that it said.
    pub fn of_the_test(&self) -> Option<String> {
        self.lines.last().map(|(_, why)| why.clone()).filter(|why| !why.is_empty())
    }

    /// Why a subtest was skipped.
    pub fn of_subtest(&self, name: &str) -> Option<String> {
        why(&self.lines, name)
    }

    /// Why a subtest failed. A script that is told to expect all features fails instead of skipping.
    pub fn of_failed(&self, name: &str) -> Option<String> {
        why(&self.failed, name)
    }
}

fn why(lines: &[(String, String)], name: &str) -> Option<String> {
    // In front of the name there is a number.
    let line = lines.iter().find(|(what, _)| !name.is_empty() && what.ends_with(name.trim()));
    line.map(|(_, why)| why.clone()).filter(|why| !why.is_empty())
}

/// How something ended in a run in which nothing may be skipped.
pub fn not_allowed(outcome: Outcome, reason: Option<String>) -> (Outcome, Option<String>) {
    if outcome != Outcome::Skip {
        return (outcome, reason);
    }
    let why = reason.map(|why| format!(": {why}")).unwrap_or_default();
    (Outcome::Fail, Some(format!("skipped, and all features are expected{why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Remarks {
        let mut skips = Remarks::new(crate::suite::selftests::SUITE.output.marks);
        for line in lines {
            skips.see(line);
        }
        skips
    }

    #[test]
    fn the_lines_of_the_scripts_are_understood() {
        let skips = of(&[
            "01 no msk on netns creation                          [ OK ]",
            "02 ....chk last_data_sent                            [SKIP] Feature probably not supported",
            "03 ....chk last_data_recv                            [SKIP]",
            "04 ....chk last_ack_recv                             ./diag.sh: line 228: [: : integer expected",
            "[FAIL] value changed by 0ms",
        ]);
        assert_eq!(
            skips.of_subtest("....chk last_data_sent").as_deref(),
            Some("Feature probably not supported")
        );
        assert_eq!(skips.of_subtest("....chk last_data_recv"), None);
        assert_eq!(skips.of_failed("....chk last_ack_recv").as_deref(), Some("value changed by 0ms"));
        assert_eq!(skips.of_failed("....chk last_data_sent"), None);
        assert_eq!(skips.of_subtest("other"), None);
        assert_eq!(skips.of_subtest(""), None);
        assert_eq!(
            of(&["SKIP: Could not run test without ip tool"]).of_the_test().as_deref(),
            Some("Could not run test without ip tool")
        );
        let skips = of(&["ERROR: missing feature: mptcp_pm_data_reset$ symbol not found"]);
        assert_eq!(
            skips.missing().as_deref(),
            Some("missing feature: mptcp_pm_data_reset$ symbol not found")
        );
    }

    #[test]
    fn a_skip_fails_where_none_is_allowed() {
        assert_eq!(
            not_allowed(Outcome::Skip, Some("no BTF".into())),
            (Outcome::Fail, Some("skipped, and all features are expected: no BTF".into()))
        );
        assert_eq!(not_allowed(Outcome::Xfail, None), (Outcome::Xfail, None));
    }
}
