//! One level of nesting: what was promised, what came, and what does not fit together.

use super::syntax::Number;
use super::{Event, GroupId, Problem};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many names of one group are remembered, as hashes, to find duplicates.
const MAX_NAMES: usize = 1 << 16;

/// How much of a name from outside is remembered or repeated in a problem, in bytes.
const MAX_NAME: usize = 1024;

/// A group that is open.
#[derive(Debug)]
pub(super) struct Level {
    pub group: GroupId,
    /// What its lines begin with.
    pub prefix: String,
    /// True once a version line, a plan or a result says that this is TAP and not just text.
    pub announced: bool,
    /// True if the last thing it said is its version, so that a header is its own.
    pub fresh: bool,
    /// True once its name was given.
    pub named: bool,
    /// The header that names the next group inside.
    pub pending: Option<Header>,
    plan: Option<Plan>,
    results: u64,
    expected: u64,
    names: HashSet<u64>,
}

/// A name given ahead.
#[derive(Debug)]
pub(super) struct Header {
    pub name: String,
    /// True for `# Subtest:`, which promises results; the runner's header promises some output only.
    pub subtest: bool,
}

#[derive(Debug)]
struct Plan {
    count: u64,
    /// How many results came before it.
    after: u64,
    /// True once it was said that it stands in the wrong place.
    misplaced: bool,
}

impl Level {
    pub fn new(group: GroupId, prefix: &str) -> Self {
        Self {
            group,
            prefix: prefix.to_owned(),
            announced: false,
            fresh: false,
            named: false,
            pending: None,
            plan: None,
            results: 0,
            expected: 1,
            names: HashSet::new(),
        }
    }

    /// The group that contains everything. It has no name, and no header gives it one.
    pub fn outermost(group: GroupId) -> Self {
        Self { named: true, ..Self::new(group, "") }
    }

    /// True if a version line here can only begin another group.
    pub fn has_content(&self) -> bool {
        self.results > 0 || self.plan.is_some()
    }

    /// Takes in a plan. Returns what is wrong with it.
    pub fn plan(&mut self, count: u64) -> Option<Problem> {
        self.announced = true;
        if let Some(first) = &self.plan {
            return Some(Problem::SecondPlan { first: first.count, second: count });
        }
        self.plan = Some(Plan { count, after: self.results, misplaced: false });
        None
    }

    /// Takes in a result. Returns what is wrong with it.
    pub fn result(&mut self, number: Number<'_>, name: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        match number {
            Number::Is(found) => {
                if found != self.expected {
                    problems.push(Problem::OutOfOrder { expected: self.expected, found });
                }
                self.expected = found.saturating_add(1);
            }
            Number::Absent => self.expected = self.expected.saturating_add(1),
            Number::Bad(text) => {
                problems.push(Problem::BadNumber { text: clip(text).to_owned() });
                self.expected = self.expected.saturating_add(1);
            }
        }
        if let Some(plan) = self.plan.as_mut().filter(|plan| plan.after > 0 && !plan.misplaced) {
            plan.misplaced = true;
            problems.push(Problem::MisplacedPlan);
        }
        if self.is_duplicate(name) {
            problems.push(Problem::DuplicateName { name: clip(name).to_owned() });
        }
        self.announced = true;
        self.pending = None;
        self.results += 1;
        problems
    }

    /// The events of its end.
    pub fn close(self, out: &mut Vec<Event>) {
        let Self { group, results: seen, .. } = self;
        let planned = self.plan.map(|plan| plan.count);
        let problem = match planned {
            None if seen > 0 => Some(Problem::MissingPlan),
            Some(planned) if seen < planned => Some(Problem::Truncated { planned, seen }),
            Some(planned) if seen > planned => Some(Problem::Exceeded { planned, seen }),
            _ => None,
        };
        out.extend(problem.map(|problem| Event::Problem { group, problem }));
        out.push(Event::Closed { group, results: seen, planned });
    }

    fn is_duplicate(&mut self, name: &str) -> bool {
        if name.is_empty() {
            return false;
        }
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let hash = hasher.finish();
        if self.names.len() < MAX_NAMES { !self.names.insert(hash) } else { self.names.contains(&hash) }
    }
}

/// The beginning of a text, as much of it as is worth keeping.
pub(super) fn clip(text: &str) -> &str {
    let mut end = text.len().min(MAX_NAME);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_followed_without_overflow() {
        let mut level = Level::new(GroupId(0), "");
        assert_eq!(level.result(Number::Is(1), "a"), []);
        assert_eq!(level.result(Number::Absent, "b"), []);
        assert_eq!(level.result(Number::Is(3), "c"), []);
        let jump = Problem::OutOfOrder { expected: 4, found: u64::MAX };
        assert_eq!(level.result(Number::Is(u64::MAX), "d"), [jump]);
        assert_eq!(level.result(Number::Absent, "e"), []);
    }

    #[test]
    fn remembered_names_are_bounded() {
        let mut level = Level::new(GroupId(0), "");
        for name in 0..=MAX_NAMES {
            assert!(!level.is_duplicate(&format!("test {name}")));
        }
        assert_eq!(level.names.len(), MAX_NAMES);
        assert!(level.is_duplicate("test 0"));
        assert!(!level.is_duplicate("") && !level.is_duplicate(""));
    }

    #[test]
    fn clipped_text_ends_at_a_character() {
        let text = format!("x{}", "é".repeat(MAX_NAME));
        assert_eq!(clip(&text).len(), MAX_NAME - 1);
        assert_eq!(clip("short"), "short");
    }
}
