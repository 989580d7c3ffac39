//! How callers behave: what a phone does in a call, and when.

use rand::Rng;
use rand::rngs::StdRng;

/// By what a caller's keys are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyed {
    /// Telephone-events.
    Rtp,
    /// SIP INFO, one after another.
    Info,
    /// Both, for the same press.
    Both,
}

/// What a caller does with the REFER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReferral {
    /// Takes it, and reports 100 and this.
    Follows(u16),
    /// Refuses it with this.
    Refuses(u16),
    /// Takes it, and never reports.
    StaysSilent,
    /// Takes it, and hangs up.
    HangsUp,
    /// Takes it, hangs up, and reports 200 after that.
    ReportsAfterBye,
    /// Reports 200, and hangs up as the report arrives: its BYE crosses ours.
    CrossesOurBye,
    /// Reports 180 and stays on the line.
    Rings,
}

/// A change of the session that the caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renegotiation {
    Hold,
    Resume,
    /// A re-INVITE without an offer.
    Offerless,
    /// An UPDATE without an offer, which only refreshes.
    Refresh,
    /// An UPDATE with an offer.
    Update,
}

/// Who refreshes the session, where the caller asks for a session timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    Caller,
    Switchboard,
}

/// What a caller does. Times are in milliseconds.
#[derive(Debug, Clone)]
pub struct Habits {
    /// Whether the calling number is one that the back end knows.
    pub known: bool,
    /// Says that its number was signed; when after the INVITE the check is there, and whether the signature is good.
    pub signed: Option<(u64, bool)>,
    /// Calls over a stream.
    pub stream: bool,
    /// Leaves the offer to us.
    pub offerless: bool,
    /// Requires that ringing arrives (RFC 3262).
    pub prack: bool,
    pub refresher: Option<Refresher>,
    /// Allows UPDATE.
    pub updates: bool,
    /// What is keyed, and when after the answer.
    pub keys: Vec<(u64, &'static str)>,
    pub keyed: Keyed,
    /// When after the answer.
    pub renegotiations: Vec<(u64, Renegotiation)>,
    pub referral: OnReferral,
    /// When after the answer.
    pub hangs_up: Option<u64>,
    /// When after the INVITE.
    pub cancels: Option<u64>,
    /// Cancels whether or not anything has come back yet, which RFC 3261 §9.1 forbids.
    pub hasty: bool,
    /// Is gone without a word, after the INVITE.
    pub vanishes: Option<u64>,
    /// Loses its connection, after the INVITE; `true`: and connects again to go on.
    pub disconnects: Option<(u64, bool)>,
}

impl Habits {
    /// Keys the right secret and follows the referral.
    pub fn verified() -> Self {
        Self {
            known: true,
            signed: None,
            stream: false,
            offerless: false,
            prack: false,
            refresher: None,
            updates: true,
            keys: vec![(2000, "4711#")],
            keyed: Keyed::Rtp,
            renegotiations: vec![],
            referral: OnReferral::Follows(200),
            hangs_up: None,
            cancels: None,
            hasty: false,
            vanishes: None,
            disconnects: None,
        }
    }

    pub fn random(rng: &mut StdRng) -> Self {
        const KEYS: [&str; 8] = ["10000001", "4711", "4711#", "*", "99999999", "0000", "12", "#"];
        let stream = rng.random_bool(0.3);
        let (mut keys, mut at) = (Vec::new(), 0);
        for _ in 0..rng.random_range(0..4) {
            at += rng.random_range(0..4000);
            let keyed = KEYS[rng.random_range(0..KEYS.len())];
            keys.push((at, keyed));
            at += 200 * keyed.len() as u64;
        }
        Self {
            known: rng.random(),
            signed: rng.random_bool(0.3).then(|| (rng.random_range(0..3000), rng.random())),
            stream,
            offerless: rng.random_bool(0.1),
            prack: rng.random_bool(0.2),
            refresher: match rng.random_range(0..6) {
                0 => Some(Refresher::Caller),
                1 | 2 => Some(Refresher::Switchboard),
                _ => None,
            },
            updates: rng.random(),
            keys,
            keyed: match rng.random_range(0..4) {
                0 => Keyed::Info,
                1 => Keyed::Both,
                _ => Keyed::Rtp,
            },
            renegotiations: renegotiations(rng),
            referral: referral(rng),
            hangs_up: rng.random_bool(0.3).then(|| rng.random_range(0..30_000)),
            cancels: rng.random_bool(0.15).then(|| rng.random_range(0..1500)),
            hasty: rng.random(),
            vanishes: rng.random_bool(0.1).then(|| rng.random_range(0..40_000)),
            disconnects: (stream && rng.random_bool(0.3))
                .then(|| (rng.random_range(0..30_000), rng.random())),
        }
    }
}

/// Now and then one; or, around the time of our refresh, one that may meet it.
fn renegotiations(rng: &mut StdRng) -> Vec<(u64, Renegotiation)> {
    use Renegotiation::{Hold, Offerless, Refresh, Resume, Update};
    const ALL: [Renegotiation; 5] = [Hold, Resume, Offerless, Refresh, Update];
    if rng.random_bool(0.6) {
        return Vec::new();
    }
    let mut asked: Vec<_> = (0..rng.random_range(1..4))
        .map(|_| (rng.random_range(0..20_000), ALL[rng.random_range(0..ALL.len())]))
        .collect();
    // The answered session is refreshed after half of its 90 s.
    let meeting = 44_700 + rng.random_range(0..600);
    asked.push((meeting, ALL[rng.random_range(0..ALL.len())]));
    asked
}

fn referral(rng: &mut StdRng) -> OnReferral {
    match rng.random_range(0..10) {
        0 => OnReferral::Refuses(603),
        1 => OnReferral::StaysSilent,
        2 => OnReferral::HangsUp,
        3 => OnReferral::ReportsAfterBye,
        4 => OnReferral::CrossesOurBye,
        5 => OnReferral::Follows(486),
        6 => OnReferral::Rings,
        _ => OnReferral::Follows(200),
    }
}
