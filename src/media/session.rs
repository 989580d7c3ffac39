//! One call's media: what leaves when, what is believed of what comes, and what is told of it.
//!
//! RFC 3550 for the stream, RFC 3551 §4.1 for the marker, RFC 5761 where RTCP shares the port. A session sends
//! one SSRC with one sequence from its first packet to its last, silence where nothing plays, so that the timers
//! of NATs and SBCs stay alive and no receiver has to tell a pause from a loss.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::grid::{Grid, SAMPLES_MAX, Slot};
use super::latch::Latch;
use super::playout::Playout;
use super::protection::Protection;
use super::reports::Reports;
use super::tape::Head;
use super::tones::ToneDetector;
use super::{Command, Event, Figures, Origin, Parameters, PayloadTypes};
use crate::audio::{Codec, G722Decoder, Law, OpusDecoder};
use crate::rtp::packet::{HEADER_LEN, is_rtcp};
use crate::rtp::rtcp::{self, Report, SenderInfo};
use crate::rtp::sequence::Arrival;
use crate::rtp::telephone_event::TelephoneEvent;
use crate::rtp::{DigitReceiver, Header, Packet, Reception, quality};
use crate::srtp::{self, Refused};

/// How long a caller may be unheard before that is told, unless set otherwise.
const SILENCE_LIMIT: Duration = Duration::from_mins(1);
/// The same of a caller who has put us on hold, who may have gone all the same.
const HOLD_LIMIT: Duration = Duration::from_hours(1);

/// Room for the longest datagram of ours, which is an RTP packet of 60 ms or a report with a long name, and sealed.
pub const DATAGRAM_LEN_MAX: usize = HEADER_LEN + SAMPLES_MAX + srtp::TRAILER_LEN_MAX;
const _: () = assert!(rtcp::REPORT_LEN_MAX + srtp::TRAILER_LEN_MAX <= DATAGRAM_LEN_MAX);

/// Where a session writes what it has to send. All sessions of a thread share one, which stays in its caches.
pub type Room = [u8; DATAGRAM_LEN_MAX];

/// What RTCP's packet types look like where a payload type is expected (RFC 5761 §4).
const RTCP_TYPES: RangeInclusive<u8> = 64..=95;

/// Which of a session's two sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Port {
    /// The even port: RTP, and RTCP too under rtcp-mux.
    Rtp,
    /// The next one up: RTCP.
    Rtcp,
}

/// A datagram to send.
#[derive(Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// From which socket.
    pub port: Port,
    /// Where to.
    pub destination: SocketAddr,
    /// The whole of it.
    pub datagram: &'a [u8],
}

/// One call's media. See the module.
pub struct Session {
    origin: Origin,
    parameters: Parameters,
    started: Instant,
    grid: Grid,
    playout: Playout,
    latch: Latch,
    reports: Reports,
    digits: DigitReceiver,
    /// Present while keys are listened for in the audio.
    ear: Option<Box<Ear>>,
    /// A telephone-event has come: whoever sends those need not be listened to.
    sends_events: bool,
    /// Present once packets have been encrypted; in force while the parameters have keys.
    protection: Option<Box<Protection>>,
    /// Why the last datagram was refused, if it was, until somebody asks.
    refused: Option<Refused>,
    /// Present while the call is recorded.
    recording: Option<Box<Head>>,
    reception: Option<Reception>,
    /// The peer has said goodbye, and has not been heard since.
    has_left: bool,
    /// What was lost of sources before the one that is now received.
    lost_before: u64,
    /// Where RTCP came from, if it has come.
    rtcp_source: Option<SocketAddr>,
    /// That of a caller who has not put us on hold.
    silence_limit: Duration,
    /// When silence will be told, while it can be.
    silent_at: Option<Instant>,
    sequence: u16,
    /// The timestamp that would follow the last packet without a gap.
    gapless: Option<u32>,
    packets_sent: u64,
    octets_sent: u64,
    packets_sent_at_report: u64,
    has_reported: bool,
    packets_received: u64,
    slots_missed: u64,
    remote_loss: Option<f64>,
    remote_jitter: Option<Duration>,
    round_trip: Option<Duration>,
    events: VecDeque<Event>,
}

/// What listens for keys in the audio.
struct Ear {
    wide: G722Decoder,
    /// Made when it is needed: it is larger than all else of a session.
    opus: Option<Box<OpusDecoder>>,
    detector: ToneDetector,
}

impl Default for Ear {
    fn default() -> Self {
        Self { wide: G722Decoder::default(), opus: None, detector: ToneDetector::new() }
    }
}

impl Ear {
    fn hear(&mut self, codec: Codec, packet: &Packet<'_>, events: &mut VecDeque<Event>) {
        let octets = packet.payload.iter().copied();
        let timestamp = packet.header.timestamp;
        let tell = |digit| events.push_back(Event::Tone(digit));
        match codec {
            Codec::Pcmu => self.detector.hear(timestamp, octets.map(|octet| Law::Mu.decode(octet)), tell),
            Codec::Pcma => self.detector.hear(timestamp, octets.map(|octet| Law::A.decode(octet)), tell),
            Codec::G722 => {
                let narrow = octets.map(|octet| self.wide.decode_narrow(octet));
                self.detector.hear(timestamp, narrow, tell);
            }
            Codec::Opus => {
                let samples = self.opus.get_or_insert_default().decode(packet.payload);
                // It counts six ticks where the detector has a sample; that this wraps elsewhere, once a day, is to the
                // detector a sender's clock that was set anew.
                self.detector.hear(timestamp / 6, samples.iter().copied(), tell);
            }
        }
    }
}

/// What speaks for a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Where it comes from, and what it looks like.
    Claimed,
    /// Whoever sent it has the key.
    Proven {
        /// None of its source that was sent later has come yet.
        newest: bool,
    },
}

/// What a received packet carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Audio,
    TelephoneEvent,
    /// Something that was not agreed on, such as comfort noise; it has a place in the sequence all the same.
    Other,
}

impl PayloadTypes {
    /// What is sent by a number, if it is one of these.
    fn content(self, number: u8) -> Option<Content> {
        let is_event = (self.telephone_event == Some(number)).then_some(Content::TelephoneEvent);
        is_event.or((self.codec == number).then_some(Content::Audio))
    }
}

impl Session {
    /// Begins a session whose first packet falls due at `now`.
    pub fn new(origin: Origin, parameters: Parameters, now: Instant) -> Self {
        let mut session = Self {
            started: now,
            grid: Grid::new(now, origin.timestamp, parameters.packet_time),
            playout: Playout::default(),
            latch: Latch::new(parameters.remote, now),
            reports: Reports::new(origin.seed, now),
            digits: DigitReceiver::default(),
            ear: parameters.tones.then(Box::default),
            sends_events: false,
            protection: parameters.keys.as_deref().map(|keys| Box::new(Protection::new(keys))),
            refused: None,
            recording: None,
            reception: None,
            has_left: false,
            lost_before: 0,
            rtcp_source: None,
            silence_limit: SILENCE_LIMIT,
            silent_at: None,
            sequence: origin.sequence,
            gapless: None,
            packets_sent: 0,
            octets_sent: 0,
            packets_sent_at_report: 0,
            has_reported: false,
            packets_received: 0,
            slots_missed: 0,
            remote_loss: None,
            remote_jitter: None,
            round_trip: None,
            events: VecDeque::new(),
            origin,
            parameters,
        };
        session.take_clock();
        session.with_silence_limit(SILENCE_LIMIT)
    }

    /// Has everything that counts in ticks count in those of the codec.
    fn take_clock(&mut self) {
        let ticks_per_ms = self.parameters.codec.ticks_per_ms();
        self.grid.set_clock(ticks_per_ms);
        self.digits.set_clock(ticks_per_ms);
        if let Some(reception) = &mut self.reception {
            reception.set_clock(ticks_per_ms);
        }
    }

    /// Tells silence after this long instead of 60 s.
    #[must_use]
    pub fn with_silence_limit(mut self, limit: Duration) -> Self {
        self.silence_limit = limit;
        self.silent_at = Some(self.started + self.silence_limit());
        self
    }

    /// Takes a command. `Open` and `Close` are for those who own the sockets and change nothing here.
    pub fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Change(parameters) => self.change(parameters, now),
            Command::Play { id, pieces, repeat } => {
                let ended = self.playout.play(id, pieces, repeat);
                self.events.extend(ended.map(Event::PlayEnded));
            }
            Command::Stop => self.playout.stop(),
            Command::Record(tape) => {
                self.recording = Some(Box::new(Head::new(tape, now)));
            }
            Command::Conceal(concealed) => {
                self.recording.iter_mut().for_each(|head| head.conceal(concealed));
            }
            Command::KeyTold => {
                let codec = self.parameters.codec;
                self.recording.iter_mut().for_each(|head| head.told(codec, now));
            }
            Command::Open { .. } | Command::Close => {}
        }
    }

    fn change(&mut self, parameters: Parameters, now: Instant) {
        let (was_sending, was_waited_for) = (self.is_sending(), self.is_waited_for());
        self.latch.renegotiated(parameters.remote, now);
        if parameters.remote != self.parameters.remote {
            self.rtcp_source = None;
        }
        if parameters.codec != self.parameters.codec || parameters.tones != self.parameters.tones {
            self.ear = (parameters.tones && !self.sends_events).then(Box::default);
        }
        match (&mut self.protection, parameters.keys.as_deref()) {
            (Some(protection), Some(keys)) => protection.change(keys),
            (absent @ None, Some(keys)) => *absent = Some(Box::new(Protection::new(keys))),
            (_, None) => {}
        }
        self.parameters = parameters;
        self.grid.set_packet_time(self.parameters.packet_time);
        self.take_clock();
        if self.is_sending() && !was_sending {
            self.grid.resume(now);
        }
        if self.is_waited_for() != was_waited_for {
            self.heard(now);
        }
    }

    /// Takes a datagram that came to the RTP port.
    pub fn receive(&mut self, source: SocketAddr, datagram: &[u8], now: Instant) {
        if is_rtcp(datagram) {
            return self.receive_rtcp(source, datagram, now);
        }
        let Some(protection) = self.protection_in_force() else {
            return self.take_rtp(source, datagram, Standing::Claimed, now);
        };
        let mut room = [0; _];
        match protection.open_rtp(datagram, &mut room) {
            Ok(opened) => {
                let standing = Standing::Proven { newest: opened.newest };
                self.take_rtp(source, opened.packet, standing, now);
            }
            Err(reason) => self.refused = Some(reason),
        }
    }

    fn take_rtp(&mut self, source: SocketAddr, datagram: &[u8], standing: Standing, now: Instant) {
        let Some(packet) = Packet::read(datagram).filter(|_| self.parameters.receives) else { return };
        let content = self.content(&packet.header);
        match standing {
            Standing::Proven { newest } => self.latch.accept_authentic(source, newest),
            Standing::Claimed => {
                if !self.latch.accepts(source, &packet.header, content != Content::Other, now) {
                    return;
                }
            }
        }
        self.heard(now);
        self.has_left = false;
        if self.count(&packet.header, now) == Arrival::OutOfStep {
            return;
        }
        match content {
            Content::Audio => {
                self.packets_received += 1;
                self.digits.audio(&packet.header);
                if let Some(reception) = &mut self.reception {
                    reception.time(&packet.header, now);
                }
                if let Some(head) = &mut self.recording {
                    head.heard(self.parameters.codec, packet.header.timestamp, packet.payload, now);
                }
                if let Some(ear) = &mut self.ear {
                    ear.hear(self.parameters.codec, &packet, &mut self.events);
                }
            }
            Content::TelephoneEvent => {
                self.packets_received += 1;
                self.sends_events = true;
                self.ear = None;
                self.record_key(&packet, now);
                let digit = self.digits.telephone_event(&packet, now);
                self.events.extend(digit.map(Event::Digit));
            }
            Content::Other => {}
        }
    }

    fn protection_in_force(&mut self) -> Option<&mut Protection> {
        self.protection.as_deref_mut().filter(|_| self.parameters.keys.is_some())
    }

    /// Why the last datagram was refused, if it was and nobody has asked yet: only encrypted ones are.
    pub fn take_refused(&mut self) -> Option<Refused> {
        self.refused.take()
    }

    /// Has a recording leave out a key, be it one that counts or none.
    fn record_key(&mut self, packet: &Packet<'_>, now: Instant) {
        if let Some(head) = &mut self.recording {
            let duration = TelephoneEvent::read(packet.payload).map_or(0, |event| event.duration);
            head.keyed(self.parameters.codec, packet.header.timestamp, duration, now);
        }
    }

    /// By the numbers that we have named; a peer that sends by its own instead, which many do, is understood as long as
    /// they mean nothing else with us.
    fn content(&self, header: &Header) -> Content {
        let Parameters { payload_type: codec, telephone_event, own, .. } = self.parameters;
        let theirs = PayloadTypes { codec, telephone_event };
        let content = |types: PayloadTypes| types.content(header.payload_type);
        own.and_then(content).or_else(|| content(theirs)).unwrap_or(Content::Other)
    }

    /// Counts a believed packet towards its source's reception; a new source begins a new count.
    fn count(&mut self, header: &Header, now: Instant) -> Arrival {
        if let Some(reception) = self.reception.as_mut().filter(|reception| reception.ssrc() == header.ssrc) {
            return reception.receive(header);
        }
        let mut reception = Reception::new(header, now);
        reception.set_clock(self.parameters.codec.ticks_per_ms());
        let former = self.reception.replace(reception);
        self.lost_before += former.map_or(0, |reception| reception.lost());
        Arrival::Probation
    }

    /// The payload type of audio of which one packet in [`SAMPLED`] is enough. An IVR does not listen to what callers
    /// say; their keys are not audio. Nothing while the source is not settled, and has not shown its sequence, nor
    /// while keys are listened for, or the call is recorded.
    ///
    /// [`SAMPLED`]: crate::rtp::sequence::SAMPLED
    pub fn dispensable(&self) -> Option<u8> {
        let established = self.reception.as_ref().is_some_and(Reception::is_established);
        let followed = self.parameters.receives && self.latch.is_settled() && established;
        // What is encrypted cannot be told apart unopened, and each packet of it counts.
        if self.ear.is_some() || self.recording.is_some() || self.parameters.keys.is_some() {
            return None;
        }
        // A type that RTCP may have as well cannot be told from it (RFC 5761 §4).
        let payload_type = self.parameters.own.map_or(self.parameters.payload_type, |own| own.codec);
        (followed && !RTCP_TYPES.contains(&payload_type)).then_some(payload_type)
    }

    /// Counts packets of dispensable audio that came before the next one that is shown.
    pub fn receive_unseen(&mut self, packets: u32) {
        self.packets_received += u64::from(packets);
        if let Some(reception) = &mut self.reception {
            reception.receive_unseen(packets);
        }
    }

    /// The one address from which RTP can still be believed, if it is down to one.
    pub fn only_source(&self) -> Option<SocketAddr> {
        self.latch.only_source().filter(|_| self.parameters.keys.is_none())
    }

    /// Takes a datagram that came to the RTCP port.
    pub fn receive_rtcp(&mut self, source: SocketAddr, datagram: &[u8], now: Instant) {
        let Some(protection) = self.protection_in_force() else {
            return self.take_rtcp(source, datagram, Standing::Claimed, now);
        };
        let mut room = [0; _];
        match protection.open_rtcp(datagram, &mut room) {
            Ok(opened) => {
                let standing = Standing::Proven { newest: opened.newest };
                self.take_rtcp(source, opened.packet, standing, now);
            }
            Err(reason) => self.refused = Some(reason),
        }
    }

    fn take_rtcp(&mut self, source: SocketAddr, datagram: &[u8], standing: Standing, now: Instant) {
        let expected = standing != Standing::Claimed
            || source == self.parameters.remote_rtcp
            || source.ip() == self.latch.destination().ip();
        let Some(heard) = rtcp::read(datagram, self.origin.ssrc).filter(|_| expected) else { return };
        self.rtcp_source = Some(source);
        if heard.bye {
            self.has_left = true;
        } else {
            self.heard(now);
        }
        if let Some(block) = heard.about_us {
            let lost = f64::from(block.cumulative_lost.max(0));
            self.remote_loss = Some((lost / self.packets_sent.max(1) as f64).min(1.0));
            self.remote_jitter = Some(self.duration(block.jitter));
            self.round_trip = block.round_trip(self.ntp(now)).or(self.round_trip);
        }
        if let (Some((ssrc, ntp)), Some(reception)) = (heard.sender_report, &mut self.reception)
            && reception.ssrc() == ssrc
        {
            reception.sender_report(ntp, now);
        }
    }

    /// How long so many ticks of the RTP clock are.
    fn duration(&self, ticks: u32) -> Duration {
        Duration::from_micros(u64::from(ticks) * 1000 / u64::from(self.parameters.codec.ticks_per_ms()))
    }

    fn heard(&mut self, now: Instant) {
        self.silent_at = Some(now + self.silence_limit());
    }

    /// Gives the next datagram that is due at `now`; to be asked until there is none.
    pub fn tick<'a>(&mut self, now: Instant, room: &'a mut Room) -> Option<Outgoing<'a>> {
        if self.silent_at.take_if(|at| *at <= now).is_some() {
            self.events.push_back(Event::Silent);
        }
        if self.is_sending()
            && let Some(slot) = self.grid.take(now)
        {
            return self.audio(slot, room);
        }
        if self.reports.take(now) { self.report(now, false, room) } else { None }
    }

    /// When [`Session::tick`] should be asked next.
    pub fn next_due(&self) -> Instant {
        let slot = self.is_sending().then(|| self.grid.due());
        [slot, self.silent_at].into_iter().flatten().fold(self.reports.due(), Instant::min)
    }

    /// Takes out the next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The last report, with BYE (RFC 3550 §6.6); none from a session of which nobody has ever heard (§6.3.7).
    pub fn farewell<'a>(&mut self, now: Instant, room: &'a mut Room) -> Option<Outgoing<'a>> {
        if self.packets_sent == 0 && !self.has_reported {
            return None;
        }
        self.report(now, true, room)
    }

    /// The figures so far.
    pub fn figures(&self) -> Figures {
        let reception = self.reception.as_ref();
        Figures {
            packets_sent: self.packets_sent,
            packets_received: self.packets_received,
            packets_lost: self.lost_before + reception.map_or(0, Reception::lost),
            jitter_ms: reception.map_or(0.0, Reception::jitter_ms),
            remote_loss: self.remote_loss,
            remote_jitter_ms: self.remote_jitter.map(milliseconds),
            round_trip_ms: self.round_trip.map(milliseconds),
            remote_opinion: self.remote_opinion(),
        }
    }

    fn remote_opinion(&self) -> Option<f64> {
        let (loss, round_trip, jitter) = (self.remote_loss?, self.round_trip?, self.remote_jitter?);
        Some(quality::opinion(loss, round_trip, jitter, self.parameters.packet_time))
    }

    /// Packets that were never sent because nobody asked in time.
    pub fn slots_missed(&self) -> u64 {
        self.slots_missed
    }

    /// Whether audio leaves: the peer wants it and has said where to (RFC 3264 §8.4: not while on hold by 0.0.0.0).
    fn is_sending(&self) -> bool {
        self.parameters.sends && is_usable(self.latch.destination())
    }

    /// Whether the caller has not put us on hold, in whatever way: under hold many a phone sends nothing, RTCP included.
    fn is_waited_for(&self) -> bool {
        self.parameters.receives && self.is_sending()
    }

    /// After how long a caller of whom nothing is heard has gone.
    fn silence_limit(&self) -> Duration {
        if self.is_waited_for() { self.silence_limit } else { self.silence_limit.max(HOLD_LIMIT) }
    }

    fn audio<'a>(&mut self, slot: Slot, room: &'a mut Room) -> Option<Outgoing<'a>> {
        self.slots_missed += slot.missed;
        let header = Header {
            payload_type: self.parameters.payload_type,
            // RFC 3551 §4.1: the first packet of a talkspurt, which is the first of all or one after a gap.
            marker: self.gapless != Some(slot.timestamp),
            sequence: self.sequence,
            timestamp: slot.timestamp,
            ssrc: self.origin.ssrc,
        };
        // What seals it, if anything does, stands behind it.
        let (head, payload) = room[..DATAGRAM_LEN_MAX - srtp::TRAILER_LEN_MAX].split_at_mut(HEADER_LEN);
        head.copy_from_slice(&header.octets());
        let filled = self.playout.fill(self.parameters.codec, slot.samples, payload);
        let length = HEADER_LEN + filled.octets;
        if let Some(head) = &mut self.recording {
            head.said(self.parameters.codec, slot.due, &payload[..filled.octets]);
        }
        self.events.extend(filled.ended.map(Event::PlayEnded));
        self.sequence = self.sequence.wrapping_add(1);
        self.gapless = Some(slot.timestamp.wrapping_add(slot.ticks));
        self.packets_sent += 1;
        self.octets_sent += filled.octets as u64;
        let length = self.seal_rtp(room, length, header.sequence)?;
        Some(Outgoing { port: Port::Rtp, destination: self.latch.destination(), datagram: &room[..length] })
    }

    /// Seals a packet where that is agreed on. One that cannot be sealed, because its key is worn out, never leaves.
    fn seal_rtp(&mut self, room: &mut Room, length: usize, sequence: u16) -> Option<usize> {
        if let Some(protection) = self.protection_in_force() {
            return protection.sealer().seal_rtp(room, length);
        }
        if let Some(protection) = &mut self.protection {
            protection.sealer().pass_over(sequence);
        }
        Some(length)
    }

    fn report<'a>(&mut self, now: Instant, bye: bool, room: &'a mut Room) -> Option<Outgoing<'a>> {
        let (port, destination) = self.rtcp_destination();
        if !is_usable(destination) {
            return None;
        }
        // RFC 3550 §6.4: SR from those who have sent since their last report, RR from the rest.
        let has_sent =
            self.packets_sent > std::mem::replace(&mut self.packets_sent_at_report, self.packets_sent);
        let sender = has_sent.then(|| SenderInfo {
            ntp: self.ntp(now),
            timestamp: self.grid.timestamp_at(now),
            packets: self.packets_sent as u32,
            octets: self.octets_sent as u32,
        });
        // RFC 3550 §6.6: whoever has said BYE is a participant no more, and is not reported on.
        let reception = self.reception.as_mut().filter(|_| !self.has_left);
        let reception = reception.map(|reception| reception.report(now));
        let report = Report { ssrc: self.origin.ssrc, sender, reception, cname: &self.origin.cname, bye };
        let length = report.write(room)?;
        self.has_reported = true;
        let length = match self.protection_in_force() {
            Some(protection) => protection.sealer().seal_rtcp(room, length)?,
            None => length,
        };
        Some(Outgoing { port, destination, datagram: &room[..length] })
    }

    /// Behind a NAT the RTCP address in the SDP is as wrong as the RTP address; until RTCP comes from there, the
    /// port above the one that RTP comes from is the best guess (RFC 3550 §11).
    fn rtcp_destination(&self) -> (Port, SocketAddr) {
        let rtp = self.latch.destination();
        if self.parameters.remote_rtcp == self.parameters.remote {
            return (Port::Rtp, rtp);
        }
        let next_port_up = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
        let destination = match self.rtcp_source {
            _ if !self.latch.has_moved() => self.parameters.remote_rtcp,
            Some(source) if source.ip() == rtp.ip() => source,
            _ => next_port_up,
        };
        (Port::Rtcp, destination)
    }

    /// 32.32 fixed point seconds since the session began, and one more, because zero would mean no clock at all.
    /// RFC 3550 §6.4.1 lets a sender without a wall clock count from any start.
    fn ntp(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.started) + Duration::from_secs(1);
        let fraction = u64::from(elapsed.subsec_nanos()) * (1 << 32) / 1_000_000_000;
        (elapsed.as_secs() << 32) | fraction
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn is_usable(address: SocketAddr) -> bool {
    address.port() != 0 && !address.ip().is_unspecified()
}

#[cfg(test)]
mod tests;
