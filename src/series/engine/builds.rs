//! The checks that build a patch: in what it can affect.

use super::Engine;
use super::effects::judge;
use crate::error::{Error, Kind, Result};
use crate::process::{Cmd, find, identity_of, interrupt};
use crate::series::check::names;
use crate::series::diff::Kind as Change;
use crate::series::make::builder::{Builder, Built};
use crate::series::make::{Config, Targets, is_selftest, targets, users};
use crate::series::model::Patch;
use crate::series::news::new_ones;
use crate::series::verdict::{Finding, Judgement, Severity};
use crate::text::file;
use crate::text::hash::Key;
use std::fs;
use std::sync::OnceLock;
use std::time::Instant;

/// The checks on one patch that build.
const PER_PATCH: [&str; 4] = [names::BUILD, names::WARNINGS, names::SPARSE, names::SELFTESTS];

/// Why nothing is built.
pub(super) const NOWHERE: &str =
    "none of the configurations that it needs can be built here, or was asked for";

/// What is known of a work tree that is being built in.
pub(super) struct Site<'b> {
    pub(super) builder: &'b Builder,
    /// The commit that is checked out.
    at: Option<String>,
    /// The configurations whose `.config` fits what is checked out.
    configured: Vec<Config>,
    /// The configurations that the base cannot have: why.
    refused: Vec<(Config, String)>,
    /// What a configuration of the base lacks: the line of a `.config`, and the configurations.
    lacking: Vec<(String, Vec<Config>)>,
}

impl<'b> Site<'b> {
    fn new(builder: &'b Builder) -> Self {
        Self { builder, at: None, configured: Vec::new(), refused: Vec::new(), lacking: Vec::new() }
    }

    pub(super) fn configure(&mut self, config: Config) -> Result<()> {
        if !self.configured.contains(&config) {
            self.builder.configure(config)?;
            self.configured.push(config);
        }
        Ok(())
    }

    fn lacks(&mut self, config: Config, lines: Vec<String>) {
        for line in lines {
            match self.lacking.iter_mut().find(|(known, _)| *known == line) {
                Some((_, configs)) if configs.contains(&config) => {}
                Some((_, configs)) => configs.push(config),
                None => self.lacking.push((line, vec![config])),
            }
        }
    }

    /// What is not looked for, as a note for each symbol.
    fn gaps(&self) -> impl Iterator<Item = String> {
        self.lacking.iter().map(|(line, configs)| {
            let names: Vec<String> = configs.iter().map(ToString::to_string).collect();
            let why = if line.contains("UAPI_HEADER_TEST") {
                "exported headers are not compiled alone (the compiler must link programs for that: gcc-multilib for i386)"
            } else {
                "the tree, or the compiler, does not have what it needs"
            };
            format!("not configured: {line} in {}: {why}", names.join(", "))
        })
    }

    /// Configures and builds. That it cannot be configured is a way not to build.
    pub(super) fn build(
        &mut self,
        config: Config,
        build: impl Fn(&Builder) -> Result<Built>,
    ) -> Result<Built> {
        match self.configure(config) {
            Ok(()) => build(self.builder),
            Err(error) if error.kind() == Kind::Build => {
                Ok(Built { other: vec![error.to_string()], ..Built::default() })
            }
            Err(error) => Err(error),
        }
    }
}

/// What the four checks say of a patch, and why some could not.
type Answers = Vec<(String, Judgement)>;

impl Engine<'_> {
    pub(super) fn builds(&mut self) -> Result<()> {
        let builder = self.builder()?;
        let mut site = Site::new(&builder);
        for patch in self.applied() {
            let open: Vec<&str> =
                PER_PATCH.into_iter().filter(|name| self.is_open(name, Some(patch.number))).collect();
            if !open.is_empty() {
                self.build_patch(patch, &open, &mut site)?;
            }
        }
        if self.is_open(names::BUILD_ALL, None) {
            self.build_all(&mut site)?;
        }
        for gap in site.gaps() {
            self.note(gap);
        }
        Ok(())
    }

    /// The configurations that these files need, as far as they are wanted and can be built here.
    pub(super) fn configs<'f>(
        &mut self,
        files: impl IntoIterator<Item = &'f str>,
        site: &mut Site<'_>,
    ) -> Result<Vec<Config>> {
        let wanted = &self.options.configs;
        let named = |config: &Config| wanted.is_empty() || wanted.contains(&config.to_string());
        let needed: Vec<Config> = Config::needed(files).into_iter().filter(named).collect();
        let mut here = Vec::new();
        for config in needed {
            let why = match site.builder.missing(config) {
                None => self.unusable(config, site)?,
                missing => missing,
            };
            match why {
                None => here.push(config),
                Some(why) => self.note(format!("not built in {config}: {why}")),
            }
        }
        Ok(here)
    }

    /// Why the base cannot be configured so; none if it can. A compiler may be too old for the tree.
    fn unusable(&mut self, config: Config, site: &mut Site<'_>) -> Result<Option<String>> {
        if let Some((_, why)) = site.refused.iter().find(|(refused, _)| *refused == config) {
            return Ok(Some(why.clone()));
        }
        let base = self.loaded.series.base.clone();
        let key = build_key("configure", "", &self.workspace.git().tree_of(&base)?, &[config], &[]);
        if let Some(lacking) = self.cache.get::<Vec<String>>(&key) {
            site.lacks(config, lacking);
            return Ok(None);
        }
        self.go_to(&base, site)?;
        match site.builder.configure(config) {
            Ok(lacking) => {
                self.remember(&key, &lacking);
                site.configured.push(config);
                site.lacks(config, lacking);
                Ok(None)
            }
            // Not remembered: what is missing may be there the next time.
            Err(error) if error.kind() == Kind::Build => {
                site.refused.push((config, error.to_string()));
                Ok(Some(error.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    fn build_patch(&mut self, patch: &Patch, open: &[&str], site: &mut Site<'_>) -> Result<()> {
        let began = Instant::now();
        let number = Some(patch.number);
        match self.known_or_new(patch, open, site) {
            Ok((answers, known)) => {
                let seconds = if known { 0.0 } else { began.elapsed().as_secs_f64() };
                for (name, judgement) in answers {
                    // They are done together: the first has the time of all.
                    let seconds = if name == open[0] { seconds } else { 0.0 };
                    self.judge(&name, number, judgement, seconds, known);
                }
                Ok(())
            }
            Err(error) if error.kind() == Kind::Interrupted => Err(error),
            Err(error) => {
                let text = error.to_string();
                for name in open {
                    self.outcome(name, number, Err(Error::new(error.kind(), &text)), 0.0)?;
                }
                Ok(())
            }
        }
    }

    /// The answers, and whether they were known.
    fn known_or_new(&mut self, patch: &Patch, open: &[&str], site: &mut Site<'_>) -> Result<(Answers, bool)> {
        let configs = self.configs(patch.files(), site)?;
        let key =
            build_key("patch", &self.workspace.git().tree_of(&patch.parent)?, &patch.tree, &configs, open);
        if let Some(known) = self.cache.get(&key) {
            return Ok((known, true));
        }
        let answers = self.answers(patch, open, &configs, site)?;
        // Without sparse it is skipped again in any case.
        let skipped = |(name, judgement): &(String, Judgement)| {
            matches!(judgement, Judgement::Skipped(_)) && (name != names::SPARSE || find("sparse").is_ok())
        };
        // What was broken before may be so because something is missing, and may be there the next time.
        if !answers.iter().any(skipped) {
            self.remember(&key, &answers);
        }
        Ok((answers, false))
    }

    fn answers(
        &mut self,
        patch: &Patch,
        open: &[&str],
        configs: &[Config],
        site: &mut Site<'_>,
    ) -> Result<Answers> {
        let wanted = affected(patch);
        let compiles = open.iter().any(|name| *name != names::SELFTESTS);
        let effects = if compiles && !wanted.is_empty() && !configs.is_empty() {
            self.effects(patch, &wanted, open, configs, site)?
        } else {
            Vec::new()
        };
        let mut answers = Answers::new();
        for name in open {
            let judgement = match *name {
                names::SELFTESTS => self.selftests(patch, site)?,
                _ if wanted.is_empty() => Judgement::moot("nothing that it touches is compiled"),
                _ if configs.is_empty() => Judgement::skip(NOWHERE),
                names::SPARSE if find("sparse").is_err() => {
                    Judgement::skip("sparse is not installed: vmptcp doctor names its package")
                }
                name => judge(name, &effects, &wanted),
            };
            answers.push(((*name).to_owned(), judgement));
        }
        Ok(answers)
    }

    fn selftests(&mut self, patch: &Patch, site: &mut Site<'_>) -> Result<Judgement> {
        if !patch.files().any(is_selftest) {
            return Ok(Judgement::moot("no program of the selftests is touched"));
        }
        let out = site.builder.builds.join("selftests");
        self.go_to(&patch.commit, site)?;
        self.observer.begins(names::SELFTESTS, Some(patch.number), "");
        let built = site.builder.selftests(&out)?;
        if built.ok && built.remarks.is_empty() {
            return Ok(Judgement::pass());
        }
        self.go_to(&patch.parent, site)?;
        self.observer.begins(names::SELFTESTS, Some(patch.number), "without the patch");
        let known = site.builder.selftests(&out)?;
        let found = blame(&known, &built, |file, line| is_changed(patch, file, line));
        if found.is_empty() && !built.ok {
            let why = built.first_error();
            return Ok(Judgement::skip(format!("they do not build without this patch either: {why}")));
        }
        Ok(Judgement::Done(found))
    }

    /// Checks a commit out. Where it has other options, everything is configured anew.
    pub(super) fn go_to(&mut self, commit: &str, site: &mut Site<'_>) -> Result<()> {
        interrupt::check()?;
        if site.at.as_deref() == Some(commit) {
            return Ok(());
        }
        if site.at.take().is_none() {
            self.observer.begins(names::APPLY, None, "checking the tree out");
            site.configured.clear();
            self.workspace.clean()?;
        }
        let git = self.workspace.git();
        // What was checked out last for a build, perhaps by an earlier run.
        let note = site.builder.builds.join("commit");
        let last = fs::read_to_string(&note).unwrap_or_default();
        if let Ok(from) = git.commit(&last) {
            let changes = git.read(["diff", "--no-renames", "--name-status", &from, commit])?;
            let changes: Vec<(&str, &str)> =
                changes.lines().filter_map(|line| line.split_once('\t')).collect();
            if changes.iter().any(|(_, path)| path.contains("Kconfig")) {
                site.configured.clear();
            }
            let deleted = changes.iter().filter(|(status, _)| *status == "D").map(|(_, path)| *path);
            site.builder.forget(deleted)?;
        } else if !last.is_empty() {
            // Nobody knows what its objects were made from.
            site.builder.forget_all()?;
        }
        file::replace(&note, commit.as_bytes())?;
        self.workspace.check_out(commit)?;
        site.at = Some(commit.to_owned());
        Ok(())
    }
}

/// What the answer of a build depends on: the content of the tree before and after it, the configurations, what is
/// asked, the tools. The same patch on the same content is the same build, whatever its commits are called.
pub(super) fn build_key(what: &str, before: &str, after: &str, configs: &[Config], open: &[&str]) -> Key {
    Key::new("build")
        .list([what, before, after])
        .list(configs.iter().flat_map(|config| [config.to_string(), config.fragment()]))
        .list(open)
        .list(["gcc", "clang", "ld", "sparse"].map(identity_of))
        .field(libc_of_32_bits())
}

/// Where programs for i386 find their C library, which is a package of its own: headers are compiled alone only with it.
fn libc_of_32_bits() -> &'static str {
    static PLACE: OnceLock<String> = OnceLock::new();
    PLACE.get_or_init(|| Cmd::new("gcc").args(["-m32", "-print-file-name=crt1.o"]).read().unwrap_or_default())
}

/// What make has to be asked for because of a patch. Who used a file that goes is in its directory, or anywhere.
fn affected(patch: &Patch) -> Targets {
    let kept = patch.changes.iter().filter(|change| change.kind != Change::Deleted);
    let deleted = patch.changes.iter().filter(|change| change.kind == Change::Deleted);
    let gone = deleted
        .map(|change| &change.path)
        .chain(patch.changes.iter().filter_map(|change| change.old_path.as_ref()));
    let users: Vec<String> = gone.map(|path| users(path)).collect();
    targets(kept.map(|change| change.path.as_str()).chain(users.iter().map(String::as_str)))
}

/// What is wrong with `built` that was not wrong with `known`.
pub(super) fn blame(known: &Built, built: &Built, is_changed: impl Fn(&str, u32) -> bool) -> Vec<Finding> {
    let new = new_ones(&known.remarks, &built.remarks, is_changed);
    let mut findings: Vec<Finding> = new.iter().map(|remark| remark.finding(Severity::Warning)).collect();
    let other = built.other.iter().filter(|line| !known.other.contains(line));
    findings.extend(other.map(|line| if built.ok { Finding::warning(line) } else { Finding::error(line) }));
    findings
}

pub(super) fn is_changed(patch: &Patch, file: &str, line: u32) -> bool {
    let change = patch.changes.iter().find(|change| change.path == file);
    change.is_some_and(|change| change.added.iter().any(|added| added.number == line))
}
