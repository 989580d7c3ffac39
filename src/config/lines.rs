//! Reads `[[lines]]`: what is said to whom, how often, and where it leads.

mod discretion;
mod factors;
mod hand_over;
mod identifiers;
mod notice;
mod numbers;
mod onward;
mod question;
mod service;
mod spoken;
mod survey;
mod times;

use std::collections::{HashMap, HashSet};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use super::fault::Fault;
use super::nearest::nearest;
use super::section::Section;
use super::stir::{self, Signers};
use super::{sound, values};
use crate::call::{Address, Directory, Sound};
use crate::flow::{
    ActionName, Below, DateOrder, Discretion, Hours, LanguageName, Line, LineName, Next, Patience, Piece,
    PromptId, TargetName, TrustLevel,
};
pub(super) use identifiers::trust;
use spoken::announcement_or;

/// What a line can refer to, and what it takes from other sections.
pub(super) struct Surroundings<'t> {
    /// The names of all actions, faulty ones included.
    pub(super) actions: Vec<&'t str>,
    /// The names of all targets, faulty ones included.
    pub(super) targets: Vec<&'t str>,
    /// Whose signatures under calling numbers are trusted.
    pub(super) signers: &'t Signers,
    /// The names of all trunks without faults.
    pub(super) trunks: Vec<String>,
    /// `back_end.deadline`.
    pub(super) deadline: Duration,
    /// Whether `records.recordings` keeps any.
    pub(super) keeps_recordings: bool,
    /// `prompts.language`.
    pub(super) language: String,
    /// In which order a language writes dates, as its rules say.
    pub(super) date_order: &'t dyn Fn(&LanguageName) -> DateOrder,
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
    /// To check some places of one.
    Places,
    /// To send a one-time code.
    Code,
    /// To learn what is told to a customer.
    Record,
}

impl Purpose {
    /// Every purpose.
    pub(super) const ALL: [Self; 6] =
        [Self::Number, Self::Identifier, Self::Secret, Self::Places, Self::Code, Self::Record];
}

/// A place in the file that refers to an action.
#[derive(Debug, Clone)]
pub(super) struct Use {
    pub(super) action: String,
    pub(super) purpose: Purpose,
    pub(super) span: Range<usize>,
}

/// What the lines came to.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The lines without faults.
    pub(super) usable: Vec<Arc<Line>>,
    /// The same, and what leads to each.
    pub(super) directory: Directory,
    /// How they sound, by their names.
    pub(super) sounds: HashMap<LineName, Sound>,
    /// Those that have passports checked.
    pub(super) passports: HashSet<LineName>,
    /// Every use of an action, faulty lines' included.
    pub(super) uses: Vec<Use>,
    /// Every target that is used, faulty lines' included.
    pub(super) targets: HashSet<TargetName>,
}

const RING: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_mins(2);
const HOLD: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(30);

/// Reads every line of the file.
pub(super) fn read(file: &mut Section<'_>, surroundings: &Surroundings<'_>) -> Lines {
    let sections = file.sections("lines", "this line");
    if sections.is_empty() {
        let fault = Fault::of_file("no line answers any call");
        file.note(fault.help("add a [[lines]] section with `number`, `name` and `identifier.digits`"));
    }
    let mut reader = Reader {
        surroundings,
        names: sections.iter().filter_map(numbers::glance).map(str::to_owned).collect(),
        current: LineName::new(""),
        taken: HashSet::new(),
        edges: Vec::new(),
        seen: Vec::new(),
        found: Lines::default(),
    };
    for mut section in sections {
        let (line, addresses) = reader.line(&mut section);
        let sound = sound::read(&mut section, surroundings.keeps_recordings);
        let passports = stir::wanted(&mut section, surroundings.signers);
        section.finish();
        if let Some(line) = line {
            let line = Arc::new(line);
            reader.found.sounds.insert(line.number.clone(), sound);
            reader.found.passports.extend(passports.then(|| line.number.clone()));
            reader.found.directory.add(Arc::clone(&line), addresses);
            reader.found.usable.push(line);
        }
    }
    survey::look_over(file, &reader);
    reader.found
}

/// The prompt that a piece may need, with its language where that is fixed.
pub(super) fn prompt_of(piece: &Piece) -> Option<(Option<&LanguageName>, &PromptId)> {
    spoken::prompt_of(piece)
}

/// The word for how far a number is trusted.
pub(super) fn trust_word(level: TrustLevel) -> &'static str {
    identifiers::trust_word(level)
}

/// The word for what becomes of a number that is trusted less than a line wants.
pub(super) fn below_word(below: Below) -> &'static str {
    identifiers::below_word(below)
}

/// That something is wrong, of which it has been told.
#[derive(Debug)]
struct Faulty;

/// How callers come from one line to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By what became of them, without a key of theirs.
    Verdict,
    /// Since the line is closed.
    Closed,
    /// Since a question came to nothing.
    Failure,
    /// By a key.
    Key,
}

/// That callers of one line may be taken on to another.
#[derive(Debug, Clone)]
struct Edge {
    from: LineName,
    to: LineName,
    way: Way,
    span: Range<usize>,
}

/// What is to be looked at once all lines are known.
#[derive(Debug, Clone)]
struct Seen {
    name: LineName,
    span: Range<usize>,
    /// Whether calls come to it by themselves.
    is_dialled: bool,
}

struct Reader<'s, 't> {
    surroundings: &'s Surroundings<'t>,
    /// The names of all lines, faulty ones included.
    names: Vec<String>,
    /// The line that is being read.
    current: LineName,
    /// What leads to the lines so far, and their names.
    taken: HashSet<Address>,
    edges: Vec<Edge>,
    seen: Vec<Seen>,
    found: Lines,
}

impl Reader<'_, '_> {
    fn line(&mut self, section: &mut Section<'_>) -> (Option<Line>, Vec<Address>) {
        let (number, addresses) = self.numbers(section);
        self.current = number.clone().unwrap_or_else(|| LineName::new(""));
        let is_dialled = numbers::is_dialled(section);
        self.seen.push(Seen { name: self.current.clone(), span: section.span(), is_dialled });
        (self.conversation(section, number, is_dialled), addresses)
    }

    fn conversation(
        &mut self,
        section: &mut Section<'_>,
        number: Option<LineName>,
        is_dialled: bool,
    ) -> Option<Line> {
        let name = section.read("name", values::title);
        let ring_for = section.read("ring_for", values::duration(RING)).unwrap_or(Duration::ZERO);
        let languages = self.languages(section);
        let hours = self.hours(section);
        let emergency = self.exit(section, "emergency", "apology", Way::Closed);
        let notice = self.notice(section);
        let greeting = announcement_or(section, "greeting", "greeting");
        let apology = announcement_or(section, "apology", "apology");
        let by_number = self.by_number(section);
        let service = self.service(section);
        let identification = self.identification(section, !is_dialled || !matches!(service, Ok(None)));
        let factors = self.factors(section);
        let discretion = Self::discretion(section);
        let patience = self.patience(section, discretion);
        let (next, hand_over_failed) = self.hand_over(section);
        let number = number?;
        let line = Line {
            name: name.map_or_else(|| number.as_str().into(), Arc::from),
            number,
            ring_for,
            hours: hours.ok()?,
            emergency: emergency?,
            languages: languages?,
            notice: notice.ok()?,
            greeting,
            by_number,
            identification: identification?,
            factors: factors?,
            discretion,
            service: service.ok()?,
            patience,
            apology,
            next: next?,
            hand_over_failed,
        };
        discretion::look_over(section, &line);
        Some(line)
    }

    /// When the line is open, and what those hear who call at other times.
    fn hours(&mut self, section: &mut Section<'_>) -> Result<Option<(Hours, Next)>, Faulty> {
        let is_said = section.value("closed").is_some();
        let hours = times::hours(section);
        if is_said && matches!(hours, Ok(None)) {
            let span = section.value("closed").map_or(section.span(), Spanned::span);
            let fault = Fault::at(span, "this line is never closed");
            section.note(fault.help("say its `hours`, or delete this").warning());
        }
        let closed = self.exit(section, "closed", "closed", Way::Closed);
        match hours? {
            None => Ok(None),
            Some(hours) => Ok(Some((hours, closed.ok_or(Faulty)?))),
        }
    }

    /// `back_end` of a line: what callers hear while it takes its time.
    fn patience(&self, section: &mut Section<'_>, discretion: Option<Discretion>) -> Patience {
        let deadline = self.surroundings.deadline;
        let longest = discretion.map_or(deadline, |discretion| discretion.answers_after.max(deadline));
        let mut section = section.section("back_end", "this line's `back_end`");
        let hold_after = section.read("hold_after", values::duration(HOLD));
        let hold = announcement_or(&mut section, "hold", "one-moment");
        let fault = match hold_after {
            None if section.value("hold").is_some() => Some("it is not said after how long this is said"),
            Some(after) if after >= longest => {
                Some("the back end has failed by then, so that this is never said")
            }
            _ => None,
        };
        if let Some(fault) = fault {
            let fault = Fault::at(section.span(), fault);
            section.note(fault.help("let `hold_after` be shorter than `deadline` in [back_end]").warning());
        }
        section.finish();
        Patience { deadline, hold: hold_after.map(|after| (after, hold)) }
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
}
