//! From the INVITE to the ACK, and offers and answers after it (RFC 3261 §13, RFC 3264).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;

use super::super::caller::{self, Calling};
use super::super::happening::Told;
use super::super::keypad::Keypad;
use super::super::numbers::Treatment;
use super::super::one::{Call, CallId, Description, Party, Phase, Sdp};
use super::super::passports::Checking;
use super::super::plan::{Srtp, Tones};
use super::super::record::EndedBy;
use super::super::trunk::Trunk;
use super::{Action, Switchboard, Timer};
use crate::secret::Waiting;
use crate::sip::{DialogId, Hop, Invitation, Rejection};
use crate::srtp::{KeyRing, Suite};
use crate::{audio, media, sdp};

/// How many media ports are tried before a call is refused, where others on this machine hold some of ours.
const PORT_TRIES: u32 = 8;

/// RFC 3261 §21.6.2: the call is not wanted, here or anywhere else.
const DECLINE: u16 = 603;

impl Switchboard {
    pub(super) fn invited(&mut self, dialog: DialogId, invitation: &Invitation, now: Instant) {
        let trunk = self.plan.trunks.by_which(invitation).cloned();
        if trunk.as_ref().is_some_and(|trunk| !self.loads.admit(trunk, now)) {
            return self.endpoint.turn_away(dialog, 503, Rejection::TrunkBusy, now);
        }
        let Some(party) = self.party(invitation, trunk.as_deref()) else {
            return self.endpoint.reject(dialog, 404, now);
        };
        if let Some(reason) = self.no_room(now) {
            return self.endpoint.turn_away(dialog, 503, reason, now);
        }
        let offer = match invitation.offer.as_deref().map(sdp::Offer::parse).transpose() {
            Ok(offer) => offer,
            Err(error) => return self.endpoint.reject(dialog, sdp_status(&error), now),
        };
        let Some(port) = self.ports.reserve() else {
            return self.endpoint.turn_away(dialog, 503, Rejection::Overload, now);
        };
        let id = self.new_id();
        let session = sdp::Session { id: self.rng.random_range(1..=u64::from(u32::MAX)), version: 1 };
        let local = SocketAddr::new(self.media_address(&invitation.hop), port);
        let calling = caller::calling(&invitation.identity, trunk.as_deref());
        let first_dialled = caller::first_dialled(invitation, trunk.as_deref());
        let sound =
            party.line().and_then(|line| self.plan.sounds.get(&line.number)).cloned().unwrap_or_default();
        let suites = if sound.srtp == Srtp::Off { &[][..] } else { &Suite::ALL };
        let keys = KeyRing::draw(suites, &mut self.rng);
        let call = Call {
            id,
            dialog,
            trunk,
            plan: Arc::clone(&self.plan),
            party,
            sound,
            phase: Phase::Opening { answer: Sdp::default(), offer, tries: 0 },
            port,
            media_open: false,
            description: Description { local, session, text: Sdp::default() },
            keys,
            is_encrypted: false,
            hop: invitation.hop,
            ani_withheld: calling == Calling::Withheld,
            ani: calling.ani(),
            checking: Checking::Unwanted,
            first_dialled,
            keypad: Keypad::default(),
            early_keys: Waiting::default(),
            started_at: self.clock.date(now),
            answered_at: None,
            hand_over: None,
            pending: None,
            recording: None,
            concealed: false,
            parting: None,
            shown: None,
            told: Told::default(),
        };
        if let Some(trunk) = &call.trunk {
            self.loads.begin(trunk);
            trunk.account.iter().for_each(|account| self.endpoint.set_account(dialog, account));
        }
        // The agents' calls leave no record, and so no trace.
        if self.tap.keeps && matches!(call.party, Party::Line(_)) {
            self.traces.begin(id, invitation.sip_call_id.trim());
        }
        let blocked = call.treatment() == Treatment::Blocked;
        self.by_dialog.insert(dialog, id);
        self.calls.insert(id, call);
        if blocked {
            return self.refuse(id, DECLINE, "the calling number is blocked", now);
        }
        self.check_number(id, invitation, now);
        self.open(id, now);
        self.show(id, now);
    }

    /// What keeps us from taking one more call, which else has arrived.
    fn no_room(&mut self, now: Instant) -> Option<Rejection> {
        if self.draining {
            Some(Rejection::Draining)
        } else if self.calls.len() >= self.plan.calls_max {
            Some(Rejection::CallsMax)
        } else if self.strain.is_strained() {
            Some(Rejection::Late)
        } else {
            (!self.arrivals.admit(self.plan.intake.calls_per_second, now)).then_some(Rejection::CallRate)
        }
    }

    /// The address that SDP names to the peer of a hop.
    fn media_address(&self, hop: &Hop) -> IpAddr {
        let external = self.network.media_external;
        let outside = self.endpoint.whereabouts().is_outside(hop.peer.ip());
        external.filter(|_| outside).unwrap_or(hop.local.ip())
    }

    fn party(&self, invitation: &Invitation, trunk: Option<&Trunk>) -> Option<Party> {
        if let Some(line) = self.plan.lines.find(&invitation.dialled, trunk.map(|trunk| &*trunk.name)) {
            return Some(Party::Line(Arc::clone(line)));
        }
        let agents = self.plan.agents.as_ref()?;
        (agents.user == invitation.dialled).then(|| {
            let (token, verdict) = (invitation.token.as_deref(), invitation.verdict.as_deref());
            Party::Agents(self.expected.announcement(token, verdict))
        })
    }

    fn new_id(&mut self) -> CallId {
        loop {
            let id = CallId(self.rng.random());
            if !self.calls.contains_key(&id) {
                return id;
            }
        }
    }

    /// Negotiates a call's media and has its port bound; where the offer is ours, that waits for the ACK.
    fn open(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Opening { offer, .. } = &call.phase else { return };
        let Description { local, session, .. } = call.description;
        let Some(offer) = offer else {
            call.prepare(Sdp(sdp::offer(local, session, call.offered_terms())));
            return self.opened(id, now);
        };
        match sdp::negotiate(offer, local, session, call.terms()) {
            Ok((text, negotiated)) => {
                call.description.text = Sdp(text);
                call.prepare(call.description.text.clone());
                self.open_media(id, &negotiated);
            }
            Err(error) => self.refuse(id, 488, &error.to_string(), now),
        }
    }

    fn open_media(&mut self, id: CallId, negotiated: &sdp::Negotiated) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.media_open = true;
        call.is_encrypted = negotiated.keys.is_some();
        let origin = media::Origin {
            ssrc: self.rng.random(),
            // RFC 3711 §3.3.1: whoever misses the first packets can still count those that follow.
            sequence: self.rng.random_range(0..1 << 15),
            timestamp: self.rng.random(),
            cname: format!("{:016x}", self.rng.random::<u64>()),
            seed: self.rng.random(),
        };
        let local = SocketAddr::new(call.hop.local.ip(), call.port);
        let open = media::Command::Open { local, origin, parameters: parameters(negotiated, call) };
        self.actions.push_back(Action::Media(call.session(), open));
    }

    /// The media port is ours: rings, answers, or begins to talk.
    pub(super) fn opened(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        match &mut call.phase {
            Phase::Opening { answer, .. } => {
                let answer = std::mem::take(answer);
                let ring_for = match &call.party {
                    Party::Line(line) => line.ring_for,
                    Party::Agents(_) => Duration::ZERO,
                };
                call.phase = Phase::Ringing { answer };
                if ring_for.is_zero() && call.checking != Checking::Awaited {
                    return self.accept(id, now);
                }
                self.endpoint.ring(call.dialog, now);
                if !ring_for.is_zero() {
                    self.timers.set((id, Timer::Ring), now + ring_for);
                }
            }
            Phase::OpeningLate => self.talk(id, now),
            _ => {}
        }
    }

    /// The media port is somebody else's: tries another.
    pub(super) fn open_failed(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.media_open = false;
        let next = match &mut call.phase {
            Phase::Opening { tries, .. } => {
                *tries += 1;
                (*tries < PORT_TRIES).then(|| self.ports.reserve()).flatten()
            }
            Phase::OpeningLate => return self.hang_up(id, EndedBy::Portero, Some("no media port"), now),
            _ => return,
        };
        match next {
            Some(port) => {
                self.ports.release(call.port);
                call.port = port;
                call.description.local.set_port(port);
                self.open(id, now);
            }
            None => self.refuse(id, 503, "no media port", now),
        }
    }

    /// Answers a call that has rung for long enough, once its number has been checked.
    pub(super) fn rung(&mut self, id: CallId, now: Instant) {
        let checking = self.calls.get(&id).map(|call| call.checking);
        if checking != Some(Checking::Awaited) && !self.timers.is_set((id, Timer::Ring)) {
            self.accept(id, now);
        }
    }

    /// Answers the call.
    pub(super) fn accept(&mut self, id: CallId, now: Instant) {
        self.timers.clear((id, Timer::Ring));
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Ringing { answer } = &mut call.phase else { return };
        let answer = std::mem::take(answer);
        let offered = call.description.text == Sdp::default();
        call.phase = if offered { Phase::Offered } else { Phase::Accepted };
        call.description.text.clone_from(&answer);
        call.answered_at = Some(self.clock.date(now));
        self.endpoint.accept(call.dialog, &answer.0, now);
    }

    /// The ACK has come: the conversation begins, or goes on with what the peer answered to our offer.
    pub(super) fn confirmed(&mut self, id: CallId, answer: Option<&str>, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let answer = answer.map(|answer| call.read_answer(answer));
        match (&call.phase, answer) {
            (Phase::Accepted, _) => self.talk(id, now),
            (Phase::Offered, Some(Ok(negotiated))) => {
                call.phase = Phase::OpeningLate;
                self.open_media(id, &negotiated);
            }
            (Phase::Offered, _) => {
                self.hang_up(id, EndedBy::Portero, Some("no usable answer to our offer"), now);
            }
            (Phase::Talking(_), Some(Ok(negotiated))) => {
                let change = change(&negotiated, call);
                self.actions.push_back(change);
            }
            _ => {}
        }
    }

    /// A re-INVITE: hold, resume, a new address or codec, or only a refresh.
    pub(super) fn reinvited(&mut self, id: CallId, offer: Option<&str>, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Description { local, session, .. } = call.description;
        let renewed = sdp::Session { version: session.version + 1, ..session };
        let Some(offer) = offer else {
            let text = Sdp(sdp::offer(local, renewed, call.offered_terms()));
            call.description = Description { local, session: renewed, text };
            return self.endpoint.accept(call.dialog, &call.description.text.0, now);
        };
        let negotiate = |session| {
            let offer = sdp::Offer::parse(offer)?;
            Ok::<_, sdp::SdpError>(sdp::negotiate(&offer, local, session, call.terms())?)
        };
        match negotiate(session) {
            Ok((text, negotiated)) => {
                // RFC 3264 §8: the version grows only where the description changes.
                if text != call.description.text.0 {
                    let text = Sdp(negotiate(renewed).map_or(text, |(text, _)| text));
                    call.description = Description { local, session: renewed, text };
                }
                self.endpoint.accept(call.dialog, &call.description.text.0, now);
                let change = change(&negotiated, call);
                self.actions.push_back(change);
            }
            Err(error) => self.endpoint.reject(call.dialog, sdp_status(&error), now),
        }
    }
}

fn sdp_status(error: &sdp::SdpError) -> u16 {
    match error {
        sdp::SdpError::Malformed(_) => 400,
        sdp::SdpError::Incompatible(_) => 488,
    }
}

/// Has media go on as a later offer and answer have settled.
fn change(negotiated: &sdp::Negotiated, call: &mut Call) -> Action {
    call.is_encrypted = negotiated.keys.is_some();
    Action::Media(call.session(), media::Command::Change(parameters(negotiated, call)))
}

fn parameters(negotiated: &sdp::Negotiated, call: &Call) -> media::Parameters {
    let peer = call.hop.peer;
    media::Parameters {
        codec: match negotiated.codec {
            sdp::Codec::Pcmu => audio::Codec::Pcmu,
            sdp::Codec::Pcma => audio::Codec::Pcma,
            sdp::Codec::G722 => audio::Codec::G722,
            sdp::Codec::Opus => audio::Codec::Opus,
        },
        payload_type: negotiated.payload_type,
        telephone_event: negotiated.telephone_event,
        own: negotiated.own.map(|sdp::PayloadTypes { codec, telephone_event }| media::PayloadTypes {
            codec,
            telephone_event,
        }),
        packet_time: negotiated.packet_time,
        remote: reachable(negotiated.remote, peer),
        remote_rtcp: reachable(negotiated.remote_rtcp, peer),
        sends: negotiated.sends,
        receives: negotiated.receives,
        tones: match call.sound.tones {
            Tones::Needed => negotiated.telephone_event.is_none(),
            Tones::Always => true,
            Tones::Never => false,
        },
        keys: negotiated.keys.clone(),
    }
}

/// Where to send what a peer wants sent to `named`. A phone on a machine with IPv4 and IPv6 may call over one
/// and name its address in the other; then it is where its signalling comes from, until its packets tell better.
fn reachable(named: SocketAddr, peer: SocketAddr) -> SocketAddr {
    if named.is_ipv4() == peer.is_ipv4() || named.ip().is_unspecified() {
        return named;
    }
    SocketAddr::new(peer.ip(), named.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_goes_where_it_can() {
        let table = [
            ("192.0.2.1:4000", "192.0.2.9:5060", "192.0.2.1:4000"),
            ("[2001:db8::1]:4000", "192.0.2.9:5060", "192.0.2.9:4000"),
            ("192.0.2.1:4000", "[2001:db8::9]:5060", "[2001:db8::9]:4000"),
            ("0.0.0.0:4000", "[2001:db8::9]:5060", "0.0.0.0:4000"),
        ];
        for (named, peer, expected) in table {
            let sent_to = reachable(named.parse().unwrap(), peer.parse().unwrap());
            assert_eq!(sent_to.to_string(), expected, "{named} from {peer}");
        }
    }
}
