//! Requests as commands, and whole builds of little trees that have a Makefile but no kernel.

use super::*;
use std::cell::RefCell;

fn request(dir: &Path) -> BuildRequest {
    BuildRequest {
        alias: Alias::default(),
        tree: dir.join("tree"),
        out: dir.join("out"),
        log: dir.join("out/build.log"),
        variant: Variant::default(),
        jobs: 2,
        ccache: false,
        collections: vec!["net/mptcp".to_owned()],
        selftests: None,
        make_variables: Vec::new(),
        environment: MakeEnvironment::default(),
    }
}

fn shown(request: &BuildRequest) -> String {
    commands_of(request).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_request_is_three_commands() {
    insta::assert_snapshot!(shown(&request(Path::new("/x"))), @r"
    LC_ALL=C LC_MESSAGES=C make -C /x/tree O=/x/out -j2 --no-print-directory --output-sync=target all headers
    LC_ALL=C LC_MESSAGES=C make -C /x/tree/tools/testing/selftests O=/x/out -j2 --no-print-directory --output-sync=target TARGETS=net/mptcp FORCE_TARGETS=1 KSFT_INSTALL_PATH=/x/out/kselftest_install install
    LC_ALL=C LC_MESSAGES=C make -C /x/tree O=/x/out -j2 --no-print-directory --output-sync=target --silent image_name
    ");
}

#[test]
fn variants_ccache_and_variables_show_in_the_commands() {
    let mut request = request(Path::new("/x"));
    request.variant = Variant::parse("debug-clang").unwrap();
    request.ccache = true;
    request.collections.clear();
    request.make_variables = vec!["KCFLAGS=-O1 -g".to_owned()];
    insta::assert_snapshot!(shown(&request), @r"
    LC_ALL=C LC_MESSAGES=C CCACHE_BASEDIR=/x/tree CCACHE_NOHASHDIR=1 make -C /x/tree O=/x/out -j2 --no-print-directory --output-sync=target LLVM=1 'CC=ccache clang' 'HOSTCC=ccache clang' 'KCFLAGS=-O1 -g' all headers
    LC_ALL=C LC_MESSAGES=C make -C /x/tree O=/x/out -j2 --no-print-directory --output-sync=target LLVM=1 --silent 'KCFLAGS=-O1 -g' image_name
    ");
}

#[test]
fn what_runs_on_user_mode_linux_is_built_for_the_host() {
    let mut request = request(Path::new("/x"));
    request.variant = Variant::parse("uml").unwrap();
    insta::assert_snapshot!(shown(&request), @r"
    LC_ALL=C LC_MESSAGES=C make -C /x/tree O=/x/out -j2 --no-print-directory --output-sync=target ARCH=um all
    LC_ALL=C LC_MESSAGES=C make -C /x/tree O=/x/out/user -j2 --no-print-directory --output-sync=target headers
    LC_ALL=C LC_MESSAGES=C make -C /x/tree/tools/testing/selftests O=/x/out/user -j2 --no-print-directory --output-sync=target TARGETS=net/mptcp FORCE_TARGETS=1 KSFT_INSTALL_PATH=/x/out/kselftest_install install
    LC_ALL=C LC_MESSAGES=C make -C /x/tree O=/x/out -j2 --no-print-directory --output-sync=target ARCH=um --silent image_name
    ");
}

#[test]
fn selftests_of_another_tree_are_built_with_its_headers_and_beside_those_of_the_kernel() {
    let mut request = request(Path::new("/x"));
    request.selftests = Some("/y".into());
    let lines = shown(&request);
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].contains(" -C /x/tree O=/x/out ") && lines[0].ends_with("all headers"), "{lines:?}");
    assert!(lines[1].contains(" -C /y O=/x/out/other ") && lines[1].ends_with(" headers"), "{lines:?}");
    assert!(lines[2].contains(" -C /y/tools/testing/selftests O=/x/out/other "), "{lines:?}");
}

/// A tree whose build copies one file, and counts how often it was asked.
fn little_tree(dir: &Path) -> BuildRequest {
    let request = request(dir);
    let selftests = request.tree.join("tools/testing/selftests");
    fs::create_dir_all(&selftests).unwrap();
    fs::create_dir_all(&request.out).unwrap();
    fs::write(request.out.join(".config"), "CONFIG_MPTCP=y\n").unwrap();
    fs::write(request.tree.join("x.c"), "int x;\n").unwrap();
    let makefile = "all: $(O)/image\n$(O)/image: x.c\n\t@echo '  CC      x.o'\n\t@mkdir -p $(O)/include/config\n\
        \t@! grep -q bad x.c || { echo \"x.c:1:5: error: expected ';' before 'bad'\"; exit 1; }\n\
        \t@cp x.c $@; cp x.c $(O)/vmlinux; echo 6.12.7 >$(O)/include/config/kernel.release\n\
        \t@echo '  GEN     image'\nheaders:\n\t@echo x >>$(O)/asked\nimage_name:\n\t@echo image\n";
    fs::write(request.tree.join("Makefile"), makefile).unwrap();
    let makefile = "install:\n\tmkdir -p $(KSFT_INSTALL_PATH)/$(TARGETS)\n\techo x >$(KSFT_INSTALL_PATH)/$(TARGETS)/test.sh\n\t@echo x >>$(O)/installed\n";
    fs::write(selftests.join("Makefile"), makefile).unwrap();
    request
}

fn asked(request: &BuildRequest) -> usize {
    fs::read_to_string(request.out.join("asked")).unwrap_or_default().lines().count()
}

#[test]
fn nothing_is_built_twice_and_every_change_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let mut request = little_tree(dir.path());
    let steps = RefCell::new(Vec::new());
    let mut record = |progress: Progress| steps.borrow_mut().push((progress.done, progress.detail));
    let first = build(&request, &mut record).unwrap();
    assert_eq!(*steps.borrow(), [(1, "CC x.o".to_owned()), (2, "GEN image".to_owned())]);
    assert_eq!((first.up_to_date, first.steps, first.kernel_release.as_str()), (false, 2, "6.12.7"));
    assert!(first.image.is_file() && first.selftests.unwrap().join("net/mptcp/test.sh").is_file());

    let again = |request: &BuildRequest, expected: usize, why: &str| {
        build(request, &mut |_| ()).unwrap();
        assert_eq!(asked(request), expected, "{why}");
        assert!(build(request, &mut |_| ()).unwrap().up_to_date, "{why}, then nothing");
        assert_eq!(asked(request), expected, "{why}, then nothing");
    };
    again(&request, 1, "nothing changed");
    request.jobs = 3;
    again(&request, 1, "other jobs build the same");
    fs::write(request.tree.join("x.c"), "int y;\n").unwrap();
    again(&request, 2, "a source changed");
    fs::write(request.out.join(".config"), "CONFIG_MPTCP=n\n").unwrap();
    again(&request, 3, "the configuration changed");
    request.make_variables.push("KCFLAGS=-O1".to_owned());
    again(&request, 4, "a variable changed");
    request.environment.kept.push(("KCFLAGS".to_owned(), "-O1".to_owned()));
    again(&request, 5, "the environment changed");
    fs::remove_file(request.out.join("image")).unwrap();
    again(&request, 6, "the image is gone");
}

#[test]
fn selftests_are_built_for_those_who_need_them_and_only_then() {
    let dir = tempfile::tempdir().unwrap();
    let with = little_tree(dir.path());
    let without = BuildRequest { collections: Vec::new(), ..with.clone() };
    let counts = || {
        let lines = |name| fs::read_to_string(with.out.join(name)).unwrap_or_default().lines().count();
        (lines("asked"), lines("installed"))
    };
    let built = |request: &BuildRequest| build(request, &mut |_| ()).unwrap();
    assert_eq!(built(&without).selftests, None);
    assert_eq!(counts(), (1, 0));
    let installed = built(&with).selftests.unwrap().join("net/mptcp/test.sh");
    assert!(installed.is_file());
    assert_eq!(counts(), (1, 1), "the kernel stays as it is");
    assert!(built(&without).up_to_date && built(&with).up_to_date, "neither undoes what the other built");
    fs::remove_file(installed).unwrap();
    assert!(current(&with).unwrap().is_none() && current(&without).unwrap().is_some());
    built(&with);
    assert_eq!(counts(), (1, 2), "a selftest is gone");
    fs::write(with.tree.join("x.c"), "int y;\n").unwrap();
    built(&without);
    assert_eq!(counts(), (2, 2));
    built(&with);
    assert_eq!(counts(), (2, 3), "those of another tree are none of this one");
}

#[test]
fn a_change_of_the_other_tree_builds_its_selftests_again_and_no_kernel() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let own = little_tree(dir.path());
    let theirs = BuildRequest { selftests: Some(little_tree(other.path()).tree), ..own.clone() };
    let counts = || {
        let lines = |name| fs::read_to_string(own.out.join(name)).unwrap_or_default().lines().count();
        (lines("asked"), lines("installed"), lines("other/installed"))
    };
    let built = |request: &BuildRequest| build(request, &mut |_| ()).unwrap();
    built(&theirs);
    assert_eq!(counts(), (1, 0, 1));
    assert!(built(&theirs).up_to_date);
    fs::write(other.path().join("tree/x.c"), "int y;\n").unwrap();
    built(&theirs);
    assert_eq!(counts(), (1, 0, 2));
    built(&own);
    assert_eq!(counts(), (1, 1, 2), "the kernel's own are others");
}

#[test]
fn a_failed_build_shows_the_error_and_is_not_taken_for_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let request = little_tree(dir.path());
    build(&request, &mut |_| ()).unwrap();
    fs::write(request.tree.join("x.c"), "bad\n").unwrap();
    let error = build(&request, &mut |_| ()).unwrap_err();
    assert_eq!(error.kind(), error::Kind::Build);
    let text = error.to_string().replace(dir.path().to_str().unwrap(), "DIR");
    insta::assert_snapshot!(text, @r"
    the kernel does not build:
    x.c:1:5: error: expected ';' before 'bad'
    ");
    assert!(error.remedy().unwrap().starts_with("the whole log: less "));
    let log = fs::read_to_string(&request.log).unwrap();
    assert!(
        log.starts_with("$ LC_ALL=C LC_MESSAGES=C make -C ") && log.contains("  CC      x.o\nx.c:1:5: error"),
        "{log}"
    );
    assert_eq!(Stamp::read(&request.out).done, None);
}

#[test]
fn bad_requests_are_refused_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let mut request = little_tree(dir.path());
    for bad in ["-k", "--eval=x", "O=/tmp", "=x", "A B=x", "modules"] {
        request.make_variables = vec![bad.to_owned()];
        let error = build(&request, &mut |_| ()).unwrap_err();
        assert_eq!(error.kind(), error::Kind::Usage, "{bad}");
    }
    fs::remove_file(request.out.join(".config")).unwrap();
    let error = build(&request, &mut |_| ()).unwrap_err();
    assert!(error.to_string().starts_with("there is no configuration to build: "));
    assert_eq!(error.remedy(), Some("vmptcp config"));
    assert_eq!(asked(&request), 0);
}

#[test]
fn an_image_outside_of_the_build_directory_is_not_believed() {
    for name in ["../../etc/passwd", "/etc/passwd", ""] {
        assert!(image_name(&Cmd::new("echo").arg(name)).is_err(), "{name}");
    }
    assert_eq!(image_name(&Cmd::new("echo").arg("arch/arm64/boot/Image")).unwrap(), "arch/arm64/boot/Image");
}
