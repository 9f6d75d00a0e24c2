//! The checks there are: one file each, one item of [`CHECKS`] each.

mod base;
mod cc_stable;
mod changelog;
mod count;
mod cover;
mod fixes;
mod fixup;
mod inline;
mod kconfig;
mod message;
mod prefix;
mod recipients;
mod signed_off;
mod subject;

use super::judgement::Judgement;
use super::model::{Patch, Series};
use crate::error::{Error, Result};
use crate::event::CheckId;

/// What a check needs, and how it is done.
#[derive(Debug, Clone, Copy)]
pub enum Needs {
    /// The text of one patch.
    Patch(fn(&Series, &Patch) -> Judgement),
    /// The texts of all patches.
    Series(fn(&Series) -> Judgement),
    /// One patch, the files before and after it, and an external tool.
    Tool,
    /// One patch, and compilers.
    Build,
    /// The whole series, and compilers.
    Tip,
    /// The whole series, and a guest.
    Guest,
}

/// A check.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Which it is.
    pub id: CheckId,
    /// What it needs.
    pub needs: Needs,
    /// What it is about, for a person.
    pub about: &'static str,
}

impl Check {
    /// True if it looks at each patch for itself.
    pub fn is_per_patch(&self) -> bool {
        matches!(self.needs, Needs::Patch(_) | Needs::Tool | Needs::Build)
    }

    /// True if it takes no more than moments.
    pub fn is_quick(&self) -> bool {
        matches!(self.needs, Needs::Patch(_) | Needs::Series(_) | Needs::Tool)
    }
}

const fn check(id: CheckId, needs: Needs, about: &'static str) -> Check {
    Check { id, needs, about }
}

/// All checks, in the order in which they are done and shown.
pub const CHECKS: &[Check] = &[
    check(CheckId::Apply, Needs::Tool, "the patch applies to what is before it"),
    check(
        CheckId::Safety,
        Needs::Tool,
        "its files can be written without danger: no path out of the tree, no links, submodules, binaries",
    ),
    check(CheckId::SignedOffBy, Needs::Patch(signed_off::check), "its author signed it off"),
    check(
        CheckId::Subject,
        Needs::Patch(subject::check),
        "the subject has an area that fits its files, and is short",
    ),
    check(
        CheckId::Message,
        Needs::Patch(message::check),
        "the message has a body of lines of 75 columns, and no Change-Id",
    ),
    check(
        CheckId::Fixes,
        Needs::Patch(fixes::check),
        "Fixes: names a commit of the tree with 12 digits and its subject; a fix has one",
    ),
    check(
        CheckId::CcStable,
        Needs::Patch(cc_stable::check),
        "Cc: stable has the form that the stable team asks for",
    ),
    check(CheckId::Recipients, Needs::Patch(recipients::check), "the mail goes where its prefix says"),
    check(
        CheckId::Inline,
        Needs::Patch(inline::check),
        "no inline in source files; static inline in headers",
    ),
    check(
        CheckId::Kconfig,
        Needs::Series(kconfig::check),
        "a new option is in the selftests' config, or explained",
    ),
    check(CheckId::Prefix, Needs::Series(prefix::check), "the subjects name the tree that the series is for"),
    check(CheckId::Cover, Needs::Series(cover::check), "three patches or more have a cover letter"),
    check(CheckId::Count, Needs::Series(count::check), "at most 15 patches, numbered without a gap"),
    check(CheckId::Fixup, Needs::Series(fixup::check), "no fixup!, squash! or amend! is left"),
    check(CheckId::Base, Needs::Series(base::known), "the commit that the series is built on is known"),
    check(CheckId::BasedOn, Needs::Series(base::based_on), "Based-on names a message"),
    check(CheckId::Changelog, Needs::Series(changelog::check), "version 2 and later say what changed"),
    check(CheckId::Checkpatch, Needs::Tool, "checkpatch --strict --max-line-length=80 --codespell"),
    check(
        CheckId::Maintainers,
        Needs::Tool,
        "for net and net-next: those whom get_maintainer names are among the recipients",
    ),
    check(CheckId::Shellcheck, Needs::Tool, "no new finding of shellcheck in scripts of the selftests"),
    check(CheckId::KernelDoc, Needs::Tool, "no new warning of kernel-doc"),
    check(CheckId::Python, Needs::Tool, "no new finding of a linter in Python files"),
    check(CheckId::Yaml, Needs::Tool, "no new finding of yamllint in YAML files"),
    check(CheckId::Build, Needs::Build, "compiles with -Werror in every configuration that its files need"),
    check(CheckId::Warnings, Needs::Build, "no new warning with W=1"),
    check(CheckId::Sparse, Needs::Build, "no new warning of sparse"),
    check(CheckId::Selftests, Needs::Build, "the MPTCP selftests build"),
    check(CheckId::BuildAll, Needs::Tip, "the whole kernel builds in every configuration"),
    check(CheckId::Tests, Needs::Guest, "boots, and passes the selftests that pass without it"),
];

/// The check of this name; an error with all names if there is none.
pub fn named(name: &str) -> Result<CheckId> {
    let known = CHECKS.iter().map(|check| check.id).find(|check| check.as_str() == name);
    known.ok_or_else(|| {
        let names: Vec<&str> = CHECKS.iter().map(|check| check.id.as_str()).collect();
        Error::usage(format!("there is no check {name:?}; there are: {}", names.join(", ")))
            .hint("see what each is about: vmptcp validate --list")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_words() {
        let mut names: Vec<&str> = CHECKS.iter().map(|check| check.id.as_str()).collect();
        let word = |name: &&str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(names.iter().all(word));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHECKS.len());
        assert_eq!(named("signed-off-by").unwrap(), CheckId::SignedOffBy);
        assert!(named("spars").unwrap_err().to_string().contains("there is no check \"spars\""));
    }
}
