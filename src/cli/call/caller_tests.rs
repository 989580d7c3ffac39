//! The test caller's decisions, without SIP or sound.

use super::*;

const FRAME: Duration = Duration::from_millis(20);
const LOUD: [i16; 160] = [3000; 160];

/// A caller and the time it is for it.
struct Scene {
    caller: Caller,
    now: Instant,
}

impl Scene {
    fn new(script: &str, on_refer: OnRefer) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        let now = Instant::now();
        let script = script.parse().expect("a good script");
        Self { caller: Caller::new(script, on_refer, Duration::from_mins(1), now), now }
    }

    /// One whose service leg is up.
    fn answered(script: &str, on_refer: OnRefer) -> Self {
        let mut scene = Self::new(script, on_refer);
        scene.tell(Event::Answered(Leg::Service));
        scene
    }

    fn tell(&mut self, event: Event<'_>) {
        self.caller.handle(event, self.now);
    }

    /// Half a second of speech on `leg`, and two of silence.
    fn hear_prompt(&mut self, leg: Leg) {
        for _ in 0..25 {
            self.now += FRAME;
            self.tell(Event::Audio(leg, &LOUD));
        }
        self.pass(Duration::from_secs(2));
    }

    /// Lets this much time pass, waking the machine when it asks for it.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.caller.poll_timeout().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.caller.handle_timeout(self.now);
        }
        self.now = until;
    }

    /// The actions since the last time, in short; keys as themselves.
    fn actions(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(action) = self.caller.poll_action() {
            told.push(match action {
                Action::Press(digit) => format!("press {}", digit.expose()),
                Action::AnswerReferral(status) => format!("answer {status}"),
                Action::Report(status, last) => format!("report {status}{}", if last { " last" } else { "" }),
                Action::CallTarget(address) => format!("call {}", address.uri),
                Action::HangUp(leg) => format!("hang up {leg:?}"),
            });
        }
        told
    }

    fn outcome(&self) -> &Outcome {
        self.caller.outcome()
    }
}

fn referral(verdict: &str) -> Referral {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Referral {
        refer_to: format!("sip:agents@127.0.0.1:5060;portero-token=t?X-Portero-Verdict={verdict}"),
        headers: vec![
            field("X-Portero-Verdict", verdict),
            field("x-portero-customer", "10000001"),
            field("X-Portero-Name", "Zo%C3%AB%20O%27Hara"),
        ],
    }
}

#[test]
fn a_whole_call_is_followed_to_its_end() {
    let mut scene = Scene::new("prompt,47", OnRefer::Follow);
    scene.tell(Event::Ringing(Leg::Service));
    scene.tell(Event::Answered(Leg::Service));
    assert_eq!(scene.actions(), <[&str; 0]>::default());
    scene.hear_prompt(Leg::Service);
    assert_eq!(scene.actions(), ["press 4", "press 7"]);
    scene.tell(Event::Referred(&referral("verified")));
    let target = "call sip:agents@127.0.0.1:5060;portero-token=t";
    assert_eq!(scene.actions(), ["answer 202", "report 100", target]);
    scene.tell(Event::Answered(Leg::Target));
    assert_eq!(scene.actions(), ["report 200 last"]);
    scene.tell(Event::Ended(Leg::Service, EndCause::RemoteBye));
    scene.hear_prompt(Leg::Target);
    assert_eq!(scene.actions(), ["hang up Target"]);
    assert!(!scene.caller.is_over());
    scene.tell(Event::Ended(Leg::Target, EndCause::LocalBye));
    assert!(scene.caller.is_over());
    let outcome = Outcome {
        verdict: Some(Verdict::Verified),
        customer: Some("10000001".to_owned()),
        name: Some("Zoë O'Hara".to_owned()),
        target: Some("sip:agents@127.0.0.1:5060;portero-token=t".to_owned()),
        status: Some(200),
        handed_over: true,
        failure: None,
    };
    assert_eq!(scene.outcome(), &outcome);
    assert_eq!(outcome.exit_code(None), 0);
    let lines: Vec<_> = scene.caller.timeline().lines(0).map(|line| line[12..].trim().to_owned()).collect();
    assert_eq!(
        lines,
        [
            "ringing",
            "answered",
            "prompt began",
            "prompt ended",
            "2 keys sent",
            "REFER received: verified (Identified and verified)",
            "target answered",
            "hand-over reported: 200",
            "call to service ended by the other side",
            "prompt began",
            "prompt ended",
            "call to target ended by us"
        ]
    );
}

#[test]
fn a_refer_can_be_refused_or_merely_claimed() {
    let table = [
        (OnRefer::Refuse(603), vec!["answer 603"], 603, false),
        (OnRefer::Claim, vec!["answer 202", "report 200 last"], 200, true),
    ];
    for (on_refer, actions, status, handed_over) in table {
        let mut scene = Scene::answered("", on_refer);
        scene.tell(Event::Referred(&referral("identified")));
        assert_eq!(scene.actions(), actions);
        scene.tell(Event::Ended(Leg::Service, EndCause::RemoteBye));
        assert!(scene.caller.is_over());
        let outcome = scene.outcome();
        assert_eq!((outcome.status, outcome.handed_over), (Some(status), handed_over));
        assert_eq!(outcome.exit_code(Some(Verdict::Identified)), 0);
    }
}

#[test]
fn a_refer_to_that_cannot_be_called_is_a_bad_request() {
    let mut scene = Scene::answered("", OnRefer::Follow);
    scene.tell(Event::Referred(&Referral { refer_to: "tel:+1202".to_owned(), headers: Vec::new() }));
    assert_eq!(scene.actions(), ["answer 400"]);
    assert_eq!((scene.outcome().verdict, scene.outcome().status), (None, Some(400)));
}

#[test]
fn a_target_that_refuses_is_reported_and_another_may_follow() {
    let mut scene = Scene::answered("", OnRefer::Follow);
    scene.tell(Event::Referred(&referral("verified")));
    scene.actions();
    scene.tell(Event::Ended(Leg::Target, EndCause::Refused(486)));
    assert_eq!(scene.actions(), ["report 486 last"]);
    assert!(!scene.outcome().handed_over && !scene.caller.is_over());
    scene.tell(Event::Referred(&referral("verified")));
    assert_eq!(scene.actions().len(), 3);
    scene.tell(Event::Answered(Leg::Target));
    assert!(scene.outcome().handed_over);
}

#[test]
fn a_call_that_is_refused_or_never_answered_has_failed() {
    for (cause, status) in [(EndCause::Refused(404), Some(404)), (EndCause::PeerGone, None)] {
        let mut scene = Scene::new("prompt,1", OnRefer::Follow);
        scene.tell(Event::Ended(Leg::Service, cause));
        assert!(scene.caller.is_over());
        assert_eq!(scene.outcome().status, status);
        assert_eq!(scene.outcome().exit_code(None), 2);
    }
}

#[test]
fn an_answer_without_media_is_hung_up() {
    let mut scene = Scene::new("", OnRefer::Follow);
    scene.tell(Event::Unusable(Leg::Service));
    assert_eq!(scene.actions(), ["hang up Service"]);
    scene.tell(Event::Ended(Leg::Service, EndCause::LocalBye));
    assert!(scene.caller.is_over());
    assert_eq!(scene.outcome().exit_code(None), 2);
}

#[test]
fn time_out_hangs_up_and_then_gives_up() {
    let mut scene = Scene::answered("prompt,1", OnRefer::Follow);
    scene.pass(Duration::from_secs(61));
    assert_eq!(scene.actions(), ["hang up Service"]);
    assert!(!scene.caller.is_over());
    scene.pass(LEAVE_WITHIN);
    assert!(scene.caller.is_over());
    assert_eq!(scene.outcome().exit_code(None), 1, "it was answered, and never handed over");
    let mut unanswered = Scene::new("", OnRefer::Follow);
    unanswered.pass(Duration::from_secs(61));
    assert_eq!(unanswered.actions(), ["hang up Service"]);
    assert_eq!(unanswered.outcome().exit_code(None), 2);
}

#[test]
fn a_hang_up_by_the_other_side_ends_the_script() {
    let mut scene = Scene::answered("1s,1", OnRefer::Follow);
    scene.tell(Event::Ended(Leg::Service, EndCause::RemoteBye));
    scene.pass(Duration::from_secs(2));
    assert_eq!(scene.actions(), <[&str; 0]>::default());
    assert!(scene.caller.is_over());
    assert_eq!(scene.outcome().exit_code(None), 1);
}

#[test]
fn interrupting_hangs_up_once() {
    let mut scene = Scene::answered("", OnRefer::Follow);
    scene.tell(Event::Referred(&referral("verified")));
    scene.tell(Event::Answered(Leg::Target));
    scene.actions();
    scene.caller.leave(scene.now);
    scene.caller.leave(scene.now);
    assert_eq!(scene.actions(), ["hang up Target", "hang up Service"]);
}
