//! Runs the tree's own kconfig, out of the tree, and proves what came out of it.

use super::malformed;
use super::needs::needs;
use super::remedy::{self, Resolved};
use super::request::{Base, ConfigureRequest, Source};
use super::stamp::{Stamp, State};
use crate::error::{Error, IoContext, Kind, Result};
use crate::kernel::alias::Alias;
use crate::kernel::environment::check_localversion;
use crate::process::{Cmd, describe};
use crate::text::decode;
use crate::text::file;
use kconfig::dotconfig::assignment;
use kconfig::lang::{Architecture, Kconfig, read};
use kconfig::{Asker, DotConfig, Expectations, Merged, Parsed, Proof, Request, Value, Waiver, merge, verify};
use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The `.config`. It is there even if the proof has errors, to look into.
    pub config: PathBuf,
    /// True if its content is new. If not, it is untouched, its modification time included.
    pub changed: bool,
    /// True if make ran; false if it was known that nothing changed.
    pub resolved: bool,
    /// What became of the requests. The caller decides about its errors: [`Proof::verdict`].
    pub proof: Proof,
}

/// The merged requests, as kconfig is given them; kept to look into.
const MERGED: &str = ".vmptcp-merged.config";

/// Where kconfig writes, so that `.config` keeps its modification time if nothing changed.
const SCRATCH: &str = ".vmptcp-new.config";

/// How often kconfig is asked again with what the tree's own requests turned out to need.
const ROUNDS: usize = 4;

/// Configures a kernel. Lines of make's output go to `log`. The caller sees to it that nobody else works in `out`.
///
/// Errors: a malformed fragment (usage); a tree that was built inside itself, no base (cannot run); make failed (build).
pub fn configure(request: &ConfigureRequest, log: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let (mut requests, waivers) = requests(&request.sources)?;
    let config = request.out.join(".config");
    check_tree(request)?;
    if let Some(outcome) = current(request)? {
        return Ok(outcome);
    }
    std::fs::create_dir_all(&request.out).doing("create", &request.out)?;
    Stamp::forget(&request.out)?;
    let architecture = Architecture::of_build(request.make_variables.iter().map(String::as_str));
    let kconfig = read(&request.tree, &architecture);
    // Taken before kconfig reads the tree: what changes meanwhile is noticed the next time.
    let state = State::of(request, kconfig.files.clone());
    let (merged, resolved, added) = with_needs(request, &mut requests, &kconfig, log)?;
    let changed = std::fs::read(&config).ok().as_ref() != Some(&resolved);
    let scratch = request.out.join(SCRATCH);
    if changed {
        std::fs::rename(&scratch, &config).doing("write", &config)?;
    } else {
        std::fs::remove_file(&scratch).doing("remove", &scratch)?;
    }
    let expect = Expectations { required: &request.required, waivers: &waivers, strict: request.strict };
    let dot_config = parsed(&resolved);
    let mut proof = verify(&merged, &dot_config, &kconfig, &expect);
    proof.added = added;
    let outcome =
        Resolved { merged: &merged, config: &dot_config, kconfig: &kconfig, required: &request.required };
    let mut attempt = |merged: &Merged| Ok(parsed(&resolve(request, merged, log)?));
    match remedy::find(&mut proof, &outcome, &mut attempt) {
        Err(error) if error.kind() == Kind::Interrupted => return Err(error),
        // What kconfig cannot resolve is no remedy; the configuration itself stands.
        _ => file::replace(&request.out.join(MERGED), merged.text().as_bytes())?,
    }
    let _ = std::fs::remove_file(&scratch);
    if kconfig.unread.is_empty() {
        Stamp::new(state, &resolved, proof.clone()).save(&request.out)?;
    }
    Ok(Outcome { config, changed, resolved: true, proof })
}

/// What configuring would come to, if nothing changed since the last time. Changes nothing.
pub fn current(request: &ConfigureRequest) -> Result<Option<Outcome>> {
    let config = request.out.join(".config");
    Ok(Stamp::still_holds(request).map(|stamp| Outcome {
        config,
        changed: false,
        resolved: false,
        proof: stamp.proof,
    }))
}

/// Resolves what is asked for, and what the tree's own requests turn out to need besides: with that comes the text of the
/// `.config`.
fn with_needs(
    request: &ConfigureRequest,
    requests: &mut Vec<Request>,
    kconfig: &Kconfig,
    log: &mut dyn FnMut(&str),
) -> Result<(Merged, Vec<u8>, Vec<Request>)> {
    let mut added: Vec<Request> = Vec::new();
    for round in 0.. {
        let merged = merge(requests.iter().cloned());
        let text = resolve(request, &merged, log)?;
        let config = parsed(&text);
        let resolved = Resolved { merged: &merged, config: &config, kconfig, required: &request.required };
        let more: Vec<Request> = needs(&resolved).into_iter().filter(|more| !added.contains(more)).collect();
        if more.is_empty() || round == ROUNDS {
            return Ok((merged, text, added));
        }
        // The user's word is the last one.
        let at = requests.iter().position(|request| request.origin.by == Asker::User);
        let at = at.unwrap_or(requests.len());
        requests.splice(at..at, more.iter().cloned());
        added.extend(more);
    }
    Ok(Default::default())
}

fn parsed(config: &[u8]) -> DotConfig {
    DotConfig::parse(&decode(config))
}

fn requests(sources: &[Source]) -> Result<(Vec<Request>, Vec<Waiver>)> {
    let mut all = Parsed::default();
    for source in sources {
        match source {
            Source::Fragment(fragment) => {
                let parsed = fragment.parse().map_err(malformed)?;
                all.requests.extend(parsed.requests);
                all.waivers.extend(parsed.waivers);
            }
            Source::Symbol(symbol) => all.requests.push(symbol.clone()),
        }
    }
    let versions = all.requests.iter().filter(|request| request.symbol == "LOCALVERSION");
    for (request, text) in versions.filter_map(|request| match &request.value {
        Value::Str(text) => Some((request, text)),
        _ => None,
    }) {
        check_localversion(text).map_err(|why| {
            Error::usage(format!("CONFIG_LOCALVERSION={} ({}): {why}", request.value, request.origin))
                .hint("give it letters, digits, dots and dashes: --set LOCALVERSION=-mine.1")
        })?;
    }
    Ok((all.requests, all.waivers))
}

/// Kbuild refuses to build elsewhere as long as a tree has its own build inside; say so before it does.
fn check_tree(request: &ConfigureRequest) -> Result<()> {
    let tree = &request.tree;
    if !tree.join("Kconfig").is_file() || !tree.join("Makefile").is_file() {
        return Err(Error::usage(format!("not a kernel tree: {}", tree.display())).hint(
            "give the directory that has the kernel's Makefile and Kconfig, or get one: vmptcp source",
        ));
    }
    let architecture = Architecture::of_build(request.make_variables.iter().map(String::as_str));
    let generated = Path::new("arch").join(architecture.srcarch).join("include/generated");
    let traces = [Path::new(".config"), Path::new("include/config"), &generated];
    let Some(trace) = traces.iter().find(|trace| tree.join(trace).exists()) else { return Ok(()) };
    let mrproper = Cmd::new("make").arg("-C").arg(tree).arg("mrproper");
    Err(Error::cannot_run(format!(
        "cannot build {} out of tree: it has been built inside itself ({} is there)",
        tree.display(),
        trace.display()
    ))
    .hint(format!("copy its .config if you want to keep it, then clean the tree: {mrproper}")))
}

/// The commands that resolve a configuration, in order. Between two of them the requests are put on top of the base.
pub fn commands_of(request: &ConfigureRequest, alias: &Alias) -> Vec<Cmd> {
    let make = |target: &str| {
        let make = request.environment.on(alias.command("make"));
        make.arg("-C")
            .arg(alias.path(&request.tree))
            .arg(format!("O={}", alias.path(&request.out).display()))
            .arg(format!("KCONFIG_CONFIG={SCRATCH}"))
            .args(&request.make_variables)
            .arg(target)
    };
    match request.base {
        Base::Minimal => vec![make("allnoconfig").arg(format!("KCONFIG_ALLCONFIG={MERGED}"))],
        Base::Defconfig => vec![make("defconfig"), make("olddefconfig")],
        Base::Existing | Base::File(_) => vec![make("olddefconfig")],
    }
}

/// Makes the tree's kconfig write [`SCRATCH`] in the build directory; returns its content.
fn resolve(request: &ConfigureRequest, merged: &Merged, log: &mut dyn FnMut(&str)) -> Result<Vec<u8>> {
    let out = &request.out;
    let scratch = out.join(SCRATCH);
    let _ = std::fs::remove_file(&scratch);
    let alias = Alias::new(&[&request.tree, out], &request.cache)?;
    let text = merged.text();
    file::replace(&out.join(MERGED), text.as_bytes())?;
    for (number, cmd) in commands_of(request, &alias).iter().enumerate() {
        match request.base {
            Base::Minimal => {}
            Base::Defconfig if number == 0 => {}
            Base::Defconfig => {
                let base = std::fs::read(&scratch).doing("read", &scratch)?;
                file::replace(&scratch, &on_top_of(&base, merged))?;
            }
            Base::Existing | Base::File(_) => {
                file::replace(&scratch, &on_top_of(&read_base(request)?, merged))?;
            }
        }
        run(cmd, log)?;
    }
    // Kconfig keeps what it replaces.
    let _ = std::fs::remove_file(out.join(format!("{SCRATCH}.old")));
    std::fs::read(&scratch).doing("read what kconfig wrote,", &scratch)
}

fn read_base(request: &ConfigureRequest) -> Result<Vec<u8>> {
    let (path, hint) = match &request.base {
        Base::File(path) => (path.clone(), "give a file that is there, or another base"),
        _ => (request.out.join(".config"), "configure once with another base: vmptcp config --base minimal"),
    };
    std::fs::read(&path).doing("read the base configuration", &path).map_err(|error| error.hint(hint))
}

/// The base without the symbols that are asked for, then these: what `merge_config.sh` makes.
fn on_top_of(base: &[u8], merged: &Merged) -> Vec<u8> {
    let asked: HashSet<&str> = merged.requests.iter().map(|request| request.symbol.as_str()).collect();
    let replaced = |line: &[u8]| {
        let line = decode(line);
        assignment(line.trim()).is_some_and(|(symbol, _)| asked.contains(symbol))
    };
    let mut text = Vec::new();
    for line in base.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && !replaced(line)) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(merged.text().as_bytes());
    text
}

/// Runs make; on failure the error has the last lines that it printed.
fn run(make: &Cmd, log: &mut dyn FnMut(&str)) -> Result<()> {
    let mut last = VecDeque::new();
    log(&make.to_string());
    let status = make.stream(|line| {
        log(line);
        if last.len() == 8 {
            last.pop_front();
        }
        last.push_back(line.to_owned());
    })?;
    if status.success() {
        return Ok(());
    }
    let said = Vec::from(last).join("\n  ");
    Err(Error::build(format!("the tree's kconfig failed ({}):\n  {said}", describe(status)))
        .hint(format!("see it fail: {make}")))
}

#[cfg(test)]
mod tests;
