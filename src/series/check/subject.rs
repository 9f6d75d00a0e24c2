//! The subject: an area that fits the files, a short summary.

use crate::event::Finding;
use crate::series::judgement::Judgement;
use crate::series::model::{Patch, Series};
use crate::series::subject::{area, is_mptcp};

/// A subject longer than this does not fit one line of `git log`: `submitting-patches.rst`, "70-75 characters".
const MAX_LENGTH: usize = 75;

pub(super) fn check(_: &Series, patch: &Patch) -> Judgement {
    let subject = &patch.subject;
    let mut found = Vec::new();
    if subject.is_empty() {
        return Judgement::Done(vec![Finding::error("it has no subject")]);
    }
    if is_fixup(subject) {
        return Judgement::not_applicable("a commit that is to be squashed: see fixup");
    }
    // What is reverted has its subject already.
    let subject = reverted(subject);
    let columns = subject.chars().count();
    if columns > MAX_LENGTH {
        found.push(Finding::warning(format!(
            "the subject has {columns} columns: at most {MAX_LENGTH} are usual"
        )));
    }
    if subject.ends_with('.') {
        found.push(Finding::warning("the subject ends with a full stop: leave it out"));
    }
    match area(subject) {
        None => found.push(Finding::error(format!(
            "the subject names no area: begin with \"{}: \"",
            expected(patch).unwrap_or("area")
        ))),
        Some(area) => {
            if let Some(expected) = expected(patch).filter(|expected| !fits(area, expected)) {
                found.push(Finding::error(format!(
                    "the subject's area is \"{area}\", but it touches files of \"{expected}\" only: begin with \"{expected}: \""
                )));
            }
        }
    }
    Judgement::Done(found)
}

/// What is within the quotation marks of `Revert "…"`, or the subject itself.
fn reverted(subject: &str) -> &str {
    let framed = subject.strip_prefix("Revert \"").or(subject.strip_prefix("Reapply \""));
    framed.and_then(|rest| rest.strip_suffix('"')).map_or(subject, reverted)
}

pub(super) fn is_fixup(subject: &str) -> bool {
    ["fixup! ", "squash! ", "amend! "].iter().any(|word| subject.starts_with(word))
}

/// The area that all files of the patch belong to, where that is plain.
fn expected(patch: &Patch) -> Option<&'static str> {
    let all = |test: fn(&str) -> bool| patch.files().next().is_some() && patch.files().all(test);
    if all(|file| file.starts_with("tools/testing/selftests/net/mptcp/")) {
        Some("selftests: mptcp")
    } else if all(is_mptcp) && !all(|file| file.starts_with("Documentation/")) {
        // A test that comes with its fix is the kernel's.
        Some("mptcp")
    } else {
        None
    }
}

/// True if the area has the words that are expected; `selftest/mptcp` is as good as `selftests: mptcp`.
fn fits(area: &str, expected: &str) -> bool {
    let area = area.to_lowercase();
    let words: Vec<&str> = area.split([':', '/']).map(str::trim).collect();
    expected.split(": ").all(|word| words.contains(&word) || words.contains(&word.trim_end_matches('s')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::model::tests::{patch, series};

    fn said(subject: &str, file: &str) -> String {
        let text = format!("diff --git a/{file} b/{file}\n--- a/{file}\n+++ b/{file}\n@@ -1 +1 @@\n-a\n+b\n");
        match check(&series(vec![]), &patch(subject, "", &text)) {
            Judgement::Done(found) => {
                found.into_iter().map(|found| found.text).collect::<Vec<_>>().join("\n")
            }
            Judgement::NotApplicable(why) | Judgement::Skipped(why) => why,
        }
    }

    #[test]
    fn the_area_has_to_fit_the_files() {
        assert_eq!(said("mptcp: pm: do this", "net/mptcp/pm.c"), "");
        assert_eq!(
            said("selftests: mptcp: join: do this", "tools/testing/selftests/net/mptcp/mptcp_join.sh"),
            ""
        );
        assert_eq!(said("tcp: do this", "net/ipv4/tcp.c"), "");
        assert!(said("do this", "net/mptcp/pm.c").contains("begin with \"mptcp: \""));
        assert!(
            said("mptcp: do this", "tools/testing/selftests/net/mptcp/diag.sh")
                .contains("\"selftests: mptcp\"")
        );
        assert!(said("mptcp: do this.", "net/mptcp/pm.c").contains("full stop"));
        assert!(said(&format!("mptcp: {}", "x".repeat(80)), "net/mptcp/pm.c").contains("87 columns"));
        for selftest in ["selftest: mptcp: x", "selftests/mptcp: x"] {
            assert_eq!(said(selftest, "tools/testing/selftests/net/mptcp/diag.sh"), "", "{selftest}");
        }
        let long = format!("Revert \"Reapply \"mptcp: {}\"\"", "x".repeat(60));
        assert_eq!(said(&long, "net/mptcp/pm.c"), "");
        assert!(said("Revert \"do this\"", "net/mptcp/pm.c").contains("begin with \"mptcp: \""));
        assert!(said("fixup! mptcp: x", "net/mptcp/pm.c").contains("squashed"));
    }
}
