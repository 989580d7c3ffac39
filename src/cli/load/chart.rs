//! Latency over time as SVG 1.1: a picture that stands alone, in light and dark, with nothing in it but figures.

use std::fmt::Write as _;
use std::time::Duration;

use super::histogram::Histogram;
use super::ledger::{Ledger, Point};

/// Points of a line at the most: more cannot be told apart.
const POINTS_MAX: usize = 120;

/// The picture, and the place of a panel's axes in it.
const WIDTH: f64 = 900.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 880.0;
const PANEL_HEIGHT: f64 = 180.0;
const PANEL_TOPS: [f64; 2] = [70.0, 330.0];
const HEIGHT: f64 = 570.0;
/// Lines across a panel, that of zero not counted.
const STEPS: u32 = 4;

const STYLE: &str = "\
svg{color:#1c2733;font-family:system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}\
.b{fill:#fff}text{fill:currentColor;font-size:12px}.t{font-size:15px;font-weight:600}.e{text-anchor:end}.m{text-anchor:middle}\
.g{stroke:#d5dce3}path{fill:none;stroke-width:1.8}.half{stroke:#1d5fae}.most{stroke:#b3261e}circle{stroke-width:1.8}\
circle.half,.halft{fill:#1d5fae}circle.most,.mostt{fill:#b3261e}\
@media (prefers-color-scheme:dark){svg{color:#e3e9ef}.b{fill:#12181f}.g{stroke:#333f4b}.half{stroke:#7db4f5}.most{stroke:#ff8a80}\
circle.half,.halft{fill:#7db4f5}circle.most,.mostt{fill:#ff8a80}}";

/// Draws a run.
pub fn draw(ledger: &Ledger) -> String {
    // A whole number of seconds to each step.
    let until = (ledger.lasted.as_secs_f64() / f64::from(STEPS)).ceil().max(1.0) * f64::from(STEPS);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\">\n<title>Latency over time</title>\n<style>{STYLE}</style>\n\
         <rect class=\"b\" width=\"100%\" height=\"100%\"/>\n"
    );
    let counts = format!(
        "{} calls, {} answered, {} failed, up to {} at a time",
        ledger.placed,
        ledger.answered,
        ledger.failed(),
        ledger.up_max
    );
    text(&mut out, "t", LEFT, 28.0, &counts);
    let panels = [
        ("From INVITE to 200, ms", set_ups(ledger, until)),
        ("Packets after the grid of 20 ms, ms", gathered(&ledger.pacing, until)),
    ];
    for ((title, points), top) in panels.iter().zip(PANEL_TOPS) {
        panel(&mut out, title, points, top, until);
    }
    out.push_str("</svg>\n");
    out
}

/// Which of the points of a line an instant falls to.
fn span_of(at: Duration, until: f64) -> usize {
    ((at.as_secs_f64() / until * POINTS_MAX as f64) as usize).min(POINTS_MAX - 1)
}

fn set_ups(ledger: &Ledger, until: f64) -> Vec<Point> {
    let mut spans = vec![(Duration::ZERO, Histogram::default()); POINTS_MAX];
    for (at, took) in &ledger.set_ups {
        let (last, times) = &mut spans[span_of(*at, until)];
        *last = *at;
        times.record(*took);
    }
    let point = |(at, times): &(Duration, Histogram)| {
        Some(Point { at: *at, half: times.quantile(0.5)?, most: times.quantile(0.99)? })
    };
    spans.iter().filter_map(point).collect()
}

/// The worst of the points that fall together.
fn gathered(points: &[Point], until: f64) -> Vec<Point> {
    let mut spans: Vec<Option<Point>> = vec![None; POINTS_MAX];
    for point in points {
        let span = &mut spans[span_of(point.at, until)];
        let worst = span.map_or(*point, |span| Point {
            at: point.at,
            half: span.half.max(point.half),
            most: span.most.max(point.most),
        });
        *span = Some(worst);
    }
    spans.into_iter().flatten().collect()
}

fn panel(out: &mut String, title: &str, points: &[Point], top: f64, until: f64) {
    let bottom = top + PANEL_HEIGHT;
    let largest = scale(points.iter().map(|point| point.most).fold(0.0, f64::max));
    text(out, "", LEFT, top - 12.0, title);
    text(out, "halft e", RIGHT - 50.0, top - 12.0, "50 %");
    text(out, "mostt e", RIGHT, top - 12.0, "99 %");
    for step in 0..=STEPS {
        let share = f64::from(step) / f64::from(STEPS);
        let y = bottom - PANEL_HEIGHT * share;
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(out, "<path class=\"g\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
        text(out, "e", LEFT - 8.0, y + 4.0, &number(largest * share));
        let x = LEFT + (RIGHT - LEFT) * share;
        text(
            out,
            if step == STEPS { "e" } else { "m" },
            x,
            bottom + 18.0,
            &format!("{} s", number(until * share)),
        );
    }
    let at = |point: &Point, value: f64| {
        let x = LEFT + (RIGHT - LEFT) * (point.at.as_secs_f64() / until).min(1.0);
        (x, bottom - PANEL_HEIGHT * value / largest)
    };
    line(out, "most", points.iter().map(|point| at(point, point.most)));
    line(out, "half", points.iter().map(|point| at(point, point.half)));
    if points.is_empty() {
        text(out, "m", f64::midpoint(LEFT, RIGHT), top + PANEL_HEIGHT / 2.0, "nothing to show");
    }
}

fn line(out: &mut String, class: &str, points: impl Iterator<Item = (f64, f64)>) {
    let points: Vec<_> = points.collect();
    if let [(x, y)] = points[..] {
        let _ = writeln!(out, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>");
    } else if !points.is_empty() {
        let steps = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect::<Vec<_>>().join("L");
        let _ = writeln!(out, "<path class=\"{class}\" d=\"M{steps}\"/>");
    }
}

/// The next of 1, 2, 4 and 8 times a power of ten: four steps of it are round numbers.
fn scale(largest: f64) -> f64 {
    let power = 10_f64.powf(largest.max(0.01).log10().floor());
    [1.0, 2.0, 4.0, 8.0]
        .into_iter()
        .map(|step| step * power)
        .find(|it| *it >= largest)
        .unwrap_or(power * 10.0)
}

/// As few digits as tell it apart.
fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if value >= 10.0 { format!("{value:.0}") } else { text.to_owned() }
}

fn text(out: &mut String, class: &str, x: f64, y: f64, words: &str) {
    let _ = writeln!(out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::load::stream::Timings;

    /// Holds every element to be opened, closed and quoted, and tells how many of each name there are.
    fn elements(svg: &str) -> Vec<&str> {
        let (mut open, mut all) = (Vec::new(), Vec::new());
        for piece in svg.split('<').skip(1) {
            let (tag, words) = piece.split_once('>').expect("every tag is closed");
            assert!(!words.contains(['>', '&', '"']), "{words}");
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name), "{tag} closes what is open");
                continue;
            }
            let name = tag.split(' ').next().expect("a name").trim_end_matches('/');
            all.push(name);
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{open:?}");
        all
    }

    #[test]
    fn a_run_is_drawn_with_its_lines_inside_of_their_panels() {
        let mut ledger = Ledger::new("sip:a@<&>".to_owned());
        ledger.lasted = Duration::from_secs(20);
        for call in 0..300 {
            ledger.answer(Duration::from_millis(call * 50), Duration::from_millis(call % 7));
        }
        for second in 1..=20 {
            let mut timings = Timings::default();
            timings.pacing.record(Duration::from_micros(second * 100));
            ledger.time(Duration::from_secs(second), &timings);
        }
        let svg = draw(&ledger);
        let count = |name| elements(&svg).iter().filter(|element| **element == name).count();
        assert_eq!((count("svg"), count("path"), count("circle")), (1, 14, 0));
        assert!(svg.contains("prefers-color-scheme:dark") && !svg.contains("href"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        for line in svg.lines().filter(|line| line.starts_with("<path class=\"half\"")) {
            let path = line.split("d=\"M").nth(1).expect("a path").trim_end_matches("\"/>");
            for point in path.split('L') {
                let (x, y) = point.split_once(' ').expect("two numbers");
                let (x, y): (f64, f64) = (x.parse().expect("a number"), y.parse().expect("a number"));
                let inside = PANEL_TOPS.iter().any(|top| (*top..=top + PANEL_HEIGHT).contains(&y));
                assert!((LEFT..=RIGHT).contains(&x) && inside, "{x} {y}");
            }
        }
    }

    #[test]
    fn a_run_without_answers_or_with_one_is_drawn_too() {
        let mut ledger = Ledger::default();
        assert!(draw(&ledger).matches("nothing to show").count() == 2);
        elements(&draw(&ledger));
        ledger.answer(Duration::ZERO, Duration::from_millis(3));
        assert_eq!(elements(&draw(&ledger)).iter().filter(|element| **element == "circle").count(), 2);
    }

    #[test]
    fn scales_are_round_and_large_enough() {
        let table = [(0.0, 0.01), (0.7, 0.8), (1.0, 1.0), (3.0, 4.0), (8.5, 10.0), (1999.0, 2000.0)];
        for (largest, expected) in table {
            assert!((scale(largest) - expected).abs() < 1e-9, "{largest}: {}", scale(largest));
        }
        assert_eq!([0.0, 0.25, 2.0, 10.0, 250.0].map(number), ["0", "0.25", "2", "10", "250"]);
    }
}
