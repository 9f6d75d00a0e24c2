//! The work tree that is built in: what is checked out, and which configurations fit it.

use super::keys;
use super::validator::Validator;
use crate::error::{Kind, Result};
use crate::event::{CheckId, CheckOn};
use crate::process::interrupt;
use crate::series::make::Config;
use crate::series::make::builder::{Builder, Built};
use crate::text::file;
use std::fs;

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
    pub(super) fn new(builder: &'b Builder) -> Self {
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
    pub(super) fn gaps(&self) -> impl Iterator<Item = String> {
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

impl Validator<'_> {
    /// The configurations that these files need, as far as they are wanted and can be built here.
    pub(super) fn configs<'f>(
        &mut self,
        files: impl IntoIterator<Item = &'f str>,
        site: &mut Site<'_>,
    ) -> Result<Vec<Config>> {
        let mut here = Vec::new();
        for config in self.options.configs_for(files) {
            let why = match site.builder.missing(config) {
                None => self.unusable(config, site)?,
                missing => missing,
            };
            match why {
                None => here.push(config),
                Some(why) => self.note(format!("not built in {config}: {why}"))?,
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
        let key = keys::build("configure", "", &self.workspace.git().tree_of(&base)?, &[config], []);
        if let Some(lacking) = self.cache.get::<Vec<String>>(&key) {
            site.lacks(config, lacking);
            return Ok(None);
        }
        self.go_to(&base, site)?;
        match site.builder.configure(config) {
            Ok(lacking) => {
                self.remember(&key, &lacking)?;
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

    /// Checks a commit out. Where it has other options, everything is configured again.
    pub(super) fn go_to(&mut self, commit: &str, site: &mut Site<'_>) -> Result<()> {
        interrupt::check()?;
        if site.at.as_deref() == Some(commit) {
            return Ok(());
        }
        if site.at.take().is_none() {
            self.begins(CheckOn::series(CheckId::Apply), "checking the tree out")?;
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
