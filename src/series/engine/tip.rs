//! The check that builds everything at the tip, and links it.

use super::Engine;
use super::builds::{Site, blame};
use super::merge::merge;
use crate::error::Result;
use crate::series::check::names;
use crate::series::load;
use crate::series::make::Config;
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
        let tip = load::tip(&loaded.series, loaded.applied);
        let tree = self.workspace.git().read(["rev-parse", &format!("{tip}^{{tree}}")])?;
        let began = Instant::now();
        let mut found = Vec::new();
        let mut cached = true;
        for config in &configs {
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
        let judgement = Judgement::Done(merge(found, &configs));
        self.judge(names::BUILD_ALL, None, judgement, began.elapsed().as_secs_f64(), cached);
        Ok(())
    }

    fn all(&mut self, config: Config, tip: &str, site: &mut Site<'_>) -> Result<Vec<Finding>> {
        self.go_to(tip, site)?;
        site.configure(config)?;
        let built = site.builder.all(config)?;
        if built.ok {
            return Ok(Vec::new());
        }
        let base = self.loaded.series.base.clone();
        self.go_to(&base, site)?;
        self.observer.begins(names::BUILD_ALL, None, &format!("{config}, without the series"));
        site.configure(config)?;
        let known = site.builder.all(config)?;
        self.go_to(tip, site)?;
        let findings = blame(&known, &built, |_, _| true);
        if findings.is_empty() {
            self.note(format!("the base does not build in {config} either"));
        }
        Ok(findings)
    }
}
