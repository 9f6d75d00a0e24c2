//! The series: what each changes, and which check finds what is wrong with it.

use crate::lab::{AUTHOR, BASE, Draft, Edit, Lab};
use std::fs;

/// A series.
pub struct Case {
    /// Its name, also of its branch.
    pub name: &'static str,
    /// The commits.
    pub drafts: Vec<Draft>,
    /// It is validated as mails, with these options for git format-patch.
    pub mails: Option<Vec<&'static str>>,
    /// What is done to the text of each mail.
    pub mangle: fn(&str) -> String,
    /// The findings: `check patch`, or `check`.
    pub finds: Vec<&'static str>,
    /// What it has to be validated with.
    pub args: Vec<&'static str>,
}

/// The file that most of them touch.
const FILE: &str = "net/mptcp/ctrl.c";

/// A sensible message.
fn body() -> String {
    format!("There is a reason for this change, and it is this one.\n\nSigned-off-by: {AUTHOR}")
}

/// A commit that nothing can be said against.
fn clean() -> Draft {
    draft("mptcp: ctrl: say what this file is about", "\n/* What this file is about */\n")
}

fn draft(subject: &str, text: &str) -> Draft {
    Draft { subject: subject.to_owned(), body: body(), edits: vec![(FILE, Edit::Append(text.to_owned()))] }
}

fn message(text: &str) -> Draft {
    Draft { body: text.to_owned(), ..clean() }
}

fn case(name: &'static str, drafts: Vec<Draft>, finds: &[&'static str]) -> Case {
    Case {
        name,
        drafts,
        mails: None,
        mangle: str::to_owned,
        finds: finds.to_vec(),
        args: vec!["--subject-prefix", "PATCH mptcp-next"],
    }
}

fn mails(name: &'static str, drafts: Vec<Draft>, options: &[&'static str], finds: &[&'static str]) -> Case {
    Case { mails: Some(options.to_vec()), args: Vec::new(), ..case(name, drafts, finds) }
}

/// What git format-patch is asked for where nothing shall be wrong.
const RIGHT: [&str; 3] = ["--subject-prefix=PATCH mptcp-next", "--base=base", "--to=mptcp@lists.linux.dev"];

fn several(count: usize) -> Vec<Draft> {
    (1..=count)
        .map(|number| {
            draft(&format!("mptcp: ctrl: say more, part {number}"), &format!("\n/* Part {number} */\n"))
        })
        .collect()
}

/// Those that take no compiler, and no tool of the tree's.
pub fn of_text() -> Vec<Case> {
    let signed = |text: &str| message(&format!("Why this is.\n\n{text}\nSigned-off-by: {AUTHOR}"));
    let stable = |cc: &str| vec![signed(&format!("Fixes: BASEHASH (\"net: the beginning\")\nCc: {cc}"))];
    let mut all = vec![
        case("clean", vec![clean()], &[]),
        mails("clean-mails", several(2), &RIGHT, &[]),
        case("signed-off-by", vec![message("Why this is.")], &["signed-off-by 1"]),
        case("signed-by-another", vec![message("Why.\n\nSigned-off-by: B <b@example.org>")], &["signed-off-by 1"]),
        case("subject-without-area", vec![Draft { subject: "say what it is".to_owned(), ..clean() }], &["subject 1"]),
        case("subject-of-another-area", vec![Draft { subject: "tcp: say what it is".to_owned(), ..clean() }], &["subject 1"]),
        case("message-empty", vec![message(&format!("Signed-off-by: {AUTHOR}"))], &["message 1"]),
        case("message-change-id", vec![signed("Change-Id: I0123456789abcdef")], &["message 1"]),
        case("message-wide", vec![message(&format!("{}\n\nSigned-off-by: {AUTHOR}", "These are too many words for a line that a terminal of eighty columns is to show"))], &["message 1"]),
        case("fixes-subject", vec![signed("Fixes: BASEHASH (\"net: another\")")], &["fixes 1"]),
        case("fixes-missing", vec![signed("Fixes: 0123456789ab (\"net: the beginning\")")], &["fixes 1"]),
        case("fixes-short", vec![signed("Fixes: SHORT (\"net: the beginning\")")], &["fixes 1"]),
        case("inline", vec![draft("mptcp: ctrl: add a helper", "\nstatic inline int helper(void)\n{\n\treturn 0;\n}\n")], &["inline 1"]),
        case(
            "kconfig",
            vec![Draft {
                edits: vec![("net/mptcp/Kconfig", Edit::Append("\nconfig MPTCP_SURPRISE\n\tbool\n\thelp\n\t  First line of help.\n\t  Second line of help.\n\t  Third line of help.\n\t  Last line.\n".to_owned()))],
                ..draft("mptcp: add an option", "")
            }],
            &["kconfig"],
        ),
        case("fixup", vec![clean(), draft("fixup! mptcp: ctrl: say what this file is about", "\n/* More */\n")], &["fixup"]),
        case("count", several(16), &["count"]),
        case("based-on", vec![signed("Based-on: the other series")], &["based-on"]),
        mails("prefix", vec![clean()], &["--base=base"], &["prefix"]),
        mails("cover", several(3), &RIGHT, &["cover"]),
        mails("base-unknown", vec![clean()], &["--subject-prefix=PATCH mptcp-next"], &["base"]),
        Case {
            mangle: |mail| match mail.split_once("base-commit: ") {
                Some((text, rest)) => format!("{text}base-commit: {}{}", "0123456789".repeat(4), &rest[40..]),
                None => mail.to_owned(),
            },
            ..mails("base-missing", vec![clean()], &RIGHT, &["base"])
        },
        mails("recipients", vec![clean()], &[RIGHT[0], RIGHT[1], RIGHT[2], "--cc=netdev@vger.kernel.org"], &["recipients 1"]),
        mails("changelog", vec![clean()], &["--subject-prefix=PATCH mptcp-next v2", RIGHT[1], RIGHT[2]], &["changelog"]),
        Case {
            mangle: |mail| mail.replace(" \n+/* What", " other\n+/* What").replacen("@@ -", "@@ -1", 1).replace("\n }\n", "\n not there\n").replace("\n int ", "\n not "),
            ..mails("apply", vec![clean()], &RIGHT, &["apply 1"])
        },
        Case { finds: vec!["safety 1"], ..case("safety", vec![Draft { edits: vec![("net/mptcp/link.c", Edit::Link("/etc/passwd"))], ..clean() }], &[]) },
        Case { args: vec!["--subject-prefix", "PATCH mptcp-net"], ..case("cc-stable", stable("stable@kernel.org"), &["cc-stable 1"]) },
        Case { args: vec!["--subject-prefix", "PATCH mptcp-net"], ..case("fix-without-fixes", vec![clean()], &["fixes 1"]) },
        Case { args: vec!["--subject-prefix", "PATCH mptcp-net"], ..case("clean-fix", stable("stable@vger.kernel.org # v6.1"), &[]) },
    ];
    for case in &mut all {
        case.args.push("--quick");
    }
    all
}

impl Case {
    /// Makes it in a repository, and says what vmptcp finds.
    pub fn found(&self, lab: &Lab) -> Vec<String> {
        let base = lab.git(&["rev-parse", BASE]);
        let mut drafts = self.drafts.clone();
        for draft in &mut drafts {
            draft.body = draft.body.replace("BASEHASH", &base[..12]).replace("SHORT", &base[..8]);
        }
        lab.branch(self.name, &drafts);
        let mut args: Vec<String> = self.args.iter().map(|&arg| arg.to_owned()).collect();
        if let Some(options) = &self.mails {
            let outgoing = tempfile::tempdir().unwrap();
            let place = outgoing.path().display().to_string();
            let range = format!("{BASE}..{}", self.name);
            lab.git(&[&["format-patch", "-q", "-o", &place], &options[..], &[&range]].concat());
            lab.git(&["checkout", "-q", "-f", BASE]);
            for entry in fs::read_dir(outgoing.path()).unwrap() {
                let path = entry.unwrap().path();
                let text = fs::read_to_string(&path).unwrap();
                fs::write(&path, (self.mangle)(&text)).unwrap();
            }
            args.push(place.clone());
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            return lab.found(&args);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        lab.found(&args)
    }

    /// Fails unless exactly what is wrong with it is found.
    pub fn check(&self, lab: &Lab) {
        assert_eq!(self.found(lab), self.finds, "series {}", self.name);
    }
}

/// Those that need the tools of a real tree, and no compiler.
pub fn of_tools() -> Vec<Case> {
    let selftest = |text: &str| Draft {
        edits: vec![(
            "tools/testing/selftests/net/mptcp/diag.sh",
            Edit::Replace("# graceful termination\n", format!("# graceful termination\n{text}")),
        )],
        ..draft("selftests: mptcp: diag: try more", "")
    };
    let doc = "\n/**\n * mptcp_nothing() - does nothing\n * @sk: the socket\n *\n * Return: nothing\n */\nint mptcp_nothing(struct sock *sk, int flags)\n{\n\treturn flags;\n}\n";
    let mut all = vec![
        case(
            "checkpatch",
            vec![draft("mptcp: ctrl: say more", "\n/* With a blank at its end */ \n")],
            &["checkpatch 1"],
        ),
        case(
            "codespell",
            vec![message(&format!("This is neccessary for all of us.\n\nSigned-off-by: {AUTHOR}"))],
            &["checkpatch 1"],
        ),
        case("shellcheck", vec![selftest("cat $(echo unquoted)/*.log 2>/dev/null\n")], &["shellcheck 1"]),
        case("kernel-doc", vec![draft("mptcp: ctrl: add nothing", doc)], &["kernel-doc 1"]),
        case(
            "python",
            vec![Draft {
                edits: vec![(
                    "tools/net/ynl/cli.py",
                    Edit::Append("\n\ndef unused():\n    return undefined_name\n".to_owned()),
                )],
                ..draft("tools: ynl: add a function", "")
            }],
            &["python 1"],
        ),
        case(
            "yaml",
            vec![Draft {
                edits: vec![(
                    "Documentation/netlink/specs/mptcp_pm.yaml",
                    Edit::Replace("doc: Multipath TCP.\n", "doc: Multipath TCP.\ndoc: Again.\n".to_owned()),
                )],
                ..draft("netlink: specs: mptcp: say it twice", "")
            }],
            &["yaml 1"],
        ),
        mails(
            "maintainers",
            vec![clean()],
            &[
                "--subject-prefix=PATCH net-next",
                "--base=base",
                "--to=netdev@vger.kernel.org",
                "--cc=mptcp@lists.linux.dev",
            ],
            &["maintainers 1"],
        ),
    ];
    for case in &mut all {
        case.args.push("--quick");
    }
    all
}

/// The configuration with all that MPTCP has.
const ONE: [&str; 1] = ["x86_64-ipv6-mptcp"];

/// A case that appends code to a file, for the checks that compile.
fn code(name: &'static str, text: &str, finds: &[&'static str], configs: &[&'static str]) -> Case {
    let mut case = case(name, vec![draft("mptcp: ctrl: compute more", text)], finds);
    case.args.push("--no-tests");
    for check in ["build", "warnings", "sparse", "selftests"] {
        case.args.extend(["--check", check]);
    }
    for config in configs {
        case.args.extend(["--config", config]);
    }
    case
}

fn only_with_bpf_jit() -> Case {
    // The same type is none of the other: net/mptcp/bpf.c has most of its code for BPF_JIT only.
    let mut jit = code("build-with-bpf-jit", "", &["build 1"], &ONE);
    jit.drafts = vec![Draft {
        edits: vec![(
            "net/mptcp/bpf.c",
            Edit::Append(
                "\n#ifdef CONFIG_BPF_JIT\nstruct sock *mptcp_more(struct mptcp_sock *msk);\n\n\
                 struct sock *mptcp_more(struct mptcp_sock *msk)\n{\n\treturn msk;\n}\n#endif\n"
                    .to_owned(),
            ),
        )],
        ..draft("bpf: mptcp: compute more", "")
    }];
    jit
}

fn large_frame() -> Case {
    code(
        "build-large-frame",
        "\nint mptcp_more(int a);\n\nint mptcp_more(int a)\n{\n\tvolatile char more[2100];\n\n\tmore[a & 1023] = a;\n\treturn more[0];\n}\n",
        &["build 1"],
        &ONE,
    )
}

/// Those that compilers are needed for.
pub fn of_builds() -> Vec<Case> {
    let one = ONE;
    let mut broken = code(
        "bisect",
        "\nint mptcp_more(void);\n\nint mptcp_more(void)\n{\n\treturn mptcp_missing;\n}\n",
        &["build 1"],
        &one,
    );
    broken.drafts.push(Draft {
        edits: vec![(FILE, Edit::Replace("return mptcp_missing;", "return 0;".to_owned()))],
        ..draft("mptcp: ctrl: repair it", "")
    });
    let selftest = Draft {
        edits: vec![(
            "tools/testing/selftests/net/mptcp/mptcp_inq.c",
            Edit::Append("\nint more(void)\n{\n\treturn missing;\n}\n".to_owned()),
        )],
        ..draft("selftests: mptcp: inq: compute more", "")
    };
    let mut selftests = code("selftests", "", &["selftests 1"], &one);
    selftests.drafts = vec![selftest];
    let mut without_mptcp =
        code("build-without-mptcp", "", &["build 1"], &["x86_64-ipv6-mptcp", "x86_64-noipv6-nomptcp"]);
    without_mptcp.drafts = vec![Draft {
        edits: vec![(
            "net/ipv4/proc.c",
            Edit::Append("\n#ifndef CONFIG_MPTCP\nint mptcp_more = missing;\n#endif\n".to_owned()),
        )],
        ..draft("net: proc: compute more", "")
    }];
    let mut gone = code("build-without-a-file", "", &["build 1"], &one);
    gone.drafts =
        vec![Draft { edits: vec![(FILE, Edit::Remove)], ..draft("mptcp: ctrl: do without it", "") }];
    let mut never = code("never-compiled", "", &["build 1"], &one);
    never.drafts = vec![Draft {
        edits: vec![
            ("net/mptcp/Makefile", Edit::Append("\nobj-$(CONFIG_MPTCP_MORE) += more.o\n".to_owned())),
            ("net/mptcp/more.c", Edit::Append("// SPDX-License-Identifier: GPL-2.0\n".to_owned())),
        ],
        ..draft("mptcp: have more", "")
    }];
    vec![
        gone,
        never,
        code(
            "build-clean",
            "\nint mptcp_more(void);\n\nint mptcp_more(void)\n{\n\treturn 0;\n}\n",
            &[],
            &one,
        ),
        broken,
        code(
            "build-32-bits",
            "\nunsigned long mptcp_more(void);\n\nunsigned long mptcp_more(void)\n{\n\treturn 1UL << 40;\n}\n",
            &["build 1"],
            &["x86_64-ipv6-mptcp", "i386-ipv6-mptcp"],
        ),
        code(
            "build-without-ipv6",
            "\nint mptcp_more(const struct sock *sk);\n\nint mptcp_more(const struct sock *sk)\n{\n\treturn sk->sk_v6_daddr.s6_addr[0];\n}\n",
            &["build 1"],
            &["x86_64-ipv6-mptcp", "x86_64-noipv6-mptcp"],
        ),
        without_mptcp,
        code(
            "warnings",
            "\nint mptcp_more(int a);\n\nint mptcp_more(int a)\n{\n\tint unused;\n\n\tunused = a;\n\treturn a;\n}\n",
            &["warnings 1"],
            &one,
        ),
        code(
            "sparse",
            "\n__be16 mptcp_more(void);\n\n__be16 mptcp_more(void)\n{\n\treturn 80;\n}\n",
            &["sparse 1"],
            &one,
        ),
        selftests,
    ]
}

/// Those for which a whole kernel is compiled, and those that scripts/test has no time for.
pub fn of_kernels() -> Vec<Case> {
    let mut header = case(
        "build-uapi-header",
        vec![Draft {
            edits: vec![(
                "include/uapi/linux/mptcp.h",
                Edit::Replace(
                    "struct mptcp_info {",
                    "struct mptcp_more {\n\tloff_t\tmore;\n};\n\nstruct mptcp_info {".to_owned(),
                ),
            )],
            ..draft("mptcp: uapi: have more", "")
        }],
        // The kernel knows loff_t, and so do the programs of the selftests; the header alone, in C90, does not.
        &["build 1"],
    );
    header.args.push("--no-tests");
    for check in ["build", "warnings", "sparse", "selftests"] {
        header.args.extend(["--check", check]);
    }
    header.args.extend(["--config", "x86_64-noipv6-mptcp"]);
    vec![header, only_with_bpf_jit(), large_frame()]
}
