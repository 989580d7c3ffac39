//! What a caller hears: the media session of a call, packet by packet, on the clock of the world.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use portero::media::{Command, DATAGRAM_LEN_MAX, Event, Origin, Parameters, Session};
use portero::rtp::{Header, KeyPress, Packet};
use portero::secret::Digit;

/// So long a silence parts two sounds; sentences of one recording follow each other sooner.
const PAUSE: Duration = Duration::from_millis(600);
/// How long keys are held; it is their first packet that counts.
const HELD: Duration = Duration::from_millis(100);

/// Something that was heard from one silence to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    pub from: Instant,
    pub to: Instant,
    /// What tells it from other sounds: a digest of its samples.
    pub digest: u64,
    /// When the last key before it was pressed.
    pub keyed: Option<Instant>,
}

pub struct Ear {
    session: Session,
    remote: SocketAddr,
    telephone_event: u8,
    silence: u8,
    next: Header,
    keyed: Option<Instant>,
    sounds: Vec<(Sound, DefaultHasher)>,
}

impl Ear {
    pub fn open(origin: Origin, parameters: Parameters, now: Instant) -> Self {
        let next = Header { payload_type: 0, marker: true, sequence: 1, timestamp: 1, ssrc: 0xCA11 };
        Self {
            remote: parameters.remote,
            telephone_event: parameters.telephone_event.expect("the phone offers it"),
            silence: parameters.codec.silence(),
            session: Session::new(origin, parameters, now),
            next,
            keyed: None,
            sounds: Vec::new(),
        }
    }

    pub fn command(&mut self, command: Command, now: Instant) {
        self.session.command(command, now);
    }

    pub fn next_due(&self) -> Instant {
        self.session.next_due()
    }

    /// Hears what is sent by now.
    pub fn hear(&mut self, now: Instant) {
        let mut room = [0; DATAGRAM_LEN_MAX];
        while self.session.next_due() <= now {
            let due = self.session.next_due();
            while let Some(outgoing) = self.session.tick(due, &mut room) {
                let packet = Packet::read(outgoing.datagram).filter(|packet| packet.header.payload_type < 72);
                let payload = packet.map(|packet| packet.payload.to_vec());
                if let Some(payload) = payload.filter(|all| all.iter().any(|octet| *octet != self.silence)) {
                    Self::take(&mut self.sounds, self.keyed, due, &payload);
                }
            }
        }
    }

    fn take(sounds: &mut Vec<(Sound, DefaultHasher)>, keyed: Option<Instant>, at: Instant, payload: &[u8]) {
        if sounds.last().is_none_or(|(last, _)| at.duration_since(last.to) > PAUSE) {
            sounds.push((Sound { from: at, to: at, digest: 0, keyed }, DefaultHasher::new()));
        }
        if let Some((sound, hasher)) = sounds.last_mut() {
            sound.to = at;
            payload.hash(hasher);
        }
    }

    /// Presses a key.
    pub fn press(&mut self, digit: Digit, now: Instant) {
        self.keyed = Some(now);
        self.next.timestamp = self.next.timestamp.wrapping_add(8000);
        for packet in KeyPress::new(digit, HELD).take(1) {
            let header = Header { payload_type: self.telephone_event, marker: packet.marker, ..self.next };
            let datagram = [&header.octets()[..], &packet.event.octets()].concat();
            self.session.receive(self.remote, &datagram, now);
        }
        self.next.sequence = self.next.sequence.wrapping_add(1);
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.session.poll_event()
    }

    /// All that was heard, in order.
    pub fn sounds(self) -> Vec<Sound> {
        self.sounds.into_iter().map(|(sound, hasher)| Sound { digest: hasher.finish(), ..sound }).collect()
    }
}
