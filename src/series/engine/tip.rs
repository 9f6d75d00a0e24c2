//! The check that builds everything at the tip, and links it.

use super::Engine;
use super::builds::{NOWHERE, Site, blame, build_key};
use super::merge::merge;
use crate::error::Result;
use crate::series::check::names;
use crate::series::load;
use crate::series::make::Config;
use crate::series::verdict::{CheckResult, Finding, Judgement, Status};
use std::time::Instant;

/// What the series does to one configuration; and if it did not build before either, why.
type Answer = (Vec<Finding>, Option<String>);

impl Engine<'_> {
    pub(super) fn build_all(&mut self, site: &mut Site<'_>) -> Result<()> {
        let began = Instant::now();
        let outcome = self.everywhere(site);
        let seconds = began.elapsed().as_secs_f64();
        match outcome {
            Ok((judgement, cached)) => {
                self.judge(names::BUILD_ALL, None, judgement, seconds, cached);
                Ok(())
            }
            Err(error) => self.outcome(names::BUILD_ALL, None, Err(error), seconds),
        }
    }

    /// What is to be said of the tip, after all configurations, and whether all of that was known.
    fn everywhere(&mut self, site: &mut Site<'_>) -> Result<(Judgement, bool)> {
        let loaded = self.loaded;
        if let Some(why) = loaded.shortfall() {
            return Ok((Judgement::skip(why), false));
        }
        let failed = |result: &&CheckResult| result.check == names::BUILD && result.status == Status::Fail;
        if let Some(number) = self.report.results.iter().find(failed).and_then(|result| result.patch) {
            return Ok((Judgement::skip(format!("patch {number} does not build")), false));
        }
        if Config::needed(loaded.series.files()).is_empty() {
            return Ok((Judgement::moot("nothing that the series touches is compiled"), false));
        }
        let configs = self.configs(loaded.series.files(), site)?;
        if configs.is_empty() {
            return Ok((Judgement::skip(NOWHERE), false));
        }
        let tip = load::tip(&loaded.series, loaded.applied);
        let git = self.workspace.git();
        let (before, after) = (git.tree_of(&loaded.series.base)?, git.tree_of(&tip)?);
        let (mut found, mut broken) = (Vec::new(), None);
        let mut cached = true;
        for config in &configs {
            let key = build_key("all", &before, &after, &[*config], &[]);
            let (findings, why): Answer = if let Some(known) = self.cache.get(&key) {
                known
            } else {
                cached = false;
                self.observer.begins(names::BUILD_ALL, None, &config.to_string());
                let answer = self.all(*config, &tip, site)?;
                if answer.1.is_none() {
                    self.remember(&key, &answer);
                }
                answer
            };
            found.extend(findings.into_iter().map(|finding| (*config, finding)));
            broken = broken.or(why.map(|why| format!("in {config} the base does not build either: {why}")));
        }
        Ok(match broken {
            Some(why) if found.is_empty() => (Judgement::skip(why), cached),
            _ => (Judgement::Done(merge(found, &configs)), cached),
        })
    }

    fn all(&mut self, config: Config, tip: &str, site: &mut Site<'_>) -> Result<Answer> {
        self.go_to(tip, site)?;
        let built = site.build(config, |builder| builder.all(config))?;
        if built.ok {
            return Ok((Vec::new(), None));
        }
        let base = self.loaded.series.base.clone();
        self.observer.begins(names::BUILD_ALL, None, &format!("{config}, without the series"));
        self.go_to(&base, site)?;
        let known = site.build(config, |builder| builder.all(config))?;
        let findings = blame(&known, &built, |_, _| true);
        let broken = findings.is_empty().then(|| built.first_error());
        Ok((findings, broken))
    }
}
