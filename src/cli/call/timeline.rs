//! What happened in a test call, when, and what it came to; for people and as JSON.
//!
//! Keys are only ever counted: a timeline is made to be pasted into tickets.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::flow::Verdict;

/// The version of the JSON object's shape. Fields are added, never renamed, under one version.
const VERSION: u32 = 1;

/// Something worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// 180 came.
    Ringing,
    /// The call was answered.
    Answered,
    /// Speech began.
    PromptBegan,
    /// Speech is over.
    PromptEnded,
    /// So many keys of one step of the script have been sent.
    KeysSent(usize),
    /// REFER came, with this `X-Portero-Verdict`.
    Referred(Option<Verdict>),
    /// We refused the REFER with this status.
    ReferralRefused(u16),
    /// We reported this final status of the referral by NOTIFY.
    Reported(u16),
    /// The target of the referral rings.
    TargetRinging,
    /// The target of the referral answered.
    TargetAnswered,
    /// A call is over, and why.
    Ended(Leg, &'static str),
    /// A call was refused with this status.
    Refused(Leg, u16),
    /// The time for the whole call is up.
    TimedOut,
}

/// Which of the two calls that a handed-over caller makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leg {
    /// To the service line.
    Service,
    /// To the target of the referral.
    Target,
}

impl Leg {
    fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Target => "target",
        }
    }
}

impl Entry {
    /// The word for it in JSON.
    fn word(&self) -> &'static str {
        match self {
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::PromptBegan => "prompt_began",
            Self::PromptEnded => "prompt_ended",
            Self::KeysSent(_) => "keys_sent",
            Self::Referred(_) => "referred",
            Self::ReferralRefused(_) => "referral_refused",
            Self::Reported(_) => "reported",
            Self::TargetRinging => "target_ringing",
            Self::TargetAnswered => "target_answered",
            Self::Ended(..) => "ended",
            Self::Refused(..) => "refused",
            Self::TimedOut => "timed_out",
        }
    }

    fn to_json(&self, at: Duration) -> Value {
        let mut object = json!({ "at": (at.as_secs_f64() * 1000.0).round() / 1000.0, "event": self.word() });
        match self {
            Self::KeysSent(count) => object["keys"] = json!(count),
            Self::Referred(verdict) => object["verdict"] = json!(verdict),
            Self::ReferralRefused(status) | Self::Reported(status) => object["status"] = json!(status),
            Self::Ended(leg, cause) => {
                object["leg"] = json!(leg.as_str());
                object["cause"] = json!(cause);
            }
            Self::Refused(leg, status) => {
                object["leg"] = json!(leg.as_str());
                object["status"] = json!(status);
            }
            _ => {}
        }
        object
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeysSent(1) => formatter.write_str("1 key sent"),
            Self::KeysSent(count) => write!(formatter, "{count} keys sent"),
            Self::Referred(Some(verdict)) => {
                write!(formatter, "REFER received: {} ({})", verdict.as_str(), verdict.title())
            }
            Self::Referred(None) => formatter.write_str("REFER received, without a verdict"),
            Self::ReferralRefused(status) => write!(formatter, "REFER refused with {status}"),
            Self::Reported(status) => write!(formatter, "hand-over reported: {status}"),
            Self::Ended(leg, cause) => write!(formatter, "call to {} ended {cause}", leg.as_str()),
            Self::Refused(leg, status) => write!(formatter, "call to {} refused with {status}", leg.as_str()),
            plain => formatter.write_str(&plain.word().replace('_', " ")),
        }
    }
}

/// All entries so far, each with its time since the start.
#[derive(Debug, Clone)]
pub struct Timeline {
    start: Instant,
    entries: Vec<(Duration, Entry)>,
}

impl Timeline {
    /// An empty timeline that counts from `start`.
    pub fn new(start: Instant) -> Self {
        Self { start, entries: Vec::new() }
    }

    /// Adds an entry that happened at `at`.
    pub fn push(&mut self, entry: Entry, at: Instant) {
        self.entries.push((at.saturating_duration_since(self.start), entry));
    }

    /// The entries from number `from` on, as lines for people.
    pub fn lines(&self, from: usize) -> impl Iterator<Item = String> {
        self.entries[from.min(self.entries.len())..]
            .iter()
            .map(|(at, entry)| format!("{:8.3} s  {entry}", at.as_secs_f64()))
    }

    /// The entries by time: the end of a prompt is known later than it was heard.
    fn in_order(&self) -> Vec<(Duration, Entry)> {
        let mut entries = self.entries.clone();
        entries.sort_by_key(|&(at, _)| at);
        entries
    }

    /// How many entries there are.
    pub fn count(&self) -> usize {
        self.entries.len()
    }
}

/// What the call came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict on the last REFER.
    pub verdict: Option<Verdict>,
    /// The customer's identifier on the last REFER, decoded.
    pub customer: Option<String>,
    /// The customer's name on the last REFER, decoded.
    pub name: Option<String>,
    /// Where the last REFER sent us, without its header fields.
    pub target: Option<String>,
    /// The SIP status that decided the call: of the hand-over where there was one, else of the INVITE.
    pub status: Option<u16>,
    /// Whether the hand-over was carried out.
    pub handed_over: bool,
    /// Why the call itself failed.
    pub failure: Option<&'static str>,
}

impl Outcome {
    /// The exit code: 0 where `expected` came true (or, with nothing expected, the call was handed over), 1 where
    /// not, 2 where the call failed.
    pub fn exit_code(&self, expected: Option<Verdict>) -> u8 {
        let holds = expected.map_or(self.handed_over, |expected| self.verdict == Some(expected));
        match (self.failure, holds) {
            (Some(_), _) => 2,
            (None, false) => 1,
            (None, true) => 0,
        }
    }

    /// Everything as one JSON object.
    pub fn to_json(&self, timeline: &Timeline) -> Value {
        json!({
            "version": VERSION,
            "events": timeline.in_order().iter().map(|(at, entry)| entry.to_json(*at)).collect::<Vec<_>>(),
            "verdict": self.verdict,
            "customer": self.customer,
            "name": self.name,
            "target": self.target,
            "status": self.status,
            "handed_over": self.handed_over,
            "failure": self.failure,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_say_what_came_true() {
        let verified = Outcome { verdict: Some(Verdict::Verified), handed_over: true, ..Outcome::default() };
        let not_taken = Outcome { handed_over: false, ..verified.clone() };
        let failed = Outcome { failure: Some("refused"), ..verified.clone() };
        let table = [
            (&verified, None, 0),
            (&verified, Some(Verdict::Verified), 0),
            (&verified, Some(Verdict::Identified), 1),
            (&not_taken, None, 1),
            (&not_taken, Some(Verdict::Verified), 0),
            (&failed, None, 2),
            (&failed, Some(Verdict::Verified), 2),
        ];
        for (outcome, expected, code) in table {
            assert_eq!(outcome.exit_code(expected), code, "{outcome:?} {expected:?}");
        }
    }

    #[test]
    fn a_timeline_reads_as_lines_and_as_json() {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        let start = Instant::now();
        let mut timeline = Timeline::new(start);
        timeline.push(Entry::Answered, start + Duration::from_millis(12));
        timeline.push(Entry::KeysSent(4), start + Duration::from_millis(3456));
        timeline.push(Entry::Referred(Some(Verdict::Identified)), start + Duration::from_secs(10));
        timeline.push(Entry::Ended(Leg::Service, "by the other side"), start + Duration::from_secs(11));
        let lines: Vec<_> = timeline.lines(1).collect();
        assert_eq!(
            lines,
            [
                "   3.456 s  4 keys sent",
                "  10.000 s  REFER received: identified (Identified only)",
                "  11.000 s  call to service ended by the other side"
            ]
        );
        let outcome = Outcome { verdict: Some(Verdict::Identified), status: Some(200), ..Outcome::default() };
        assert_eq!(
            outcome.to_json(&timeline),
            json!({
                "version": 1,
                "events": [
                    { "at": 0.012, "event": "answered" },
                    { "at": 3.456, "event": "keys_sent", "keys": 4 },
                    { "at": 10.0, "event": "referred", "verdict": "identified" },
                    { "at": 11.0, "event": "ended", "leg": "service", "cause": "by the other side" },
                ],
                "verdict": "identified",
                "customer": null,
                "name": null,
                "target": null,
                "status": 200,
                "handed_over": false,
                "failure": null,
            })
        );
    }
}
