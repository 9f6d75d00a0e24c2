//! One layer's values from the text of its file. Pure.

use super::keys::{self, Name};
use super::layers::{Layer, Leaf, Origin, Place};
use super::render::{escaped, shown};
use super::shape::{Anchor, Shape};
use crate::text::decode;
use serde::Deserialize;
use std::ops::Range;
use std::path::Path;
use toml::de::{DeString, DeTable, DeValue, ValueDeserializer};
use toml::{Spanned, Value};

/// A file that holds a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct File<'a> {
    /// Which layer: user or tree, or built-in.
    pub layer: Layer,
    /// Its absolute path.
    pub path: &'a Path,
    /// What the user's `~` stands for.
    pub home: Option<&'a Path>,
}

impl File<'_> {
    /// The values in `text`, and what is wrong with the others.
    pub fn parse(self, text: &[u8]) -> (Vec<Leaf>, Vec<String>) {
        let text = match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(error) => {
                let shown = decode(text);
                let wrong =
                    Reader::new(self, &shown).excerpt("this is not UTF-8", error.valid_up_to()..shown.len());
                return (Vec::new(), vec![wrong]);
            }
        };
        // Some editors of other systems begin a file with this mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = Reader::new(self, text);
        match DeTable::parse(text) {
            Ok(table) => reader.table("", table.get_ref()),
            Err(error) => {
                let wrong = reader.excerpt(error.message(), error.span().unwrap_or_default());
                reader.problems.push(wrong);
            }
        }
        (reader.leaves, reader.problems)
    }
}

struct Reader<'a> {
    file: File<'a>,
    text: &'a str,
    leaves: Vec<Leaf>,
    problems: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(file: File<'a>, text: &'a str) -> Self {
        Self { file, text, leaves: Vec::new(), problems: Vec::new() }
    }

    fn table(&mut self, section: &str, table: &DeTable) {
        for (name, value) in in_order(table) {
            // A name with a dot in it, which needs quotes, is no path of sections.
            let quote = if name.get_ref().contains('.') { "\"" } else { "" };
            let dot = if section.is_empty() { "" } else { "." };
            let key = format!("{section}{dot}{quote}{}{quote}", escaped(name.get_ref()));
            self.entry(key, name.span(), value);
        }
    }

    fn entry(&mut self, key: String, at: Range<usize>, value: &Spanned<DeValue>) {
        match (keys::lookup(&key), value.get_ref()) {
            (Name::Section, DeValue::Table(table)) if table.is_empty() && key.starts_with("profile.") => {
                self.problem(at, &format!("{key} has no tests: add a line tests = [\"...\"]"));
            }
            (Name::Section, DeValue::Table(table)) => self.table(&key, table),
            (Name::Section, _) => {
                self.problem(at, &format!("{key} is a section: expected a line [{key}] with its keys below"));
            }
            (Name::Unknown, _) => {
                let what = match value.get_ref() {
                    DeValue::Table(_) if key.starts_with("profile.") => {
                        format!("{key}: the name of a profile is of letters, digits, - and _")
                    }
                    DeValue::Table(_) => {
                        format!("unknown section {key}: the nearest is {}", keys::nearest_section(&key))
                    }
                    _ => format!("unknown setting {key}: the nearest is {}", keys::nearest_key(&key)),
                };
                self.problem(at, &what);
            }
            (Name::Key(_), _) if key == "kernel.tree" && self.file.layer == Layer::Tree => {
                let why = "kernel.tree cannot be set in a tree's own file: set it in the user's, or with";
                self.problem(at, &format!("{why} {}", keys::variable(&key)));
            }
            // Each of these is a value of its own, with its own line.
            (Name::Key(shape @ Shape::Variables), DeValue::Table(table)) if !table.is_empty() => {
                for (name, value) in in_order(table) {
                    let read = self.read(value).map(|value| {
                        let name = name.get_ref().clone().into_owned();
                        Value::Table([(name, value)].into_iter().collect())
                    });
                    self.value(key.clone(), shape, name.span(), &read);
                }
            }
            (Name::Key(shape), _) => match shape.complaint(value) {
                Some((why, place)) => self.problem(place.unwrap_or(at), &format!("{key}: {}", escaped(&why))),
                None => self.value(key, shape, at, &self.read(value)),
            },
        }
    }

    /// The value as it is, or the text of a number that no type can hold.
    fn read(&self, value: &Spanned<DeValue>) -> Result<Value, String> {
        let unreadable = |_| escaped(self.text.get(value.span()).unwrap_or_default());
        Value::deserialize(ValueDeserializer::from(value.clone())).map_err(unreadable)
    }

    fn value(&mut self, key: String, shape: Shape, at: Range<usize>, read: &Result<Value, String>) {
        let dir = self.file.path.parent().unwrap_or(Path::new("/"));
        let anchor = Anchor { dir, home: self.file.home };
        if let Some(value) = read.clone().ok().and_then(|value| shape.accept(value, anchor)) {
            self.leaves.push(Leaf { key, value, origin: self.origin(at.start) });
        } else {
            let wrong = read.as_ref().map_or_else(String::clone, shown);
            self.problem(at, &format!("{key} = {wrong}: expected {}", shape.expected()));
        }
    }

    fn origin(&self, offset: usize) -> Origin {
        let place = Place { file: self.file.path.to_owned(), line: self.position(offset).0 };
        match self.file.layer {
            Layer::User => Origin::User(place),
            Layer::Tree => Origin::Tree(place),
            _ => Origin::BuiltIn,
        }
    }

    fn problem(&mut self, at: Range<usize>, what: &str) {
        let (line, column) = self.position(at.start);
        self.problems.push(format!("{}:{line}:{column}: {what}", self.path()));
    }

    /// A problem of the file's form, with the line and a mark below it.
    fn excerpt(&self, what: &str, at: Range<usize>) -> String {
        let (line, column) = self.position(at.start);
        let offending = self.text.lines().nth(line - 1).unwrap_or_default();
        let before: String = offending.chars().take(column - 1).collect();
        let mark = " ".repeat(format!("{line} | {}", escaped(&before)).chars().count());
        format!(
            "cannot read {}:{line}:{column}: {}\n{line} | {}\n{mark}^",
            self.path(),
            escaped(&what.replace('\n', "; ")),
            escaped(offending),
        )
    }

    fn path(&self) -> String {
        escaped(&self.file.path.to_string_lossy())
    }

    /// Line and column, in characters from 1, of a byte.
    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// The entries as they stand in the file: the map itself is sorted by name.
fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> impl Iterator<Item = (&'t Spanned<DeString<'i>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: impl AsRef<[u8]>) -> (Vec<String>, String) {
        let file = File { layer: Layer::Tree, path: Path::new("/t/vmptcp.toml"), home: None };
        let (leaves, problems) = file.parse(text.as_ref());
        let shown = |leaf: Leaf| format!("{} = {} @ {}", leaf.key, leaf.value, leaf.origin);
        (leaves.into_iter().map(shown).collect(), problems.join("\n"))
    }

    #[test]
    fn every_value_knows_its_line() {
        let text =
            "# x\r\n[vm]\r\ncpus = 4\r\nrw = [\r\n  'a', '/b',\r\n]\r\n\n[test]\nenv.A = '1'\nenv.B = '2'\n";
        let (leaves, problems) = parse(text);
        assert_eq!(problems, "");
        assert_eq!(
            leaves,
            [
                "vm.cpus = 4 @ /t/vmptcp.toml:3",
                "vm.rw = [\"/t/a\", \"/b\"] @ /t/vmptcp.toml:4",
                "test.env = { A = \"1\" } @ /t/vmptcp.toml:9",
                "test.env = { B = \"2\" } @ /t/vmptcp.toml:10",
            ]
        );
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_and_the_rest_is_kept() {
        let (leaves, problems) = parse(
            "cpus = 2\n[vm]\ncpu = 4\ncpus = 'four'\nmemory = '1Q'\nboot-timeout = 0\nroot = '/'\n[kernel]\n\
             tree = '/x'\nvariant = 'fast'\njobs = 99999999999999999999\n[vn]\nx = 1\n[profile.a]\n\
             [profile.'b c']\ntests = ['x']\n[profile.d]\ntests = []\n[[results]]\n\
             ['vm.cpus']\n[test.env]\nA = 1\n1B = ''\n",
        );
        assert_eq!(leaves, ["vm.root = \"/\" @ /t/vmptcp.toml:7"]);
        insta::assert_snapshot!(problems, @r#"
        /t/vmptcp.toml:1:1: unknown setting cpus: the nearest is vm.cpus
        /t/vmptcp.toml:3:1: unknown setting vm.cpu: the nearest is vm.cpus
        /t/vmptcp.toml:4:1: vm.cpus = "four": expected a whole number from 0 to 1024
        /t/vmptcp.toml:5:1: vm.memory = "1Q": expected auto or a size of at least 64M, such as 512M or 2G
        /t/vmptcp.toml:6:1: vm.boot-timeout = 0: expected auto or a time above 0: 90 (seconds), 90s, 30m or 2h
        /t/vmptcp.toml:9:1: kernel.tree cannot be set in a tree's own file: set it in the user's, or with VMPTCP_KERNEL_TREE
        /t/vmptcp.toml:10:1: kernel.variant = "fast": expected normal, debug, btf or debug-btf
        /t/vmptcp.toml:11:1: kernel.jobs = 99999999999999999999: expected a whole number from 0 to 4096
        /t/vmptcp.toml:12:2: unknown section vn: the nearest is vm
        /t/vmptcp.toml:14:10: profile.a has no tests: add a line tests = ["..."]
        /t/vmptcp.toml:15:10: profile.b c: the name of a profile is of letters, digits, - and _
        /t/vmptcp.toml:18:1: profile.d.tests = []: expected a list of tests, at least one
        /t/vmptcp.toml:19:3: results is a section: expected a line [results] with its keys below
        /t/vmptcp.toml:20:2: unknown section "vm.cpus": the nearest is vm
        /t/vmptcp.toml:22:1: test.env = { A = 1 }: expected names of environment variables with a text each
        /t/vmptcp.toml:23:1: test.env = { 1B = "" }: expected names of environment variables with a text each
        "#);
    }

    #[test]
    fn a_malformed_file_shows_the_line() {
        insta::assert_snapshot!(parse("[vm]\nü = 'x\u{1b}[31m' y\n").1, @r"
        cannot read /t/vmptcp.toml:2:14: unexpected key or value, expected newline, `#`
        2 | ü = 'x\u001B[31m' y
                              ^
        ");
        insta::assert_snapshot!(parse("[vm]\ncpus = 1\ncpus = 2\n").1, @r"
        cannot read /t/vmptcp.toml:3:1: duplicate key
        3 | cpus = 2
            ^
        ");
        insta::assert_snapshot!(parse(b"[vm]\n# \xff\ncpus = 1\n").1, @r"
        cannot read /t/vmptcp.toml:2:3: this is not UTF-8
        2 | # \xff
              ^
        ");
        insta::assert_snapshot!(parse("[vm").1, @r"
        cannot read /t/vmptcp.toml:1:4: unclosed table, expected `]`
        1 | [vm
               ^
        ");
    }

    #[test]
    fn no_cut_of_a_file_is_fatal() {
        let text = super::super::DEFAULTS.replace("cpus", "cpüs").into_bytes();
        for length in (0..text.len()).step_by(13) {
            parse(&text[..length]);
        }
    }

    #[test]
    fn nothing_is_fine() {
        assert_eq!(parse(""), (Vec::new(), String::new()));
        assert_eq!(parse("\u{feff}[vm]\n"), (Vec::new(), String::new()));
    }
}
