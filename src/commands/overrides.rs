//! Settings that flags override.

use crate::process::quote;
use crate::settings::Override;

/// Collects overrides of settings.
#[derive(Debug, Default)]
pub struct Overrides(Vec<Override>);

impl Overrides {
    /// The settings of `key` is what `flag` says, if it was given.
    #[must_use]
    pub fn value<T: ToString>(mut self, key: &'static str, flag: &str, value: Option<&T>) -> Self {
        if let Some(value) = value {
            let value = value.to_string();
            self.0.push(Override { key, flag: typed(flag, &value), value: value.into() });
        }
        self
    }

    /// The same for a flag without a value.
    #[must_use]
    pub fn switch(mut self, key: &'static str, flag: &str, given: bool) -> Self {
        if given {
            self.0.push(Override { key, flag: flag.to_owned(), value: true.into() });
        }
        self
    }

    /// The same for a flag that can be given several times.
    #[must_use]
    pub fn list<T: ToString>(mut self, key: &'static str, flag: &str, values: &[T]) -> Self {
        if !values.is_empty() {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            let flags: Vec<String> = values.iter().map(|value| typed(flag, value)).collect();
            self.0.push(Override { key, flag: flags.join(" "), value: values.into() });
        }
        self
    }

    /// An override that is made already.
    #[must_use]
    pub fn with(mut self, override_: Override) -> Self {
        self.0.push(override_);
        self
    }

    /// All of these and all of those.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The flags, as they were typed.
    pub fn typed(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|given| given.flag.as_str())
    }

    /// The overrides.
    pub fn into_vec(self) -> Vec<Override> {
        self.0
    }
}

/// A flag with its value, for a shell.
pub(super) fn typed(flag: &str, value: &str) -> String {
    format!("{flag} {}", quote(value))
}
