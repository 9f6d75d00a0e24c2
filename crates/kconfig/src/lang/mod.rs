//! A tolerant reader of the tree's Kconfig files, for explanations only: what decides is the tree's own kconfig.
//!
//! It follows `Documentation/kbuild/kconfig-language.rst`, takes anything that it does not know for something that
//! does not matter, and leaves macros (`$(cc-option,…)`) unevaluated: what depends on them is *unknown*.

mod expr;
mod lexer;
mod model;
mod reader;

pub use expr::{Expr, Operator, Tristate, Values};
pub use model::{Choice, Default, Definition, Kconfig, Place, Prompt, Select, Symbol, SymbolType};
pub use reader::{Architecture, read, read_from};
