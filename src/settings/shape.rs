//! What a value must look like, how it is read from a variable's text, and how it is said when it is wrong.

use super::values::{self, Size};
use crate::suite::KnownFlake;
use crate::suite::sample::Declared;
use crate::text::{duration, is_hidden};
use crate::topology::Topology;
use serde::Deserialize;
use std::ops::Range;
use std::path::{self, Component, PathBuf};
use toml::de::{DeValue, ValueDeserializer};
use toml::{Spanned, Table, Value};

/// The form of a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Bool,
    /// A whole number between these two, inclusive.
    Number {
        min: i64,
        max: i64,
    },
    /// One of these.
    Word(&'static [&'static str]),
    /// Some of these, in any order.
    Words(&'static [&'static str]),
    /// Any text.
    Text,
    /// Text that reaches another program's command line: not empty, and no option.
    Argument,
    Texts,
    /// Texts, at least one.
    Tests,
    /// `NAME=value` each.
    Symbols,
    /// `TEST/SUBTEST until YYYY-MM-DD: reason` each.
    KnownFlakes,
    Path,
    /// A path or nothing.
    OptionalPath,
    Paths,
    /// A word for a base, or a path.
    Base,
    /// The name of an image, or a path.
    Root,
    /// A path, what git knows as a URL, or nothing.
    Repository,
    AutoSeconds,
    AutoMemory,
    /// A table of texts: names and values of environment variables.
    Variables,
    /// A network, whole.
    Topology,
    /// Sample programs.
    Samples,
}

/// What the paths of one place are relative to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anchor<'a> {
    /// Where relative paths start.
    pub dir: &'a path::Path,
    /// What `~` stands for.
    pub home: Option<&'a path::Path>,
}

impl Anchor<'_> {
    /// The absolute form of a path; none if that cannot be written as text.
    fn resolve(self, text: &str) -> Option<String> {
        let path = match (text.strip_prefix('~'), self.home) {
            (Some(""), Some(home)) => home.to_owned(),
            (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
            _ => self.dir.join(text),
        };
        let tidy: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
        tidy.into_os_string().into_string().ok()
    }
}

/// The least memory a guest can be given.
const LEAST_MEMORY: Size = Size::from_mib(64);

impl Shape {
    /// What is expected, for a person.
    pub fn expected(self) -> String {
        let words = |words: &[&str], last: &str| format!("{} or {last}", words.join(", "));
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Number { min, max } => format!("a whole number from {min} to {max}"),
            Self::Word([all @ .., last]) => words(all, last),
            Self::Words([all @ .., last]) => format!("a list of {}", words(all, last)),
            Self::Word([]) | Self::Words([]) => String::new(),
            Self::Text => "text without control or invisible characters".to_owned(),
            Self::Argument => "text that is not empty and does not begin with a dash".to_owned(),
            Self::Texts => "a list of texts, none of them empty".to_owned(),
            Self::Tests => "a list of tests, at least one".to_owned(),
            Self::Symbols => "a list of symbols with their values, such as \"FOO=y\"".to_owned(),
            Self::KnownFlakes => {
                "a list of known flakes, such as \"simult_flows/unbalanced* until 2027-03-01: reason\""
                    .to_owned()
            }
            Self::Path => "a path".to_owned(),
            Self::OptionalPath => "a path, or \"\"".to_owned(),
            Self::Paths => "a list of paths".to_owned(),
            Self::Base => words(values::Base::WORDS, "a path with a slash in it"),
            Self::Root => "the name of an image, or a path with a slash in it".to_owned(),
            Self::Repository => "a path with a slash in it, a URL of git, or \"\"".to_owned(),
            Self::AutoSeconds => "auto or a time above 0: 90 (seconds), 90s, 30m or 2h".to_owned(),
            Self::AutoMemory => format!("auto or a size of at least {LEAST_MEMORY}, such as 512M or 2G"),
            Self::Variables => "names of environment variables with a text each".to_owned(),
            Self::Topology => "a network with hosts and links".to_owned(),
            Self::Samples => "tables [[sample]] with a name and a path each".to_owned(),
        }
    }

    /// Reads the text of a variable, or of a flag. None if it cannot be a value of this shape; whether it is a good one
    /// is for [`Shape::accept`] to say.
    pub fn parse(self, text: &str) -> Option<Value> {
        match self {
            Self::Bool => match text {
                "true" | "yes" | "1" => Some(Value::Boolean(true)),
                "false" | "no" | "0" => Some(Value::Boolean(false)),
                _ => None,
            },
            Self::Number { .. } => text.parse().ok().map(Value::Integer),
            Self::AutoSeconds if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => {
                text.parse().ok().map(Value::Integer)
            }
            Self::Words(_) | Self::Texts | Self::Tests | Self::Symbols | Self::KnownFlakes | Self::Paths => {
                if text.starts_with('[') {
                    return inline_toml(text);
                }
                Some(Value::Array(items(text).map(Value::from).collect()))
            }
            Self::Variables => {
                if text.starts_with('{') {
                    return inline_toml(text);
                }
                let pair = |item: &str| {
                    item.split_once('=').map(|(name, value)| (name.to_owned(), Value::from(value)))
                };
                items(text).map(pair).collect::<Option<Table>>().map(Value::Table)
            }
            _ => Some(Value::from(text)),
        }
    }

    /// Checks a value and makes its paths absolute. None if it is not what is [expected](Self::expected).
    pub fn accept(self, value: Value, anchor: Anchor) -> Option<Value> {
        match (self, value) {
            (Self::Paths, Value::Array(items)) => {
                let path = |item| Self::Path.accept(item, anchor);
                items.into_iter().map(path).collect::<Option<_>>().map(Value::Array)
            }
            (
                Self::Path | Self::OptionalPath | Self::Base | Self::Root | Self::Repository,
                Value::String(text),
            ) => {
                if !plain(&text) {
                    return None;
                }
                match self {
                    Self::OptionalPath | Self::Repository if text.is_empty() => Some(Value::String(text)),
                    Self::Repository if !text.contains('/') => None,
                    Self::Repository if is_url(&text) => Some(Value::String(text)),
                    Self::Base if values::Base::WORDS.contains(&text.as_str()) => Some(Value::String(text)),
                    Self::Base if !text.contains('/') => None,
                    Self::Root if !text.contains('/') && is_argument(&text) => Some(Value::String(text)),
                    _ if text.is_empty() => None,
                    _ => anchor.resolve(&text).map(Value::String),
                }
            }
            (Self::AutoSeconds, Value::String(text)) if text != "auto" => {
                let seconds = i64::try_from(duration::parse(&text)?.as_secs()).ok()?;
                self.accept(Value::Integer(seconds), anchor)
            }
            (Self::Samples, Value::Array(items)) => {
                items.into_iter().map(|item| sample(item, anchor)).collect::<Option<_>>().map(Value::Array)
            }
            (_, value) => self.admits(&value).then_some(value),
        }
    }

    /// What is wrong with a value that is more than a word or a list, in its own words, and where in its file if that is
    /// known. The value is read with its places.
    pub fn complaint(self, value: &Spanned<DeValue>) -> Option<(String, Option<Range<usize>>)> {
        let read = || ValueDeserializer::from(value.clone());
        let told = |error: toml::de::Error| {
            (error.message().lines().next().unwrap_or_default().to_owned(), error.span())
        };
        match self {
            Self::Topology => match Topology::deserialize(read()) {
                Ok(topology) => topology.check().err().map(|why| (why, None)),
                Err(error) => Some(told(error)),
            },
            Self::Samples => Vec::<Declared>::deserialize(read()).err().map(told),
            _ => None,
        }
    }

    /// [`Shape::accept`] for values that are not paths.
    fn admits(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Bool, Value::Boolean(_)) => true,
            (Self::Number { min, max }, Value::Integer(number)) => (min..=max).contains(number),
            (Self::Word(words), Value::String(text)) => words.contains(&text.as_str()),
            (Self::Words(words), Value::Array(items)) => all_text(items, |text| words.contains(&text)),
            (Self::Text, Value::String(text)) => plain(text),
            (Self::Argument, Value::String(text)) => is_argument(text),
            (Self::AutoSeconds | Self::AutoMemory, Value::String(text)) if text == "auto" => true,
            (Self::AutoSeconds, Value::Integer(number)) => (1..=i64::from(u32::MAX)).contains(number),
            (Self::AutoMemory, Value::String(text)) => {
                text.parse::<Size>().is_ok_and(|size| size >= LEAST_MEMORY)
            }
            (Self::Texts, Value::Array(items)) => all_text(items, |text| plain(text) && !text.is_empty()),
            (Self::Tests, Value::Array(items)) => !items.is_empty() && all_text(items, is_argument),
            (Self::Symbols, Value::Array(items)) => all_text(items, is_symbol),
            (Self::KnownFlakes, Value::Array(items)) => {
                all_text(items, |text| plain(text) && text.parse::<KnownFlake>().is_ok())
            }
            (Self::Variables, Value::Table(table)) => table.iter().all(|(name, value)| {
                is_identifier(name) && value.as_str().is_some_and(|value| !value.contains('\0'))
            }),
            (Self::Topology, Value::Table(_)) => {
                Topology::deserialize(value.clone()).is_ok_and(|topology| topology.check().is_ok())
            }
            _ => false,
        }
    }
}

/// A sample with its path made absolute.
fn sample(item: Value, anchor: Anchor) -> Option<Value> {
    Declared::deserialize(item.clone()).ok()?;
    let Value::Table(mut table) = item else { return None };
    let path = Shape::Path.accept(table.get("path")?.clone(), anchor)?;
    table.insert("path".to_owned(), path);
    Some(Value::Table(table))
}

fn all_text(items: &[Value], good: impl Fn(&str) -> bool) -> bool {
    items.iter().all(|item| item.as_str().is_some_and(&good))
}

/// No control or invisible characters: such a text would be unsafe to show, and means a mistake everywhere that it could go.
fn plain(text: &str) -> bool {
    !text.contains(is_hidden)
}

/// As git reads it: `https://…`, or `host:path` with no slash before the colon.
fn is_url(text: &str) -> bool {
    is_argument(text) && text.split_once(':').is_some_and(|(before, _)| !before.contains('/'))
}

fn is_argument(text: &str) -> bool {
    plain(text) && !text.is_empty() && !text.starts_with('-')
}

fn is_symbol(text: &str) -> bool {
    let named = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    plain(text)
        && text.split_once('=').is_some_and(|(name, value)| {
            named(name.strip_prefix("CONFIG_").unwrap_or(name)) && !value.is_empty()
        })
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The parts of a list that is written with commas.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn inline_toml(text: &str) -> Option<Value> {
    Value::deserialize(ValueDeserializer::parse(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(shape: Shape, text: &str) -> Option<Value> {
        let anchor = Anchor { dir: path::Path::new("/d"), home: Some(path::Path::new("/home/me")) };
        shape.accept(shape.parse(text)?, anchor)
    }

    fn shown(shape: Shape, text: &str) -> String {
        accept(shape, text).map_or("refused".to_owned(), |value| value.to_string())
    }

    #[test]
    fn booleans_and_numbers() {
        assert_eq!(accept(Shape::Bool, "yes"), Some(Value::Boolean(true)));
        assert_eq!(accept(Shape::Bool, "0"), Some(Value::Boolean(false)));
        assert_eq!(accept(Shape::Bool, "on"), None);
        let number = Shape::Number { min: 1, max: 4 };
        assert_eq!(accept(number, "4"), Some(Value::Integer(4)));
        for bad in ["0", "5", "-1", "4.0", "four", "9999999999999999999999"] {
            assert_eq!(accept(number, bad), None, "{bad}");
        }
    }

    #[test]
    fn a_timeout_of_zero_is_none() {
        assert_eq!(accept(Shape::AutoSeconds, "90"), Some(Value::Integer(90)));
        assert_eq!(shown(Shape::AutoSeconds, "auto"), "\"auto\"");
        assert_eq!(accept(Shape::AutoSeconds, "30m"), Some(Value::Integer(1800)));
        for bad in ["0", "-1", "1.5", "90x", "0s", "4294967296", "4294967296s"] {
            assert_eq!(accept(Shape::AutoSeconds, bad), None, "{bad}");
        }
    }

    #[test]
    fn memory_is_auto_or_a_size_that_boots() {
        assert_eq!(shown(Shape::AutoMemory, "1G"), "\"1G\"");
        for bad in ["1", "1024", "63M", "1X", "lots"] {
            assert_eq!(accept(Shape::AutoMemory, bad), None, "{bad}");
        }
    }

    #[test]
    fn paths_become_absolute() {
        assert_eq!(shown(Shape::Path, "a/./b c"), "\"/d/a/b c\"");
        assert_eq!(shown(Shape::Path, "../ü"), "\"/d/../ü\"");
        assert_eq!(shown(Shape::Path, "/x"), "\"/x\"");
        assert_eq!(shown(Shape::Path, "~/x"), "\"/home/me/x\"");
        assert_eq!(shown(Shape::Path, "~"), "\"/home/me\"");
        assert_eq!(shown(Shape::Path, "~x"), "\"/d/~x\"");
        assert_eq!(shown(Shape::Path, ""), "refused");
        assert_eq!(shown(Shape::OptionalPath, ""), "\"\"");
        assert_eq!(shown(Shape::Paths, "a,/b"), "[\"/d/a\", \"/b\"]");
    }

    #[test]
    fn a_base_is_a_word_or_has_a_slash() {
        assert_eq!(shown(Shape::Base, "defconfig"), "\"defconfig\"");
        assert_eq!(shown(Shape::Base, "./minimal"), "\"/d/minimal\"");
        assert_eq!(shown(Shape::Base, "minmal"), "refused");
    }

    #[test]
    fn lists_are_split_at_commas_or_written_as_toml() {
        assert_eq!(shown(Shape::Texts, "quiet, panic=1,"), "[\"quiet\", \"panic=1\"]");
        assert_eq!(shown(Shape::Texts, "['a,b']"), "[\"a,b\"]");
        assert_eq!(shown(Shape::Texts, "[1]"), "refused");
        assert_eq!(shown(Shape::Words(&["delay", "loss"]), "loss,delay"), "[\"loss\", \"delay\"]");
        assert_eq!(shown(Shape::Words(&["delay", "loss"]), "loss,x"), "refused");
        assert_eq!(shown(Shape::Texts, "[\"a\""), "refused");
        assert_eq!(shown(Shape::Tests, ","), "refused");
        assert_eq!(shown(Shape::Variables, "A=1,B=x=y"), "{ A = \"1\", B = \"x=y\" }");
        assert_eq!(shown(Shape::Variables, "{ A = '1,2' }"), "{ A = \"1,2\" }");
        assert_eq!(shown(Shape::Variables, "A"), "refused");
        assert_eq!(shown(Shape::Variables, "1A=x"), "refused");
    }

    #[test]
    fn symbols_have_a_name_and_a_value() {
        assert_eq!(shown(Shape::Symbols, "FOO=y,CONFIG_BAR=\"x\""), "[\"FOO=y\", 'CONFIG_BAR=\"x\"']");
        for bad in ["FOO", "=y", "FOO=", "F-O=y", "CONFIG_=y", "['A=y\u{1b}']", "[\"A=y\\nB=y\"]"] {
            assert_eq!(accept(Shape::Symbols, bad), None, "{bad}");
        }
    }

    #[test]
    fn nothing_that_looks_like_an_option_reaches_git() {
        assert_eq!(shown(Shape::Argument, "export"), "\"export\"");
        assert_eq!(shown(Shape::Argument, "--upload-pack=x"), "refused");
        assert_eq!(shown(Shape::Argument, ""), "refused");
    }
}
