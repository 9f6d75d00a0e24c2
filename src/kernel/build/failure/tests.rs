//! Output of builds that failed, and what is to be shown of it.

use super::*;

fn shown(log: &str) -> String {
    first_error(log.lines()).join("\n")
}

fn hint(log: &str) -> String {
    remedy(&first_error(log.lines()), Path::new("/tree")).unwrap_or_default()
}

#[test]
fn a_compiler_error_comes_with_its_function_excerpt_and_notes() {
    let log = "  CC      net/mptcp/ctrl.o
net/mptcp/ctrl.c: In function 'mptcp_is_enabled':
net/mptcp/ctrl.c:20:6: warning: unused variable 'y' [-Wunused-variable]
   20 |  int y;
      |      ^
  CC      net/mptcp/pm.o
In file included from ../include/linux/kernel.h:22,
                 from ../net/mptcp/pm.c:9:
../net/mptcp/pm.c: In function 'mptcp_pm_announce_addr':
../net/mptcp/pm.c:31:2: error: 'nope' undeclared (first use in this function)
   31 |  nope = 1;
      |  ^~~~
  CC      net/mptcp/token.o
../net/mptcp/pm.c:31:2: note: each undeclared identifier is reported only once
../net/mptcp/pm.c:40:1: error: expected ';' before '}' token
make[4]: *** [../scripts/Makefile.build:229: net/mptcp/pm.o] Error 1
make[4]: *** Waiting for unfinished jobs....
  CC      net/mptcp/sched.o
../net/mptcp/sched.c:1:2: error: another file's error
make[3]: *** [../scripts/Makefile.build:478: net/mptcp] Error 2
make: *** [Makefile:234: __sub-make] Error 2";
    insta::assert_snapshot!(shown(log), @r"
    In file included from ../include/linux/kernel.h:22,
                     from ../net/mptcp/pm.c:9:
    ../net/mptcp/pm.c: In function 'mptcp_pm_announce_addr':
    ../net/mptcp/pm.c:31:2: error: 'nope' undeclared (first use in this function)
       31 |  nope = 1;
          |  ^~~~
    ../net/mptcp/pm.c:31:2: note: each undeclared identifier is reported only once
    ../net/mptcp/pm.c:40:1: error: expected ';' before '}' token
    ");
    assert_eq!(hint(log), "");
}

#[test]
fn the_warnings_of_a_file_that_fails_are_left_out() {
    let log = "mptcp_inq.c: In function 'main':
mptcp_inq.c:561:11: error: expected ')' before 'int'
  561 | int main( {int argc)
      |           ^
mptcp_inq.c: At top level:
mptcp_inq.c:545:12: warning: 'rcheck' defined but not used [-Wunused-function]
  545 | static int rcheck(int wstatus, const char *what)
      |            ^~~~~~
mptcp_inq.c: In function 'xfork':
mptcp_inq.c:600:1: error: expected identifier
mptcp_inq.c: In function 'server':
mptcp_inq.c:610:1: warning: unused
make[1]: *** [../lib.mk:222: /out/kselftest/net/mptcp/mptcp_inq] Error 1";
    insta::assert_snapshot!(shown(log), @r"
    mptcp_inq.c: In function 'main':
    mptcp_inq.c:561:11: error: expected ')' before 'int'
      561 | int main( {int argc)
          |           ^
    mptcp_inq.c: In function 'xfork':
    mptcp_inq.c:600:1: error: expected identifier
    ");
}

#[test]
fn a_missing_header_of_the_system_names_doctor_and_one_of_the_kernel_does_not() {
    let log = "  HOSTCC  /out/tools/objtool/elf.o
In file included from /tree/tools/objtool/include/objtool/objtool.h:13,
                 from elf.c:22:
/tree/tools/objtool/include/objtool/elf.h:10:10: fatal error: gelf.h: No such file or directory
   10 | #include <gelf.h>
      |          ^~~~~~~~
compilation terminated.
make[4]: *** [/tree/tools/build/Makefile.build:106: /out/tools/objtool/elf.o] Error 1";
    insta::assert_snapshot!(shown(log), @r"
    In file included from /tree/tools/objtool/include/objtool/objtool.h:13,
                     from elf.c:22:
    /tree/tools/objtool/include/objtool/elf.h:10:10: fatal error: gelf.h: No such file or directory
       10 | #include <gelf.h>
          |          ^~~~~~~~
    ");
    assert_eq!(hint(log), "the header gelf.h is missing; see which package brings it: vmptcp doctor");
    assert_eq!(hint("net/x.c:1:10: fatal error: linux/nope.h: No such file or directory"), "");
    assert_eq!(hint("net/x.c:1:10: fatal error: protocol2.h: No such file or directory"), "");
}

#[test]
fn a_linker_error_comes_with_the_function() {
    let log = "  LD      .tmp_vmlinux1
ld: net/mptcp/protocol.o: in function `mptcp_close':
protocol.c:(.text+0x10): undefined reference to `mptcp_nope'
ld: protocol.c:(.text+0x20): undefined reference to `mptcp_nope'
make[2]: *** [/tree/scripts/Makefile.vmlinux:34: vmlinux] Error 1";
    insta::assert_snapshot!(shown(log), @r"
    ld: net/mptcp/protocol.o: in function `mptcp_close':
    protocol.c:(.text+0x10): undefined reference to `mptcp_nope'
    ld: protocol.c:(.text+0x20): undefined reference to `mptcp_nope'
    ");
}

#[test]
fn modpost_objtool_and_missing_rules_are_errors() {
    let log = "  MODPOST Module.symvers
WARNING: modpost: missing MODULE_DESCRIPTION() in net/llc/llc.o
ERROR: modpost: \"mptcp_nope\" [net/mptcp/mptcp_diag.ko] undefined!
make[2]: *** [/tree/scripts/Makefile.modpost:145: Module.symvers] Error 1";
    assert_eq!(shown(log), "ERROR: modpost: \"mptcp_nope\" [net/mptcp/mptcp_diag.ko] undefined!");
    let log = "  CC      a.o\nmake[4]: *** No rule to make target 'net/mptcp/gone.o', needed by 'net/mptcp/mptcp.o'.  Stop.
make[3]: *** [/tree/scripts/Makefile.build:478: net/mptcp] Error 2";
    insta::assert_snapshot!(shown(log), @"make[4]: *** No rule to make target 'net/mptcp/gone.o', needed by 'net/mptcp/mptcp.o'.  Stop.");
    assert_eq!(
        shown("error: objtool: can't find starting instruction"),
        "error: objtool: can't find starting instruction"
    );
    assert_eq!(
        shown("vmlinux.o: warning: objtool: x() falls through\nerror: objtool: y"),
        "error: objtool: y"
    );
}

#[test]
fn what_the_machine_lacks_has_a_remedy() {
    let killed = "gcc: fatal error: Killed signal terminated program cc1\ncompilation terminated.";
    assert_eq!(shown(killed), "gcc: fatal error: Killed signal terminated program cc1");
    assert!(hint(killed).contains("out of memory"));
    let full = "net/x.c:1:1: fatal error: error writing to /tmp/ccX.s: No space left on device";
    assert!(hint(full).starts_with("free some disk space"));
    assert!(hint("/bin/sh: 1: bc: not found\nmake[2]: *** [x] Error 127").contains("vmptcp doctor"));
    let pahole = "BTF: .tmp_vmlinux1: pahole (pahole) is not available\nFailed to generate BTF for vmlinux
Try to disable CONFIG_DEBUG_INFO_BTF\nmake[2]: *** [vmlinux] Error 1";
    insta::assert_snapshot!(shown(pahole), @r"
    BTF: .tmp_vmlinux1: pahole (pahole) is not available
    Failed to generate BTF for vmlinux
    Try to disable CONFIG_DEBUG_INFO_BTF
    ");
    assert!(hint(pahole).contains("vmptcp doctor"));
}

#[test]
fn where_nothing_looks_like_an_error_the_last_words_are_shown() {
    let log = "  GEN     x\nsomething odd happened\n  CC      y.o\nmake[1]: *** [Makefile:1: x] Error 3";
    assert_eq!(shown(log), "something odd happened");
    assert_eq!(shown(""), "");
    assert_eq!(shown("make: *** [Makefile:1: x] Error 3"), "make: *** [Makefile:1: x] Error 3");
}

#[test]
fn an_error_that_does_not_say_in_which_file_is_completed() {
    let log = "<command-line>: fatal error: /nonexistent.h: No such file or directory
compilation terminated.
make[2]: *** [/tree/scripts/Makefile.build:234: scripts/mod/empty.o] Error 1
make[1]: *** [/tree/Makefile:1257: prepare0] Error 2";
    insta::assert_snapshot!(shown(log), @r"
    <command-line>: fatal error: /nonexistent.h: No such file or directory
    (while making scripts/mod/empty.o)
    ");
}

#[test]
fn a_tree_that_was_built_inside_itself_has_a_remedy() {
    let log = "***
*** The source tree is not clean, please run 'make mrproper'
*** in /tree
***
make[1]: *** [/tree/Makefile:659: outputmakefile] Error 1";
    insta::assert_snapshot!(shown(log), @r"
    *** The source tree is not clean, please run 'make mrproper'
    *** in /tree
    ");
    assert!(hint(log).ends_with("make -C /tree mrproper"));
}

#[test]
fn an_endless_error_stays_bounded() {
    let log = format!("a.c:1:1: error: x\n{}", "a.c:1:1: note: y\n".repeat(10_000));
    assert_eq!(first_error(log.lines()).len(), EXCERPT);
}
