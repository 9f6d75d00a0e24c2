//! Finds files that import each other in a circle.

use super::scan::Source;
use std::collections::{BTreeMap, BTreeSet};

/// The circles among the files and directories of each module: its name, and the names of those in a circle.
///
/// A directory counts as a whole, and a name that a module passes on (`pub use`) as that of the file that has it. A module's
/// own file is left out: it is above the others, which are parts of it.
pub fn circles(sources: &[&Source]) -> Vec<(String, Vec<String>)> {
    let modules: BTreeSet<&str> = sources.iter().map(|source| &*source.module).collect();
    let parents: BTreeSet<&str> =
        modules.iter().filter_map(|module| Some(module.rsplit_once("::")?.0)).collect();
    parents.iter().flat_map(|parent| of_module(parent, sources)).collect()
}

fn of_module(parent: &str, sources: &[&Source]) -> Vec<(String, Vec<String>)> {
    let child = |module: &str| {
        let rest = module.strip_prefix(parent)?.strip_prefix("::")?;
        Some(rest.split("::").next().unwrap_or(rest).to_owned())
    };
    let children: BTreeSet<String> = sources.iter().filter_map(|source| child(&source.module)).collect();
    // What the module passes on: `pub use child::Name`.
    let mut passed_on: BTreeMap<&str, &str> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.module == parent) {
        for mention in &source.mentions {
            if let Some((owner, rest)) = mention.path.split_once("::") {
                let name = rest.rsplit("::").next().unwrap_or(rest);
                passed_on.insert(name, owner);
            }
        }
    }
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        let Some(own) = child(&source.module) else { continue };
        for mention in source.mentions.iter().filter(|mention| !mention.in_test) {
            let Some(named) = mention.path.strip_prefix("crate::").and_then(child) else { continue };
            let named = if children.contains(&named) {
                named
            } else {
                match passed_on.get(&*named) {
                    Some(owner) if children.contains(*owner) => (*owner).to_owned(),
                    _ => continue,
                }
            };
            if named != own {
                imports.entry(own.clone()).or_default().insert(named);
            }
        }
    }
    in_circles(&imports).into_iter().map(|circle| (parent.to_owned(), circle)).collect()
}

/// The sets of names that can be reached from each other.
fn in_circles(imports: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<Vec<String>> {
    let reached = |from: &String| {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![from]);
        while let Some(at) = todo.pop() {
            for next in imports.get(at).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    todo.push(next);
                }
            }
        }
        seen
    };
    let all: BTreeMap<&String, BTreeSet<String>> = imports.keys().map(|name| (name, reached(name))).collect();
    let circle = |name: &&String| -> Vec<String> {
        let there = all[*name].iter();
        there.filter(|other| all.get(other).is_some_and(|back| back.contains(*name))).cloned().collect()
    };
    imports.keys().map(|name| circle(&name)).filter(|circle| !circle.is_empty()).collect()
}
