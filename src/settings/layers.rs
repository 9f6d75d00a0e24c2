//! Layers, where each value comes from, and how they become one.

use super::keys;
use crate::error::Error;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use toml::{Table, Value};

/// A source of settings. A later one wins, key by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// What is declared.
    BuiltIn,
    /// The user's file.
    User,
    /// The kernel tree's `vmptcp.toml`.
    Tree,
    /// `VMPTCP_*`.
    Environment,
    /// The command line.
    Flags,
}

/// Where a value comes from. It displays as what a person would look for: a file and line, a variable, a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The built-in value.
    BuiltIn,
    /// A line of the user's file.
    User(Place),
    /// A line of the kernel tree's file.
    Tree(Place),
    /// This variable.
    Environment(String),
    /// This flag, as it was typed.
    Flag(String),
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, by its absolute path.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

impl Origin {
    /// The layer.
    pub fn layer(&self) -> Layer {
        match self {
            Self::BuiltIn => Layer::BuiltIn,
            Self::User(_) => Layer::User,
            Self::Tree(_) => Layer::Tree,
            Self::Environment(_) => Layer::Environment,
            Self::Flag(_) => Layer::Flags,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in"),
            Self::User(place) | Self::Tree(place) => write!(f, "{}:{}", place.file.display(), place.line),
            Self::Environment(text) | Self::Flag(text) => f.write_str(text),
        }
    }
}

/// One value of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Its key, dotted.
    pub key: String,
    /// Its value, checked.
    pub value: Value,
    /// Where it is from.
    pub origin: Origin,
}

/// The values of some layers, one for each key.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Merged(Vec<Leaf>);

impl Merged {
    /// Lays the values of a later layer over those that are there. Of a table each name is a value of its own, but a network
    /// is replaced whole.
    pub fn lay(&mut self, leaves: impl IntoIterator<Item = Leaf>) {
        for Leaf { key, value, origin } in leaves {
            match value {
                Value::Table(table) if !table.is_empty() && !keys::is_whole(&key) => {
                    let named =
                        |(name, value)| Leaf { key: format!("{key}.{name}"), value, origin: origin.clone() };
                    table.into_iter().map(named).for_each(|leaf| self.put(leaf));
                }
                value => self.put(Leaf { key, value, origin }),
            }
        }
    }

    fn put(&mut self, leaf: Leaf) {
        let below =
            |key: &str, above: &str| key.strip_prefix(above).is_some_and(|rest| rest.starts_with('.'));
        // An empty table stands for itself only until something is in it.
        if leaf.value.is_table() && self.0.iter().any(|other| below(&other.key, &leaf.key)) {
            return;
        }
        self.0.retain(|other| !below(&leaf.key, &other.key));
        match self.0.iter_mut().find(|other| other.key == leaf.key) {
            Some(other) => *other = leaf,
            None => self.0.push(leaf),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Leaf> {
        self.0.iter().find(|leaf| leaf.key == key)
    }

    /// All values, as they are declared; names of profiles and of variables by alphabet.
    pub fn into_leaves(mut self) -> Vec<Leaf> {
        self.0.sort_by(|a, b| (keys::rank(&a.key), &a.key).cmp(&(keys::rank(&b.key), &b.key)));
        self.0
    }

    /// What is wrong with the whole though each value is right.
    pub fn problems(&self) -> Vec<String> {
        let described = self.0.iter().filter_map(|leaf| Some((leaf, leaf.key.strip_suffix(".description")?)));
        described
            .filter(|(_, profile)| self.get(&format!("{profile}.tests")).is_none())
            .map(|(leaf, profile)| {
                format!("{}: {profile} has no tests: add a line tests = [\"...\"]", leaf.origin)
            })
            .collect()
    }

    /// The nested tables.
    pub fn to_table(&self) -> Table {
        let mut root = Table::new();
        for leaf in &self.0 {
            let (sections, name) = leaf.key.rsplit_once('.').unwrap_or(("", &leaf.key));
            // A list of tables stands at the top, in no section.
            let section =
                sections.split('.').filter(|name| !name.is_empty()).try_fold(&mut root, |table, section| {
                    table.entry(section).or_insert_with(|| Value::Table(Table::new())).as_table_mut()
                });
            if let Some(section) = section {
                section.insert(name.to_owned(), leaf.value.clone());
            }
        }
        root
    }
}

/// One error of all that is wrong.
pub(super) fn refuse(problems: &[String]) -> Error {
    let message = match problems {
        [one] => one.clone(),
        many => format!("{} settings are wrong:\n  {}", many.len(), many.join("\n").replace('\n', "\n  ")),
    };
    Error::usage(message).hint("correct or remove it, and run the same command again")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(key: &str, value: impl Into<Value>, origin: &str) -> Leaf {
        Leaf { key: key.to_owned(), value: value.into(), origin: Origin::Flag(origin.to_owned()) }
    }

    fn env(pairs: &[(&str, &str)]) -> Table {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect()
    }

    fn keys(merged: &Merged) -> Vec<String> {
        let shown = |leaf: Leaf| format!("{}={} ({})", leaf.key, leaf.value, leaf.origin);
        merged.clone().into_leaves().into_iter().map(shown).collect()
    }

    #[test]
    fn a_later_value_replaces_an_earlier_one() {
        let mut merged = Merged::default();
        merged.lay([leaf("vm.cpus", 1, "a"), leaf("vm.rw", vec!["/x"], "a")]);
        merged.lay([leaf("vm.rw", vec!["/y"], "b")]);
        assert_eq!(keys(&merged), ["vm.cpus=1 (a)", "vm.rw=[\"/y\"] (b)"]);
    }

    #[test]
    fn tables_are_put_together_name_by_name() {
        let mut merged = Merged::default();
        merged.lay([leaf("test.env", env(&[]), "a")]);
        assert_eq!(keys(&merged), ["test.env={} (a)"]);
        merged.lay([leaf("test.env", env(&[("A", "1"), ("B", "1")]), "b")]);
        merged.lay([leaf("test.env", env(&[("B", "2")]), "c"), leaf("test.env", env(&[]), "d")]);
        assert_eq!(keys(&merged), ["test.env.A=\"1\" (b)", "test.env.B=\"2\" (c)"]);
        assert_eq!(merged.to_table()["test"]["env"]["B"].as_str(), Some("2"));
    }

    #[test]
    fn a_profile_needs_tests() {
        let mut merged = Merged::default();
        merged.lay([leaf("profile.x.description", "", "here")]);
        assert_eq!(merged.problems(), ["here: profile.x has no tests: add a line tests = [\"...\"]"]);
    }
}
