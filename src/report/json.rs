//! `results.json`: the summary, whole. Its format is documented in `docs/results.md`.

use super::Exporter;
use crate::results::Summary;

/// Indented JSON.
#[derive(Debug, Clone, Copy)]
pub struct Json;

impl Exporter for Json {
    fn render(&self, summary: &Summary) -> String {
        // Strings, numbers, lists and maps with string keys: nothing in it that JSON cannot hold.
        crate::text::json(&serde_json::to_string_pretty(summary).unwrap_or_default()) + "\n"
    }
}
