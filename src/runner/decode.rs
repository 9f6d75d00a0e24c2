//! Names the source lines of a splat's stack, with the tree's own `scripts/decode_stacktrace.sh`.

use super::journal::Journal;
use crate::error::{IoContext, Result};
use crate::event::Event;
use crate::kernel::build::Built;
use crate::process::Cmd;
use crate::results::Splat;
use crate::suite::SUITES;
use crate::suite::module::in_kernel;
use std::path::{Path, PathBuf};

/// How long that may take for one splat, in seconds: each line of it is a look into the whole kernel.
const DECODE_TIMEOUT: &str = "120";

/// The script reads its standard input. All that this handles are its arguments.
const FEED: &str = r#"exec "$1" "$2" "$3" "$4" < "$5""#;

/// Decodes the splats of a run, each cause once, if the kernel was built with debug information.
pub(super) fn splats(tree: &Path, built: &Built, journal: &mut Journal) -> Result<()> {
    let script = tree.join("scripts/decode_stacktrace.sh");
    let splats = journal.summary().splats.clone();
    if splats.is_empty() || !script.is_file() || !has_debug_info(&built.config) {
        return Ok(());
    }
    let dir = journal.path().join("splats");
    std::fs::create_dir_all(&dir).doing("create", &dir)?;
    let own = own_modules(journal.path())?;
    for (number, splat) in (1..).zip(splats) {
        let raw = dir.join(format!("{number}.txt"));
        std::fs::write(&raw, splat.lines.join("\n") + "\n").doing("write", &raw)?;
        let vmlinux = built.out_dir.join("vmlinux");
        let decode = Cmd::new("timeout")
            .args([DECODE_TIMEOUT, "sh", "-c", FEED, "sh"])
            .arg(&script)
            .arg(vmlinux)
            // Paths as in the tree, and not as from the build directory.
            .arg("auto")
            .arg(modules_for(&splat, &own, built))
            .arg(&raw);
        let decoded = decode.output()?;
        if !decoded.status.success() {
            let why = decoded.stderr.lines().last().unwrap_or_default().to_owned();
            journal.note(format!("splat {number} cannot be decoded: {why}"))?;
            continue;
        }
        let file = format!("splats/{number}.decoded.txt");
        let path = journal.path().join(&file);
        std::fs::write(&path, decoded.stdout).doing("write", &path)?;
        journal.add(Event::Evidence {
            test: splat.test,
            what: "splat with source lines".to_owned(),
            file,
        })?;
    }
    Ok(())
}

/// The modules that the run built itself, in its labs.
fn own_modules(run: &Path) -> Result<Vec<PathBuf>> {
    let labs = SUITES.iter().filter(|suite| !suite.is_listed()).map(|suite| run.join(suite.id));
    let labs: Vec<PathBuf> = labs.filter(|dir| dir.is_dir()).collect();
    if labs.is_empty() {
        return Ok(Vec::new());
    }
    let found = Cmd::new("find").args(&labs).args(["-name", "*.ko"]).read()?;
    Ok(found.lines().map(PathBuf::from).collect())
}

/// Where the script finds the modules of a splat: it knows one directory only.
fn modules_for<'a>(splat: &Splat, own: &'a [PathBuf], built: &'a Built) -> &'a Path {
    let names = |file: &&PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let frame = format!(" [{}]", in_kernel(&name));
        splat.lines.iter().any(|line| line.ends_with(&frame))
    };
    own.iter().find(names).and_then(|file| file.parent()).unwrap_or(&built.out_dir)
}

fn has_debug_info(config: &Path) -> bool {
    std::fs::read_to_string(config)
        .is_ok_and(|config| config.lines().any(|line| line == "CONFIG_DEBUG_INFO=y"))
}
