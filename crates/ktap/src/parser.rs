//! The stack of open groups, and what each line does to it.

use super::comment::{describe, plan_skip, unescape};
use super::level::{Header, Level, clip};
use super::syntax::{Number, Token, scan};
use super::{Event, GroupId, Problem, TestResult, clean};

/// How deep results may be nested. What is deeper is text.
pub const MAX_DEPTH: usize = 16;

/// Reads a stream line by line. Whatever it is fed, it does not fail, and what it remembers is bounded.
#[derive(Debug)]
pub struct Parser {
    /// The open groups, outermost first; never empty.
    levels: Vec<Level>,
    opened: u64,
    /// True once the outermost group has been reported.
    begun: bool,
    results: u64,
    /// True if the stream is the kernel's log, where TAP has time stamps too.
    stamped: bool,
    yaml: Yaml,
    too_deep: bool,
}

/// Whether a YAML block (TAP 13) is open. Only right after a result can one begin.
#[derive(Debug)]
enum Yaml {
    No,
    After { prefix: String },
    Inside { prefix: String },
}

/// Where a token with a given prefix belongs: at an open level, or in a new one inside it.
#[derive(Clone, Copy)]
struct Place {
    level: usize,
    nested: bool,
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

impl Parser {
    /// A parser at the start of a stream.
    pub fn new() -> Self {
        Self {
            levels: vec![Level::outermost(GroupId(0))],
            opened: 1,
            begun: false,
            results: 0,
            stamped: false,
            yaml: Yaml::No,
            too_deep: false,
        }
    }

    /// How many results there were so far, at all depths. None at all, and it may not have been TAP.
    pub fn results(&self) -> u64 {
        self.results
    }

    /// Takes in a line, with or without its line end.
    pub fn line(&mut self, raw: &[u8]) -> Vec<Event> {
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.begun, true) {
            out.push(Event::Opened { group: GroupId(0), parent: None });
        }
        let decoded = clean::decode(raw);
        let visible = clean::visible(&decoded);
        if !self.in_yaml(&visible, &mut out) {
            self.read(&decoded, &visible, &mut out);
        }
        out
    }

    /// The end of the stream: everything that is still open is closed. The parser is ready for another stream.
    pub fn finish(&mut self) -> Vec<Event> {
        let mut out = Vec::new();
        while self.begun && !self.levels.is_empty() {
            self.pop(&mut out);
        }
        *self = Self::new();
        out
    }

    fn read(&mut self, decoded: &str, visible: &str, out: &mut Vec<Event>) {
        if let Some(body) = clean::after_stamp(visible) {
            self.stamped |= matches!(scan(body), Some((_, Token::Version(_))));
            if !(self.stamped && (self.structure(body, out) || self.diagnostic(body, out))) {
                out.push(Event::Kernel { text: visible.to_owned(), glued: false });
            }
            return;
        }
        let (head, tail) = clean::split_glued(visible);
        if self.structure(head, out) {
            out.extend(tail.map(|text| Event::Kernel { text: text.to_owned(), glued: true }));
        } else if !self.diagnostic(visible, out) {
            out.push(Event::Text { text: decoded.to_owned() });
        }
    }

    /// True if the line belongs to a YAML block. One ends with `...`, a line that is indented less, or a version line.
    fn in_yaml(&mut self, line: &str, out: &mut Vec<Event>) -> bool {
        let prefix = match std::mem::replace(&mut self.yaml, Yaml::No) {
            Yaml::No => return false,
            Yaml::After { prefix } => {
                let blanks = line.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix("---"));
                match blanks {
                    Some(blanks) if !blanks.is_empty() && blanks.len() <= 8 && blanks.trim().is_empty() => {
                        format!("{prefix}{blanks}")
                    }
                    _ => return false,
                }
            }
            Yaml::Inside { prefix } => prefix,
        };
        let Some(text) = line.strip_prefix(&prefix) else { return false };
        if matches!(scan(text), Some((_, Token::Version(_)))) {
            return false;
        }
        let group = self.deepest(line).group;
        out.push(Event::Diagnostic { group, text: text.to_owned() });
        if text.trim_end() != "..." {
            self.yaml = Yaml::Inside { prefix };
        }
        true
    }

    /// Reads a line that has a meaning of its own. False if it has none, here and now.
    fn structure(&mut self, line: &str, out: &mut Vec<Event>) -> bool {
        let Some((prefix, token)) = scan(line) else { return false };
        let place = self.place(prefix);
        if !self.is_expected(token, place, prefix) {
            return false;
        }
        if let Token::BailOut(reason) = token {
            let group = self.levels[place.level].group;
            out.push(Event::BailOut { group, reason: reason.to_owned() });
            return true;
        }
        if place.nested && place.level + 1 >= MAX_DEPTH {
            return self.refuse_depth(line, out);
        }
        match token {
            Token::Result { ok, number, rest, .. } => self.result(place, prefix, (ok, number, rest), out),
            _ => self.announcement(place, prefix, token, out),
        }
        true
    }

    /// Whether a token counts where it stands. Text for people may begin like a result; what opens a group, above all,
    /// must look the part.
    fn is_expected(&self, token: Token<'_>, place: Place, prefix: &str) -> bool {
        let level = &self.levels[place.level];
        if !place.nested {
            return match token {
                Token::Result { number, .. } => level.announced || number != Number::Absent,
                _ => true,
            };
        }
        let subtest = level.pending.as_ref().is_some_and(|header| header.subtest);
        match token {
            Token::Version(_) | Token::BailOut(_) => true,
            Token::Runner(_) => false,
            Token::Plan { .. } | Token::Subtest(_) => level.announced || subtest,
            Token::Result { number, dash, .. } => {
                let first = number == Number::Is(1) && (dash || !prefix[level.prefix.len()..].contains('#'));
                subtest || (level.announced && first)
            }
        }
    }

    fn refuse_depth(&mut self, line: &str, out: &mut Vec<Event>) -> bool {
        let group = self.deepest(line).group;
        out.push(Event::Text { text: line.to_owned() });
        if !std::mem::replace(&mut self.too_deep, true) {
            out.push(Event::Problem { group, problem: Problem::TooDeep });
        }
        true
    }

    fn result(
        &mut self,
        place: Place,
        prefix: &str,
        (ok, number, rest): (bool, Number<'_>, &str),
        out: &mut Vec<Event>,
    ) {
        let description = describe(rest);
        let closes = if place.nested {
            self.open(place.level, prefix, None, out);
            None
        } else {
            self.sum_up(place.level, &description.name, out)
        };
        let depth = self.levels.len() - 1;
        let level = &mut self.levels[depth];
        level.fresh = false;
        let group = level.group;
        let problems = level.result(number, &description.name);
        self.results += 1;
        self.yaml = Yaml::After { prefix: prefix.to_owned() };
        out.push(Event::Result(Box::new(TestResult {
            group,
            depth,
            closes,
            number: if let Number::Is(number) = number { Some(number) } else { None },
            outcome: description.outcome(ok),
            flaky_ignored: description.flaky_ignored(),
            name: description.name,
            directive: description.directive,
            reason: description.reason,
            duration: description.duration,
        })));
        out.extend(problems.into_iter().map(|problem| Event::Problem { group, problem }));
    }

    /// A version, a plan or a header.
    fn announcement(&mut self, place: Place, prefix: &str, token: Token<'_>, out: &mut Vec<Event>) {
        let mut header = if let Token::Subtest(name) = token { Some(unescape(clip(name))) } else { None };
        if place.nested {
            // Before 6.3 KUnit had no version line here but began with the header. In TAP 14 the header of this group
            // came before, and this one names the group after it.
            let own = if self.has_subtest_pending(place.level) { None } else { header.take() };
            self.open(place.level, prefix, own, out);
        } else {
            self.sum_up_nameless(place.level, out);
            if matches!(token, Token::Version(_)) && self.levels[place.level].has_content() {
                self.reopen(out);
            }
        }
        let depth = self.levels.len() - 1;
        let level = &mut self.levels[depth];
        let group = level.group;
        let fresh = std::mem::replace(&mut level.fresh, false);
        match token {
            Token::Version(format) => {
                level.fresh = true;
                level.announced = true;
                out.push(Event::Version { group, format });
            }
            Token::Plan { count, rest } => self.plan(count, rest, out),
            Token::Runner(name) => {
                level.pending = Some(Header { name: clip(name).to_owned(), subtest: false });
                out.push(Event::Diagnostic { group, text: name.to_owned() });
            }
            Token::Subtest(text) => {
                out.push(Event::Diagnostic { group, text: format!("Subtest: {text}") });
                match header {
                    Some(name) if fresh && !level.named => {
                        level.named = true;
                        out.push(Event::Named { group, name });
                    }
                    Some(name) => level.pending = Some(Header { name, subtest: true }),
                    None => level.announced = true,
                }
            }
            Token::Result { .. } | Token::BailOut(_) => {}
        }
    }

    fn plan(&mut self, count: Number<'_>, rest: &str, out: &mut Vec<Event>) {
        let level = self.innermost();
        let group = level.group;
        match count {
            Number::Is(count) => {
                let problem = level.plan(count);
                out.push(Event::Plan { group, count, skip: plan_skip(rest).filter(|_| count == 0) });
                out.extend(problem.map(|problem| Event::Problem { group, problem }));
            }
            Number::Bad(text) => {
                let problem = Problem::BadNumber { text: clip(text).to_owned() };
                out.push(Event::Text { text: format!("1..{text} {rest}").trim_end().to_owned() });
                out.push(Event::Problem { group, problem });
            }
            Number::Absent => {}
        }
    }

    /// True if the line is a comment, at whatever depth.
    fn diagnostic(&mut self, line: &str, out: &mut Vec<Event>) -> bool {
        let level = self.deepest(line);
        let Some(text) = line[level.prefix.len()..].trim_start().strip_prefix('#') else { return false };
        let text = text.strip_prefix(' ').unwrap_or(text).to_owned();
        out.push(Event::Diagnostic { group: level.group, text });
        true
    }

    fn place(&self, prefix: &str) -> Place {
        // The outermost level has an empty prefix, with which every prefix starts.
        let level = self.levels.iter().rposition(|level| prefix.starts_with(&level.prefix)).unwrap_or(0);
        Place { level, nested: self.levels[level].prefix.len() < prefix.len() }
    }

    fn deepest(&self, line: &str) -> &Level {
        &self.levels[self.levels.iter().rposition(|level| line.starts_with(&level.prefix)).unwrap_or(0)]
    }

    fn innermost(&mut self) -> &mut Level {
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    fn has_subtest_pending(&self, level: usize) -> bool {
        self.levels[level].pending.as_ref().is_some_and(|header| header.subtest)
    }

    /// Opens a group inside the level at `parent`; what was open there ends.
    fn open(&mut self, parent: usize, prefix: &str, name: Option<String>, out: &mut Vec<Event>) {
        self.sum_up_nameless(parent, out);
        let outer = &mut self.levels[parent];
        outer.fresh = false;
        let name = name.or_else(|| outer.pending.take().map(|header| header.name));
        let parent = outer.group;
        let group = self.next_group();
        let mut level = Level::new(group, prefix);
        level.named = name.is_some();
        self.levels.push(level);
        out.push(Event::Opened { group, parent: Some(parent) });
        out.extend(name.map(|name| Event::Named { group, name }));
    }

    /// Ends the innermost group and begins another one beside it.
    fn reopen(&mut self, out: &mut Vec<Event>) {
        let Some(old) = self.levels.pop() else { return };
        let prefix = old.prefix.clone();
        old.close(out);
        if self.levels.is_empty() {
            let group = self.next_group();
            self.levels.push(Level::outermost(group));
            out.push(Event::Opened { group, parent: None });
        } else {
            self.open(self.levels.len() - 1, &prefix, None, out);
        }
    }

    /// Ends the groups inside of `level`, of which the outermost gets its name from the result that follows.
    fn sum_up(&mut self, level: usize, name: &str, out: &mut Vec<Event>) -> Option<GroupId> {
        while self.levels.len() > level + 2 {
            self.pop(out);
        }
        let inner = self.levels.get_mut(level + 1)?;
        let group = inner.group;
        if !inner.named && !name.is_empty() {
            out.push(Event::Named { group, name: clip(name).to_owned() });
        }
        self.pop(out);
        Some(group)
    }

    fn sum_up_nameless(&mut self, level: usize, out: &mut Vec<Event>) {
        self.sum_up(level, "", out);
    }

    fn pop(&mut self, out: &mut Vec<Event>) {
        if let Some(level) = self.levels.pop() {
            level.close(out);
        }
    }

    fn next_group(&mut self) -> GroupId {
        let group = GroupId(self.opened);
        self.opened += 1;
        group
    }
}
