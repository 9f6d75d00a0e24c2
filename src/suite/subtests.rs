//! Which subtests of a test count.

use super::Pattern;

/// The subtests that were asked for.
#[derive(Debug, Clone)]
pub struct Subtests {
    patterns: Vec<Wanted>,
}

/// One pattern of subtests.
#[derive(Debug, Clone)]
struct Wanted {
    pattern: Pattern,
    /// It was given for one test only: that must have such a subtest. Of several tests some may have none.
    alone: bool,
}

impl Subtests {
    /// Those that a pattern matches. `alone` says that it was given for one test only.
    pub(super) fn of(pattern: Pattern, alone: bool) -> Self {
        Self { patterns: vec![Wanted { pattern, alone }] }
    }

    /// Adds others.
    pub(super) fn extend(&mut self, others: Self) {
        self.patterns.extend(others.patterns);
    }

    /// The patterns, as they were given.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(|wanted| wanted.pattern.as_str())
    }

    /// Whether any of the patterns matches.
    pub fn matches(&self, subtest: &str) -> bool {
        self.patterns.iter().any(|wanted| wanted.pattern.matches(subtest))
    }

    /// The patterns that match none of these names.
    pub fn unmatched(&self, subtests: &[impl AsRef<str>]) -> Vec<&str> {
        self.in_vain(subtests).map(|wanted| wanted.pattern.as_str()).collect()
    }

    /// The patterns that match none of these names although they were given for this test alone: after the run, what the
    /// user asked for and no subtest has.
    pub fn missing(&self, subtests: &[impl AsRef<str>]) -> Vec<&str> {
        let wanted = self.in_vain(subtests).filter(|wanted| wanted.alone);
        wanted.map(|wanted| wanted.pattern.as_str()).collect()
    }

    /// Whether this pattern is one of them.
    pub fn asks_for(&self, pattern: &str) -> bool {
        self.patterns.iter().any(|wanted| wanted.pattern.as_str() == pattern)
    }

    /// Whether this one of the patterns matches any of these names.
    pub fn one_of(&self, pattern: &str, subtests: &[impl AsRef<str>]) -> bool {
        self.asks_for(pattern) && !self.unmatched(subtests).contains(&pattern)
    }

    fn in_vain(&self, subtests: &[impl AsRef<str>]) -> impl Iterator<Item = &Wanted> {
        let in_vain = |wanted: &&Wanted| !subtests.iter().any(|name| wanted.pattern.matches(name.as_ref()));
        self.patterns.iter().filter(in_vain)
    }
}
