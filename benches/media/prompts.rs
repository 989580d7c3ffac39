//! How long prompts take to load.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use portero::audio::{Library, Source, Wideband};

/// Loads 500 recordings of four seconds at 16 kHz.
pub fn load() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("portero-bench-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("en"))?;
    let names: Vec<String> = (0..500).map(|number| format!("prompt-{number}")).collect();
    let written = names.iter().try_for_each(|name| write(&folder.join(format!("en/{name}.wav"))));
    let began = Instant::now();
    let ids = names.iter().map(String::as_str);
    let loaded = Library::load(&Source::Folder(folder.clone()), "en", ids, Wideband::Encoded);
    let spent = began.elapsed();
    std::fs::remove_dir_all(&folder)?;
    written?;
    println!("{} prompts of 4 s loaded in {spent:.1?}", loaded.map_or(0, |library| library.len()));
    Ok(())
}

fn write(path: &Path) -> Result<()> {
    let format = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, format)?;
    tone(64_000).into_iter().try_for_each(|sample| writer.write_sample(sample))?;
    Ok(writer.finalize()?)
}

/// A sound that is nowhere silent.
pub fn tone(samples: usize) -> Vec<i16> {
    (0..samples).map(|n| ((n as f64 * 0.17).sin() * 12_000.0) as i16).collect()
}
