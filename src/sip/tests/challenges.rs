//! Digest on the wire, both ways: strangers who prove who they are, and requests of ours that are challenged.

use std::sync::Arc;
use std::time::Duration;

use super::SDP;
use super::wire::{Sketch, Wire, header, only_status, response_to, status, tag_of};
use crate::secret::Password;
use crate::sip::digest::Keys;
use crate::sip::{
    Account, Algorithm, Call, DialogId, EndCause, ErrandId, Event, Login, Order, Reception, Referral,
    ReferralEvent, Registrar, Rejection, Reply, Sought, Task, message,
};

fn logins() -> Vec<Login> {
    let (username, password) = ("carrier".to_owned(), Password::new("open sesame".to_owned()));
    vec![Login {
        name: "trunk".into(),
        username,
        password,
        algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
    }]
}

fn account() -> Arc<Account> {
    let (username, password) = ("carrier".to_owned(), Password::new("open sesame".to_owned()));
    Arc::new(Account { username, password, realm: None })
}

/// The request once more, signed for what a response asks.
fn signed(request: &str, refusal: &str, keys: &mut Keys) -> String {
    let read = |text: &str| message::read(text.as_bytes()).expect("a message");
    let (sipx_sip::Message::Request(mut request), sipx_sip::Message::Response(refusal)) =
        (read(request), read(refusal))
    else {
        panic!("{request} {refusal}")
    };
    keys.learn(&refusal.headers, &request, 0, "c0");
    keys.sign(&mut request).expect("it can be signed");
    String::from_utf8_lossy(&sipx_sip::Message::Request(request).to_bytes()).into_owned()
}

impl Wire {
    fn send_to_prove(&mut self, text: &str, otherwise: Option<Reception>) -> Vec<String> {
        let logins = logins();
        let logins: Vec<&Login> = logins.iter().collect();
        self.endpoint.receive_to_prove(Self::peer(), text.as_bytes(), &logins, otherwise, self.now);
        self.sent()
    }

    fn counted(&self, reason: Rejection) -> u64 {
        self.endpoint
            .counters()
            .rejected()
            .find(|(counted, _)| *counted == reason)
            .map_or(0, |(_, count)| count)
    }

    /// What the peer answers to a request of ours; gives what comes of it.
    fn answer(&mut self, request: &str, status: u16, more: &str) -> Vec<String> {
        let tag = header(request, "To").is_some_and(|to| !to.contains(";tag=")).then_some("theirs");
        self.send_text(&response_to(request, status, tag, more))
    }

    fn errand(&mut self, task: Task) -> ErrandId {
        let server = Sought::server(&Self::peer().peer.to_string()).expect("an address");
        self.endpoint.take_on(Order { task, server, account: Some(account()) })
    }

    fn run(&mut self, errand: ErrandId, seconds: u64) -> String {
        self.endpoint.run(errand, Duration::from_secs(seconds), self.now);
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:#?}");
        sent.remove(0)
    }
}

fn challenge(nonce: &str) -> String {
    format!("WWW-Authenticate: Digest realm=\"there\", nonce=\"{nonce}\", qop=\"auth,auth-int\"\r\n")
}

fn cseq(request: &str) -> u32 {
    header(request, "CSeq").and_then(|cseq| cseq.split(' ').next()?.parse().ok()).expect("a number")
}

fn only(mut sent: Vec<String>) -> String {
    assert_eq!(sent.len(), 1, "{sent:#?}");
    sent.remove(0)
}

#[test]
fn who_proves_a_login_is_served_by_its_name_and_nobody_is_remembered_before() {
    for otherwise in [None, Some(Reception::Refuse), Some(Reception::Ignore)] {
        let (mut wire, mut keys) = (Wire::new(), Keys::new(account()));
        let invite = Sketch::invite().text("z9hG4bK1");
        let refused = only(wire.send_to_prove(&invite, otherwise));
        assert_eq!(status(&refused), 401);
        assert_eq!(refused.matches("WWW-Authenticate: Digest realm=\"portero\"").count(), 2, "{refused}");
        assert!(refused.find("SHA-256") < refused.find("MD5"), "{refused}");
        assert!(wire.endpoint.is_idle());
        let ack = Sketch { branch: Some("z9hG4bK1".into()), ..Sketch::new("ACK") }.text("");
        assert_eq!(wire.send_to_prove(&ack, otherwise), [""; 0]);

        let again = signed(&Sketch { cseq: 2, ..Sketch::invite() }.text("z9hG4bK2"), &refused, &mut keys);
        assert_eq!(wire.send_to_prove(&again, otherwise), [""; 0]);
        let events = wire.events();
        let [Event::Invited(dialog, invitation)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(invitation.login.as_deref(), Some("trunk"));
        assert_eq!(wire.send_to_prove(&again, otherwise), [""; 0], "a retransmission is no replay");
        assert_eq!(wire.events(), []);

        wire.endpoint.accept(*dialog, SDP, wire.now);
        let tag = tag_of(&only(wire.sent()));
        let bye = Sketch::inside("BYE", &tag, 3).text("z9hG4bK3");
        assert_eq!(
            only_status(&wire.send_to_prove(&bye, otherwise)),
            200,
            "a call of ours is not challenged"
        );
        assert_eq!((wire.counted(Rejection::Challenged), wire.counted(Rejection::Credentials)), (1, 0));
    }
}

#[test]
fn a_replay_is_asked_anew_and_who_only_guesses_is_turned_away() {
    let (mut wire, mut keys) = (Wire::new(), Keys::new(account()));
    let refused = only(wire.send_to_prove(&Sketch::invite().text("z9hG4bK1"), None));
    let again = signed(&Sketch { cseq: 2, ..Sketch::invite() }.text("z9hG4bK2"), &refused, &mut keys);
    wire.send_to_prove(&again, None);
    let replayed = again.replace("z9hG4bK2", "z9hG4bK3");
    let stale = only(wire.send_to_prove(&replayed, None));
    assert_eq!(status(&stale), 401);
    assert!(stale.contains("stale=true"));

    let mut guesses = Vec::new();
    for index in 0..8 {
        let wrong = again
            .replace("username=\"carrier\"", "username=\"admin\"")
            .replace("bK2", &format!("bKg{index}"));
        guesses.push(only_status(&wire.send_to_prove(&wrong, None)));
    }
    assert_eq!(guesses, [401, 401, 401, 401, 401, 403, 403, 403]);
    assert_eq!(wire.counted(Rejection::Credentials), 8);
    assert_eq!(wire.events().len(), 1, "one call, the first");
}

#[test]
fn what_is_no_call_is_met_as_before() {
    let options = Sketch::new("OPTIONS").text("z9hG4bK1");
    assert_eq!(only_status(&Wire::new().send_to_prove(&options, None)), 200);
    assert_eq!(only_status(&Wire::new().send_to_prove(&options, Some(Reception::Refuse))), 200);
    assert_eq!(Wire::new().send_to_prove(&options, Some(Reception::Ignore)), [""; 0]);
    let broken = Sketch::invite().text("z9hG4bK1").replace("CSeq: 1 INVITE", "CSeq: 1 OPTIONS");
    assert_eq!(only_status(&Wire::new().send_to_prove(&broken, None)), 400);
}

#[test]
fn a_challenged_refer_is_sent_again_in_its_dialog_and_its_notify_finds_it() {
    let mut wire = Wire::new();
    let (dialog, tag) = wire.established();
    wire.endpoint.set_account(dialog, &account());
    let referral = Referral { refer_to: "sip:agents@192.0.2.1".to_owned(), headers: Vec::new() };
    wire.endpoint.refer(dialog, &referral, wire.now);
    let refer = only(wire.sent());
    let again = only(wire.answer(&refer, 401, &challenge("n1")));
    assert!(header(&again, "Authorization").is_some_and(|it| it.contains("nc=00000001")), "{again}");
    assert_eq!(cseq(&again), cseq(&refer) + 1);
    assert_ne!(header(&again, "Via"), header(&refer, "Via"));
    for same in ["From", "To", "Call-ID", "Refer-To", "Contact"] {
        assert_eq!(header(&again, same), header(&refer, same));
    }
    assert_eq!(wire.events(), []);
    wire.answer(&again, 202, "");
    let notify = Sketch::inside("NOTIFY", &tag, 2)
        .with(&format!("Event: refer;id={}", cseq(&again)))
        .with("Subscription-State: terminated")
        .with("Content-Type: message/sipfrag")
        .body("SIP/2.0 200 OK\r\n");
    assert_eq!(only_status(&wire.send(&notify)), 200);
    let told = [ReferralEvent::Accepted, ReferralEvent::Notified(200)];
    assert_eq!(wire.events(), told.map(|event| Event::Referral(dialog, event)));

    wire.endpoint.bye(dialog, wire.now);
    let bye = only(wire.sent());
    assert!(header(&bye, "Authorization").is_some_and(|it| it.contains("nc=00000002")), "unasked: {bye}");
    let again = only(wire.answer(&bye, 401, &challenge("n2").replace("qop", "stale=true, qop")));
    assert!(header(&again, "Authorization").is_some_and(|it| it.contains("nonce=\"n2\"")), "{again}");
    wire.answer(&again, 200, "");
    assert_eq!(wire.events(), [Event::Ended(dialog, EndCause::LocalBye)]);
}

#[test]
fn a_wrong_password_and_no_account_are_refusals_like_any_other() {
    for known in [false, true] {
        let mut wire = Wire::new();
        let (dialog, _) = wire.established();
        if known {
            wire.endpoint.set_account(dialog, &account());
        }
        let referral = Referral { refer_to: "sip:agents@192.0.2.1".to_owned(), headers: Vec::new() };
        wire.endpoint.refer(dialog, &referral, wire.now);
        let mut refer = only(wire.sent());
        if known {
            refer = only(wire.answer(
                &refer,
                407,
                &challenge("n1").replace("WWW-Authenticate", "Proxy-Authenticate"),
            ));
            assert!(header(&refer, "Proxy-Authorization").is_some(), "{refer}");
        }
        assert_eq!(
            wire.answer(
                &refer,
                401 + 6 * u16::from(known),
                &challenge("n2").replace(
                    "WWW-Authenticate",
                    if known { "Proxy-Authenticate" } else { "WWW-Authenticate" },
                )
            ),
            [""; 0]
        );
        let status = if known { 407 } else { 401 };
        assert_eq!(wire.events(), [Event::Referral(dialog, ReferralEvent::Refused(status))]);
    }
}

fn call(wire: &mut Wire) -> (DialogId, String) {
    let call = Call {
        to_uri: "sip:2000@192.0.2.1".to_owned(),
        from_user: "1000".to_owned(),
        from_display: None,
        hop: Wire::peer(),
        spares: Vec::new(),
        sdp: SDP.to_owned(),
        headers: Vec::new(),
    };
    let dialog = wire.endpoint.invite(&call, wire.now).expect("there is room");
    wire.endpoint.set_account(dialog, &account());
    (dialog, only(wire.sent()))
}

#[test]
fn a_challenged_invite_is_acknowledged_sent_again_and_its_ack_carries_the_credentials() {
    let mut wire = Wire::new();
    let (dialog, invite) = call(&mut wire);
    let sent = wire.answer(&invite, 401, &challenge("n1"));
    let [ack, again] = &sent[..] else { panic!("{sent:#?}") };
    assert!(ack.starts_with("ACK ") && header(ack, "Authorization").is_none());
    assert_eq!((cseq(again), again.ends_with(SDP)), (cseq(&invite) + 1, true));
    let ack = only(wire.answer(again, 200, "Contact: <sip:2000@192.0.2.1>\r\n"));
    assert_eq!((cseq(&ack), header(&ack, "Authorization")), (cseq(again), header(again, "Authorization")));
    assert!(header(&ack, "Authorization").is_some());
    assert_eq!(wire.events(), [Event::Answered(dialog, String::new())]);
}

#[test]
fn a_call_that_was_cancelled_is_not_signed_and_one_that_is_signed_can_be_cancelled() {
    let mut wire = Wire::new();
    let (dialog, invite) = call(&mut wire);
    wire.endpoint.cancel(dialog, wire.now);
    assert_eq!(only(wire.answer(&invite, 401, &challenge("n1"))).split(' ').next(), Some("ACK"));
    assert_eq!(wire.events(), [Event::Ended(dialog, EndCause::Refused(401))]);

    let (dialog, invite) = call(&mut wire);
    wire.answer(&invite, 100, "");
    let again = wire.answer(&invite, 401, &challenge("n1")).pop().expect("the INVITE once more");
    wire.endpoint.cancel(dialog, wire.now);
    assert_eq!(wire.sent(), [""; 0], "no CANCEL before a provisional response (RFC 3261 §9.1)");
    let cancel = only(wire.answer(&again, 180, ""));
    assert!(cancel.starts_with("CANCEL "));
    assert_eq!((cseq(&cancel), header(&cancel, "Via")), (cseq(&again), header(&again, "Via")));
}

fn registration() -> Task {
    Task::Register {
        registrar: Registrar::parse("sip:carrier.example").expect("a domain"),
        user: "portero".to_owned(),
        contact_user: "1000".to_owned(),
    }
}

#[test]
fn a_registration_says_who_where_and_how_long_and_hears_what_is_granted() {
    let mut wire = Wire::new();
    let errand = wire.errand(registration());
    let first = wire.run(errand, 3600);
    assert!(first.starts_with("REGISTER sip:carrier.example SIP/2.0\r\n"), "{first}");
    assert_eq!(header(&first, "To"), Some("<sip:portero@carrier.example>"));
    assert!(
        header(&first, "From").is_some_and(|from| from.starts_with("<sip:portero@carrier.example>;tag="))
    );
    assert_eq!(header(&first, "Contact"), Some("<sip:1000@192.0.2.10:5060>"));
    assert_eq!(header(&first, "Expires"), Some("3600"));
    let again = only(wire.answer(&first, 401, &challenge("n1")));
    assert_eq!((cseq(&again), header(&again, "Call-ID")), (cseq(&first) + 1, header(&first, "Call-ID")));
    assert!(again.contains("uri=\"sip:carrier.example\""));
    let bindings = "Contact: <sip:1000@198.51.100.1>;expires=5, <sip:1000@192.0.2.10:5060>;expires=120\r\nExpires: 7\r\n";
    wire.answer(&again, 200, bindings);
    let granted = Reply { status: 200, expires: Some(Duration::from_mins(2)), ..Reply::default() };
    assert_eq!(wire.events(), [Event::Replied(errand, granted)]);

    let refresh = wire.run(errand, 3600);
    assert_eq!((cseq(&refresh), header(&refresh, "Call-ID")), (cseq(&again) + 1, header(&first, "Call-ID")));
    assert!(
        header(&refresh, "Authorization").is_some_and(|it| it.contains("nc=00000002")),
        "unasked: {refresh}"
    );
    wire.answer(&refresh, 423, "Min-Expires: 7200\r\nRetry-After: 30 (busy);duration=3\r\n");
    let (min_expires, retry_after) = (Some(Duration::from_hours(2)), Some(Duration::from_secs(30)));
    let refused = Reply { status: 423, expires: None, min_expires, retry_after };
    assert_eq!(wire.events(), [Event::Replied(errand, refused)]);
    let left = wire.run(errand, 0);
    assert_eq!(header(&left, "Expires"), Some("0"));
    wire.endpoint.drop_errand(errand, wire.now);
    assert_eq!(wire.answer(&left, 200, ""), [""; 0]);
    wire.pass(Duration::from_mins(1));
    assert_eq!(wire.events(), []);
    assert!(wire.endpoint.is_idle());
}

#[test]
fn a_ping_is_answered_or_not_and_the_next_one_takes_its_place() {
    let mut wire = Wire::new();
    let errand = wire.errand(Task::Ping);
    let first = wire.run(errand, 0);
    assert!(first.starts_with("OPTIONS sip:192.0.2.1:5060 SIP/2.0\r\n"), "{first}");
    let second = wire.run(errand, 0);
    assert_eq!(wire.answer(&first, 200, ""), [""; 0]);
    assert_eq!(wire.events(), [], "the first has been given up");
    wire.answer(&second, 404, "");
    assert_eq!(wire.events(), [Event::Replied(errand, Reply { status: 404, ..Reply::default() })]);
    wire.run(errand, 0);
    wire.pass(Duration::from_secs(33));
    assert_eq!(wire.events(), [Event::Replied(errand, Reply { status: 408, ..Reply::default() })]);
    let order = Order {
        task: Task::Ping,
        server: Sought::server("[2001:db8::1]:5060").expect("an address"),
        account: None,
    };
    let nowhere = wire.endpoint.take_on(order);
    wire.endpoint.run(nowhere, Duration::ZERO, wire.now);
    assert_eq!(wire.events(), [Event::Replied(nowhere, Reply { status: 503, ..Reply::default() })]);
}
