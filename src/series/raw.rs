//! What git itself says of a change: `git diff-index` or `git diff-tree` with `--raw --numstat -z --no-renames`. Pure.
//!
//! A patch can be read in more than one way, and what counts is what git made of it. So this is asked of git after the patch
//! was applied to an index, and before any file is written.

/// The options that [`parse`] reads the output of. A rename is told as a file that goes and one that comes.
pub const OPTIONS: [&str; 5] = ["--raw", "--numstat", "-z", "--no-renames", "--no-abbrev"];

/// A path whose content or mode is another one than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path. From a patch: to be checked before it is used.
    pub path: String,
    /// Its mode before; 0 if it is new.
    pub old_mode: u32,
    /// Its mode now; 0 if it is gone.
    pub new_mode: u32,
    /// How many lines are added; none if git takes it for binary.
    pub added: Option<u64>,
}

/// Reads git's answer. Fails, with the part that was not understood, rather than to pass over anything.
pub fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut counts = 0;
    let mut parts = text.split_terminator('\0');
    while let Some(part) = parts.next() {
        let wrong = || part.to_owned();
        if let Some(modes) = part.strip_prefix(':') {
            let path = parts.next().ok_or_else(wrong)?;
            let mut modes = modes.split(' ').map(|mode| u32::from_str_radix(mode, 8).ok());
            let mut mode = || modes.next().flatten().ok_or_else(wrong);
            entries.push(Entry {
                path: path.to_owned(),
                old_mode: mode()?,
                new_mode: mode()?,
                added: Some(0),
            });
            continue;
        }
        // They come in the order of the entries.
        let mut fields = part.splitn(3, '\t');
        let (added, _, path) = (fields.next(), fields.next(), fields.next());
        let entry = entries.get_mut(counts).filter(|entry| path == Some(&entry.path)).ok_or_else(wrong)?;
        entry.added = match added {
            Some("-") => None,
            Some(number) => Some(number.parse().map_err(|_| wrong())?),
            None => return Err(wrong()),
        };
        counts += 1;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_paths_and_lines_are_read() {
        let text = ":000000 120000 00 12 A@a\tb@:100644 100755 1 2 M@c@:100644 000000 1 0 D@d@\
                    1\t0\ta\tb@-\t-\tc@0\t7\td@";
        let said: Vec<String> = parse(&text.replace('@', "\0"))
            .unwrap()
            .iter()
            .map(|entry| {
                format!("{:?} {:o} {:o} {:?}", entry.path, entry.old_mode, entry.new_mode, entry.added)
            })
            .collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        "a\tb" 0 120000 Some(1)
        "c" 100644 100755 None
        "d" 100644 0 Some(0)
        "#);
        assert_eq!(parse(""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_not_understood_is_not_passed_over() {
        for text in [":100644 100644 1 2 M", "x", ":1 y z@p@", "1\t0\tp@", ":100644 100644 1 2 M@p@1\t0\tq@"]
        {
            assert!(parse(&text.replace('@', "\0")).is_err(), "{text:?}");
        }
    }
}
