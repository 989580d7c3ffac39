//! What the test caller heard, as one WAV file: 16-bit mono at 8000 Hz, leg after leg.

use std::path::Path;

use crate::audio::SAMPLE_RATE;

/// A timestamp further from its leg's end than this begins anew: five seconds nobody sent, or a new source.
const JUMP_MAX: i32 = 5 * SAMPLE_RATE.cast_signed();

/// The samples so far.
#[derive(Debug, Default)]
pub struct Recording {
    samples: Vec<i16>,
    /// The timestamp that the next sample at the end would have; `None` before a leg's first packet.
    end: Option<u32>,
}

impl Recording {
    /// What follows comes from another call.
    pub fn begin_leg(&mut self) {
        self.end = None;
    }

    /// Puts a packet's samples where its timestamp says, with silence in the gaps. A packet that came late goes
    /// into its place.
    pub fn push(&mut self, timestamp: u32, samples: &[i16]) {
        let length = self.samples.len();
        // Timestamps wrap (RFC 3550 §5.1), so that only their distance counts.
        let distance = self.end.map_or(0, |end| timestamp.wrapping_sub(end).cast_signed());
        let at =
            if distance.abs() > JUMP_MAX { length } else { length.saturating_add_signed(distance as isize) };
        let after = at + samples.len();
        if after >= length {
            self.samples.resize(after, 0);
            self.end = Some(timestamp.wrapping_add(samples.len() as u32));
        }
        self.samples[at..after].copy_from_slice(samples);
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn save(&self, file: &Path) -> Result<(), hound::Error> {
        let format = hound::WavSpec {
            channels: 1,
            sample_rate: SAMPLE_RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(file, format)?;
        for &sample in &self.samples {
            writer.write_sample(sample)?;
        }
        writer.finalize()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn samples_stand_where_their_timestamps_say() {
        type Row<'a> = (&'a [(u32, &'a [i16])], &'a [i16]);
        let table: [Row<'_>; 5] = [
            (&[(1000, &[1, 2]), (1002, &[3, 4])], &[1, 2, 3, 4]),
            (&[(1000, &[1, 2]), (1005, &[3])], &[1, 2, 0, 0, 0, 3]),
            (&[(1000, &[1, 2]), (1004, &[5, 6]), (1002, &[3, 4])], &[1, 2, 3, 4, 5, 6]),
            (&[(u32::MAX, &[1, 2]), (1, &[3])], &[1, 2, 3]),
            (&[(1000, &[1]), (900_000, &[2]), (900_001, &[3])], &[1, 2, 3]),
        ];
        for (packets, expected) in table {
            let mut recording = Recording::default();
            for (timestamp, samples) in packets {
                recording.push(*timestamp, samples);
            }
            assert_eq!(recording.samples, expected);
        }
    }

    #[test]
    fn legs_follow_one_another() {
        let mut recording = Recording::default();
        recording.push(1000, &[1]);
        recording.begin_leg();
        recording.push(2000, &[2]);
        recording.push(2001, &[3]);
        assert_eq!(recording.samples, [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn no_timestamp_makes_it_panic_or_grow_without_bounds(packets: Vec<(u32, Vec<i16>)>) {
            let mut recording = Recording::default();
            for (timestamp, samples) in &packets {
                recording.push(*timestamp, samples);
            }
            let most: usize = packets.iter().map(|(_, samples)| samples.len() + JUMP_MAX as usize).sum();
            prop_assert!(recording.samples.len() <= most);
        }
    }
}
