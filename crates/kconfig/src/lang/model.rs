//! What the Kconfig files of a tree say.

use super::expr::Expr;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A line of a Kconfig file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Relative to the tree.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The type of a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolType {
    /// y or n
    Bool,
    /// y, m or n
    Tristate,
    /// A decimal number.
    Int,
    /// A hexadecimal number.
    Hex,
    /// Text.
    String,
}

impl SymbolType {
    /// Kconfig's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Tristate => "tristate",
            Self::Int => "int",
            Self::Hex => "hex",
            Self::String => "string",
        }
    }
}

/// What the user is asked; without one, a symbol cannot be set from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The question.
    pub text: String,
    /// When it is asked, on top of the dependencies.
    pub condition: Option<Expr>,
}

/// A `default`, or a `def_bool` or `def_tristate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Default {
    /// The value.
    pub value: Expr,
    /// When it holds.
    pub condition: Option<Expr>,
    /// Where it is written.
    pub place: Place,
}

/// One `config` or `menuconfig` entry. A symbol may have several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Where it begins.
    pub place: Place,
    /// Its prompt.
    pub prompt: Option<Prompt>,
    /// All that must hold: its own `depends on` and those of the menus, ifs and the choice around it, outermost first.
    pub depends: Vec<Arc<Expr>>,
    /// What must hold besides for its prompt to be shown: `visible if` of the menus around it.
    pub visible: Vec<Arc<Expr>>,
    /// Its defaults, the first that applies wins.
    pub defaults: Vec<Default>,
    /// The choice that it is a member of: an index into [`Kconfig::choices`].
    pub choice: Option<usize>,
}

/// A `select`, seen from the symbol that is selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// The symbol that selects.
    pub by: String,
    /// Which of its definitions says so.
    pub definition: usize,
    /// When it does, on top of that definition's dependencies.
    pub condition: Option<Expr>,
    /// Where it is written.
    pub place: Place,
}

/// A symbol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Symbol {
    /// Its type, where a definition gives one.
    pub kind: Option<SymbolType>,
    /// Its definitions, in the order in which kconfig reads them.
    pub definitions: Vec<Definition>,
    /// The ranges of a number, each with its condition; the first that applies holds.
    pub ranges: Vec<(Expr, Expr, Option<Expr>)>,
}

/// A group of symbols of which one is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What the user is asked.
    pub prompt: String,
    /// Where it begins.
    pub place: Place,
    /// Its symbols.
    pub members: Vec<String>,
}

/// All that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kconfig {
    pub(super) symbols: HashMap<String, Symbol>,
    pub(super) selects: HashMap<String, Vec<Select>>,
    /// The choices.
    pub choices: Vec<Choice>,
    /// Every file that was read, relative to the tree, once each.
    pub files: Vec<PathBuf>,
    /// Every `source` that could not be followed: where it is and why. Empty for a whole tree.
    pub unread: Vec<String>,
}

impl Kconfig {
    /// A symbol that the tree defines.
    pub fn symbol(&self, name: &str) -> Option<&Symbol> {
        self.symbols.get(name)
    }

    /// Who selects a symbol.
    pub fn selects_of(&self, name: &str) -> &[Select] {
        self.selects.get(name).map_or(&[], Vec::as_slice)
    }

    /// How many symbols there are.
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// True if nothing was read.
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// The known symbol whose name is nearest to `name`, if one is near enough to be a misspelling of it.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let allowed = (name.len() / 4).clamp(1, 3);
        self.symbols
            .keys()
            .filter(|known| known.len().abs_diff(name.len()) <= allowed)
            .map(|known| (strsim::damerau_levenshtein(name, known), known.as_str()))
            .filter(|(distance, _)| *distance <= allowed)
            .min()
            .map(|(_, known)| known)
    }
}
