//! The cover letter.

use crate::event::Finding;
use crate::series::judgement::Judgement;
use crate::series::model::{Origin, Series};

/// From so many patches on a series has a cover letter.
const MIN_PATCHES: usize = 3;

pub(super) fn check(series: &Series) -> Judgement {
    let count = series.patches.len();
    match &series.cover {
        None if count < MIN_PATCHES => Judgement::not_applicable("so few patches need no cover letter"),
        None if series.origin == Origin::Git => Judgement::skip(
            "commits have no cover letter unless b4 keeps one: give it the mails, or write one with b4 prep --edit-cover",
        ),
        None => Judgement::Done(vec![Finding::error(format!(
            "{count} patches without a cover letter: git format-patch --cover-letter"
        ))]),
        Some(cover) => {
            let mut found = Vec::new();
            let unwritten = ["*** SUBJECT HERE ***", "*** BLURB HERE ***", "EDITME"];
            if unwritten.iter().any(|mark| cover.subject.contains(mark) || cover.message.text.contains(mark))
            {
                found.push(Finding::error("the cover letter still has the text of its template"));
            } else if cover.message.text.is_empty() {
                found.push(Finding::error("the cover letter is empty"));
            }
            Judgement::Done(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Status;
    use crate::series::message::Message;
    use crate::series::model::Cover;
    use crate::series::model::tests::{patch, series};

    #[test]
    fn three_patches_need_a_written_one() {
        let mut all = series(vec![patch("a", "", ""), patch("b", "", "")]);
        all.origin = Origin::Mail;
        assert_eq!(check(&all).status(), Status::NotApplicable);
        all.patches.push(patch("c", "", ""));
        assert_eq!(check(&all).status(), Status::Fail);
        let cover = |text: &str| Some(Cover { subject: "x".to_owned(), message: Message::parse(text) });
        all.cover = cover("Why.");
        assert_eq!(check(&all).status(), Status::Pass);
        for text in ["", "*** BLURB HERE ***", "EDITME: describe"] {
            all.cover = cover(text);
            assert_eq!(check(&all).status(), Status::Fail, "{text}");
        }
    }
}
