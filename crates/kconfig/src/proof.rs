//! What became of the requests.

use crate::fragment::{Origin, Request, Value, Waiver};
use serde::{Deserialize, Serialize};

/// How much it matters that a request did not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// More than was asked for, replaced or made impossible by a later request, or waived by a fragment.
    Note,
    /// Less than was asked for.
    Warning,
    /// Less than was asked for, of a symbol that is required.
    Error,
}

/// A request that the resolved `.config` does not grant as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// What was asked for, and where.
    #[serde(flatten)]
    pub request: Request,
    /// What is in `.config`; n for a symbol that is not there.
    pub actual: Value,
    /// How much it matters.
    pub severity: Severity,
    /// Why it came out so.
    pub reason: Reason,
    /// Flags that help, tried with the tree's own kconfig. None if none were found, or none are needed.
    pub remedy: Option<Remedy>,
    /// Why that does no harm, if a fragment says so.
    pub waiver: Option<Waiver>,
    /// True if it cannot take because a later request turned off what it needs.
    pub on_purpose: bool,
}

/// Flags for the command line with which a request takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedy {
    /// The flags, as they are typed: `-e FOO`.
    pub flags: Vec<String>,
    /// True if they ask for something else than the request did, and stand in its place.
    pub instead: bool,
}

/// Why a request did not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Reason {
    /// No Kconfig file that the tree reads for this architecture has it.
    Unknown {
        /// A symbol that it has, with a similar name.
        nearest: Option<String>,
    },
    /// A later fragment asked for another value.
    Overridden {
        /// The request that holds.
        by: Request,
    },
    /// The value is not one of its type's.
    WrongType {
        /// "bool", "int", ….
        type_name: String,
    },
    /// It depends on what is not there.
    Unmet {
        /// One for each place that defines it with a prompt.
        definitions: Vec<Unmet>,
    },
    /// It is on because others select it.
    Selected {
        /// Who does, with a value that is enough.
        by: Vec<Selector>,
    },
    /// It has no prompt: nobody can set it, it follows from others.
    NoPrompt {
        /// Where it is defined.
        place: String,
        /// Who selects it; none of them is enough for the value that was asked for.
        selectable_by: Vec<Selector>,
        /// Its defaults, as they are written.
        defaults: Vec<String>,
        /// Its definitions that have a default and dependencies that are not met.
        unmet: Vec<Unmet>,
    },
    /// It has no prompt, and what it is hangs on the compiler, on other tools or on the environment.
    Computed {
        /// Where it is defined.
        place: String,
    },
    /// It is a member of a choice.
    Choice {
        /// What the choice asks.
        prompt: String,
        /// Where it is defined.
        place: String,
        /// The member that is on.
        winner: Option<String>,
        /// Where that one was asked for, if it was.
        winner_origin: Option<Origin>,
    },
    /// It is set to a default because its prompt is not shown.
    Default {
        /// The default, as it is written.
        default: String,
        /// Where.
        place: String,
        /// What the prompt needs.
        unmet: Vec<Unmet>,
    },
    /// `m` was asked for, and the kernel has no modules.
    ModulesOff,
    /// The number is out of its range.
    Range {
        /// The smallest.
        low: String,
        /// The largest.
        high: String,
    },
    /// Its dependencies seem to be met. What the tree's kconfig knows and we do not decides.
    Unclear {
        /// Where it is defined.
        place: String,
    },
}

/// A definition whose dependencies are not met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmet {
    /// Where it is: `file:line`, relative to the tree.
    pub place: String,
    /// All that must hold, menus and ifs around it included.
    pub expression: String,
    /// The parts of it that do not hold.
    pub failing: Vec<String>,
    /// Each symbol of the expression.
    pub symbols: Vec<SymbolState>,
}

/// A symbol of an expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolState {
    /// Without `CONFIG_`.
    pub symbol: String,
    /// Its value in `.config`.
    pub value: String,
    /// The value that it would need, if it is one of those that stand in the way.
    pub needed: Option<String>,
    /// What can be done about it.
    pub settable: Settable,
    /// The request that was made for it.
    pub asked: Option<Request>,
    /// Who would select it, where that is the only way to get it.
    pub selectable_by: Vec<String>,
}

/// Whether a symbol can be set as things are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settable {
    /// Yes, by asking for it.
    Yes,
    /// It has dependencies of its own that are not met.
    UnmetDependencies,
    /// It has no prompt: it follows from others.
    NoPrompt,
    /// The tree does not have it.
    Unknown,
}

/// A symbol that selects another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// Without `CONFIG_`.
    pub symbol: String,
    /// Its value in `.config`.
    pub value: String,
    /// `if` what.
    pub condition: Option<String>,
    /// Where it says so: `file:line`, relative to the tree.
    pub place: String,
}

/// What became of all requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// How many symbols were asked for.
    pub requested: usize,
    /// How many of them have exactly the value that was asked for last.
    pub granted: usize,
    /// What was asked for besides, because the tree's own requests need it.
    pub added: Vec<Request>,
    /// The others, and the requests that were overridden; errors first, then warnings, then notes.
    pub mismatches: Vec<Mismatch>,
}

impl Proof {
    /// The mismatches of one severity.
    pub fn of(&self, severity: Severity) -> impl Iterator<Item = &Mismatch> {
        self.mismatches.iter().filter(move |mismatch| mismatch.severity == severity)
    }

    /// The symbols with an error among their mismatches, as `CONFIG_X`.
    pub fn errors(&self) -> Vec<String> {
        let errors = self.of(Severity::Error);
        let mut names: Vec<String> = errors.map(|error| format!("CONFIG_{}", error.request.symbol)).collect();
        names.dedup();
        names
    }
}
