//! What a JUnit file may hold for Jenkins, GitLab and GitHub alike, as a check of its own: which element may stand where,
//! and with which attributes.

use std::collections::BTreeSet;

/// An element: its attributes that must be there and that may be, and its children.
struct Rule {
    name: &'static str,
    required: &'static [&'static str],
    allowed: &'static [&'static str],
    children: &'static [&'static str],
    text: bool,
}

const RERUN: Rule =
    Rule { name: "", required: &["type", "message"], allowed: &[], children: &[], text: true };
const RESULT: Rule =
    Rule { name: "", required: &[], allowed: &["type", "message"], children: &[], text: true };
const OUTPUT: Rule = Rule { name: "", required: &[], allowed: &[], children: &[], text: true };

const RULES: [Rule; 14] = [
    Rule {
        name: "testsuites",
        required: &["name", "tests", "failures", "errors", "time"],
        allowed: &[],
        children: &["testsuite"],
        text: false,
    },
    Rule {
        name: "testsuite",
        required: &["name", "tests", "failures", "errors", "skipped", "time"],
        allowed: &["timestamp"],
        children: &["properties", "testcase"],
        text: false,
    },
    Rule { name: "properties", required: &[], allowed: &[], children: &["property"], text: false },
    Rule { name: "property", required: &["name", "value"], allowed: &[], children: &[], text: false },
    Rule {
        name: "testcase",
        required: &["name", "classname", "time"],
        allowed: &[],
        children: &[
            "skipped",
            "error",
            "failure",
            "rerunFailure",
            "rerunError",
            "flakyFailure",
            "flakyError",
            "system-out",
            "system-err",
        ],
        text: false,
    },
    Rule { name: "skipped", ..RESULT },
    Rule { name: "error", ..RESULT },
    Rule { name: "failure", ..RESULT },
    Rule { name: "rerunFailure", ..RERUN },
    Rule { name: "rerunError", ..RERUN },
    Rule { name: "flakyFailure", ..RERUN },
    Rule { name: "flakyError", ..RERUN },
    Rule { name: "system-out", ..OUTPUT },
    Rule { name: "system-err", ..OUTPUT },
];

/// An element that is open, and how many cases and results it has had.
struct Open {
    rule: &'static Rule,
    attributes: Vec<(String, String)>,
    cases: usize,
    results: [usize; 3],
    classes: BTreeSet<(String, String)>,
}

/// Fails unless `xml`, as [`super::xml`] writes it, keeps to the rules.
pub(in crate::report) fn check(xml: &str) {
    static RULES_OF: [Rule; 14] = RULES;
    let body = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("the declaration");
    let mut open: Vec<Open> = Vec::new();
    let mut rest = body;
    while let Some((text, after)) = rest.split_once('<') {
        let takes_text = open.last().is_some_and(|open| open.rule.text);
        assert!(text.trim().is_empty() || takes_text, "text where none may be: {text:?}");
        let (tag, after) = after.split_once('>').expect("the end of a tag");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            let closed = open.pop().expect("an open element");
            assert_eq!(closed.rule.name, name);
            counted(&closed, &mut open);
            continue;
        }
        let alone = tag.ends_with('/');
        let (name, attributes) = taken_apart(tag.trim_end_matches('/'));
        let rule =
            RULES_OF.iter().find(|rule| rule.name == name).unwrap_or_else(|| panic!("{name} is unknown"));
        match open.last() {
            Some(parent) => {
                assert!(parent.rule.children.contains(&rule.name), "{name} in {}", parent.rule.name);
            }
            None => assert_eq!(name, "testsuites"),
        }
        let names: Vec<&str> = attributes.iter().map(|(name, _)| &name[..]).collect();
        for name in rule.required {
            assert!(names.contains(name), "{} without {name}", rule.name);
        }
        for name in names {
            assert!(rule.required.contains(&name) || rule.allowed.contains(&name), "{name} at {}", rule.name);
        }
        let element = Open { rule, attributes, cases: 0, results: [0; 3], classes: BTreeSet::new() };
        if alone { counted(&element, &mut open) } else { open.push(element) }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "it ends too early, or too late");
}

/// The name of a tag, and its attributes.
fn taken_apart(tag: &str) -> (&str, Vec<(String, String)>) {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let mut attributes = Vec::new();
    while let Some((name, after)) = rest.split_once("=\"") {
        let (value, after) = after.split_once('"').expect("the end of a value");
        assert!(!value.contains(['\n', '<', '\t']), "raw text in an attribute: {value:?}");
        attributes.push((name.trim().to_owned(), value.to_owned()));
        rest = after;
    }
    (name, attributes)
}

/// Says to the parent of an element that it is over: what it counts must be there.
fn counted(element: &Open, open: &mut [Open]) {
    let value = |name: &str| {
        let found = element.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    if let Some(time) = element.attributes.iter().find(|(name, _)| name == "time") {
        let (whole, part) = time.1.split_once('.').expect("a fraction");
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        assert!(digits(whole) && digits(part), "{time:?}");
    }
    let names = ["failure", "error", "skipped"];
    if ["testsuites", "testsuite"].contains(&element.rule.name) {
        assert_eq!(value("tests"), element.cases.to_string());
        assert_eq!(value("failures"), element.results[0].to_string());
        assert_eq!(value("errors"), element.results[1].to_string());
    }
    if element.rule.name == "testsuite" {
        assert_eq!(value("skipped"), element.results[2].to_string());
    }
    let Some(parent) = open.last_mut() else { return };
    match element.rule.name {
        "testcase" => {
            let key = (value("classname"), value("name"));
            assert!(parent.classes.insert(key.clone()), "{key:?} is there twice");
            assert_eq!(
                Some(&key.0),
                parent.attributes.first().map(|(_, name)| name),
                "the class is the suite"
            );
            assert!(element.results.iter().sum::<usize>() <= 1, "a case has one result: {key:?}");
            parent.cases += 1;
        }
        "testsuite" => parent.cases += element.cases,
        name => {
            if let Some(at) = names.iter().position(|known| *known == name) {
                parent.results[at] += 1;
            }
            return;
        }
    }
    for (all, of) in parent.results.iter_mut().zip(element.results) {
        *all += of;
    }
}

#[test]
#[should_panic(expected = "skipped at testsuites")]
fn a_count_of_the_skipped_at_the_top_is_refused() {
    check(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"x\" tests=\"0\" failures=\"0\" errors=\"0\" skipped=\"0\" time=\"0.000\">\n</testsuites>\n",
    );
}
