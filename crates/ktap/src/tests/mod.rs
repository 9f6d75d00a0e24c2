//! Streams, as a whole: what each line of them yields.

mod robust;

use super::Parser;
use std::fmt::Write as _;

/// The events of a stream, one a line, with its end.
fn events(stream: &str) -> String {
    let mut parser = Parser::new();
    let mut text = String::new();
    for event in stream.lines().flat_map(|line| parser.line(line.as_bytes())) {
        writeln!(text, "{event}").unwrap();
    }
    for event in parser.finish() {
        writeln!(text, "end: {event}").unwrap();
    }
    text
}

#[test]
fn tap_of_an_mptcp_script_after_its_talk() {
    let stream = "\
01 defaults addr list                             \x1b[1;32m[ OK ]\x1b[0m
INFO: ok 1 - not a result

TAP version 13
1..4
ok 1 - pm_netlink: defaults addr list # time=12ms
not ok 2 - pm_netlink: dump addrs # different output time=7ms
ok 3 - pm_netlink: flaky one # IGNORE Flaky time=1ms
ok 4 - pm_netlink:           (fullmesh) # SKIP time=0ms
";
    insta::assert_snapshot!(events(stream), @r#"
    g0 opened
    text "01 defaults addr list                             \u{1b}[1;32m[ OK ]\u{1b}[0m"
    text "INFO: ok 1 - not a result"
    text ""
    g0 version TAP 13
    g0 plan 4
    g0 pass 1 "pm_netlink: defaults addr list", 12ms
    g0 fail 2 "pm_netlink: dump addrs", because "different output", 7ms
    g0 pass 3 "pm_netlink: flaky one", Ignore, flaky, because "Flaky", 1ms
    g0 skip 4 "pm_netlink:           (fullmesh)", Skip, 0ns
    end: g0 closed, 4 of 4
    "#);
}

#[test]
fn ktap_names_a_group_after_its_results() {
    // The example of Documentation/dev-tools/ktap.rst with several levels, and diagnostics.
    let stream = "\
KTAP version 1
1..2
  KTAP version 1
  1..2
    KTAP version 1
    1..2
    # test_1: FAIL
    not ok 1 test_1
# from elsewhere
    ok 2 test_2
  not ok 1 test_3
  ok 2 test_4 # SKIP
not ok 1 example_test_1
ok 2 example_test_2
";
    insta::assert_snapshot!(events(stream), @r#"
    g0 opened
    g0 version KTAP 1
    g0 plan 2
    g1 opened in g0
    g1 version KTAP 1
    g1 plan 2
    g2 opened in g1
    g2 version KTAP 1
    g2 plan 2
    g2 diagnostic "test_1: FAIL"
    g2 fail 1 "test_1"
    g0 diagnostic "from elsewhere"
    g2 pass 2 "test_2"
    g2 named "test_3"
    g2 closed, 2 of 2
    g1 fail 1 "test_3", closes g2
    g1 skip 2 "test_4", Skip
    g1 named "example_test_1"
    g1 closed, 2 of 2
    g0 fail 1 "example_test_1", closes g1
    g0 pass 2 "example_test_2"
    end: g0 closed, 2 of 2
    "#);
}

#[test]
fn kunit_names_a_group_before_its_results() {
    let stream = "\
[    0.100000] KTAP version 1
[    0.100001] 1..1
[    0.100002]     KTAP version 1
[    0.100003]     # Subtest: mptcp-crypto
[    0.100004]     # module: crypto_test
[    0.100005]     1..1
[    0.100006]         KTAP version 1
[    0.100007]         # Subtest: hmac
[    0.200000] random: crng init done
[    0.200001]         ok 1 short key
[    0.200002]     ok 1 hmac
init: hello
[    0.200003] ok 1 mptcp-crypto
";
    insta::assert_snapshot!(events(stream), @r#"
    g0 opened
    g0 version KTAP 1
    g0 plan 1
    g1 opened in g0
    g1 version KTAP 1
    g1 diagnostic "Subtest: mptcp-crypto"
    g1 named "mptcp-crypto"
    g1 diagnostic "module: crypto_test"
    g1 plan 1
    g2 opened in g1
    g2 version KTAP 1
    g2 diagnostic "Subtest: hmac"
    g2 named "hmac"
    kernel "[    0.200000] random: crng init done"
    g2 pass 1 "short key"
    g2 problem: there is no plan
    g2 closed, 1
    g1 pass 1 "hmac", closes g2
    text "init: hello"
    g1 closed, 1 of 1
    g0 pass 1 "mptcp-crypto", closes g1
    end: g0 closed, 1 of 1
    "#);
}

#[test]
fn kunit_of_6_1_begins_a_group_with_its_name() {
    let stream = "\
TAP version 14
1..2
    # Subtest: token
    1..1
    ok 1 - req
ok 1 - token
    # Subtest: crypto
    1..2
    ok 1 - basic
";
    insta::assert_snapshot!(events(stream), @r#"
    g0 opened
    g0 version TAP 14
    g0 plan 2
    g1 opened in g0
    g1 named "token"
    g1 diagnostic "Subtest: token"
    g1 plan 1
    g1 pass 1 "req"
    g1 closed, 1 of 1
    g0 pass 1 "token", closes g1
    g2 opened in g0
    g2 named "crypto"
    g2 diagnostic "Subtest: crypto"
    g2 plan 2
    g2 pass 1 "basic"
    end: g2 problem: 1 of 2 planned results
    end: g2 closed, 1 of 2
    end: g0 problem: 1 of 2 planned results
    end: g0 closed, 1 of 2
    "#);
}

#[test]
fn tap_14_names_a_group_before_it_is_indented() {
    let stream = "\
TAP version 14
# Subtest: outer
    # Subtest: inner
        ok - a
        1..1
    ok 1 - inner
      ---
      message: ok 2 - not a result
      ok 3 - neither
      ...
    1..1
ok 1 - outer
1..1
";
    insta::assert_snapshot!(events(stream), @r#"
    g0 opened
    g0 version TAP 14
    g0 diagnostic "Subtest: outer"
    g1 opened in g0
    g1 named "outer"
    g1 diagnostic "Subtest: inner"
    g2 opened in g1
    g2 named "inner"
    g2 pass "a"
    g2 plan 1
    g2 closed, 1 of 1
    g1 pass 1 "inner", closes g2
    g1 diagnostic "---"
    g1 diagnostic "message: ok 2 - not a result"
    g1 diagnostic "ok 3 - neither"
    g1 diagnostic "..."
    g1 plan 1
    g1 closed, 1 of 1
    g0 pass 1 "outer", closes g1
    g0 plan 1
    end: g0 closed, 1 of 1
    "#);
}

#[test]
fn kselftest_runner_prefixes_the_tests_output() {
    let stream = "\
TAP version 13
1..3
# timeout set to 1800
# selftests: net/mptcp: diag.sh
# no msk on netns creation                          [  ok  ]
# ok, that went well
#
# TAP version 13
# 1..2
# ok 1 - diag: a # time=5ms
# # selftests: x: collection
# # TAP version 13
# # 1..1
# # ok 1 deep
# ok 2 - diag: b # time=5ms
# # Totals: pass:2
ok 1 selftests: net/mptcp: diag.sh
# timeout set to 1800
# selftests: net/mptcp: userspace_pm.sh
# TAP version 13
# 1..9
# ok 1 - userspace_pm: a # time=5ms
#
not ok 2 selftests: net/mptcp: userspace_pm.sh # TIMEOUT 1800 seconds
# selftests: net/mptcp: none.sh
# ok 17 packets
ok 3 selftests: net/mptcp: none.sh # SKIP
";
    insta::assert_snapshot!(events(stream), @r#"
    g0 opened
    g0 version TAP 13
    g0 plan 3
    g0 diagnostic "timeout set to 1800"
    g0 diagnostic "selftests: net/mptcp: diag.sh"
    g0 diagnostic "no msk on netns creation                          [  ok  ]"
    g0 diagnostic "ok, that went well"
    g0 diagnostic ""
    g1 opened in g0
    g1 named "selftests: net/mptcp: diag.sh"
    g1 version TAP 13
    g1 plan 2
    g1 pass 1 "diag: a", 5ms
    g1 diagnostic "selftests: x: collection"
    g2 opened in g1
    g2 named "selftests: x: collection"
    g2 version TAP 13
    g2 plan 1
    g2 pass 1 "deep"
    g2 closed, 1 of 1
    g1 pass 2 "diag: b", 5ms, closes g2
    g1 diagnostic "Totals: pass:2"
    g1 closed, 2 of 2
    g0 pass 1 "selftests: net/mptcp: diag.sh", closes g1
    g0 diagnostic "timeout set to 1800"
    g0 diagnostic "selftests: net/mptcp: userspace_pm.sh"
    g3 opened in g0
    g3 named "selftests: net/mptcp: userspace_pm.sh"
    g3 version TAP 13
    g3 plan 9
    g3 pass 1 "userspace_pm: a", 5ms
    g0 diagnostic ""
    g3 problem: 1 of 9 planned results
    g3 closed, 1 of 9
    g0 timeout 2 "selftests: net/mptcp: userspace_pm.sh", Timeout, because "1800 seconds", closes g3
    g0 diagnostic "selftests: net/mptcp: none.sh"
    g0 diagnostic "ok 17 packets"
    g0 skip 3 "selftests: net/mptcp: none.sh", Skip
    end: g0 closed, 3 of 3
    "#);
}

#[test]
fn everything_that_can_be_wrong_with_numbers_names_and_plans() {
    let stream = "\
TAP version 13
ok 1 - a
ok 3 - a
1..9999999999999999999999
1..3
ok
ok -5 - b
not ok 99999999999999999999 - c
1..4
";
    insta::assert_snapshot!(events(stream), @r#"
    g0 opened
    g0 version TAP 13
    g0 pass 1 "a"
    g0 pass 3 "a"
    g0 problem: result 3 where 2 is due
    g0 problem: a second result is called "a"
    text "1..9999999999999999999999"
    g0 problem: "9999999999999999999999" is not a usable number
    g0 plan 3
    g0 pass ""
    g0 problem: the plan stands between results
    g0 pass "b"
    g0 problem: "-5" is not a usable number
    g0 fail "c"
    g0 problem: "99999999999999999999" is not a usable number
    g0 plan 4
    g0 problem: plan 1..4 after plan 1..3
    end: g0 problem: 5 results where 3 are planned
    end: g0 closed, 5 of 3
    "#);
}

#[test]
fn what_is_missing_is_said_in_the_end() {
    insta::assert_snapshot!(events("TAP version 13\n1..3\nok 1 - a\nBail out! no memory\n"), @r#"
    g0 opened
    g0 version TAP 13
    g0 plan 3
    g0 pass 1 "a"
    g0 bail out "no memory"
    end: g0 problem: 1 of 3 planned results
    end: g0 closed, 1 of 3
    "#);
    insta::assert_snapshot!(events("1..0 # SKIP no IPv6\n"), @r#"
    g0 opened
    g0 plan 0, skip "no IPv6"
    end: g0 closed, 0 of 0
    "#);
    insta::assert_snapshot!(events("ok 1 a\n"), @r#"
    g0 opened
    g0 pass 1 "a"
    end: g0 problem: there is no plan
    end: g0 closed, 1
    "#);
    insta::assert_snapshot!(events("only talk\n1..2 apples\n"), @r#"
    g0 opened
    text "only talk"
    text "1..2 apples"
    end: g0 closed, 0
    "#);
    assert_eq!(events(""), "");
}

#[test]
fn a_second_version_line_begins_another_group() {
    let stream = "TAP version 13\nTAP version 13\n1..1\nok 1 a\nTAP version 13\n1..1\nok 1 a\n";
    insta::assert_snapshot!(events(stream), @r#"
    g0 opened
    g0 version TAP 13
    g0 version TAP 13
    g0 plan 1
    g0 pass 1 "a"
    g0 closed, 1 of 1
    g1 opened
    g1 version TAP 13
    g1 plan 1
    g1 pass 1 "a"
    end: g1 closed, 1 of 1
    "#);
}

#[test]
fn kernel_lines_come_between_and_inside() {
    let stream = "\
TAP version 13
1..2[    9.000001] IPv6: link becomes ready
[    9.000002] ok 1 - said the kernel
ok 1 - a[    9.000003] mptcp: b
ok 2 - c [maybe] [1.5]
talk[    9.000004] d
";
    insta::assert_snapshot!(events(stream), @r#"
    g0 opened
    g0 version TAP 13
    g0 plan 2
    kernel, glued "[    9.000001] IPv6: link becomes ready"
    kernel "[    9.000002] ok 1 - said the kernel"
    g0 pass 1 "a"
    kernel, glued "[    9.000003] mptcp: b"
    g0 pass 2 "c [maybe] [1.5]"
    text "talk[    9.000004] d"
    end: g0 closed, 2 of 2
    "#);
}
