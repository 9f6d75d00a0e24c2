//! The requests of the plan, put together from settings, flags and the tree.

use super::context::Context;
use super::fragments::{own_fragment, read_fragment};
use crate::doctor;
use crate::error::{IoContext, Result};
use crate::kernel::alias::Alias;
use crate::kernel::build::{self, BuildRequest};
use crate::kernel::kconfig::{self, Asker, ConfigureRequest, Fragment, Source, Value};
use crate::kernel::{Flavour, Tree, Variant, WorkDir};
use crate::process::identity;
use crate::settings::{Base, Ccache, Loaded, Origin, Settings, Variant as Named};
use crate::suite::{SUITES, Suite};
use crate::text::decode;
use crate::text::{file, hash};
use std::num::NonZero;
use std::path::Path;

/// The selftests' own fragment, in a tree.
const SELFTESTS_CONFIG: &str = "tools/testing/selftests/net/mptcp/config";

/// Symbols without which there is nothing to test, and the least that each has to be.
const ESSENTIAL: [(&str, Value); 3] =
    [("MPTCP", Value::Yes), ("MPTCP_IPV6", Value::Yes), ("INET_MPTCP_DIAG", Value::Module)];

/// The variant that the settings ask for.
pub fn variant(settings: &Settings) -> Variant {
    let kernel = &settings.kernel;
    let flavour = match kernel.variant {
        Named::Normal => Flavour::Normal,
        Named::Debug => Flavour::Debug,
        Named::Btf => Flavour::Btf,
        Named::DebugBtf => Flavour::DebugBtf,
    };
    Variant { flavour, gcov: kernel.gcov, clang: kernel.clang, uml: kernel.uml }
}

/// Asks for another variant in these settings: [`variant`] of them is that one then.
pub fn ask_for(variant: Variant, settings: &mut Settings) {
    let kernel = &mut settings.kernel;
    kernel.variant = match variant.flavour {
        Flavour::Normal => Named::Normal,
        Flavour::Debug => Named::Debug,
        Flavour::Btf => Named::Btf,
        Flavour::DebugBtf => Named::DebugBtf,
    };
    kernel.gcov = variant.gcov;
    kernel.clang = variant.clang;
    kernel.uml = variant.uml;
}

/// How the kernel of `tree` is to be configured, so that these suites can run. `asked` are the symbols of the command line.
pub fn configure(
    context: &Context,
    tree: &Tree,
    work: &WorkDir,
    loaded: &Loaded,
    suites: &[&'static Suite],
    asked: Vec<Source>,
) -> Result<ConfigureRequest> {
    tree.require_sources("configure a kernel")?;
    let settings = &loaded.settings;
    let variant = variant(settings);
    let selftests = tree.root().join(SELFTESTS_CONFIG);
    let selftests = Fragment {
        by: Asker::Tree,
        text: decode(&std::fs::read(&selftests).doing("read", &selftests)?).into_owned(),
        label: SELFTESTS_CONFIG.to_owned(),
    };
    let mut required = selftests.parse().map_err(kconfig::malformed)?.requests;
    required.extend(essential(&required));
    let mut fragments = vec![selftests];
    fragments.extend(own_names(variant, tree, &settings.kernel.base).into_iter().filter_map(own_fragment));
    // Those of all suites, or the kernel would be built again for each choice of tests; what is not tested is not required.
    // User-mode Linux has no modules, and what is built in changes its runs in virtual time: there only what is tested.
    for suite in SUITES.iter().filter(|suite| !variant.uml || suites.contains(suite)) {
        for fragment in suite.needs.fragments.iter().filter_map(|name| own_fragment(name)) {
            if suites.contains(suite) {
                required.extend(not_waived(&fragment)?);
            }
            fragments.push(fragment);
        }
    }
    if variant.uml {
        fragments = fragments.into_iter().map(Fragment::built_in).collect();
    } else {
        fragments.insert(0, virtme_symbols(context, tree)?);
    }
    for path in &settings.kernel.fragments {
        fragments.push(read_fragment(bare_name(context, loaded, path).unwrap_or(path))?);
    }
    let mut sources: Vec<Source> = fragments.into_iter().map(Source::Fragment).collect();
    for symbol in &settings.kernel.symbols {
        sources.push(Source::Symbol(
            kconfig::Request::from_assignment("kernel.symbols", symbol).map_err(kconfig::malformed)?,
        ));
    }
    sources.extend(asked);
    Ok(ConfigureRequest {
        tree: tree.root().to_owned(),
        out: work.build_dir(&variant.to_string()),
        cache: context.cache()?,
        base: match &settings.kernel.base {
            Base::Minimal => kconfig::Base::Minimal,
            Base::Defconfig => kconfig::Base::Defconfig,
            Base::Existing => kconfig::Base::Existing,
            Base::File(path) => kconfig::Base::File(path.clone()),
        },
        sources,
        required,
        make_variables: variant.make_variables().into_iter().map(str::to_owned).collect(),
        environment: context.make_environment()?,
        strict: settings.kernel.strict,
    })
}

/// The project's own fragments that apply without being asked for, in the order in which they are merged.
fn own_names(variant: Variant, tree: &Tree, base: &Base) -> Vec<&'static str> {
    let mut own = vec!["guest"];
    own.extend((!variant.uml).then_some("virtme"));
    own.push("mptcp");
    if *base == Base::Minimal {
        own.push("minimal");
        let version = tree.version();
        if !variant.uml && (version.major, version.minor) < (6, 5) {
            own.push("oldroot");
        }
    }
    own.extend(variant.fragments());
    own.extend(variant.uml.then_some("uml"));
    own
}

/// The symbols that a suite's fragment sets and does not waive: without them the suite cannot run.
fn not_waived(fragment: &Fragment) -> Result<Vec<kconfig::Request>> {
    let parsed = fragment.parse().map_err(kconfig::malformed)?;
    let waived = |request: &kconfig::Request| {
        request.value == Value::No || parsed.waivers.iter().any(|waiver| waiver.symbol == request.symbol)
    };
    Ok(parsed.requests.iter().filter(|request| !waived(request)).cloned().collect())
}

/// The name of a fragment in the settings as it was written, if it was a name and no path, and no file has it: settings make
/// paths of names.
fn bare_name<'p>(context: &Context, loaded: &Loaded, path: &'p Path) -> Option<&'p Path> {
    let dir = match loaded.origin("kernel.fragments") {
        Some(Origin::User(place) | Origin::Tree(place)) => place.file.parent()?,
        _ => context.environment.current_dir(),
    };
    let name = path.strip_prefix(dir).ok().filter(|name| name.components().count() == 1)?;
    (!path.exists() && own_fragment(name.to_str()?).is_some()).then_some(name)
}

/// Requests for the [`ESSENTIAL`] symbols that the tree itself does not ask for.
fn essential(asked: &[kconfig::Request]) -> Vec<kconfig::Request> {
    let missing =
        ESSENTIAL.iter().filter(|(symbol, _)| !asked.iter().any(|request| request.symbol == *symbol));
    let label = "without it there is nothing to test".to_owned();
    let origin = kconfig::Origin { by: Asker::Tool, label, line: None };
    let request = |(symbol, value): &(&str, Value)| kconfig::Request {
        symbol: (*symbol).to_owned(),
        value: value.clone(),
        origin: origin.clone(),
    };
    missing.map(request).collect()
}

/// The collections of selftests that these suites need.
pub fn collections(suites: &[&'static Suite]) -> Vec<String> {
    let mut collections: Vec<String> =
        suites.iter().filter_map(|suite| suite.needs.collection).map(str::to_owned).collect();
    collections.sort();
    collections.dedup();
    collections
}

/// How it is to be built, with what these suites need.
pub fn build(
    context: &Context,
    tree: &Tree,
    work: &WorkDir,
    loaded: &Loaded,
    suites: &[&'static Suite],
) -> Result<BuildRequest> {
    let kernel = &loaded.settings.kernel;
    let variant = variant(&loaded.settings);
    let out = work.build_dir(&variant.to_string());
    let ccache = match kernel.ccache {
        Ccache::Auto => build::Ccache::Auto,
        Ccache::Always => build::Ccache::Always,
        Ccache::Never => build::Ccache::Never,
    };
    let selftests = other_selftests(loaded)?;
    Ok(BuildRequest {
        tree: tree.root().to_owned(),
        log: out.join("build.log"),
        alias: alias(context, tree, selftests.as_ref(), &out)?,
        variant,
        jobs: kernel.jobs.map_or_else(doctor::cores, NonZero::get) as usize,
        ccache: build::use_ccache(ccache, &out)?,
        collections: collections(suites),
        selftests: selftests.map(|other| other.root().to_owned()),
        make_variables: if variant.gcov { counted_files(tree, variant)? } else { Vec::new() },
        environment: context.make_environment()?,
        out,
    })
}

/// The tree that the settings take the selftests from; none for the kernel's own.
pub fn other_selftests(loaded: &Loaded) -> Result<Option<Tree>> {
    let Some(dir) = &loaded.settings.kernel.selftests else { return Ok(None) };
    let tree = Tree::open(dir).map_err(|error| error.context("the tree of the selftests"))?;
    tree.require_mptcp_selftests().map(|()| Some(tree))
}

/// Variables for make that let it count the lines of MPTCP's own files, and of no others: that would take much longer.
///
/// They are counted atomically: on several CPUs at once, or from an interrupt, plain counters lose some, and a compiler may
/// rely on one that changes under it. Trees of 2026 ask GCC for that themselves.
fn counted_files(tree: &Tree, variant: Variant) -> Result<Vec<String>> {
    let dir = tree.root().join("net/mptcp");
    let entries = std::fs::read_dir(&dir).doing("read", &dir)?;
    let mut variables: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            // Elsewhere there are files of the same names: net/ipv4/syncookies.c.
            Some(format!(
                "GCOV_PROFILE_{}.o=$(if $(filter net/mptcp,$(obj)),y)",
                name.to_str()?.strip_suffix(".c")?
            ))
        })
        .collect();
    variables.sort();
    // The Makefile's own flags, which this replaces, and the last one.
    let gcc = if variant.clang { "" } else { " -fno-tree-loop-im" };
    variables.push(format!("CFLAGS_GCOV=-fprofile-arcs -ftest-coverage{gcc} -fprofile-update=atomic"));
    Ok(variables)
}

/// The paths of a tree, of another one with selftests, and of a build directory that make can take.
pub fn alias(context: &Context, tree: &Tree, selftests: Option<&Tree>, out: &Path) -> Result<Alias> {
    let trees = [Some(tree), selftests].into_iter().flatten().map(Tree::root);
    let dirs: Vec<&Path> = trees.chain(out.exists().then_some(out)).collect();
    Alias::new(&dirs, &context.cache()?)
}

/// What virtme-ng's own tool says that it needs, remembered for as long as that tool is the same file.
fn virtme_symbols(context: &Context, tree: &Tree) -> Result<Fragment> {
    let vng = doctor::vng(&context.venv()?)?;
    let tool = vng.with_file_name("virtme-configkernel");
    let tool = if tool.exists() { tool } else { process::find("virtme-configkernel")?.path };
    // The tool is a small script of its own; an update of its package writes both.
    let name = format!("virtme-symbols-{}.config", hash::of(identity(&tool).as_bytes()).short());
    let remembered = context.cache()?.join(name);
    if let Ok(text) = std::fs::read_to_string(&remembered) {
        return Ok(Fragment { by: Asker::Tool, label: "virtme-ng".to_owned(), text });
    }
    let fragment = kconfig::virtme_symbols(&tool, tree.root())?;
    if let Some(dir) = remembered.parent() {
        std::fs::create_dir_all(dir).doing("create", dir)?;
    }
    file::replace(&remembered, fragment.text.as_bytes())?;
    Ok(fragment)
}
