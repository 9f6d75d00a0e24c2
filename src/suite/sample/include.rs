//! What sources include from outside of their directory. Pure.

use std::path::{Component, Path, PathBuf};

/// The paths that a source includes by `#include "…"`, as they are written.
pub fn quoted(text: &str) -> Vec<&str> {
    text.lines().filter_map(path_in).collect()
}

fn path_in(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix('#')?.trim_start().strip_prefix("include")?;
    rest.trim_start().strip_prefix('"')?.split_once('"').map(|(path, _)| path)
}

/// Where a path that a file in `dir` includes leads, if that is outside of `root`: `dir` is at or below `root`. Nothing on
/// the disk is looked at.
pub fn outside(root: &Path, dir: &Path, included: &str) -> Option<PathBuf> {
    let mut path = dir.to_owned();
    for part in Path::new(included).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                path.pop();
            }
            // An absolute path is there in any case.
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!path.starts_with(root)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_out_of_a_directory_is_found() {
        let text = "#include <stdio.h>\n  # include \"../x.h\" // why\n#include \"a/b.h\"\n#includes \"no\"\n#include \"\n";
        assert_eq!(quoted(text), ["../x.h", "a/b.h"]);
        let leads = |dir: &str, path: &str| {
            outside(Path::new("/s/pair"), Path::new(dir), path).map(|path| path.display().to_string())
        };
        assert_eq!(leads("/s/pair", "../x.h").as_deref(), Some("/s/x.h"));
        assert_eq!(leads("/s/pair/src", "../../common/x.h").as_deref(), Some("/s/common/x.h"));
        assert_eq!(leads("/s/pair/src", "../x.h"), None);
        assert_eq!(leads("/s/pair", "x.h"), None);
        assert_eq!(leads("/s/pair", "/etc/passwd"), None);
    }
}
