//! Makefiles, as far as suites read them: assignments, continued lines and comments. Conditions are taken as true.

/// An assignment to a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// The first character of the operator: `=`, `:`, `?` or `+`.
    pub operator: char,
    /// What is assigned, not expanded.
    pub value: String,
}

/// All assignments outside of recipes, in order.
pub fn assignments(makefile: &str) -> Vec<Assignment> {
    logical_lines(makefile).iter().filter_map(|line| assignment(line)).collect()
}

/// Lines with their continuations joined, then without comments: make does it in this order. Recipes are left out.
fn logical_lines(makefile: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in makefile.lines() {
        if open.is_none() && line.starts_with('\t') {
            continue;
        }
        let mut joined = open.take().unwrap_or_default();
        if let Some(part) = line.strip_suffix('\\') {
            joined.push_str(part);
            joined.push(' ');
            open = Some(joined);
        } else {
            joined.push_str(line);
            lines.push(joined);
        }
    }
    lines.extend(open);
    for line in &mut lines {
        line.truncate(line.find('#').unwrap_or(line.len()));
    }
    lines
}

fn assignment(line: &str) -> Option<Assignment> {
    let (left, value) = line.split_once('=')?;
    let name = left.trim_end_matches([':', '?', '+', '!']);
    let operator = left[name.len()..].chars().next().unwrap_or('=');
    let name = name.trim();
    let name = name.strip_prefix("override ").or_else(|| name.strip_prefix("export ")).unwrap_or(name);
    Some(Assignment { name: name.trim().to_owned(), operator, value: value.to_owned() })
}

/// True if the text can be joined to a directory and put into an argv without surprises.
pub fn is_file_name(text: &str) -> bool {
    let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
    !text.is_empty() && !text.starts_with(['.', '-']) && text.chars().all(usual)
}
