//! The rules of the house that no compiler holds: who may look at whom, and what no file may contain.
//!
//! The rules are data, at the top; the tests at the bottom hold them over the sources, and hold the checks
//! themselves over small made-up sources that break them. Read with a lexer: what a macro expands to is
//! not seen.

#[path = "tidy/source.rs"]
mod source;

use std::fs;
use std::path::Path;

use source::Source;

/// Who may look at whom. A module may name those listed, and only modules of rows below its own: so there
/// are no circles. `*` is every row below. `sip`, `media` and `flow` never see each other.
const LOOKS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", &["*"]),
    ("server", &["*"]),
    ("config", &["*"]),
    ("web", &["records", "locks", "call", "access", "openid", "secret", "http"]),
    ("hooks", &["records", "call", "secret", "http"]),
    ("records", &["call", "media", "access", "secret"]),
    ("locks", &["flow"]),
    ("speech", &["crm", "audio", "http"]),
    ("crm", &["flow", "secret", "http", "mishap"]),
    ("net", &["media", "sip", "stir", "http", "mishap"]),
    ("call", &["stir", "flow", "sip", "sdp", "media", "srtp", "audio", "say", "timer", "secret"]),
    ("stir", &["flow"]),
    ("flow", &["say", "timer", "secret"]),
    ("sip", &["timer", "secret"]),
    ("sdp", &["srtp"]),
    ("media", &["rtp", "srtp", "audio", "timer", "secret"]),
    ("rtp", &["secret"]),
    ("srtp", &[]),
    ("access", &["secret"]),
    ("audio", &["say"]),
    ("say", &[]),
    ("openid", &[]),
    ("http", &[]),
    ("progress", &[]),
    ("mishap", &[]),
    ("timer", &[]),
    ("secret", &[]),
    ("authority", &[]),
];

/// The shell: who may lift the ban on clocks, tasks, threads and ambient randomness (clippy.toml).
const SHELL: &[&str] = &["main", "cli", "server", "net", "crm", "speech", "records", "locks", "hooks", "web"];

/// What the names of the SIP and SDP crates begin with, and whose façades they stay behind.
const BEHIND_FACADE: (&str, &[&str]) = ("sipx_", &["sip", "sdp"]);

/// Crates that only tests may name.
const ONLY_IN_TESTS: &[&str] = &["rsip", "proptest", "insta"];

/// The one place in the tests that looks again after a pause, with a deadline, because what it looks at is
/// another program. Everywhere else a sleep would only make a race less likely.
const MAY_SLEEP: &str = "tests/peers/support/mod.rs";

/// Names that say nothing about what a place holds.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "common", "manager", "helper", "helpers", "handler", "handlers", "misc"];

/// Code that says "not done", in any file.
const UNFINISHED: &[&[&str]] =
    &[&["todo", "!"], &["unimplemented", "!"], &["dbg", "!"], &["#", "[", "ignore"]];

/// Words of a comment that say the same.
const UNFINISHED_WORDS: &[&str] = &["TODO", "FIXME", "XXX"];

const LINES_MAX: usize = 800;

type Faults = Vec<String>;

fn fault(source: &Source, line: usize, what: &str) -> String {
    format!("{}:{line}: {what}", source.path)
}

/// The module of `src/` that a file belongs to; `None` for `lib.rs` and for what is not under `src/`.
fn module_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?.trim_end_matches(".rs");
    let module = inside.split('/').next()?;
    (module != "lib").then_some(module)
}

/// How many modules a file lies below the crate's root: `src/flow/mod.rs` 1, `src/flow/line.rs` 2.
fn depth_of(path: &str) -> usize {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    let own_name = !["main", "lib"].contains(&inside) && !inside.ends_with("/mod");
    inside.matches('/').count() + usize::from(own_name)
}

fn may_look(looks: &[(&str, &[&str])], from: &str, at: &str) -> bool {
    let Some(row) = looks.iter().position(|(module, _)| *module == from) else { return false };
    let below = looks[row + 1..].iter().any(|(module, _)| *module == at);
    let listed = looks[row].1;
    from == at || listed.contains(&at) || (listed.contains(&"*") && below)
}

/// What of the crate's root a file names, and in which line: by `crate::`, by enough `super::`, and in
/// `main.rs`, which is a crate of its own, by the library's name.
fn names_of_root(source: &Source) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut modules_end = Vec::new();
    for at in 0..source.tokens.len() {
        modules_end.retain(|end| at < *end);
        if source.word(at) == "mod" && source.word(at + 2) == "{" {
            modules_end.push(source.closing(at + 2));
        }
        let behind_path = at > 0 && source.word(at - 1) == "::";
        let supers =
            (0..source.tokens.len()).take_while(|step| source.reads(at + 2 * step, &["super", "::"])).count();
        let depth = depth_of(&source.path) + modules_end.len();
        let is_root = source.word(at) == "crate" || (source.word(at) == "portero" && depth == 0);
        let head = match source.word(at + 1) {
            _ if behind_path => continue,
            "::" if is_root => at + 2,
            "::" if supers > 0 && supers >= depth => at + 2 * supers,
            _ => continue,
        };
        let line = source.tokens[at].line;
        found.extend(source.heads(head).into_iter().map(|name| (name.to_owned(), line)));
    }
    found
}

fn check_looks(looks: &[(&str, &[&str])], source: &Source) -> Faults {
    let Some(from) = module_of(&source.path) else { return Faults::new() };
    if source.is_test_file() {
        return Faults::new();
    }
    if !looks.iter().any(|(module, _)| *module == from) {
        return vec![fault(source, 1, &format!("`{from}` has no row in the table"))];
    }
    names_of_root(source)
        .into_iter()
        .filter(|(at, _)| at == "*" || looks.iter().any(|(module, _)| module == at))
        .filter(|(at, _)| !may_look(looks, from, at))
        .map(|(at, line)| fault(source, line, &format!("`{from}` may not look at `{at}`")))
        .collect()
}

fn check_order(looks: &[(&str, &[&str])]) -> Faults {
    let below =
        |row: usize, name: &str| name == "*" || looks[row + 1..].iter().any(|(module, _)| *module == name);
    looks
        .iter()
        .enumerate()
        .flat_map(|(row, (from, at))| at.iter().map(move |at| (row, from, at)))
        .filter(|(row, _, at)| !below(*row, at))
        .map(|(_, from, at)| format!("`{at}` is not in a row below `{from}`"))
        .collect()
}

fn check_shape(source: &Source) -> Faults {
    let mut faults = Faults::new();
    if !source.text.starts_with("//!") {
        faults.push(fault(source, 1, "begins without a `//!` that says what it is"));
    }
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        faults.push(fault(source, lines, "is too long: split it"));
    }
    let place = source.path.trim_end_matches(".rs");
    if place.split('/').any(|part| EMPTY_NAMES.contains(&part)) {
        faults.push(fault(source, 1, "has a name that says nothing"));
    }
    faults
}

fn check_finished(source: &Source) -> Faults {
    let code = (0..source.tokens.len())
        .filter(|&at| UNFINISHED.iter().any(|words| source.reads(at, words)))
        .map(|at| fault(source, source.tokens[at].line, "is not finished"));
    let comments = source
        .comments
        .iter()
        .filter(|comment| {
            let mut words = comment.text.split(|c: char| !c.is_alphanumeric());
            words.any(|word| UNFINISHED_WORDS.contains(&word))
        })
        .map(|comment| fault(source, comment.line, "says that it is not finished"));
    code.chain(comments).collect()
}

fn check_words(source: &Source) -> Faults {
    let module = module_of(&source.path).unwrap_or_default();
    let in_src = source.path.starts_with("src/");
    let forbidden = |at: usize| {
        let token = &source.tokens[at];
        let word = token.text.as_str();
        let names_crate = source.word(at + 1) == "::" || (at > 0 && source.word(at - 1) == "use");
        match word {
            "mod" if EMPTY_NAMES.contains(&source.word(at + 1)) => Some("names a place that says nothing"),
            "sleep" if token.in_test && source.path != MAY_SLEEP => Some("sleeps in a test"),
            "disallowed_methods" if in_src && !token.in_test && !SHELL.contains(&module) => {
                Some("lifts the shell's ban, and is no shell")
            }
            "disallowed_types" => Some("lifts the ban on unbounded queues"),
            _ if word.starts_with(BEHIND_FACADE.0) && !BEHIND_FACADE.1.contains(&module) => {
                Some("looks behind a façade")
            }
            _ if ONLY_IN_TESTS.contains(&word) && names_crate && in_src && !token.in_test => {
                Some("uses a crate that is for tests")
            }
            _ => None,
        }
    };
    (0..source.tokens.len())
        .filter_map(|at| forbidden(at).map(|what| fault(source, source.tokens[at].line, what)))
        .collect()
}

fn sources_under(root: &Path, folder: &str, found: &mut Vec<Source>) {
    let entries = fs::read_dir(root.join(folder)).expect("the project's folders can be read");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry can be read").file_name()).collect();
    names.sort();
    for name in names {
        let path = format!("{folder}/{}", name.to_string_lossy());
        if root.join(&path).is_dir() {
            sources_under(root, &path, found);
        } else if Path::new(&path).extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(root.join(&path)).expect("a source file is UTF-8");
            found.push(Source::read(&path, &text));
        }
    }
}

fn all_sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for folder in ["src", "tests", "benches", "fuzz/src", "fuzz/fuzz_targets"]
        .into_iter()
        .filter(|folder| root.join(folder).is_dir())
    {
        sources_under(root, folder, &mut sources);
    }
    assert!(sources.len() > 20, "the sources were found");
    sources
}

fn hold(check: impl Fn(&Source) -> Faults) {
    let faults: Faults = all_sources().iter().flat_map(check).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_table_has_no_circles() {
    assert_eq!(check_order(LOOKS), Faults::new());
}

#[test]
fn nobody_looks_where_they_may_not() {
    hold(|source| check_looks(LOOKS, source));
}

#[test]
fn every_file_says_what_it_is_and_is_of_a_readable_size() {
    hold(check_shape);
}

#[test]
fn nothing_is_left_unfinished() {
    hold(check_finished);
}

#[test]
fn the_shell_the_facades_and_the_tests_keep_to_themselves() {
    hold(check_words);
}

/// The checks themselves, on sources that break the rules and on sources that only seem to.
mod checks {
    use super::*;

    fn count(path: &str, text: &str, check: impl Fn(&Source) -> Faults) -> usize {
        check(&Source::read(path, text)).len()
    }

    #[test]
    fn forbidden_looks_are_found_however_they_are_written() {
        let table = [
            ("src/flow/line.rs", "use crate::sip::Event;", 1),
            ("src/flow/line.rs", "use crate::{secret::Digit, sip::{Event, media}};", 1),
            ("src/flow/line.rs", "use crate::{\n    media,\n    sip,\n};", 2),
            ("src/flow/line.rs", "fn f(e: crate::sip::Event) {}", 1),
            ("src/flow/line.rs", "use super::super::sip;", 1),
            ("src/flow/mod.rs", "use super::sip;", 1),
            ("src/flow/mod.rs", "use crate::*;", 1),
            ("src/flow/mod.rs", "#[cfg(test)] mod tests { use crate::sip; }", 1),
            ("src/flow/mod.rs", "mod a { use super::super::sip; }", 1),
            ("src/main.rs", "use portero::server;", 1),
            ("src/secret.rs", "use crate::timer;", 1),
            ("src/server.rs", "use crate::cli;", 1),
            ("src/strange.rs", "fn f() {}", 1),
            ("src/flow/tests.rs", "use crate::sip;", 0),
            ("src/flow/line.rs", "use super::sip;", 0),
            ("src/flow/mod.rs", "mod a { use super::sip; }\nmod b { use super::sip; }", 0),
            ("src/flow/line.rs", "use crate::{secret::Digit, timer::Timers, flow::Verdict};", 0),
            (
                "src/flow/line.rs",
                "// use crate::sip;\n/* crate::sip /* */ crate::sip */ const A: &str = \"crate::sip::\";",
                0,
            ),
            (
                "src/flow/line.rs",
                "const A: &str = r#\"\"crate::sip::\"#; const B: char = '\"'; pub(crate) fn f<'a>() {}",
                0,
            ),
            ("src/main.rs", "use portero::cli;", 0),
            ("src/lib.rs", "pub mod sip;", 0),
            ("src/cli/call.rs", "use crate::{sip, media, server};", 0),
        ];
        for (path, text, faults) in table {
            assert_eq!(count(path, text, |source| check_looks(LOOKS, source)), faults, "{path}: {text}");
        }
    }

    #[test]
    fn a_circle_in_the_table_is_found() {
        assert_eq!(check_order(&[("a", &["b"]), ("b", &["a"])]), ["`a` is not in a row below `b`"]);
        assert_eq!(check_order(&[("a", &["a"])]), ["`a` is not in a row below `a`"]);
        assert_eq!(check_order(&[("a", &["b", "*"]), ("b", &[])]), Faults::new());
    }

    #[test]
    fn shapeless_files_are_found() {
        let long = format!("//! Long.\n{}", "\n".repeat(LINES_MAX));
        let table = [
            ("src/sip/mod.rs", "//! What it is.", 0),
            ("src/sip/mod.rs", "use x;\n//! Too late.", 1),
            ("src/sip/mod.rs", long.as_str(), 1),
            ("src/sip/util.rs", "//! Anything.", 1),
            ("tests/common/mod.rs", "//! Anything.", 1),
            ("src/sip/commonplace.rs", "//! Named for what it is.", 0),
        ];
        for (path, text, faults) in table {
            assert_eq!(count(path, text, check_shape), faults, "{path}: {} lines", text.lines().count());
        }
    }

    #[test]
    fn unfinished_work_is_found() {
        let table = [
            ("fn f() { todo!() }", 1),
            ("fn f() { unimplemented!(\"later\"); dbg!(1); }", 2),
            ("#[test]\n#[ignore = \"slow\"]\nfn f() {}", 1),
            ("// TODO: more", 1),
            ("//! FIXME", 1),
            ("// Mastodon and todo lists", 0),
            ("const A: &str = \"todo!() TODO #[ignore]\";", 0),
        ];
        for (text, faults) in table {
            assert_eq!(count("src/sip/mod.rs", text, check_finished), faults, "{text}");
        }
    }

    #[test]
    fn words_out_of_place_are_found() {
        let ban = "#![expect(clippy::disallowed_methods, reason = \"x\")]";
        let in_test = format!("#[cfg(test)]\nmod tests {{ fn f() {{ {ban} }} }}");
        let table = [
            ("src/sip/mod.rs", ban, 1),
            ("src/timer.rs", in_test.as_str(), 0),
            ("src/net/udp.rs", ban, 0),
            ("benches/calls.rs", ban, 0),
            ("src/net/udp.rs", "#![expect(clippy::disallowed_types, reason = \"x\")]", 1),
            ("src/call/mod.rs", "use sipx_sip::Message;", 1),
            ("src/sip/message.rs", "use sipx_sip::Message;", 0),
            ("tests/sip.rs", "use sipx_sip::Message;", 1),
            ("src/sip/message.rs", "use rsip::Uri;", 1),
            ("src/sip/message.rs", "fn f(u: rsip::Uri) {}", 1),
            ("src/sip/tests.rs", "use rsip::Uri;", 0),
            ("src/sip/message.rs", "#[cfg(test)]\nmod tests { use rsip::Uri; }\nfn f(rsip: u8) {}", 0),
            ("src/sip/message.rs", "#[cfg(test)]\nmod tests {}\nuse rsip::Uri;", 1),
            ("tests/sip.rs", "fn f() { std::thread::sleep(x) }", 1),
            ("tests/sip.rs", "use tokio::time::{Duration, sleep};", 1),
            (MAY_SLEEP, "fn f() { std::thread::sleep(x) }", 0),
            ("src/net/udp.rs", "fn f() { tokio::time::sleep(x) }", 0),
            ("src/sip/mod.rs", "mod helpers;", 1),
        ];
        for (path, text, faults) in table {
            assert_eq!(count(path, text, check_words), faults, "{path}: {text}");
        }
    }
}
