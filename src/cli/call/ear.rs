//! Hears where speech begins and ends, by energy with hysteresis.
//!
//! Good for recorded prompts over a clean line, which is all that the test caller listens to: there is no noise
//! floor to follow and no attempt to tell speech from music.

use std::time::{Duration, Instant};

/// Silence that ends a stretch of speech. Longer than the pauses between sentences of one prompt, shorter than
/// any first-digit time-out worth setting.
pub const QUIET_FOR: Duration = Duration::from_millis(700);
/// A frame this loud may begin a stretch: 0.01 of full scale (-40 dBFS), root mean square.
const BEGINS_AT: f64 = 327.68;
/// A frame this loud carries a stretch on: -46 dBFS, so that soft endings and breaths do not cut it.
const LASTS_AT: f64 = 163.84;
/// Loud frames in a row that make a beginning, so that one click is not speech.
const FRAMES_TO_BEGIN: u32 = 2;

/// What was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A stretch of speech began at this instant.
    Began(Instant),
    /// The stretch is over; this was its last instant, [`QUIET_FOR`] before now.
    Ended(Instant),
}

/// The detector of one leg's incoming audio.
#[derive(Debug, Default)]
pub struct Ear {
    state: State,
}

#[derive(Debug)]
enum State {
    Quiet { loud_frames: u32, since: Option<Instant> },
    Speech { last_loud: Instant },
}

impl Default for State {
    fn default() -> Self {
        Self::Quiet { loud_frames: 0, since: None }
    }
}

impl Ear {
    /// Takes one packet's decoded samples, which arrived at `now`.
    pub fn hear(&mut self, samples: &[i16], now: Instant) -> Option<Heard> {
        let level = root_mean_square(samples);
        match &mut self.state {
            State::Quiet { loud_frames, since } if level >= BEGINS_AT => {
                let began = *since.get_or_insert(now);
                *loud_frames += 1;
                if *loud_frames < FRAMES_TO_BEGIN {
                    return None;
                }
                self.state = State::Speech { last_loud: now };
                Some(Heard::Began(began))
            }
            State::Quiet { .. } => {
                self.state = State::default();
                None
            }
            State::Speech { last_loud } if level >= LASTS_AT => {
                *last_loud = now;
                None
            }
            State::Speech { .. } => self.handle_timeout(now),
        }
    }

    /// Ends a stretch whose time is up: a line that goes dead is as quiet as one that sends silence.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Heard> {
        let State::Speech { last_loud } = self.state else { return None };
        if now < last_loud + QUIET_FOR {
            return None;
        }
        self.state = State::default();
        Some(Heard::Ended(last_loud))
    }

    /// When the stretch under way will be over if nothing more is heard.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Quiet { .. } => None,
            State::Speech { last_loud } => Some(last_loud + QUIET_FOR),
        }
    }
}

fn root_mean_square(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    (sum / samples.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    /// What is heard of 20 ms frames of these amplitudes, with the frame's number.
    fn heard(amplitudes: &[i16]) -> Vec<(usize, &'static str)> {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        let zero = Instant::now();
        let mut ear = Ear::default();
        let mut told = Vec::new();
        let frame_of = |at: Instant| ((at - zero).as_millis() / FRAME.as_millis()) as usize;
        for (number, &amplitude) in amplitudes.iter().enumerate() {
            match ear.hear(&[amplitude; 160], zero + FRAME * number as u32) {
                Some(Heard::Began(at)) => told.push((frame_of(at), "began")),
                Some(Heard::Ended(at)) => told.push((frame_of(at), "ended")),
                None => {}
            }
        }
        told
    }

    fn frames(parts: &[(usize, i16)]) -> Vec<i16> {
        parts.iter().flat_map(|&(count, amplitude)| std::iter::repeat_n(amplitude, count)).collect()
    }

    #[test]
    fn stretches_are_told_apart_by_silence() {
        type Row<'a> = (&'a [(usize, i16)], &'a [(usize, &'a str)]);
        let table: [Row<'_>; 6] = [
            (&[(50, 0)], &[]),
            (&[(5, 0), (50, 3000), (40, 0)], &[(5, "began"), (54, "ended")]),
            // 0.4 s is a pause between two sentences, 0.8 s one between two prompts.
            (&[(10, 3000), (20, 0), (10, 3000), (40, 0)], &[(0, "began"), (39, "ended")]),
            (
                &[(10, 3000), (40, 0), (10, 3000), (40, 0)],
                &[(0, "began"), (9, "ended"), (50, "began"), (59, "ended")],
            ),
            // One click is not speech; neither is a hiss below the threshold.
            (&[(5, 0), (1, 20_000), (50, 0)], &[]),
            (&[(50, 100)], &[]),
        ];
        for (sound, expected) in table {
            assert_eq!(heard(&frames(sound)), expected, "{sound:?}");
        }
    }

    #[test]
    fn a_soft_ending_carries_a_stretch_on_but_begins_none() {
        assert_eq!(heard(&frames(&[(50, 200)])), []);
        assert_eq!(
            heard(&frames(&[(10, 3000), (50, 200), (40, 0)])),
            [(0, "began"), (59, "ended")],
            "between the two thresholds"
        );
    }

    #[test]
    fn a_dead_line_ends_a_stretch() {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        let zero = Instant::now();
        let mut ear = Ear::default();
        ear.hear(&[3000; 160], zero);
        assert_eq!(ear.hear(&[3000; 160], zero + FRAME), Some(Heard::Began(zero)));
        assert_eq!(ear.poll_timeout(), Some(zero + FRAME + QUIET_FOR));
        assert_eq!(ear.handle_timeout(zero + QUIET_FOR), None);
        assert_eq!(ear.handle_timeout(zero + FRAME + QUIET_FOR), Some(Heard::Ended(zero + FRAME)));
        assert_eq!(ear.poll_timeout(), None);
    }
}
