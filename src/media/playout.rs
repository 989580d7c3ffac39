//! What is playing, and how far it has come.
//!
//! A position counts samples of G.711, whatever the codec, so a change of codec keeps its place.

use std::sync::Arc;

use super::PlayId;
use crate::audio::{Codec, Prompt, Put};

/// Plays one list of prompts at a time, and silence otherwise.
#[derive(Debug, Default)]
pub(super) struct Playout {
    playing: Option<Playing>,
}

#[derive(Debug)]
struct Playing {
    id: PlayId,
    prompts: std::vec::IntoIter<Arc<Prompt>>,
    /// The prompt under way and how many of its samples have been sent.
    current: Option<(Arc<Prompt>, usize)>,
}

impl Playout {
    /// Plays these in place of whatever was playing. If there is no sound in them the playing has ended already,
    /// and its name comes back.
    pub(super) fn play(&mut self, id: PlayId, prompts: Vec<Arc<Prompt>>) -> Option<PlayId> {
        let mut playing = Playing { id, prompts: prompts.into_iter(), current: None };
        playing.current = playing.next_with_sound();
        let silent = playing.current.is_none();
        self.playing = (!silent).then_some(playing);
        silent.then_some(id)
    }

    /// Stops what is playing.
    pub(super) fn stop(&mut self) {
        self.playing = None;
    }

    /// Fills a payload of this many samples with what comes next, and with silence behind its end.
    pub(super) fn fill(&mut self, codec: Codec, samples: usize, payload: &mut [u8]) -> Filled {
        let mut filled = Filled { octets: 0, ended: None };
        let mut rest = samples;
        while let Some(playing) = &mut self.playing
            && rest > 0
        {
            let piece = playing.put(codec, rest, &mut payload[filled.octets..]);
            filled.octets += piece.octets;
            rest = rest.saturating_sub(piece.samples);
            if codec == Codec::Opus {
                // A packet of Opus is of one prompt, and is what there is to send, however much of it has been heard.
                rest = 0;
            }
            if playing.current.is_none() {
                filled.ended = self.playing.take().map(|playing| playing.id);
            }
        }
        filled.octets += codec.put_silence(rest, &mut payload[filled.octets..]);
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
    /// Puts as much of the current prompt as fits to the front of `payload`, and goes on to the next where it ends.
    fn put(&mut self, codec: Codec, samples: usize, payload: &mut [u8]) -> Put {
        let Some((prompt, sent)) = &mut self.current else { return Put { samples: 0, octets: 0 } };
        let piece = prompt.put(codec, *sent, samples, payload);
        *sent += piece.samples;
        if *sent >= prompt.end(codec) {
            self.current = self.next_with_sound();
        }
        piece
    }

    fn next_with_sound(&mut self) -> Option<(Arc<Prompt>, usize)> {
        self.prompts.find(|prompt| !prompt.is_empty()).map(|prompt| (prompt, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(samples: i32, seed: i32) -> Arc<Prompt> {
        let samples: Vec<i16> = (0..samples).map(|n| ((n * 97 + seed) % 32_000) as i16).collect();
        Arc::new(Prompt::from_samples(&samples))
    }

    #[test]
    fn prompts_follow_each_other_without_a_gap() {
        let (first, empty, second) = (prompt(250, 3), prompt(0, 0), prompt(70, 5));
        let mut playout = Playout::default();
        assert_eq!(playout.play(PlayId(1), vec![empty.clone(), first.clone(), empty, second.clone()]), None);
        let mut sent = Vec::new();
        let mut ends = Vec::new();
        for _ in 0..3 {
            let mut payload = [0; 160];
            ends.push(playout.fill(Codec::Pcma, 160, &mut payload).ended);
            sent.extend(payload);
        }
        let mut expected = [first.octets(Codec::Pcma), second.octets(Codec::Pcma)].concat();
        assert_eq!(ends, [None, Some(PlayId(1)), None], "320 samples end with the second packet");
        expected.resize(480, Codec::Pcma.silence());
        assert_eq!(sent, expected);
    }

    #[test]
    fn nothing_to_play_has_ended_at_once() {
        let mut playout = Playout::default();
        assert_eq!(playout.play(PlayId(7), vec![]), Some(PlayId(7)));
        assert_eq!(playout.play(PlayId(8), vec![prompt(0, 0)]), Some(PlayId(8)));
        let mut payload = [0; 4];
        assert_eq!(playout.fill(Codec::Pcmu, 4, &mut payload), Filled { octets: 4, ended: None });
        assert_eq!(payload, [Codec::Pcmu.silence(); 4]);
    }

    #[test]
    fn the_last_command_is_the_one_that_counts() {
        let mut playout = Playout::default();
        let mut payload = [0; 160];
        playout.play(PlayId(1), vec![prompt(1000, 1)]);
        playout.fill(Codec::Pcmu, 160, &mut payload);
        let second = prompt(160, 2);
        playout.play(PlayId(2), vec![second.clone()]);
        assert_eq!(playout.fill(Codec::Pcmu, 160, &mut payload).ended, Some(PlayId(2)));
        assert_eq!(payload, second.octets(Codec::Pcmu));
        playout.play(PlayId(3), vec![prompt(1000, 3)]);
        playout.stop();
        assert_eq!(playout.fill(Codec::Pcmu, 160, &mut payload).ended, None);
        assert_eq!(payload, [Codec::Pcmu.silence(); 160]);
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
        assert_eq!(playout.play(PlayId(1), vec![first.clone(), prompt(0, 0), second.clone()]), None);
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
        playout.play(PlayId(1), vec![long.clone()]);
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
