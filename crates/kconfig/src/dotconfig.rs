//! A resolved `.config`.

use crate::fragment::{Value, is_symbol, unset};
use std::collections::HashMap;

/// Every symbol that a `.config` mentions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DotConfig {
    values: HashMap<String, Value>,
}

impl DotConfig {
    /// Reads a `.config`. Lines that it cannot have are passed over: kconfig wrote it, and kconfig judges it.
    pub fn parse(text: &str) -> Self {
        let values = text.lines().filter_map(|line| assignment(line.trim()));
        Self { values: values.map(|(symbol, value)| (symbol.to_owned(), value)).collect() }
    }

    /// The value of a symbol without its `CONFIG_`. `None` if it is not mentioned, which kconfig means as off.
    pub fn get(&self, symbol: &str) -> Option<&Value> {
        self.values.get(symbol)
    }

    /// How many symbols are built in or modules, or have a value.
    pub fn len_on(&self) -> usize {
        self.values.values().filter(|value| **value != Value::No).count()
    }
}

/// The symbol and value of a line, as far as it is one of `.config`.
pub fn assignment(line: &str) -> Option<(&str, Value)> {
    if let Some(symbol) = unset(line) {
        return Some((symbol, Value::No));
    }
    let (symbol, raw) = line.strip_prefix("CONFIG_")?.split_once('=')?;
    Some((symbol, Value::parse(raw)?)).filter(|(symbol, _)| is_symbol(symbol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_off_and_absent_are_told_apart() {
        let text = "#\n# Automatically generated file; DO NOT EDIT.\n#\nCONFIG_CC_VERSION_TEXT=\"gcc (x) 12\"\n\
                    CONFIG_MPTCP=y\n# CONFIG_DRM is not set\nCONFIG_NR_CPUS=64\nrubbish\nCONFIG_=y\n";
        let config = DotConfig::parse(text);
        assert_eq!(config.get("CC_VERSION_TEXT"), Some(&Value::Str("gcc (x) 12".into())));
        assert_eq!(config.get("MPTCP"), Some(&Value::Yes));
        assert_eq!(config.get("DRM"), Some(&Value::No));
        assert_eq!(config.get("USB"), None);
        assert_eq!(config.len_on(), 3);
    }
}
