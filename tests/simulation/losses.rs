//! Every message of a call lost in turn, as often as it is sent: once, twice, and for ever.
//!
//! A call whose lost message is sent again comes to the same end. One that loses it for ever comes to some end, and
//! nothing of it is left.

use super::habits::{Habits, Keyed, OnReferral, Refresher, Renegotiation};
use super::link::{Hole, Link, Name, Weather};
use super::tale::{Outcome, Tale};
use super::world::World;

/// What SIP makes up for within the time that the conversation gives a caller for a key.
const MADE_UP_FOR: u32 = 2;

/// An INVITE that nobody hears: T1 doubling within 64*T1.
const INVITES: u32 = 7;

/// As often as any message is sent: T1 doubling to T2 within 64*T1.
const SENDINGS: [u32; 6] = [1, 2, 4, 6, 9, u32::MAX];

fn run(habits: &Habits, hole: Option<Hole>) -> (Option<Tale>, Vec<Name>) {
    let link = match hole {
        Some(hole) => Link::with_hole(Weather::CLEAR, hole),
        None => Link::new(Weather::CLEAR),
    };
    let mut world = World::new(1, link);
    world.place_call(habits.clone());
    world.run();
    let (mut tales, _, link) = world.finish();
    assert!(tales.len() <= 1, "one call has one tale");
    (tales.pop(), link.into_names())
}

fn calls() -> Vec<(&'static str, Habits)> {
    let verified = Habits::verified;
    vec![
        ("a hand-over", verified()),
        ("keys by INFO", Habits { keyed: Keyed::Info, ..verified() }),
        ("ringing that is acknowledged", Habits { prack: true, ..verified() }),
        ("an offerless INVITE", Habits { offerless: true, ..verified() }),
        ("a refused REFER", Habits { referral: OnReferral::Refuses(603), ..verified() }),
        ("a NOTIFY after BYE", Habits { referral: OnReferral::ReportsAfterBye, ..verified() }),
        ("a hang-up", Habits { hangs_up: Some(5000), keys: vec![], ..verified() }),
        ("a CANCEL", Habits { cancels: Some(100), keys: vec![], ..verified() }),
        (
            "hold, resume and the rest",
            Habits {
                renegotiations: vec![
                    (100, Renegotiation::Hold),
                    (300, Renegotiation::Resume),
                    (500, Renegotiation::Offerless),
                    (700, Renegotiation::Update),
                    (900, Renegotiation::Refresh),
                ],
                ..verified()
            },
        ),
        (
            "refreshes by UPDATE",
            Habits { refresher: Some(Refresher::Switchboard), referral: OnReferral::Rings, ..verified() },
        ),
        (
            "refreshes by re-INVITE",
            Habits {
                refresher: Some(Refresher::Switchboard),
                updates: false,
                referral: OnReferral::Rings,
                ..verified()
            },
        ),
    ]
}

#[test]
fn every_message_of_a_call_is_lost_in_turn() {
    let mut worlds = 0;
    for (name, habits) in calls() {
        let (tale, messages) = run(&habits, None);
        let undisturbed: Outcome = tale.expect("a call").outcome();
        assert!(messages.len() >= 6, "{name}: {messages:?}");
        for message in messages {
            for left in SENDINGS {
                let (tale, _) = run(&habits, Some(Hole { name: message.clone(), left }));
                let at = format!("{name}, {message:?} lost {left} times");
                let Some(tale) = tale else {
                    assert!(message == "> INVITE 1 INVITE" && left >= INVITES, "{at}: no record");
                    continue;
                };
                tale.check(&at);
                if left <= MADE_UP_FOR {
                    assert_eq!(tale.outcome(), undisturbed, "{at}");
                }
                worlds += 1;
            }
        }
    }
    assert!(worlds > 700, "{worlds} worlds");
}
