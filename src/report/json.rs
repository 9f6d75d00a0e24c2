//! `results.json`: the summary, whole. Its format is documented in `docs/results.md`.

use crate::results::Summary;

/// The summary as indented JSON, with a line feed at its end.
pub fn render(summary: &Summary) -> String {
    // Strings, numbers, lists and maps with string keys: nothing in it that JSON cannot hold.
    crate::text::json(&serde_json::to_string_pretty(summary).unwrap_or_default()) + "\n"
}
