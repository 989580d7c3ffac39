//! Headers of WAV that were written before anybody knew how much would follow, as programs do that write to a pipe.
//!
//! They say that it is endless, or nothing, in place of the length. A file that is cut off says another length than it
//! has, and stays what it is.

/// From here on a length stands for "until it ends".
const ENDLESS: u32 = 0x7fff_0000;

/// Has the header tell how much there is, where it could not.
pub(super) fn mend(recording: &mut [u8]) {
    if !recording.starts_with(b"RIFF") {
        return;
    }
    let mut at = 12;
    while let Some(head) = recording.get(at..at + 8) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let rest = recording.len() - at - 8;
        if head.starts_with(b"data") {
            if length >= ENDLESS || length == 0 {
                write(recording, at + 4, rest);
                write(recording, 4, at + rest);
            }
            return;
        }
        // Chunks are of even length (RIFF).
        at = at.saturating_add(8).saturating_add(length as usize).saturating_add(length as usize % 2);
    }
}

fn write(recording: &mut [u8], at: usize, length: usize) {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    recording[at..at + 4].copy_from_slice(&length.to_le_bytes());
}
