//! What of a build that failed, or complained, is the doing of a patch. Pure.

use crate::event::{Finding, Severity};
use crate::series::Patch;
use crate::series::make::builder::Built;
use crate::series::news::new_ones;

/// What is wrong with `built` that was not wrong with `known`.
pub(super) fn blame(known: &Built, built: &Built, is_changed: impl Fn(&str, u32) -> bool) -> Vec<Finding> {
    let new = new_ones(&known.remarks, &built.remarks, is_changed);
    let mut findings: Vec<Finding> = new.iter().map(|remark| remark.finding(Severity::Warning)).collect();
    let other = built.other.iter().filter(|line| !known.other.contains(line));
    findings.extend(other.map(|line| if built.ok { Finding::warning(line) } else { Finding::error(line) }));
    findings
}

/// True if a patch changes this line.
pub(super) fn is_changed(patch: &Patch, file: &str, line: u32) -> bool {
    let change = patch.changes.iter().find(|change| change.path == file);
    change.is_some_and(|change| change.added.iter().any(|added| added.number == line))
}
