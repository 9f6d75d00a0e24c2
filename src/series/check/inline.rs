//! `inline`: the compiler decides in a source file; a function in a header has to be `static inline`.
//! (`Documentation/process/coding-style.rst`, "The inline disease"; netdev's maintainers ask for it.)

use crate::event::Finding;
use crate::series::diff::Change;
use crate::series::judgement::Judgement;
use crate::series::model::{Patch, Series};

pub(super) fn check(_: &Series, patch: &Patch) -> Judgement {
    let kernel = patch.changes.iter().filter(|change| !change.path.starts_with("tools/"));
    Judgement::Done(kernel.flat_map(of_file).collect())
}

fn of_file(change: &Change) -> Vec<Finding> {
    let header = change.ends_with(&[".h"]);
    if !header && !change.ends_with(&[".c"]) {
        return Vec::new();
    }
    let old: Vec<&str> = change.removed.iter().map(|line| line.text.trim()).collect();
    let mut found = Vec::new();
    for line in &change.added {
        let text = line.text.as_str();
        // What begins a function stands at the margin; what was only moved is not new.
        if text.starts_with([' ', '\t', '*', '/', '#']) || old.contains(&text.trim()) {
            continue;
        }
        let code = text.split("/*").next().unwrap_or_default();
        let words: Vec<&str> =
            code.split(|char: char| !char.is_ascii_alphanumeric() && char != '_').collect();
        let has = |word: &str| words.contains(&word);
        let inline = has("inline") || has("__inline") || has("__inline__");
        if !header && inline && code.contains('(') {
            let text =
                "inline in a source file: leave it to the compiler, or use __always_inline with a reason";
            found.push(Finding::warning(text).at(&change.path, line.number));
        } else if header && inline && !has("static") && !has("extern") && !has("define") {
            let text = "inline without static in a header: every file that includes it would define it";
            found.push(Finding::error(text).at(&change.path, line.number));
        } else if header && !inline && is_definition(code, &words) {
            let text = "a function without inline in a header: every file that includes it gets a copy";
            found.push(Finding::error(text).at(&change.path, line.number));
        }
    }
    found
}

/// `static int f(int x)`, without a semicolon: the beginning of a function.
fn is_definition(code: &str, words: &[&str]) -> bool {
    let code = code.trim_end();
    words.first() == Some(&"static")
        && !words.contains(&"__always_inline")
        && code.contains('(')
        && !code.split('{').next().unwrap_or_default().contains(['=', ';', '#'])
        && (code.ends_with(')') || code.ends_with(',') || code.ends_with('{') || code.ends_with('}'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::diff::parse;

    fn said(file: &str, line: &str) -> usize {
        let text =
            format!("diff --git a/{file} b/{file}\n--- a/{file}\n+++ b/{file}\n@@ -1,0 +1,1 @@\n+{line}\n");
        of_file(&parse(&text)[0]).len()
    }

    #[test]
    fn inline_belongs_into_headers_and_only_there() {
        assert_eq!(said("a.c", "static inline int f(void)"), 1);
        assert_eq!(said("a.c", "static int f(void)"), 0);
        assert_eq!(said("a.c", "static __always_inline int f(void)"), 0);
        assert_eq!(said("a.h", "static inline int f(void)"), 0);
        assert_eq!(said("a.h", "inline int f(void)"), 1);
        assert_eq!(said("a.h", "static int f(void) { return 0; }"), 1);
        assert_eq!(said("a.h", "int f(void);"), 0);
        assert_eq!(said("a.h", "static const struct x y[] = {"), 0);
        assert_eq!(said("a.c", " * inline f()"), 0);
        assert_eq!(said("a.sh", "inline f()"), 0);
    }
}
