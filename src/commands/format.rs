//! The forms of results, as flags name them.

use crate::report::Format;
use clap::ValueEnum;
use clap::builder::PossibleValue;

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Text => ("text", "For a person"),
            Self::Json => ("json", "For a program"),
            Self::Junit => ("junit", "For CI systems"),
            Self::Markdown => ("markdown", "To paste into a mail"),
            Self::Html => ("html", "One page, for a browser"),
            Self::B4Review => ("b4-review", "What b4 takes of a check in its reviews"),
            Self::Nipa => ("nipa", "Rows as executors of netdev's NIPA write them"),
            Self::Lines => ("lines", "A finding a line, as compilers write them: for editors"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}
