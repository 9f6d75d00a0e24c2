//! Finds the first real error in the output of a build, and what to do about it.
//!
//! make goes on for a while after an error, in parallel, and then says `Error 1` once for each directory level; what
//! matters is somewhere in the middle. The output is looked at line by line as it comes, in bounded memory.

use super::steps::Step;
use std::collections::VecDeque;
use std::path::Path;

/// How many lines are kept of an error and its context.
const EXCERPT: usize = 40;

/// How many lines before an error may belong to it (`In file included from`, `In function`).
const BEFORE: usize = 12;

/// Watches the output of a build for its first error.
#[derive(Debug, Default)]
pub struct Watch {
    before: VecDeque<String>,
    excerpt: Vec<String>,
    state: State,
    /// What comes belongs to a warning after the error.
    in_warning: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    /// No error so far.
    #[default]
    Looking,
    /// In the excerpt of an error.
    Inside,
    /// The first error is complete.
    Done,
}

impl Watch {
    /// Takes in the next line of output.
    pub fn push(&mut self, line: &str) {
        if self.state == State::Done || is_noise(line) {
            return;
        }
        if self.state == State::Inside {
            // In a parallel make the steps of others come in between.
            if Step::parse(line).is_some() {
                return;
            }
            if line.starts_with("make") && line.contains("***") || self.excerpt.len() >= EXCERPT {
                // An error in what is included into every file does not say in which it was found.
                if let Some(target) = failed_object(line).filter(|target| !self.mentions(target)) {
                    self.excerpt.push(format!("(while making {target})"));
                }
                self.state = State::Done;
                return;
            }
            self.go_on(line);
            return;
        }
        if is_error(line) {
            self.excerpt = self.before.drain(..).filter(|line| is_lead(line)).collect();
            self.excerpt.push(line.to_owned());
            // A missing rule is said by make itself, in one line.
            self.state = if line.starts_with("make") { State::Done } else { State::Inside };
            return;
        }
        if Step::parse(line).is_some() {
            return;
        }
        if line.starts_with("make") && line.contains("*** ") {
            // A command failed without a word that is known: what it said last is all there is.
            let said = self.before.iter().any(|line| !line.trim().is_empty());
            self.excerpt = if said { self.before.drain(..).collect() } else { vec![line.to_owned()] };
            self.state = State::Done;
            return;
        }
        // What leads to another message (a warning) does not lead to this one.
        if !is_lead(line) {
            self.before.retain(|line| !is_lead(line));
        }
        if self.before.len() == BEFORE {
            self.before.pop_front();
        }
        self.before.push_back(line.to_owned());
    }

    /// Takes in a line after the first error: what belongs to it, and to the file's other errors, but not its warnings.
    fn go_on(&mut self, line: &str) {
        if is_lead(line) {
            self.before.push_back(line.to_owned());
        } else if line.contains(": warning: ") {
            self.before.clear();
            self.in_warning = true;
        } else if is_error(line) {
            self.excerpt.extend(self.before.drain(..));
            self.excerpt.push(line.to_owned());
            self.in_warning = false;
        } else if !self.in_warning {
            self.excerpt.push(line.to_owned());
        }
    }

    fn mentions(&self, object: &str) -> bool {
        let stem = Path::new(object).file_stem().unwrap_or_default().to_string_lossy();
        self.excerpt.iter().any(|line| line.contains(&*stem))
    }

    /// The first error with its context. Where nothing looked like one: the last lines that were no steps.
    pub fn first_error(&self) -> Vec<String> {
        let lines: Vec<String> = match self.state {
            State::Looking => self.before.iter().cloned().collect(),
            _ => self.excerpt.clone(),
        };
        let blank = |line: &String| line.trim().trim_matches('*').is_empty();
        let first = lines.iter().position(|line| !blank(line)).unwrap_or(0);
        let last = lines.iter().rposition(|line| !blank(line)).map_or(0, |at| at + 1);
        lines.get(first..last).unwrap_or_default().to_vec()
    }
}

/// The first real error in the output of a build, with its context: see [`Watch`].
pub fn first_error<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut watch = Watch::default();
    lines.into_iter().for_each(|line| watch.push(line));
    watch.first_error()
}

/// What make says about its own workings.
fn is_noise(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("make") else { return line == "compilation terminated." };
    let said = rest.split_once(": ").map_or(rest, |(_, said)| said);
    [
        "Entering directory",
        "Leaving directory",
        "Nothing to be done for",
        "*** Waiting for unfinished jobs",
        "*** Deleting file",
        "*** Deleting intermediate file",
        "warning: jobserver",
        "warning: -j",
    ]
    .iter()
    .any(|noise| said.starts_with(noise))
}

/// The object file in `make[2]: *** [scripts/Makefile.build:234: net/mptcp/pm.o] Error 1`.
fn failed_object(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("*** [")?;
    let (inside, _) = rest.rsplit_once("] Error ")?;
    let target = inside.rsplit_once(": ").map_or(inside, |(_, target)| target);
    (Path::new(target).extension()? == "o").then_some(target)
}

fn is_error(line: &str) -> bool {
    // file:line:col: error: …, cc1: error: …, as's Error:, ld.lld: error:, error: objtool:, ERROR: modpost:
    let compiler = [": error: ", ": fatal error: ", ": Error: ", ": internal compiler error: "];
    let start = ["error: ", "ERROR: ", "fatal error: ", "FAILED: ", "Error: ", "*** "];
    let linker = [
        ": undefined reference to ",
        ": multiple definition of ",
        ": cannot find ",
        "ld: final link failed",
        "relocation truncated to fit",
        ": file not recognized",
        ": discarded output section",
    ];
    let system = [
        "No space left on device",
        "Cannot allocate memory",
        "Killed signal terminated program",
        ": command not found",
        ": not found",
        ": Permission denied",
        ": syntax error",
        "Read-only file system",
    ];
    if line.starts_with("make") {
        // Only make itself knows of a missing rule; `*** [x.o] Error 1` is about an error that was printed before.
        return line.contains("*** ") && !line.contains("] Error ") && !line.contains("] Killed");
    }
    let any = |patterns: &[&str]| patterns.iter().any(|pattern| line.contains(pattern));
    if line.contains(": warning: ") || line.contains(": note: ") {
        return false;
    }
    any(&compiler)
        || start.iter().any(|pattern| line.starts_with(pattern))
        || any(&linker)
        || any(&system)
        || line.starts_with("BTF: ") && line.contains("not available")
}

/// A line before an error that belongs to it.
fn is_lead(line: &str) -> bool {
    let line_ = line.trim_start();
    line_.starts_with("In file included from ")
        || line_.starts_with("from ") && line_.ends_with([',', ':'])
        || line.ends_with(':') && (line.contains(": In function ") || line.contains(": in function "))
        || line.ends_with(": At top level:")
        || line.contains(": in function `") && line.ends_with(':')
        || line.contains("In member function")
}

/// What to do about an error, where its text tells. `tree` is the kernel tree that was built.
pub fn remedy(excerpt: &[String], tree: &Path) -> Option<String> {
    let text = excerpt.join("\n");
    let has = |pattern: &str| text.contains(pattern);
    if has("No space left on device") {
        return Some("free some disk space, then run the same command again".to_owned());
    }
    if has("Killed signal terminated program") || has("Cannot allocate memory") {
        return Some(
            "the machine ran out of memory: build with fewer jobs (--jobs 1), or close something".to_owned(),
        );
    }
    if has("source tree is not clean") {
        let tree = tree.display();
        return Some(format!("the tree was built inside itself; clean it, once: make -C {tree} mrproper"));
    }
    if has("source directory cannot contain spaces or colons") {
        return Some("move the tree to a path without spaces and colons".to_owned());
    }
    let system_header = |line: &String| {
        let header = line.split_once("fatal error: ")?.1.split_once(": No such file")?.0;
        let ours = ["linux/", "asm/", "net/", "generated/", "uapi/", "trace/"];
        (!ours.iter().any(|dir| header.starts_with(dir)) && !header.starts_with('/'))
            .then(|| header.to_owned())
    };
    if let Some(header) = excerpt.iter().find_map(system_header) {
        let known = [
            "gelf.h",
            "libelf.h",
            "openssl/",
            "elfutils/",
            "gmp.h",
            "mpc.h",
            "dwarf.h",
            "libcap",
            "sys/",
            "std",
        ];
        if known.iter().any(|known| header.starts_with(known)) || header == "gcc-plugin.h" {
            return Some(format!(
                "the header {header} is missing; see which package brings it: vmptcp doctor"
            ));
        }
    }
    let missing_tool = |line: &String| line.ends_with(": not found") || line.ends_with(": command not found");
    if excerpt.iter().any(missing_tool) || has("pahole") && has("not available") {
        return Some("a tool is missing; see which package brings it: vmptcp doctor".to_owned());
    }
    None
}

#[cfg(test)]
mod tests;
