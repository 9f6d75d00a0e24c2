//! What somebody probably meant who mistyped a name.

/// The candidate that is most like `word`; none if there are no candidates. Of the measures this one accepts a word that is
/// cut short.
pub fn most_like<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates.into_iter().max_by(|a, b| likeness(word, a).total_cmp(&likeness(word, b)))
}

/// The same, if it is like it at all.
pub fn meant<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    most_like(word, candidates).filter(|best| likeness(word, best) > 0.7)
}

/// How like one word is to another: from 0 to 1.
pub fn likeness(one: &str, other: &str) -> f64 {
    strsim::jaro_winkler(one, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let names = ["pair", "lan", "slow-and-fast"];
        assert_eq!(meant("piar", names), Some("pair"));
        assert_eq!(meant("slow", names), Some("slow-and-fast"));
        assert_eq!(meant("xyz", names), None);
        assert_eq!(most_like("xyz", [""; 0]), None);
    }
}
