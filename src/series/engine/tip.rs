//! The check that builds everything at the tip, and links it.

use super::Engine;
use super::builds::{Site, blame};
use super::merge::merge;
use crate::error::{Kind, Result};
use crate::series::check::names;
use crate::series::load;
use crate::series::make::Config;
use crate::series::make::builder::Built;
use crate::series::verdict::{CheckResult, Finding, Judgement, Status};
use std::time::Instant;

impl Engine<'_> {
    pub(super) fn build_all(&mut self, site: &mut Site<'_>) -> Result<()> {
        let loaded = self.loaded;
        if loaded.applied < loaded.series.patches.len() {
            self.judge(names::BUILD_ALL, None, Judgement::skip("not all patches apply"), 0.0, false);
            return Ok(());
        }
        let failed = |result: &&CheckResult| result.check == names::BUILD && result.status == Status::Fail;
        if let Some(number) = self.report.results.iter().find(failed).and_then(|result| result.patch) {
            let why = format!("patch {number} does not build");
            self.judge(names::BUILD_ALL, None, Judgement::skip(why), 0.0, false);
            return Ok(());
        }
        let configs = self.configs(loaded.series.files(), site.builder);
        if configs.is_empty() {
            let why = Judgement::moot("nothing that the series touches is compiled");
            self.judge(names::BUILD_ALL, None, why, 0.0, false);
            return Ok(());
        }
        let began = Instant::now();
        match self.everywhere(&configs, site) {
            Ok((findings, cached)) => {
                let judgement = Judgement::Done(merge(findings, &configs));
                self.judge(names::BUILD_ALL, None, judgement, began.elapsed().as_secs_f64(), cached);
                Ok(())
            }
            Err(error) => self.conclude(names::BUILD_ALL, Err(error), began.elapsed().as_secs_f64()),
        }
    }

    /// What is wrong at the tip in each configuration, and whether all of that was known.
    fn everywhere(
        &mut self,
        configs: &[Config],
        site: &mut Site<'_>,
    ) -> Result<(Vec<(Config, Finding)>, bool)> {
        let tip = load::tip(&self.loaded.series, self.loaded.applied);
        let tree = self.workspace.git().read(["rev-parse", &format!("{tip}^{{tree}}")])?;
        let mut found = Vec::new();
        let mut cached = true;
        for config in configs {
            let key = self.build_key("all", "", &tree, &[*config], &[]);
            let findings: Vec<Finding> = if let Some(known) = self.cache.get(&key) {
                known
            } else {
                cached = false;
                self.observer.begins(names::BUILD_ALL, None, &config.to_string());
                let findings = self.all(*config, &tip, site)?;
                self.cache.put(&key, &findings)?;
                findings
            };
            found.extend(findings.into_iter().map(|finding| (*config, finding)));
        }
        Ok((found, cached))
    }

    fn all(&mut self, config: Config, tip: &str, site: &mut Site<'_>) -> Result<Vec<Finding>> {
        let built = self.whole(config, tip, site)?;
        if built.ok {
            return Ok(Vec::new());
        }
        let base = self.loaded.series.base.clone();
        self.observer.begins(names::BUILD_ALL, None, &format!("{config}, without the series"));
        let known = self.whole(config, &base, site)?;
        let findings = blame(&known, &built, |_, _| true);
        if findings.is_empty() {
            self.note(format!("the base does not build in {config} either: {}", built.first_error()));
        }
        Ok(findings)
    }

    fn whole(&mut self, config: Config, commit: &str, site: &mut Site<'_>) -> Result<Built> {
        self.go_to(commit, site)?;
        match site.configure(config) {
            Ok(()) => site.builder.all(config),
            Err(error) if error.kind() == Kind::Build => {
                Ok(Built { other: vec![error.to_string()], ..Built::default() })
            }
            Err(error) => Err(error),
        }
    }
}
