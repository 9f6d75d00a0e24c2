//! What kbuild makes of a directory: asked of make and of what it wrote, never read from a Makefile's text.

use super::build::Builder;
use crate::error::{IoContext, Result};
use crate::process::Cmd;
use crate::text::decode;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// How deep below a sample's directory modules are looked for.
const DEPTH: usize = 3;

/// Has make read a Makefile as kbuild does, with the kernel's configuration, and print what it would build. Its other goals
/// are left alone.
const QUESTION: &str = "\
include $(vmptcp_config)
KERNELRELEASE := vmptcp
src := $(vmptcp_dir)
obj := $(vmptcp_dir)
include $(vmptcp_file)
.PHONY: vmptcp-question
vmptcp-question:
\t@: $(info vmptcp-modules: $(obj-m)) $(info vmptcp-others: $(obj-) $(obj-y))
";

/// The file that kbuild reads in a directory.
pub(super) fn file(dir: &Path) -> Option<PathBuf> {
    ["Kbuild", "Makefile"].into_iter().map(|name| dir.join(name)).find(|path| path.is_file())
}

/// The directories at and below `dir` in which kbuild would build modules of their own, `dir` first.
pub(super) fn module_dirs(dir: &Path, builder: &Builder) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![(dir.to_owned(), 0)];
    while let Some((dir, depth)) = left.pop() {
        if let Some(file) = file(&dir)
            && builds_modules(&dir, &file, builder)?
        {
            found.push(dir.clone());
        }
        if depth < DEPTH {
            let below = fs::read_dir(&dir).doing("read", &dir)?.flatten().map(|entry| entry.path());
            left.extend(
                below.filter(|path| path.is_dir() && !path.is_symlink()).map(|path| (path, depth + 1)),
            );
        }
    }
    found.sort();
    Ok(found)
}

/// Asks make. A Makefile that cannot be read the way kbuild does is none of kbuild's.
fn builds_modules(dir: &Path, file: &Path, builder: &Builder) -> Result<bool> {
    let question = builder.scratch("question.mk", QUESTION)?;
    let variable = |name: &str, path: &Path| format!("{name}={}", path.display());
    let make = Cmd::new("make")
        .args(["-s", "--no-print-directory", "-f"])
        .arg(question)
        .arg(variable("vmptcp_config", builder.config))
        .arg(variable("vmptcp_dir", dir))
        .arg(variable("vmptcp_file", file))
        .arg("vmptcp-question");
    let mut lines = Vec::new();
    builder.confined(&make.cwd(dir)).stream(|line| {
        lines.extend(line.starts_with("vmptcp-").then(|| line.to_owned()));
    })?;
    let words = |mark: &str| -> Vec<String> {
        let lines = lines.iter().filter_map(|line| line.strip_prefix(mark));
        lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
    };
    let is_goal = |word: &String| word.strip_suffix(".o").or(word.strip_suffix('/')).is_some();
    if words("vmptcp-modules:").iter().any(is_goal) {
        return Ok(true);
    }
    // `obj-$(CONFIG_X)` with a symbol that is off in this kernel, or built in. Other projects may have a variable of that name.
    Ok(words("vmptcp-others:").iter().any(is_goal) && has_kernel_code(dir)?)
}

fn has_kernel_code(dir: &Path) -> Result<bool> {
    let sources = fs::read_dir(dir).doing("read", dir)?.flatten().map(|entry| entry.path());
    Ok(sources
        .filter(|path| path.extension().is_some_and(|kind| kind == "c"))
        .filter_map(|path| fs::read(path).ok())
        .any(|text| decode(&text).contains("<linux/module.h>")))
}

/// The modules that kbuild built in a directory, in its order: `modules.order`, which it writes as it builds. `seen_as` is
/// the directory's path as make saw it.
pub(super) fn built(dir: &Path, seen_as: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(dir.join("modules.order")).unwrap_or_default();
    in_order(&text, seen_as).into_iter().map(|path| dir.join(path)).collect()
}

/// The lines of `modules.order`: objects (since Linux 6.2) or modules, by absolute paths or (since 6.13) relative ones.
fn in_order(text: &str, seen_as: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in text.lines() {
        let path = Path::new(line.trim());
        let path = path.strip_prefix(seen_as).unwrap_or(path);
        let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let module = path.with_extension("ko");
        if inside && path.file_stem().is_some() && !found.contains(&module) {
            found.push(module);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(files: &[(&str, &str)]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join(".config");
        fs::write(&config, "CONFIG_MPTCP=y\nCONFIG_INET=y\n# CONFIG_ATM is not set\n").unwrap();
        let root = dir.path().join("copy");
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let builder = Builder::unconfined(&root, &dir.path().join("home"), &config);
        let found = module_dirs(&root, &builder).unwrap();
        found.iter().map(|path| format!("./{}", path.strip_prefix(&root).unwrap().display())).collect()
    }

    #[test]
    fn modules_are_what_make_says_they_are() {
        let here = ["./"];
        let module = "#include <linux/module.h>\n";
        assert_eq!(asked(&[("Makefile", "obj-m := my-client.o \\\n\tmy-server.o\n")]), here);
        assert_eq!(asked(&[("Makefile", "name := x\nobj-m += $(name).o\n")]), here);
        assert_eq!(asked(&[("Makefile", "names := a b\nobj-m += $(addsuffix .o,$(names))\n")]), here);
        assert_eq!(asked(&[("Makefile", "X := m\nobj-$(X) += x.o\n")]), here);
        assert_eq!(
            asked(&[("Makefile", "obj-m += src/\n"), ("src/Makefile", "obj-m += x.o\n")]),
            ["./", "./src"]
        );
        assert_eq!(
            asked(&[(
                "Makefile",
                "ifneq ($(KERNELRELEASE),)\nobj-m := x.o\nelse\nall:\n\tmake -C /k M=$(PWD)\nendif\n"
            )]),
            here
        );
        assert_eq!(
            asked(&[("Kbuild", "obj-m := x.o\n"), ("Makefile", "all:\n\tmake -C /k M=$(PWD)\n")]),
            here
        );
        assert_eq!(
            asked(&[("Makefile", "all:\n\tmake -C /k M=$(PWD)/src\n"), ("src/Kbuild", "obj-m := x.o\n")]),
            ["./src"]
        );
        for symbol in ["CONFIG_ATM", "CONFIG_INET"] {
            let makefile = format!("obj-$({symbol}) += x.o\n");
            assert_eq!(asked(&[("Makefile", &makefile), ("x.c", module)]), here, "{symbol}");
        }
    }

    #[test]
    fn programs_are_no_modules() {
        assert!(asked(&[("Makefile", "all: server client\n# obj-m := x.o\n")]).is_empty());
        assert!(
            asked(&[("Makefile", "obj-$(HAVE_X) += x.o\nall: $(obj-y)\n"), ("x.c", "int main;\n")])
                .is_empty()
        );
        assert!(asked(&[("Makefile", "ifdef X\n")]).is_empty());
        assert!(asked(&[("Makefile", "$(error not like this)\n")]).is_empty());
        assert!(asked(&[("server.c", "int main;\n")]).is_empty());
    }

    #[test]
    fn every_kernels_list_of_modules_is_read() {
        let names = |text: &str| {
            let paths = in_order(text, Path::new("/w/copy"));
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("/w/copy/b.ko\n/w/copy/src/a.ko\n"), "b.ko src/a.ko");
        assert_eq!(names("/w/copy/b.o\n/w/copy/src/a.o\n"), "b.ko src/a.ko");
        assert_eq!(names("b.o\n./src/a.o\nb.o\n"), "b.ko ./src/a.ko");
        assert_eq!(names("/etc/x.o\n../x.o\n\n"), "");
    }
}
