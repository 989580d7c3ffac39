//! What must hold for every line and every caller.

use std::time::Duration;

use proptest::prelude::*;

use super::trust::wanting;
use super::*;
use crate::flow::tests::{factor, identifier, question, say};
use crate::flow::{
    Below, ByNumber, Check, CheckOutcome, CheckedBy, Choice, CodePlan, Discretion, Factor, FactorKind, Menu,
    Need, Notice, Piece, Retries, Service, Source, TrustLevel, Turn, Verdict,
};

/// What a random caller and a random back end do next.
#[derive(Debug, Clone, Copy)]
enum Move {
    Key(char),
    Hear,
    Wait,
    One,
    None,
    Several,
    Check(bool),
    Sent(bool),
    Record,
    Fail,
    LateAnswer,
    HungUp,
    HandedOver(HandOverEnd),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let ends = vec![HandOverEnd::Taken, HandOverEnd::Refused, HandOverEnd::Unclear];
    let a_move = prop_oneof![
        16 => prop::sample::select("0123456789*#A".chars().collect::<Vec<_>>()).prop_map(Move::Key),
        6 => Just(Move::Hear),
        3 => Just(Move::Wait),
        3 => Just(Move::One),
        2 => Just(Move::None),
        2 => Just(Move::Several),
        4 => prop::bool::weighted(0.7).prop_map(Move::Check),
        3 => prop::bool::weighted(0.8).prop_map(Move::Sent),
        2 => Just(Move::Record),
        1 => Just(Move::Fail),
        1 => Just(Move::LateAnswer),
        1 => prop::sample::select(ends).prop_map(Move::HandedOver),
    ];
    (prop::collection::vec(a_move, 0..200), prop::bool::weighted(0.1)).prop_map(|(mut moves, gone)| {
        moves.extend(gone.then_some(Move::HungUp));
        moves
    })
}

fn retries() -> impl Strategy<Value = Retries> {
    (0..3_u32, 0..3_u32, 0..5_u32).prop_map(|(no_match, no_input, total)| Retries {
        no_match,
        no_input,
        total,
    })
}

fn need() -> impl Strategy<Value = Need> {
    prop_oneof![
        3 => Just(Need::Required),
        1 => Just(Need::Optional),
        1 => Just(Need::RequiredBelow(TrustLevel::Trunk)),
        1 => Just(Need::RequiredBelow(TrustLevel::Claimed)),
    ]
}

pub(super) fn code_plan() -> CodePlan {
    CodePlan {
        send: ActionName::new("send"),
        contacts: Some("phones".into()),
        choose: question("where", 1),
        offer: Announcement::of(vec![Piece::Value(Source::ContactEnding, Kind::Digits)]),
        sent: say("sent"),
        expired: say("expired"),
        valid_for: Duration::from_secs(10),
        resend_key: Some(Digit::HASH),
        resends: 2,
    }
}

fn kind() -> impl Strategy<Value = FactorKind> {
    prop_oneof![
        Just(FactorKind::Whole),
        Just(FactorKind::Date),
        Just(FactorKind::Partial { length: 6, count: 2 }),
        Just(FactorKind::Code(Box::new(code_plan()))),
    ]
}

fn factors() -> impl Strategy<Value = Vec<Factor>> {
    let one = (need(), kind(), retries(), 1..5_usize).prop_map(|(need, kind, retries, digits)| {
        let digits = if kind == FactorKind::Date { 8 } else { digits };
        let mut question = question("factor", digits);
        // A configuration cannot have a secret read back; the machine does not either.
        let read_back = Announcement::of(vec![Piece::Value(Source::Entry, Kind::Digits)]);
        (question.retries, question.confirm) = (retries, Some(read_back));
        Factor { question, kind, need, ..factor("factor") }
    });
    prop::collection::vec(one, 0..4)
}

fn identifiers() -> impl Strategy<Value = Vec<crate::flow::Identifier>> {
    let one =
        (retries(), 1..5_usize, 0..3_usize, any::<bool>()).prop_map(|(retries, digits, more, confirm)| {
            let mut identifier = identifier("id");
            identifier.question.retries = retries;
            identifier.question.entry.digits_min = digits;
            identifier.question.entry.digits_max = digits + more;
            identifier.question.confirm = confirm.then(|| say("right"));
            identifier
        });
    prop::collection::vec(one, 0..4)
}

fn service() -> impl Strategy<Value = Option<Service>> {
    let turns = vec![Turn::Menu(0), Turn::Menu(1), Turn::Verdict, Turn::Then(Then::HangUp)];
    let turn = || prop::sample::select(turns.clone());
    (any::<bool>(), any::<bool>(), turn(), turn(), 0..5_u32).prop_map(|(there, record, one, two, rounds)| {
        let menu = |turn: &Turn| Menu {
            name: "menu".into(),
            question: question("menu", 1),
            choices: vec![(Digit::from_char('1').unwrap(), Choice { say: say("said"), then: turn.clone() })],
        };
        there.then(|| Service {
            needs: Verdict::Identified,
            record: record.then(|| ActionName::new("record")),
            menus: vec![menu(&one), menu(&two)],
            rounds,
        })
    })
}

fn by_number() -> impl Strategy<Value = Option<ByNumber>> {
    let bars = vec![TrustLevel::Any, TrustLevel::Claimed, TrustLevel::Trunk, TrustLevel::Full];
    let bars = (prop::sample::select(bars), prop::sample::select(vec![Below::Ignore, Below::Raise]));
    prop::option::weighted(0.8, bars.prop_map(|(trust, below)| wanting(trust, below)))
}

fn trust() -> impl Strategy<Value = Trust> {
    let check = |outcome| Trust::Checked(Check { outcome, attestation: None, by: CheckedBy::Portero });
    let checked = [CheckOutcome::Failed, CheckOutcome::NotChecked, CheckOutcome::Passed].map(check);
    prop::sample::select([&[Trust::Claimed, Trust::Trunk][..], &checked].concat())
}

pub(super) fn lines() -> impl Strategy<Value = Arc<Line>> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (identifiers(), factors(), service(), by_number(), flags).prop_map(
        |(identifiers, factors, service, by_number, (chosen, hold, notice, discreet))| {
            line_with(|line| {
                let key = |nth: usize| Digit::from_char(char::from(b'1' + nth as u8)).unwrap();
                let keys = (0..identifiers.len()).map(|nth| (key(nth), nth)).collect();
                line.identification.choice = chosen.then(|| (question("which", 1), keys));
                line.identification.questions = identifiers;
                line.factors = factors;
                line.discretion = discreet.then(|| Discretion { answers_after: Duration::from_secs(2) });
                line.notice = notice.then(|| Notice { question: question("notice", 1), accept: key(0) });
                line.service = service;
                line.by_number = by_number;
                line.patience.hold = hold.then(|| (Duration::from_secs(1), say("one-moment")));
                line.next.identified.then = Then::Line(line.number.clone());
            })
        },
    )
}

/// What the caller saw of a whole call.
#[derive(Default)]
struct Seen {
    /// The factors' actions that the back end has said yes to.
    confirmed: u32,
    hand_overs: Vec<Verdict>,
    hang_ups: u32,
}

pub(super) fn somebody() -> Customer {
    let phones = vec!["+12025550147".to_owned(), "+12025550148".to_owned()];
    let attributes = [("phones".into(), phones), ("language".into(), vec!["de".to_owned()])];
    Customer { attributes: attributes.into(), ..maria() }
}

fn apply(caller: &mut Caller, step: Move, seen: &mut Seen) {
    let answer = match step {
        Move::Key(key) => return caller.tell(Event::Digit(Digit::from_char(key).unwrap())),
        Move::Hear => match caller.playing.take() {
            Some(play) => return caller.tell(Event::PlayEnded(play)),
            None => return,
        },
        Move::Wait => {
            if let Some(deadline) = caller.flow.poll_timeout() {
                caller.now = caller.now.max(deadline);
                caller.flow.handle_timeout(caller.now);
                caller.note();
            }
            return;
        }
        Move::HungUp => return caller.tell(Event::HungUp),
        Move::HandedOver(end) => return caller.tell(Event::HandedOver(end)),
        Move::LateAnswer => return caller.tell(Event::Answered(RequestId(0), Answer::Check(true))),
        Move::One => Answer::LookUp(Matches::One(somebody())),
        Move::None => none(),
        Move::Several => Answer::LookUp(Matches::Several(vec![somebody(), Customer::new("2", None)])),
        Move::Check(right) => Answer::Check(right),
        Move::Sent(sent) => Answer::Sent(sent),
        Move::Record => Answer::Record(crate::flow::Attributes::new()),
        Move::Fail => Answer::Failed(Failure::Unreachable),
    };
    if let Some(request) = caller.asked.take() {
        let awaited = caller.flow.awaited.as_ref().is_some_and(|awaited| awaited.request == Some(request.id));
        let fits = matches!(request.query, Query::Secret { .. }) && awaited;
        seen.confirmed += u32::from(fits && answer == Answer::Check(true));
        caller.tell(Event::Answered(request.id, answer));
    }
}

fn look(caller: &mut Caller, seen: &mut Seen) {
    for entry in std::mem::take(&mut caller.diary) {
        if let Some(rest) = entry.strip_prefix("hand over ") {
            let word = rest.split(' ').next().expect("a verdict");
            seen.hand_overs.push(Verdict::parse(word).expect("a known verdict"));
        }
        seen.hang_ups += u32::from(entry == "hang up");
    }
}

/// How many entries the questions of a line take at the most.
fn most(questions: impl Iterator<Item = Retries>) -> u32 {
    questions.map(|retries| retries.total.min(retries.no_match + retries.no_input) + 1).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_must_hold_for_every_caller(line in lines(), trust in trust(), ani in any::<bool>(), moves in moves()) {
        let bar = line.by_number.as_ref().map_or(TrustLevel::Any, |by_number| by_number.trust);
        let ignores = line.by_number.as_ref().is_none_or(|by_number| by_number.below == Below::Ignore);
        let is_below = trust.level() < bar;
        let number = if ani { "+12025550101" } else { "" };
        let mut caller = Caller::at(Arc::clone(&line), number, Opening::Open, trust).knowing(Arc::clone(&line));
        let mut seen = Seen::default();
        for step in moves {
            apply(&mut caller, step, &mut seen);
            // What was keyed for a factor is never said.
            prop_assert!(!caller.diary.iter().any(|entry| entry.contains("play <Digits")), "{:?}", caller.diary);
            look(&mut caller, &mut seen);
            let verified = caller.flow.standing().verdict() == Verdict::Verified;
            let by_number = caller.flow.summary().method == Some(Method::Ani);
            prop_assert!(!(by_number && is_below && ignores), "identified by a number below the bar");
            let is_required = |factor: &&Factor| match factor.need {
                _ if by_number && is_below => true,
                Need::Required => true,
                Need::Optional => false,
                Need::RequiredBelow(level) => !(by_number && trust.level() >= level),
            };
            let required = line.factors.iter().filter(is_required).count() as u32;
            prop_assert!(!verified || seen.confirmed >= required.max(1), "verified without the back end's yes");
        }
        // Whoever hears everything out and is answered comes to an end.
        for _ in 0..400 {
            for step in [Move::Hear, Move::Fail, Move::Wait, Move::HandedOver(HandOverEnd::Taken)] {
                apply(&mut caller, step, &mut seen);
                look(&mut caller, &mut seen);
            }
        }
        prop_assert_eq!(caller.flow.step(), Step::Ended);
        prop_assert!(caller.flow.poll_timeout().is_none());
        prop_assert!(seen.hang_ups <= 1);
        let summary = caller.flow.summary();
        let identifiers = line.identification.questions.iter().map(|identifier| identifier.question.retries);
        // Another identifier may be asked for once, to tell several customers apart.
        let again = line.identification.questions.iter().map(|identifier| identifier.question.retries);
        prop_assert!(summary.identifier_attempts <= most(identifiers) + most(again));
        prop_assert!(summary.secret_attempts <= most(line.factors.iter().map(|factor| factor.question.retries)));
        for verdict in seen.hand_overs {
            prop_assert_eq!(verdict, caller.flow.standing().verdict());
        }
    }
}
