//! What `vmptcp settings` shows. Pure.

use super::{Loaded, Origin};
use crate::text::is_hidden;
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;
use toml::Value;

/// A longer value does not push the column of origins to the right.
const WIDEST: usize = 60;

impl Loaded {
    /// Every value with where it comes from, a line each. Paths of files below `home` begin with `~`.
    pub fn to_text(&self, home: Option<&Path>) -> String {
        let left: Vec<String> =
            self.leaves().iter().map(|leaf| format!("{} = {}", leaf.key, shown(&leaf.value))).collect();
        let lengths = left.iter().map(|text| text.chars().count());
        let width = lengths.filter(|length| *length <= WIDEST).max().unwrap_or_default();
        let mut text = String::new();
        for (left, leaf) in left.iter().zip(self.leaves()) {
            let _ = writeln!(text, "{left:<width$}  {}", origin(&leaf.origin, home));
        }
        text
    }

    /// Every value by its key, with its layer and origin.
    pub fn to_json(&self) -> serde_json::Value {
        let entry = |leaf: &super::Leaf| {
            let origin = &leaf.origin;
            let entry = json!({ "value": leaf.value, "layer": origin.layer(), "source": origin.to_string() });
            (leaf.key.clone(), entry)
        };
        self.leaves().iter().map(entry).collect::<serde_json::Map<_, _>>().into()
    }
}

fn origin(origin: &Origin, home: Option<&Path>) -> String {
    match (origin, home) {
        (Origin::User(place) | Origin::Tree(place), Some(home)) => match place.file.strip_prefix(home) {
            Ok(below) => escaped(&format!("~/{}:{}", below.display(), place.line)),
            Err(_) => escaped(&origin.to_string()),
        },
        _ => escaped(&origin.to_string()),
    }
}

/// A value on one line, as it could be written in a file, safe to show on a terminal.
pub(super) fn shown(value: &Value) -> String {
    let joined = |items: Vec<String>| items.join(", ");
    match value {
        Value::String(text) => format!("\"{}\"", escaped(&text.replace('\\', "\\\\").replace('"', "\\\""))),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(shown).collect())),
        Value::Table(table) if table.is_empty() => "{}".to_owned(),
        Value::Table(table) => {
            let pairs = table.iter().map(|(name, value)| format!("{} = {}", escaped(name), shown(value)));
            format!("{{ {} }}", joined(pairs.collect()))
        }
        other => other.to_string(),
    }
}

/// Text without what would move the cursor, change colours or turn the direction of writing.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push_str("\\t"),
            c if is_hidden(c) => push_code(&mut safe, c),
            c => safe.push(c),
        }
    }
    safe
}

fn push_code(text: &mut String, c: char) {
    let code = u32::from(c);
    // As TOML writes it, so that a value can be copied from here into a file.
    let _ = if code > 0xffff { write!(text, "\\U{code:08X}") } else { write!(text, "\\u{code:04X}") };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_on_one_line_without_control_characters() {
        let value = Value::Array(vec![
            Value::from("a\"b\\c\n\u{1b}[31mü\u{9b}\u{202e}"),
            Value::Table([("A".to_owned(), Value::from(true))].into_iter().collect()),
        ]);
        assert_eq!(shown(&value), r#"["a\"b\\c\n\u001B[31mü\u009B\u202E", { A = true }]"#);
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for text in ["", "a\"b\\c\n\t\u{1b}\u{7f}", "ü '", "\u{200b}\u{e0041}"] {
            let document = format!("x = {}", shown(&Value::from(text)));
            assert_eq!(document.parse::<toml::Table>().unwrap()["x"].as_str(), Some(text), "{document}");
        }
    }

    #[test]
    fn files_below_home_begin_with_a_tilde() {
        let at = |file: &str| {
            let place = super::super::Place { file: file.into(), line: 3 };
            origin(&Origin::User(place), Some(Path::new("/home/me")))
        };
        assert_eq!(at("/home/me/x"), "~/x:3");
        assert_eq!(at("/home/meg/x"), "/home/meg/x:3");
    }
}
