//! The conversation of a line as a graph: steps, and how callers come from one to the next. Drawn as text and as SVG.

mod svg;

use std::fmt::Write as _;

use crate::config::lines;
use crate::flow::{
    After, Announcement, Choice, FactorKind, Identifier, Line, Need, Next, Piece, Question, Then, Turn,
    Verdict,
};
use crate::secret::Digit;

/// A line's conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    title: String,
    steps: Vec<Step>,
    ways: Vec<Way>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    name: String,
    /// What is said or asked there.
    words: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Something is said.
    Said,
    /// Something is asked.
    Asked,
    /// The call leaves the line.
    Exit,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Way {
    from: usize,
    to: usize,
    /// What has callers go there.
    when: String,
}

/// Where a way leads: to a step that is there already, or one that a name stands for.
type Place = usize;

impl Graph {
    /// The conversation of `line`.
    pub fn of(line: &Line) -> Self {
        let mut graph = Self { title: format!("{} {}", line.number, line.name), ..Self::default() };
        Drawing { graph: &mut graph, line }.draw();
        graph
    }

    /// As text: each step, and below it the ways that lead on.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        for (nth, step) in self.steps.iter().enumerate().filter(|(_, step)| step.kind != Kind::Exit) {
            let mark = if step.kind == Kind::Asked { "?" } else { "\"" };
            // Writing to a text cannot fail, here and below.
            let _ = write!(text, "\n{mark} {}", step.name);
            let _ = if step.words.is_empty() { writeln!(text) } else { writeln!(text, "  ({})", step.words) };
            for way in self.ways.iter().filter(|way| way.from == nth) {
                let _ = writeln!(text, "    {:<28} -> {}", way.when, self.steps[way.to].name);
            }
        }
        text
    }

    /// As a picture.
    pub fn svg(&self) -> String {
        svg::draw(self)
    }

    fn step(&mut self, name: impl Into<String>, words: String, kind: Kind) -> Place {
        let name = name.into();
        if let Some(nth) = self.steps.iter().position(|step| step.name == name) {
            return nth;
        }
        self.steps.push(Step { name, words, kind });
        self.steps.len() - 1
    }

    fn way(&mut self, from: Place, to: Place, when: impl Into<String>) {
        let way = Way { from, to, when: when.into() };
        if !self.ways.contains(&way) {
            self.ways.push(way);
        }
    }
}

struct Drawing<'g, 'l> {
    graph: &'g mut Graph,
    line: &'l Line,
}

impl Drawing<'_, '_> {
    fn draw(&mut self) {
        let line = self.line;
        let begin = self.graph.step("call", String::new(), Kind::Said);
        let greeting = self.graph.step("greeting", said(&line.greeting), Kind::Said);
        let first = self.notice(greeting);
        match &line.languages.menu {
            Some((question, keys)) => {
                let menu = self.graph.step("language", said(&question.prompts.ask), Kind::Asked);
                self.graph.way(begin, menu, "open");
                for (key, language) in keys {
                    self.graph.way(menu, first, format!("key {}: {language}", key.expose()));
                }
                self.graph.way(menu, first, "given up");
            }
            None => self.graph.way(begin, first, "open"),
        }
        if let Some((_, closed)) = &line.hours {
            self.exit(begin, closed, "closed");
        }
        self.exit(begin, &line.emergency, "emergency");
        self.identification(greeting);
        for nth in 0..line.factors.len() {
            self.factor(nth);
        }
        self.service();
        if self.graph.steps.iter().any(|step| step.name == "verdict") {
            let verdict = self.verdict();
            self.exit(verdict, &line.next.verified, "verified");
            if line.discretion.is_some() {
                self.exit(verdict, &line.next.unidentified, "not verified");
            } else {
                self.exit(verdict, &line.next.identified, "identified");
                self.exit(verdict, &line.next.unidentified, "unidentified");
            }
        }
    }

    /// The notice, where there is one, and otherwise the greeting, which follows it.
    fn notice(&mut self, greeting: Place) -> Place {
        let Some(notice) = &self.line.notice else { return greeting };
        let step = self.graph.step("notice", said(&notice.question.prompts.ask), Kind::Asked);
        self.graph.way(step, greeting, format!("key {}: accepted", notice.accept.expose()));
        self.given_up(step, &notice.question, greeting);
        step
    }

    fn identification(&mut self, greeting: Place) {
        let line = self.line;
        let identifiers = &line.identification.questions;
        if line.by_number.is_some() {
            let next = self.identified();
            self.graph.way(greeting, next, "number known");
        }
        let first = match (&line.identification.choice, identifiers.is_empty()) {
            (_, true) => self.after_verification(),
            (None, false) => self.identifier(0),
            (Some((question, keys)), false) => {
                let choice = self.graph.step("which identifier", said(&question.prompts.ask), Kind::Asked);
                for (key, nth) in keys {
                    let identifier = self.identifier(*nth);
                    self.graph.way(choice, identifier, format!("key {}", key.expose()));
                }
                let verdict = self.verdict();
                self.given_up(choice, question, verdict);
                choice
            }
        };
        self.graph.way(greeting, first, if line.by_number.is_some() { "number not known" } else { "" });
        for (nth, identifier) in identifiers.iter().enumerate() {
            let step = self.identifier(nth);
            let identified = self.identified();
            let discreet = line.discretion.is_some();
            self.graph.way(step, identified, if discreet { "entered" } else { "one customer" });
            if identifiers.len() > 1 && !discreet {
                let another = self.identifier((nth + 1) % identifiers.len());
                self.graph.way(step, another, "several customers");
            }
            let next = if nth + 1 < identifiers.len() {
                self.identifier(nth + 1)
            } else {
                self.after_verification()
            };
            self.given_up(step, &identifier.question, next);
        }
    }

    fn identifier(&mut self, nth: usize) -> Place {
        let identifier: &Identifier = &self.line.identification.questions[nth];
        self.graph.step(&*identifier.name, asked(&identifier.question), Kind::Asked)
    }

    /// Where callers come once it is known who they are.
    fn identified(&mut self) -> Place {
        if self.line.factors.is_empty() { self.after_verification() } else { self.factor_step(0) }
    }

    fn factor_step(&mut self, nth: usize) -> Place {
        let factor = &self.line.factors[nth];
        let kind = match &factor.kind {
            FactorKind::Whole => "",
            FactorKind::Date => "a date, ",
            FactorKind::Partial { .. } => "some places, ",
            FactorKind::Code(_) => "a one-time code, ",
        };
        let words = format!("{kind}{}", asked(&factor.question));
        self.graph.step(format!("factor {}", factor.name), words, Kind::Asked)
    }

    fn factor(&mut self, nth: usize) {
        let factor = &self.line.factors[nth];
        let step = self.factor_step(nth);
        let done = self.after_verification();
        let next = if nth + 1 < self.line.factors.len() { self.factor_step(nth + 1) } else { done };
        self.graph.way(step, next, "right");
        if let Need::RequiredBelow(level) = factor.need {
            self.graph.way(step, next, format!("number trusted: {}", lines::trust_word(level)));
        }
        let without = if factor.need == Need::Optional { next } else { done };
        self.given_up(step, &factor.question, without);
    }

    /// Where a question that came to nothing leads. `next` is the next question.
    fn given_up(&mut self, step: Place, question: &Question, next: Place) {
        let attempts = question.retries.total + 1;
        let ways = [
            (question.opt_out.map(|key| format!("key {}", key.expose())), &question.opted_out),
            (Some(format!("{attempts} entries failed")), &question.exhausted),
        ];
        for (when, after) in ways {
            let Some(when) = when else { continue };
            let to = match after {
                After::Next => next,
                After::Verdict => self.verdict(),
                After::Then(then) => self.then(then),
            };
            self.graph.way(step, to, when);
        }
    }

    fn after_verification(&mut self) -> Place {
        if self.line.service.is_some() { self.menu_step(0) } else { self.verdict() }
    }

    fn menu_step(&mut self, nth: usize) -> Place {
        let Some(menu) = self.line.service.as_ref().and_then(|service| service.menus.get(nth)) else {
            return self.verdict();
        };
        self.graph.step(format!("menu {}", menu.name), said(&menu.question.prompts.ask), Kind::Asked)
    }

    fn service(&mut self) {
        let Some(service) = &self.line.service else { return };
        let verdict = self.verdict();
        for (nth, menu) in service.menus.iter().enumerate() {
            let step = self.menu_step(nth);
            if nth == 0 && service.needs != Verdict::Unidentified {
                self.graph.way(step, verdict, format!("not {}", service.needs.as_str()));
            }
            for (key, choice) in &menu.choices {
                let to = self.turn(choice);
                self.graph.way(step, to, key_says(*key, choice));
            }
            self.given_up(step, &menu.question, verdict);
        }
    }

    fn turn(&mut self, choice: &Choice) -> Place {
        match &choice.then {
            Turn::Menu(nth) => self.menu_step(*nth),
            Turn::Verdict => self.verdict(),
            Turn::Then(then) => self.then(then),
        }
    }

    fn verdict(&mut self) -> Place {
        self.graph.step("verdict", String::new(), Kind::Said)
    }

    fn exit(&mut self, from: Place, next: &Next, when: &str) {
        let to = self.then(&next.then);
        let words = said(&next.say);
        self.graph.way(from, to, if words.is_empty() { when.to_owned() } else { format!("{when}: {words}") });
    }

    fn then(&mut self, then: &Then) -> Place {
        let name = match then {
            Then::HandOver(targets) => {
                let names: Vec<&str> = targets.iter().map(crate::flow::TargetName::as_str).collect();
                format!("hand over to {}", names.join(", then "))
            }
            Then::Line(line) => format!("line {line}"),
            Then::HangUp => "hang up".into(),
        };
        self.graph.step(name, String::new(), Kind::Exit)
    }
}

fn key_says(key: Digit, choice: &Choice) -> String {
    let words = said(&choice.say);
    let key = key.expose();
    if words.is_empty() { format!("key {key}") } else { format!("key {key}: {words}") }
}

fn asked(question: &Question) -> String {
    let (min, max) = (question.entry.digits_min, question.entry.digits_max);
    let digits = if min == max { format!("{max} digits") } else { format!("{min} to {max} digits") };
    let confirmed = if question.confirm.is_some() { ", confirmed" } else { "" };
    format!("{digits}{confirmed}")
}

/// What is said, in few words: the prompts' names, and dots for values.
fn said(announcement: &Announcement) -> String {
    let words: Vec<String> = announcement
        .pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Silence(_) => None,
            Piece::Value(..) => Some("…".into()),
            Piece::Text(parts, prompt) if prompt.is_none() => {
                Some(format!("a text of {} parts", parts.len()))
            }
            piece => lines::prompt_of(piece).map(|(_, prompt)| prompt.to_string()),
        })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Configuration, schema::REFERENCE};

    fn reference(line: usize) -> Graph {
        let read = Configuration::parse("reference.toml", REFERENCE, &|name| Some(name.to_owned()));
        Graph::of(&read.expect("no faults").lines[line])
    }

    #[test]
    fn a_line_is_drawn_as_text() {
        let lines = [0, 1, 2].map(|line| reference(line).text());
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn every_step_is_in_the_picture_and_every_way_ends_at_one() {
        let graph = reference(1);
        let svg = graph.svg();
        for step in &graph.steps {
            assert!(svg.contains(&format!(">{}<", step.name)), "{} in {svg}", step.name);
        }
        assert_eq!(svg.matches("<path class=\"way\"").count(), graph.ways.len());
        assert!(graph.ways.iter().all(|way| way.to < graph.steps.len() && way.from < graph.steps.len()));
        assert!(!svg.contains("NaN") && svg.ends_with("</svg>\n"));
        let reached = |nth: usize| nth == 0 || graph.ways.iter().any(|way| way.to == nth);
        assert!((0..graph.steps.len()).all(reached), "{graph:?}");
    }
}
