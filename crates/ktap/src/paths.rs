//! The names of groups, put together from the events of a stream.

use super::{Event, GroupId, TestResult};
use std::collections::BTreeMap;

/// Knows the names of all groups of a stream, as far as they are known yet. It grows with the groups, not the results.
#[derive(Debug, Default)]
pub struct Paths {
    groups: BTreeMap<GroupId, Node>,
}

#[derive(Debug)]
struct Node {
    parent: Option<GroupId>,
    name: Option<String>,
    open: bool,
}

impl Paths {
    /// Takes note of an event.
    pub fn see(&mut self, event: &Event) {
        match event {
            Event::Opened { group, parent } => {
                self.groups.insert(*group, Node { parent: *parent, name: None, open: true });
            }
            Event::Named { group, name } => {
                if let Some(node) = self.groups.get_mut(group) {
                    node.name = Some(name.clone());
                }
            }
            Event::Closed { group, .. } => {
                if let Some(node) = self.groups.get_mut(group) {
                    node.open = false;
                }
            }
            _ => {}
        }
    }

    /// The names from the outermost group to `group`; `None` where one is not known, or not yet. The groups that contain
    /// everything have no name and are left out.
    pub fn of(&self, group: GroupId) -> Vec<Option<&str>> {
        let mut names = Vec::new();
        let mut at = self.groups.get(&group);
        while let Some(Node { parent: Some(parent), name, .. }) = at {
            names.push(name.as_deref());
            at = self.groups.get(parent);
        }
        names.reverse();
        names
    }

    /// True if no name on the way to `group` can still become known.
    pub fn is_final(&self, group: GroupId) -> bool {
        let mut at = self.groups.get(&group);
        while let Some(Node { parent: Some(parent), name, open }) = at {
            if name.is_none() && *open {
                return false;
            }
            at = self.groups.get(parent);
        }
        true
    }

    /// The full name of a result as far as it is known: `parent/child`. A group without a name is `?`.
    pub fn label(&self, result: &TestResult) -> String {
        let mut label = String::new();
        for name in self.of(result.group) {
            label.push_str(name.unwrap_or("?"));
            label.push('/');
        }
        label + &result.label()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Parser;
    use super::*;

    #[test]
    fn children_are_shown_at_once_and_named_in_the_end() {
        let (mut parser, mut paths) = (Parser::new(), Paths::default());
        let (mut live, mut results) = (Vec::new(), Vec::new());
        for line in
            ["KTAP version 1", "1..1", "  KTAP version 1", "  1..1", "    ok 1 a", "  ok 1 b", "ok 1 c"]
        {
            for event in parser.line(line.as_bytes()) {
                paths.see(&event);
                if let Event::Result(result) = event {
                    live.push((paths.label(&result), paths.is_final(result.group)));
                    results.push(result);
                }
            }
        }
        let end: Vec<_> = results.iter().map(|result| paths.label(result)).collect();
        assert_eq!(live, [("?/?/a".into(), false), ("?/b".into(), false), ("c".into(), true)]);
        assert_eq!(end, ["c/b/a", "c/b", "c"]);
        assert!(paths.is_final(results[0].group));
    }

    #[test]
    fn an_unknown_group_is_outermost() {
        assert!(Paths::default().of(GroupId(7)).is_empty());
        assert!(Paths::default().is_final(GroupId(7)));
    }
}
