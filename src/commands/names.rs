//! The names that commands take, for a shell that completes them: none where they cannot be found out.

use super::context::{Color, Context, Global};
use super::overrides::Overrides;
use super::pipeline::Target;
use super::{sample, suites};
use crate::image::Recipe;
use crate::series::check::CHECKS;
use crate::settings::Loaded;
use crate::store;
use crate::suite::{SUITES, Tests};
use crate::vm::registry;
use std::path::Path;

/// What is completed is what the current directory is about: no flag of the line counts.
fn context() -> Context {
    Context::new(Global { tree: None, verbose: false, quiet: true, color: Color::Never })
}

fn settings(context: &Context) -> Option<Loaded> {
    let tree = context.find_tree().ok()?;
    context.settings(tree.as_ref(), Overrides::default()).ok()
}

fn plain(names: impl IntoIterator<Item = String>) -> Vec<(String, String)> {
    names.into_iter().map(|name| (name, String::new())).collect()
}

/// The tests of the tree, and the suites that have tests of their own.
pub fn tests() -> Vec<(String, String)> {
    let Ok(target) = Target::open(&context(), Overrides::default()) else { return Vec::new() };
    let mut names = Vec::new();
    for suite in SUITES.iter().filter(|suite| matches!(suite.tests, Tests::Listed { .. })) {
        let tests = suites::listing(&target, suite).map(|listing| listing.tests).unwrap_or_default();
        names.push((suite.id.to_owned(), suite.about.to_owned()));
        names.extend(tests.into_iter().map(|test| (test.name, String::new())));
    }
    names
}

/// The profiles of the settings.
pub fn profiles() -> Vec<(String, String)> {
    settings(&context()).map(|loaded| plain(loaded.settings.profile.into_keys())).unwrap_or_default()
}

/// The project's own samples, and those of the settings.
pub fn samples() -> Vec<(String, String)> {
    let all = settings(&context()).and_then(|loaded| sample::all(Path::new("samples"), &loaded).ok());
    all.unwrap_or_default().into_iter().map(|sample| (sample.name, sample.description)).collect()
}

/// The topologies of the settings.
pub fn topologies() -> Vec<(String, String)> {
    let all = settings(&context()).map(|loaded| loaded.settings.topology).unwrap_or_default();
    all.into_iter().map(|(name, topology)| (name, topology.description)).collect()
}

/// The runs of the tree, the newest first.
pub fn runs() -> Vec<(String, String)> {
    let Ok(target) = Target::open(&context(), Overrides::default()) else { return Vec::new() };
    plain(store::list(&target.runs()).into_iter().rev())
}

/// The guests that run now.
pub fn guests() -> Vec<(String, String)> {
    let Ok(dir) = context().guests() else { return Vec::new() };
    registry::list(&dir).into_iter().map(|listed| (listed.guest.name(), listed.guest.command)).collect()
}

/// The root filesystems that can be made.
pub fn images() -> Vec<(String, String)> {
    let recipes = Recipe::names().filter_map(|name| Recipe::find(name).ok());
    recipes.map(|recipe| (recipe.name.to_owned(), recipe.about)).collect()
}

/// The checks of a series.
pub fn checks() -> Vec<(String, String)> {
    CHECKS.iter().map(|check| (check.id.to_string(), check.about.to_owned())).collect()
}
