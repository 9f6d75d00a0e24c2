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

use super::model::{Patch, Series};
use super::verdict::Judgement;

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
    /// Its name, for `--check` and every report.
    pub name: &'static str,
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

const fn check(name: &'static str, needs: Needs, about: &'static str) -> Check {
    Check { name, needs, about }
}

/// The checks' names that others must know.
pub mod names {
    /// Does the patch apply?
    pub const APPLY: &str = "apply";
    /// May its files be written?
    pub const SAFETY: &str = "safety";
    /// The tree's own checkpatch.
    pub const CHECKPATCH: &str = "checkpatch";
    /// Those whom `get_maintainer` names.
    pub const MAINTAINERS: &str = "maintainers";
    /// shellcheck on scripts.
    pub const SHELLCHECK: &str = "shellcheck";
    /// Comments that become documentation.
    pub const KERNEL_DOC: &str = "kernel-doc";
    /// A linter for Python.
    pub const PYTHON: &str = "python";
    /// A linter for YAML.
    pub const YAML: &str = "yaml";
    /// Compiles, without any warning.
    pub const BUILD: &str = "build";
    /// New warnings with W=1.
    pub const WARNINGS: &str = "warnings";
    /// New warnings of sparse.
    pub const SPARSE: &str = "sparse";
    /// The selftests build.
    pub const SELFTESTS: &str = "selftests";
    /// Everything builds at the end.
    pub const BUILD_ALL: &str = "build-all";
    /// The selftests run in a guest.
    pub const TESTS: &str = "tests";
}

/// All checks, in the order in which they are done and shown.
pub const CHECKS: &[Check] = &[
    check(names::APPLY, Needs::Tool, "the patch applies to what is before it"),
    check(
        names::SAFETY,
        Needs::Tool,
        "its files can be written without danger: no path out of the tree, no links, submodules, binaries",
    ),
    check("signed-off-by", Needs::Patch(signed_off::check), "its author signed it off"),
    check(
        "subject",
        Needs::Patch(subject::check),
        "the subject has an area that fits its files, and is short",
    ),
    check(
        "message",
        Needs::Patch(message::check),
        "the message has a body of lines of 75 columns, and no Change-Id",
    ),
    check(
        "fixes",
        Needs::Patch(fixes::check),
        "Fixes: names a commit of the tree with 12 digits and its subject; a fix has one",
    ),
    check(
        "cc-stable",
        Needs::Patch(cc_stable::check),
        "Cc: stable has the form that the stable team asks for",
    ),
    check("recipients", Needs::Patch(recipients::check), "the mail goes where its prefix says"),
    check("inline", Needs::Patch(inline::check), "no inline in source files; static inline in headers"),
    check("kconfig", Needs::Series(kconfig::check), "a new option is in the selftests' config, or explained"),
    check("prefix", Needs::Series(prefix::check), "the subjects name the tree that the series is for"),
    check("cover", Needs::Series(cover::check), "three patches or more have a cover letter"),
    check("count", Needs::Series(count::check), "at most 15 patches, numbered without a gap"),
    check("fixup", Needs::Series(fixup::check), "no fixup!, squash! or amend! is left"),
    check("base", Needs::Series(base::known), "the commit that the series is built on is known"),
    check("based-on", Needs::Series(base::based_on), "Based-on names a message"),
    check("changelog", Needs::Series(changelog::check), "version 2 and later say what changed"),
    check(names::CHECKPATCH, Needs::Tool, "checkpatch --strict --max-line-length=80 --codespell"),
    check(
        names::MAINTAINERS,
        Needs::Tool,
        "for net and net-next: those whom get_maintainer names are among the recipients",
    ),
    check(names::SHELLCHECK, Needs::Tool, "no new finding of shellcheck in scripts of the selftests"),
    check(names::KERNEL_DOC, Needs::Tool, "no new warning of kernel-doc"),
    check(names::PYTHON, Needs::Tool, "no new finding of a linter in Python files"),
    check(names::YAML, Needs::Tool, "no new finding of yamllint in YAML files"),
    check(names::BUILD, Needs::Build, "compiles with -Werror in every configuration that its files need"),
    check(names::WARNINGS, Needs::Build, "no new warning with W=1"),
    check(names::SPARSE, Needs::Build, "no new warning of sparse"),
    check(names::SELFTESTS, Needs::Build, "the MPTCP selftests build"),
    check(names::BUILD_ALL, Needs::Tip, "the whole kernel builds in every configuration"),
    check(names::TESTS, Needs::Guest, "boots, and passes the selftests that pass without it"),
];

/// The check of this name.
pub fn find(name: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_words() {
        let mut names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
        let word = |name: &&str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(names.iter().all(word));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHECKS.len());
        assert!(find(names::SPARSE).unwrap().is_per_patch());
        assert!(!find("cover").unwrap().is_per_patch());
    }
}
