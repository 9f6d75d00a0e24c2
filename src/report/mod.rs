//! How results are shown. An [`Exporter`] makes one form of them, the same for runs and for validations, each in a file of
//! its own; `terminal` shows a run while it goes on.

mod checks;
mod ci;
mod connections;
pub mod console;
mod findings;
pub mod history;
mod html;
mod hunt;
pub mod incumbent;
mod json;
mod junit;
mod lines;
mod markdown;
mod nipa;
mod review;
mod style;
pub mod terminal;
mod text;

pub use checks::{Check, checks};
pub use ci::{CiView, System as CiSystem};
pub use html::{Excerpts, Html};
pub use hunt::ByOutcome;
pub use json::Json;
pub use junit::Junit;
pub use lines::Lines;
pub use markdown::Markdown;
pub use nipa::Nipa;
pub use review::Review;
pub use style::{clean, duration, plural};
pub use text::{Ending, Text, verdict};

use crate::error::{Error, Result};
use crate::results::Summary;
use crate::text::file;
use std::fmt::Write as _;
use std::path::Path;

/// Makes one form of results.
pub trait Exporter {
    /// The results in this form.
    fn render(&self, summary: &Summary) -> String;
}

/// A form of results that can be asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For a person.
    #[default]
    Text,
    /// For a program.
    Json,
    /// For CI systems.
    Junit,
    /// To paste into a mail.
    Markdown,
    /// A finding a line, for editors.
    Lines,
    /// One page, for a browser.
    Html,
    /// For b4's reviews.
    B4Review,
    /// For netdev's NIPA.
    Nipa,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Text,
        Self::Json,
        Self::Junit,
        Self::Markdown,
        Self::Lines,
        Self::Html,
        Self::B4Review,
        Self::Nipa,
    ];

    /// What makes it. Only text has colours.
    pub fn exporter(self, colour: bool) -> Box<dyn Exporter> {
        match self {
            Self::Text => Box::new(Text { colour }),
            Self::Json => Box::new(Json),
            Self::Junit => Box::new(Junit),
            Self::Markdown => Box::new(Markdown),
            Self::Lines => Box::new(Lines),
            Self::Html => Box::new(Html::default()),
            Self::B4Review => Box::new(Review),
            Self::Nipa => Box::new(Nipa),
        }
    }
}

/// The name of the page in the directory of a run.
pub const PAGE: &str = "report.html";

/// Writes all files that are made of a summary into the run's directory.
pub fn write_files(summary: &Summary, run: &Path) -> Result<()> {
    let page = Html { excerpts: Excerpts::read(summary, run), comparison: None };
    let files: [(&str, &dyn Exporter); 5] = [
        ("results.json", &Json),
        ("junit.xml", &Junit),
        ("summary.md", &Markdown),
        ("summary.txt", &Text { colour: false }),
        (PAGE, &page),
    ];
    files
        .iter()
        .try_for_each(|(name, exporter)| file::replace(&run.join(name), exporter.render(summary).as_bytes()))
}

/// Something as JSON, for a program.
pub fn json_of(value: &impl serde::Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n").map_err(|error| Error::cannot_run(format!("cannot write JSON: {error}")))
}

/// Prints the results of the run in this directory; to a person also where they are.
pub fn show(summary: &Summary, run: &Path, exporter: &dyn Exporter, to_a_person: bool) -> Result<()> {
    let mut text = exporter.render(summary);
    if to_a_person {
        let _ = writeln!(text, "results: {}", clean(&run.display().to_string()));
    }
    console::out(&text)
}
