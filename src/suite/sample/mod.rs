//! Sample programs: what is declared of one, and what is found out by convention.

pub mod expect;
pub mod include;
pub mod layout;
pub mod literal;

pub use expect::Expect;

use super::{Lab, Needs, Suite, Tests};
use serde::Deserialize;
use std::path::PathBuf;

/// How long a sample's client may run where nobody says otherwise, in seconds, on a machine of normal speed.
pub const USUAL_SECONDS: u32 = 5;

/// The row. The samples find the programs of the selftests at `VMPTCP_SELFTESTS`.
pub const SUITE: Suite = Suite {
    id: "samples",
    about: "sample programs in a network",
    needs: Needs { collection: Some("net/mptcp"), guest_programs: &["ip", "ss"], ..Suite::PLAIN.needs },
    tests: Tests::Lab(Lab::Samples),
    ..Suite::PLAIN
};

/// A sample as `[[sample]]` declares it. What is left out is found by convention.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Declared {
    /// Its name, unique among the samples.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Its directory, or its file.
    pub path: PathBuf,
    /// The command that builds it, run in a copy of its directory.
    pub build: Option<Vec<String>>,
    /// The command that runs on the server's host.
    pub server: Option<Vec<String>>,
    /// The command that runs on the client's host.
    pub client: Option<Vec<String>>,
    /// The network that it runs in.
    pub topology: Option<String>,
    /// How long its client may run, in seconds.
    pub seconds: Option<u32>,
    /// What its connections shall be: `mptcp`, `tcp`, `subflows>=2`.
    #[serde(default)]
    pub expect: Vec<Expect>,
    /// The exit code that its client shall have.
    pub exit: Option<i32>,
    /// What a line of its client's output shall match: a part of it, or a glob.
    pub output: Option<String>,
    /// Run both programs through mptcpize(8).
    #[serde(default)]
    pub mptcpize: bool,
    /// Programs without which it is skipped.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Symbols of the kernel without which it is skipped.
    #[serde(default)]
    pub symbols: Vec<String>,
}

/// The words of a command in which `{server}` and its like stand for what is known only when there is a network.
pub fn fill(command: &[String], known: &[(&str, String)]) -> Vec<String> {
    let word = |word: &String| {
        known.iter().fold(word.clone(), |word, (name, value)| word.replace(&format!("{{{name}}}"), value))
    };
    command.iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_filled_with_what_is_known() {
        let command = ["./client".to_owned(), "{server}:80".to_owned(), "{other}".to_owned()];
        assert_eq!(
            fill(&command, &[("server", "10.0.1.2".to_owned())]),
            ["./client", "10.0.1.2:80", "{other}"]
        );
    }
}
