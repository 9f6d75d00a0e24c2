//! What is done on the host before a scenario runs: a copy of its files, its build, and a look into its sources.

use super::ScenarioEnd;
use super::build::{Builder, run};
use super::copy::{Copied, copy};
use super::kbuild;
use crate::doctor;
use crate::error::{Error, IoContext, Result};
use crate::event::Outcome;
use crate::plan::lab::Modules;
use crate::process::{Cmd, find};
use crate::suite::module;
use crate::suite::sample::layout::{self, Build, Roles};
use crate::suite::sample::{Declared, literal};
use crate::text::decode;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A scenario that can run.
pub(super) enum Prepared {
    Sample(Box<Program>),
    Modules(Vec<BuiltModule>),
}

/// A sample's commands, and what is known of it.
pub(super) struct Program {
    pub declared: Declared,
    /// Where its files are, in the guest as on the host.
    pub dir: PathBuf,
    /// Its home, in which its build may have put something for it.
    pub home: PathBuf,
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

impl From<Error> for ScenarioEnd {
    fn from(error: Error) -> Self {
        Self::new(Outcome::Error, error.to_string())
    }
}

/// Prepares a sample: copies and builds it.
pub(super) fn sample(
    declared: &Declared,
    builder: &Builder,
    notes: &mut Vec<String>,
) -> Result<Prepared, ScenarioEnd> {
    needs(declared, builder.config)?;
    let dir = &copied(&declared.path, builder, notes)?;
    let files = names(dir)?;
    build(declared, dir, &files, builder)?;
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
        home: builder.home.clone(),
        server,
        client,
        literals,
        is_told_addresses: told,
    };
    Ok(Prepared::Sample(Box::new(program)))
}

/// Skips what this kernel or this machine lacks something for.
fn needs(declared: &Declared, config: &Path) -> Result<(), ScenarioEnd> {
    let config = fs::read_to_string(config).unwrap_or_default();
    for symbol in &declared.symbols {
        let has = |line: &str| line == format!("CONFIG_{symbol}=y") || line == format!("CONFIG_{symbol}=m");
        if !config.lines().any(has) {
            let variant = if symbol.contains("BTF") { ": --variant btf has it" } else { "" };
            return Err(ScenarioEnd::new(
                Outcome::Skip,
                format!("the kernel has no CONFIG_{symbol}{variant}"),
            ));
        }
    }
    let mptcpize = declared.mptcpize.then_some("mptcpize");
    for program in declared.needs.iter().map(String::as_str).chain(mptcpize) {
        let there = program.starts_with('/') && Path::new(program).exists() || find(program).is_ok();
        if !there {
            let package = doctor::package_of(program)
                .map(|name| format!(": the package is {name}"))
                .unwrap_or_default();
            return Err(ScenarioEnd::new(
                Outcome::Skip,
                format!("there is no {program} on this machine{package}"),
            ));
        }
    }
    Ok(())
}

/// Copies what is at a path, and notes what came with it. Returns the directory of the copy.
fn copied(path: &Path, builder: &Builder, notes: &mut Vec<String>) -> Result<PathBuf> {
    let Copied { dir, besides } = copy(path, builder.dir)?;
    let named =
        |path: &PathBuf| format!("{} is included by its sources, and was copied with them", path.display());
    notes.extend(besides.iter().map(named));
    Ok(dir)
}

fn build(declared: &Declared, dir: &Path, files: &[String], builder: &Builder) -> Result<(), ScenarioEnd> {
    if let Some(command) = &declared.build {
        let (program, args) = command
            .split_first()
            .ok_or_else(|| ScenarioEnd::new(Outcome::Error, "its build command is empty"))?;
        return builder.run(&Cmd::new(program).args(args).cwd(dir));
    }
    // Built for the kernel of this machine, modules are of no use here, and may be of harm.
    if let Some(place) = kbuild::module_dirs(dir, builder)?.first() {
        return Err(ScenarioEnd::new(Outcome::Error, module_instead(place, dir)));
    }
    let has_sources = files.iter().any(|name| layout::is_source(name));
    if declared.server.is_some() && declared.client.is_some() && !has_sources {
        return Ok(());
    }
    match layout::build(files) {
        Build::Nothing => Ok(()),
        Build::Make => builder.run(&Cmd::new("make").cwd(dir)),
        Build::Compile(sources) => {
            sources.iter().map(|source| layout::compile(source)).try_for_each(|words| {
                let [program, args @ ..] = &words[..] else { return Ok(()) };
                builder.run(&Cmd::new(program).args(args).cwd(dir))
            })
        }
    }
}

fn module_instead(place: &Path, dir: &Path) -> String {
    let below = place.strip_prefix(dir).unwrap_or(place);
    if below.as_os_str().is_empty() {
        return "this is a kernel module, and no program: vmptcp module is for those".to_owned();
    }
    format!(
        "there are kernel modules in {}: vmptcp module is for those, and build = [\"make\", \"…\"] of a [[sample]] in \
         vmptcp.toml builds the programs alone",
        below.display()
    )
}

/// The commands for the server's host and the client's.
fn commands(declared: &Declared, dir: &Path) -> Result<(Option<Vec<String>>, Vec<String>), ScenarioEnd> {
    if let Some(client) = &declared.client {
        return Ok((declared.server.clone(), client.clone()));
    }
    let programs: Vec<String> =
        names(dir)?.into_iter().filter(|name| is_program(&dir.join(name), name)).collect();
    let roles = layout::roles(&programs).map_err(|why| {
        ScenarioEnd::new(
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

/// Prepares kernel modules: copies them, and builds them unless they are built.
pub(super) fn modules(
    modules: &Modules,
    builder: &Builder,
    notes: &mut Vec<String>,
) -> Result<Prepared, ScenarioEnd> {
    let dir = &copied(&modules.path, builder, notes)?;
    let built = modules.path.extension().is_some_and(|kind| kind == "ko");
    let files: Vec<PathBuf> = if built {
        names(dir)?.iter().filter(|name| layout::kind(name) == "ko").map(|name| dir.join(name)).collect()
    } else {
        build_modules(modules, dir, builder)?
    };
    let mut found = Vec::new();
    let sources = read_sources(dir)?;
    for file in in_load_order(&files) {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
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
        return Err(ScenarioEnd::new(Outcome::Error, why));
    }
    Ok(Prepared::Modules(found))
}

/// Has kbuild build the modules in a directory, against the kernel of the tree. Returns their files, in its order.
fn build_modules(modules: &Modules, dir: &Path, builder: &Builder) -> Result<Vec<PathBuf>, ScenarioEnd> {
    let wrong = |why: String| ScenarioEnd::new(Outcome::Error, why);
    if kbuild::file(dir).is_none() {
        return Err(wrong("there is no Makefile in it".to_owned()));
    }
    let alias = &modules.alias;
    let variable = |name: &str, path: PathBuf| {
        let mut word = std::ffi::OsString::from(name);
        word.push(path);
        word
    };
    let make = Cmd::new("make")
        .arg("-C")
        .arg(alias.path(&modules.tree))
        .arg(variable("O=", alias.path(&modules.out)))
        .arg(variable("M=", alias.path(dir)))
        .args(&modules.make_variables)
        .arg("modules");
    let confined = builder.confined_at(&make, &alias.path(builder.dir));
    run(&modules.environment.on(alias.around(&confined)))?;
    let files = kbuild::built(dir, &alias.path(dir));
    if let Some(missing) = files.iter().find(|file| !file.is_file()) {
        let name = missing.file_name().unwrap_or_default().to_string_lossy();
        return Err(wrong(format!("the build made no {name}")));
    }
    if files.is_empty() {
        let elsewhere = kbuild::module_dirs(dir, builder)?;
        let place = elsewhere.first().and_then(|place| place.strip_prefix(dir).ok());
        return Err(wrong(match place.filter(|place| !place.as_os_str().is_empty()) {
            Some(place) => {
                format!("kbuild finds no module in it, but in {}: name that directory", place.display())
            }
            None => {
                "kbuild builds no module in it with this kernel's configuration: obj-m += NAME.o".to_owned()
            }
        }));
    }
    Ok(files)
}

fn in_load_order(files: &[PathBuf]) -> Vec<PathBuf> {
    let known = |file: &PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        (name, module::depends(&fs::read(file).unwrap_or_default()))
    };
    let modules: Vec<_> = files.iter().map(known).collect();
    module::load_order(&modules).into_iter().map(|at| files[at].clone()).collect()
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
