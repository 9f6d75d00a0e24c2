//! The message: a body, lines of a width that `git log` can show, nothing of a code review system.

use crate::event::Finding;
use crate::series::judgement::Judgement;
use crate::series::message::trailer;
use crate::series::model::{Patch, Series};

/// The widest line: `submitting-patches.rst`.
const MAX_WIDTH: usize = 75;

pub(super) fn check(_: &Series, patch: &Patch) -> Judgement {
    let mut found = Vec::new();
    if patch.message.body().is_empty() {
        found.push(Finding::error("the message has no body: say why the change is needed"));
    }
    let mut wide = 0;
    for line in patch.message.text.lines() {
        if trailer(line).is_some_and(|trailer| trailer.key.eq_ignore_ascii_case("Change-Id")) {
            found.push(Finding::error("a Change-Id is left in the message: take it out"));
        }
        wide += usize::from(is_too_wide(line));
    }
    if wide > 0 {
        let lines = if wide == 1 { "a line" } else { "lines" };
        found.push(Finding::warning(format!(
            "the message has {lines} of more than {MAX_WIDTH} columns ({wide})"
        )));
    }
    Judgement::Done(found)
}

/// Quotations, logs, trailers and what has no blank to break at may be as wide as they are.
fn is_too_wide(line: &str) -> bool {
    let quoted = line.starts_with([' ', '\t', '>', '[', '#', '|']) || trailer(line).is_some();
    let breakable = line.trim().chars().take(MAX_WIDTH).any(|char| char == ' ');
    let link = line.contains("://");
    let commit = line.contains("commit ") && line.contains("(\"");
    line.chars().count() > MAX_WIDTH && !quoted && breakable && !link && !commit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::model::tests::{patch, series};

    fn said(message: &str) -> Vec<String> {
        match check(&series(vec![]), &patch("mptcp: x", message, "")) {
            Judgement::Done(found) => found.into_iter().map(|found| found.text).collect(),
            Judgement::NotApplicable(why) | Judgement::Skipped(why) => vec![why],
        }
    }

    #[test]
    fn a_message_has_a_body_that_can_be_read() {
        assert_eq!(said("Because.\n\nSigned-off-by: A <a@b.org>"), Vec::<String>::new());
        assert_eq!(said("Signed-off-by: A <a@b.org>").len(), 1);
        assert_eq!(said("Because.\n\nChange-Id: I123\nSigned-off-by: A <a@b.org>").len(), 1);
        let wide = "wide ".repeat(20);
        assert_eq!(said(&wide), ["the message has a line of more than 75 columns (1)"]);
        for right in [format!("  {wide}"), "x".repeat(200), format!("Link: {wide}"), format!("[ 1.2] {wide}")]
        {
            assert_eq!(said(&format!("Because.\n{right}")), Vec::<String>::new(), "{right}");
        }
    }
}
