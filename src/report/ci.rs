//! A run in the log of a CI system: a group for each step, and what went wrong where the system shows it beside the source.

use super::clean;
use super::console;
use super::terminal::Terminal;
use crate::event::{Event, Outcome, Progress, Record, StepStatus};
use crate::results::{Observer, Summary};
use std::collections::BTreeSet;

/// Which CI system runs us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// GitHub Actions: groups, and annotations.
    Github,
    /// GitLab CI: sections that fold.
    Gitlab,
    /// Any other, or a shell: lines.
    Plain,
}

/// Shows a run on the terminal, with what the CI system makes of it.
pub struct CiView {
    lines: Terminal,
    system: System,
    /// What was annotated already.
    said: BTreeSet<String>,
}

impl CiView {
    /// A view of a run.
    pub fn new(lines: Terminal, system: System) -> Self {
        Self { lines, system, said: BTreeSet::new() }
    }

    fn say(&mut self, line: &str) {
        self.lines.hide();
        console::line(line);
    }

    fn annotate(&mut self, title: &str, text: &str) {
        if self.system == System::Github && self.said.insert(format!("{title}\n{text}")) {
            self.say(&annotation(title, text));
        }
    }
}

impl Observer for CiView {
    fn record(&mut self, record: &Record, summary: &Summary) {
        if let Event::StepStarted { step } = &record.event {
            let seconds = record.time.as_second();
            if let Some(line) = group_begins(self.system, step, seconds) {
                self.say(&line);
            }
        }
        self.lines.record(record, summary);
        match &record.event {
            Event::StepEnded { step, status, detail, .. } => {
                if let Some(line) = group_ends(self.system, step, record.time.as_second()) {
                    self.say(&line);
                }
                if *status == StepStatus::Failed {
                    self.annotate(&format!("{step} failed"), detail);
                }
            }
            Event::TestEnded { test, .. } => {
                let Some(known) = summary.test(test).filter(|test| test.result.ended()) else { return };
                if !known.result.outcome.is_ok() {
                    let what = known.result.outcome.as_str();
                    let subtests: Vec<&str> =
                        known.result.failed_subtests().map(|subtest| subtest.name.as_str()).collect();
                    let why = known.result.reason.clone().unwrap_or_default();
                    let text = if subtests.is_empty() { why } else { subtests.join("\n") };
                    self.annotate(&format!("{}: {what}", known.title()), &text);
                } else if known.result.outcome == Outcome::Flaky {
                    self.annotate(
                        &format!("{}: flaky", known.title()),
                        "it failed, and passed when it ran again",
                    );
                }
            }
            Event::Splat { title, notice: false, .. } => self.annotate("splat", title),
            _ => {}
        }
    }

    fn activity(&mut self, vm: u32, what: &str) {
        self.lines.activity(vm, what);
    }

    fn hide(&mut self) {
        self.lines.hide();
    }

    fn progress(&mut self, progress: &Progress) {
        self.lines.progress(progress);
    }
}

/// What opens a group in the log.
fn group_begins(system: System, step: &str, seconds: i64) -> Option<String> {
    match system {
        System::Github => Some(format!("::group::{step}")),
        System::Gitlab => Some(format!("\x1b[0Ksection_start:{seconds}:{step}\r\x1b[0K{step}")),
        System::Plain => None,
    }
}

/// What closes it.
fn group_ends(system: System, step: &str, seconds: i64) -> Option<String> {
    match system {
        System::Github => Some("::endgroup::".to_owned()),
        System::Gitlab => Some(format!("\x1b[0Ksection_end:{seconds}:{step}\r\x1b[0K")),
        System::Plain => None,
    }
}

/// An error that GitHub shows beside the source, where the text names a place in it.
fn annotation(title: &str, text: &str) -> String {
    let property = |text: &str| escape(text).replace(':', "%3A").replace(',', "%2C");
    let place = place(text).map(|(file, line)| format!("file={},line={line},", property(&file)));
    let text = text.lines().map(clean).collect::<Vec<_>>().join("\n");
    format!("::error {}title={}::{}", place.unwrap_or_default(), property(&clean(title)), escape(&text))
}

fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The first `net/mptcp/pm.c:123` in a text: a file of the tree, and its line.
fn place(text: &str) -> Option<(String, u32)> {
    text.split([' ', '\n', '(', ')', '\'', '"']).find_map(|word| {
        let (file, rest) = word.split_once(':')?;
        let line: u32 = rest.split(':').next()?.parse().ok()?;
        let file = file.trim_start_matches("../").trim_start_matches("./");
        let is_source = [".c", ".h", ".S", ".sh"].iter().any(|ending| file.ends_with(ending));
        (is_source && !file.starts_with('/') && file.contains('/') && line > 0)
            .then(|| (file.to_owned(), line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_stands_beside_the_source_that_is_named() {
        assert_eq!(
            annotation("splat", "WARNING: CPU: 0 PID: 1 at ../net/mptcp/pm.c:77 mptcp_pm_x+0x1/0x2"),
            "::error file=net/mptcp/pm.c,line=77,title=splat::WARNING: CPU: 0 PID: 1 at ../net/mptcp/pm.c:77 mptcp_pm_x+0x1/0x2"
        );
        assert_eq!(annotation("diag: fail", "100%\nx"), "::error title=diag%3A fail::100%25%0Ax");
        assert_eq!(annotation("a\n::error::b", "c"), "::error title=a\\n%3A%3Aerror%3A%3Ab::c");
    }

    #[test]
    fn a_place_is_a_file_of_the_tree() {
        assert_eq!(place("net/mptcp/a.c:3:9: error: x"), Some(("net/mptcp/a.c".to_owned(), 3)));
        for text in ["/etc/passwd.c:3", "a.c:3", "net/mptcp/a.c", "net/a.c:0", "at 10:20", "x/y.txt:3"] {
            assert_eq!(place(text), None, "{text}");
        }
    }

    #[test]
    fn groups_are_those_of_the_system() {
        assert_eq!(group_begins(System::Github, "test", 1).as_deref(), Some("::group::test"));
        assert_eq!(
            group_ends(System::Gitlab, "test", 7).as_deref(),
            Some("\x1b[0Ksection_end:7:test\r\x1b[0K")
        );
        assert_eq!(group_begins(System::Plain, "test", 1), None);
    }
}
