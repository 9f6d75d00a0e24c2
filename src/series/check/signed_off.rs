//! The author's `Signed-off-by:`: `Documentation/process/submitting-patches.rst`, developer's certificate of origin.

use crate::event::Finding;
use crate::series::judgement::Judgement;
use crate::series::message::Person;
use crate::series::model::{Patch, Series};

pub(super) fn check(_: &Series, patch: &Patch) -> Judgement {
    let signed: Vec<Person> =
        patch.message.values("Signed-off-by").iter().filter_map(|text| Person::parse(text)).collect();
    if signed.iter().any(|person| person.is(&patch.author)) {
        return Judgement::pass();
    }
    let author = format!("{} <{}>", patch.author.name, patch.author.email);
    let text = if signed.is_empty() {
        format!("no Signed-off-by: add one with git commit --amend -s (author: {author})")
    } else if signed.iter().any(|person| person.email.eq_ignore_ascii_case(&patch.author.email)) {
        format!("the Signed-off-by spells the author's name in another way: the author is {author}")
    } else {
        format!("its author, {author}, did not sign it off")
    };
    Judgement::Done(vec![Finding::error(text)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::model::tests::{patch, series};

    fn said(message: &str) -> String {
        let one = patch("mptcp: x", message, "");
        match check(&series(vec![]), &one) {
            Judgement::Done(found) => found.into_iter().map(|found| found.text).collect(),
            Judgement::NotApplicable(why) | Judgement::Skipped(why) => why,
        }
    }

    #[test]
    fn the_author_has_to_sign() {
        assert_eq!(said("x\n\nSigned-off-by: A <A@example.org>"), "");
        assert!(said("x").contains("git commit --amend -s"));
        assert!(said("Signed-off-by: B <a@example.org>").contains("another way"));
        assert!(said("Signed-off-by: B <b@example.org>").contains("did not sign"));
    }
}
