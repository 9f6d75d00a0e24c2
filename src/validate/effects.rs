//! What a patch does to the build, and to what W=1 and sparse say, in each configuration.

use super::blame::{blame, is_changed};
use super::keys;
use super::merge::merge;
use super::site::Site;
use super::validator::Validator;
use crate::error::{Kind, Result};
use crate::event::{CheckId, CheckOn, Finding, Severity};
use crate::process::find;
use crate::series::AppliedPatch;
use crate::series::judgement::Judgement;
use crate::series::make::builder::Built;
use crate::series::make::{Config, Targets};
use crate::series::news::{Remark, new_ones};

/// What one patch does in one configuration.
#[derive(Debug, Default)]
pub(super) struct Effect {
    build: Vec<Finding>,
    warnings: Vec<Finding>,
    sparse: Vec<Finding>,
    /// It does not build.
    broken: bool,
    /// It did not build before either: why.
    broken_before: Option<String>,
    /// Why the tools could not be asked without the patch, so that nobody knows what is new.
    uncompared: Option<String>,
    /// The objects of the patch's own sources that were compiled.
    compiled: Vec<String>,
}

/// What the tools say of some objects.
struct Examined {
    objects: Vec<String>,
    warnings: Vec<Remark>,
    sparse: Vec<Remark>,
}

/// sparse says the same whichever compiler is there: it is asked with GCC, if that is among the configurations.
fn asks_sparse(config: Config, configs: &[Config]) -> bool {
    !config.clang || configs.iter().all(|config| config.clang)
}

impl Validator<'_> {
    /// With the patch first: where nobody says anything, it does not matter what was said before.
    pub(super) fn effects(
        &mut self,
        patch: AppliedPatch<'_>,
        wanted: &Targets,
        open: &[CheckId],
        configs: &[Config],
        site: &mut Site<'_>,
    ) -> Result<Vec<(Config, Effect)>> {
        let wants_sparse = open.contains(&CheckId::Sparse) && find("sparse").is_ok();
        let sparse = |config| wants_sparse && asks_sparse(config, configs);
        let warnings = open.contains(&CheckId::Warnings);
        let on = |check| CheckOn::patch(check, patch.number);
        self.go_to(&patch.commit.hash, site)?;
        let mut effects = Vec::new();
        let mut said = Vec::new();
        for config in configs {
            self.begins(on(CheckId::Build), config.to_string())?;
            let effect = self.build(patch, *config, wanted, site)?;
            if !effect.broken && (warnings || sparse(*config)) {
                self.begins(on(CheckId::Warnings), config.to_string())?;
                let objects = site.builder.examined(*config, wanted);
                let examined = self.examine(*config, objects, sparse(*config), &patch.commit.hash, site)?;
                if !(examined.warnings.is_empty() && examined.sparse.is_empty()) {
                    said.push((effects.len(), examined));
                }
            }
            effects.push((*config, effect));
        }
        if said.is_empty() {
            return Ok(effects);
        }
        self.go_to(&patch.commit.parent, site)?;
        let news = |before: &[Remark], after: &[Remark]| -> Vec<Finding> {
            let new = new_ones(before, after, |file, line| is_changed(&patch, file, line));
            new.iter().map(|remark| remark.finding(Severity::Error)).collect()
        };
        for (at, after) in said {
            let (config, effect) = &mut effects[at];
            self.begins(on(CheckId::Warnings), format!("{config}, before"))?;
            let speaking = after.speaking();
            let before = site
                .configure(*config)
                .and_then(|()| self.examine(*config, speaking, sparse(*config), &patch.commit.parent, site));
            match before {
                Ok(before) => {
                    effect.warnings = news(&before.warnings, &after.warnings);
                    effect.sparse = news(&before.sparse, &after.sparse);
                }
                Err(error) if error.kind() == Kind::Build => effect.uncompared = Some(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(effects)
    }

    /// Compiles what the patch can affect.
    fn build(
        &mut self,
        patch: AppliedPatch<'_>,
        config: Config,
        wanted: &Targets,
        site: &mut Site<'_>,
    ) -> Result<Effect> {
        let built = site.build(config, |builder| builder.compile(config, wanted))?;
        if built.ok {
            let compiled = wanted.objects.iter().filter(|object| site.builder.has(config, object));
            return Ok(Effect { compiled: compiled.cloned().collect(), ..Effect::default() });
        }
        let build = self.blame(patch, config, wanted, &built, site)?;
        let broken_before = build.is_empty().then(|| built.first_error());
        Ok(Effect { broken: true, build, broken_before, ..Effect::default() })
    }

    /// What of a failed build is this patch's doing.
    fn blame(
        &mut self,
        patch: AppliedPatch<'_>,
        config: Config,
        wanted: &Targets,
        built: &Built,
        site: &mut Site<'_>,
    ) -> Result<Vec<Finding>> {
        self.go_to(&patch.commit.parent, site)?;
        self.begins(CheckOn::patch(CheckId::Build, patch.number), format!("{config}, without the patch"))?;
        let known = site.build(config, |builder| builder.compile(config, wanted))?;
        self.go_to(&patch.commit.hash, site)?;
        Ok(blame(&known, built, |file, line| is_changed(&patch, file, line)))
    }

    /// What W=1 and sparse say of these objects in a commit.
    fn examine(
        &mut self,
        config: Config,
        objects: Vec<String>,
        sparse: bool,
        commit: &str,
        site: &mut Site<'_>,
    ) -> Result<Examined> {
        if objects.is_empty() {
            return Ok(Examined { objects, warnings: Vec::new(), sparse: Vec::new() });
        }
        let tree = self.workspace.git().tree_of(commit)?;
        let key = keys::build("examine", "", &tree, &[config], [if sparse { "sparse" } else { "" }]);
        let key = key.list(&objects);
        let (warnings, sparse) = if let Some(known) = self.cache.get(&key) {
            known
        } else {
            let said = site.builder.examine(config, &objects, sparse)?;
            self.remember(&key, &said)?;
            said
        };
        Ok(Examined { objects, warnings, sparse })
    }
}

/// What one of the checks says, after what was seen in all configurations. Pure.
pub(super) fn judge(check: CheckId, effects: &[(Config, Effect)], wanted: &Targets) -> Judgement {
    let configs: Vec<Config> = effects.iter().map(|(config, _)| *config).collect();
    let pick = |pick: fn(&Effect) -> &Vec<Finding>| -> Vec<(Config, Finding)> {
        let all =
            effects.iter().flat_map(|(config, effect)| pick(effect).iter().map(|one| (*config, one.clone())));
        all.collect()
    };
    if check == CheckId::Build {
        let found = pick(|effect| &effect.build);
        let before =
            effects.iter().find_map(|(config, effect)| Some((config, effect.broken_before.as_ref()?)));
        return match before {
            Some((config, why)) if found.is_empty() => {
                Judgement::skip(format!("in {config} it does not build without this patch either: {why}"))
            }
            _ => {
                let nowhere = never_compiled(effects, wanted);
                Judgement::Done(merge(found, &configs).into_iter().chain(nowhere).collect())
            }
        };
    }
    let (found, asked) = if check == CheckId::Sparse {
        let asked = configs.iter().filter(|config| asks_sparse(**config, &configs)).copied().collect();
        (pick(|effect| &effect.sparse), asked)
    } else {
        (pick(|effect| &effect.warnings), configs)
    };
    let why = effects.iter().find_map(|(config, effect)| match &effect.uncompared {
        Some(why) => Some(format!("in {config} nothing can be asked without this patch: {why}")),
        None => effect.broken.then(|| format!("in {config} it does not build")),
    });
    match why {
        Some(why) if found.is_empty() => Judgement::skip(why),
        _ => Judgement::Done(merge(found, &asked)),
    }
}

/// Sources of the patch that no configuration compiles: it was not seen whether they can be.
fn never_compiled(effects: &[(Config, Effect)], wanted: &Targets) -> Vec<Finding> {
    if effects.iter().any(|(_, effect)| effect.broken) {
        return Vec::new();
    }
    let compiled = |object: &String| effects.iter().any(|(_, effect)| effect.compiled.contains(object));
    let left = wanted.objects.iter().filter(|object| !compiled(object));
    left.map(|object| {
        let source = object.strip_suffix(".o").unwrap_or(object);
        Finding::warning(format!(
            "none of the configurations that were asked for compiles {source}: build it by hand"
        ))
    })
    .collect()
}

impl Examined {
    /// The objects that the remarks come from; all, if a remark is on a file that any of them may include.
    fn speaking(&self) -> Vec<String> {
        let remarks = || self.warnings.iter().chain(&self.sparse);
        let source =
            |object: &str| object.strip_suffix(".o").map(|stem| format!("{stem}.c")).unwrap_or_default();
        let sources: Vec<String> = self.objects.iter().map(|object| source(object)).collect();
        if remarks().any(|remark| !sources.contains(&remark.file)) {
            return self.objects.clone();
        }
        let speaks = |object: &&String| remarks().any(|remark| remark.file == source(object));
        self.objects.iter().filter(speaks).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_said_something_is_asked_again() {
        let objects = ["net/mptcp/pm.o", "net/mptcp/token.o"].map(str::to_owned).to_vec();
        let remark =
            |file: &str| Remark { file: file.to_owned(), line: 1, text: "unused".to_owned(), error: false };
        let mut examined =
            Examined { objects: objects.clone(), warnings: vec![remark("net/mptcp/pm.c")], sparse: vec![] };
        assert_eq!(examined.speaking(), objects[..1]);
        examined.sparse.push(remark("net/mptcp/protocol.h"));
        assert_eq!(examined.speaking(), objects);
    }

    #[test]
    fn what_no_configuration_compiles_is_told() {
        let wanted = Targets {
            objects: vec!["net/mptcp/pm.o".to_owned(), "arch/arm64/x.o".to_owned()],
            ..Targets::default()
        };
        let config = Config::all()[0];
        let effect = Effect { compiled: wanted.objects[..1].to_vec(), ..Effect::default() };
        let Judgement::Done(found) = judge(CheckId::Build, &[(config, effect)], &wanted) else {
            panic!("it was done")
        };
        let texts: Vec<&str> = found.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(
            texts,
            ["none of the configurations that were asked for compiles arch/arm64/x: build it by hand"]
        );
    }

    #[test]
    fn what_was_broken_before_is_not_held_against_a_patch() {
        let configs = Config::all();
        let before =
            || Effect { broken: true, broken_before: Some("no such header".to_owned()), ..Effect::default() };
        let effects = [(configs[0], Effect::default()), (configs[2], before())];
        let wanted = Targets::default();
        let why = "in i386-ipv6-mptcp it does not build without this patch either: no such header";
        assert_eq!(judge(CheckId::Build, &effects, &wanted), Judgement::skip(why));
        assert_eq!(
            judge(CheckId::Warnings, &effects, &wanted),
            Judgement::skip("in i386-ipv6-mptcp it does not build")
        );
        let found = Effect { warnings: vec![Finding::error("unused")], ..Effect::default() };
        let effects = [(configs[0], found), (configs[2], before())];
        assert!(
            matches!(judge(CheckId::Warnings, &effects, &wanted), Judgement::Done(found) if found.len() == 1)
        );
    }
}
