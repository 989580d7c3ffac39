//! One key from several sources: telephone-events, tones and SIP INFO tell of the same press when a peer sends more
//! than one of them.

use std::time::{Duration, Instant};

use crate::secret::Digit;

/// Within this time, the same key from another source is the same press.
const SAME_PRESS: Duration = Duration::from_millis(200);

/// Where a key was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An RTP telephone-event (RFC 4733).
    Rtp,
    /// A tone in the caller's audio (ITU-T Q.23).
    Tone,
    /// A SIP INFO.
    Info,
}

/// What has been keyed in a call, as far as telling presses apart needs it.
#[derive(Debug, Default)]
pub struct Keypad {
    /// Once a telephone-event has been heard, nothing else is listened to any more.
    rtp_heard: bool,
    last: Option<(Digit, Source, Instant)>,
}

impl Keypad {
    /// Hears a key; `true` if this is a press that has not been told of yet.
    pub fn press(&mut self, digit: Digit, source: Source, now: Instant) -> bool {
        self.rtp_heard |= source == Source::Rtp;
        let repeated = self.last.is_some_and(|(last, heard_by, at)| {
            last == digit && heard_by != source && now.saturating_duration_since(at) < SAME_PRESS
        });
        let deaf = self.rtp_heard && source != Source::Rtp;
        if repeated {
            // A press is told of once more, and not twice: what comes next is another press, however soon.
            self.last = None;
        }
        if repeated || deaf {
            return false;
        }
        self.last = Some((digit, source, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Source::{Info, Rtp, Tone};
    use super::*;

    /// A key, its source, when in milliseconds, and whether it counts.
    type Told = (char, Source, u64, bool);

    #[test]
    fn a_press_counts_once_however_it_is_told() {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        let zero = Instant::now();
        let table: [(&str, &[Told]); 8] = [
            ("INFO alone", &[('4', Info, 0, true), ('4', Info, 100, true)]),
            ("events alone, fast", &[('4', Rtp, 0, true), ('4', Rtp, 80, true)]),
            ("event, then INFO", &[('4', Rtp, 0, true), ('4', Info, 150, false), ('7', Info, 900, false)]),
            ("tones alone", &[('4', Tone, 0, true), ('4', Tone, 90, true)]),
            ("tone, then its event", &[('4', Tone, 0, true), ('4', Rtp, 30, false), ('5', Tone, 300, false)]),
            ("event, then its tone", &[('4', Rtp, 0, true), ('4', Tone, 40, false)]),
            (
                "a tone, its event, and the next at once",
                &[('4', Tone, 0, true), ('4', Rtp, 30, false), ('4', Rtp, 130, true)],
            ),
            (
                "INFO, its event, then the next key",
                &[('4', Info, 0, true), ('4', Rtp, 150, false), ('4', Rtp, 400, true)],
            ),
        ];
        for (name, presses) in table {
            let mut keypad = Keypad::default();
            for (key, source, at, counts) in presses {
                let digit = Digit::from_char(*key).unwrap();
                let now = zero + Duration::from_millis(*at);
                assert_eq!(keypad.press(digit, *source, now), *counts, "{name}: {key} at {at}");
            }
        }
    }
}
