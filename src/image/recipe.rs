//! What an image is made of: the data files below `images/`, which are part of this program.

use crate::arch;
use crate::error::{Error, Result};
use crate::text::hash;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The recipes, by name.
const RECIPES: [(&str, &str); 2] =
    [("lean", include_str!("../../images/lean.toml")), ("full", include_str!("../../images/full.toml"))];

/// Images that were made otherwise have another key: the number changes with what [`super::build`] does.
const MADE_LIKE: &str = "1";

/// What an image is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Its name.
    pub name: &'static str,
    /// One line about it.
    pub about: String,
    /// What of Debian its packages come from; at least one.
    pub suites: Vec<String>,
    /// The suite of the security archive.
    pub security: Option<String>,
    /// The packages, without those that they depend on.
    pub packages: Vec<String>,
    /// Links to make: where, and to what.
    pub links: BTreeMap<String, String>,
}

/// As a file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    about: String,
    base: Option<String>,
    #[serde(default)]
    suites: Vec<String>,
    security: Option<String>,
    packages: Vec<String>,
    #[serde(default)]
    links: BTreeMap<String, String>,
}

impl Recipe {
    /// The names of all recipes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        RECIPES.iter().map(|(name, _)| *name)
    }

    /// The recipe of this name.
    pub fn find(name: &str) -> Result<Self> {
        let Some((name, text)) = RECIPES.iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = Self::names().collect();
            return Err(Error::usage(format!("there is no image {name}"))
                .hint(format!("use one of {}, or a directory, with a slash in its path", known.join(", "))));
        };
        let written: Written = toml::from_str(text)
            .map_err(|error| Error::cannot_run(format!("cannot parse images/{name}.toml: {error}")))?;
        let own = Self {
            name,
            about: written.about,
            suites: written.suites,
            security: written.security,
            packages: written.packages,
            links: written.links,
        };
        match written.base {
            Some(base) => Ok(own.on(Self::find(&base)?)),
            None => Ok(own),
        }
    }

    /// This recipe, which adds to that one.
    fn on(self, base: Self) -> Self {
        Self {
            suites: if self.suites.is_empty() { base.suites } else { self.suites },
            security: self.security.or(base.security),
            packages: base.packages.into_iter().chain(self.packages).collect(),
            links: base.links.into_iter().chain(self.links).collect(),
            ..self
        }
    }

    /// What tells an image that was made of this recipe from all others.
    pub fn key(&self) -> String {
        let links = self.links.iter().map(|(place, target)| format!("{place} -> {target}"));
        let key = hash::Key::new("image").field(MADE_LIKE).field(arch::host().name);
        let key = key.list(&self.suites).field(self.security.as_deref().unwrap_or_default());
        key.list(&self.packages).list(links).digest().short()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_can_be_read_and_has_a_key_of_its_own() {
        let recipes: Vec<Recipe> = Recipe::names().map(|name| Recipe::find(name).unwrap()).collect();
        for recipe in &recipes {
            assert!(!recipe.suites.is_empty() && !recipe.packages.is_empty(), "{}", recipe.name);
            assert!(recipe.links.keys().all(|place| place.starts_with("usr/")), "{}", recipe.name);
        }
        let mut keys: Vec<String> = recipes.iter().map(Recipe::key).collect();
        keys.dedup();
        assert_eq!(keys.len(), recipes.len());
    }

    #[test]
    fn full_has_all_that_lean_has() {
        let (lean, full) = (Recipe::find("lean").unwrap(), Recipe::find("full").unwrap());
        assert!(lean.packages.iter().all(|package| full.packages.contains(package)));
        assert_eq!((&full.suites, &full.links), (&lean.suites, &lean.links));
        assert!(full.packages.iter().any(|package| package == "bpftool"));
    }

    #[test]
    fn a_key_depends_on_all_that_is_made() {
        let recipe = Recipe::find("lean").unwrap();
        let mut other = recipe.clone();
        other.about = "other words".to_owned();
        assert_eq!(recipe.key(), other.key());
        other.packages.push("fio".to_owned());
        assert_ne!(recipe.key(), other.key());
        let mut other = recipe.clone();
        other.links.insert("usr/bin/x".to_owned(), "y".to_owned());
        assert_ne!(recipe.key(), other.key());
    }

    #[test]
    fn who_asks_for_another_is_told_which_there_are() {
        let error = Recipe::find("leen").unwrap_err();
        assert_eq!(error.to_string(), "there is no image leen");
        assert!(error.remedy().unwrap().contains("lean, full"), "{error:?}");
    }
}
