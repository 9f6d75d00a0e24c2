//! The series against a real tree, with its tools and with compilers.

use crate::corpus::{of_builds, of_kernels, of_text, of_tools};
use crate::lab::{AUTHOR, BASE, Draft, Edit, Lab, VMPTCP};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Whole directories that no configuration of the tests compiles anything of. Their Kconfig files and Makefiles are kept.
const UNUSED: [&str; 20] = [
    "Documentation/devicetree",
    "Documentation/translations",
    "drivers/gpu",
    "drivers/net/ethernet",
    "drivers/net/wireless",
    "drivers/media",
    "drivers/staging",
    "drivers/infiniband",
    "drivers/iio",
    "drivers/usb",
    "drivers/pinctrl",
    "drivers/mtd",
    "drivers/crypto",
    "drivers/hwmon",
    "sound",
    "fs/xfs",
    "fs/btrfs",
    "tools/perf",
    "tools/testing/selftests/bpf",
    "tools/power",
];

/// The repository. One test at a time works in it.
fn lab() -> MutexGuard<'static, Lab> {
    static LAB: OnceLock<Mutex<Lab>> = OnceLock::new();
    // Each begins with a checkout of its own, whatever became of the one before.
    LAB.get_or_init(|| Mutex::new(make())).lock().unwrap_or_else(PoisonError::into_inner)
}

fn make() -> Lab {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("series");
    let tree = place.join("linux");
    let lab = Lab::at(&tree, &place.join("home"));
    if place.join("whole").exists() {
        return lab;
    }
    let _ = fs::remove_dir_all(&tree);
    let source = source();
    let mut todo = vec![PathBuf::new()];
    while let Some(dir) = todo.pop() {
        fs::create_dir_all(tree.join(&dir)).unwrap();
        for entry in fs::read_dir(source.join(&dir)).unwrap().flatten() {
            let path = dir.join(entry.file_name());
            let kind = entry.file_type().unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            let kbuild = name.starts_with("Kconfig") || name.starts_with("Makefile") || name == "Kbuild";
            let arch =
                path.starts_with("arch") && path.components().count() > 2 && !path.starts_with("arch/x86");
            let unused = arch || UNUSED.iter().any(|unused| path.starts_with(unused));
            if kind.is_dir() && path != Path::new(".vmptcp") && path != Path::new(".git") {
                todo.push(path);
            } else if kind.is_file() && (kbuild || !unused) {
                fs::copy(source.join(&path), tree.join(&path)).unwrap();
            } else if kind.is_symlink() && !unused {
                let to = fs::read_link(source.join(&path)).unwrap();
                std::os::unix::fs::symlink(to, tree.join(&path)).unwrap();
            }
        }
    }
    lab.begin();
    fs::write(place.join("whole"), BASE).unwrap();
    lab
}

fn source() -> PathBuf {
    if let Some(tree) = std::env::var_os("SERIES_TEST_TREE") {
        return PathBuf::from(tree);
    }
    let output = Command::new(VMPTCP).args(["source", "distro"]).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "no kernel tree");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

#[test]
#[ignore = "needs a kernel tree"]
fn what_takes_no_compiler_is_found_in_a_real_tree_too() {
    let lab = lab();
    let wrong: Vec<String> = of_text()
        .iter()
        .chain(&of_tools())
        .map(|case| (case.name, case.found(&lab), &case.finds))
        .filter(|(_, found, finds)| found != *finds)
        .map(|(name, found, finds)| format!("{name}: {found:?} instead of {finds:?}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs a kernel tree, and compiles"]
fn what_a_compiler_finds_is_found_in_its_configuration_only() {
    let lab = lab();
    let mut wrong = Vec::new();
    for case in of_builds() {
        let found = case.found(&lab);
        if found != case.finds {
            wrong.push(format!("{}: {found:?} instead of {:?}", case.name, case.finds));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs a kernel tree, and compiles"]
fn what_is_known_is_not_built_again() {
    let lab = lab();
    let clean = of_builds().into_iter().find(|case| case.name == "build-clean").unwrap();
    clean.check(&lab);
    lab.git(&[
        "commit",
        "-q",
        "--amend",
        "-m",
        &format!("mptcp: ctrl: compute more still\n\n{}", clean.drafts[0].body),
    ]);
    let results = lab.results(&clean.args);
    for check in ["build", "warnings", "sparse"] {
        let result = results.iter().find(|result| result["check"] == check).unwrap();
        assert!(result["cached"] == true && result["status"] == "pass", "{result}");
    }
}

#[test]
#[ignore = "needs a kernel tree, and compiles"]
fn what_a_configuration_leaves_out_is_not_compiled_in_it() {
    let lab = lab();
    let code = |name: &str| format!("\nint {name}(int a);\n\nint {name}(int a)\n{{\n\treturn a;\n}}\n");
    let draft = Draft {
        subject: "mptcp: compute more, here and there".to_owned(),
        body: format!("There is a reason for this.\n\nSigned-off-by: {AUTHOR}"),
        edits: vec![
            ("net/mptcp/options.c", Edit::Append(code("mptcp_more"))),
            ("net/ipv4/proc.c", Edit::Append(code("mptcp_more_of_it"))),
            ("net/ipv6/tcp_ipv6.c", Edit::Append(code("mptcp_most_of_it"))),
        ],
    };
    lab.branch("left-out", &[draft]);
    let checks = ["build", "warnings", "sparse"];
    let mut args: Vec<&str> = checks.iter().flat_map(|check| ["--check", check]).collect();
    args.extend(["--config", "x86_64-ipv6-mptcp", "--config", "x86_64-noipv6-nomptcp"]);
    for result in lab.results(&args) {
        assert_eq!(result["status"], "pass", "{result}");
    }
}

#[test]
#[ignore = "needs a kernel tree, and builds a whole kernel"]
fn a_whole_kernel_shows_what_is_wrong_with_a_header_and_at_the_link() {
    let lab = lab();
    let draft = |file: &'static str, code: &str| Draft {
        subject: "mptcp: compute more".to_owned(),
        body: format!("There is a reason for this.\n\nSigned-off-by: {AUTHOR}"),
        edits: vec![(file, Edit::Append(code.to_owned()))],
    };
    let checks = ["build", "warnings", "sparse", "build-all"].map(|check| ["--check", check]).concat();
    let found = |name: &str, draft: Draft| {
        lab.branch(name, &[draft]);
        lab.found(&[&checks[..], &["--config", "x86_64-noipv6-mptcp"]].concat())
    };
    // Only who includes it sees what is wrong with a header.
    let header = draft("include/net/mptcp.h", "\nstruct mptcp_more { struct mptcp_missing field; };\n");
    assert_eq!(found("header", header), ["build 1"]);
    let linker = draft(
        "net/mptcp/ctrl.c",
        "\nint mptcp_missing(int a);\nint mptcp_more(int a);\n\nint mptcp_more(int a)\n{\n\treturn mptcp_missing(a);\n}\n\
         EXPORT_SYMBOL_GPL(mptcp_more);\n",
    );
    assert_eq!(found("linker", linker), ["build-all"]);
    for case in of_kernels() {
        case.check(&lab);
    }
}

#[test]
#[ignore = "needs a kernel tree, builds a whole kernel and boots it"]
fn a_whole_kernel_shows_a_defect_of_run_time_to_the_selftests() {
    let lab = lab();
    let defect = Draft {
        subject: "mptcp: sockopt: count one subflow more".to_owned(),
        body: format!("One may be added while the others are counted.\n\nSigned-off-by: {AUTHOR}"),
        edits: vec![(
            "net/mptcp/sockopt.c",
            Edit::Replace(
                "\tsfd.num_subflows = sfcount;\n",
                "\tsfd.num_subflows = sfcount + 1;\n".to_owned(),
            ),
        )],
    };
    lab.branch("runtime", &[defect]);
    let prefix = ["--subject-prefix", "PATCH mptcp-next"];
    let text = [&["--quick"], &prefix[..]].concat();
    assert_eq!(lab.found(&text), Vec::<String>::new());
    let compiled =
        ["--check", "build", "--check", "warnings", "--check", "sparse", "--config", "x86_64-ipv6-mptcp"];
    assert_eq!(lab.found(&[&compiled, &prefix[..]].concat()), Vec::<String>::new());
    let tests = lab.results_with_cache(&[&["--check", "tests"], &prefix[..]].concat());
    assert_eq!(tests[0]["status"], "fail", "{}", tests[0]);
    let found = tests[0]["findings"][0]["text"].as_str().unwrap();
    assert!(found.starts_with("regression: mptcp_sockopt"), "{found}");
}
