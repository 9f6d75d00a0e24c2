//! The guests of a step: what the plan leaves open about them, decided by what the machine can do.

use super::{Host, Journal, links};
use crate::doctor::{self, Scope};
use crate::error::{Error, Result};
use crate::plan::{BackendPlan, Engine, GuestPlan, VirtmeFacts, VirtmePlan, usual_parameters};
use crate::process::{Identity, mount_namespace};
use crate::settings::Auto;
use crate::vm::Spec;
use crate::vm::accel::Accelerator;
use crate::vm::backend::uml;
use crate::vm::backend::virtme::{BOOT_PROGRAMS, Filesystem, Hiding, virtiofs};
use crate::vm::root::make_places;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The engine for guests with this kernel image: what was asked for, or what works.
pub fn engine(guest: &GuestPlan, image: &Path, host: &Host, journal: &mut Journal) -> Result<Engine> {
    match guest.engine() {
        Auto::Given(engine) => Ok(engine),
        Auto::Auto => accelerator(image, host, journal).map(Engine::Virtme),
    }
}

fn accelerator(image: &Path, host: &Host, journal: &mut Journal) -> Result<Accelerator> {
    let scope = Scope {
        cache: &host.cache,
        venv: &host.venv,
        work: None,
        image: Some(image),
        uml: None,
        reprobe: false,
        with: &[],
    };
    if let Some(answer) = doctor::accelerator(&scope)? {
        return Ok(answer.accelerator);
    }
    journal.warn(
        "the kernel comes up neither with KVM nor without within the probe's time",
        Some("going on without KVM; choose with --accelerator".to_owned()),
    )?;
    Ok(Accelerator::Tcg)
}

/// Fails if the root filesystem of guests is not there.
pub fn require_root(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let missing = format!("the guests' root filesystem is not there: {}", dir.display());
    Err(Error::cannot_run(missing)
        .hint("make the image first: vmptcp image build NAME; or name a directory with --root DIR"))
}

/// The guest as its backend starts it; `tmp` is for the backend's temporary files.
pub fn spec(guest: &GuestPlan, engine: Engine, tmp: &Path, host: &Host) -> Result<Spec> {
    require_root(&guest.root.dir)?;
    match &guest.backend {
        BackendPlan::Virtme(virtme) => {
            let accelerator = engine.accelerator().unwrap_or(Accelerator::Tcg);
            virtme_spec(guest, virtme, accelerator, tmp, host)
        }
        BackendPlan::Uml(time) => {
            let namespace = match uml::namespace() {
                Err(_) if guest.unconfined => None,
                granted => Some(granted?),
            };
            let backend =
                Arc::new(guest.uml(*time, namespace, uml::Tracing::of(&guest.kernel, &host.cache)?));
            Ok(guest.spec(backend, checkers(&guest.kernel), tmp, Path::to_owned))
        }
    }
}

fn virtme_spec(
    guest: &GuestPlan,
    virtme: &VirtmePlan,
    accelerator: Accelerator,
    tmp: &Path,
    host: &Host,
) -> Result<Spec> {
    let facts = VirtmeFacts {
        filesystem: filesystem(virtme, guest, tmp)?,
        hiding: if virtme.lean { hiding(&guest.root.dir)? } else { None },
    };
    let backend = Arc::new(virtme.backend(accelerator, facts));
    let usual = checkers(&guest.kernel).into_iter().chain(usual_parameters(accelerator)).collect();
    let mut failed = None;
    let spec = guest.spec(backend, usual, tmp, |path| match links::plain(path, &host.cache) {
        Ok(path) => path,
        Err(error) => {
            failed = Some(error);
            path.to_owned()
        }
    });
    make_places(&spec.machine.root)?;
    failed.map_or(Ok(spec), Err)
}

/// Parameters of the kernel in this build directory without which a checker of it is silent after its first report.
fn checkers(kernel: &Path) -> Vec<String> {
    let config = std::fs::read_to_string(kernel.join(".config")).unwrap_or_default();
    let kasan = config.lines().any(|line| line == "CONFIG_KASAN=y");
    kasan.then(|| "kasan_multi_shot".to_owned()).into_iter().collect()
}

/// How the guest is to see the host's files.
fn filesystem(virtme: &VirtmePlan, guest: &GuestPlan, tmp: &Path) -> Result<Filesystem> {
    let cached = guest.root.cached;
    if !virtme.wants_virtiofs(cached) {
        return Ok(Filesystem::NineP { cached });
    }
    match virtiofs::obstacle(&guest.kernel, tmp) {
        None => Ok(Filesystem::Virtiofs),
        Some(_) if virtme.filesystem == Auto::Auto => Ok(Filesystem::NineP { cached }),
        Some(why) => Err(Error::cannot_run(format!("guests cannot have virtiofs: {why}"))
            .hint("see what is missing: vmptcp doctor; or let vmptcp choose: vm.filesystem = \"auto\"")),
    }
}

/// What a guest with this root would run while it boots and can do without, and how that is kept from it; none where
/// that is not possible, and it boots with all of it.
fn hiding(root: &Path) -> Result<Option<Hiding>> {
    let mut files: Vec<PathBuf> =
        BOOT_PROGRAMS.iter().filter_map(|program| root.join(program).canonicalize().ok()).collect();
    files.sort();
    files.dedup();
    if files.is_empty() {
        return Ok(None);
    }
    Ok(mount_namespace(Identity::Ourselves)?.map(|namespace| Hiding { namespace, files }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kasan_is_told_to_report_more_than_once_where_the_kernel_has_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(checkers(dir.path()), [""; 0]);
        let config = dir.path().join(".config");
        std::fs::write(&config, "# CONFIG_KASAN is not set\nCONFIG_KASAN_GENERIC=y\n").unwrap();
        assert_eq!(checkers(dir.path()), [""; 0]);
        std::fs::write(&config, "CONFIG_HAVE_ARCH_KASAN=y\nCONFIG_KASAN=y\n").unwrap();
        assert_eq!(checkers(dir.path()), ["kasan_multi_shot"]);
    }
}
