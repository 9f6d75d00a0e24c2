use super::*;
use crate::guest::protocol::{Bytes, Io};

/// A conversation, and the clock.
struct Talk {
    link: Link,
    now: Instant,
}

const BOOT: Duration = Duration::from_secs(60);

fn start(answers: bool) -> Talk {
    let now = Instant::now();
    let binds = vec![("/run/vmptcp/0".to_owned(), "/tree".to_owned())];
    Talk { link: Link::new(Terms { boot_timeout: BOOT, binds, answers }, now), now }
}

fn up() -> Talk {
    let mut talk = start(true);
    talk.after(2, ready(None));
    talk.link.take_requests();
    talk
}

fn ready(leaks_since: Option<u64>) -> Message {
    Message::Agent(FromGuest::Ready { version: 1, kernel: "6.12".into(), cpus: 1, uptime_ms: 0, leaks_since })
}

fn line(text: &str) -> Message {
    Message::Console(text.as_bytes().to_vec())
}

fn lost(reason: &str, hangs: bool) -> LinkEvent {
    LinkEvent::Lost(Loss { reason: reason.to_owned(), hangs })
}

/// What is not a mere line.
fn telling(events: Vec<LinkEvent>) -> Vec<LinkEvent> {
    events.into_iter().filter(|event| !matches!(event, LinkEvent::Console { .. })).collect()
}

impl Talk {
    /// What a message means that comes after so many seconds.
    fn after(&mut self, seconds: u64, message: Message) -> Vec<LinkEvent> {
        self.now += Duration::from_secs(seconds);
        self.link.hear(message, self.now)
    }

    /// What so many seconds mean in which the guest says nothing but, where it is asked, that it is there.
    fn pass(&mut self, seconds: u64, answers: bool) -> Vec<LinkEvent> {
        let mut events = Vec::new();
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            events.extend(self.link.tick(self.now));
            if self.link.take_requests().contains(&ToGuest::Ping) && answers {
                events.extend(self.link.hear(Message::Agent(FromGuest::Pong), self.now));
            }
        }
        events
    }
}

#[test]
fn a_guest_that_comes_up_is_told_of_its_shares() {
    let mut talk = start(true);
    let events = talk.after(2, ready(None));
    let took = Duration::from_secs(2);
    assert_eq!(events, [LinkEvent::Up { kernel: "6.12".into(), took, leaks_since: None }]);
    let mounts = vec![("/run/vmptcp/0".to_owned(), "/tree".to_owned())];
    assert_eq!(talk.link.take_requests(), [ToGuest::Bind { mounts }]);
    assert_eq!(talk.after(1, ready(None)), [], "once");
}

#[test]
fn a_guest_that_does_not_come_up_in_its_time_hangs() {
    let mut talk = start(true);
    assert_eq!(talk.pass(59, false), []);
    assert_eq!(talk.pass(1, false), [lost("the guest did not come up within 60 s", true)]);
    assert_eq!(talk.pass(600, false), [], "that is the end");
    assert_eq!(talk.after(1, ready(None)), []);
}

#[test]
fn an_agent_that_answers_may_say_nothing_else_for_hours() {
    assert_eq!(up().pass(20_000, true), []);
}

#[test]
fn an_agent_that_does_not_answer_for_three_minutes_hangs() {
    let mut talk = up();
    assert_eq!(talk.pass(180, false), []);
    assert_eq!(talk.pass(1, false), [lost("the guest hangs: its agent has not answered for 180 s", true)]);
}

#[test]
fn a_guest_that_only_reports_is_not_asked_and_its_silence_means_nothing() {
    let mut talk = start(false);
    talk.after(1, ready(None));
    talk.link.take_requests();
    for _ in 0..1000 {
        talk.now += Duration::from_secs(1);
        assert_eq!(talk.link.tick(talk.now), []);
    }
    assert_eq!(talk.link.take_requests(), []);
}

#[test]
fn a_guest_is_gone_when_both_channels_ended_or_had_the_time_to() {
    let mut talk = up();
    assert_eq!(talk.after(1, Message::AgentGone), []);
    assert!(!talk.link.answers());
    assert_eq!(talk.after(1, Message::ConsoleEnded), [lost("the guest is gone", false)]);
    let mut talk = up();
    assert_eq!(talk.after(1, Message::ConsoleEnded), []);
    assert_eq!(talk.pass(4, false), []);
    assert_eq!(talk.pass(1, false), [lost("the guest is gone", false)]);
}

#[test]
fn what_a_guest_said_before_it_went_is_heard_however_slow_its_owner_is() {
    let output = |data: &str| {
        let data = Bytes(data.as_bytes().to_vec());
        Message::Agent(FromGuest::Output { id: 1, stream: Stream::Stdout, data })
    };
    let mut talk = up();
    talk.after(1, Message::ConsoleEnded);
    for _ in 0..20 {
        assert_eq!(talk.after(4, output("x")).len(), 1);
    }
    assert_eq!(talk.after(1, Message::AgentGone), [lost("the guest is gone", false)]);
}

#[test]
fn a_guest_without_an_agent_is_gone_with_its_console() {
    let mut boot = start(true);
    assert_eq!(boot.after(1, Message::ConsoleEnded), [lost("the guest did not come up", false)]);
    let mut boot = start(true);
    boot.link.is_gone(boot.now);
    assert_eq!(boot.pass(4, false), []);
    assert_eq!(boot.pass(1, false), [lost("the guest did not come up", false)]);
}

#[test]
fn a_mark_puts_console_and_agent_in_order() {
    let mut talk = up();
    talk.link.mark("vmptcp: end of x", talk.now);
    assert_eq!(talk.link.take_requests(), [ToGuest::Mark { text: "vmptcp: end of x".into() }]);
    let splat = "[    1.0] WARNING: CPU: 0 PID: 1 at net/mptcp/x.c:1 f+0x1/0x2";
    assert_eq!(telling(talk.after(0, line(splat))), []);
    let events = telling(talk.after(0, line("[    2.0] vmptcp: end of x\r")));
    let [LinkEvent::Splat(found), LinkEvent::Marked] = &events[..] else { panic!("{events:?}") };
    assert_eq!(found.lines, [splat], "the mark is no line of it");
    assert!(!talk.link.is_marking());
}

#[test]
fn a_console_that_lags_too_far_behind_is_not_waited_for() {
    let mut talk = up();
    talk.link.mark("vmptcp: begin of x", talk.now);
    assert_eq!(talk.pass(4, true), []);
    assert_eq!(talk.pass(1, true), [LinkEvent::Marked]);
    assert_eq!(telling(talk.after(0, line("vmptcp: begin of x"))), [], "once");
}

#[test]
fn a_guest_that_is_going_marks_nothing_any_more() {
    let mut talk = up();
    talk.link.mark("vmptcp: begin of x", talk.now);
    talk.after(0, Message::AgentGone);
    assert_eq!(telling(talk.after(0, line("vmptcp: begin of x"))), []);
    assert_eq!(talk.pass(5, false), [lost("the guest is gone", false)]);
}

#[test]
fn what_was_asked_for_after_a_hang_is_no_splat() {
    let mut talk = up();
    talk.link.begin_post_mortem(talk.now);
    talk.after(0, line("[1.0] vmptcp: begin of a post-mortem"));
    for text in ["[1.1] INFO: task x:1 blocked for more than 120 seconds.", "[1.2] Call Trace:"] {
        let expected = LinkEvent::Console { line: text.to_owned(), post_mortem: true };
        assert_eq!(talk.after(0, line(text)), [expected]);
    }
    talk.link.end_post_mortem();
    talk.after(0, line("[1.3] vmptcp: end of a post-mortem"));
    talk.after(0, line("[1.4] WARNING: CPU: 0 PID: 1 at x.c:1 f+0x1/0x2"));
    assert_eq!(talk.link.flush().map(|splat| splat.lines.len()), Some(1));
}

#[test]
fn a_guest_that_hangs_itself_is_found_out_soon_when_it_is_asked_about_something_that_hangs() {
    let mut talk = up();
    // It has not been heard for a while, which alone means nothing.
    assert_eq!(talk.pass(100, false), []);
    talk.link.begin_post_mortem(talk.now);
    assert_eq!(talk.pass(25, false), []);
    assert_eq!(talk.pass(1, false), [lost("the guest hangs: its agent has not answered for 25 s", true)]);
    let mut well = up();
    well.link.begin_post_mortem(well.now);
    assert_eq!(well.pass(300, true), [], "one that answers may take its time");
}

#[test]
fn that_leaks_were_found_says_less_than_which() {
    let text = "[9.9] kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)";
    let splats = |leaks_since| {
        let mut talk = start(true);
        talk.after(1, ready(leaks_since));
        talk.after(1, line(text));
        talk.link.flush().is_some()
    };
    assert_eq!((splats(None), splats(Some(7))), (true, false));
}

#[test]
fn time_in_which_nobody_listened_is_not_the_guests() {
    let mut talk = up();
    talk.pass(100, false);
    talk.link.mark("vmptcp: begin of x", talk.now);
    talk.now += Duration::from_secs(3600);
    assert_eq!(talk.link.tick(talk.now), [LinkEvent::Stalled(Duration::from_secs(3600))]);
    assert_eq!(talk.pass(5, false), [LinkEvent::Marked]);
    assert_eq!(talk.pass(75, false), []);
    assert!(matches!(talk.pass(2, false)[..], [LinkEvent::Lost(Loss { hangs: true, .. })]));
    let mut boot = start(true);
    boot.now += Duration::from_secs(3600);
    assert_eq!(
        boot.link.tick(boot.now),
        [LinkEvent::Stalled(Duration::from_secs(3600))],
        "it may still boot"
    );
}

#[test]
fn jobs_are_reported_as_they_go() {
    let mut talk = up();
    let job = Job { id: 7, argv: vec!["true".into()], cwd: "/".into(), env: vec![], io: Io::Pipes };
    talk.link.run(job.clone());
    assert_eq!(talk.link.take_requests(), [ToGuest::Run(job)]);
    let mut said = |message| talk.after(0, Message::Agent(message));
    assert_eq!(said(FromGuest::Started { id: 7 }), []);
    assert_eq!(said(FromGuest::StdinTaken { id: 7 }), [LinkEvent::StdinTaken]);
    let end = JobEnd::Exit(Exit::Signal(9));
    assert_eq!(end.exit_code(), None);
    assert_eq!(said(FromGuest::Ended { id: 7, exit: Exit::Signal(9) }), [LinkEvent::Ended { id: 7, end }]);
    let end = JobEnd::Refused { why: "no such command".into(), code: 127 };
    assert_eq!(end.exit_code(), Some(127));
    let failed = FromGuest::Failed { id: 8, why: "no such command".into(), code: 127 };
    assert_eq!(said(failed), [LinkEvent::Ended { id: 8, end }]);
    let trouble = FromGuest::Trouble { text: "cannot mount".into() };
    assert_eq!(said(trouble), [LinkEvent::Warning("cannot mount".into())]);
    let warned = |message| format!("{:?}", up().after(0, message));
    assert!(warned(Message::Noise("?".into())).contains("no message"));
    assert!(warned(Message::ConsoleLost("disk full".into())).contains("disk full"));
}

#[test]
fn an_owner_may_give_a_guest_up_once() {
    let mut talk = up();
    talk.after(0, line("[1.0] last words"));
    assert_eq!(talk.link.give_up("the guest hangs"), [lost("the guest hangs", true)]);
    assert_eq!(talk.link.give_up("again"), []);
    assert_eq!(talk.link.console_tail(), ["[1.0] last words"]);
    assert!(talk.link.came_up() && !talk.link.answers());
}
