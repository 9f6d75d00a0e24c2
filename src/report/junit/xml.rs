//! The elements of a JUnit file, as Jenkins's schema (`junit-10.xsd` of its xunit plugin) has them and GitLab and the
//! renderers for GitHub read them. Nothing is written that the schema does not know: it validates.

use std::fmt::Write as _;

/// A whole file.
#[derive(Debug, Default)]
pub struct Document {
    /// Its name.
    pub name: String,
    /// How long all of it took, in seconds.
    pub seconds: f64,
    /// The suites, in order.
    pub suites: Vec<Suite>,
}

/// A suite of test cases.
#[derive(Debug, Default)]
pub struct Suite {
    /// Its name, which is also the class of its cases.
    pub name: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// When it began; empty if that is not known.
    pub timestamp: String,
    /// Names and values.
    pub properties: Vec<(String, String)>,
    /// In order.
    pub cases: Vec<Case>,
}

/// A test case.
#[derive(Debug, Default)]
pub struct Case {
    /// Its name; where two of a suite have the same, the later ones are numbered, as readers take them for one.
    pub name: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How it ended.
    pub status: Status,
    /// Why; may be empty.
    pub message: String,
    /// More than fits into a line; may be empty.
    pub details: String,
    /// The runs before or after that failed.
    pub others: Vec<Other>,
    /// What it said; may be empty.
    pub out: String,
    /// What was said of it elsewhere, as by the kernel; may be empty.
    pub err: String,
}

/// How a case ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Status {
    /// It passed.
    #[default]
    Success,
    /// It was not run.
    Skipped,
    /// It failed.
    Failure,
    /// It could not be run, or not to its end.
    Error,
}

/// A further run of a case that failed.
#[derive(Debug, Default)]
pub struct Other {
    /// It could not be run, or not to its end.
    pub error: bool,
    /// How it ended: a word.
    pub kind: String,
    /// Why.
    pub message: String,
    /// More than fits into a line; may be empty.
    pub details: String,
}

impl Document {
    /// The text of the file.
    pub fn render(&self) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let all = |status| self.suites.iter().map(|suite| suite.count(status)).sum::<usize>();
        let tests: usize = self.suites.iter().map(|suite| suite.cases.len()).sum();
        // Of skipped cases the schema has no count here.
        let counts = [("tests", tests), ("failures", all(Status::Failure)), ("errors", all(Status::Error))];
        let counts = counts.map(|(name, count)| (name, count.to_string()));
        let attributes = [("name", self.name.clone())].into_iter().chain(counts);
        open(&mut text, 0, "testsuites", attributes.chain([("time", time(self.seconds))]));
        self.suites.iter().for_each(|suite| suite.render(&mut text));
        text.push_str("</testsuites>\n");
        text
    }
}

impl Suite {
    fn count(&self, status: Status) -> usize {
        self.cases.iter().filter(|case| case.status == status).count()
    }

    fn render(&self, text: &mut String) {
        let counts = [
            ("tests", self.cases.len()),
            ("failures", self.count(Status::Failure)),
            ("errors", self.count(Status::Error)),
            ("skipped", self.count(Status::Skipped)),
        ];
        let counts = counts.map(|(name, count)| (name, count.to_string()));
        let timestamp = (!self.timestamp.is_empty()).then(|| ("timestamp", self.timestamp.clone()));
        let attributes = [("name", self.name.clone())].into_iter().chain(counts);
        let attributes = attributes.chain([("time", time(self.seconds))]).chain(timestamp);
        open(text, 1, "testsuite", attributes);
        if !self.properties.is_empty() {
            open(text, 2, "properties", []);
            for (name, value) in &self.properties {
                element(text, 3, "property", [("name", name.clone()), ("value", value.clone())], "");
            }
            close(text, 2, "properties");
        }
        let mut seen = std::collections::BTreeMap::<&str, usize>::new();
        for case in &self.cases {
            let count = seen.entry(&case.name).or_default();
            *count += 1;
            let name = if *count > 1 { format!("{} ({count})", case.name) } else { case.name.clone() };
            case.render(text, &self.name, name);
        }
        close(text, 1, "testsuite");
    }
}

impl Case {
    fn render(&self, text: &mut String, class: &str, name: String) {
        let attributes = [("name", name), ("classname", class.to_owned()), ("time", time(self.seconds))];
        let status = match self.status {
            Status::Success => None,
            Status::Skipped => Some("skipped"),
            Status::Failure => Some("failure"),
            Status::Error => Some("error"),
        };
        if status.is_none() && self.others.is_empty() && self.out.is_empty() && self.err.is_empty() {
            return element(text, 2, "testcase", attributes, "");
        }
        open(text, 2, "testcase", attributes);
        if let Some(status) = status {
            let message = (!self.message.is_empty()).then(|| ("message", self.message.clone()));
            element(text, 3, status, message, &self.details);
        }
        for other in &self.others {
            // Of a case that passed in the end, readers call the runs that failed flaky; else they are reruns.
            let name = match (self.status == Status::Success, other.error) {
                (true, false) => "flakyFailure",
                (true, true) => "flakyError",
                (false, false) => "rerunFailure",
                (false, true) => "rerunError",
            };
            let attributes = [("message", other.message.clone()), ("type", other.kind.clone())];
            element(text, 3, name, attributes, &other.details);
        }
        for (name, content) in [("system-out", &self.out), ("system-err", &self.err)] {
            if !content.is_empty() {
                element(text, 3, name, [], content);
            }
        }
        close(text, 2, "testcase");
    }
}

/// Seconds with three digits behind the point, never negative.
fn time(seconds: f64) -> String {
    format!("{:.3}", if seconds.is_finite() { seconds.max(0.0) } else { 0.0 })
}

type Attribute = (&'static str, String);

fn begin(text: &mut String, depth: usize, name: &str, attributes: impl IntoIterator<Item = Attribute>) {
    let _ = write!(text, "{:depth$}<{name}", "", depth = depth * 4);
    for (name, value) in attributes {
        let _ = write!(text, " {name}=\"{}\"", escaped(&value, true));
    }
}

fn open(text: &mut String, depth: usize, name: &str, attributes: impl IntoIterator<Item = Attribute>) {
    begin(text, depth, name, attributes);
    text.push_str(">\n");
}

fn close(text: &mut String, depth: usize, name: &str) {
    let _ = writeln!(text, "{:depth$}</{name}>", "", depth = depth * 4);
}

fn element(
    text: &mut String,
    depth: usize,
    name: &str,
    attributes: impl IntoIterator<Item = Attribute>,
    content: &str,
) {
    begin(text, depth, name, attributes);
    if content.is_empty() {
        text.push_str("/>\n");
    } else {
        let _ = writeln!(text, ">{}</{name}>", escaped(content, false));
    }
}

/// Text as XML can hold it: what is special escaped, and what XML 1.0 has no way to write left visible as a replacement
/// character.
fn escaped(text: &str, attribute: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' if attribute => escaped.push_str("&quot;"),
            // A reader makes a blank of these in an attribute.
            '\n' | '\t' if attribute => {
                let _ = write!(escaped, "&#{};", u32::from(char));
            }
            '\n' | '\t' => escaped.push(char),
            '\0'..='\u{1f}' | '\u{7f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_written_is_xml() {
        assert_eq!(escaped("a<b>&\"c\"\n", true), "a&lt;b&gt;&amp;&quot;c&quot;&#10;");
        assert_eq!(escaped("]]> \"\n\u{1b}\u{ffff}", false), "]]&gt; \"\n\u{fffd}\u{fffd}");
        assert_eq!(
            [time(1.23456), time(-1.0), time(f64::NAN), time(7200.0)],
            ["1.235", "0.000", "0.000", "7200.000"]
        );
    }

    #[test]
    fn cases_of_one_name_keep_apart() {
        let case = |name: &str| Case { name: name.to_owned(), ..Case::default() };
        let suite =
            Suite { name: "s".into(), cases: vec![case("a"), case("b"), case("a")], ..Suite::default() };
        let text = Document { suites: vec![suite], ..Document::default() }.render();
        assert!(text.contains("name=\"a\" ") && text.contains("name=\"a (2)\" "), "{text}");
    }
}
