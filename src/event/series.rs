//! A patch series, as a report names it.

use serde::{Deserialize, Serialize};

/// How the base was found where the user named it.
pub const GIVEN: &str = "given";

/// A series that is validated, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesInfo {
    /// Where it came from.
    pub input: String,
    /// What names it on the command line, with a blank before it; empty for what is found without.
    pub again: String,
    /// The commit that it is built on.
    pub base: String,
    /// How that was found; none if it was only guessed.
    pub base_by: Option<String>,
    /// The patches.
    pub patches: Vec<PatchInfo>,
    /// Warnings count as failures.
    pub strict: bool,
    /// Only some checks, patches or configurations were asked for.
    pub partial: bool,
}

/// A patch, as a report names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchInfo {
    /// From 1.
    pub number: usize,
    /// Its subject, without the prefix in brackets. Not to be trusted.
    pub subject: String,
    /// The commit, one of the tool's own where it came by mail; none if it did not apply, which is `""` in JSON.
    #[serde(with = "empty")]
    pub commit: Option<String>,
}

/// Nothing as an empty string: readers expect one.
mod empty {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::ref_option, reason = "serde passes references")]
    pub fn serialize<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
        text.as_deref().unwrap_or_default().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
        Ok(Some(String::deserialize(deserializer)?).filter(|text| !text.is_empty()))
    }
}
