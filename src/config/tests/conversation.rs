//! What lines can be told: each setting of a conversation value by value, and what is wrong with one fault by fault.

use super::*;
use crate::flow::{
    After, CheckDigit, DateOrder, FactorKind, LanguageName, Need, Opening, Piece, Retries, Source, TextPart,
    Turn, Verdict,
};
use crate::say::{Currency, Kind};

/// What the lines below can refer to.
const AROUND: &str = r#"
[sip]
listen = "192.0.2.1:5060"
[[trunks]]
name = "carrier"
addresses = ["192.0.2.0/24"]
[back_end]
base_url = "https://crm.example.com/"
[actions]
customer_by_number = { path = "/c?n={{ ani }}" }
customer_by_identifier = { path = "/c/{{ identifier }}" }
check_pin = { method = "POST", path = "/check", body = '{"c": "{{ customer }}", "s": "{{ secret }}"}' }
check_birth_date = { method = "POST", path = "/check", body = '{"c": "{{ customer }}", "s": "{{ secret }}"}' }
check_pin_digits = { method = "POST", path = "/check", body = '{"c": "{{ customer }}", "s": "{{ secret }}"}' }
check_code = { method = "POST", path = "/check", body = '{"c": "{{ customer }}", "s": "{{ secret }}"}' }
send_code = { method = "POST", path = "/send", body = '{"c": "{{ customer }}"}' }
customer_record = { path = "/record/{{ customer }}" }
[targets]
agents.uri = "sip:agents@pbx.example.com"
night.uri = "sip:night@pbx.example.com"
"#;

/// A line that says where its calls go, and this.
fn line_of(settings: &str) -> String {
    format!("{AROUND}\n[[lines]]\nnumber = \"100\"\nhand_over.target = \"agents\"\n{settings}\n")
}

pub(super) fn read_line(settings: &str) -> Line {
    let read = parse(&line_of(settings)).unwrap_or_else(|faults| panic!("{faults}"));
    Line::clone(&read.lines[0])
}

/// What is wrong with such a line, but for what nothing uses.
pub(super) fn wrong_with(settings: &str) -> Vec<String> {
    let read = parse(&line_of(settings));
    let faults = read.as_ref().map_or_else(|faults| faults, |configuration| &configuration.warnings);
    let messages = faults.iter().map(|fault| fault.message().to_owned());
    messages.filter(|message| !message.starts_with("no line ")).collect()
}

fn key(key: char) -> Digit {
    Digit::from_char(key).expect("a key")
}

fn prompt(name: &str) -> Piece {
    Piece::Prompt(PromptId::new(name))
}

fn balance() -> Source {
    Source::Attribute("balance".into())
}

#[test]
fn an_announcement_is_a_name_a_list_or_a_section() {
    let line = read_line(
        r#"
identifier.digits = 8
greeting = ["hello", "pause 500ms", "de:hello", { text = "Hello {{ name }}, {{ record.segment }}!", otherwise = "hi" }]
apology = { say = ["sorry", { recording = "name_audio", otherwise = "dear-customer" }], barge_in = false }
hand_over.failed = { text = "Nobody is here.", key_ahead = false }
hand_over.verified.say = ["{{ record.balance | money EUR }}", "{{ record.due | date }}", "{{record.n|number}}"]
"#,
    );
    let text = vec![
        TextPart::Plain("Hello ".into()),
        TextPart::Value(Source::Name),
        TextPart::Plain(", ".into()),
        TextPart::Value(Source::Attribute("segment".into())),
        TextPart::Plain("!".into()),
    ];
    let pieces = vec![
        prompt("hello"),
        Piece::Silence(Duration::from_millis(500)),
        Piece::PromptIn(LanguageName::new("de"), PromptId::new("hello")),
        Piece::Text(text, Some(PromptId::new("hi"))),
    ];
    assert_eq!(line.greeting, Announcement::of(pieces));
    let pieces = vec![prompt("sorry"), Piece::Recorded("name_audio".into(), PromptId::new("dear-customer"))];
    assert_eq!(line.apology, Announcement { pieces, barge_in: false, key_ahead: true });
    let pieces = vec![Piece::Text(vec![TextPart::Plain("Nobody is here.".into())], None)];
    assert_eq!(line.hand_over_failed, Announcement { pieces, barge_in: true, key_ahead: false });
    let pieces = vec![
        Piece::Value(balance(), Kind::Money(Currency::parse("EUR"))),
        Piece::Value(Source::Attribute("due".into()), Kind::Date),
        Piece::Value(Source::Attribute("n".into()), Kind::Number),
    ];
    assert_eq!(line.next.verified.say, Announcement::of(pieces));
}

#[test]
fn lines_have_numbers_patterns_trunks_and_names() {
    let text = format!(
        "{AROUND}
[[lines]]
numbers = [\"1000\", \"+1202.\", \"2XX\"]
identifier.digits = 8
hand_over.target = \"agents\"
hand_over.verified.line = \"self\"
[[lines]]
trunk = \"carrier\"
identifier.digits = 8
hand_over.target = \"night\"
[[lines]]
id = \"self\"
hand_over.target = \"agents\"
"
    );
    let read = parse(&text).unwrap_or_else(|faults| panic!("{faults}"));
    let names: Vec<_> = read.lines.iter().map(|line| line.number.to_string()).collect();
    assert_eq!(names, ["1000", "carrier", "self"]);
    let table = [
        ("1000", None, Some("1000")),
        ("+12025550101", None, Some("1000")),
        ("212", Some("carrier"), Some("1000")),
        ("3", Some("carrier"), Some("carrier")),
        ("self", None, None),
    ];
    for (dialled, trunk, line) in table {
        let found = read.directory.find(dialled, trunk).map(|line| line.number.as_str());
        assert_eq!(found, line, "{dialled}");
    }
    let own = read.directory.by_name(&LineName::new("self")).expect("a line that others call so");
    assert!(own.identification.questions.is_empty());
    assert_eq!(read.lines[0].next.verified.then, Then::Line(LineName::new("self")));
    assert!(read.lines[0].next.verified.say.pieces.is_empty(), "nothing is put through");
    assert_eq!(read.sounds.len(), 3);
}

#[test]
fn hours_and_switches_say_what_is_said_and_where_it_leads() {
    let line = read_line(
        r#"
identifier.digits = 8
closed = { say = "closed", targets = ["night", "agents"] }
emergency.say = "emergency"
[lines.hours]
zone = "Europe/Berlin"
week = { mon-fri = "09:00-17:00", sat = ["09:00-12:00", "13:00-24:00"] }
special = { "2026-12-24" = "09:00-12:00", "12-25" = "closed", "12-24" = "closed" }
"#,
    );
    let (hours, closed) = line.hours.expect("it has hours");
    let table = [
        ("2026-11-24T08:00:00Z", true),
        ("2026-11-24T16:00:00Z", false),
        ("2026-11-28T11:30:00Z", false),
        ("2026-11-28T22:59:00Z", true),
        ("2026-11-29T11:00:00Z", false),
        ("2026-12-24T10:00:00Z", true),
        ("2027-12-24T10:00:00Z", false),
        ("2026-12-25T10:00:00Z", false),
    ];
    for (moment, open) in table {
        assert_eq!(hours.are_open(moment.parse().expect("a moment")), open, "{moment}");
    }
    let targets = ["night", "agents"].map(TargetName::new).to_vec();
    assert_eq!((shown([&closed.say]), closed.then), (vec!["closed".to_owned()], Then::HandOver(targets)));
    assert_eq!(
        (shown([&line.emergency.say]), line.emergency.then),
        (vec!["emergency".to_owned()], Then::HangUp)
    );
    assert_eq!(Opening::Open, Opening::Open);
}

#[test]
fn languages_are_fixed_or_chosen() {
    let fixed = read_line("identifier.digits = 8\nlanguage = \"de\"");
    assert_eq!(fixed.languages.all, [(LanguageName::new("de"), DateOrder::DayMonthYear)]);
    let line = read_line(
        r#"
identifier.digits = 8
language = { first = "en", also = ["fr"], attribute = "language", menu = { keys = { 1 = "en", 2 = "de" } } }
"#,
    );
    let all: Vec<_> = line.languages.all.iter().map(|(language, _)| language.as_str()).collect();
    assert_eq!(all, ["en", "fr", "de"]);
    assert_eq!(line.languages.attribute.as_deref(), Some("language"));
    let (question, keys) = line.languages.menu.expect("a menu");
    assert_eq!(keys, [(key('1'), LanguageName::new("en")), (key('2'), LanguageName::new("de"))]);
    let ask = ["en", "de"]
        .map(|language| Piece::PromptIn(LanguageName::new(language), PromptId::new("menu-language")));
    assert_eq!(question.prompts.ask, Announcement::of(ask.to_vec()));
    assert_eq!((question.opt_out, question.entry.digits_max), (None, 1));
}

#[test]
fn each_language_of_a_line_needs_its_prompts() {
    let text = line_of(
        r#"
identifier.digits = 8
greeting = ["hello", "fr:hello"]
language = { first = "en", menu = { keys = { 1 = "en", 2 = "de" } } }
"#,
    );
    let needed = parse(&text).unwrap_or_else(|faults| panic!("{faults}")).prompts_by_language();
    let needs = |language, prompt| needed[&LanguageName::new(language)].contains(&PromptId::new(prompt));
    for language in ["en", "de"] {
        assert!(
            needs(language, "hello") && needs(language, "ask-identifier") && needs(language, "menu-language")
        );
    }
    assert_eq!(needed[&LanguageName::new("fr")].len(), 1);
    assert_eq!(needed.len(), 3);
}

#[test]
fn a_question_says_how_often_and_what_then() {
    let line = read_line(
        r##"
[lines.identifier]
digits = "6-10"
ask = "who"
check_digit = "luhn"
retries = { no_match = 2, no_input = 1 }
confirm = true
help = { key = "#", say = "help-identifier" }
opt_out = { key = "A", line = "100" }
exhausted = { verdict = true }
"##,
    );
    let [identifier] = &line.identification.questions[..] else { panic!("there is one question") };
    let question = &identifier.question;
    assert_eq!((identifier.check, &*identifier.name), (CheckDigit::Luhn, "identifier"));
    assert_eq!(question.retries, Retries { no_match: 2, no_input: 1, total: 3 });
    assert_eq!(shown([&question.prompts.ask]), ["who"]);
    let confirm =
        vec![prompt("confirm-identifier"), Piece::Value(Source::Entry, Kind::Digits), prompt("confirm-keys")];
    assert_eq!(question.confirm, Some(Announcement::of(confirm)));
    assert_eq!(question.help, Some((key('#'), Announcement::prompt(PromptId::new("help-identifier")))));
    assert_eq!(question.opt_out, Some(key('A')));
    assert_eq!(question.opted_out, After::Then(Then::Line(LineName::new("100"))));
    assert_eq!(question.exhausted, After::Verdict);
}

#[test]
fn several_identifiers_are_asked_in_order_or_by_choice() {
    let identifiers = r#"
[[lines.identifiers]]
name = "account"
digits = 10
[[lines.identifiers]]
name = "tracking"
digits = 12
"#;
    let in_order = read_line(identifiers).identification;
    let names: Vec<_> = in_order.questions.iter().map(|identifier| &*identifier.name).collect();
    assert_eq!((names, in_order.choice), (vec!["account", "tracking"], None));
    let by_choice = read_line(&format!(
        "choose = {{ ask = \"which\", keys = {{ 1 = \"tracking\", 2 = \"account\" }} }}\n{identifiers}"
    ));
    let (question, keys) = by_choice.identification.choice.expect("a choice");
    assert_eq!(keys, [(key('1'), 1), (key('2'), 0)]);
    assert_eq!(
        (shown([&question.prompts.ask]), question.opt_out),
        (vec!["which".to_owned()], Some(Digit::STAR))
    );
    assert!(read_line("identifiers = []").identification.questions.is_empty());
}

#[test]
fn factors_are_of_four_kinds_and_needed_more_or_less() {
    let line = read_line(
        r#"
identifier.digits = 8
identify_by_number = { trust = "partial" }
[[lines.factors]]
name = "pin"
digits = 4
need = { below = "full" }
[[lines.factors]]
name = "born"
kind = "date"
need = "optional"
[[lines.factors]]
name = "places"
kind = "partial"
length = 6
[[lines.factors]]
name = "code"
kind = "code"
contacts = "contacts"
valid_for = "2m"
resends = 1
"#,
    );
    assert_eq!(line.by_number.map(|by_number| by_number.trust), Some(TrustLevel::Partial));
    let [pin, born, places, code] = &line.factors[..] else { panic!("there are four factors") };
    assert_eq!((&pin.kind, pin.need), (&FactorKind::Whole, Need::RequiredBelow(TrustLevel::Full)));
    assert_eq!((&born.kind, born.need), (&FactorKind::Date, Need::Optional));
    assert_eq!((born.question.entry.digits_min, born.question.entry.digits_max), (8, 8));
    assert_eq!((&places.kind, places.need), (&FactorKind::Partial { length: 6, count: 2 }, Need::Required));
    assert_eq!(places.question.entry.digits_max, 2);
    let ask = vec![prompt("ask-places"), Piece::Value(Source::Positions, Kind::Ordinal)];
    assert_eq!(places.question.prompts.ask, Announcement::of(ask));
    let plan = code.code().expect("a code");
    assert_eq!((plan.send.as_str(), plan.contacts.as_deref()), ("send_code", Some("contacts")));
    assert_eq!((plan.valid_for, plan.resends, plan.resend_key), (seconds(120), 1, Some(Digit::HASH)));
    let actions: Vec<_> = line.factors.iter().map(|factor| factor.action.as_str()).collect();
    assert_eq!(actions, ["check_pin", "check_birth_date", "check_pin_digits", "check_code"]);
}

#[test]
fn a_service_has_menus_and_each_key_leads_somewhere() {
    let line = read_line(
        r#"
identifier.digits = 8
back_end = { hold_after = "2s" }
[lines.service]
record = "customer_record"
[lines.service.menus.main]
ask = "menu-main"
keys.1.say = ["your-balance", "{{ record.balance | money EUR }}"]
keys.2.menu = "more"
keys.0.target = "night"
keys.9.next = true
[lines.service.menus.more]
ask = "menu-more"
opt_out = "none"
keys = { 1 = { menu = "main" }, 2 = { say = "bye", hang_up = true }, 3 = { line = "100" } }
"#,
    );
    let hold = Announcement::prompt(PromptId::new("one-moment"));
    assert_eq!(line.patience.hold, Some((seconds(2), hold)));
    let service = line.service.expect("a service");
    assert_eq!((service.needs, service.rounds), (Verdict::Identified, 20));
    assert_eq!(service.record, Some(ActionName::new("customer_record")));
    let [main, more] = &service.menus[..] else { panic!("there are two menus") };
    let turns = |menu: &flow::Menu| -> Vec<_> {
        let mut turns: Vec<_> =
            menu.choices.iter().map(|(key, choice)| (key.expose(), choice.then.clone())).collect();
        turns.sort_by_key(|(key, _)| *key);
        turns
    };
    let night = Then::HandOver(vec![TargetName::new("night")]);
    let expected =
        [('0', Turn::Then(night)), ('1', Turn::Menu(0)), ('2', Turn::Menu(1)), ('9', Turn::Verdict)];
    assert_eq!(turns(main), expected);
    let expected = [
        ('1', Turn::Menu(0)),
        ('2', Turn::Then(Then::HangUp)),
        ('3', Turn::Then(Then::Line(LineName::new("100")))),
    ];
    assert_eq!(turns(more), expected);
    assert_eq!((main.question.opt_out, more.question.opt_out), (Some(Digit::STAR), None));
}

/// Whether what is wrong with each of these lines is what is said beside it, and no more.
fn each_is_told_once(table: &[(String, &str)]) {
    let told = table.iter().map(|(settings, expected)| (settings, wrong_with(settings), expected));
    let others: Vec<_> = told.filter(|(_, told, expected)| told[..] != [**expected]).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn one_fault_of_what_is_said_and_asked_is_told_once() {
    let said = |greeting: &str| format!("identifier.digits = 8\ngreeting = {greeting}");
    let hours = |hours: &str| format!("identifier.digits = 8\nhours = {{ zone = \"UTC\", {hours} }}");
    let table = [
        (said("\"a b\""), "`a b` is no prompt's name"),
        (said("5"), "`greeting` cannot be a whole number"),
        (said("[\"hello\", 5]"), "`greeting` cannot be a whole number"),
        (said("\"{{ record.balance }}\""), "it does not say how `record.balance` is said"),
        (said("\"{{ record.balance | money }}\""), "`money` names no currency"),
        (said("\"{{ record.balance | loudly }}\""), "there is no way `loudly` to say a value"),
        (said("\"{{ balance | number }}\""), "there is no value `{{ balance }}`"),
        (said("\"{{ entry }}\""), "`{{ entry }}` is not known when this is said"),
        (said("\"{{ name }}\""), "a name cannot be put together from recordings"),
        (said("\"pause 1h\""), "`1h` is out of range"),
        (said("{ text = \"Hello {{ name\" }"), "this text has a gap without an end"),
        (said("{ recording = \"audio\" }"), "`greeting` does not say `otherwise`"),
        (said("{ barge_in = true }"), "`greeting` does not say `say`"),
        (
            "identifier = { digits = 8, confirm = { text = \"{{ entry }}\" } }".into(),
            "this is not given to the voice",
        ),
        ("identifier = { digits = 8, check_digit = \"mod11\" }".into(), "`mod11` is no way to check digits"),
        ("identifier = { digits = 8, opt_out = \"x\" }".into(), "`x` is no key"),
        (
            "identifier = { digits = 8, opt_out = \"0\" }".into(),
            "the key 0 is `opt_out`, so that no entry can begin with it",
        ),
        (
            "identifier = { digits = 8, help = { key = \"5\", say = \"help\" } }".into(),
            "the key 5 is `help`, so that no entry can begin with it",
        ),
        (
            "identifier = { digits = 8, help = { key = \"*\", say = \"help\" } }".into(),
            "the key * is both `opt_out` and `help`",
        ),
        (
            "identifier = { digits = 8, exhausted = { target = \"night\", hang_up = true } }".into(),
            "a call cannot go two ways: `hang_up`, `target`",
        ),
        ("identifier = { digits = 8, exhausted.line = \"7\" }".into(), "there is no line `7`"),
        (
            "identifier = { digits = 8, retries = { no_match = 1, no_input = 1, total = 5 } }".into(),
            "there are never more than 2 retries here",
        ),
        ("identifier.digits = 8\nclosed.say = \"closed\"".into(), "this line is never closed"),
        ("identifier.digits = 8\nemergency.target = \"none\"".into(), "there is no target `none`"),
        ("identifier.digits = 8\nemergency.hang_up = false".into(), "this does not say where the call goes"),
        ("identifier.digits = 8\nchoose.keys = { 1 = \"a\" }".into(), "there is nothing to choose from here"),
        (
            "identifier.digits = 8\nidentifiers = []".into(),
            "this line has both `identifier` and `identifiers`",
        ),
        ("identifier.digits = 8\nid = \"a b\"".into(), "`a b` cannot be dialled"),
        ("identifier.digits = 8\ntrunk = \"carrer\"".into(), "there is no trunk `carrer`"),
        (
            "identifier.digits = 8\nidentify_by_number = { trust = \"much\" }".into(),
            "there is no trust `much`",
        ),
        (
            "identifier.digits = 8\nlanguage = { attribute = \"language\" }".into(),
            "this line speaks one language only, whichever the customer's is",
        ),
        (hours("week.weekend = \"09:00-12:00\""), "`weekend` is no day of the week"),
        (hours("week = { mon-fri = \"09:00-17:00\", mon = \"closed\" }"), "`mon` has its hours already"),
        (hours("week.mon = \"9-17\""), "`9-17` are no hours"),
        (hours("week.mon = \"17:00-09:00\""), "`17:00-09:00` end before they begin"),
        (hours("week.mon = 9"), "`hours` cannot be a whole number"),
        (hours("week.mon = \"closed\", special.\"02-30\" = \"closed\""), "`02-30` is no day"),
        (
            "identifier.digits = 8\nhours = { zone = \"Berlin\", week.mon = \"closed\" }".into(),
            "there is no time zone `Berlin`",
        ),
    ];
    each_is_told_once(&table);
}

#[test]
fn one_fault_of_factors_and_services_is_told_once() {
    let menu = |keys: &str| {
        format!("identifier.digits = 8\nservice.menus.main = {{ ask = \"m\", keys = {{ {keys} }} }}")
    };
    let factor =
        |settings: &str| format!("identifier.digits = 8\n[[lines.factors]]\nname = \"f\"\n{settings}");
    let hashed = |kind: &str, settings: &str| {
        let action = "[actions.own]\npath = \"/h/{{ customer }}\"\nhash = \"$.hash\"";
        factor(&format!("{kind}\naction = \"own\"\n{action}\n{settings}"))
    };
    let table = [
        (hashed("digits = 4", "accepted = \"$.ok\""), "this action has the back end compare, and us as well"),
        (
            hashed("kind = \"partial\"\nlength = 4", ""),
            "a few places of a secret cannot be compared with its hash",
        ),
        (
            hashed("digits = 4", "method = \"POST\"\nbody = '{\"pin\": \"{{ secret }}\"}'"),
            "this sends the secret to a back end that leaves it to us to compare",
        ),
        (factor("kind = \"iris\""), "there is no kind `iris` of factor"),
        (factor("digits = 4\nneed = \"maybe\""), "a factor cannot be `maybe`"),
        (factor("digits = 4\nneed = { below = \"any\" }"), "no number is trusted less than that, so that this is never asked"),
        (factor("digits = 4\nconfirm = true"), "this factor has no setting `confirm`"),
        (factor("kind = \"partial\"\nlength = 4\nplaces = 4"), "4 places of 4 are not a part of them"),
        (factor("kind = \"partial\""), "this factor does not say `length`"),
        (factor("kind = \"date\"\ndigits = 6"), "this factor has no setting `digits`"),
        (factor("kind = \"code\"\nresend_key = \"1\""), "the key 1 is `resend_key`, so that no entry can begin with it"),
        (factor("kind = \"code\"\nresend_key = \"*\""), "the key * is both `opt_out` and `resend_key`"),
        (
            factor("kind = \"code\"\nresend_key = \"none\"\nresends = 1"),
            "no key has another code sent here, so that `resends` says nothing",
        ),
        (factor("kind = \"code\"\nchoose.ask = \"which\""), "there are no contacts to choose from here"),
        (factor("digits = 4\n[[lines.factors]]\nname = \"f\"\ndigits = 4"), "there is a `f` on this line already"),
        (menu("1 = { say = \"a\" }, x = { say = \"b\" }"), "`x` is no key"),
        (menu("1 = {}"), "this key does nothing"),
        (menu("1 = { menu = \"other\" }"), "there is no menu `other`"),
        (menu("1 = { menu = \"main\", next = true }"), "this key leads two ways"),
        (menu("1 = \"balance\""), "`keys` cannot be a text"),
        (
            "identifier.digits = 8\nservice.menus.main.keys.1.say = \"a\"".into(),
            "[menus.main] does not say `ask`",
        ),
        (
            "identifier.digits = 8\nservice.menus.main = { ask = \"m\", keys = { 0 = { say = \"a\" } }, opt_out = \"0\" }"
                .into(),
            "the key 0 is `opt_out`, so that no entry can begin with it",
        ),
        (
            "identifier.digits = 8\n[lines.service.menus]\nmain = { ask = \"m\", keys = { 1 = { say = \"a\" } } }\n\
             other = { ask = \"m\", keys = { 1 = { say = \"a\" } } }"
                .into(),
            "no key leads to the menu `other`",
        ),
        (
            "identifier.digits = 8\nservice = { needs = \"verified\", menus.main = { ask = \"m\", keys.1.say = \"a\" } }"
                .into(),
            "nobody becomes on this line what its `service` needs",
        ),
        (
            "identifiers = []\nidentify_by_number = false\nverification.digits = 4".into(),
            "nobody is identified on this line, so that nothing is verified",
        ),
        (
            "identifier.digits = 8\nback_end.hold_after = \"3s\"".into(),
            "the back end has failed by then, so that this is never said",
        ),
        ("identifier.digits = 8\nback_end.hold = \"wait\"".into(), "it is not said after how long this is said"),
        (
            "identifier.digits = 8\ngreeting = { text = \"Hello\" }".into(),
            "a text of this line is never said: there is no voice",
        ),
        (
            "identifier.digits = 8\ngreeting = { text = \"Hello {{ name }}\", otherwise = \"greeting\" }".into(),
            "a value of the customer's is said where nobody knows yet who is calling",
        ),
        (
            "identifiers = [\n\
             { name = \"a\", digits = 8, exhausted = { target = \"night\" }, opt_out = \"none\" },\n\
             { name = \"b\", digits = 8, exhausted = { target = \"night\" }, opt_out = \"none\" },\n\
             { name = \"c\", digits = 8 } ]".into(),
            "nobody is asked for the identifier `c`, as those before it lead elsewhere",
        ),
        ("identifier.digits = 8\n[[lines]]\nid = \"lost\"\nhand_over.target = \"night\"".into(), "nobody comes to the line `lost`"),
        (
            "identifier.digits = 8\nhand_over.verified.line = \"b\"\n[[lines]]\nid = \"b\"\nhand_over.line = \"100\"".into(),
            "callers go round in a circle by `b`",
        ),
    ];
    each_is_told_once(&table);
}
