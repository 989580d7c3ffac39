//! Bringing recordings to one loudness (EBU R 128), so that a business's own sound like one voice with each other and
//! with ours.
//!
//! What is within a few LU of the target is left as it is: nobody hears the difference, and what was levelled with
//! care stays bit for bit. A recording is never brought so far that it clips.

use ebur128::{EbuR128, Mode};

use super::recording::Recording;

/// Where speech on a telephone should be; the shipped recordings are, by their own measure of active speech.
const TARGET_LUFS: f64 = -22.0;
/// How far off a recording is let be.
const TOLERANCE_LU: f64 = 4.0;
/// No sample is brought above this: -1 dBFS.
const PEAK_MAX: f32 = 0.891;
/// R 128 measures in windows of 400 ms. What is shorter than two of them, such as a digit, is measured as if it were
/// said over and over.
const MEASURED_S_MIN: usize = 1;
/// Whoever records nothing but noise does not want it loud.
const SILENCE_LUFS: f64 = -60.0;

/// Brings a recording to the target.
pub(super) fn level(recording: &mut Recording) {
    let Some(loudness) = loudness(recording).filter(|loudness| *loudness > SILENCE_LUFS) else { return };
    let off = TARGET_LUFS - loudness;
    if off.abs() <= TOLERANCE_LU {
        return;
    }
    let peak = recording.samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    let wanted = 10.0_f64.powf(off / 20.0) as f32;
    // What is too loud already may have its peaks where they are; only what is raised is held back by them.
    let gain = wanted.min((PEAK_MAX / peak).max(1.0)).min(wanted.max(1.0));
    for sample in &mut recording.samples {
        *sample *= gain;
    }
}

/// In LUFS; nothing where there is nothing to hear.
fn loudness(recording: &Recording) -> Option<f64> {
    let mut meter = EbuR128::new(1, recording.rate, Mode::I).ok()?;
    let once = recording.samples.len().max(1);
    let times = (MEASURED_S_MIN * recording.rate as usize).div_ceil(once);
    for _ in 0..times {
        meter.add_frames_f32(&recording.samples).ok()?;
    }
    meter.loudness_global().ok().filter(|loudness| loudness.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(seconds: f64, amplitude: f64) -> Recording {
        let samples = (0..(16_000.0 * seconds) as u32)
            .map(|n| ((f64::from(n) * 0.39).sin() * amplitude) as f32)
            .collect();
        Recording { rate: 16_000, samples }
    }

    #[test]
    fn loud_and_quiet_come_to_one_loudness_however_short() {
        for seconds in [0.1, 0.3, 1.0, 5.0] {
            for amplitude in [0.004, 0.03, 0.99] {
                let mut recording = tone(seconds, amplitude);
                level(&mut recording);
                let loudness = loudness(&recording).expect("it sounds");
                assert!((loudness - TARGET_LUFS).abs() < 0.5, "{seconds} s of {amplitude}: {loudness}");
            }
        }
    }

    #[test]
    fn what_is_loud_enough_stays_bit_for_bit() {
        let mut recording = tone(1.0, 0.12);
        let before = recording.clone();
        level(&mut recording);
        assert_eq!(recording, before);
    }

    #[test]
    fn what_we_ship_is_loud_enough() {
        let prompts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts");
        for folder in ["en", "de"].map(|language| prompts.join(language)) {
            for entry in std::fs::read_dir(folder).expect("the recordings are there") {
                let path = entry.expect("an entry").path();
                if path.extension().is_some_and(|ending| ending == "toml") {
                    continue;
                }
                let bytes = std::fs::read(&path).expect("a file");
                let recording = crate::audio::read_recording(&bytes).expect("a recording");
                let off = loudness(&recording).expect("it speaks") - TARGET_LUFS;
                assert!(off.abs() <= TOLERANCE_LU, "{}: {off:.1} LU", path.display());
            }
        }
    }

    #[test]
    fn nothing_clips_and_silence_stays_silent() {
        let mut peaky = tone(2.0, 0.01);
        peaky.samples[7] = 0.8;
        level(&mut peaky);
        assert!((peaky.samples[7] - PEAK_MAX).abs() < 1e-3, "{}", peaky.samples[7]);
        for mut silence in [tone(1.0, 0.0), tone(1.0, 0.000_1), tone(0.0, 0.0)] {
            let before = silence.clone();
            level(&mut silence);
            assert_eq!(silence, before);
        }
    }
}
