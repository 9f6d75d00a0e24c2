//! `vmptcp image`: root filesystems of vmptcp's own.

use super::context::Context;
use super::overrides::Overrides;
use crate::error::{Error, ExitCode, Result};
use crate::image::{Images, Mirrors, Recipe, Reporter};
use crate::report::console;
use crate::report::terminal::Terminal;
use std::cell::RefCell;
use std::fmt::Write as _;

/// Make, list and remove root filesystems for guests
///
/// Guests see the host's files, and use its programs. With --root NAME they have an image instead: Debian's packages, unpacked
/// into the user's cache. It takes mmdebstrap and a user namespace, and no root.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
What is done:
  list            which images there are, and whether they are made [default]
  build NAME      make it, unless it is there; prints where it is
  update NAME     make it with the packages of today
  rm NAME         remove it

The packages come from the mirror that apt uses on this machine, or the one of the setting image.mirror.

Examples:
  vmptcp image list
  vmptcp image build lean
  vmptcp test --root lean diag
  vmptcp doctor --root lean            what it lacks
  vmptcp image rm lean full")]
pub struct Args {
    /// list, build, update or rm
    #[arg(value_name = "WHAT", default_value = "list", value_parser = ["list", "build", "update", "rm"])]
    what: String,
    /// The images; all of those that are made, for update and rm
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// With list: print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<u8> {
    let images = context.images()?;
    let named: Vec<Recipe> = args.names.iter().map(|name| Recipe::find(name)).collect::<Result<_>>()?;
    match args.what.as_str() {
        "list" => console::out(&list(&chosen(named, |_| true)?, &images, args.json))?,
        "build" if named.is_empty() => {
            return Err(Error::usage("which image?").hint("vmptcp image build lean; all: vmptcp image list"));
        }
        what @ ("build" | "update") => {
            let made = |recipe: &Recipe| images.facts(recipe).is_some();
            build(&chosen(named, made)?, &images, what == "update", context)?;
        }
        _ => {
            for recipe in chosen(named, |recipe| images.facts(recipe).is_some())? {
                if images.remove(recipe.name, &mut console::note)? {
                    console::note(&format!("removed the image {}", recipe.name));
                } else {
                    console::note(&format!("there is no image {} to remove", recipe.name));
                }
            }
        }
    }
    Ok(ExitCode::Passed as u8)
}

/// Those that were named, or all that are fit.
fn chosen(named: Vec<Recipe>, fit: impl Fn(&Recipe) -> bool) -> Result<Vec<Recipe>> {
    if !named.is_empty() {
        return Ok(named);
    }
    let all: Vec<Recipe> = Recipe::names().map(Recipe::find).collect::<Result<_>>()?;
    Ok(all.into_iter().filter(fit).collect())
}

fn build(recipes: &[Recipe], images: &Images, anew: bool, context: &Context) -> Result<()> {
    let settings = context.settings(None, Overrides::default())?.settings;
    let mirror = &settings.image.mirror;
    for recipe in recipes {
        if anew || images.facts(recipe).is_none() {
            make(recipe, images, &Mirrors::of_apt((!mirror.is_empty()).then_some(mirror)), anew, context)?;
        }
        console::out(&format!("{}\n", images.root(recipe).display()))?;
    }
    Ok(())
}

fn make(recipe: &Recipe, images: &Images, mirrors: &Mirrors, anew: bool, context: &Context) -> Result<()> {
    let terminal = RefCell::new(context.terminal());
    let mut reporter = Reporter {
        progress: &mut |step| terminal.borrow_mut().note(&format!("{}: {step}", recipe.name)),
        note: &mut |text| terminal.borrow_mut().note(text),
    };
    let outcome = images.build(recipe, mirrors, anew, &mut reporter);
    Terminal::finish(&terminal.borrow());
    outcome.map(drop)
}

fn list(recipes: &[Recipe], images: &Images, json: bool) -> String {
    let facts = |recipe: &Recipe| {
        let facts = images.facts(recipe);
        serde_json::json!({
            "name": recipe.name,
            "about": recipe.about,
            "key": recipe.key(),
            "root": facts.as_ref().map(|_| images.root(recipe)),
            "made": facts.as_ref().map(|facts| facts.made),
            "packages": facts.map(|facts| facts.packages).unwrap_or_default(),
        })
    };
    if json {
        let all = serde_json::Value::Array(recipes.iter().map(facts).collect());
        return crate::text::json(&all.to_string()) + "\n";
    }
    let mut table = format!("{:<8} {:<10} {:>8}  {}\n", "IMAGE", "MADE", "PACKAGES", "WHAT IT HAS");
    for recipe in recipes {
        let (made, packages) = images.facts(recipe).map_or_else(
            || ("-".to_owned(), "-".to_owned()),
            |facts| (facts.made.strftime("%Y-%m-%d").to_string(), facts.packages.len().to_string()),
        );
        let _ = writeln!(table, "{:<8} {made:<10} {packages:>8}  {}", recipe.name, recipe.about);
    }
    table
}
