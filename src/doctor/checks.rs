//! Looks for each tool of the data file. [`look`] sees, [`judge`] decides.

use super::packages::{Catalogue, Need, Spec};
use super::version::Version;
use super::{Finding, Status, VIRTME_NG, venv};
use crate::process::{self, Cmd};
use crate::vm::root;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is there of a tool.
#[derive(Debug, Default)]
struct Seen {
    /// Where it is.
    path: Option<PathBuf>,
    /// Which of its programs or headers are not there.
    absent: Vec<String>,
    /// What it printed when asked for its version.
    output: Option<String>,
    /// Why it is there and yet of no use.
    failed: Option<String>,
    /// The first of its options that it does not have, with the program that should.
    lacks: Option<String>,
}

/// Checks all tools at once: nearly all of the time is spent in waiting for them.
pub(super) fn tools(catalogue: &Catalogue, family: Option<&str>, venv: &Path) -> Vec<Finding> {
    let check = |tool: &Spec| {
        let packages = family.map(|family| catalogue.packages(tool, family)).unwrap_or_default();
        judge(tool, look(tool, venv), packages)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = catalogue.tools.iter().map(|tool| scope.spawn(move || check(tool))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

/// Checks the tools that guests use in their root filesystem, without running anything that is there: its versions are those
/// of its packages.
pub(super) fn tools_of_guests(catalogue: &Catalogue, root: &Path) -> Vec<Finding> {
    let installed = root::packages(root);
    let finding = |tool: &Spec| {
        let packages = catalogue.packages(tool, "debian");
        let seen = look_below(root, &installed, tool, &packages);
        Finding { remedy: None, ..judge(tool, seen, packages) }
    };
    catalogue.tools.iter().filter(|tool| tool.guest).map(finding).collect()
}

fn look_below(root: &Path, installed: &BTreeMap<String, String>, tool: &Spec, packages: &[String]) -> Seen {
    let found: Vec<Option<PathBuf>> =
        tool.commands.iter().map(|command| root::program(root, command)).collect();
    let absent: Vec<String> = tool
        .commands
        .iter()
        .zip(&found)
        .filter(|(_, path)| path.is_none())
        .map(|(name, _)| name.clone())
        .collect();
    let incomplete = tool.all && !absent.is_empty();
    let path = if incomplete { None } else { found.into_iter().flatten().next() };
    // An epoch is the distribution's own: 1:6.15.
    let version = packages.iter().find_map(|package| installed.get(package));
    let version = version.map(|version| version.split_once(':').map_or(&**version, |(_, rest)| rest));
    Seen { path, absent, output: version.map(str::to_owned), ..Seen::default() }
}

fn look(tool: &Spec, venv: &Path) -> Seen {
    let mut seen =
        if tool.headers.is_empty() { look_for_program(tool, venv) } else { look_for_headers(tool) };
    let Some(path) = seen.path.clone() else { return seen };
    let version = match &tool.pkg_config {
        Some(module) => Some(Cmd::new("pkg-config").args(["--modversion", module])),
        None if tool.headers.is_empty() => Some(Cmd::new(&path).args(&tool.version)),
        None => None,
    };
    if let Some(output) = version.and_then(|command| command.output().ok()) {
        // Some print their version on standard error, some exit with 1 after it.
        let printed = if output.stdout.trim().is_empty() { output.stderr } else { output.stdout };
        if !output.status.success() && tool.min.is_some() && Version::find(&printed).is_none() {
            let last = printed.trim().lines().last().unwrap_or_default();
            seen.failed = Some(format!("it does not run: {last}"));
        }
        seen.output = Some(printed);
    }
    if !tool.check.is_empty() {
        seen.failed = Cmd::new(&path).args(&tool.check).read().err().map(|error| error.to_string());
    }
    seen.lacks = lacking_option(tool, &path);
    seen
}

/// The first option that the help of a program does not mention: "virtme-configkernel has no --dry-run". The programs of a
/// tool are beside the one that was found, at `path`.
fn lacking_option(tool: &Spec, path: &Path) -> Option<String> {
    tool.options.iter().find_map(|(program, options)| {
        let beside = path.with_file_name(program);
        let place =
            if beside.is_file() { Some(beside) } else { process::find(program).ok().map(|tool| tool.path) };
        let Some(place) = place else { return Some(format!("there is no {program}")) };
        let help = Cmd::new(place)
            .arg("--help")
            .output()
            .map(|output| output.stdout + &output.stderr)
            .unwrap_or_default();
        options
            .iter()
            .find(|option| !mentions(&help, option))
            .map(|option| format!("{program} has no {option}"))
    })
}

/// True if the option is in this text as a word: "--run" is not where only "--run-all" is.
fn mentions(help: &str, option: &str) -> bool {
    help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| word == option)
}

fn look_for_program(tool: &Spec, venv: &Path) -> Seen {
    // Its python3 is nobody else's business.
    let private = (tool.name == VIRTME_NG)
        .then(|| tool.commands.iter().find_map(|command| venv::program(venv, command)))
        .flatten();
    let in_path: Vec<Option<PathBuf>> =
        tool.commands.iter().map(|command| process::find(command).ok().map(|tool| tool.path)).collect();
    let absent: Vec<String> = tool
        .commands
        .iter()
        .zip(&in_path)
        .filter(|(_, path)| path.is_none())
        .map(|(name, _)| name.clone())
        .collect();
    let elsewhere = || tool.files.iter().map(PathBuf::from).find(|path| path.is_file());
    let path = if tool.all && !absent.is_empty() {
        None
    } else {
        private.or_else(|| in_path.into_iter().flatten().next()).or_else(elsewhere)
    };
    Seen { path, absent, ..Seen::default() }
}

/// Below `/usr/include`, or the directory that Debian has there for each architecture.
fn look_for_headers(tool: &Spec) -> Seen {
    let triplet = Path::new("/usr/include").join(format!("{}-linux-gnu", crate::arch::host().name));
    let directories = [Path::new("/usr/include"), &triplet, Path::new("/usr/local/include")];
    let find = |header: &String| directories.iter().map(|dir| dir.join(header)).find(|path| path.is_file());
    let absent: Vec<String> = tool.headers.iter().filter(|header| find(header).is_none()).cloned().collect();
    let path = if absent.is_empty() { tool.headers.first().and_then(find) } else { None };
    Seen { path, absent, ..Seen::default() }
}

fn judge(tool: &Spec, seen: Seen, packages: Vec<String>) -> Finding {
    let version = seen.output.as_deref().and_then(Version::find);
    let older_than = |limit: &Option<String>| {
        let limit = Version::parse(limit.as_deref()?)?;
        (version.as_ref()? < &limit).then_some(limit)
    };
    let says = |text: &String| seen.output.as_ref().is_some_and(|output| output.contains(text.as_str()));
    let loss = || tool.loss.clone().unwrap_or_default();
    let (status, note) = if seen.path.is_none() {
        let absent = if tool.all { seen.absent.join(", ") } else { seen.absent.join(" or ") };
        (Status::Missing, (absent != tool.name).then(|| format!("no {absent}")))
    } else if let Some(why) = seen.failed {
        (Status::Missing, Some(why))
    } else if tool.unusable.as_ref().is_some_and(says) {
        (Status::TooOld, Some(loss()))
    } else if let Some(min) = older_than(&tool.min) {
        (Status::TooOld, Some(format!("at least {min} is needed")))
    } else if let Some(lacks) = seen.lacks {
        (Status::TooOld, Some(lacks))
    } else if let Some(good) = older_than(&tool.good) {
        (Status::Warning, Some(format!("before {good}, {}", loss())))
    } else {
        (Status::Ok, None)
    };
    Finding {
        name: tool.name.clone(),
        remedy: remedy(tool, status, &packages),
        status,
        need: tool.need,
        purpose: tool.purpose.clone(),
        version: version.map(|version| version.to_string()),
        path: seen.path,
        packages,
        note,
    }
}

fn remedy(tool: &Spec, status: Status, packages: &[String]) -> Option<String> {
    let unknown_family = || {
        let anywhere = tool.packages.get("debian").map(|names| names.join(" ")).unwrap_or_default();
        format!("install what Debian calls {anywhere}")
    };
    match (status, tool.need, tool.name.as_str()) {
        (Status::Ok, ..) => None,
        (_, Need::Required, VIRTME_NG) => {
            Some("install it, privately if need be: vmptcp doctor --fix".to_owned())
        }
        (Status::Missing, ..) if packages.is_empty() => Some(unknown_family()),
        (Status::Missing, Need::Extra, _) => Some(format!("install {}", packages.join(" "))),
        (Status::Missing, ..) => Some(format!("install {}: vmptcp doctor --fix", packages.join(" "))),
        // What is too old is what the distribution has: installing its package again helps nobody.
        (_, Need::Required, _) => Some(format!("install a newer {}, or use a newer distribution", tool.name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str) -> Spec {
        Catalogue::embedded().unwrap().tool(name).unwrap().clone()
    }

    #[test]
    fn the_tools_of_guests_are_those_of_their_root() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["usr/bin", "usr/sbin", "etc/alternatives", "var/lib/dpkg"] {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        for name in ["usr/bin/ip", "usr/bin/ss", "usr/bin/nstat", "usr/sbin/tc", "usr/sbin/nft"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        // A link means what it means in the guest.
        std::os::unix::fs::symlink("/etc/alternatives/awk", dir.path().join("usr/bin/awk")).unwrap();
        std::os::unix::fs::symlink("/usr/bin/ip", dir.path().join("etc/alternatives/awk")).unwrap();
        std::os::unix::fs::symlink("/bin/sh", dir.path().join("usr/bin/bash")).unwrap();
        let record = "Package: iproute2\nStatus: install ok unpacked\nVersion: 1:6.1.0-3\n\n\
            Package: nftables\nStatus: deinstall ok config-files\nVersion: 1.1.3-1\n";
        std::fs::write(dir.path().join("var/lib/dpkg/status"), record).unwrap();
        let findings = tools_of_guests(&Catalogue::embedded().unwrap(), dir.path());
        let of = |name: &str| {
            let finding = findings.iter().find(|finding| finding.name == name).unwrap();
            (finding.status, finding.version.as_deref())
        };
        assert_eq!(of("iproute2"), (Status::Warning, Some("6.1.0")));
        assert_eq!(of("nftables"), (Status::Ok, None));
        assert_eq!(of("awk"), (Status::Ok, None));
        assert_eq!((of("bash"), of("tcpdump")), ((Status::Missing, None), (Status::Missing, None)));
        assert!(findings.iter().all(|finding| finding.name != "QEMU"));
    }

    fn judged(name: &str, output: &str) -> Finding {
        let seen = Seen {
            path: Some(PathBuf::from("/usr/bin/it")),
            output: Some(output.to_owned()),
            ..Seen::default()
        };
        judge(&spec(name), seen, vec!["package".to_owned()])
    }

    #[test]
    fn an_old_iproute2_is_a_warning_and_a_very_old_one_is_too_old() {
        assert_eq!(judged("iproute2", "ip utility, iproute2-6.15.0").status, Status::Ok);
        let old = judged("iproute2", "ip utility, iproute2-6.1.0, libbpf 1.1.2");
        assert_eq!((old.status, old.version.as_deref()), (Status::Warning, Some("6.1.0")));
        assert_eq!(old.note.as_deref(), Some("before 6.10, some subtests of diag.sh skip"));
        let very_old = judged("iproute2", "ip utility, iproute2-5.9.0");
        assert_eq!(very_old.status, Status::TooOld);
        assert!(very_old.remedy.unwrap().contains("newer distribution"));
    }

    #[test]
    fn the_virtiofsd_of_an_old_qemu_is_told_apart_from_the_current_one() {
        let old = "virtiofsd version 7.2.22 (Debian)\nusing FUSE kernel interface version 7.36\n";
        assert_eq!(judged("virtiofsd", old).status, Status::TooOld);
        assert_eq!(judged("virtiofsd", "virtiofsd 1.13.2\n").status, Status::Ok);
    }

    #[test]
    fn an_unreadable_version_is_not_held_against_a_tool() {
        let finding = judged("gcc", "I am a compiler");
        assert_eq!((finding.status, finding.version), (Status::Ok, None));
    }

    #[test]
    fn a_missing_tool_names_what_was_looked_for_and_the_remedy() {
        let seen = || Seen { absent: vec!["ss".to_owned(), "tc".to_owned()], ..Seen::default() };
        let finding = judge(&spec("iproute2"), seen(), vec!["iproute2".to_owned()]);
        assert_eq!(finding.status, Status::Missing);
        assert_eq!(finding.note.as_deref(), Some("no ss, tc"));
        assert_eq!(finding.remedy.as_deref(), Some("install iproute2: vmptcp doctor --fix"));
        let elsewhere = judge(&spec("iproute2"), seen(), vec![]);
        assert_eq!(elsewhere.remedy.as_deref(), Some("install what Debian calls iproute2"));
    }

    #[test]
    fn one_of_several_programs_is_enough_unless_all_are_needed() {
        let mut tool = spec("awk");
        tool.commands = vec!["no-such-awk".to_owned(), "sh".to_owned()];
        assert!(look_for_program(&tool, Path::new("/nowhere")).path.is_some());
        tool.all = true;
        let seen = look_for_program(&tool, Path::new("/nowhere"));
        assert_eq!((seen.path, seen.absent), (None, vec!["no-such-awk".to_owned()]));
    }

    #[test]
    fn a_program_without_an_option_that_is_used_is_too_old_whatever_its_version() {
        let dir = tempfile::tempdir().unwrap();
        let program = |name: &str, text: &str| {
            use std::os::unix::fs::PermissionsExt;
            let path = dir.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\necho '{text}'\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let mut tool = spec(VIRTME_NG);
        let all = tool.options["vng"].join(" ");
        let path = program("vng", &format!("virtme-ng 99.0 [{all}]"));
        let judged = |tool: &Spec| {
            judge(
                tool,
                Seen { path: Some(path.clone()), lacks: lacking_option(tool, &path), ..Seen::default() },
                vec![],
            )
        };
        program("virtme-configkernel", "usage: [--dry-run-all]");
        let old = judged(&tool);
        assert_eq!(
            (old.status, old.note.as_deref()),
            (Status::TooOld, Some("virtme-configkernel has no --dry-run"))
        );
        program("virtme-configkernel", "usage: [--dry-run]");
        assert_eq!(judged(&tool).status, Status::Ok);
        tool.options.insert("no-such-program".to_owned(), vec![]);
        assert_eq!(judged(&tool).note.as_deref(), Some("there is no no-such-program"));
    }

    #[test]
    fn every_option_that_a_guest_is_started_with_is_looked_for() {
        use crate::vm::accel::Accelerator;
        use crate::vm::backend::Backend as _;
        use crate::vm::backend::virtme::{Filesystem, Virtme};
        use crate::vm::machine::Machine;
        use crate::vm::root::{Root, Share};
        let share = |writable| Share { host: "/h".into(), guest: "/g".into(), writable };
        let virtme = Virtme {
            program: "/vng".into(),
            accelerator: Accelerator::Tcg,
            filesystem: Filesystem::NineP { cached: true },
            hiding: None,
            qemu_args: vec![],
        };
        let shares = vec![share(true), share(false)];
        let machine = Machine {
            kernel: "/k".into(),
            cpus: 1,
            memory_mib: 512,
            append: vec!["quiet".to_owned()],
            seed: None,
            root: Root { dir: "/root".into(), shares, agent: "/vmptcp".into() },
            tmp: "/tmp".into(),
        };
        let line = virtme.command(&machine, "socket").to_string();
        let known = &spec(VIRTME_NG).options["vng"];
        let used = line.split([' ', '=', '\'']).filter(|word| word.starts_with("--"));
        let unknown: Vec<&str> = used.filter(|word| !known.iter().any(|option| option == word)).collect();
        assert!(unknown.is_empty(), "{unknown:?} in {line}: add them to images/packages.toml");
        assert!(known.iter().all(|option| line.contains(option.as_str())), "{line}");
    }

    #[test]
    fn a_check_that_fails_means_missing() {
        let mut tool = spec("python3 venv");
        tool.commands = vec!["sh".to_owned()];
        tool.check = vec!["-c".to_owned(), "echo no module >&2; exit 1".to_owned()];
        let finding = judge(&tool, look(&tool, Path::new("/nowhere")), vec!["python3-venv".to_owned()]);
        assert_eq!(finding.status, Status::Missing);
        assert!(finding.note.unwrap().contains("no module"));
    }
}
