//! Looks the lines over once all are known: what nobody can come to, and what can never matter.

use std::collections::BTreeSet;

use super::super::fault::Fault;
use super::super::section::Section;
use super::super::{announcements, question_says};
use super::{Edge, Reader, Seen, Way};
use crate::flow::{
    After, Announcement, Identification, Identifier, Line, LineName, Piece, Source, TextPart, Verdict,
};

/// Warns of it all. None of it keeps the file from being used.
pub(super) fn look_over(file: &Section<'_>, reader: &Reader<'_, '_>) {
    for seen in &reader.seen {
        if !seen.is_dialled && !reader.edges.iter().any(|edge| edge.to == seen.name && edge.from != seen.name)
        {
            let fault = Fault::at(seen.span.clone(), format!("nobody comes to the line `{}`", seen.name));
            file.note(
                fault.help("give it a number, or name it where another line should go on to it").warning(),
            );
        }
    }
    for circle in circles(&reader.edges) {
        let fault =
            Fault::at(circle.span.clone(), format!("callers go round in a circle by `{}`", circle.to));
        file.note(fault.help("have one of the lines on the way hand them over, or end the call").warning());
    }
    let has_voice = file.has_in("speech", &["command", "url"]);
    for line in &reader.found.usable {
        let Some(seen) = reader.seen.iter().find(|seen| seen.name == line.number) else { continue };
        if !has_voice && announcements(line).into_iter().any(says_nothing_without_voice) {
            let fault = Fault::at(seen.span.clone(), "a text of this line is never said: there is no voice");
            let help =
                "set up [speech], or say what is played instead: { text = \"…\", otherwise = \"greeting\" }";
            file.note(fault.help(help).warning());
        }
        // Whoever comes from another line may bring along what that one found out.
        if !reader.edges.iter().any(|edge| edge.to == line.number) {
            look_at(file, line, seen);
        }
    }
}

/// What can never matter on a line that callers come to with nothing known of them.
fn look_at(file: &Section<'_>, line: &Line, seen: &Seen) {
    let identifies = line.by_number.is_some() || !line.identification.questions.is_empty();
    let best = match (identifies, line.factors.is_empty()) {
        (false, _) => Verdict::Unidentified,
        (true, true) => Verdict::Identified,
        (true, false) => Verdict::Verified,
    };
    let dead = |message: &str, help: &str| {
        file.note(Fault::at(seen.span.clone(), message).help(help).warning());
    };
    for identifier in unasked(line) {
        dead(
            &format!("nobody is asked for the identifier `{identifier}`, as those before it lead elsewhere"),
            "let the `exhausted` or the `opt_out` of the one before it go on, or delete this one",
        );
    }
    if said_to_strangers(line).into_iter().any(names_the_customer) {
        dead(
            "a value of the customer's is said where nobody knows yet who is calling",
            "say it once they are identified, such as in `hand_over.identified` or in a line's `service`",
        );
    }
    if !identifies && !line.factors.is_empty() {
        dead(
            "nobody is identified on this line, so that nothing is verified",
            "add an `identifier`, or delete `factors`",
        );
    }
    if line.service.as_ref().is_some_and(|service| !best.is_at_least(service.needs)) {
        dead(
            "nobody becomes on this line what its `service` needs",
            "let `service.needs` be less, or have the line identify and verify",
        );
    }
}

/// The names of identifiers that nobody is asked for: by the ends of those before them, and by several customers, among
/// whom the next one picks (once a call).
fn unasked(line: &Line) -> Vec<&str> {
    let Identification { choice, questions } = &line.identification;
    if choice.is_some() {
        return Vec::new();
    }
    let goes_on = |identifier: &&Identifier| {
        let question = &identifier.question;
        let opts_on = question.opt_out.is_some() && question.opted_out == After::Next;
        opts_on || question.exhausted == After::Next
    };
    let reached_from = |first: usize| first + questions.iter().skip(first).take_while(goes_on).count();
    let last = reached_from(0);
    let last = last.max(reached_from(last + 1));
    questions.iter().skip(last + 1).map(|identifier| &*identifier.name).collect()
}

/// What is said where nobody knows yet who is calling, on a line that callers come to with nothing known of them.
fn said_to_strangers(line: &Line) -> Vec<&Announcement> {
    let mut said = vec![&line.greeting, &line.emergency.say, &line.next.unidentified.say];
    said.extend(line.hours.as_ref().map(|(_, closed)| &closed.say));
    let identification = &line.identification;
    let asked = identification.questions.iter().map(|identifier| &identifier.question);
    let asked = asked.chain(identification.choice.as_ref().map(|(question, _)| question));
    said.extend(
        asked.chain(line.languages.menu.as_ref().map(|(question, _)| question)).flat_map(question_says),
    );
    said
}

fn names_the_customer(announcement: &Announcement) -> bool {
    let is_theirs = |source: &Source| matches!(source, Source::Name | Source::Attribute(_));
    announcement.pieces.iter().any(|piece| match piece {
        Piece::Value(source, _) => is_theirs(source),
        Piece::Text(parts, _) => {
            parts.iter().any(|part| matches!(part, TextPart::Value(source) if is_theirs(source)))
        }
        Piece::Recorded(..) => true,
        Piece::Prompt(_) | Piece::PromptIn(..) | Piece::Silence(_) => false,
    })
}

fn says_nothing_without_voice(announcement: &Announcement) -> bool {
    announcement.pieces.iter().any(|piece| matches!(piece, Piece::Text(_, None)))
}

/// The ways that close a circle which callers go round without a key of theirs, one of each circle.
fn circles(edges: &[Edge]) -> Vec<&Edge> {
    let by_themselves: Vec<&Edge> =
        edges.iter().filter(|edge| matches!(edge.way, Way::Verdict | Way::Closed)).collect();
    let mut told: BTreeSet<&LineName> = BTreeSet::new();
    let mut found = Vec::new();
    for edge in &by_themselves {
        let round = reached(&by_themselves, &edge.to);
        if round.contains(&edge.from) && told.is_disjoint(&round) {
            told.extend(round);
            found.push(*edge);
        }
    }
    found
}

/// The lines that callers come to from `line`, itself included.
fn reached<'e>(edges: &[&'e Edge], line: &'e LineName) -> BTreeSet<&'e LineName> {
    let mut found = BTreeSet::from([line]);
    let mut left = vec![line];
    while let Some(line) = left.pop() {
        for edge in edges.iter().filter(|edge| edge.from == *line) {
            if found.insert(&edge.to) {
                left.push(&edge.to);
            }
        }
    }
    found
}
