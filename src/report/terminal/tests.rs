//! What a person sees of a run, in narrow and in wide terminals.

use super::*;
use crate::event::{Subtest, TestId};
use indicatif::{InMemoryTerm, TermLike as _};

const ROWS: u16 = 20;

/// A run, as far as it is shown.
struct Shown {
    terminal: Terminal,
    screen: InMemoryTerm,
    summary: Summary,
}

impl Shown {
    fn new(cols: u16, verbosity: Verbosity) -> Self {
        let screen = InMemoryTerm::new(ROWS, cols);
        let lines = screen.clone();
        let terminal = Terminal::on(
            Screen {
                target: ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), 255),
                line: Box::new(move |line| lines.write_line(line).unwrap()),
                size: Box::new(move || TerminalSize { cols: cols.into(), rows: ROWS.into() }),
            },
            verbosity,
            false,
            true,
        );
        Self { terminal, screen, summary: Summary::default() }
    }

    fn add(&mut self, event: Event) {
        let record = Record { time: jiff::Timestamp::UNIX_EPOCH, at_ms: 0, event };
        self.summary.add(&record);
        self.terminal.record(&record, &self.summary);
    }

    /// What is on the screen.
    fn now(&self) -> String {
        self.terminal.bar.force_draw();
        self.screen.contents().lines().map(steady).collect::<Vec<_>>().join("\n")
    }
}

/// A line without what depends on the moment: the spinner, and the seconds so far.
fn steady(line: &str) -> String {
    let is_spinner = |char: char| ('\u{2800}'..='\u{28ff}').contains(&char);
    let Some(rest) = line.strip_prefix(is_spinner) else { return line.to_owned() };
    match rest.split_at_checked(5) {
        Some((time, rest)) if time.ends_with('s') => format!("*   0s{rest}"),
        _ => format!("*{rest}"),
    }
}

fn test(name: &str) -> TestId {
    TestId::new("selftests", name, 1)
}

fn started(name: &str, vm: u32) -> Event {
    Event::TestStarted { test: test(name), vm, timeout: 300, output: format!("tests/{name}.1.log") }
}

fn ended(name: &str, outcome: Outcome, reason: Option<&str>, seconds: f64) -> Event {
    let reason = reason.map(str::to_owned);
    Event::TestEnded { test: test(name), outcome, reason, exit_code: Some(0), seconds }
}

fn subtest(name: &str, what: &str, outcome: Outcome) -> Event {
    let result =
        Subtest { number: Some(1), name: what.into(), outcome, reason: None, ms: Some(7), flaky: false };
    Event::Subtest { test: test(name), result }
}

/// A run in two guests, up to the moment in which both are at work.
fn halfway(cols: u16) -> Shown {
    let mut shown = Shown::new(cols, Verbosity::Normal);
    let ready = |vm| Event::VmReady { vm, kernel: "6.12.117".into(), seconds: 4.2 };
    let booting =
        |vm: u32| Event::VmStarted { vm, accelerator: "tcg".into(), console: format!("console-{vm}.log") };
    shown.add(Event::StepStarted { step: "build".into() });
    shown.add(Event::StepEnded {
        step: "build".into(),
        status: StepStatus::UpToDate,
        detail: "Linux 6.12.117, 1530 build steps".into(),
        seconds: 0.8,
    });
    shown.add(Event::Note { text: "mptcp_connect.sh is divided into 4 parts".into() });
    shown.add(Event::StepStarted { step: "test".into() });
    shown.add(Event::TestsPlanned {
        tests: ["pm_netlink", "diag", "mptcp_join", "simult_flows"].map(test).into(),
        step: None,
    });
    for event in
        [booting(1), booting(2), ready(1), ready(2), started("pm_netlink", 1), started("mptcp_join", 2)]
    {
        shown.add(event);
    }
    shown.add(subtest("pm_netlink", "defaults addr list", Outcome::Pass));
    shown.add(ended("pm_netlink", Outcome::Pass, None, 32.0));
    shown.add(started("diag", 1));
    shown.terminal.activity(1, "diag: 03 ....chk last_data_recv");
    shown.terminal.activity(2, "mptcp_join: 017 multiple subflows, limited by server");
    shown
}

/// The same run to its end.
fn to_the_end(mut shown: Shown) -> Shown {
    shown.add(subtest("mptcp_join", "single subflow, with a rather long name of its own", Outcome::Fail));
    shown.add(ended("mptcp_join", Outcome::Fail, Some("exit code 1"), 511.25));
    shown.add(ended("diag", Outcome::Skip, Some("Could not run test without ss tool"), 1.5));
    shown.add(started("simult_flows", 1));
    shown.add(Event::Splat {
        vm: 1,
        test: Some(test("simult_flows")),
        candidates: vec![],
        boot: false,
        notice: false,
        fingerprint: "x".into(),
        title: "WARNING: CPU: 0 PID: 7 at net/mptcp/subflow.c:1 subflow_check+0x1/0x2".into(),
        lines: vec![],
    });
    let reason = "the guest is gone: WARNING: CPU: 0 PID: 7 at net/mptcp/subflow.c:1";
    shown.add(ended("simult_flows", Outcome::Crash, Some(reason), 9.0));
    shown.add(Event::VmEnded {
        vm: 1,
        crashed: true,
        reason: "the guest is gone".into(),
        console_tail: vec!["[    9.0] ---[ end trace 0000000000000000 ]---".into()],
    });
    shown.add(Event::VmEnded { vm: 2, crashed: false, reason: "done".into(), console_tail: vec![] });
    let (step, detail) = ("test".to_owned(), "1 of 4 passed".to_owned());
    shown.add(Event::StepEnded { step, status: StepStatus::Done, detail, seconds: 530.0 });
    shown.add(Event::RunEnded { exit_code: 3, error: None, hint: None });
    shown
}

#[test]
fn two_guests_at_work_share_the_moving_line() {
    insta::assert_snapshot!("halfway_60", halfway(60).now());
    insta::assert_snapshot!("halfway_80", halfway(80).now());
    insta::assert_snapshot!("halfway_120", halfway(120).now());
}

#[test]
fn nothing_moves_any_more_when_a_run_is_over() {
    insta::assert_snapshot!("end_60", to_the_end(halfway(60)).screen.contents());
    insta::assert_snapshot!("end_80", to_the_end(halfway(80)).screen.contents());
    insta::assert_snapshot!("end_120", to_the_end(halfway(120)).screen.contents());
}

#[test]
fn a_build_fills_a_bar_where_there_is_room_for_one() {
    let building = |cols| {
        let mut shown = Shown::new(cols, Verbosity::Normal);
        shown.add(Event::StepStarted { step: "build".into() });
        for done in [1, 765] {
            shown.terminal.progress(&Progress {
                done,
                total: Some(1530),
                unit: Unit::Steps,
                detail: "CC net/mptcp/protocol.o".into(),
            });
        }
        shown.now()
    };
    assert_eq!(building(60), "* 765/1530 CC net/mptcp/protocol.o");
    for cols in [80, 120] {
        let line = building(cols);
        assert!(line.contains("765/1530") && line.contains("█"), "{line}");
        assert!(line.lines().all(|line| line.chars().count() <= cols.into()), "{line}");
    }
}

#[test]
fn a_quiet_run_shows_only_what_went_wrong() {
    let mut shown = Shown::new(80, Verbosity::Quiet);
    shown.add(Event::Note { text: "of no matter".into() });
    shown.add(started("diag", 1));
    shown.add(ended("diag", Outcome::Pass, None, 1.0));
    shown.add(started("pm_netlink", 1));
    shown.add(ended("pm_netlink", Outcome::Fail, Some("exit code 1"), 1.0));
    let lines = shown.screen.contents();
    assert!(lines.contains("fail") && !lines.contains("pass") && !lines.contains("note"), "{lines}");
}
