//! The states of a conversation, drawn from the state x event table itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use super::*;
use crate::flow::tests::{factor, identifier, question, say};
use crate::flow::{Choice, CodePlan, Factor, FactorKind, Menu, Service, Turn, Verdict};

const FILE: &str = "docs/conversation-states.svg";

const COLUMN: usize = 190;
const ROW: usize = 64;
const BOX: (usize, usize) = (150, 34);
const TOP: usize = 60;

/// Where each state is drawn: its column and row. Those that differ only in whether a prompt plays share a place.
const PLACES: [(&str, usize, usize); 20] = [
    ("language", 0, 0),
    ("notice", 0, 1),
    ("greeting", 0, 2),
    ("greeted", 0, 4),
    ("choosing", 1, 0),
    ("identifying", 1, 2),
    ("to be confirmed", 1, 4),
    ("identifying, awaiting", 1, 6),
    ("contact", 2, 0),
    ("sending the code", 2, 2),
    ("told of the code", 2, 4),
    ("verifying", 3, 1),
    ("verifying, awaiting", 3, 5),
    ("fetching the record", 4, 0),
    ("menu", 4, 2),
    ("menu, said", 4, 4),
    ("parting", 5, 1),
    ("handing over", 5, 3),
    ("failing", 5, 5),
    ("ended", 6, 3),
];

/// A line that has what the plain one has not: a choice of language and identifier, a read-back, a code, a menu.
pub(super) fn rich() -> Arc<Line> {
    let one = Digit::from_char('1').expect("a key");
    let plan = CodePlan {
        send: ActionName::new("send"),
        contacts: Some("phones".into()),
        choose: question("where", 1),
        offer: Announcement::nothing(),
        sent: say("sent"),
        expired: say("expired"),
        valid_for: std::time::Duration::from_mins(5),
        resend_key: None,
        resends: 0,
    };
    line_with(|line| {
        line.languages.menu = Some((question("language", 1), vec![(one, LanguageName::new("en"))]));
        line.identification.questions = vec![identifier("id"), identifier("tracking")];
        line.identification.questions[0].question.confirm = Some(say("right"));
        line.identification.choice = Some((question("which", 1), vec![(one, 0)]));
        line.factors = vec![Factor { kind: FactorKind::Code(Box::new(plan)), ..factor("code") }];
        let said = Choice { say: say("said"), then: Turn::Menu(0) };
        let menu = Menu { name: "main".into(), question: question("menu", 1), choices: vec![(one, said)] };
        line.service = Some(Service {
            needs: Verdict::Verified,
            record: Some(ActionName::new("record")),
            menus: vec![menu],
            rounds: 9,
        });
    })
}

/// Somebody who has two telephones.
pub(super) fn reachable() -> Answer {
    let phones = vec!["+12025550147".to_owned(), "+12025550148".to_owned()];
    Answer::LookUp(Matches::One(Customer { attributes: [("phones".into(), phones)].into(), ..maria() }))
}

/// The place of a state, from its description.
fn place(state: &str) -> &'static str {
    let state = state.split(" [").next().expect("a name");
    let known = |name: &str| PLACES.iter().find(|(place, ..)| *place == name).map(|(place, ..)| *place);
    let short = state.split(", ").next().expect("a name");
    known(state).or_else(|| known(short)).unwrap_or_else(|| panic!("{state} has no place in the drawing"))
}

fn drawn() -> String {
    let mut arrows: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for (before, event, after, _) in transitions() {
        let (from, to) = (place(&before), place(&after));
        // Whoever hangs up is at the end, from wherever it is; a hundred arrows would say no more.
        if from != to && event != "hung up" {
            arrows.entry((from, to)).or_default().insert(event);
        }
    }
    let (width, height) = (7 * COLUMN, TOP + 8 * ROW);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"system-ui, sans-serif\" \
         font-size=\"13\" role=\"img\">\n<title>The states of a conversation; hanging up ends each</title>\n<style>rect \
         {{ fill: #f3f6fa; stroke: #53657a }} path {{ fill: none; stroke: #8796a8 }} path:hover {{ stroke: #c03030; \
         stroke-width: 2.5 }}</style>\n<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" \
         markerWidth=\"7\" markerHeight=\"7\" orient=\"auto-start-reverse\"><path d=\"M0 0 L8 4 L0 8 z\" style=\"fill: \
         #8796a8\"/></marker></defs>\n<rect width=\"100%\" height=\"100%\" style=\"fill: #ffffff; stroke: none\"/>\n"
    );
    for ((from, to), events) in &arrows {
        let events = events.iter().copied().collect::<Vec<_>>().join(", ");
        writeln!(svg, "{}<title>{from} to {to}: {events}</title></path>", arrow(from, to)).unwrap();
    }
    for (name, column, row) in &PLACES {
        let (x, y) = (column * COLUMN + 20, TOP + row * ROW);
        writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"6\"/><text x=\"{}\" y=\"{}\" \
             text-anchor=\"middle\">{name}</text>",
            BOX.0,
            BOX.1,
            x + BOX.0 / 2,
            y + BOX.1 / 2 + 5
        )
        .unwrap();
    }
    svg + "</svg>\n"
}

/// An arrow between two states, still open: out of the side that is nearer to where it goes.
fn arrow(from: &str, to: &str) -> String {
    let at = |name: &str| {
        let (_, column, row) = PLACES.iter().find(|(place, ..)| *place == name).expect("a place");
        (column * COLUMN + 20, TOP + row * ROW)
    };
    let ((x1, y1), (x2, y2)) = (at(from), at(to));
    let middle = BOX.1 / 2;
    if x1 == x2 {
        // Down on the right, up on the left.
        let side = if y1 < y2 { BOX.0 - 30 } else { 30 };
        let (start, end) = if y1 < y2 { (y1 + BOX.1, y2) } else { (y1, y2 + BOX.1) };
        return format!("<path d=\"M{} {start} L{} {end}\" marker-end=\"url(#tip)\">", x1 + side, x2 + side);
    }
    let (start, end) = if x1 < x2 { (x1 + BOX.0, x2) } else { (x1, x2 + BOX.0) };
    let half = usize::midpoint(start, end);
    let (y1, y2) = (y1 + middle, y2 + middle);
    format!("<path d=\"M{start} {y1} C{half} {y1} {half} {y2} {end} {y2}\" marker-end=\"url(#tip)\">")
}

#[test]
fn the_drawing_shows_the_table() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let drawn = drawn();
    if std::env::var_os("PORTERO_DRAW").is_some() {
        std::fs::write(&file, &drawn).expect("written");
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == drawn,
        "{FILE} is not the states as they are: run this test with PORTERO_DRAW=1 and look at it"
    );
}
