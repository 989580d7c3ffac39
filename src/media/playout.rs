//! What is playing, and how far it has come.
//!
//! A position counts samples of G.711, whatever the codec, so a change of codec keeps its place.

use super::{Piece, PlayId};
use crate::audio::{Codec, Put, SAMPLE_RATE};

/// Silence between a recording that is cut off and the next sound, in samples, where the codec predicts from what came
/// before. Without it a decoder that was left in the middle of speech makes a click of the next beginning, as loud as
/// the speech was; after 20 ms of silence it is within -40 dB of what it should be.
const REST: usize = 160;

/// Plays one list of pieces at a time, and silence otherwise.
#[derive(Debug, Default)]
pub(super) struct Playout {
    playing: Option<Playing>,
    /// Silence that is still wanted before there is sound again.
    rest: usize,
}

#[derive(Debug)]
struct Playing {
    id: PlayId,
    /// None of them is empty.
    pieces: Vec<Piece>,
    repeat: bool,
    /// The piece under way; past the last one when all is over.
    at: usize,
    /// How many of its samples have been sent.
    sent: usize,
}

impl Playout {
    /// Plays these in place of whatever was playing. If there is nothing in them the playing has ended already, and
    /// its name comes back.
    pub(super) fn play(&mut self, id: PlayId, mut pieces: Vec<Piece>, repeat: bool) -> Option<PlayId> {
        self.stop();
        pieces.retain(|piece| piece.samples() > 0);
        let nothing = pieces.is_empty();
        self.playing = (!nothing).then_some(Playing { id, pieces, repeat, at: 0, sent: 0 });
        nothing.then_some(id)
    }

    /// Stops what is playing.
    pub(super) fn stop(&mut self) {
        if self.playing.take().is_some_and(|playing| playing.has_begun()) {
            self.rest = REST;
        }
    }

    /// Fills a payload of this many samples with what comes next, and with silence behind its end.
    pub(super) fn fill(&mut self, codec: Codec, samples: usize, payload: &mut [u8]) -> Filled {
        let rest = std::mem::take(&mut self.rest).min(if codec == Codec::G722 { REST } else { 0 });
        let silence = rest.min(samples);
        self.rest = rest - silence;
        let mut filled = Filled { octets: codec.put_silence(silence, payload), ended: None };
        let mut wanted = samples - silence;
        while let Some(playing) = &mut self.playing
            && wanted > 0
        {
            let put = playing.put(codec, wanted, &mut payload[filled.octets..]);
            filled.octets += put.octets;
            // A packet of Opus is of one piece, and is what there is to send, however much of it has been heard.
            wanted = if codec == Codec::Opus { 0 } else { wanted - put.samples };
            if playing.at == playing.pieces.len() {
                filled.ended = self.playing.take().map(|playing| playing.id);
            }
        }
        filled.octets += codec.put_silence(wanted, &mut payload[filled.octets..]);
        filled
    }
}

/// What a payload was filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filled {
    /// Its length.
    pub(super) octets: usize,
    /// The playing whose last sample is in it.
    pub(super) ended: Option<PlayId>,
}

impl Playing {
    fn has_begun(&self) -> bool {
        self.at > 0 || self.sent > 0
    }

    /// Puts as much of the piece under way as fits to the front of `payload`, and goes on to the next where it ends.
    fn put(&mut self, codec: Codec, samples: usize, payload: &mut [u8]) -> Put {
        let piece = &self.pieces[self.at];
        let put = match piece {
            Piece::Prompt(prompt) => prompt.put(codec, self.sent, samples, payload),
            Piece::Silence(_) => {
                let samples = samples.min(piece.samples() - self.sent);
                Put { samples, octets: codec.put_silence(samples, payload) }
            }
        };
        self.sent += put.samples;
        if self.sent >= piece.end(codec) {
            self.begin_next();
        }
        put
    }

    fn begin_next(&mut self) {
        self.sent = 0;
        self.at += 1;
        if self.repeat && self.at == self.pieces.len() {
            self.at = 0;
        }
    }
}

impl Piece {
    /// Where it ends in a codec.
    fn end(&self, codec: Codec) -> usize {
        match self {
            Self::Prompt(prompt) => prompt.end(codec),
            Self::Silence(_) => self.samples(),
        }
    }

    fn samples(&self) -> usize {
        match self {
            Self::Prompt(prompt) => prompt.len(),
            Self::Silence(span) => {
                let samples = span.as_nanos() * u128::from(SAMPLE_RATE) / 1_000_000_000;
                samples.try_into().unwrap_or(usize::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::audio::Prompt;

    const MS: Duration = Duration::from_millis(1);

    fn pieces(prompts: &[&Arc<Prompt>]) -> Vec<Piece> {
        prompts.iter().map(|prompt| Piece::Prompt(Arc::clone(prompt))).collect()
    }

    /// What so many packets of 20 ms hold, and which playing ended with each.
    fn filled(playout: &mut Playout, codec: Codec, packets: usize) -> (Vec<u8>, Vec<Option<PlayId>>) {
        let mut sent = vec![0; packets * 160];
        let ends = sent.chunks_mut(160).map(|payload| playout.fill(codec, 160, payload).ended).collect();
        (sent, ends)
    }

    fn prompt(samples: i32, seed: i32) -> Arc<Prompt> {
        let samples: Vec<i16> = (0..samples).map(|n| ((n * 97 + seed) % 32_000) as i16).collect();
        Arc::new(Prompt::from_samples(&samples))
    }

    #[test]
    fn pieces_follow_each_other_without_a_gap() {
        let (first, empty, second) = (prompt(250, 3), prompt(0, 0), prompt(70, 5));
        let mut playout = Playout::default();
        let mut all = pieces(&[&empty, &first, &empty]);
        all.extend([Piece::Silence(10 * MS), Piece::Silence(Duration::ZERO), Piece::Prompt(second.clone())]);
        assert_eq!(playout.play(PlayId(1), all, false), None);
        let (sent, ends) = filled(&mut playout, Codec::Pcma, 4);
        let pause = [Codec::Pcma.silence(); 80];
        let mut expected = [first.octets(Codec::Pcma), &pause, second.octets(Codec::Pcma)].concat();
        assert_eq!(ends, [None, None, Some(PlayId(1)), None], "400 samples end within the third packet");
        expected.resize(640, Codec::Pcma.silence());
        assert_eq!(sent, expected);
    }

    #[test]
    fn nothing_to_play_has_ended_at_once() {
        let mut playout = Playout::default();
        let nothings = [vec![], pieces(&[&prompt(0, 0)]), vec![Piece::Silence(Duration::from_micros(124))]];
        for (nothing, repeat) in
            nothings.into_iter().flat_map(|pieces| [(pieces.clone(), false), (pieces, true)])
        {
            assert_eq!(playout.play(PlayId(7), nothing, repeat), Some(PlayId(7)));
            assert_eq!(filled(&mut playout, Codec::Pcmu, 1), (vec![Codec::Pcmu.silence(); 160], vec![None]));
        }
    }

    #[test]
    fn what_repeats_begins_anew_within_a_packet_until_something_else_plays() {
        let (first, second, other) = (prompt(130, 1), prompt(25, 2), prompt(160, 3));
        let mut playout = Playout::default();
        playout.play(PlayId(1), pieces(&[&first, &second]), true);
        let (sent, ends) = filled(&mut playout, Codec::Pcmu, 31);
        let round = [first.octets(Codec::Pcmu), second.octets(Codec::Pcmu)].concat();
        let expected: Vec<u8> = round.iter().copied().cycle().take(31 * 160).collect();
        assert!(sent == expected && ends.iter().all(Option::is_none), "32 rounds in 31 packets");
        playout.play(PlayId(2), pieces(&[&other]), false);
        let (sent, ends) = filled(&mut playout, Codec::Pcmu, 2);
        assert_eq!((&sent[..160], ends), (other.octets(Codec::Pcmu), vec![Some(PlayId(2)), None]));
        playout.play(PlayId(3), pieces(&[&first]), true);
        playout.stop();
        assert_eq!(filled(&mut playout, Codec::Pcmu, 1).0, [Codec::Pcmu.silence(); 160]);
    }

    #[test]
    fn a_decoder_that_predicts_has_a_rest_after_a_cut() {
        let (first, second) = (prompt(1000, 1), prompt(160, 2));
        let table = [
            ("cut off by another", Codec::G722, 1, 0, 160),
            ("stopped a while ago", Codec::G722, 1, 1, 0),
            ("nothing of it had been sent", Codec::G722, 0, 0, 0),
            ("a codec that predicts nothing", Codec::Pcma, 1, 0, 0),
        ];
        for (name, codec, sounded, silent, rest) in table {
            let mut playout = Playout::default();
            playout.play(PlayId(1), pieces(&[&first]), false);
            filled(&mut playout, codec, sounded);
            playout.stop();
            filled(&mut playout, codec, silent);
            playout.play(PlayId(2), pieces(&[&second]), false);
            let (sent, _) = filled(&mut playout, codec, 2);
            let (silence, sound) = sent.split_at(rest);
            assert!(silence.iter().all(|octet| *octet == codec.silence()), "{name}");
            assert_eq!(&sound[..160], second.octets(codec), "{name}");
        }
    }

    #[test]
    fn a_silence_may_be_as_long_as_any() {
        let mut playout = Playout::default();
        let endless = vec![Piece::Silence(Duration::MAX), Piece::Silence(Duration::MAX)];
        playout.play(PlayId(1), endless, true);
        assert_eq!(filled(&mut playout, Codec::G722, 3), (vec![Codec::G722.silence(); 480], vec![None; 3]));
    }

    #[test]
    fn the_last_command_is_the_one_that_counts() {
        let mut playout = Playout::default();
        playout.play(PlayId(1), pieces(&[&prompt(1000, 1)]), false);
        filled(&mut playout, Codec::Pcmu, 1);
        let second = prompt(160, 2);
        playout.play(PlayId(2), pieces(&[&second]), false);
        let (sent, ends) = filled(&mut playout, Codec::Pcmu, 1);
        assert_eq!((&sent[..], ends), (second.octets(Codec::Pcmu), vec![Some(PlayId(2))]));
        playout.play(PlayId(3), pieces(&[&prompt(1000, 3)]), false);
        playout.stop();
        assert_eq!(filled(&mut playout, Codec::Pcmu, 1), (vec![Codec::Pcmu.silence(); 160], vec![None]));
    }

    /// What is sent in a number of packets of 20 ms.
    fn sent(playout: &mut Playout, codec: Codec, packets: usize) -> Vec<Vec<u8>> {
        let packet = |_| {
            let mut payload = [0; 480];
            let filled = playout.fill(codec, 160, &mut payload);
            payload[..filled.octets].to_vec()
        };
        (0..packets).map(packet).collect()
    }

    fn with_opus(samples: usize) -> Arc<Prompt> {
        let tone = |step: u16| -> Vec<i16> {
            let loud = |at: usize| if (at / usize::from(step * 8)).is_multiple_of(2) { 6000 } else { -6000 };
            (0..samples * usize::from(step)).map(loud).collect()
        };
        Arc::new(Prompt::new(&tone(1), Some(&tone(2))).with_opus(&tone(2)))
    }

    #[test]
    fn packets_of_opus_are_each_of_one_prompt() {
        // 300 samples and what the encoder lags behind are two packets, 310 are three.
        let (first, second) = (with_opus(300), with_opus(310));
        let packet = |prompt: &Prompt, number: usize| {
            let mut room = [0; 480];
            let piece = prompt.put(Codec::Opus, number * 160, 160, &mut room);
            room[..piece.octets].to_vec()
        };
        let mut playout = Playout::default();
        assert_eq!(playout.play(PlayId(1), pieces(&[&first, &prompt(0, 0), &second]), false), None);
        let packets = second.end(Codec::Opus).div_ceil(160);
        let mut expected: Vec<_> = (0..2).map(|number| packet(&first, number)).collect();
        expected.extend((0..packets).map(|number| packet(&second, number)));
        expected.push(vec![0xB8, 0xFF, 0xFE]);
        assert_eq!(sent(&mut playout, Codec::Opus, 3 + packets), expected);
    }

    #[test]
    fn a_change_to_opus_and_back_keeps_the_place() {
        let long = with_opus(1600);
        let mut playout = Playout::default();
        playout.play(PlayId(1), pieces(&[&long]), false);
        let mut payload = [0; 480];
        playout.fill(Codec::Pcmu, 240, &mut payload);
        let mut room = [0; 480];
        let second = long.put(Codec::Opus, 160, 160, &mut room);
        assert_eq!(
            sent(&mut playout, Codec::Opus, 1),
            [room[..second.octets].to_vec()],
            "the one that 240 is in"
        );
        assert_eq!(sent(&mut playout, Codec::Pcmu, 1), [long.octets(Codec::Pcmu)[320..480].to_vec()]);
    }
}
