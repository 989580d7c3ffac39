//! What the test caller does, as text: `prompt,10000001,speech,500ms,4711#`.

use std::collections::VecDeque;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::ear::Heard;
use crate::secret::Digit;

/// From the beginning of one key to the beginning of the next: a 100 ms event and a 60 ms gap, which any
/// receiver must tell apart (ITU-T Q.24 asks for 40 ms each).
pub const KEY_PERIOD: Duration = Duration::from_millis(160);
/// How long a key is held.
pub const KEY_HELD: Duration = Duration::from_millis(100);
/// The longest pause that can be asked for.
const PAUSE_MAX: Duration = Duration::from_mins(10);

/// One step of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Wait until a prompt that has not been used yet was heard and is over.
    Prompt,
    /// Wait until a prompt that has not been used yet begins.
    Speech,
    /// Wait.
    Pause(Duration),
    /// Press these one after another.
    Keys(VecDeque<Digit>),
}

/// Why a script could not be read. The text is not repeated: it may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// A step that is none of the known ones; counted from 1.
    #[error(
        "step {0} is neither `prompt`, `speech`, a pause such as `500ms` or `2s`, nor keys (0-9, *, #, A-D)"
    )]
    UnknownStep(usize),
    /// A pause beyond the longest one; counted from 1.
    #[error("step {0} pauses for more than 10 minutes")]
    TooLong(usize),
}

/// What the script wants now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// Press this key now.
    Press(Digit),
    /// All keys of this step have been pressed; this many.
    Pressed(usize),
}

/// A script on its way: told what is heard, it says when to press which key.
///
/// Each prompt is used once. `prompt` uses up the oldest one that is over, `speech` the beginning of the oldest one
/// that has begun, and keys use up whatever has begun before the first of them: they answer it, and stop it if it
/// still plays.
#[derive(Debug, Clone, Default)]
pub struct Script {
    steps: VecDeque<Step>,
    /// When the step at the front may go on, where it is one that waits for the clock.
    due: Option<Instant>,
    pressed: usize,
    begun: u32,
    over: u32,
    begun_used: u32,
    over_used: u32,
}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        let items = text.split(',').map(str::trim).enumerate().filter(|(_, item)| !item.is_empty());
        let steps = items.map(|(index, item)| Step::parse(item, index + 1)).collect::<Result<_, _>>()?;
        Ok(Self { steps, ..Self::default() })
    }
}

impl Step {
    fn parse(item: &str, number: usize) -> Result<Self, ScriptError> {
        match item {
            "prompt" => return Ok(Self::Prompt),
            "speech" => return Ok(Self::Speech),
            _ => {}
        }
        let milliseconds =
            |count: &str, unit: u64| count.parse::<u64>().ok().map(|count| count.saturating_mul(unit));
        let pause = match item.strip_suffix("ms") {
            Some(count) => milliseconds(count, 1),
            None => item.strip_suffix('s').and_then(|count| milliseconds(count, 1000)),
        };
        if let Some(pause) = pause.map(Duration::from_millis) {
            return if pause > PAUSE_MAX {
                Err(ScriptError::TooLong(number))
            } else {
                Ok(Self::Pause(pause))
            };
        }
        let keys = item.chars().map(Digit::from_char).collect::<Option<_>>();
        keys.map(Self::Keys).ok_or(ScriptError::UnknownStep(number))
    }
}

impl Script {
    /// Forgets what is left to do.
    pub fn abandon(&mut self) {
        self.steps.clear();
        self.due = None;
    }

    /// Whether a step that is left waits for something to be heard.
    pub fn listens(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Prompt | Step::Speech))
    }

    /// Takes note of what was heard.
    pub fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Began(_) => self.begun += 1,
            Heard::Ended(_) => self.over += 1,
        }
    }

    /// When to ask for the next want at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// The next thing to do at `now`, if any; ask until there is none.
    pub fn poll_want(&mut self, now: Instant) -> Option<Want> {
        loop {
            if self.due.is_some_and(|due| now < due) {
                return None;
            }
            match self.steps.front_mut()? {
                Step::Prompt if self.over > self.over_used => {
                    self.over_used += 1;
                    self.begun_used = self.begun_used.max(self.over_used);
                }
                Step::Speech if self.begun > self.begun_used => self.begun_used += 1,
                Step::Prompt | Step::Speech => return None,
                Step::Pause(pause) => {
                    if self.due.is_none() {
                        self.due = Some(now + *pause);
                        continue;
                    }
                }
                Step::Keys(keys) => {
                    let key = keys.pop_front();
                    return Some(self.press(key, now));
                }
            }
            self.next_step();
        }
    }

    fn press(&mut self, key: Option<Digit>, now: Instant) -> Want {
        let Some(key) = key else {
            self.next_step();
            return Want::Pressed(std::mem::take(&mut self.pressed));
        };
        // Only the first: a terminator may come after its entry has ended by itself and the next prompt has begun.
        if self.pressed == 0 {
            (self.begun_used, self.over_used) = (self.begun, self.begun);
        }
        self.pressed += 1;
        self.due = Some(self.due.unwrap_or(now) + KEY_PERIOD);
        Want::Press(key)
    }

    fn next_step(&mut self) {
        self.steps.pop_front();
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
        Instant::now()
    }

    fn script(text: &str) -> Script {
        text.parse().expect("a good script")
    }

    /// All that the script wants at `now`, keys as themselves and the end of keys as their count.
    fn wants(script: &mut Script, now: Instant) -> String {
        let mut text = String::new();
        while let Some(want) = script.poll_want(now) {
            match want {
                Want::Press(key) => text.push(key.expose()),
                Want::Pressed(count) => {
                    text.extend(['(', char::from_digit(count as u32, 10).unwrap_or('?'), ')']);
                }
            }
        }
        text
    }

    /// All that the script wants until it waits for something other than the clock.
    fn wants_in_time(script: &mut Script, mut now: Instant) -> String {
        let mut text = wants(script, now);
        while let Some(due) = script.poll_timeout() {
            assert!(due > now, "time goes on");
            now = due;
            text.push_str(&wants(script, now));
        }
        text
    }

    #[test]
    fn scripts_are_read_or_refused() {
        let table = [
            ("", Ok(())),
            (" prompt , speech,500ms,2s,4711#,*,A ", Ok(())),
            ("4711#,hello", Err(ScriptError::UnknownStep(2))),
            ("promptly", Err(ScriptError::UnknownStep(1))),
            ("500 ms", Err(ScriptError::UnknownStep(1))),
            ("601s", Err(ScriptError::TooLong(1))),
            ("99999999999999999999s", Err(ScriptError::UnknownStep(1))),
            ("18446744073709551615s", Err(ScriptError::TooLong(1))),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<Script>().map(|_| ()), expected, "{text:?}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_what_was_keyed() {
        let error = "4711x".parse::<Script>().expect_err("x is no key");
        assert!(!format!("{error} {error:?}").contains("4711"));
        assert!(!format!("{:?}", script("4711")).contains("4711"));
    }

    #[test]
    fn keys_are_pressed_one_after_another() {
        let zero = start();
        let mut script = script("12");
        assert_eq!(wants(&mut script, zero), "1");
        assert_eq!(wants(&mut script, zero + KEY_PERIOD / 2), "");
        assert_eq!(wants(&mut script, zero + KEY_PERIOD), "2");
        assert_eq!(wants(&mut script, zero + KEY_PERIOD * 2), "(2)");
        assert_eq!(script.poll_timeout(), None, "nothing is left to do");
    }

    #[test]
    fn a_prompt_is_awaited_to_its_end() {
        let zero = start();
        let mut script = script("prompt,1");
        assert_eq!(wants_in_time(&mut script, zero), "");
        script.heard(Heard::Began(zero));
        assert_eq!(wants_in_time(&mut script, zero), "");
        script.heard(Heard::Ended(zero));
        assert_eq!(wants_in_time(&mut script, zero), "1(1)");
    }

    #[test]
    fn speech_is_awaited_to_its_beginning() {
        let zero = start();
        let mut script = script("speech,1,speech,2");
        script.heard(Heard::Began(zero));
        assert_eq!(wants_in_time(&mut script, zero), "1(1)");
        script.heard(Heard::Ended(zero));
        assert_eq!(wants_in_time(&mut script, zero), "");
        script.heard(Heard::Began(zero));
        assert_eq!(wants_in_time(&mut script, zero), "2(1)");
    }

    #[test]
    fn keys_use_up_the_prompt_that_they_stop() {
        let zero = start();
        let mut script = script("speech,1,prompt,2");
        script.heard(Heard::Began(zero));
        assert_eq!(wants_in_time(&mut script, zero), "1(1)");
        script.heard(Heard::Ended(zero));
        assert_eq!(wants_in_time(&mut script, zero), "", "the prompt that was stopped does not count");
        script.heard(Heard::Began(zero));
        script.heard(Heard::Ended(zero));
        assert_eq!(wants_in_time(&mut script, zero), "2(1)");
    }

    #[test]
    fn speech_and_prompt_may_mean_the_same_prompt() {
        let zero = start();
        let mut script = script("speech,prompt,1");
        script.heard(Heard::Began(zero));
        assert_eq!(wants_in_time(&mut script, zero), "");
        script.heard(Heard::Ended(zero));
        assert_eq!(wants_in_time(&mut script, zero), "1(1)");
    }

    #[test]
    fn a_script_listens_as_long_as_it_waits_for_a_prompt() {
        let zero = start();
        let mut script = script("1,speech,2");
        assert!(script.listens());
        script.heard(Heard::Began(zero));
        assert_eq!(wants_in_time(&mut script, zero), "1(1)");
        script.heard(Heard::Began(zero));
        assert_eq!(wants(&mut script, zero + KEY_PERIOD), "2");
        assert!(!script.listens());
    }

    #[test]
    fn pauses_take_their_time() {
        let zero = start();
        let mut script = script("500ms,1");
        assert_eq!(wants(&mut script, zero), "");
        assert_eq!(wants(&mut script, zero + Duration::from_millis(499)), "");
        assert_eq!(wants(&mut script, zero + Duration::from_millis(500)), "1");
        script.abandon();
        assert_eq!(wants_in_time(&mut script, zero + Duration::from_secs(9)), "");
    }
}
