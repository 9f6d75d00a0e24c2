//! Runs make in the build directory of a configuration.

use super::config::Config;
use super::output::{Said, read};
use super::targets::{Targets, includes, stem};
use crate::arch;
use crate::error::{Error, IoContext, Result};
use crate::process::{Cmd, describe, find};
use crate::series::news::Remark;
use crate::text::file;
use std::fs;
use std::path::{Path, PathBuf};

/// How builds are done.
#[derive(Debug, Clone)]
pub struct Builder {
    /// The work tree.
    pub tree: PathBuf,
    /// The directory with a build directory for each configuration.
    pub builds: PathBuf,
    /// How many jobs make may run at once.
    pub jobs: usize,
    /// Compile through ccache.
    pub ccache: bool,
    /// Variables of the environment that make must not see.
    pub hidden: Vec<String>,
}

/// What came of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Built {
    /// It ended well, but for what this configuration does not have.
    pub ok: bool,
    /// What the compiler says.
    pub remarks: Vec<Remark>,
    /// What else is wrong.
    pub other: Vec<String>,
}

impl Built {
    /// The first thing that is wrong, for a person.
    pub fn first_error(&self) -> String {
        let remark = self.remarks.iter().find(|remark| remark.error);
        let said = remark.map(|remark| format!("{}:{}: {}", remark.file, remark.line, remark.text));
        said.or_else(|| self.other.first().cloned()).unwrap_or_else(|| "make does not say why".to_owned())
    }
}

impl Builder {
    /// Why this configuration cannot be built here; none if it can.
    pub fn missing(&self, config: Config) -> Option<String> {
        let missing = |tool: &str| find(tool).is_err().then(|| format!("{tool} is not installed"));
        if config.clang {
            return missing("clang").or_else(|| missing("ld.lld")).or_else(|| missing("llvm-ar"));
        }
        missing(&format!("{}gcc", prefix()))
    }

    /// The build directory of a configuration.
    pub fn out(&self, config: Config) -> PathBuf {
        self.builds.join(config.to_string())
    }

    /// make, for this configuration. The variables make the same sources the same objects.
    pub fn make(&self, config: Config) -> Cmd {
        let compiler = if config.clang { "clang".to_owned() } else { format!("{}gcc", prefix()) };
        let cmd = self
            .plain_make(&self.out(config))
            .arg(format!("ARCH={}", config.arch()))
            .args([
                "KBUILD_BUILD_TIMESTAMP=1970-01-01",
                "KBUILD_BUILD_USER=vmptcp",
                "KBUILD_BUILD_HOST=vmptcp",
            ])
            .env("KCONFIG_CONFIG", ".config");
        let cmd =
            if config.clang { cmd.arg("LLVM=1") } else { cmd.arg(format!("CROSS_COMPILE={}", prefix())) };
        if !self.ccache {
            return cmd.arg(format!("CC={compiler}"));
        }
        cmd.arg(format!("CC=ccache {compiler}"))
            .env("CCACHE_BASEDIR", &self.tree)
            .env("CCACHE_NOHASHDIR", "1")
    }

    /// make in the tree, with its products in `out`. Variables of the user's own build would change what is built, and what
    /// is remembered of a build would not know.
    fn plain_make(&self, out: &Path) -> Cmd {
        let make = Cmd::new("make")
            .arg("-C")
            .arg(&self.tree)
            .arg(format!("O={}", out.display()))
            .arg(format!("-j{}", self.jobs.max(1)))
            .args(["--no-print-directory", "--output-sync=target", "-k"]);
        self.hidden.iter().fold(make, Cmd::env_remove).env("LC_ALL", "C").env("LC_MESSAGES", "C")
    }

    /// Configures; the `.config` keeps its time if it stays the same. Returns what it lacks of what it is made for.
    pub fn configure(&self, config: Config) -> Result<Vec<String>> {
        let out = self.out(config);
        fs::create_dir_all(&out).doing("create", &out)?;
        let fragment = out.join(".vmptcp-fragment");
        file::replace(&fragment, config.fragment().as_bytes())?;
        let all = format!("KCONFIG_ALLCONFIG={}", fragment.display());
        let mut said = Vec::new();
        let make = self.make(config).arg(all).arg("allnoconfig");
        let status = make.stream(|line| said.push(line.to_owned()))?;
        let dot = out.join(".config");
        let text = fs::read_to_string(&dot).unwrap_or_default();
        let lacks = config.must_have().into_iter().find(|line| !text.lines().any(|found| found == line));
        if !status.success() {
            let last = said[said.len().saturating_sub(5)..].join("\n  ");
            return Err(Error::build(format!("the tree's kconfig failed ({}):\n  {last}", describe(status))));
        }
        match lacks {
            Some(line) => Err(Error::build(format!("{config} cannot be configured: {line} does not take"))),
            None => Ok(config.lacking(&text)),
        }
    }

    /// Compiles with every warning of the compiler an error. make compiles an object that it is asked for also where the
    /// kernel has it off, and that may fail: what fails is asked of its directory, which knows.
    pub fn compile(&self, config: Config, targets: &Targets) -> Result<Built> {
        let targets = targets.within(config);
        let built = self.compile_only(config, &targets)?;
        if built.ok || targets.objects.is_empty() || targets.everything {
            return Ok(built);
        }
        self.compile_only(config, &targets.as_dirs())
    }

    /// What make is asked first to compile these.
    pub fn compile_command(&self, config: Config, targets: &Targets) -> Cmd {
        self.compile_make(config, &targets.within(config))
    }

    fn compile_make(&self, config: Config, targets: &Targets) -> Cmd {
        self.make(config).arg("KCFLAGS=-Werror").args(targets.arguments(self.everything()))
    }

    fn compile_only(&self, config: Config, targets: &Targets) -> Result<Built> {
        let (said, ok) = self.run(&self.compile_make(config, targets), &targets.objects, false)?;
        // Without an error of its own, what failed is that there is no such object here.
        let absent =
            !said.absent.is_empty() && said.other.is_empty() && said.compiler.iter().all(|one| !one.error);
        Ok(Built { ok: ok || absent, remarks: said.compiler, other: said.other })
    }

    /// Removes the objects of sources that are about to go: make would take them without asking where they are from.
    pub fn forget<'s>(&self, sources: impl Iterator<Item = &'s str>) -> Result<()> {
        let objects: Vec<String> = sources.filter_map(stem).map(|stem| format!("{stem}.o")).collect();
        for config in Config::all().into_iter().filter(|_| !objects.is_empty()) {
            for object in
                objects.iter().map(|object| self.out(config).join(object)).filter(|path| path.exists())
            {
                fs::remove_file(&object).doing("remove", &object)?;
            }
        }
        Ok(())
    }

    /// Removes all build directories.
    pub fn forget_all(&self) -> Result<()> {
        for out in Config::all().into_iter().map(|config| self.out(config)).filter(|out| out.exists()) {
            fs::remove_dir_all(&out).doing("remove", &out)?;
        }
        Ok(())
    }

    /// What make is asked to build the whole kernel.
    pub fn all_command(&self, config: Config) -> Cmd {
        self.make(config).args(["KCFLAGS=-Werror", "all"])
    }

    /// Builds the whole kernel.
    pub fn all(&self, config: Config) -> Result<Built> {
        let (said, ok) = self.run(&self.all_command(config), &[], false)?;
        Ok(Built { ok, remarks: said.compiler, other: said.other })
    }

    /// What W=1 and, if it is installed and wanted, sparse say of these objects. They are compiled again: make says nothing
    /// of what is up to date.
    pub fn examine(
        &self,
        config: Config,
        objects: &[String],
        sparse: bool,
    ) -> Result<(Vec<Remark>, Vec<Remark>)> {
        for object in objects {
            let file = self.out(config).join(object);
            let _ = fs::remove_file(&file);
        }
        let mut make = self.make(config).arg("W=1");
        if sparse {
            make = make.args(["C=1", "CHECK=sparse"]);
        }
        let (said, ok) = self.run(&make.args(objects), objects, sparse)?;
        match said.other.first() {
            Some(why) if !ok && said.absent.is_empty() => {
                Err(Error::build(format!("what was compiled in {config} cannot be compiled with W=1: {why}")))
            }
            _ => Ok((said.compiler, said.sparse)),
        }
    }

    /// The objects whose warnings a patch can change: those of its sources, and those that include its headers, as far as
    /// they were compiled in this configuration and lie in directories of MPTCP or of the patch.
    pub fn examined(&self, config: Config, targets: &Targets) -> Vec<String> {
        let mut objects = targets.objects.clone();
        if !targets.headers.is_empty() {
            let mut dirs: Vec<String> = targets.dirs.clone();
            dirs.push("net/mptcp/".to_owned());
            dirs.sort();
            dirs.dedup();
            for dir in dirs {
                objects.extend(self.including(config, &dir, &targets.headers));
            }
        }
        objects.retain(|object| self.has(config, object));
        objects.sort();
        objects.dedup();
        objects
    }

    /// True if this object was compiled.
    pub fn has(&self, config: Config, object: &str) -> bool {
        self.out(config).join(object).is_file()
    }

    fn including(&self, config: Config, dir: &str, headers: &[String]) -> Vec<String> {
        let place = self.out(config).join(dir);
        let mut found = Vec::new();
        for entry in fs::read_dir(&place).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(object) = name.strip_prefix('.').and_then(|name| name.strip_suffix(".cmd")) else {
                continue;
            };
            let Some(stem) = object.strip_suffix(".o") else { continue };
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            if self.tree.join(dir).join(format!("{stem}.c")).is_file() && includes(&text, headers) {
                found.push(format!("{dir}{object}"));
            }
        }
        found
    }

    /// Builds the MPTCP selftests with the headers of the tree.
    pub fn selftests(&self, out: &Path) -> Result<Built> {
        fs::create_dir_all(out).doing("create", out)?;
        let (said, ok) = self.run(&self.plain_make(out).arg("headers"), &[], false)?;
        if !ok {
            return Ok(Built { ok, remarks: said.compiler, other: said.other });
        }
        // The makefiles do not know which headers a program was made from.
        let old = out.join("kselftest/net/mptcp");
        if old.exists() {
            fs::remove_dir_all(&old).doing("remove", &old)?;
        }
        let tests = self.tree.join("tools/testing/selftests");
        let tests = self.plain_make(out).arg("-C").arg(tests).args(["TARGETS=net/mptcp", "FORCE_TARGETS=1"]);
        let (said, ok) = self.run(&tests, &[], false)?;
        let place = "tools/testing/selftests/net/mptcp/";
        let in_tree = |mut remark: Remark| {
            // They are compiled in their own directory.
            if !remark.file.contains('/') {
                remark.file.insert_str(0, place);
            }
            remark
        };
        Ok(Built { ok, remarks: said.compiler.into_iter().map(in_tree).collect(), other: said.other })
    }

    /// What make calls all objects, as far as they can be linked without each other; trees before 6.1 have no such target.
    /// (`vmlinux.a` is none either: kbuild takes it for a single object's.)
    fn everything(&self) -> &'static str {
        let text = fs::read_to_string(self.tree.join("Makefile")).unwrap_or_default();
        if text.lines().any(|line| line.starts_with("vmlinux_o:")) { "vmlinux_o" } else { "vmlinux" }
    }

    fn run(&self, make: &Cmd, targets: &[String], sparse: bool) -> Result<(Said, bool)> {
        let mut lines: Vec<String> = Vec::new();
        let status = make.stream(|line| {
            // What says nothing is not kept: a whole build prints thousands of lines.
            if !line.starts_with("  ") {
                lines.push(line.to_owned());
            }
        })?;
        let tree = self.tree.display().to_string();
        let mut said = read(lines.iter().map(String::as_str), &tree, targets, sparse);
        let quiet =
            said.other.is_empty() && said.absent.is_empty() && said.compiler.iter().all(|one| !one.error);
        if !status.success() && quiet && said.sparse.is_empty() {
            lines
                .retain(|line| !line.contains("] Error ") && !line.contains(" not remade because of errors"));
            said.other = lines.split_off(lines.len().saturating_sub(3));
        }
        Ok((said, status.success()))
    }
}

/// What the names of the compilers for x86 begin with on this machine.
fn prefix() -> String {
    arch::X86_64.compiler_prefix(arch::host())
}
