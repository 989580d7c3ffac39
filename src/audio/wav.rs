//! Reading WAV recordings: PCM of 8 to 32 bits, floating point, A-law and µ-law, plain or EXTENSIBLE, mono or
//! stereo. Stereo is mixed to mono. Other containers and compressed formats are `compressed`'s business.
//!
//! The samples are decoded by symphonia. The container is walked here, because the field's files ask for more
//! than its reader gives: A-law inside EXTENSIBLE, lengths left open by a pipe, and damaged channel masks, which
//! make it panic.

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_PCM_ALAW, CODEC_ID_PCM_F32LE, CODEC_ID_PCM_F64LE, CODEC_ID_PCM_MULAW, CODEC_ID_PCM_S16LE,
    CODEC_ID_PCM_S24LE, CODEC_ID_PCM_S32LE, CODEC_ID_PCM_U8,
};
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};
use symphonia::default::codecs::PcmDecoder;

use super::recording::{RATES, Recording, RecordingFault, SECONDS_MAX, mix};

/// Frames decoded at a time.
const FRAMES: usize = 4096;

/// From here on a length in a header is a placeholder: a writer to a pipe cannot go back and fill it in.
const LENGTH_UNKNOWN: u32 = 0x7FFF_0000;

/// What the `fmt ` chunk says.
#[derive(Debug, Clone, Copy)]
struct Format {
    codec: AudioCodecId,
    channels: u16,
    rate: u32,
    /// Octets that hold one sample of every channel.
    frame: usize,
}

/// Reads a whole recording.
pub fn read(bytes: &[u8]) -> Result<Recording, RecordingFault> {
    let (format, data) = format_and_data(bytes)?;
    let frames = data.len() / format.frame;
    if frames == 0 {
        return Err(RecordingFault::Empty);
    }
    if frames > SECONDS_MAX as usize * format.rate as usize {
        return Err(RecordingFault::TooLong);
    }
    let mut decoder = decoder(format);
    let mut samples = Vec::with_capacity(frames);
    let mut interleaved = Vec::new();
    for octets in data[..frames * format.frame].chunks(FRAMES * format.frame) {
        let packet = Packet::new(0, Timestamp::ZERO, Duration::ZERO, octets);
        let stretch = decoder.decode(&packet).map_err(|_| RecordingFault::CutOff)?;
        mix(&stretch, &mut interleaved, &mut samples);
    }
    Ok(Recording { rate: format.rate, samples })
}

/// Walks the chunks up to the sound. Each has a name, a length and, where that is odd, an octet of padding.
fn format_and_data(bytes: &[u8]) -> Result<(Format, &[u8]), RecordingFault> {
    if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
        return Err(RecordingFault::Damaged);
    }
    let mut rest = &bytes[12..];
    let mut format = None;
    while let Some((name, behind)) = rest.split_first_chunk::<4>() {
        let (length, body) = behind.split_first_chunk::<4>().ok_or(RecordingFault::CutOff)?;
        let length = u32::from_le_bytes(*length);
        let whole = body.get(..length as usize);
        match name {
            b"data" => {
                let open = (length >= LENGTH_UNKNOWN).then_some(body);
                let data = whole.or(open).ok_or(RecordingFault::CutOff)?;
                return Ok((format.ok_or(RecordingFault::Damaged)?, data));
            }
            b"fmt " => format = Some(Format::read(whole.ok_or(RecordingFault::CutOff)?)?),
            _ => {}
        }
        let padded = length as usize + (length & 1) as usize;
        rest = body.get(padded..).ok_or(RecordingFault::CutOff)?;
    }
    Err(RecordingFault::Damaged)
}

impl Format {
    fn read(chunk: &[u8]) -> Result<Self, RecordingFault> {
        const EXTENSIBLE: u16 = 0xFFFE;
        /// Where the sub-format's GUID begins, whose first two octets are the tag proper.
        const SUBFORMAT: usize = 24;
        let word = |at: usize| {
            let octets = chunk.get(at..at + 2).ok_or(RecordingFault::Damaged)?;
            Ok(u16::from_le_bytes([octets[0], octets[1]]))
        };
        let tag = match word(0)? {
            EXTENSIBLE => word(SUBFORMAT)?,
            tag => tag,
        };
        let (channels, bits) = (word(2)?, word(14)?);
        let rate = u32::from(word(4)?) | u32::from(word(6)?) << 16;
        if !(1..=2).contains(&channels) {
            return Err(RecordingFault::Channels(channels));
        }
        if !RATES.contains(&rate) {
            return Err(RecordingFault::Rate(rate));
        }
        let codec = codec(tag, bits).ok_or(RecordingFault::Encoding { tag, bits })?;
        Ok(Self { codec, channels, rate, frame: usize::from(channels * bits / 8) })
    }
}

/// The decoder's name for a format tag (RFC 2361) and a sample size.
fn codec(tag: u16, bits: u16) -> Option<AudioCodecId> {
    match (tag, bits) {
        (1, 8) => Some(CODEC_ID_PCM_U8),
        (1, 16) => Some(CODEC_ID_PCM_S16LE),
        (1, 24) => Some(CODEC_ID_PCM_S24LE),
        (1, 32) => Some(CODEC_ID_PCM_S32LE),
        (3, 32) => Some(CODEC_ID_PCM_F32LE),
        (3, 64) => Some(CODEC_ID_PCM_F64LE),
        (6, 8) => Some(CODEC_ID_PCM_ALAW),
        (7, 8) => Some(CODEC_ID_PCM_MULAW),
        _ => None,
    }
}

fn decoder(format: Format) -> PcmDecoder {
    let mut parameters = AudioCodecParameters::new();
    parameters
        .for_codec(format.codec)
        .with_sample_rate(format.rate)
        .with_channels(Channels::Discrete(format.channels))
        .with_max_frames_per_packet(FRAMES as u64);
    PcmDecoder::try_new(&parameters, &AudioDecoderOptions::default())
        .expect("the codec is one of the decoder's own and has a rate and channels")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::audio::Law;

    /// A WAV file with the given format tag, and the tag's own sub-format where it is EXTENSIBLE.
    fn file(tag: u16, extension: &[u8], channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut format = Vec::new();
        format.extend(tag.to_le_bytes());
        format.extend(channels.to_le_bytes());
        format.extend(rate.to_le_bytes());
        let block = channels * bits / 8;
        format.extend((rate * u32::from(block)).to_le_bytes());
        format.extend(block.to_le_bytes());
        format.extend(bits.to_le_bytes());
        format.extend(extension);
        let mut bytes = b"RIFF".to_vec();
        bytes.extend((20 + format.len() as u32 + data.len() as u32).to_le_bytes());
        bytes.extend(b"WAVEfmt ");
        bytes.extend((format.len() as u32).to_le_bytes());
        bytes.extend(format);
        bytes.extend(b"data");
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        bytes
    }

    pub(in crate::audio) fn pcm(rate: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
        let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        file(1, &[], channels, rate, 16, &data)
    }

    /// The `fmt ` extension of `WAVEFORMATEXTENSIBLE`: 22 octets with the sub-format's GUID.
    fn extensible(bits: u16, subformat: u8) -> Vec<u8> {
        let mut extension = vec![22, 0];
        extension.extend(bits.to_le_bytes());
        extension.extend(4_u32.to_le_bytes());
        extension.extend([subformat, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
        extension
    }

    #[test]
    fn every_usual_encoding_is_read() {
        let laws = |law: Law| -> Vec<f32> {
            [0x00, 0x7F, 0x80, 0xD5].map(|octet| f32::from(law.decode(octet)) / 32768.0).to_vec()
        };
        let octets = [0x00, 0x7F, 0x80, 0xD5];
        let floats = |samples: &[f32]| -> Vec<u8> { samples.iter().flat_map(|s| s.to_le_bytes()).collect() };
        let (float, odd) = (floats(&[0.5, -0.25]), floats(&[f32::NAN, f32::INFINITY, -1e30]));
        let table: Vec<(&str, Vec<u8>, Vec<f32>)> = vec![
            ("8-bit", file(1, &[], 1, 8000, 8, &[0, 128, 192]), vec![-1.0, 0.0, 0.5]),
            ("16-bit", pcm(8000, 1, &[-32768, 0, 16384]), vec![-1.0, 0.0, 0.5]),
            ("24-bit", file(1, &[], 1, 8000, 24, &[0, 0, 0x40, 0, 0, 0x80]), vec![0.5, -1.0]),
            ("float", file(3, &[], 1, 8000, 32, &float), vec![0.5, -0.25]),
            ("odd floats", file(3, &[], 1, 8000, 32, &odd), vec![0.0, 1.0, -1.0]),
            ("A-law", file(6, &[0, 0], 1, 8000, 8, &octets), laws(Law::A)),
            ("µ-law", file(7, &[0, 0], 1, 8000, 8, &octets), laws(Law::Mu)),
            ("EXTENSIBLE PCM", file(0xFFFE, &extensible(16, 1), 1, 8000, 16, &[0, 0x40]), vec![0.5]),
            ("EXTENSIBLE A-law", file(0xFFFE, &extensible(8, 6), 1, 8000, 8, &octets), laws(Law::A)),
            ("stereo", pcm(8000, 2, &[16384, 0, -16384, -16384]), vec![0.25, -0.5]),
        ];
        for (name, bytes, expected) in table {
            let recording = read(&bytes).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            assert_eq!(recording, Recording { rate: 8000, samples: expected }, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_apart() {
        let mut cut_off = pcm(8000, 1, &vec![0; 16_000]);
        cut_off.truncate(20_000);
        let eight_bit = |seconds: usize| file(1, &[], 1, 8000, 8, &vec![128; seconds * 8000]);
        let table: Vec<(&str, Vec<u8>, RecordingFault)> = vec![
            ("nothing at all", Vec::new(), RecordingFault::Damaged),
            ("another container", b"OggS but no WAV".to_vec(), RecordingFault::Damaged),
            (
                "MP3 in a WAV",
                file(0x55, &[0, 0], 1, 8000, 0, &[0; 64]),
                RecordingFault::Encoding { tag: 0x55, bits: 0 },
            ),
            ("12 bits", file(1, &[], 1, 8000, 12, &[0; 64]), RecordingFault::Encoding { tag: 1, bits: 12 }),
            ("no samples", pcm(8000, 1, &[]), RecordingFault::Empty),
            ("half a sample", file(1, &[], 1, 8000, 16, &[0]), RecordingFault::Empty),
            ("a lost end", cut_off, RecordingFault::CutOff),
            ("six channels", pcm(8000, 6, &[0; 60]), RecordingFault::Channels(6)),
            ("4 kHz", pcm(4000, 1, &[0; 60]), RecordingFault::Rate(4000)),
            ("a second too long", eight_bit(601), RecordingFault::TooLong),
        ];
        for (name, bytes, expected) in table {
            assert_eq!(read(&bytes), Err(expected), "{name}");
        }
        assert!(read(&eight_bit(600)).is_ok(), "ten minutes are allowed");
    }

    #[test]
    fn a_length_left_open_by_a_pipe_means_the_rest() {
        for open in [u32::MAX, 0x7FFF_F024] {
            let mut bytes = pcm(8000, 1, &[1, 2, 3]);
            bytes[40..44].copy_from_slice(&open.to_le_bytes());
            assert_eq!(read(&bytes).expect("the end of the file is the end").samples.len(), 3);
        }
    }

    #[test]
    fn other_chunks_are_passed_over() {
        let plain = pcm(8000, 1, &[7; 20]);
        let mut with_list = plain[..36].to_vec();
        with_list.extend(b"LIST\x05\0\0\0INFO!\0");
        with_list.extend(&plain[36..]);
        assert_eq!(read(&with_list), read(&plain));
    }

    proptest::proptest! {
        #[test]
        fn damaged_files_never_panic(at in 0_usize..80, with: u8, length in 0_usize..80) {
            let mut bytes = file(0xFFFE, &extensible(16, 1), 1, 16_000, 16, &[1; 40]);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = with;
            }
            bytes.truncate(length.max(at));
            if let Ok(recording) = read(&bytes) {
                proptest::prop_assert!(!recording.samples.is_empty());
            }
        }

        #[test]
        fn whatever_a_file_holds_can_be_heard(
            tag in proptest::sample::select(vec![1_u16, 3, 6, 7]),
            bits in proptest::sample::select(vec![8_u16, 16, 24, 32, 64]),
            channels in 1_u16..3,
            data: Vec<u8>,
        ) {
            let bytes = file(tag, &[], channels, 16_000, bits, &data);
            if let Ok(recording) = read(&bytes) {
                proptest::prop_assert!(recording.samples.len() <= data.len());
                proptest::prop_assert!(recording.samples.iter().all(|sample| (-1.0..=1.0).contains(sample)));
            }
        }
    }
}
