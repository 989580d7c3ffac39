//! The text of a rule: recordings, and the places where a number is put in.
//!
//! | written | says |
//! |---|---|
//! | `number-hundred` | the recording of that name |
//! | `digit-#` | a recording for each number of the rule's range |
//! | `money-euro-@` | a recording for each plural form; that of what is counted |
//! | `<<`, `<set<` | how often the rule's divisor is in the number, by the same set of rules or another |
//! | `>>`, `>set>` | what remains of it |
//! | `=set=` | the number itself, by another set |
//! | `{day}` | a part of a date, a time or an amount |
//! | `[a]`, `[a\|b]` | `a` where what it says is not zero, else `b` or nothing |

use super::PromptId;

/// Places at which a word can be filled in.
const MARKS: [char; 2] = ['#', '@'];

/// A set of rules, by its place among the sets of its language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SetId(pub usize);

/// One item of a rule's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Word(Word),
    Quotient(SetId),
    Remainder(SetId),
    Same(SetId),
    /// By its place among the [`Scope`]'s slots.
    Slot(usize),
    UnlessZero {
        some: Vec<Part>,
        none: Vec<Part>,
    },
}

/// The name of a recording, or of one of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    before: String,
    mark: Option<Mark>,
    after: String,
}

/// What is filled into a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// `#`
    Number,
    /// `@`
    Plural,
}

/// What a text may refer to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'s> {
    /// The names of all sets, by their [`SetId`]s.
    pub sets: &'s [String],
    /// The set that the text belongs to.
    pub own: Option<SetId>,
    /// The names of the slots.
    pub slots: &'s [&'s str],
    /// Whether the number can be divided.
    pub divides: bool,
    /// Whether the numbers are so few that each can have a recording.
    pub counted: bool,
    /// Whether there is a number at all: there is none in a text of slots.
    pub numbered: bool,
}

impl Word {
    fn parse(text: &str, scope: &Scope<'_>) -> Result<Self, String> {
        let (before, mark, after) = match text.split_once(MARKS) {
            Some((before, after)) if text.contains('#') => (before, Some(Mark::Number), after),
            Some((before, after)) => (before, Some(Mark::Plural), after),
            None => (text, None, ""),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !before.bytes().chain(after.bytes()).all(plain) {
            return Err(format!("`{text}` is neither a recording's name nor a place for a number"));
        }
        if mark == Some(Mark::Number) && !scope.counted {
            return Err(format!("`{text}` needs a range of numbers to the left, such as \"0..9\""));
        }
        if mark == Some(Mark::Plural) && !scope.numbered {
            return Err(format!("`{text}` has no number to go with"));
        }
        Ok(Self { before: before.to_owned(), mark, after: after.to_owned() })
    }

    pub(super) fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// The recording, with this in the place of the mark.
    pub(super) fn with(&self, filled: &str) -> PromptId {
        let filled = if self.mark.is_some() { filled } else { "" };
        PromptId::new([&self.before, filled, &self.after].concat())
    }
}

/// Reads a text.
pub(super) fn parse(text: &str, scope: &Scope<'_>) -> Result<Vec<Part>, String> {
    let spaced = text.replace('[', " [ ").replace('|', " | ").replace(']', " ] ");
    let mut parts = Vec::new();
    let mut bracket: Option<(Vec<Part>, Option<Vec<Part>>)> = None;
    for token in spaced.split_whitespace() {
        match (token, &mut bracket) {
            ("[", None) => bracket = Some((Vec::new(), None)),
            ("|", Some((_, none @ None))) => *none = Some(Vec::new()),
            ("]", Some(_)) => {
                let (some, none) = bracket.take().unwrap_or_default();
                parts.push(unless_zero(some, none.unwrap_or_default(), scope)?);
            }
            ("[" | "|" | "]", _) => return Err(format!("there is a `{token}` where none can be")),
            (_, Some((_, Some(none)))) => none.push(part(token, scope)?),
            (_, Some((some, None))) => some.push(part(token, scope)?),
            (_, None) => parts.push(part(token, scope)?),
        }
    }
    if bracket.is_some() { Err("there is a `[` without its `]`".to_owned()) } else { Ok(parts) }
}

fn unless_zero(some: Vec<Part>, none: Vec<Part>, scope: &Scope<'_>) -> Result<Part, String> {
    if scope.divides || some.iter().any(|part| matches!(part, Part::Slot(_))) {
        return Ok(Part::UnlessZero { some, none });
    }
    Err("nothing inside of the `[ ]` can be zero".to_owned())
}

fn part(token: &str, scope: &Scope<'_>) -> Result<Part, String> {
    let between = |mark: char| token.strip_prefix(mark)?.strip_suffix(mark);
    if let Some(slot) = token.strip_prefix('{').and_then(|slot| slot.strip_suffix('}')) {
        let place = scope.slots.iter().position(|known| *known == slot);
        return place.map(Part::Slot).ok_or_else(|| match scope.slots {
            [] => format!("`{token}` stands for nothing here"),
            slots => format!("`{token}` stands for nothing; there are {{{}}}", slots.join("}, {")),
        });
    }
    if let Some(name) = between('<') {
        return divided(token, scope).and_then(|()| set(name, scope)).map(Part::Quotient);
    }
    if let Some(name) = between('>') {
        return divided(token, scope).and_then(|()| set(name, scope)).map(Part::Remainder);
    }
    match between('=') {
        Some("") => Err("`==` needs the name of a set of rules inside".to_owned()),
        Some(_) if !scope.numbered => Err(format!("`{token}` has no number to say")),
        Some(name) => set(name, scope).map(Part::Same),
        None => Word::parse(token, scope).map(Part::Word),
    }
}

fn divided(token: &str, scope: &Scope<'_>) -> Result<(), String> {
    if scope.divides {
        return Ok(());
    }
    Err(format!("`{token}` has nothing to divide by: that takes a rule for 10 or more, and no range"))
}

fn set(name: &str, scope: &Scope<'_>) -> Result<SetId, String> {
    let found = match name {
        "" => scope.own,
        _ => scope.sets.iter().position(|known| known == name).map(SetId),
    };
    found.ok_or_else(|| format!("there is no set of rules [numbers.{name}]"))
}
