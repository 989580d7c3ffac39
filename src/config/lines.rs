//! Reads `[[lines]]`: what is said to whom, how often, and where it leads.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::fault::Fault;
use super::nearest::{listed, nearest};
use super::section::Section;
use super::{sound, values};
use crate::call::Sound;
use crate::flow::{ActionName, ByVerdict, HandOverPlan, Line, PromptId, Prompts, Question, TargetName};
use crate::secret::Digit;

/// What a line can refer to, and what it takes from other sections.
pub(super) struct Surroundings<'t> {
    /// The names of all actions, faulty ones included.
    pub(super) actions: Vec<&'t str>,
    /// The names of all targets, faulty ones included.
    pub(super) targets: Vec<&'t str>,
    /// `back_end.deadline`.
    pub(super) deadline: Duration,
    /// Whether `records.recordings` keeps any.
    pub(super) keeps_recordings: bool,
}

/// What an action is used for, which decides what it is given and what it has to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// To find the customer of a calling number.
    Number,
    /// To find the customer of a keyed identifier.
    Identifier,
    /// To check a keyed secret.
    Secret,
    /// To send a one-time code.
    Code,
    /// To learn what is told to a customer.
    Record,
}

/// A place in the file that refers to an action.
#[derive(Debug, Clone)]
pub(super) struct Use {
    pub(super) action: String,
    pub(super) purpose: Purpose,
    pub(super) span: std::ops::Range<usize>,
}

/// What the lines came to.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The lines without faults.
    pub(super) usable: Vec<Arc<Line>>,
    /// How they sound, by their numbers.
    pub(super) sounds: HashMap<Arc<str>, Sound>,
    /// Every use of an action, faulty lines' included.
    pub(super) uses: Vec<Use>,
    /// Every target that is used, faulty lines' included.
    pub(super) targets: HashSet<TargetName>,
}

const RING: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_mins(2);
const WAIT: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_mins(5);
const RETRIES: RangeInclusive<u32> = 0..=20;

/// Reads every line of the file.
pub(super) fn read(file: &mut Section<'_>, surroundings: &Surroundings<'_>) -> Lines {
    let mut reader = Reader { surroundings, found: Lines::default() };
    let sections = file.sections("lines", "this line");
    if sections.is_empty() {
        let fault = Fault::of_file("no line answers any call");
        file.note(fault.help("add a [[lines]] section with `number`, `name` and `identifier.digits`"));
    }
    let mut numbers = HashSet::new();
    for mut section in sections {
        let line = reader.line(&mut section, &mut numbers);
        let sound = sound::read(&mut section, surroundings.keeps_recordings);
        section.finish();
        if let Some(line) = line {
            reader.found.sounds.insert(Arc::clone(&line.number), sound);
            reader.found.usable.push(Arc::new(line));
        }
    }
    reader.found
}

struct Reader<'s, 't> {
    surroundings: &'s Surroundings<'t>,
    found: Lines,
}

impl Reader<'_, '_> {
    fn line(&mut self, section: &mut Section<'_>, numbers: &mut HashSet<String>) -> Option<Line> {
        let number = number(section, numbers);
        let name = section.read("name", values::title);
        let ring_for = section.read("ring_for", values::duration(RING)).unwrap_or(Duration::ZERO);
        let greeting = prompt(section, "greeting", "greeting");
        let apology = prompt(section, "apology", "apology");
        let by_number = self.by_number(section);
        let identifier = self.identifier(section);
        let verification = self.verification(section);
        let (hand_over, hand_over_failed) = self.hand_over(section);
        let number: Arc<str> = number?.into();
        Some(Line {
            name: name.map_or_else(|| number.clone(), Arc::from),
            number,
            ring_for,
            greeting,
            by_number,
            identifier: identifier?,
            verification,
            back_end_deadline: self.surroundings.deadline,
            apology,
            hand_over: hand_over?,
            hand_over_failed,
        })
    }

    fn by_number(&mut self, section: &mut Section<'_>) -> Option<ActionName> {
        let wanted = section.flag("identify_by_number").unwrap_or(true);
        if wanted {
            return self.action(section, "number_action", "customer_by_number", Purpose::Number);
        }
        if let Some(value) = section.value("number_action") {
            let fault = Fault::at(value.span(), "this line has an action for numbers, and does not use it");
            section.note(fault.help("say `identify_by_number = true`, or delete this"));
        }
        None
    }

    fn identifier(&mut self, section: &mut Section<'_>) -> Option<Question> {
        let section = section.section("identifier", "this line's `identifier`");
        let defaults = Defaults {
            action: "customer_by_identifier",
            purpose: Purpose::Identifier,
            ask: "ask-identifier",
            no_match: &["identifier-no-match-1", "identifier-no-match-2", "identifier-no-match-3"],
            no_input: &["identifier-no-input-1", "identifier-no-input-2"],
            too_short: &["identifier-too-short-1"],
        };
        self.question(section, &defaults)
    }

    fn verification(&mut self, section: &mut Section<'_>) -> Option<Question> {
        let section = section.section("verification", "this line's `verification`");
        let defaults = Defaults {
            action: "check_pin",
            purpose: Purpose::Secret,
            ask: "ask-secret",
            no_match: &["secret-no-match-1", "secret-no-match-2", "secret-no-match-3"],
            no_input: &["secret-no-input-1", "secret-no-input-2"],
            too_short: &["secret-too-short-1"],
        };
        if section.is_present() { self.question(section, &defaults) } else { None }
    }

    fn question(&mut self, mut section: Section<'_>, defaults: &Defaults) -> Option<Question> {
        let digits = digits(&mut section);
        let retries = section.number("retries", RETRIES).unwrap_or(3);
        let terminator = section.read("terminator", values::terminator).unwrap_or(Some(Digit::HASH));
        let mut wait =
            |key, default| section.read(key, values::duration(WAIT)).unwrap_or(Duration::from_secs(default));
        let first_digit_timeout = wait("first_digit_timeout", 5);
        let inter_digit_timeout = wait("inter_digit_timeout", 3);
        let total_timeout = wait("total_timeout", 30);
        let action = self.action(&mut section, "action", defaults.action, defaults.purpose);
        let prompts = question_prompts(&mut section, defaults);
        section.finish();
        let digits = digits?;
        Some(Question {
            action: action?,
            digits_min: *digits.start(),
            digits_max: *digits.end(),
            terminator,
            retries,
            first_digit_timeout,
            inter_digit_timeout,
            total_timeout,
            prompts,
        })
    }

    /// The action that `key` names, or else the one of this name.
    fn action(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        default: &str,
        purpose: Purpose,
    ) -> Option<ActionName> {
        let known = &self.surroundings.actions;
        let said = section.value(key).is_some();
        let text = section.text(key);
        let (name, span) = match &text {
            Some(text) => (*text.get_ref(), text.span()),
            None if said => return None,
            None => (default, section.span()),
        };
        if !known.contains(&name) {
            let why =
                if said { String::new() } else { format!(", which is the one where `{key}` is not said") };
            let fault = Fault::at(span, format!("there is no action `{name}`{why}"));
            section.note(fault.help(nearest(name, known, "actions")));
            return None;
        }
        self.found.uses.push(Use { action: name.to_owned(), purpose, span });
        Some(ActionName::new(name))
    }

    fn hand_over(&mut self, section: &mut Section<'_>) -> (Option<ByVerdict<HandOverPlan>>, PromptId) {
        let mut section = section.section("hand_over", "this line's `hand_over`");
        let failed = prompt(&mut section, "failed", "hand-over-failed");
        let only = match self.surroundings.targets[..] {
            [only] => Aim::At(TargetName::new(only)),
            _ => Aim::Unsaid,
        };
        let default = self.aim(&mut section, &only);
        let verified = self.plan(&mut section, "verified", "hand-over-verified", &default);
        let identified = self.plan(&mut section, "identified", "hand-over-identified", &default);
        let unidentified = self.plan(&mut section, "unidentified", "hand-over-unidentified", &default);
        if [&verified, &identified, &unidentified].iter().any(|(aim, _)| matches!(aim, Aim::Unsaid)) {
            section.note(self.no_target(&section));
        }
        section.finish();
        let ready = |(aim, prompt)| self.ready(aim, prompt);
        let plans = [verified, identified, unidentified].map(ready);
        let [Some(verified), Some(identified), Some(unidentified)] = plans else { return (None, failed) };
        (Some(ByVerdict { verified, identified, unidentified }), failed)
    }

    fn plan(
        &self,
        section: &mut Section<'_>,
        key: &'static str,
        prompt_default: &str,
        default: &Aim,
    ) -> (Aim, PromptId) {
        let mut section = section.section(key, format!("this line's `{key}`"));
        let prompt = prompt(&mut section, "prompt", prompt_default);
        let aim = self.aim(&mut section, default);
        section.finish();
        (aim, prompt)
    }

    fn ready(&mut self, aim: Aim, prompt: PromptId) -> Option<HandOverPlan> {
        let Aim::At(target) = aim else { return None };
        self.found.targets.insert(target.clone());
        Some(HandOverPlan { prompt, target })
    }

    fn aim(&self, section: &mut Section<'_>, default: &Aim) -> Aim {
        if section.value("target").is_none() {
            return default.clone();
        }
        let Some(text) = section.text("target") else { return Aim::Faulty };
        let (name, known) = (*text.get_ref(), &self.surroundings.targets);
        if known.contains(&name) {
            return Aim::At(TargetName::new(name));
        }
        let fault = Fault::at(text.span(), format!("there is no target `{name}`"));
        section.note(fault.help(nearest(name, known, "targets")));
        Aim::Faulty
    }

    fn no_target(&self, section: &Section<'_>) -> Fault {
        let targets = &self.surroundings.targets;
        let help = match targets[..] {
            [] => "add a [targets.agents] section with `uri = \"sip:…\"`".to_owned(),
            _ => format!("add `hand_over.target = …`; the targets are: {}", listed(targets)),
        };
        Fault::at(section.span(), "this line does not say where its calls go").help(help)
    }
}

/// What a `target` says.
#[derive(Debug, Clone)]
enum Aim {
    At(TargetName),
    Unsaid,
    Faulty,
}

/// What a question has that says nothing of it.
struct Defaults {
    action: &'static str,
    purpose: Purpose,
    ask: &'static str,
    no_match: &'static [&'static str],
    no_input: &'static [&'static str],
    too_short: &'static [&'static str],
}

fn number(section: &mut Section<'_>, numbers: &mut HashSet<String>) -> Option<String> {
    let number = section.need("number", "\"1000\"", values::user)?;
    if numbers.insert(number.clone()) {
        return Some(number);
    }
    let span = section.text("number").map_or(section.span(), |text| text.span());
    let fault = Fault::at(span, format!("there is a line `{number}` already"));
    section.note(fault.help("give one of the two another number, or delete it"));
    None
}

/// `digits`, as a number or as a text.
fn digits(section: &mut Section<'_>) -> Option<RangeInclusive<usize>> {
    let Some(value) = section.value("digits") else {
        section.miss("digits", "8");
        return None;
    };
    match value.get_ref().as_integer() {
        Some(integer) => section.accept(value.span(), values::digits(integer.as_str())),
        None => section.read("digits", values::digits),
    }
}

fn question_prompts(section: &mut Section<'_>, defaults: &Defaults) -> Prompts {
    let mut section = section.section("prompts", "this question's `prompts`");
    let prompts = Prompts {
        ask: prompt(&mut section, "ask", defaults.ask),
        no_match: prompt_list(&mut section, "no_match", defaults.no_match),
        no_input: prompt_list(&mut section, "no_input", defaults.no_input),
        too_short: prompt_list(&mut section, "too_short", defaults.too_short),
    };
    section.finish();
    prompts
}

fn prompt(section: &mut Section<'_>, key: &'static str, default: &str) -> PromptId {
    section.read(key, values::prompt).unwrap_or_else(|| PromptId::new(default))
}

fn prompt_list(section: &mut Section<'_>, key: &'static str, defaults: &[&str]) -> Vec<PromptId> {
    let Some(texts) = section.texts(key) else {
        return defaults.iter().map(|default| PromptId::new(*default)).collect();
    };
    if let Some(value) =
        section.value(key).filter(|value| value.get_ref().as_array().is_some_and(|list| list.is_empty()))
    {
        let fault = Fault::at(value.span(), format!("`{key}` has no prompt"));
        section.note(fault.help("name at least one, or delete this to have the usual ones"));
    }
    texts.iter().filter_map(|text| section.accept(text.span(), values::prompt(text.get_ref()))).collect()
}
