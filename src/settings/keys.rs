//! The keys there are, and what a value of each must look like.

use super::model;
use super::shape::Shape::{self, Tests, Text};
use crate::text::nearest::most_like;
use std::sync::LazyLock;

/// What all variables that set a setting begin with.
pub(super) const PREFIX: &str = "VMPTCP_";

/// What begins like them and sets none: it tells a command in a guest where it may write, and an invocation in that guest
/// inherits it.
pub(super) const RUN_DIR: &str = "VMPTCP_RUN_DIR";

/// Every key, in the order of their declaration, but those of profiles.
pub(super) static KEYS: LazyLock<Vec<(String, Shape)>> =
    LazyLock::new(|| model::all().map(|setting| (setting.key(), setting.shape)).collect());

/// The names of the keys.
fn names() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|(key, _)| key.as_str())
}

/// The keys of each `[profile.NAME]`.
const PROFILE: &[(&str, Shape)] = &[("description", Text), ("tests", Tests)];

/// What a key, dotted, names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// A setting.
    Key(Shape),
    /// A section, or the part of its name before a dot.
    Section,
    /// Nothing.
    Unknown,
}

/// Looks a dotted key up. A profile may have any name of letters, digits, `-` and `_`.
pub(super) fn lookup(key: &str) -> Name {
    if let Some((_, shape)) = KEYS.iter().find(|(name, _)| *name == key) {
        return Name::Key(*shape);
    }
    let parts: Vec<&str> = key.split('.').collect();
    match parts[..] {
        ["profile" | "topology"] => Name::Section,
        ["profile", name] if is_word(name) => Name::Section,
        ["profile", name, field] if is_word(name) => PROFILE
            .iter()
            .find(|(known, _)| *known == field)
            .map_or(Name::Unknown, |(_, shape)| Name::Key(*shape)),
        ["topology", name] if is_word(name) => Name::Key(Shape::Topology),
        ["sample"] => Name::Key(Shape::Samples),
        [section] if names().any(|name| name.split('.').next() == Some(section)) => Name::Section,
        _ => Name::Unknown,
    }
}

/// Whether a value of this key is one thing, though it is a table.
pub(super) fn is_whole(key: &str) -> bool {
    matches!(lookup(key), Name::Key(Shape::Topology))
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// The variable that `name`, which begins as all of them do, was probably meant to be.
pub(super) fn nearest_variable(name: &str) -> String {
    // The key as it might have been: the common beginning would make all of them alike.
    let guess = name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase().replacen('_', ".", 1);
    variable(&nearest_key(&guess.replace('_', "-")))
}

/// The variable that sets `key`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace(['.', '-'], "_").to_ascii_uppercase())
}

/// Where a key stands in listings: as they are declared, then the profiles.
pub(super) fn rank(key: &str) -> usize {
    names()
        .position(|name| key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
        .unwrap_or(KEYS.len())
}

/// The known key that `key` was probably meant to be. A key without its section is recognised too.
pub(super) fn nearest_key(key: &str) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    if let ["profile", name, field] = parts[..] {
        return format!(
            "profile.{name}.{}",
            most_like(field, PROFILE.iter().map(|(name, _)| *name)).unwrap_or_default()
        );
    }
    let bare = key.rsplit('.').next().unwrap_or(key);
    let homonym = names().find(|name| name.split('.').nth(1) == Some(bare));
    homonym.or_else(|| most_like(key, names())).unwrap_or_default().to_owned()
}

/// The known section that `section` was probably meant to be.
pub(super) fn nearest_section(section: &str) -> &'static str {
    let sections = names().filter_map(|name| name.split('.').next());
    most_like(section, sections.chain(["profile", "test.env", "topology", "sample"])).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_keys_share_a_variable() {
        let mut names: Vec<String> = KEYS.iter().map(|(key, _)| variable(key)).collect();
        assert!(names.contains(&"VMPTCP_VM_BOOT_TIMEOUT".to_owned()));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), KEYS.len());
    }

    #[test]
    fn keys_sections_and_nonsense_are_told_apart() {
        assert_eq!(lookup("vm.cpus"), Name::Key(Shape::Number { min: 0, max: 1024 }));
        assert_eq!(lookup("profile.my-own.tests"), Name::Key(Tests));
        for section in ["vm", "profile", "profile.x"] {
            assert_eq!(lookup(section), Name::Section, "{section}");
        }
        for unknown in
            ["", ".", "cpus", "vm.", "vm.cpus.x", "profile.a b", "profile.x.y", "profile.x.tests.z"]
        {
            assert_eq!(lookup(unknown), Name::Unknown, "{unknown}");
        }
    }

    #[test]
    fn the_nearest_key_is_what_was_meant() {
        for (typed, meant) in [
            ("vm.cpu", "vm.cpus"),
            ("vm.boot_timeout", "vm.boot-timeout"),
            ("kernel.work_dir", "kernel.work-dir"),
            ("cpus", "vm.cpus"),
            ("test.append", "vm.append"),
            ("vm.mem", "vm.memory"),
            ("test.timeot", "test.timeout"),
            ("test.flaky", "test.ignore-flaky"),
            ("kernel.sybmols", "kernel.symbols"),
            ("boot-timout", "vm.boot-timeout"),
            ("profile.mine.test", "profile.mine.tests"),
        ] {
            assert_eq!(nearest_key(typed), meant);
        }
    }
}
