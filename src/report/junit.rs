//! `junit.xml`: as CI systems show it.

mod checks;
mod run;
#[cfg(test)]
mod schema;
mod xml;

use super::Exporter;
use crate::results::Summary;

/// JUnit XML: a suite a test, or a suite a patch.
#[derive(Debug, Clone, Copy)]
pub struct Junit;

impl Exporter for Junit {
    fn render(&self, summary: &Summary) -> String {
        match &summary.validation {
            Some(validation) => checks::render(summary, validation),
            None => run::render(summary),
        }
    }
}
