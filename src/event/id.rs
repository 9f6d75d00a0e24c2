//! Which run of which test: its identity in events, results and the names of files.

use super::PARTS;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The suite where none is named: on command lines, in the names of files and reports, in records of format 1.
pub const DEFAULT_SUITE: &str = "selftests";

/// The other suites of format 1, which had the suite in the name of the test: `samples/NAME`.
const OLD_SUITES: [&str; 2] = ["samples", "modules"];

/// One run of one test: they are repeated at times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct TestId {
    /// The variant of the kernel that it runs on, where a run has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The suite that the test belongs to.
    pub suite: String,
    /// The test's name, unique in the suite.
    pub name: String,
    /// Counted from 1.
    pub attempt: u32,
    /// Which part of it, counted from 1; none where it runs as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
    /// Which of the runs that are to tell a flake from a failure, counted from 1; 0 for the run itself.
    #[serde(skip_serializing_if = "is_zero")]
    pub rerun: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What is read: format 1 has no suite.
#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    variant: Option<String>,
    suite: Option<String>,
    name: String,
    attempt: u32,
    #[serde(default)]
    shard: Option<u32>,
    #[serde(default)]
    rerun: u32,
}

impl From<Stored> for TestId {
    fn from(Stored { variant, suite, name, attempt, shard, rerun }: Stored) -> Self {
        let (suite, name) = match suite {
            Some(suite) => (suite, name),
            None => match name.split_once('/') {
                Some((suite, name)) if OLD_SUITES.contains(&suite) => (suite.to_owned(), name.to_owned()),
                _ => (DEFAULT_SUITE.to_owned(), name),
            },
        };
        Self { variant, suite, name, attempt, shard, rerun }
    }
}

impl TestId {
    /// The run of a whole test.
    pub fn new(suite: impl Into<String>, name: impl Into<String>, attempt: u32) -> Self {
        Self { variant: None, suite: suite.into(), name: name.into(), attempt, shard: None, rerun: 0 }
    }

    /// The same on the kernel of this variant, in a run that has several.
    #[must_use]
    pub fn on(self, variant: Option<&str>) -> Self {
        Self { variant: variant.map(str::to_owned), ..self }
    }

    /// The whole run of the test that this is a part or a rerun of.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self::new(self.suite.clone(), self.name.clone(), self.attempt).on(self.variant.as_deref())
    }

    /// The test's name for a person.
    pub fn label(&self) -> String {
        label_on(self.variant.as_deref(), &self.suite, &self.name)
    }

    /// The file with the output of all parts of the test, relative to the directory of the run.
    pub fn output(&self) -> String {
        let place = self.variant.as_ref().map(|variant| format!("{PARTS}/{variant}/")).unwrap_or_default();
        format!("{place}tests/{}.log", self.stem())
    }

    /// The beginning of the names of its files.
    pub fn stem(&self) -> String {
        let suite = if self.suite == DEFAULT_SUITE { String::new() } else { format!("{}.", self.suite) };
        let shard = self.shard.map(|shard| format!(".shard-{shard}")).unwrap_or_default();
        let rerun = if self.rerun > 0 { format!(".rerun-{}", self.rerun) } else { String::new() };
        format!("{suite}{}.{}{shard}{rerun}", self.name, self.attempt)
    }
}

/// The name of a test for a person: with its suite where that is not the default one.
pub fn label(suite: &str, name: &str) -> String {
    if suite == DEFAULT_SUITE { name.to_owned() } else { format!("{suite}/{name}") }
}

/// The same in a run that has kernels of several variants.
pub fn label_on(variant: Option<&str>, suite: &str, name: &str) -> String {
    let variant = variant.map(|variant| format!("{variant}: ")).unwrap_or_default();
    variant + &label(suite, name)
}

impl fmt::Display for TestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())?;
        if self.attempt > 1 {
            write!(f, " (attempt {})", self.attempt)?;
        }
        if let Some(shard) = self.shard {
            write!(f, ", part {shard}")?;
        }
        if self.rerun > 0 {
            write!(f, ", rerun {}", self.rerun)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_survives_and_that_of_format_1_is_understood() {
        let part = TestId { shard: Some(2), rerun: 1, ..TestId::new("selftests", "mptcp_join", 3) };
        let text = serde_json::to_string(&part).unwrap();
        assert_eq!(serde_json::from_str::<TestId>(&text).unwrap(), part, "{text}");
        assert!(!text.contains("variant"), "most runs have one kernel: {text}");
        let part = part.on(Some("debug"));
        assert_eq!(serde_json::from_str::<TestId>(&serde_json::to_string(&part).unwrap()).unwrap(), part);
        let read = |text: &str| serde_json::from_str::<TestId>(text).unwrap();
        assert_eq!(read(r#"{"name":"diag","attempt":1}"#), TestId::new("selftests", "diag", 1));
        assert_eq!(read(r#"{"name":"samples/c-echo","attempt":1}"#), TestId::new("samples", "c-echo", 1));
        assert_eq!(read(r#"{"name":"odd/name","attempt":1}"#), TestId::new("selftests", "odd/name", 1));
        let odd = TestId::new("kunit", "samples/x", 1);
        assert_eq!(read(&serde_json::to_string(&odd).unwrap()), odd, "a suite that is told is believed");
    }

    #[test]
    fn files_and_people_see_the_suite_where_it_is_not_the_default_one() {
        let (own, other) = (TestId::new("selftests", "diag", 2), TestId::new("samples", "diag", 1));
        assert_eq!((own.stem(), own.to_string()), ("diag.2".into(), "diag (attempt 2)".into()));
        assert_eq!((other.stem(), other.to_string()), ("samples.diag.1".into(), "samples/diag".into()));
        let debug = own.clone().on(Some("debug"));
        assert_eq!(debug.to_string(), "debug: diag (attempt 2)");
        assert_eq!(debug.output(), "variants/debug/tests/diag.2.log");
        assert_eq!(debug.whole(), debug);
    }
}
