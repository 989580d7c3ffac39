//! Recordings that benchmarks have played.

use std::path::Path;

use anyhow::Result;

/// A sound that is nowhere silent, so many samples of it.
pub fn tone(samples: usize) -> Vec<i16> {
    (0..samples).map(|n| ((n as f64 * 0.17).sin() * 12_000.0) as i16).collect()
}

/// Writes so many samples of it, at 16 kHz, as WAV.
pub fn write(path: &Path, samples: usize) -> Result<()> {
    let format = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, format)?;
    tone(samples).into_iter().try_for_each(|sample| writer.write_sample(sample))?;
    Ok(writer.finalize()?)
}
