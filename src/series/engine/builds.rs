//! The checks that build a patch: in what it can affect.

use super::Engine;
use super::effects::Effect;
use super::merge::merge;
use crate::error::{Error, Kind, Result};
use crate::process::{find, interrupt};
use crate::series::cache::identity;
use crate::series::check::names;
use crate::series::diff::Kind as Change;
use crate::series::make::builder::{Builder, Built};
use crate::series::make::{Config, is_selftest, targets};
use crate::series::model::Patch;
use crate::series::news::new_ones;
use crate::series::verdict::{Finding, Judgement, Severity};
use std::time::Instant;

/// The checks on one patch that build.
const PER_PATCH: [&str; 4] = [names::BUILD, names::WARNINGS, names::SPARSE, names::SELFTESTS];

/// What is known of a work tree that is being built in.
pub(super) struct Site<'b> {
    pub(super) builder: &'b Builder,
    /// The commit that is checked out.
    at: Option<String>,
    /// The configurations whose `.config` fits what is checked out.
    configured: Vec<Config>,
}

impl Site<'_> {
    pub(super) fn configure(&mut self, config: Config) -> Result<()> {
        if self.configured.contains(&config) {
            return Ok(());
        }
        self.builder.configure(config)?;
        self.configured.push(config);
        Ok(())
    }
}

/// What the four checks say of a patch, and why some could not.
type Answers = Vec<(String, Judgement)>;

impl Engine<'_> {
    pub(super) fn builds(&mut self) -> Result<()> {
        let builder = self.builder()?;
        let mut site = Site { builder: &builder, at: None, configured: Vec::new() };
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
        Ok(())
    }

    /// The configurations that these files need, as far as they are wanted and can be built here.
    pub(super) fn configs<'f>(
        &mut self,
        files: impl IntoIterator<Item = &'f str>,
        builder: &Builder,
    ) -> Vec<Config> {
        let wanted = &self.options.configs;
        let named = |config: &Config| wanted.is_empty() || wanted.contains(&config.to_string());
        let needed: Vec<Config> = Config::needed(files).into_iter().filter(named).collect();
        let mut here = Vec::new();
        for config in needed {
            match builder.missing(config) {
                None => here.push(config),
                Some(why) => self.note(format!("not built in {config}: {why}")),
            }
        }
        here
    }

    fn build_patch(&mut self, patch: &Patch, open: &[&str], site: &mut Site<'_>) -> Result<()> {
        let configs = self.configs(patch.files(), site.builder);
        let number = Some(patch.number);
        let key = self.build_key("patch", &patch.parent, &patch.tree, &configs, open);
        if let Some(known) = self.cache.get::<Answers>(&key) {
            for (name, judgement) in known {
                self.judge(&name, number, judgement, 0.0, true);
            }
            return Ok(());
        }
        let began = Instant::now();
        match self.answers(patch, open, &configs, site) {
            Ok(answers) => {
                self.cache.put(&key, &answers)?;
                let seconds = began.elapsed().as_secs_f64();
                for (name, judgement) in answers {
                    // They are done together: the first has the time of all.
                    let seconds = if name == open[0] { seconds } else { 0.0 };
                    self.judge(&name, number, judgement, seconds, false);
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

    fn answers(
        &mut self,
        patch: &Patch,
        open: &[&str],
        configs: &[Config],
        site: &mut Site<'_>,
    ) -> Result<Answers> {
        let wants = |name: &str| open.contains(&name);
        let kept = patch.changes.iter().filter(|change| change.kind != Change::Deleted);
        let mut wanted = targets(kept.map(|change| change.path.as_str()));
        // Whoever used a file that goes is in its directory, or anywhere.
        let gone = patch.changes.iter().filter(|change| change.kind == Change::Deleted);
        let gone = gone.filter(|change| !change.ends_with(&[".c"]));
        wanted = wanted.and(&targets(gone.map(|change| change.path.as_str())));
        let mut effects: Vec<(Config, Effect)> = Vec::new();
        if !wanted.is_empty() && !configs.is_empty() {
            effects = self.effects(patch, &wanted, open, configs, site)?;
        }
        let mut answers = Answers::new();
        let nothing = "nothing that it touches is compiled";
        let broken = effects.iter().any(|(_, effect)| effect.broken);
        let mut answer = |name: &str, pick: fn(&mut Effect) -> Vec<Finding>| {
            if !wants(name) {
                return;
            }
            let found: Vec<(Config, Finding)> = effects
                .iter_mut()
                .flat_map(|(config, effect)| {
                    pick(effect).into_iter().map(|finding| (*config, finding)).collect::<Vec<_>>()
                })
                .collect();
            let broken_before = effects.iter().find_map(|(_, effect)| effect.broken_before.as_deref());
            let judgement = match (effects.is_empty(), found.is_empty(), broken_before) {
                (true, ..) => Judgement::moot(nothing),
                (false, true, Some(why)) if name == names::BUILD => {
                    Judgement::skip(format!("it does not build without this patch either: {why}"))
                }
                (false, true, _) if name != names::BUILD && broken => Judgement::skip("it does not build"),
                (false, true, _) if name == names::SPARSE && find("sparse").is_err() => {
                    Judgement::skip("sparse is not installed: vmptcp doctor names its package")
                }
                _ => Judgement::Done(merge(found, configs)),
            };
            answers.push((name.to_owned(), judgement));
        };
        answer(names::BUILD, |effect| std::mem::take(&mut effect.build));
        answer(names::WARNINGS, |effect| std::mem::take(&mut effect.warnings));
        answer(names::SPARSE, |effect| std::mem::take(&mut effect.sparse));
        if wants(names::SELFTESTS) {
            answers.push((names::SELFTESTS.to_owned(), self.selftests(patch, site)?));
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
        Ok(Judgement::Done(blame(&known, &built, |file, line| is_changed(patch, file, line))))
    }

    /// Checks a commit out. Where it has other options, everything is configured anew.
    pub(super) fn go_to(&mut self, commit: &str, site: &mut Site<'_>) -> Result<()> {
        interrupt::check()?;
        if site.at.as_deref() == Some(commit) {
            return Ok(());
        }
        match site.at.take() {
            None => {
                self.observer.begins(names::APPLY, None, "checking the tree out");
                self.workspace.clean()?;
            }
            Some(from) => {
                let options = ["diff", "--name-only", &from, commit, "--", "*Kconfig*"];
                if !self.workspace.git().read(options)?.is_empty() {
                    site.configured.clear();
                }
            }
        }
        self.workspace.check_out(commit)?;
        site.at = Some(commit.to_owned());
        Ok(())
    }

    /// What the answer of a build depends on.
    pub(super) fn build_key(
        &self,
        what: &str,
        before: &str,
        after: &str,
        configs: &[Config],
        open: &[&str],
    ) -> Vec<String> {
        let git = self.workspace.git();
        // The same patch on the same content is the same build, whatever its commits are called.
        let before = git.ask(["rev-parse", &format!("{before}^{{tree}}")]).unwrap_or_default();
        let mut key: Vec<String> =
            [env!("CARGO_PKG_VERSION"), what, &before, after].map(str::to_owned).to_vec();
        key.extend(configs.iter().map(|config| format!("{config} {}", config.fragment())));
        key.extend(open.iter().map(|&name| name.to_owned()));
        for tool in ["gcc", "clang", "ld", "sparse"] {
            key.push(find(tool).map_or_else(|_| "none".to_owned(), |tool| identity(&tool.path)));
        }
        key
    }
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
