//! One hand-over by REFER (RFC 3515): what is sent with it, and what its NOTIFYs amount to.
//!
//! A 2xx to the REFER proves nothing; the final sipfrag does. What is told besides the verdict is the
//! target's setting, and every value is percent-encoded, so that nothing a back end says can forge a header.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::plan::{HandOverTimes, Here, Target};
use super::record::{HandOver, HandOverOutcome};
use crate::flow::{Check, HandOverEnd, Standing, TargetName};
use crate::sip::{Referral, ReferralEvent};

/// Everything but RFC 3986's unreserved characters (§2.3) is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The REFER that hands a caller of this standing to `target`, `check` being that of their number.
pub fn referral(
    target: &Target,
    here: Here,
    standing: &Standing,
    check: Option<Check>,
    token: &str,
) -> Referral {
    let uri = target.uri.at(here);
    let verdict = standing.verdict().as_str();
    let mut headers = vec![("X-Portero-Verdict", verdict.to_owned()), ("X-Portero-Token", token.to_owned())];
    if let Some(customer) = standing.customer() {
        let encoded = |value: &str| utf8_percent_encode(value, ENCODED).to_string();
        headers.extend(target.sends_customer.then(|| ("X-Portero-Customer", encoded(&customer.id))));
        let name = customer.name.as_deref().filter(|_| target.sends_name);
        headers.extend(name.map(|name| ("X-Portero-Name", encoded(name))));
    }
    let check = check.filter(|_| target.sends_number_check);
    headers.extend(check.map(|check| ("X-Portero-Number-Check", check.to_string())));
    Referral {
        refer_to: format!("{uri};portero-token={token}?X-Portero-Verdict={verdict}"),
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

/// A hand-over being followed.
#[derive(Debug, Clone)]
pub struct FollowedHandOver {
    target: TargetName,
    token: String,
    at: Timestamp,
    outcome: HandOverOutcome,
    status: Option<u16>,
    accepted: bool,
    times: HandOverTimes,
}

/// What news of a hand-over means for the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Wait on, until then at the longest.
    Until(Instant),
    /// It has come to its end.
    Decided(HandOverEnd),
    /// Old news: the outcome stands already.
    Unchanged,
}

impl FollowedHandOver {
    /// A REFER that has just been sent.
    pub fn new(target: TargetName, token: String, at: Timestamp, times: HandOverTimes) -> Self {
        Self { target, token, at, outcome: HandOverOutcome::Pending, status: None, accepted: false, times }
    }

    /// How long to wait for the first reaction.
    pub fn first_deadline(&self, now: Instant) -> Instant {
        now + self.times.timeout
    }

    /// Takes news from the peer.
    pub fn handle(&mut self, event: ReferralEvent, now: Instant) -> Progress {
        let wait = |duration: Duration| Progress::Until(now + duration);
        match event {
            _ if self.outcome != HandOverOutcome::Pending => Progress::Unchanged,
            ReferralEvent::Accepted => {
                self.accepted = true;
                wait(self.times.timeout)
            }
            // A NOTIFY may overtake the 202, and means the same.
            ReferralEvent::Notified(status @ 100..=199) => {
                self.accepted = true;
                self.status = Some(status);
                wait(self.times.progress_timeout)
            }
            ReferralEvent::Notified(status @ 200..=299) => {
                self.decide(HandOverOutcome::Completed, Some(status))
            }
            ReferralEvent::Notified(status) => self.decide(HandOverOutcome::Failed, Some(status)),
            ReferralEvent::Refused(status) => self.decide(HandOverOutcome::Refused, Some(status)),
            ReferralEvent::Terminated => self.decide(HandOverOutcome::Failed, self.status),
        }
    }

    /// Nothing was heard in time.
    pub fn time_out(&mut self) -> Progress {
        self.decide_if_pending(HandOverOutcome::TimedOut)
    }

    /// The peer has ended the call. After it took the REFER that is how many say that it worked.
    pub fn peer_hung_up(&mut self) {
        let outcome = if self.accepted { HandOverOutcome::Unconfirmed } else { HandOverOutcome::Abandoned };
        self.decide_if_pending(outcome);
    }

    fn decide_if_pending(&mut self, outcome: HandOverOutcome) -> Progress {
        match self.outcome {
            HandOverOutcome::Pending => self.decide(outcome, self.status),
            _ => Progress::Unchanged,
        }
    }

    fn decide(&mut self, outcome: HandOverOutcome, status: Option<u16>) -> Progress {
        self.outcome = outcome;
        self.status = status;
        Progress::Decided(match outcome {
            HandOverOutcome::Completed => HandOverEnd::Taken,
            // Whoever has accepted may still be about to call the target.
            HandOverOutcome::TimedOut if self.accepted => HandOverEnd::Unclear,
            _ => HandOverEnd::Refused,
        })
    }

    /// How it stands.
    pub fn outcome(&self) -> HandOverOutcome {
        self.outcome
    }

    /// When the REFER was sent.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// What the record keeps of it.
    pub fn record(&self) -> HandOver {
        HandOver {
            target: self.target.to_string(),
            token: self.token.clone(),
            outcome: self.outcome,
            status: self.status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::plan::TargetUri;
    use crate::flow::Customer;
    use crate::sip::Transport;

    const TIMES: HandOverTimes =
        HandOverTimes { timeout: Duration::from_secs(10), progress_timeout: Duration::from_mins(1) };

    fn now() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        Instant::now()
    }

    fn followed() -> FollowedHandOver {
        FollowedHandOver::new(TargetName::new("agents"), "t0".into(), Timestamp::UNIX_EPOCH, TIMES)
    }

    fn target(sends: bool) -> Target {
        let uri = TargetUri::new("sip:agents@{{ own_address }}".into());
        Target { uri, sends_customer: sends, sends_name: sends, sends_number_check: sends }
    }

    #[test]
    fn the_refer_names_the_target_and_tells_it_only_what_it_may_know() {
        let here = Here { transport: Transport::Udp, address: "127.0.0.1:5060".parse().unwrap() };
        let name = "Zoë \"O'Neil\"\r\nX-Evil: 1?&;%".to_owned();
        let standing = Standing::Identified(Customer::new("10 01", Some(&name)));
        let check = Check::parse("TN-Validation-Passed-A");
        let told = referral(&target(true), here, &standing, check, "abc");
        assert_eq!(told.refer_to, "sip:agents@127.0.0.1:5060;portero-token=abc?X-Portero-Verdict=identified");
        let value = |name: &str| {
            told.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
        };
        assert_eq!(value("X-Portero-Verdict"), Some("identified"));
        assert_eq!(value("X-Portero-Token"), Some("abc"));
        assert_eq!(value("X-Portero-Customer"), Some("10%2001"));
        let encoded = "Zo%C3%AB%20%22O%27Neil%22%0D%0AX-Evil%3A%201%3F%26%3B%25";
        assert_eq!(value("X-Portero-Name"), Some(encoded));
        assert_eq!(value("X-Portero-Number-Check"), Some("passed-a"));
        let untold = referral(&target(false), here, &standing, check, "abc");
        assert_eq!(untold.headers.len(), 2);
        let unchecked = referral(&target(true), here, &standing, None, "abc");
        assert_eq!(unchecked.headers.len(), told.headers.len() - 1);
    }

    #[test]
    fn only_a_final_2xx_sipfrag_completes_a_hand_over() {
        use HandOverOutcome as Outcome;
        use ReferralEvent::{Accepted, Notified, Refused, Terminated};
        let table: [(&[ReferralEvent], Progress, Outcome, Option<u16>); 7] = [
            (
                &[Accepted, Notified(100), Notified(200)],
                Progress::Decided(HandOverEnd::Taken),
                Outcome::Completed,
                Some(200),
            ),
            (&[Notified(200)], Progress::Decided(HandOverEnd::Taken), Outcome::Completed, Some(200)),
            (&[Accepted, Notified(486)], Progress::Decided(HandOverEnd::Refused), Outcome::Failed, Some(486)),
            (&[Refused(603)], Progress::Decided(HandOverEnd::Refused), Outcome::Refused, Some(603)),
            (&[Accepted, Terminated], Progress::Decided(HandOverEnd::Refused), Outcome::Failed, None),
            (&[Notified(200), Notified(503)], Progress::Unchanged, Outcome::Completed, Some(200)),
            (&[Refused(405), Accepted], Progress::Unchanged, Outcome::Refused, Some(405)),
        ];
        for (events, progress, outcome, status) in table {
            let mut hand_over = followed();
            let last = events.iter().map(|event| hand_over.handle(*event, now())).last();
            assert_eq!(last, Some(progress), "{events:?}");
            assert_eq!((hand_over.outcome(), hand_over.record().status), (outcome, status), "{events:?}");
        }
    }

    #[test]
    fn progress_buys_time() {
        let (mut hand_over, now) = (followed(), now());
        assert_eq!(hand_over.first_deadline(now), now + TIMES.timeout);
        assert_eq!(hand_over.handle(ReferralEvent::Accepted, now), Progress::Until(now + TIMES.timeout));
        let ringing = hand_over.handle(ReferralEvent::Notified(180), now);
        assert_eq!(ringing, Progress::Until(now + TIMES.progress_timeout));
        assert_eq!(hand_over.time_out(), Progress::Decided(HandOverEnd::Unclear));
        assert_eq!(hand_over.outcome(), HandOverOutcome::TimedOut);
        assert_eq!(hand_over.time_out(), Progress::Unchanged);
        // Whoever has not so much as accepted calls nobody.
        assert_eq!(followed().time_out(), Progress::Decided(HandOverEnd::Refused));
    }

    #[test]
    fn a_peer_that_hangs_up_after_it_took_the_refer_has_most_likely_followed_it() {
        let mut taken = followed();
        taken.handle(ReferralEvent::Accepted, now());
        taken.peer_hung_up();
        assert_eq!(taken.outcome(), HandOverOutcome::Unconfirmed);
        let mut left = followed();
        left.peer_hung_up();
        assert_eq!(left.outcome(), HandOverOutcome::Abandoned);
    }
}
