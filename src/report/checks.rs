//! What results come to as checks of Patchwork: a state, a name and a line each, on a patch or on the whole series.

use super::findings::line;
use super::style::clean;
use super::text;
use crate::event::{CheckResult, Status};
use crate::results::{Summary, Test, Validation, Verdict};

/// How long a description can be, in characters: it stands in a table.
const LONGEST: usize = 200;

/// A check of Patchwork.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The number of its patch, from 1; none for what is about the whole series.
    pub patch: Option<usize>,
    /// Its name: letters, digits and dashes.
    pub context: String,
    /// `success`, `warning` or `fail`.
    pub state: &'static str,
    /// What was found, on one line.
    pub description: String,
}

/// The checks of a run or a validation. What was not done is none.
pub fn checks(summary: &Summary) -> Vec<Check> {
    match &summary.validation {
        Some(validation) => validation.results.iter().filter_map(|result| of(validation, result)).collect(),
        None => vec![of_tests(summary)],
    }
}

fn of(validation: &Validation, result: &CheckResult) -> Option<Check> {
    let state = match result.status {
        Status::Pass => "success",
        Status::Warn if !validation.counts(result) => "warning",
        Status::Warn | Status::Fail | Status::Error => "fail",
        Status::NotApplicable | Status::Skip | Status::NotRun => return None,
    };
    let first = result.findings.first().map(line);
    let said = first.or_else(|| result.note.clone()).unwrap_or_else(|| "nothing found".to_owned());
    let more = result.findings.len().saturating_sub(1);
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    Some(Check {
        patch: result.on.patch,
        context: format!("vmptcp-{}", result.on.check),
        state,
        description: short(&said, &more),
    })
}

fn of_tests(summary: &Summary) -> Check {
    let state = match summary.verdict {
        Verdict::Passed => "success",
        _ if summary.tests.iter().any(Test::failed) => "fail",
        Verdict::CouldNotRun | Verdict::Interrupted | Verdict::Unfinished => "warning",
        _ => "fail",
    };
    let failed: Vec<String> = summary.tests.iter().filter(|test| test.failed()).map(Test::label).collect();
    let which = if failed.is_empty() { String::new() } else { format!(": {}", failed.join(", ")) };
    let said = format!("{}{which}", text::verdict(summary, false));
    Check { patch: None, context: "vmptcp-tests".to_owned(), state, description: short(&said, "") }
}

/// A text on one line, cut where it is too long, and what follows it in any case.
fn short(said: &str, more: &str) -> String {
    let said = clean(said);
    let room = LONGEST - more.len();
    if said.chars().count() <= room {
        return said + more;
    }
    said.chars().take(room - 1).collect::<String>() + "…" + more
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::findings::tests::validated;
    use crate::results::tests::eventful_run;

    #[test]
    fn what_was_done_is_a_check_on_its_patch_or_on_the_series() {
        let lines: Vec<String> = checks(&validated())
            .iter()
            .map(|check| {
                let on = check.patch.map_or("series".to_owned(), |number| number.to_string());
                format!("{on} {} {}: {}", check.context, check.state, check.description)
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        1 vmptcp-apply success: nothing found
        2 vmptcp-apply success: nothing found
        1 vmptcp-sparse warning: a long word
        2 vmptcp-sparse fail: net/mptcp/pm.c:12: context imbalance in 'f'  [i386-ipv6-mptcp]
        series vmptcp-cover success: nothing found
        ");
    }

    #[test]
    fn a_run_of_tests_is_one_check_that_names_what_failed() {
        let [check] = &checks(&Summary::of(&eventful_run()))[..] else { panic!("one check") };
        assert_eq!((check.patch, check.state), (None, "fail"));
        assert!(check.description.contains("bad"), "{}", check.description);
    }

    #[test]
    fn a_long_description_is_cut_but_not_what_follows_it() {
        let text = short(&"ä".repeat(300), " (and 2 more)");
        assert_eq!(text.chars().count(), LONGEST);
        assert!(text.ends_with("ä… (and 2 more)"), "{text}");
    }
}
