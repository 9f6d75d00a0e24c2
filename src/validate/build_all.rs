//! The check that builds everything at the tip, and links it.

use super::blame::blame;
use super::builds::NO_CONFIGURATION;
use super::keys;
use super::merge::merge;
use super::site::Site;
use super::validator::Validator;
use crate::error::Result;
use crate::event::{CheckId, CheckOn, CheckResult, Finding, Status};
use crate::series::Judgement;
use crate::series::make::Config;
use std::time::Instant;

/// The check.
const ON: CheckOn = CheckOn { check: CheckId::BuildAll, patch: None };

/// What the series does to one configuration; and if it did not build before either, why.
type Answer = (Vec<Finding>, Option<String>);

impl Validator<'_> {
    pub(super) fn build_all(&mut self, site: &mut Site<'_>) -> Result<()> {
        let began = Instant::now();
        let outcome = self.everywhere(site);
        let seconds = began.elapsed().as_secs_f64();
        match outcome {
            Ok((judgement, cached)) => self.judge(ON, judgement, seconds, cached),
            Err(error) => self.outcome(ON, Err(error), seconds),
        }
    }

    /// What is to be said of the tip, after all configurations, and whether all of that was known.
    fn everywhere(&mut self, site: &mut Site<'_>) -> Result<(Judgement, bool)> {
        let loaded = self.loaded;
        if let Some(why) = loaded.shortfall() {
            return Ok((Judgement::skip(why), false));
        }
        let failed =
            |result: &&CheckResult| result.on.check == CheckId::Build && result.status == Status::Fail;
        let number = self.state().results.iter().find(failed).and_then(|result| result.on.patch);
        if let Some(number) = number {
            return Ok((Judgement::skip(format!("patch {number} does not build")), false));
        }
        if Config::needed(loaded.series.files()).is_empty() {
            return Ok((Judgement::not_applicable("nothing that the series touches is compiled"), false));
        }
        let configs = self.configs(loaded.series.files(), site)?;
        if configs.is_empty() {
            return Ok((Judgement::skip(NO_CONFIGURATION), false));
        }
        let tip = loaded.tip();
        let git = self.workspace.git();
        let (before, after) = (git.tree_of(&loaded.series.base)?, git.tree_of(tip)?);
        let (mut found, mut broken) = (Vec::new(), None);
        let mut cached = true;
        for config in &configs {
            let key = keys::build("all", &before, &after, &[*config], []);
            let (findings, why): Answer = if let Some(known) = self.cache.get(&key) {
                known
            } else {
                cached = false;
                self.begins(ON, config.to_string())?;
                let answer = self.all(*config, tip, site)?;
                if answer.1.is_none() {
                    self.remember(&key, &answer)?;
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
        self.begins(ON, format!("{config}, without the series"))?;
        self.go_to(&base, site)?;
        let known = site.build(config, |builder| builder.all(config))?;
        let findings = blame(&known, &built, |_, _| true);
        let broken = findings.is_empty().then(|| built.first_error());
        Ok((findings, broken))
    }
}
