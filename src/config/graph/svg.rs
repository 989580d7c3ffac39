//! Draws a conversation as SVG: steps below one another, in the order in which callers come to them, ways beside them.

use std::fmt::Write as _;

use super::{Graph, Kind};

const WIDTH: usize = 1100;
const BOX_LEFT: usize = 40;
const BOX_WIDTH: usize = 360;
const BOX_HEIGHT: usize = 44;
const TOP: usize = 70;
/// From the top of one step to that of the next, without its ways.
const STEP: usize = 64;
/// How much further down a step is for each way that leaves the one above.
const WAY: usize = 20;
/// How far to the right the ways bend, one beside the other.
const BEND: usize = 14;

const STYLE: &str = "svg{background:#fff;font:14px system-ui,sans-serif}text{fill:#1c1c1c}\
    .said,.asked,.exit{fill:#f4f4f2;stroke:#777}.asked{fill:#e8f0fb;stroke:#36c}.exit{fill:#eaf6ea;stroke:#393}\
    .way{fill:none;stroke:#777}.small{font-size:12px;fill:#555}.title{font-size:18px}\
    @media(prefers-color-scheme:dark){svg{background:#161616}text{fill:#eee}.small{fill:#bbb}\
    .said{fill:#262626}.asked{fill:#18263d}.exit{fill:#172a17}}";

/// The whole picture.
pub(super) fn draw(graph: &Graph) -> String {
    let tops = tops(graph);
    let height = tops.last().copied().unwrap_or(TOP) + BOX_HEIGHT + 30;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n<style>{STYLE}</style>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\
         <path d=\"M0 0L8 4L0 8z\" fill=\"#777\"/></marker></defs>\n"
    );
    text(&mut out, "title", BOX_LEFT, 36, &graph.title);
    for (nth, step) in graph.steps.iter().enumerate() {
        let top = tops[nth];
        let class = match step.kind {
            Kind::Said => "said",
            Kind::Asked => "asked",
            Kind::Exit => "exit",
        };
        // Writing to a text cannot fail, here and below.
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{BOX_LEFT}\" y=\"{top}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"6\"/>"
        );
        text(&mut out, "name", BOX_LEFT + 12, top + 18, &step.name);
        text(&mut out, "small", BOX_LEFT + 12, top + 36, &shortened(&step.words, 50));
    }
    for (nth, way) in graph.ways.iter().enumerate() {
        let before = graph.ways[..nth].iter().filter(|other| other.from == way.from).count();
        let from = tops[way.from] + BOX_HEIGHT + 16 + before * WAY;
        let to = tops[way.to] + BOX_HEIGHT / 2;
        let right = BOX_LEFT + BOX_WIDTH;
        let bend = right + 260 + (nth % 24) * BEND;
        let words = format!("{} → {}", way.when, graph.steps[way.to].name);
        text(&mut out, "small", BOX_LEFT + 28, from + 4, &shortened(&words, 56));
        let _ = writeln!(
            out,
            "<path class=\"way\" marker-end=\"url(#tip)\" d=\"M{} {from}H{bend}V{to}H{}\"/>",
            right + 30,
            right + 2
        );
    }
    out.push_str("</svg>\n");
    out
}

/// Where each step begins: below the ways of those before it.
fn tops(graph: &Graph) -> Vec<usize> {
    let mut top = TOP;
    let mut tops = Vec::new();
    for nth in 0..graph.steps.len() {
        tops.push(top);
        top += STEP + WAY * graph.ways.iter().filter(|way| way.from == nth).count();
    }
    tops
}

fn text(out: &mut String, class: &str, x: usize, y: usize, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{words}</text>");
}

/// What fits.
fn shortened(words: &str, length_max: usize) -> String {
    if words.chars().count() <= length_max {
        return words.to_owned();
    }
    let kept: String = words.chars().take(length_max - 1).collect();
    format!("{kept}…")
}
