//! Reads Rust source as text: which paths it names, on which line, in which module.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A file below `src/`, or below that of a crate.
pub struct Source {
    /// The crate in `crates/` that it belongs to; none for the package itself.
    pub owner: Option<String>,
    /// Relative to the package: `src/vm/spec.rs`.
    pub file: String,
    /// Its module: `vm::spec`. Empty for `lib.rs`, `main` for `main.rs`.
    pub module: String,
    /// How many lines it has.
    pub length: usize,
    /// Every path that it names, those of `use` trees one by one.
    pub mentions: Vec<Mention>,
    /// Its lines, without comments and the content of texts; number and text. Tests are left out.
    pub code: Vec<(usize, String)>,
}

/// A path in a source.
#[derive(Debug)]
pub struct Mention {
    /// Counted from 1.
    pub line: usize,
    /// From its first segment to its last; those of this crate begin with `crate`.
    pub path: String,
    /// It stands in a test.
    pub in_test: bool,
}

impl Source {
    /// `file:line`, for a message.
    pub fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.file)
    }

    /// The first segment of its module.
    pub fn room(&self) -> &str {
        self.module.split("::").next().unwrap_or_default()
    }

    /// Whether its module is this one, or within it.
    pub fn is_within(&self, module: &str) -> bool {
        is_within(&self.module, module)
    }
}

/// Whether a path is this module, or something within it.
pub fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The sources of the package itself, without those of the crates.
pub fn rooms_sources() -> impl Iterator<Item = &'static Source> {
    sources().iter().filter(|source| source.owner.is_none())
}

/// All sources of the package and its crates, read once.
pub fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(read_all)
}

fn read_all() -> Vec<Source> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&package.join("src"), &mut files);
    for owner in fs::read_dir(package.join("crates")).unwrap() {
        collect(&owner.unwrap().path().join("src"), &mut files);
    }
    files.sort();
    let read = |file: &PathBuf| {
        let name = file.strip_prefix(package).unwrap().to_str().unwrap().to_owned();
        read(name, &fs::read_to_string(file).unwrap())
    };
    files.iter().map(read).collect()
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Reads one source.
pub fn read(file: String, text: &str) -> Source {
    let owner = owner_of(&file);
    let module = module_of(&file);
    let bare = bare(text);
    let mut scopes =
        Scopes { file_is_test: module.split("::").any(|name| name == "tests"), ..Scopes::default() };
    let (mut mentions, mut code) = (Vec::new(), Vec::new());
    // A `use` that is still open: its first line, and its text so far.
    let mut tree: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(bare.lines()) {
        let in_test = scopes.in_test();
        let here: Vec<&str> = module
            .split("::")
            .filter(|name| !name.is_empty())
            .chain(scopes.names().map(|name| &**name))
            .collect();
        let mut named = Vec::new();
        if let Some(begun) = tree.take().or_else(|| use_of(line).map(|_| (number, String::new()))) {
            let part = if begun.1.is_empty() { use_of(line).unwrap_or_default() } else { line };
            let whole = format!("{} {part}", begun.1);
            match whole.split_once(';') {
                Some((whole, _)) => {
                    named.extend(expand(whole.trim()).into_iter().map(|path| (begun.0, path)));
                }
                None => tree = Some((begun.0, whole)),
            }
        } else {
            named.extend(paths(line).into_iter().map(|path| (number, path)));
        }
        mentions.extend(named.into_iter().map(|(line, path)| Mention {
            line,
            path: resolve(&path, &here, owner.as_deref()),
            in_test,
        }));
        if !in_test {
            code.push((number, line.to_owned()));
        }
        scopes.take(line);
    }
    Source { owner, length: text.lines().count(), file, module, mentions, code }
}

fn owner_of(file: &str) -> Option<String> {
    Some(file.strip_prefix("crates/")?.split('/').next()?.to_owned())
}

/// `src/vm/spec.rs` is `vm::spec`, `crates/ktap/src/parser.rs` is `ktap::parser`.
fn module_of(file: &str) -> String {
    let file = file.trim_end_matches(".rs");
    let (owner, path) = match file.strip_prefix("crates/").and_then(|rest| rest.split_once("/src/")) {
        Some((owner, path)) => (Some(owner), path),
        None => (None, file.strip_prefix("src/").unwrap_or(file)),
    };
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let path = if path == "lib" { String::new() } else { path.replace('/', "::") };
    let parts = owner.into_iter().chain(Some(&*path).filter(|path| !path.is_empty()));
    parts.collect::<Vec<_>>().join("::")
}

/// Which inline modules are open.
#[derive(Default)]
struct Scopes {
    file_is_test: bool,
    depth: usize,
    /// The name, the depth of braces outside, and whether it is a test.
    open: Vec<(String, usize, bool)>,
    /// `#[cfg(test)]` was seen, and its item not yet.
    announced: bool,
}

impl Scopes {
    fn in_test(&self) -> bool {
        self.file_is_test || self.announced || self.open.iter().any(|(.., test)| *test)
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        self.open.iter().map(|(name, ..)| name)
    }

    fn take(&mut self, line: &str) {
        let text = line.trim();
        if text.starts_with("#[cfg(test)]") {
            self.announced = true;
            return;
        }
        let name = text
            .trim_start_matches("pub ")
            .trim_start_matches("pub(crate) ")
            .trim_start_matches("pub(super) ");
        if let Some(name) = name.strip_prefix("mod ").and_then(|rest| rest.strip_suffix('{')) {
            self.open.push((name.trim().to_owned(), self.depth, self.announced));
        }
        if !text.is_empty() && !text.starts_with("#[") {
            self.announced = false;
        }
        for char in line.chars() {
            match char {
                '{' => self.depth += 1,
                '}' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        while self.open.last().is_some_and(|(_, outside, _)| self.depth <= *outside) {
            self.open.pop();
        }
    }
}

/// What stands behind `use`, if the line begins one.
fn use_of(line: &str) -> Option<&str> {
    let text = line.trim_start();
    let text = match text.strip_prefix("pub") {
        Some(rest) => rest.trim_start_matches(|char| "(cratesup)".contains(char)).trim_start(),
        None => text,
    };
    text.strip_prefix("use ")
}

/// The paths of a `use` tree: `a::{self, b as c}` is `a` and `a::b`.
fn expand(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((before, rest)) = tree.split_once('{') else {
        return vec![
            tree.split(" as ").next().unwrap_or_default().trim().trim_start_matches("::").to_owned(),
        ];
    };
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for char in inside.chars() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if char == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(char);
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    let within = |path: String| match path.as_str() {
        "self" => before.trim().trim_end_matches("::").to_owned(),
        path => format!("{}{path}", before.trim()),
    };
    parts.flat_map(|part| expand(part)).map(within).collect()
}

/// The paths of more than one segment in a line.
fn paths(line: &str) -> Vec<String> {
    let part = |char: char| char.is_alphanumeric() || char == '_' || char == ':';
    line.split(|char| !part(char))
        .map(|path| path.trim_matches(':'))
        .filter(|path| path.contains("::"))
        .map(str::to_owned)
        .collect()
}

/// A path as it begins in the package, where it is relative to the module `here`, or to the root of a crate.
fn resolve(path: &str, here: &[&str], owner: Option<&str>) -> String {
    if let Some((owner, rest)) = owner.zip(path.strip_prefix("crate::")) {
        return format!("crate::{owner}::{rest}");
    }
    let ups = path.split("::").take_while(|segment| *segment == "super").count();
    if ups == 0 {
        return path.to_owned();
    }
    let kept = &here[..here.len().saturating_sub(ups)];
    let rest = path.split("::").skip(ups);
    std::iter::once("crate").chain(kept.iter().copied()).chain(rest).collect::<Vec<_>>().join("::")
}

/// The text with nothing but blanks where comments and the contents of texts were; its lines stay.
fn bare(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let starts =
        |at: usize, what: &str| what.chars().enumerate().all(|(i, char)| chars.get(at + i) == Some(&char));
    let mut bare = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            '/' if starts(at, "//") => (at..chars.len()).find(|&i| chars[i] == '\n').unwrap_or(chars.len()),
            '/' if starts(at, "/*") => {
                (at..chars.len()).find(|&i| starts(i, "*/")).map_or(chars.len(), |i| i + 2)
            }
            '"' => end_of_text(&chars, at),
            'r' if !at
                .checked_sub(1)
                .is_some_and(|before| chars[before].is_alphanumeric() || chars[before] == '_') =>
            {
                let hashes = chars[at + 1..].iter().take_while(|char| **char == '#').count();
                let close = format!("\"{}", "#".repeat(hashes));
                if chars.get(at + 1 + hashes) == Some(&'"') {
                    let content = at + hashes + 2;
                    (content..chars.len())
                        .find(|&i| starts(i, &close))
                        .map_or(chars.len(), |i| i + hashes + 1)
                } else {
                    at
                }
            }
            '\'' if starts(at, "'\\") => {
                (at + 3..chars.len()).find(|&i| chars[i] == '\'').map_or(chars.len(), |i| i + 1)
            }
            '\'' if chars.get(at + 2) == Some(&'\'') => at + 3,
            _ => at,
        };
        if end == at {
            bare.push(chars[at]);
            at += 1;
        } else {
            bare.extend(chars[at..end].iter().map(|char| if *char == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    bare
}

/// Where the text ends that begins with a quote at `start`.
fn end_of_text(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}
