//! Which packets of a source have come: the index of RTP (RFC 3711 §3.3.1 and appendix A) and the replay list (§3.3.2).

/// How far back a packet may be and still be told from one that has come already.
const WIDTH: u64 = 128;
/// Half of what a sequence number can be.
const HALF: u16 = 1 << 15;

/// See the module. Only what has proven to be authentic may be entered.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    /// The highest index so far.
    highest: Option<u64>,
    /// Bit n: the packet n before the highest has come.
    come: u128,
    /// Where nothing has come yet: how often the sequence number may have wrapped before (§3.3.1: a new master key
    /// does not begin anew).
    rollover: u32,
}

impl Window {
    /// A window of the same source under a new key.
    pub(super) fn renewed(&self) -> Self {
        let rollover = self.highest.map_or(self.rollover, |highest| (highest >> 16) as u32);
        Self { highest: None, come: 0, rollover }
    }

    /// Whether there is more to be known of the source than of one that nobody has heard of.
    pub(super) fn has_wrapped_before(&self) -> bool {
        self.rollover > 0
    }

    /// Which index a packet with this sequence number may have, the likeliest first.
    pub(super) fn guesses(&self, sequence: u16) -> [Option<u64>; 2] {
        let beginning = |rollover| Some(u64::from(rollover) << 16 | u64::from(sequence));
        match self.highest {
            Some(highest) => [guess(highest, sequence), None],
            // There are senders that do begin anew with a new key.
            None if self.rollover > 0 => [beginning(self.rollover), beginning(0)],
            None => [beginning(0), None],
        }
    }

    /// Whether a packet of this index has not come yet, as far as can be told.
    pub(super) fn is_new(&self, index: u64) -> bool {
        let Some(highest) = self.highest else { return true };
        match highest.checked_sub(index) {
            Some(back) => back < WIDTH && self.come >> back & 1 == 0,
            None => true,
        }
    }

    /// Enters a packet that has come; tells whether it is the newest.
    pub(super) fn enter(&mut self, index: u64) -> bool {
        let highest = self.highest.unwrap_or(index);
        let ahead = index.saturating_sub(highest);
        if index < highest {
            self.come |= 1_u128.checked_shl((highest - index).min(WIDTH) as u32).unwrap_or(0);
            return false;
        }
        self.come = self.come.checked_shl(ahead.min(WIDTH) as u32).unwrap_or(0) | 1;
        self.highest = Some(index);
        true
    }
}

/// The index nearest to the highest one; `None` where that would be before the first, or after the last there can be.
fn guess(highest: u64, sequence: u16) -> Option<u64> {
    let (rollover, last) = ((highest >> 16) as u32, highest as u16);
    let rollover = if last < HALF && sequence.saturating_sub(last) > HALF {
        rollover.checked_sub(1)?
    } else if last >= HALF && last - HALF > sequence {
        rollover.checked_add(1)?
    } else {
        rollover
    };
    Some(u64::from(rollover) << 16 | u64::from(sequence))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn indices_are_guessed_as_appendix_a_has_it() {
        let at = |rollover: u64, sequence: u64| rollover << 16 | sequence;
        let table = [
            (at(0, 0), 1, Some(at(0, 1))),
            (at(0, 100), 99, Some(at(0, 99))),
            (at(0, 65_535), 0, Some(at(1, 0))),
            (at(0, 65_000), 10, Some(at(1, 10))),
            (at(1, 10), 65_000, Some(at(0, 65_000))),
            (at(1, 0), 1, Some(at(1, 1))),
            (at(1, 32_767), 65_535, Some(at(1, 65_535))),
            (at(1, 32_768), 0, Some(at(1, 0))),
            (at(1, 32_769), 0, Some(at(2, 0))),
            // Before the first packet of all, and after the last that a key may seal.
            (at(0, 10), 65_000, None),
            (at(0xFFFF_FFFF, 65_535), 0, None),
            (at(0xFFFF_FFFF, 5), 65_535, Some(at(0xFFFF_FFFE, 65_535))),
        ];
        for (highest, sequence, expected) in table {
            assert_eq!(guess(highest, sequence), expected, "{highest:#x} {sequence}");
        }
    }

    #[test]
    fn a_new_key_goes_on_counting_or_begins_anew() {
        let mut window = Window::default();
        assert_eq!(window.guesses(7), [Some(7), None]);
        window.enter((3 << 16) + 500);
        let mut renewed = window.renewed();
        assert_eq!(renewed.guesses(501), [Some((3 << 16) + 501), Some(501)]);
        assert_eq!(renewed.renewed().guesses(501), renewed.guesses(501), "nothing has come meanwhile");
        renewed.enter(501);
        assert_eq!(renewed.guesses(502), [Some(502), None]);
        assert!(!renewed.is_new(501));
    }

    #[test]
    fn the_window_has_two_edges() {
        let mut window = Window::default();
        assert!(window.enter(1000));
        assert!(!window.enter(1000 - (WIDTH - 1)));
        let table =
            [(1001, true), (1000, false), (999, true), (1000 - (WIDTH - 1), false), (1000 - WIDTH, false)];
        for (index, new) in table {
            assert_eq!(window.is_new(index), new, "{index}");
        }
        assert!(window.enter(1000 + WIDTH));
        assert!(window.is_new(1001) && !window.is_new(1000), "what has left the window has come");
        assert!(window.enter(u64::MAX >> 16));
        assert!(!window.is_new(1001));
    }

    proptest! {
        /// Whatever comes in whatever order, nothing is let through twice.
        #[test]
        fn nothing_comes_twice(indices in prop::collection::vec(0_u64..400, 1..300)) {
            let mut window = Window::default();
            let mut come = std::collections::HashSet::new();
            for index in indices {
                if window.is_new(index) {
                    prop_assert!(come.insert(index), "{} again", index);
                    window.enter(index);
                } else {
                    let highest = come.iter().max().copied().unwrap_or(0);
                    prop_assert!(come.contains(&index) || index + WIDTH <= highest);
                }
            }
        }

        /// As long as packets are not half a round apart, the guess is right.
        #[test]
        fn guesses_near_the_highest_are_right(highest in 40_000_u64..1 << 40, away in -32_000_i64..32_000) {
            let index = highest.saturating_add_signed(away);
            prop_assert_eq!(guess(highest, index as u16), Some(index));
        }
    }
}
