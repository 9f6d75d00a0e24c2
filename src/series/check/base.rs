//! What the series is built on.

use crate::event::Finding;
use crate::series::judgement::Judgement;
use crate::series::message::Message;
use crate::series::model::Series;

pub(super) fn known(series: &Series) -> Judgement {
    if series.base_known.is_some() {
        return Judgement::pass();
    }
    if let Some(named) = &series.base_missing {
        return Judgement::Done(vec![Finding::warning(format!(
            "the base-commit of the mails is not in this repository: {named} (taken: {:.12}): git fetch REMOTE {named}, \
             then the same command again, or --onto COMMIT",
            series.base
        ))]);
    }
    Judgement::Done(vec![Finding::warning(format!(
        "no mail names the commit that the series is built on (taken: {:.12}): git format-patch --base=auto, or --onto COMMIT here",
        series.base
    ))])
}

pub(super) fn based_on(series: &Series) -> Judgement {
    let covers = series.cover.iter().map(|cover| &cover.message);
    let messages = covers.chain(series.patches.iter().map(|patch| &patch.message));
    let values: Vec<String> = messages.flat_map(values).collect();
    if values.is_empty() {
        return Judgement::not_applicable("no Based-on");
    }
    let wrong = values.iter().filter(|value| !names_a_message(value));
    Judgement::Done(
        wrong
            .map(|value| {
                Finding::error(format!(
                    "Based-on: {value} names no message: give its Message-ID, as in Based-on: <id@host> (\"title\")"
                ))
            })
            .collect(),
    )
}

/// `Based-on` stands in the text, or below the line of dashes.
fn values(message: &Message) -> Vec<String> {
    let lines = message.text.lines().chain(message.notes.lines());
    let value = |line: &str| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case("Based-on").then(|| value.trim().to_owned())
    };
    lines.filter_map(value).collect()
}

/// A Message-ID, or a link to one in an archive.
fn names_a_message(value: &str) -> bool {
    let word = value.split_whitespace().next().unwrap_or_default();
    let inner = word.strip_prefix('<').and_then(|word| word.strip_suffix('>'));
    let id = inner.or_else(|| word.strip_prefix("https://")?.trim_end_matches('/').rsplit('/').next());
    id.is_some_and(|id| id.split_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Status;
    use crate::series::model::tests::{patch, series};

    #[test]
    fn a_base_is_known_or_asked_for() {
        let mut all = series(vec![]);
        assert_eq!(known(&all).status(), Status::Pass);
        all.base_known = None;
        assert_eq!(known(&all).status(), Status::Warn);
        all.base_missing = Some("a".repeat(40));
        let Judgement::Done(found) = known(&all) else { panic!("it was done") };
        assert!(found[0].text.starts_with("the base-commit of the mails is not in this repository: aaaa"));
    }

    #[test]
    fn based_on_names_a_message() {
        let status = |text: &str| based_on(&series(vec![patch("a", text, "")])).status();
        assert_eq!(status("Why."), Status::NotApplicable);
        assert_eq!(status("Based-on: <a.b@c.org> (\"x\")"), Status::Pass);
        assert_eq!(status("Based-on: https://lore.kernel.org/mptcp/a.b@c.org/"), Status::Pass);
        for wrong in ["Based-on: the other series", "Based-on: <x>", "Why.\n---\nBased-on: 1234"] {
            assert_eq!(status(wrong), Status::Fail, "{wrong}");
        }
    }
}
