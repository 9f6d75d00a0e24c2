//! The README in Chinese keeps step with the one in English.

use super::examples::root;
use std::fs;

/// What is the same in every language: how deep the headings are, the commands, the number of rows, and where links lead.
#[derive(Debug, PartialEq)]
struct Skeleton {
    headings: Vec<usize>,
    commands: Vec<String>,
    rows: usize,
    links: Vec<String>,
}

fn skeleton(name: &str, other: &str) -> Skeleton {
    let text = fs::read_to_string(root().join(name)).unwrap();
    let depth = |line: &str| line.bytes().take_while(|byte| *byte == b'#').count();
    let command = |line: &str| line.split(" #").next().unwrap_or_default().trim().to_owned();
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    Skeleton {
        headings: text.lines().map(depth).filter(|depth| *depth > 0).collect(),
        commands: text.lines().filter(|line| line.starts_with("    ")).map(command).collect(),
        rows: text.lines().filter(|line| line.starts_with('|')).count(),
        // Each leads to the other.
        links: links.filter(|link| *link != other).map(str::to_owned).collect(),
    }
}

#[test]
fn both_readmes_have_the_same_headings_commands_rows_and_links() {
    let english = skeleton("README.md", "README.zh.md");
    assert!(english.commands.len() > 10 && english.rows > 20 && english.links.len() > 10, "{english:?}");
    assert_eq!(skeleton("README.zh.md", "README.md"), english);
}

#[test]
fn the_readme_fits_a_screen_and_its_links_lead_somewhere() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(text.lines().count() <= 90, "{} lines", text.lines().count());
    for link in skeleton("README.md", "").links.iter().filter(|link| !link.contains("://")) {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        assert!(root().join(file).exists(), "{link}");
        let target = fs::read_to_string(root().join(file)).unwrap_or_default();
        let slug = |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        let known = target.lines().any(|line| line.starts_with('#') && slug(line) == anchor);
        assert!(anchor.is_empty() || known, "{link}");
    }
}
