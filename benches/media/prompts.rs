//! How long prompts take to load.

use std::time::Instant;

use anyhow::Result;
use portero::audio::{Library, Source, Wideband};

use crate::recording;

/// Loads 500 recordings of four seconds at 16 kHz.
pub fn load() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("portero-bench-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("en"))?;
    let names: Vec<String> = (0..500).map(|number| format!("prompt-{number}")).collect();
    let written =
        names.iter().try_for_each(|name| recording::write(&folder.join(format!("en/{name}.wav")), 64_000));
    let began = Instant::now();
    let ids = names.iter().map(String::as_str);
    let loaded = Library::load(&Source::Folder(folder.clone()), "en", ids, Wideband::Encoded);
    let spent = began.elapsed();
    std::fs::remove_dir_all(&folder)?;
    written?;
    println!("{} prompts of 4 s loaded in {spent:.1?}", loaded.map_or(0, |library| library.len()));
    Ok(())
}
