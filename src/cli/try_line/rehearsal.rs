//! A scenario from its file: each step is taken, and what comes of it is compared with what was expected.

use std::fmt::Write as _;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;

use super::back_end::{BackEnd, Real};
use super::conversation::{Conversation, Happened, Now, Said};
use super::texts::{Texts, Values, prompts};
use crate::config::{Configuration, Do, Expected, Scenario};
use crate::flow::TargetName;
use crate::secret::{Digit, Secret};

/// The seed of what is drawn in a scenario: the same every time, so that what passes once passes again.
const SEED: u64 = 0;
/// Fields of a record that are not told in what is kept.
const PERSONAL: [&str; 2] = ["customer", "name"];

/// Why a scenario has failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The row of the file that was not fulfilled, from 1.
    row: usize,
    /// Which step that is, from 1; `None` where it is none.
    step: Option<usize>,
    /// What was expected.
    expected: String,
    /// What there was in its place, where that is a customer's with its field.
    found: Option<(&'static str, String)>,
    /// What the caller heard since the step before.
    heard: Vec<Said>,
    /// How things were left.
    left: &'static str,
}

/// What everything runs in.
#[derive(Debug)]
pub struct Stage<'s> {
    pub configuration: &'s Configuration,
    pub real: Option<&'s Real>,
    pub texts: &'s Texts,
    pub clock: (Instant, Timestamp),
}

impl Stage<'_> {
    /// Runs a scenario.
    pub fn run(&self, scenario: &Scenario) -> Result<(), Box<Failure>> {
        let back_end = BackEnd::of(scenario, self.real);
        let lines = &self.configuration.directory;
        let conversation = Conversation::begin(scenario, lines, back_end, SEED, self.clock);
        let mut run = Run { conversation, texts: self.texts, heard: 0, asked: 0, at: (scenario.row, None) };
        for (nth, step) in scenario.steps.iter().enumerate() {
            run.at = (step.row, Some(nth + 1));
            for what in &step.does {
                run.take(what)?;
            }
        }
        run.at = (scenario.row, None);
        run.finish()?;
        scenario.expected.iter().try_for_each(|expected| run.compare(expected))
    }
}

/// A scenario on its way.
struct Run<'r> {
    conversation: Conversation<'r>,
    texts: &'r Texts,
    /// How much of what has happened earlier steps have heard …
    heard: usize,
    /// … and have seen asked.
    asked: usize,
    /// The row and the number of the step.
    at: (usize, Option<usize>),
}

impl Run<'_> {
    fn take(&mut self, what: &Do) -> Result<(), Box<Failure>> {
        match what {
            Do::Says(text) => {
                self.hear(&format!("to hear `{text}`"), |texts, said| is_said(texts, said, text))
            }
            Do::Holds => self.hear("to hear that it takes a while", |_, said| said.looped),
            Do::Asks(action) => self.see_asked(action.as_str()),
            Do::Keys(keys) => self.press(keys, "to key that"),
            Do::Places(secret) => self.press_places(secret),
            Do::Early(keys) => {
                if self.conversation.playing().is_none() {
                    return self.fail("to key that while something plays");
                }
                self.act();
                self.conversation.press(keys);
                self.go_well("to key that")
            }
            Do::Silence => {
                self.wait_for_turn("to key nothing")?;
                self.act();
                if self.conversation.let_pass() { Ok(()) } else { self.fail("to be waited for") }
            }
            Do::Wait(time) => {
                self.act();
                self.conversation.wait(*time);
                self.go_well("to wait")
            }
            Do::HangsUp => {
                self.act();
                self.conversation.hang_up();
                Ok(())
            }
        }
    }

    /// Goes on until something is heard that `is_it`.
    fn hear(&mut self, expected: &str, is_it: impl Fn(&Texts, &Said) -> bool) -> Result<(), Box<Failure>> {
        let texts = self.texts;
        let found = self
            .go_on_to(self.heard, |happened| matches!(happened, Happened::Said(said) if is_it(texts, said)));
        self.heard = found.ok_or_else(|| Box::new(self.failure(expected)))? + 1;
        Ok(())
    }

    fn see_asked(&mut self, action: &str) -> Result<(), Box<Failure>> {
        let found = self
            .go_on_to(self.asked, |happened| matches!(happened, Happened::Asked(asked) if asked == action));
        self.asked = found
            .ok_or_else(|| Box::new(self.failure(&format!("the back end to be asked for `{action}`"))))?
            + 1;
        Ok(())
    }

    /// The place, from `first` on, of the first thing that `is_it`, sooner or later.
    fn go_on_to(&mut self, first: usize, is_it: impl Fn(&Happened) -> bool) -> Option<usize> {
        let mut looked_at = first;
        loop {
            let happened = self.conversation.happened();
            if let Some(nth) = happened[looked_at..].iter().position(&is_it) {
                return Some(looked_at + nth);
            }
            looked_at = happened.len();
            if self.conversation.go_on() != Now::Different && self.conversation.happened().len() == looked_at
            {
                return None;
            }
        }
    }

    fn press(&mut self, keys: &[Digit], expected: &str) -> Result<(), Box<Failure>> {
        self.wait_for_turn(expected)?;
        self.act();
        self.conversation.press(keys);
        self.go_well(expected)
    }

    fn press_places(&mut self, secret: &Secret) -> Result<(), Box<Failure>> {
        let expected = "to be asked for some digits of a secret that is this long";
        self.wait_for_turn(expected)?;
        let places = self.conversation.places_asked();
        let digit = |place: &usize| {
            let key = secret.expose().chars().nth(place.checked_sub(1)?)?;
            Digit::from_char(key)
        };
        let keys: Option<Vec<Digit>> = places.iter().map(digit).collect();
        let keys = keys.filter(|keys| !keys.is_empty()).ok_or_else(|| Box::new(self.failure(expected)))?;
        self.press(&keys, expected)
    }

    /// Goes on until the line waits for the caller.
    fn wait_for_turn(&mut self, expected: &str) -> Result<(), Box<Failure>> {
        loop {
            match self.conversation.go_on() {
                Now::Different => {}
                Now::Waiting => return Ok(()),
                Now::Over => return self.fail(expected),
            }
        }
    }

    /// What was said and asked before the caller acts is no answer to it.
    fn act(&mut self) {
        self.heard = self.conversation.happened().len();
        self.asked = self.heard;
    }

    fn go_well(&self, expected: &str) -> Result<(), Box<Failure>> {
        if self.conversation.trouble().is_some() { self.fail(expected) } else { Ok(()) }
    }

    /// The caller stays on until the line wants something of them, and hangs up then.
    fn finish(&mut self) -> Result<(), Box<Failure>> {
        while self.conversation.go_on() == Now::Different {}
        self.go_well("the conversation to come to its end")?;
        self.conversation.hang_up();
        Ok(())
    }

    fn compare(&self, expected: &Expected) -> Result<(), Box<Failure>> {
        let found = self.fact(expected.field);
        if found == expected.value {
            return Ok(());
        }
        let Expected { field, value, row } = expected;
        let failure = self.failure(&format!("`{field}` to be {}", shown(value)));
        Err(Box::new(Failure {
            row: *row,
            step: None,
            found: Some((field, shown(&found))),
            left: "",
            ..failure
        }))
    }

    /// What the record says in this field.
    fn fact(&self, field: &str) -> Value {
        let record = serde_json::to_value(self.conversation.record()).unwrap_or_default();
        match field {
            "target" => record["hand_over"]["target"].clone(),
            "hand_over" => record["hand_over"]["outcome"].clone(),
            "targets" => self.conversation.targets().iter().map(TargetName::as_str).collect(),
            field => record[field].clone(),
        }
    }

    fn fail(&self, expected: &str) -> Result<(), Box<Failure>> {
        Err(Box::new(self.failure(expected)))
    }

    fn failure(&self, expected: &str) -> Failure {
        let (row, step) = self.at;
        let said = |happened: &Happened| match happened {
            Happened::Said(said) => Some(said.clone()),
            _ => None,
        };
        let happened = &self.conversation.happened()[self.heard..];
        Failure {
            row,
            step,
            expected: match self.conversation.trouble() {
                Some(trouble) => format!("{expected}; {trouble}"),
                None => expected.to_owned(),
            },
            found: None,
            heard: happened.iter().filter_map(said).collect(),
            left: match self.conversation.step() {
                crate::flow::Step::Ended => "then the call was over",
                _ => "then the line waited",
            },
        }
    }
}

impl Failure {
    /// What went wrong, in some rows of text.
    pub fn text(&self, file: &str, texts: &Texts, values: Values) -> String {
        let mut text = format!("{file}:{}", self.row);
        // Writing to a text cannot fail.
        if let Some(step) = self.step {
            let _ = write!(text, ", step {step}");
        }
        let _ = write!(text, ": expected {}", self.expected);
        match &self.found {
            Some((field, _)) if values == Values::Withheld && PERSONAL.contains(field) => {
                text.push_str(", and it is something else");
            }
            Some((_, found)) => {
                let _ = write!(text, ", and it is {found}");
            }
            None if self.heard.is_empty() => text.push_str("\n  but heard nothing"),
            None => {
                for said in &self.heard {
                    let words = texts.words(said, values);
                    let _ = write!(text, "\n  but heard \"{words}\" ({})", prompts(said).join(" "));
                }
            }
        }
        if !self.left.is_empty() {
            let _ = write!(text, "\n  {}", self.left);
        }
        text
    }
}

/// A value as a file of scenarios would say it.
fn shown(value: &Value) -> String {
    if value.is_null() { "\"none\"".to_owned() } else { value.to_string() }
}

/// Whether this is the name of a prompt that is said, or some words of it.
fn is_said(texts: &Texts, said: &Said, text: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    prompts(said).contains(&text) || plain(&texts.words(said, Values::Told)).contains(&plain(text))
}
