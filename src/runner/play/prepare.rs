//! What is done on the host before a piece is played: a copy of its files, its build, and a look into its sources.

use super::Verdict;
use crate::doctor;
use crate::error::{Error, IoContext, Result};
use crate::event::Outcome;
use crate::kernel::build::failure::first_error;
use crate::plan::play::Modules;
use crate::process::{Cmd, find};
use crate::suite::module;
use crate::suite::sample::layout::{self, Build, Roles};
use crate::suite::sample::{Declared, literal};
use crate::text::decode;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A sample is small: more than this, in bytes, is something else.
const LARGEST: u64 = 256 * 1024 * 1024;

/// A piece that can be played.
pub(super) enum Prepared {
    Sample(Box<Program>),
    Modules(Vec<BuiltModule>),
}

/// A sample's commands, and what is known of it.
pub(super) struct Program {
    pub declared: Declared,
    /// Where its files are, in the guest as on the host.
    pub dir: PathBuf,
    pub server: Option<Vec<String>>,
    pub client: Vec<String>,
    /// The addresses that are compiled in.
    pub literals: Vec<IpAddr>,
    /// Its commands, or its sources, take the addresses of the network from where they are given.
    pub is_told_addresses: bool,
}

/// A kernel module that is built.
pub(super) struct BuiltModule {
    pub name: String,
    pub file: PathBuf,
    pub params: Vec<String>,
    pub literals: Vec<IpAddr>,
}

impl From<Error> for Verdict {
    fn from(error: Error) -> Self {
        Self::new(Outcome::Error, error.to_string())
    }
}

/// Prepares a sample in `dir`.
pub(super) fn sample(declared: &Declared, dir: &Path, config: &Path) -> Result<Prepared, Verdict> {
    let config = fs::read_to_string(config).unwrap_or_default();
    for symbol in &declared.symbols {
        let has = |line: &str| line == format!("CONFIG_{symbol}=y") || line == format!("CONFIG_{symbol}=m");
        if !config.lines().any(has) {
            let variant = if symbol.contains("BTF") { ": --variant btf has it" } else { "" };
            return Err(Verdict::new(Outcome::Skip, format!("the kernel has no CONFIG_{symbol}{variant}")));
        }
    }
    let mptcpize = declared.mptcpize.then_some("mptcpize");
    for program in declared.needs.iter().map(String::as_str).chain(mptcpize) {
        let there = program.starts_with('/') && Path::new(program).exists() || find(program).is_ok();
        if !there {
            let package = doctor::package_of(program)
                .map(|name| format!(": the package is {name}"))
                .unwrap_or_default();
            return Err(Verdict::new(
                Outcome::Skip,
                format!("there is no {program} on this machine{package}"),
            ));
        }
    }
    copy(&declared.path, dir)?;
    let files = names(dir)?;
    build(declared, dir, &files)?;
    let (server, client) = commands(declared, dir)?;
    let sources = read_sources(dir)?;
    let mut literals: Vec<IpAddr> =
        sources.iter().flat_map(|(name, text)| literal::in_source(name, text)).collect();
    if sources.is_empty() {
        literals = names(dir)?
            .iter()
            .filter_map(|name| fs::read(dir.join(name)).ok())
            .flat_map(|bytes| literal::in_binary(&bytes))
            .collect();
    }
    literals.sort_unstable();
    literals.dedup();
    let told = client.iter().any(|word| word.contains("{server"))
        || sources.iter().any(|(_, text)| literal::is_told(text));
    let program = Program {
        declared: declared.clone(),
        dir: dir.to_owned(),
        server,
        client,
        literals,
        is_told_addresses: told,
    };
    Ok(Prepared::Sample(Box::new(program)))
}

fn build(declared: &Declared, dir: &Path, files: &[String]) -> Result<(), Verdict> {
    if let Some(command) = &declared.build {
        let (program, args) = command
            .split_first()
            .ok_or_else(|| Verdict::new(Outcome::Error, "its build command is empty"))?;
        return run(&Cmd::new(program).args(args).cwd(dir));
    }
    if declared.server.is_some()
        && declared.client.is_some()
        && !files.iter().any(|name| layout::kind(name) == "c")
    {
        return Ok(());
    }
    let makefile = files.iter().find(|name| ["GNUmakefile", "makefile", "Makefile"].contains(&name.as_str()));
    let text = makefile.map(|name| read(&dir.join(name))).transpose()?;
    let wrong = |why: String| Verdict::new(Outcome::Error, format!("{why}: vmptcp module is for those"));
    match layout::build(files, text.as_deref()).map_err(wrong)? {
        Build::Nothing => Ok(()),
        Build::Make => run(&Cmd::new("make").cwd(dir).env("LC_ALL", "C")),
        Build::Compile(sources) => sources.iter().try_for_each(|source| {
            let program = source.trim_end_matches(".c");
            let args = ["-O2", "-g", "-Wall", "-pthread", "-o", program, source];
            run(&Cmd::new("cc").args(args).cwd(dir).env("LC_ALL", "C"))
        }),
    }
}

/// Runs a command of a build, and fails with the first error that it prints.
fn run(cmd: &Cmd) -> Result<(), Verdict> {
    let mut lines = Vec::new();
    let status = cmd.stream(|line| {
        if lines.len() < 10_000 {
            lines.push(line.to_owned());
        }
    })?;
    if status.success() {
        return Ok(());
    }
    let error = first_error(lines.iter().map(String::as_str));
    let telling = error.iter().find(|line| line.contains("error")).or(error.first());
    let telling = telling.cloned().unwrap_or_else(|| crate::process::describe(status));
    Err(Verdict::new(Outcome::Error, format!("it does not build: {}", telling.trim())))
}

/// The commands for the server's host and the client's.
fn commands(declared: &Declared, dir: &Path) -> Result<(Option<Vec<String>>, Vec<String>), Verdict> {
    if let Some(client) = &declared.client {
        return Ok((declared.server.clone(), client.clone()));
    }
    let programs: Vec<String> =
        names(dir)?.into_iter().filter(|name| is_program(&dir.join(name), name)).collect();
    let roles = layout::roles(&programs).map_err(|why| {
        Verdict::new(
            Outcome::Error,
            format!("{why}: name them in vmptcp.toml, as [[sample]] with server and client"),
        )
    })?;
    let command = |program: &str| {
        let there = dir.join(program).metadata().is_ok_and(|data| data.permissions().mode() & 0o111 != 0);
        if there && !layout::is_script(program) {
            vec![format!("./{program}")]
        } else {
            layout::command(program)
        }
    };
    Ok(match (roles, &declared.server) {
        (Roles::Pair { client, .. }, Some(server)) => (Some(server.clone()), command(&client)),
        (Roles::Pair { server, client }, None) => (Some(command(&server)), command(&client)),
        (Roles::Single(one), server) => (server.clone(), command(&one)),
    })
}

fn is_program(path: &Path, name: &str) -> bool {
    let executable = path.metadata().is_ok_and(|data| data.permissions().mode() & 0o111 != 0);
    let elf = || {
        let mut magic = [0; 4];
        let read = fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut magic));
        read.is_ok() && magic == *b"\x7fELF"
    };
    layout::is_script(name)
        || executable && elf() && ![".o", ".so", ".ko"].iter().any(|kind| name.ends_with(kind))
}

/// Prepares kernel modules in `dir`.
pub(super) fn modules(modules: &Modules, dir: &Path) -> Result<Prepared, Verdict> {
    copy(&modules.path, dir)?;
    let files = names(dir)?;
    let built = modules.path.extension().is_some_and(|kind| kind == "ko");
    let names = if built {
        files.iter().filter_map(|name| name.strip_suffix(".ko").map(str::to_owned)).collect()
    } else {
        // kbuild looks for them in this order.
        let makefile = ["Kbuild", "Makefile"].into_iter().find(|name| files.iter().any(|file| file == name));
        let Some(makefile) = makefile else {
            return Err(Verdict::new(Outcome::Error, "there is no Makefile in it"));
        };
        let names = module::names(&read(&dir.join(makefile))?);
        if names.is_empty() {
            return Err(Verdict::new(
                Outcome::Error,
                format!("its {makefile} names no module: obj-m += NAME.o"),
            ));
        }
        let alias = &modules.alias;
        let mut out = std::ffi::OsString::from("O=");
        out.push(alias.path(&modules.out));
        let mut place = std::ffi::OsString::from("M=");
        place.push(alias.path(dir));
        let make = modules
            .environment
            .on(alias.command("make"))
            .arg("-C")
            .arg(alias.path(&modules.tree))
            .arg(out)
            .arg(place);
        run(&make.args(&modules.make_variables).arg("modules").env("LC_ALL", "C"))?;
        names
    };
    let mut found = Vec::new();
    let sources = read_sources(dir)?;
    for name in module::load_order(names) {
        let file = dir.join(format!("{name}.ko"));
        if !file.is_file() {
            return Err(Verdict::new(Outcome::Error, format!("the build made no {name}.ko")));
        }
        let own: Vec<_> =
            match sources.iter().filter(|(source, _)| *source == format!("{name}.c")).collect::<Vec<_>>() {
                own if own.is_empty() => sources.iter().collect(),
                own => own,
            };
        let mut literals: Vec<IpAddr> =
            own.iter().flat_map(|(name, text)| literal::in_source(name, text)).collect();
        if built {
            literals.extend(literal::in_binary(&fs::read(&file).doing("read", &file)?));
        }
        let params = modules.params.iter().filter(|param| param.is_for(&name));
        found.push(BuiltModule {
            params: params.map(module::Param::argument).collect(),
            name,
            file,
            literals,
        });
    }
    let stray = modules.params.iter().find(|param| !found.iter().any(|module| param.is_for(&module.name)));
    if let Some(param) = stray {
        let names: Vec<&str> = found.iter().map(|module| module.name.as_str()).collect();
        let why = format!(
            "--param {}.{}: there is no module {}, but {}",
            param.module,
            param.name,
            param.module,
            names.join(", ")
        );
        return Err(Verdict::new(Outcome::Error, why));
    }
    Ok(Prepared::Modules(found))
}

/// Copies a file, or all regular files of a directory, into a new directory. What begins with a dot stays behind.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).doing("create", to)?;
    if from.is_file() {
        let target = to.join(from.file_name().unwrap_or_default());
        return fs::copy(from, &target).doing("copy", from).map(drop);
    }
    copy_all(from, to, &mut 0)
}

fn copy_all(from: &Path, to: &Path, total: &mut u64) -> Result<()> {
    for entry in fs::read_dir(from).doing("read", from)? {
        let entry = entry.doing("read", from)?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let data = path.metadata().doing("read", &path)?;
        if entry.file_type().doing("read", &path)?.is_dir() {
            fs::create_dir_all(&target).doing("create", &target)?;
            copy_all(&path, &target, total)?;
        } else if data.is_file() {
            *total += data.len();
            if *total > LARGEST {
                return Err(Error::usage(format!("{} is too large for a sample", from.display()))
                    .hint("name the directory of the sample itself"));
            }
            fs::copy(&path, &target).doing("copy", &path)?;
        }
    }
    Ok(())
}

/// The names of the regular files in a directory, in order.
fn names(dir: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .doing("read", dir)?
        .flatten()
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<String> {
    fs::read(path).map(|bytes| decode(&bytes).into_owned()).doing("read", path)
}

/// The sources in a directory, and in those right below it.
fn read_sources(dir: &Path) -> Result<Vec<(String, String)>> {
    const KINDS: [&str; 9] = [".c", ".h", ".cc", ".cpp", ".py", ".sh", ".pl", ".go", ".rs"];
    let mut sources = Vec::new();
    let below = fs::read_dir(dir)
        .doing("read", dir)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir());
    for dir in std::iter::once(dir.to_owned()).chain(below) {
        for name in names(&dir)? {
            let generated = name.ends_with(".mod.c");
            if KINDS.iter().any(|kind| name.ends_with(kind)) && !generated {
                let text = read(&dir.join(&name))?;
                sources.push((name, text));
            }
        }
    }
    Ok(sources)
}
