//! From the second version on the series says what changed, where it does not become history: in the cover letter, or
//! below the line of dashes.

use crate::event::Finding;
use crate::series::judgement::Judgement;
use crate::series::model::{Origin, Series};

pub(super) fn check(series: &Series) -> Judgement {
    let version = series.prefix.as_ref().map_or(1, |prefix| prefix.version);
    if version < 2 {
        return Judgement::not_applicable("the first version");
    }
    let mut found = Vec::new();
    let cover = series.cover.iter().flat_map(|cover| [&cover.message.text, &cover.message.notes]);
    let notes = series.patches.iter().map(|patch| &patch.message.notes);
    let texts: Vec<&String> = cover.chain(notes).filter(|text| !text.is_empty()).collect();
    let written_later = series.origin == Origin::Git && texts.is_empty();
    if !written_later && !texts.iter().any(|text| mentions(text, version)) {
        let place = if series.cover.is_some() { "the cover letter" } else { "the text below ---" };
        found.push(Finding::error(format!("v{version} does not say what changed: add it to {place}")));
    }
    for patch in &series.patches {
        let log = |line: &str| is_heading(line, version);
        if let Some(line) = patch.message.text.lines().find(|line| log(line)) {
            found.push(Finding::warning(format!(
                "patch {}: its changelog (\"{}\") is above ---, and would become history: move it below",
                patch.number,
                line.trim()
            )));
        }
    }
    if written_later && found.is_empty() {
        return Judgement::skip("commits have no text below ---, nor a cover letter: give it the mails");
    }
    Judgement::Done(found)
}

/// `v2:`, `Changes in v2`, `v1 -> v2`, `Changes since v1`.
fn mentions(text: &str, version: u32) -> bool {
    let (now, before) = (format!("v{version}"), format!("v{}", version - 1));
    text.lines().any(|line| {
        let lower = line.to_lowercase();
        let words: Vec<&str> = lower.split(|char: char| !char.is_ascii_alphanumeric()).collect();
        words.contains(&now.as_str())
            || (words.contains(&before.as_str()) && (lower.contains("since") || lower.contains("from")))
    })
}

/// A line that begins a changelog.
fn is_heading(line: &str, version: u32) -> bool {
    let line = line.trim().to_lowercase();
    (1..=version).any(|version| {
        let now = format!("v{version}");
        line == format!("{now}:")
            || line.starts_with(&format!("changes in {now}"))
            || line.starts_with(&format!("changes since {now}"))
            || line.starts_with(&format!("{now} -> v"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Status;
    use crate::series::model::tests::{patch, series};
    use crate::series::subject::Prefix;

    #[test]
    fn later_versions_tell_what_changed_below_the_dashes() {
        let judged = |origin: Origin, prefix: &str, message: &str| {
            let mut all = series(vec![patch("a", message, "")]);
            all.origin = origin;
            all.prefix = Some(Prefix::parse(prefix));
            check(&all).status()
        };
        let status = |prefix: &str, message: &str| judged(Origin::Mail, prefix, message);
        assert_eq!(status("PATCH net", "Why."), Status::NotApplicable);
        assert_eq!(status("PATCH net v2", "Why."), Status::Fail);
        for notes in ["v2: new", "Changes in v2:\n- x", "v1 -> v2:", "Changes since v1: x"] {
            assert_eq!(status("PATCH net v2", &format!("Why.\n---\n{notes}")), Status::Pass, "{notes}");
        }
        assert_eq!(status("PATCH net v3", "Why.\n---\nv2: new"), Status::Fail);
        assert_eq!(status("PATCH net v2", "Why.\nv2:\n - x\n---\nv2: x"), Status::Warn);
        let commit = |message: &str| judged(Origin::Git, "PATCH net v2", message);
        assert_eq!(commit("Why."), Status::Skip, "it is written into the mail");
        assert_eq!(commit("Why.\n---\nBased on x"), Status::Fail);
        assert_eq!(commit("Why.\nv2:\n - x"), Status::Warn);
    }
}
