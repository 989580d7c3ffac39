//! What is playing, and how far it has come.
//!
//! A position counts samples, which are octets in either codec, so a change of codec keeps its place.

use std::sync::Arc;

use super::PlayId;
use crate::audio::{Codec, Prompt};

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

    /// Fills a payload with what comes next, and with silence behind its end. Tells a playing whose last sample
    /// is in it.
    pub(super) fn fill(&mut self, codec: Codec, mut payload: &mut [u8]) -> Option<PlayId> {
        while let Some(playing) = &mut self.playing
            && !payload.is_empty()
        {
            payload = playing.fill(codec, payload);
            if playing.current.is_none() {
                payload.fill(codec.silence());
                return self.playing.take().map(|playing| playing.id);
            }
        }
        payload.fill(codec.silence());
        None
    }
}

impl Playing {
    /// Puts as much of the current prompt as fits to the front of `payload`, and gives back the rest of it.
    fn fill<'a>(&mut self, codec: Codec, payload: &'a mut [u8]) -> &'a mut [u8] {
        let Some((prompt, sent)) = &mut self.current else { return payload };
        let sound = &prompt.octets(codec)[*sent..];
        let (front, rest) = payload.split_at_mut(sound.len().min(payload.len()));
        front.copy_from_slice(&sound[..front.len()]);
        *sent += front.len();
        if front.len() == sound.len() {
            self.current = self.next_with_sound();
        }
        rest
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
            ends.push(playout.fill(Codec::Pcma, &mut payload));
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
        assert_eq!(playout.fill(Codec::Pcmu, &mut payload), None);
        assert_eq!(payload, [Codec::Pcmu.silence(); 4]);
    }

    #[test]
    fn the_last_command_is_the_one_that_counts() {
        let mut playout = Playout::default();
        let mut payload = [0; 160];
        playout.play(PlayId(1), vec![prompt(1000, 1)]);
        playout.fill(Codec::Pcmu, &mut payload);
        let second = prompt(160, 2);
        playout.play(PlayId(2), vec![second.clone()]);
        assert_eq!(playout.fill(Codec::Pcmu, &mut payload), Some(PlayId(2)));
        assert_eq!(payload, second.octets(Codec::Pcmu));
        playout.play(PlayId(3), vec![prompt(1000, 3)]);
        playout.stop();
        assert_eq!(playout.fill(Codec::Pcmu, &mut payload), None);
        assert_eq!(payload, [Codec::Pcmu.silence(); 160]);
    }
}
