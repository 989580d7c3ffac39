//! Looks the lines over once all are known: what nobody can come to, and what can never matter.

use std::collections::BTreeSet;

use super::super::fault::Fault;
use super::super::section::Section;
use super::{Edge, Reader, Seen, Way};
use crate::flow::{Line, LineName, Verdict};

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
    for line in &reader.found.usable {
        let Some(seen) = reader.seen.iter().find(|seen| seen.name == line.number) else { continue };
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
