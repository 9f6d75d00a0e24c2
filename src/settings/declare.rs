//! How a setting is declared: everything about it in one place, once.
//!
//! [`section!`] makes a section's struct, which the rest of vmptcp sees, and its rows: from these come the keys, the checks of
//! their values, the built-in layer with its documentation, and the flags of the command line.

use super::shape::Shape;

/// A setting.
#[derive(Debug)]
pub(super) struct Setting {
    /// Its section.
    pub section: &'static str,
    /// Its field in the section's struct. The key has dashes where this has underscores.
    pub field: &'static str,
    /// What its meaning is, a line each.
    pub about: &'static [&'static str],
    /// What a value looks like.
    pub shape: Shape,
    /// Its built-in value, as TOML.
    pub default: &'static str,
    /// The flag that overrides it, if there is one.
    pub flag: &'static [Flag],
}

/// A flag that overrides a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// Which commands have it.
    pub group: Group,
    /// Its name, without the dashes.
    pub long: &'static str,
    /// Its letter.
    pub short: Option<char>,
    /// Another name for it.
    pub alias: Option<&'static str>,
    /// What it takes.
    pub takes: Takes,
    /// What it is called in the help; empty where it takes nothing.
    pub value_name: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// The words that it takes, each with what it means; empty where there are others.
    pub words: &'static [(&'static str, &'static str)],
}

/// Flags that go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// On the kernel and its build.
    Kernel,
    /// On the guest.
    Guest,
    /// On tests.
    Tests,
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing: the setting becomes this.
    Nothing(bool),
    /// A value.
    Value,
    /// A number above 0, or `auto`, which is 0 in the settings.
    Count,
    /// A value, again and again, or words with commas between: they make a list.
    List,
    /// `NAME=VALUE`, again and again.
    Pairs,
}

impl Flag {
    pub(super) const fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    pub(super) const fn words(self, words: &'static [(&'static str, &'static str)]) -> Self {
        Self { words, ..self }
    }

    pub(super) const fn alias(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }
}

impl Group {
    const fn flag(
        self,
        long: &'static str,
        takes: Takes,
        value_name: &'static str,
        help: &'static str,
    ) -> Flag {
        Flag { group: self, long, short: None, alias: None, takes, value_name, help, words: &[] }
    }

    pub(super) const fn switch(self, long: &'static str, help: &'static str) -> Flag {
        self.flag(long, Takes::Nothing(true), "", help)
    }

    pub(super) const fn off(self, long: &'static str, help: &'static str) -> Flag {
        self.flag(long, Takes::Nothing(false), "", help)
    }

    pub(super) const fn value(self, long: &'static str, name: &'static str, help: &'static str) -> Flag {
        self.flag(long, Takes::Value, name, help)
    }

    pub(super) const fn count(self, long: &'static str, help: &'static str) -> Flag {
        self.flag(long, Takes::Count, "N|auto", help)
    }

    pub(super) const fn list(self, long: &'static str, name: &'static str, help: &'static str) -> Flag {
        self.flag(long, Takes::List, name, help)
    }

    pub(super) const fn pairs(self, long: &'static str, help: &'static str) -> Flag {
        self.flag(long, Takes::Pairs, "NAME=VALUE", help)
    }
}

/// Declares a section: its name, its struct, and its settings, each with a flag where one overrides it:
///
/// ```text
/// /// What it means, for the documentation of the built-in layer.
/// field: Type, by "a function, where serde needs one" = SHAPE, "built-in value as TOML", FLAG;
/// ```
macro_rules! section {
    ($(#[$meta:meta])* $section:ident $name:ident {
        $($(#[doc = $about:literal])+ $field:ident : $type:ty $(, by $by:literal)? = $shape:expr, $default:literal $(, $flag:expr)?;)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        #[allow(clippy::struct_excessive_bools, reason = "they are independent switches of the user's")]
        #[allow(clippy::doc_markdown, clippy::doc_link_with_quotes, reason = "the text is that of a settings file")]
        pub struct $name {
            $($(#[doc = $about])+ $(#[serde(deserialize_with = $by)])? pub $field: $type,)+
        }

        impl $name {
            /// Its settings, in order.
            pub(super) const SETTINGS: &'static [Setting] = &[$(Setting {
                section: stringify!($section),
                field: stringify!($field),
                about: &[$($about),+],
                shape: $shape,
                default: $default,
                flag: &[$($flag)?],
            }),+];
        }
    };
}

pub(super) use section;

impl Setting {
    /// Its key: `vm.boot-timeout`.
    pub fn key(&self) -> String {
        format!("{}.{}", self.section, self.name())
    }

    /// Its name within its section.
    fn name(&self) -> String {
        self.field.replace('_', "-")
    }

    /// Its line in the built-in layer, below its documentation.
    pub fn declaration(&self) -> String {
        let about = self.about.iter().map(|line| format!("#{}\n", line.trim_end()));
        format!("{}{} = {}\n", about.collect::<String>(), self.name(), self.default)
    }
}
