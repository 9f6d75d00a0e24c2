//! What a name is compared with: a glob or a part of it.

use crate::error::{Error, Result};
use globset::{GlobBuilder, GlobMatcher};

/// A glob, if it has any of `*?[{`, which must match the whole name; else a text that the name must contain.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    glob: Option<GlobMatcher>,
}

impl Pattern {
    /// Reads a pattern. A malformed glob is an error of usage.
    pub fn new(text: &str) -> Result<Self> {
        let glob = if text.contains(['*', '?', '[', '{']) { Some(compile(text)?) } else { None };
        Ok(Self { text: text.to_owned(), glob })
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is a glob.
    pub fn is_glob(&self) -> bool {
        self.glob.is_some()
    }

    /// Whether it applies to a name.
    pub fn matches(&self, name: &str) -> bool {
        match &self.glob {
            Some(glob) => glob.is_match(name),
            None => name.contains(&self.text),
        }
    }
}

fn compile(text: &str) -> Result<GlobMatcher> {
    let glob = GlobBuilder::new(text).literal_separator(false).backslash_escape(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| {
        Error::usage(format!("the pattern {text:?} is malformed: {}", error.kind()))
            .hint("put a backslash before a `[`, `{`, `*` or `?` that stands for itself")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names_and_texts_a_part() {
        let matches = |pattern, name| Pattern::new(pattern).unwrap().matches(name);
        assert!(matches("connect", "mptcp_connect_mmap"));
        assert!(!matches("connect*", "mptcp_connect_mmap"));
        assert!(matches("*connect*", "mptcp_connect_mmap"));
        assert!(matches("{a,b}?", "b1"));
        assert!(matches("*", "a/b c"));
        assert!(matches(r"set flags \[*", "set flags [backup]"));
        assert!(!matches("Connect", "connect"));
    }

    #[test]
    fn a_malformed_glob_says_what_is_wrong() {
        let wrong = Pattern::new("mptcp_[a").unwrap_err();
        assert_eq!(wrong.kind(), error::Kind::Usage);
        insta::assert_snapshot!(format!("{wrong}\n{}", wrong.remedy().unwrap()), @r#"
        the pattern "mptcp_[a" is malformed: unclosed character class; missing ']'
        put a backslash before a `[`, `{`, `*` or `?` that stands for itself
        "#);
    }
}
