//! What remembered answers depend on.

use crate::event::CheckId;
use crate::kernel::Variant;
use crate::process::{Cmd, identity_of};
use crate::series::AppliedPatch;
use crate::series::make::Config;
use crate::settings::{Base, Loaded as Settings};
use crate::text::hash::Key;
use std::sync::OnceLock;

/// What the answer of a tool depends on. The hashes in the text of a patch name its files before and after it.
pub(super) fn tool(check: CheckId, tool: &str, tree: Option<&str>, patch: AppliedPatch<'_>) -> Key {
    let recipients = patch.envelope.iter().flat_map(|envelope| &envelope.recipients);
    let text = patch.text.lines().skip(1).collect::<Vec<_>>().join("\n");
    Key::new("tool").list([check.as_str(), tool, tree.unwrap_or_default(), &text]).list(recipients)
}

/// What the answer of a build depends on: the content of the tree before and after it, the configurations, what is
/// asked, the tools. The same patch on the same content is the same build, whatever its commits are called.
pub(super) fn build<'a>(
    what: &str,
    before: &str,
    after: &str,
    configs: &[Config],
    asked: impl IntoIterator<Item = &'a str>,
) -> Key {
    Key::new("build")
        .list([what, before, after])
        .list(configs.iter().flat_map(|config| [config.to_string(), config.fragment()]))
        .list(asked)
        .list(["gcc", "clang", "ld", "sparse"].map(identity_of))
        .field(libc_of_32_bits())
}

/// Where programs for i386 find their C library, which is a package of its own: headers are compiled alone only with it.
fn libc_of_32_bits() -> &'static str {
    static PLACE: OnceLock<String> = OnceLock::new();
    PLACE.get_or_init(|| Cmd::new("gcc").args(["-m32", "-print-file-name=crt1.o"]).read().unwrap_or_default())
}

/// What the outcomes of all scripts depend on: the content of the tree, the settings with the files that they name, the
/// compilers, and the programs of the network that scripts use.
pub(super) fn tests(tree: &str, variant: Variant, loaded: &Settings) -> Key {
    let matters = |key: &str| ["kernel.", "vm.", "test."].iter().any(|section| key.starts_with(section));
    let settings = loaded.leaves().iter().filter(|leaf| matters(&leaf.key));
    let kernel = &loaded.settings.kernel;
    let base = match &kernel.base {
        Base::File(path) => Some(path),
        _ => None,
    };
    let files = kernel.fragments.iter().chain(base);
    Key::new("tests")
        .list([tree.to_owned(), variant.to_string()])
        .list(settings.flat_map(|leaf| [leaf.key.clone(), leaf.value.to_string()]))
        .list(files.map(|file| std::fs::read(file).unwrap_or_default()))
        .list(["gcc", "clang", "ip", "ss", "tc", "nft"].map(identity_of))
}

/// What it depends on how often they fail with so many seeds, or those of the settings.
pub(super) fn seeded(tests: &Key, seeds: Option<u32>) -> Key {
    tests.clone().field("seeds").field(seeds.map_or_else(String::new, |count| count.to_string()))
}

/// What the outcomes of one of them depend on.
pub(super) fn script(tests: &Key, script: &str) -> Key {
    tests.clone().field(script)
}
