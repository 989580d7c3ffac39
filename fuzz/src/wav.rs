//! Recordings: what is read is sound, and no more of it than the file holds.

use portero::audio::read_wav;

/// Fails where it does not hold.
pub fn hold(data: &[u8]) {
    let Ok(recording) = read_wav(data) else { return };
    assert!(!recording.samples.is_empty() && recording.samples.len() <= data.len());
    assert!(recording.samples.iter().all(|sample| (-1.0..=1.0).contains(sample)));
    assert!((8000..=192_000).contains(&recording.rate), "{}", recording.rate);
}
