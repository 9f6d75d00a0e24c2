//! What a tool says of a file before a change and after it: only what is new counts. Pure.

use crate::event::{Finding, Severity};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Something that a tool says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Remark {
    /// The file, relative to the tree.
    pub file: String,
    /// The line.
    pub line: u32,
    /// What it says.
    pub text: String,
    /// The tool calls it an error.
    pub error: bool,
}

impl Remark {
    /// As a finding of this weight; an error of the tool's is one of ours.
    pub fn finding(&self, severity: Severity) -> Finding {
        let severity = if self.error { Severity::Error } else { severity };
        Finding { severity, ..Finding::error(&self.text) }.at(&self.file, self.line)
    }
}

/// The remarks that are there after a change and were not before. Lines move, so that a remark is known by its file and its
/// text; where the same text comes more often than before, those on lines of the change are the new ones.
pub fn new_ones(before: &[Remark], after: &[Remark], is_changed: impl Fn(&str, u32) -> bool) -> Vec<Remark> {
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    for remark in before {
        *known.entry((&remark.file, &remark.text)).or_default() += 1;
    }
    // What stands on unchanged lines takes the known ones first.
    let mut order: Vec<&Remark> = after.iter().collect();
    order.sort_by_key(|remark| is_changed(&remark.file, remark.line));
    let mut new: Vec<Remark> = Vec::new();
    for remark in order {
        match known.get_mut(&(remark.file.as_str(), remark.text.as_str())) {
            Some(left) if *left > 0 => *left -= 1,
            _ => new.push(remark.clone()),
        }
    }
    new.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    new.dedup();
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remark(line: u32, text: &str) -> Remark {
        Remark { file: "x.c".to_owned(), line, text: text.to_owned(), error: false }
    }

    #[test]
    fn what_only_moved_is_not_new() {
        let before = [remark(10, "unused"), remark(20, "shadow")];
        let after = [remark(12, "unused"), remark(15, "unused"), remark(22, "shadow")];
        let new = new_ones(&before, &after, |_, line| line == 15);
        assert_eq!(new, [remark(15, "unused")]);
        assert_eq!(new_ones(&before, &before, |_, _| true), []);
        assert_eq!(new_ones(&[], &before, |_, _| false).len(), 2);
    }
}
