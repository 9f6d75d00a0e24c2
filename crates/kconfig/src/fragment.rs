//! Kconfig fragments and the command line's symbols, parsed into requests.
//!
//! A fragment is what `scripts/kconfig/merge_config.sh` takes: `CONFIG_X=y|m|n|number|"string"`, `# CONFIG_X is not
//! set`, comments and blank lines. One kind of comment means something here:
//!
//! ```text
//! #? CONFIG_IP_NF_FILTER: newer trees hide it behind IP_NF_IPTABLES_LEGACY; the tests use nft there
//! ```
//!
//! says that it does no harm if this symbol does not take, and why. If it does not, that is a note which carries this
//! reason instead of a warning or an error, whichever fragment asked for it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Who asks for a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asker {
    /// The tool that configures: a fragment of its own. It gives way to what the tree asks for.
    // The name in JSON is that of the tool for which this was written.
    #[serde(rename = "vmptcp")]
    Tool,
    /// The kernel tree: the config file of its selftests.
    Tree,
    /// The user: a fragment, a setting, a flag.
    User,
}

/// A fragment's text, and what to call it when something in it did not take.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// Whose it is.
    pub by: Asker,
    /// A path, or a name such as "virtme-ng".
    pub label: String,
    /// Its text, in the format of the kernel's fragments.
    pub text: String,
}

impl Fragment {
    /// The same with what it asks for as modules built in: for a kernel whose guests have no modules to load.
    #[must_use]
    pub fn built_in(self) -> Self {
        let line = |line: &str| match line.strip_suffix("=m") {
            Some(symbol) if symbol.starts_with("CONFIG_") => format!("{symbol}=y\n"),
            _ => format!("{line}\n"),
        };
        Self { text: self.text.lines().map(line).collect(), ..self }
    }
}

/// Where a symbol was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// Who asks.
    pub by: Asker,
    /// The fragment's label, or "-e on the command line".
    pub label: String,
    /// The line, counted from 1, where there is one.
    pub line: Option<u32>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// The value of a symbol, as it was asked for or as it is in `.config`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Value {
    /// Off. In `.config` this is `# CONFIG_X is not set`, or no line at all.
    No,
    /// A module.
    Module,
    /// Built in.
    Yes,
    /// A string: the raw form between the quotes, escapes untouched.
    Str(String),
    /// A decimal or hexadecimal number, as it was written.
    Num(String),
}

impl Value {
    /// Reads the right-hand side of `CONFIG_X=`; `None` if it is none of the forms that kconfig takes.
    pub fn parse(raw: &str) -> Option<Self> {
        match raw {
            "n" => Some(Self::No),
            "m" => Some(Self::Module),
            "y" => Some(Self::Yes),
            _ if is_number(raw) => Some(Self::Num(raw.to_owned())),
            _ => {
                let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
                ends_before_its_quote(inner).then(|| Self::Str(inner.to_owned()))
            }
        }
    }

    /// True if both mean the same to kconfig: numbers compare by value where both are numbers of the same base.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Num(a), Self::Num(b)) => match (number(a), number(b)) {
                (Some(a), Some(b)) => a == b,
                _ => a == b,
            },
            _ => self == other,
        }
    }

    /// How much of a symbol this is: 0 for n, 1 for m, 2 for y. `None` for a number or a string.
    pub fn rank(&self) -> Option<u8> {
        match self {
            Self::No => Some(0),
            Self::Module => Some(1),
            Self::Yes => Some(2),
            Self::Str(_) | Self::Num(_) => None,
        }
    }

    /// True if this is all that `wanted` asks for: the same, or y where m would do.
    pub fn meets(&self, wanted: &Self) -> bool {
        self.same(wanted) || self.rank().zip(wanted.rank()).is_some_and(|(this, wanted)| this > wanted)
    }

    /// How the line of `.config` for `symbol` reads.
    pub fn line(&self, symbol: &str) -> String {
        match self {
            Self::No => format!("# CONFIG_{symbol} is not set"),
            _ => format!("CONFIG_{symbol}={self}"),
        }
    }
}

/// As it stands in `.config`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => f.write_str("n"),
            Self::Module => f.write_str("m"),
            Self::Yes => f.write_str("y"),
            Self::Str(text) => write!(f, "\"{text}\""),
            Self::Num(text) => f.write_str(text),
        }
    }
}

impl From<Value> for String {
    fn from(value: Value) -> Self {
        value.to_string()
    }
}

impl TryFrom<String> for Value {
    type Error = String;

    fn try_from(raw: String) -> Result<Self, String> {
        Self::parse(&raw).ok_or_else(|| format!("not the value of a kernel symbol: {raw}"))
    }
}

/// One symbol with the value that was asked for it, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Request {
    /// Without `CONFIG_`.
    pub symbol: String,
    /// What it should be.
    pub value: Value,
    /// Who asked.
    pub origin: Origin,
}

/// "If this symbol does not take, that does no harm": a `#?` comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiver {
    /// Without `CONFIG_`.
    pub symbol: String,
    /// Why it does no harm.
    pub reason: String,
    /// Where that is written.
    pub origin: Origin,
}

/// What a fragment says, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Every symbol that it sets or unsets.
    pub requests: Vec<Request>,
    /// Every symbol that may fail.
    pub waivers: Vec<Waiver>,
}

/// A line of a fragment, or a flag, that asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Where it is, what is wrong with it, and its text. Untrusted.
    pub message: String,
    /// What to write.
    pub remedy: String,
}

impl Malformed {
    fn new(message: String, remedy: impl Into<String>) -> Self {
        Self { message, remedy: remedy.into() }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Malformed {}

const EXPECTED: &str = "write CONFIG_NAME=y, =m, =n, a number or a \"string\", or: # CONFIG_NAME is not set";

impl Fragment {
    /// Parses it; the error of a malformed line names the label, the line and its text.
    pub fn parse(&self) -> Result<Parsed, Malformed> {
        let mut parsed = Parsed::default();
        for (line, number) in self.text.lines().zip(1u32..) {
            let line = line.trim_start_matches('\u{feff}').trim();
            let origin = || Origin { by: self.by, label: self.label.clone(), line: Some(number) };
            let malformed =
                |what: &str| Malformed::new(format!("{}:{number}: {what}: {line}", self.label), EXPECTED);
            if let Some(rest) = line.strip_prefix("#?") {
                let (symbol, reason) = rest
                    .split_once(':')
                    .map(|(symbol, reason)| (bare(symbol.trim()), reason.trim()))
                    .filter(|(symbol, reason)| is_symbol(symbol) && !reason.is_empty())
                    .ok_or_else(|| {
                        let remedy = "write #? CONFIG_NAME: why it does no harm if it does not take";
                        Malformed { remedy: remedy.to_owned(), ..malformed("not a waiver") }
                    })?;
                parsed.waivers.push(Waiver {
                    symbol: symbol.to_owned(),
                    reason: reason.to_owned(),
                    origin: origin(),
                });
            } else if let Some(symbol) = unset(line) {
                parsed.requests.push(Request {
                    symbol: symbol.to_owned(),
                    value: Value::No,
                    origin: origin(),
                });
            } else if !line.is_empty() && !line.starts_with('#') {
                let (symbol, raw) =
                    line.split_once('=').ok_or_else(|| malformed("not a line of a fragment"))?;
                let symbol = symbol
                    .strip_prefix("CONFIG_")
                    .filter(|symbol| is_symbol(symbol))
                    .ok_or_else(|| malformed("not the name of a symbol"))?;
                let value = Value::parse(raw).ok_or_else(|| malformed("not a value"))?;
                parsed.requests.push(Request { symbol: symbol.to_owned(), value, origin: origin() });
            }
        }
        Ok(parsed)
    }
}

impl Request {
    /// `-e SYM`, `-d SYM`, `-m SYM`: `option` is the flag as it was given. The `CONFIG_` prefix may be left out.
    pub fn from_flag(option: &str, symbol: &str, value: Value) -> Result<Self, Malformed> {
        let bare = bare(symbol.trim());
        if !is_symbol(bare) {
            return Err(Malformed::new(
                format!("{option} {symbol}: not the name of a kernel symbol"),
                format!("a name has letters, digits and underscores only: {option} MPTCP_IPV6"),
            ));
        }
        let origin = Origin { by: Asker::User, label: format!("{option} on the command line"), line: None };
        Ok(Self { symbol: bare.to_owned(), value, origin })
    }

    /// `--set SYM=VALUE`: a value that is not y, m, n, a number or quoted is taken as a string.
    pub fn from_assignment(option: &str, assignment: &str) -> Result<Self, Malformed> {
        let Some((symbol, raw)) = assignment.split_once('=') else {
            return Err(Malformed::new(
                format!("{option} {assignment}: no value"),
                format!("write it as {option} {assignment}=VALUE"),
            ));
        };
        let value = match Value::parse(raw) {
            Some(value) => value,
            None if raw.contains(['\n', '\r']) => {
                return Err(Malformed::new(
                    format!("{option} {symbol}: the value has more than one line"),
                    "kernel symbols hold one line",
                ));
            }
            None => Value::Str(raw.replace('\\', "\\\\").replace('"', "\\\"")),
        };
        Self::from_flag(option, symbol, value)
    }
}

/// The symbol of a `# CONFIG_X is not set` line.
pub(crate) fn unset(line: &str) -> Option<&str> {
    let mut words = line.strip_prefix('#')?.split_whitespace();
    let symbol = words.next()?.strip_prefix("CONFIG_")?;
    (is_symbol(symbol) && words.eq(["is", "not", "set"])).then_some(symbol)
}

fn bare(symbol: &str) -> &str {
    symbol.strip_prefix("CONFIG_").unwrap_or(symbol)
}

pub(crate) fn is_symbol(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_number(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// The number that a raw value stands for, if it fits; decimal, or hexadecimal with `0x`.
pub fn number(raw: &str) -> Option<i128> {
    let (sign, digits) = raw.strip_prefix('-').map_or((1, raw), |digits| (-1, digits));
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => i128::from_str_radix(hex, 16).ok()?,
        None => digits.parse::<i128>().ok().filter(|_| is_number(digits))?,
    };
    Some(sign * value)
}

/// False if a quote inside of `inner` is not escaped, or its last backslash escapes the closing quote.
fn ends_before_its_quote(inner: &str) -> bool {
    let mut escaped = false;
    for char in inner.chars() {
        match char {
            '"' if !escaped => return false,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    !escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Parsed, Malformed> {
        Fragment { by: Asker::User, label: "my.config".into(), text: text.into() }.parse()
    }

    #[test]
    fn modules_can_be_asked_for_as_built_in() {
        let text = "# CONFIG_A=m\nCONFIG_B=m\nCONFIG_C=n\nCONFIG_D=\"=m\"\n#? CONFIG_B: why=m\n".to_owned();
        let fragment = Fragment { by: Asker::Tree, label: "config".into(), text };
        let text = "# CONFIG_A=m\nCONFIG_B=y\nCONFIG_C=n\nCONFIG_D=\"=m\"\n#? CONFIG_B: why=m\n";
        assert_eq!(fragment.built_in().text, text);
    }

    #[test]
    fn every_form_of_a_line_is_read() {
        let text = "\u{feff}CONFIG_A=y\r\n# CONFIG_B is not set\r\n\n# a comment = with CONFIG_Z\n##: virtme's\n\
                    CONFIG_C=m  \nCONFIG_D=-1\nCONFIG_E=0x1F\nCONFIG_F=\"a \\\"b\\\" c\"\nCONFIG_G=n\nCONFIG_64BIT=y";
        let parsed = parse(text).unwrap();
        let lines: Vec<String> =
            parsed.requests.iter().map(|r| format!("{} {}", r.origin, r.value.line(&r.symbol))).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        my.config:1 CONFIG_A=y
        my.config:2 # CONFIG_B is not set
        my.config:6 CONFIG_C=m
        my.config:7 CONFIG_D=-1
        my.config:8 CONFIG_E=0x1F
        my.config:9 CONFIG_F="a \"b\" c"
        my.config:10 # CONFIG_G is not set
        my.config:11 CONFIG_64BIT=y
        "#);
    }

    #[test]
    fn a_malformed_line_names_file_line_text_and_what_is_expected() {
        let texts = [
            "CONFIG_A=y\nMPTCP=y",
            "CONFIG_A",
            "CONFIG_A=Y",
            "CONFIG_A=\"open",
            "CONFIG_A=y # why",
            "CONFIG_A B=y",
            "#? CONFIG_X",
        ];
        let errors: Vec<String> = texts.iter().map(|text| parse(text).unwrap_err().to_string()).collect();
        insta::assert_snapshot!(errors.join("\n"), @r#"
        my.config:2: not the name of a symbol: MPTCP=y
        my.config:1: not a line of a fragment: CONFIG_A
        my.config:1: not a value: CONFIG_A=Y
        my.config:1: not a value: CONFIG_A="open
        my.config:1: not a value: CONFIG_A=y # why
        my.config:1: not the name of a symbol: CONFIG_A B=y
        my.config:1: not a waiver: #? CONFIG_X
        "#);
        assert_eq!(parse("CONFIG_A").unwrap_err().remedy, EXPECTED);
    }

    #[test]
    fn an_excuse_has_a_symbol_and_a_reason() {
        let parsed = parse("#? CONFIG_X: gone: since 6.17").unwrap();
        let origin = Origin { by: Asker::User, label: "my.config".into(), line: Some(1) };
        assert_eq!(
            parsed.waivers,
            [Waiver { symbol: "X".into(), reason: "gone: since 6.17".into(), origin }]
        );
        assert!(parsed.requests.is_empty());
    }

    #[test]
    fn flags_take_a_symbol_with_or_without_its_prefix() {
        for symbol in ["MPTCP", "CONFIG_MPTCP"] {
            let request = Request::from_flag("-e", symbol, Value::Yes).unwrap();
            assert_eq!(
                (request.symbol.as_str(), request.origin.to_string().as_str()),
                ("MPTCP", "-e on the command line")
            );
        }
        assert!(Request::from_flag("-e", "MPTCP;id", Value::Yes).is_err());
        assert!(Request::from_flag("-e", "", Value::Yes).is_err());
    }

    #[test]
    fn assignments_quote_what_must_be_quoted() {
        let line = |text| Request::from_assignment("--set", text).map(|r| r.value.line(&r.symbol));
        assert_eq!(line("NR_CPUS=8").unwrap(), "CONFIG_NR_CPUS=8");
        assert_eq!(line("LOCALVERSION=-a\"b").unwrap(), r#"CONFIG_LOCALVERSION="-a\"b""#);
        assert_eq!(line("CONFIG_X=\"y\"").unwrap(), "CONFIG_X=\"y\"");
        assert_eq!(line("X=").unwrap(), "CONFIG_X=\"\"");
        assert!(line("X").is_err());
        assert!(line("X=a\nCONFIG_Y=y").is_err());
    }

    #[test]
    fn numbers_are_the_same_by_value() {
        let same = |a, b| Value::parse(a).unwrap().same(&Value::parse(b).unwrap());
        assert!(same("0x1f", "0X1F") && same("010", "10") && same("-1", "-1"));
        assert!(!same("1", "\"1\"") && !same("y", "m"));
    }
}
