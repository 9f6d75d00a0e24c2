//! Root filesystems of vmptcp's own: made of real packages, and booted.

use crate::lab::{Lab, lab, uml_lab};

/// Makes an image and runs programs of it in a guest.
fn programs_of_an_image_run(lab: &Lab, backend: &[&str]) {
    let made = lab.run(&["image", "build", "lean"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    // The programs of every tool that suites need; whose files they are; and where a guest may write.
    let script = "cat /etc/debian_version; set -e; ip -V; ss -V; tc -V; nft -v; iptables -V; ip6tables -V; python3 -V; \
        tcpdump --version; ethtool --version; mptcpize --help; ping -V; bash --version; awk 'BEGIN { print \"awk\" }'; \
        grep ^root: /etc/passwd; getent hosts localhost; ip netns add a; ip -n a link set lo up; \
        ip netns exec a ping -c 1 127.0.0.1; touch /tmp/x \"$VMPTCP_RUN_DIR/x\"";
    let mut args = vec!["exec", "--root", "lean"];
    args.extend(backend);
    args.extend(["--", "sh", "-c", script]);
    let ran = lab.run(&args);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("13"), "{}", ran.stdout);
}

#[test]
#[ignore = "downloads packages, and boots a kernel of user-mode Linux"]
fn uml_programs_of_an_image_run() {
    programs_of_an_image_run(uml_lab(), &["--uml"]);
}

#[test]
#[ignore = "downloads packages, and boots a kernel"]
fn programs_of_an_image_run_with_virtme_ng() {
    programs_of_an_image_run(lab(), &[]);
}
