//! The digit receiver: out of the packets of telephone-events, each pressed key once, at its first packet
//! (RFC 4733 §2.5.2.2, and what the field does beside it).
//!
//! A key is told as soon as anything of it arrives, so nothing here waits: there is no time-out to poll, and a
//! lost end costs nothing. What remains to decide is whether a packet belongs to a key already told. In-band
//! tones, SIP INFO and the merging of sources are not its business.

use std::time::{Duration, Instant};

use super::packet::{Header, Packet};
use super::sequence::ahead;
use super::telephone_event::TelephoneEvent;
use crate::secret::Digit;

/// How many events are remembered, so that stragglers of the last few keys are not told again.
const REMEMBERED: usize = 8;
/// A key whose end was lost is over after this long without a packet: seven packets of 20 ms.
const OPEN_FOR: Duration = Duration::from_millis(150);
/// From -55 dBm0 down it is no key press (RFC 4733 §2.3.4).
const VOLUME_TOO_WEAK: u8 = 55;
/// The furthest that a late packet of a key is looked for behind its newest one.
const LATE_PACKETS: i16 = 16;
/// The most that a gateway advances the timestamp per packet when it stamps every packet of a key anew. Two presses
/// are further apart, since 40 ms on and 40 ms off is the fastest that counts as keying (ITU-T Q.24).
const RESTAMP_MS_MAX: u32 = 60;
/// The shortest pause between two presses.
const PAUSE_MS_MIN: u32 = 40;
/// The most that a duration grows over a lost packet and its successor.
const GROWTH_MS_MAX: u16 = 500;
/// A duration that cannot grow by much any more, after which a new segment may begin (RFC 4733 §2.5.1.3).
const SEGMENT_TICKS_MIN: u16 = 0xE000;

/// Follows the telephone-events of one peer. It has no `Debug`, because it knows what was keyed.
pub struct DigitReceiver {
    remembered: [Option<Key>; REMEMBERED],
    /// Where the next key goes.
    next: usize,
    press: Option<Press>,
    ticks_per_ms: u16,
}

impl Default for DigitReceiver {
    /// One for events with the clock of G.711.
    fn default() -> Self {
        Self { remembered: [None; REMEMBERED], next: 0, press: None, ticks_per_ms: 8 }
    }
}

/// What names an event: its source and the time of its beginning; and which it is, because there are senders whose
/// clock stands while they send several.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    ssrc: u32,
    timestamp: u32,
    code: u8,
}

/// The key that was pressed last, as long as more of it may come under another timestamp.
struct Press {
    key: Key,
    sequence: u16,
    duration: u16,
    ended: bool,
    heard: Instant,
}

/// How a packet relates to the last key.
#[derive(PartialEq, Eq)]
enum Relation {
    /// The same key, still under way.
    Continues,
    /// A straggler of it.
    Late,
    /// Another press.
    New,
}

impl DigitReceiver {
    /// Takes timestamps and durations of packets from now on as of this clock (RFC 4733 §2.6: that of the audio).
    pub fn set_clock(&mut self, ticks_per_ms: u16) {
        self.ticks_per_ms = ticks_per_ms;
    }

    /// Takes in a packet whose payload type is that of telephone-events; tells the key if it is a new one.
    pub fn telephone_event(&mut self, packet: &Packet<'_>, now: Instant) -> Option<Digit> {
        let event = TelephoneEvent::read(packet.payload).filter(|event| event.volume < VOLUME_TOO_WEAK)?;
        let digit = Digit::from_event(event.code)?;
        let header = &packet.header;
        let key = Key { ssrc: header.ssrc, timestamp: header.timestamp, code: event.code };
        if self.remembered.contains(&Some(key)) {
            if let Some(press) = self.press.as_mut().filter(|press| press.key == key) {
                press.extend(header, event, now);
            }
            return None;
        }
        let clock = self.ticks_per_ms;
        let press = self.press.as_ref();
        let relation = press.map_or(Relation::New, |press| press.relation(header, event, clock, now));
        self.remember(key);
        if relation != Relation::Late {
            self.press = Some(Press::new(key, header, event, now));
        }
        (relation == Relation::New).then_some(digit)
    }

    /// Takes note of a packet of audio: a key before it is over, whatever its packets said.
    pub fn audio(&mut self, header: &Header) {
        self.press.take_if(|press| ahead(press.sequence, header.sequence) > 0);
    }

    fn remember(&mut self, key: Key) {
        self.remembered[self.next] = Some(key);
        self.next = (self.next + 1) % REMEMBERED;
    }
}

impl Press {
    fn new(key: Key, header: &Header, event: TelephoneEvent, now: Instant) -> Self {
        let TelephoneEvent { end, duration, .. } = event;
        Self { key, sequence: header.sequence, duration, ended: end, heard: now }
    }

    /// Takes in another packet under the same timestamp.
    fn extend(&mut self, header: &Header, event: TelephoneEvent, now: Instant) {
        if ahead(self.sequence, header.sequence) > 0 {
            *self = Self { ended: self.ended | event.end, ..Self::new(self.key, header, event, now) };
        }
    }

    fn relation(&self, header: &Header, event: TelephoneEvent, clock: u16, now: Instant) -> Relation {
        let since = now.saturating_duration_since(self.heard);
        if since > OPEN_FOR || header.ssrc != self.key.ssrc || event.code != self.key.code {
            return Relation::New;
        }
        let steps = ahead(self.sequence, header.sequence);
        let later = header.timestamp.wrapping_sub(self.key.timestamp);
        if (-LATE_PACKETS..0).contains(&steps) && later.cast_signed() < 0 {
            Relation::Late
        } else if self.is_restamped((steps, later), event, clock, since) || self.is_next_segment(later) {
            Relation::Continues
        } else {
            Relation::New
        }
    }

    /// Some gateways stamp every packet of a press with its own time, some only the ends that repeat the first: the
    /// sequence goes on without a gap (a single lost packet is forgiven), and the duration grows, or is the end's once
    /// more. The time is one within the press then, or too soon after it for another; and what follows at once may
    /// be a little later still, because three ends take as long as a pause.
    fn is_restamped(
        &self,
        (steps, later): (i16, u32),
        event: TelephoneEvent,
        clock: u16,
        since: Duration,
    ) -> bool {
        let growth = event.duration.wrapping_sub(self.duration);
        let grows = (1..=GROWTH_MS_MAX * clock).contains(&growth) && !self.ended;
        let repeats_end = growth == 0 && event.end;
        let pace = RESTAMP_MS_MAX * u32::from(clock) * u32::from(steps.unsigned_abs());
        let duration = u32::from(event.duration);
        let pauses = if since < Duration::from_millis(PAUSE_MS_MIN.into()) { 2 } else { 1 };
        let pause = pauses * PAUSE_MS_MIN * u32::from(clock);
        (1..=2).contains(&steps)
            && (grows && later <= pace.max(duration) || repeats_end && later < duration + pause)
    }

    /// RFC 4733 §2.5.1.3: a press too long for the duration field goes on as a new event that begins where the
    /// field could count no further.
    fn is_next_segment(&self, later: u32) -> bool {
        !self.ended
            && self.duration >= SEGMENT_TICKS_MIN
            && (u32::from(self.duration)..=u32::from(u16::MAX)).contains(&later)
    }
}

#[cfg(test)]
mod tests;
