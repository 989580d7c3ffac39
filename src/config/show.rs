//! What is in effect, as TOML: what the file says, with the defaults of what it does not, and without credentials.
//!
//! The conversations of lines are written anew from what they came to, in the long form of each setting; reading that
//! gives the same lines. All else stands as in the file. A setting that has no default is not there where it is not said.

mod around;

use std::time::Duration;

use jiff::fmt::friendly::SpanPrinter;
use toml::{Table, Value};

use super::fault::is_credential;
use super::lines::{below_word, trust_word};
use super::locks::FILE;
use super::{Configuration, Environment, Faults, Privacy};
use crate::flow::{
    After, Announcement, CheckDigit, CodePlan, Day, Factor, FactorKind, Hours, Identifier, Languages, Line,
    Lock, Need, Next, Notice, Piece, Question, Service, Source, Span, TextPart, Then, Turn,
};
use crate::hooks::Webhook;
use crate::locks::Limit;
use crate::records::Retention;
use crate::secret::Digit;

/// Stands for what is not shown.
const HIDDEN: &str = "***";

/// Everything in effect, for a file without faults.
pub(super) fn show(file_name: &str, text: &str, environment: Environment<'_>) -> Result<String, Faults> {
    let configuration = Configuration::parse(file_name, text, environment)?;
    let mut file: Table = toml::from_str(text).unwrap_or_default();
    hide(&mut file, false);
    settings(&mut file, &configuration);
    if let Some(Value::Array(lines)) = file.get_mut("lines") {
        for (said, line) in lines.iter_mut().filter_map(Value::as_table_mut).zip(&configuration.lines) {
            effective(said, line);
        }
    }
    if let Some(Value::Array(webhooks)) = file.get_mut("webhooks") {
        for (said, webhook) in
            webhooks.iter_mut().filter_map(Value::as_table_mut).zip(&configuration.webhooks)
        {
            told(said, webhook);
        }
    }
    Ok(toml::to_string_pretty(&file).unwrap_or_default())
}

/// Puts stars in the place of credentials and of what customers key.
fn hide(table: &mut Table, within: bool) {
    for (key, value) in table {
        let is_secret = within
            || is_credential(key)
            || ["pin", "birth_date", "last_four", "code"].contains(&key.as_str());
        match value {
            Value::String(text) if is_secret && !text.starts_with("env:") && text != FILE => {
                HIDDEN.clone_into(text);
            }
            Value::Table(inner) => hide(inner, within || is_credential(key)),
            Value::Array(items) => {
                items.iter_mut().filter_map(Value::as_table_mut).for_each(|inner| hide(inner, within));
            }
            _ => {}
        }
    }
}

fn settings(file: &mut Table, configuration: &Configuration) {
    let Configuration { media, limits, web, records, prompts, hand_over, privacy, .. } = configuration;
    let networks = configuration.sip.local_networks.iter().map(ToString::to_string);
    fill(file, "sip", [("realm", text(&configuration.sip.realm)), ("local_networks", texts(networks))]);
    let ports = format!("{}-{}", media.ports.start(), media.ports.end());
    let flags = [("pin_threads", media.pin_threads.into()), ("kernel_filter", media.kernel_filter.into())];
    fill(file, "media", [("ports", text(ports)), ("silence_timeout", time(media.silence_timeout))]);
    fill(file, "media", flags);
    let counts = [
        ("calls", limits.calls),
        ("transactions", limits.intake.transactions),
        ("messages_per_second", limits.intake.messages_per_second),
        ("connections", limits.connections),
        ("connections_per_source", limits.connections_per_source),
    ];
    fill(file, "limits", counts.map(|(key, number)| (key, number_of(number))));
    fill(file, "limits", [("drain", time(limits.drain))]);
    fill(file, "process", [("core_dumps", configuration.process.core_dumps.into())]);
    let sessions = [("session_idle", time(web.lifetimes.idle)), ("session", time(web.lifetimes.whole))];
    fill(file, "web", [("listen", text(web.listen))]);
    fill(file, "web", sessions);
    fill(file, "web", [("metrics", text(if web.open_metrics { "open" } else { "token" }))]);
    let kept = |retention| match retention {
        Retention::Off => text("off"),
        Retention::For(span) => time(span),
    };
    let (traces, recordings) = (kept(records.kept.traces), kept(records.kept.recordings));
    let folder = text(records.folder.display());
    fill(file, "records", [("folder", folder), ("traces", traces), ("recordings", recordings)]);
    let Privacy { periods, rotation } = privacy;
    let forever = || text("forever");
    let keys = [("pseudonyms", days(rotation.every)), ("pseudonyms_kept", days(rotation.kept))];
    fill(file, "privacy", [("records", periods.record.map_or_else(forever, days))]);
    fill(file, "privacy", keys);
    fill(file, "locks", Lock::ALL.map(|lock| (lock.as_str(), limit(configuration.locks.limits.of(lock)))));
    fill(file, "locks", [("database", text(FILE))]);
    fill(file, "prompts", [("language", text(&prompts.language))]);
    let times =
        [("timeout", time(hand_over.timeout)), ("progress_timeout", time(hand_over.progress_timeout))];
    fill(file, "hand_over", times);
    around::put(file, configuration);
}

fn limit(limit: Option<Limit>) -> Value {
    limit.map_or(text("off"), |Limit { tries, within }| {
        table([("tries", Value::from(i64::from(tries))), ("within", time(within))])
    })
}

/// Adds to the section what it does not say.
fn fill<const N: usize>(file: &mut Table, section: &str, values: [(&str, Value); N]) {
    let section = file.entry(section).or_insert_with(|| Table::new().into());
    if let Some(section) = section.as_table_mut() {
        complete(section, values);
    }
}

/// Adds what is not said.
fn complete<const N: usize>(said: &mut Table, values: [(&str, Value); N]) {
    for (key, value) in values {
        said.entry(key).or_insert(value);
    }
}

/// Adds to what is said of a webhook what is not.
fn told(said: &mut Table, webhook: &Webhook) {
    let events = texts(webhook.events.iter().map(|kind| kind.as_str().to_owned()));
    let usual = [
        ("events", events),
        ("timeout", time(webhook.timeout)),
        ("retry_for", time(webhook.retry_for)),
        ("max_concurrent", number_of(webhook.max_concurrent)),
        ("spool", number_of(usize::try_from(webhook.spool).unwrap_or(usize::MAX))),
    ];
    complete(said, usual);
}

/// Puts in the place of what a line says what it came to.
fn effective(said: &mut Table, line: &Line) {
    for older in ["number_action", "identifier", "verification", "closed", "hours", "service", "choose"] {
        said.remove(older);
    }
    put(said, "name", text(&line.name));
    put(said, "ring_for", time(line.ring_for));
    put(said, "language", languages(&line.languages));
    if let Some(own) = &line.notice {
        put(said, "notice", notice(own));
    }
    put(said, "greeting", announcement(&line.greeting));
    put(said, "apology", announcement(&line.apology));
    put(said, "emergency", next(&line.emergency));
    if let Some((open, closed)) = &line.hours {
        put(said, "hours", hours(open));
        put(said, "closed", next(closed));
    }
    let by_number = line.by_number.as_ref().map_or(Value::from(false), |by_number| {
        table([
            ("action", text(&by_number.action)),
            ("trust", text(trust_word(by_number.trust))),
            ("below", text(below_word(by_number.below))),
        ])
    });
    put(said, "identify_by_number", by_number);
    put(said, "identifiers", line.identification.questions.iter().map(identifier).collect::<Vec<_>>().into());
    if let Some((question, keys)) = &line.identification.choice {
        let name = |nth: &usize| text(&line.identification.questions[*nth].name);
        put(said, "choose", choice(question, keys.iter().map(|(key, nth)| (*key, name(nth)))));
    }
    put(said, "factors", line.factors.iter().map(factor).collect::<Vec<_>>().into());
    let concealed = line
        .discretion
        .map_or(Value::from(false), |discretion| table([("answers_after", time(discretion.answers_after))]));
    put(said, "conceal_unknown", concealed);
    if let Some(own) = &line.service {
        put(said, "service", service(own));
    }
    if let Some((after, hold)) = &line.patience.hold {
        put(said, "back_end", table([("hold_after", time(*after)), ("hold", announcement(hold))]));
    }
    let exits = [
        ("verified", next(&line.next.verified)),
        ("identified", next(&line.next.identified)),
        ("unidentified", next(&line.next.unidentified)),
        ("failed", announcement(&line.hand_over_failed)),
    ];
    put(said, "hand_over", table(exits));
}

fn languages(languages: &Languages) -> Value {
    let mut all = Table::new();
    put(&mut all, "first", text(&languages.first));
    let also =
        languages.all.iter().map(|(language, _)| language).filter(|language| **language != languages.first);
    put(&mut all, "also", texts(also.map(ToString::to_string)));
    if let Some(attribute) = &languages.attribute {
        put(&mut all, "attribute", text(attribute));
    }
    if let Some((question, keys)) = &languages.menu {
        put(&mut all, "menu", choice(question, keys.iter().map(|(key, language)| (*key, text(language)))));
    }
    all.into()
}

fn hours(hours: &Hours) -> Value {
    let time = |time: jiff::civil::Time, midnight: &str| {
        if time == jiff::civil::Time::midnight() {
            midnight.to_owned()
        } else {
            time.strftime("%H:%M").to_string()
        }
    };
    let spans = |spans: &[Span]| match spans {
        [] => text("closed"),
        _ => texts(
            spans.iter().map(|Span(from, to)| format!("{}-{}", time(*from, "00:00"), time(*to, "24:00"))),
        ),
    };
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let week: Table =
        days.iter().zip(&hours.week).map(|(day, open)| ((*day).to_owned(), spans(open))).collect();
    let special: Table = hours
        .special
        .iter()
        .map(|(day, open)| {
            let day = match day {
                Day::Once(date) => date.to_string(),
                Day::Yearly(month, day) => format!("{month:02}-{day:02}"),
            };
            (day, spans(open))
        })
        .collect();
    let zone = hours.zone.iana_name().unwrap_or("UTC");
    table([("zone", text(zone)), ("week", week.into()), ("special", special.into())])
}

fn identifier(identifier: &Identifier) -> Value {
    let mut all = question(&identifier.question);
    digits(&mut all, &identifier.question);
    put(&mut all, "name", text(&identifier.name));
    let check = match identifier.check {
        CheckDigit::None => "none",
        CheckDigit::Luhn => "luhn",
        CheckDigit::Mod97 => "mod97",
    };
    put(&mut all, "check_digit", text(check));
    put(&mut all, "action", text(&identifier.action));
    all.into()
}

fn factor(factor: &Factor) -> Value {
    let mut all = question(&factor.question);
    put(&mut all, "name", text(&factor.name));
    put(&mut all, "action", text(&factor.action));
    let need = match factor.need {
        Need::Required => text("required"),
        Need::Optional => text("optional"),
        Need::RequiredBelow(level) => table([("below", text(trust_word(level)))]),
    };
    put(&mut all, "need", need);
    let kind = match &factor.kind {
        FactorKind::Whole => {
            digits(&mut all, &factor.question);
            "pin"
        }
        FactorKind::Date => "date",
        FactorKind::Partial { length, count } => {
            put(&mut all, "length", number_of(usize::from(*length)));
            put(&mut all, "places", number_of(usize::from(*count)));
            "partial"
        }
        FactorKind::Code(plan) => {
            digits(&mut all, &factor.question);
            code(&mut all, plan);
            "code"
        }
    };
    put(&mut all, "kind", text(kind));
    all.into()
}

fn code(all: &mut Table, plan: &CodePlan) {
    put(all, "send", text(&plan.send));
    put(all, "sent", announcement(&plan.sent));
    put(all, "expired", announcement(&plan.expired));
    put(all, "valid_for", time(plan.valid_for));
    put(all, "resend_key", plan.resend_key.map_or(text("none"), key));
    if plan.resend_key.is_some() {
        put(all, "resends", number_of(plan.resends as usize));
    }
    if let Some(contacts) = &plan.contacts {
        put(all, "contacts", text(contacts));
        let mut choose = without_total(question(&plan.choose));
        put(&mut choose, "offer", announcement(&plan.offer));
        put(all, "choose", choose.into());
    }
}

fn service(service: &Service) -> Value {
    let mut all = Table::new();
    put(&mut all, "needs", text(service.needs.as_str()));
    if let Some(record) = &service.record {
        put(&mut all, "record", text(record));
    }
    put(&mut all, "rounds", number_of(service.rounds as usize));
    let name = |nth: usize| service.menus.get(nth).map_or(text(""), |menu| text(&menu.name));
    put(&mut all, "start", name(0));
    let mut menus = Table::new();
    for menu in &service.menus {
        let keys = menu.choices.iter().map(|(key, choice)| {
            let mut then = Table::new();
            put(&mut then, "say", announcement(&choice.say));
            match &choice.then {
                Turn::Menu(nth) => put(&mut then, "menu", name(*nth)),
                Turn::Verdict => put(&mut then, "next", true.into()),
                Turn::Then(way) => go(&mut then, way),
            }
            (*key, then.into())
        });
        put(&mut menus, &menu.name, choice(&menu.question, keys));
    }
    put(&mut all, "menus", menus.into());
    all.into()
}

fn notice(notice: &Notice) -> Value {
    let mut all = without_total(question(&notice.question));
    put(&mut all, "accept", key(notice.accept));
    put(&mut all, "opt_out", notice.question.opt_out.map_or(text("none"), key));
    all.remove("exhausted");
    put(&mut all, "declined", after(&notice.question.exhausted).into());
    all.into()
}

/// A question that is answered by one of these keys.
fn choice(asked: &Question, keys: impl Iterator<Item = (Digit, Value)>) -> Value {
    let mut all = without_total(question(asked));
    let keys: Table = keys.map(|(key, value)| (key.expose().to_string(), value)).collect();
    put(&mut all, "keys", keys.into());
    all.into()
}

/// What makes no sense where one key is the answer.
fn without_total(mut question: Table) -> Table {
    for key in ["terminator", "inter_digit_timeout", "total_timeout"] {
        question.remove(key);
    }
    question
}

fn question(question: &Question) -> Table {
    let Question { entry, retries, prompts, .. } = question;
    let mut all = Table::new();
    put(&mut all, "terminator", entry.terminator.map_or(text("none"), key));
    put(&mut all, "first_digit_timeout", time(entry.first_digit_timeout));
    put(&mut all, "inter_digit_timeout", time(entry.inter_digit_timeout));
    put(&mut all, "total_timeout", time(entry.total_timeout));
    let counts = [("no_match", retries.no_match), ("no_input", retries.no_input), ("total", retries.total)];
    put(&mut all, "retries", table(counts.map(|(key, count)| (key, number_of(count as usize)))));
    let mut said = Table::new();
    put(&mut said, "ask", announcement(&prompts.ask));
    let lists =
        [("no_match", &prompts.no_match), ("no_input", &prompts.no_input), ("too_short", &prompts.too_short)];
    for (key, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        put(&mut said, key, list.iter().map(announcement).collect::<Vec<_>>().into());
    }
    put(&mut all, "prompts", said.into());
    if let Some(confirm) = &question.confirm {
        put(&mut all, "confirm", announcement(confirm));
    }
    if let Some((on, help)) = &question.help {
        put(&mut all, "help", table([("key", key(*on)), ("say", announcement(help))]));
    }
    let opt_out = question.opt_out.map_or(text("none"), |on| {
        let mut then = after(&question.opted_out);
        put(&mut then, "key", key(on));
        then.into()
    });
    put(&mut all, "opt_out", opt_out);
    put(&mut all, "exhausted", after(&question.exhausted).into());
    all
}

fn digits(all: &mut Table, question: &Question) {
    let (min, max) = (question.entry.digits_min, question.entry.digits_max);
    put(all, "digits", if min == max { number_of(max) } else { text(format!("{min}-{max}")) });
}

fn after(after: &After) -> Table {
    let mut all = Table::new();
    match after {
        After::Next => put(&mut all, "next", true.into()),
        After::Verdict => put(&mut all, "verdict", true.into()),
        After::Then(then) => go(&mut all, then),
    }
    all
}

fn next(next: &Next) -> Value {
    let mut all = Table::new();
    put(&mut all, "say", announcement(&next.say));
    go(&mut all, &next.then);
    all.into()
}

fn go(all: &mut Table, then: &Then) {
    match then {
        Then::HandOver(targets) => match &targets[..] {
            [only] => put(all, "target", text(only)),
            targets => put(all, "targets", texts(targets.iter().map(ToString::to_string))),
        },
        Then::Line(line) => put(all, "line", text(line)),
        Then::HangUp => put(all, "hang_up", true.into()),
    }
}

fn announcement(announcement: &Announcement) -> Value {
    let pieces: Vec<Value> = announcement.pieces.iter().map(piece).collect();
    let say = match &pieces[..] {
        [Value::String(only)] => text(only),
        _ => pieces.into(),
    };
    if announcement.barge_in && announcement.key_ahead {
        return say;
    }
    let flags = [("barge_in", announcement.barge_in.into()), ("key_ahead", announcement.key_ahead.into())];
    table([("say", say)].into_iter().chain(flags))
}

fn piece(piece: &Piece) -> Value {
    match piece {
        Piece::Prompt(prompt) => text(prompt),
        Piece::PromptIn(language, prompt) => text(format!("{language}:{prompt}")),
        Piece::Value(source, kind) => text(format!("{{{{ {} | {kind} }}}}", source_word(source))),
        Piece::Silence(span) => text(format!("pause {}", span_text(*span))),
        Piece::Text(parts, otherwise) => {
            let words: String = parts.iter().map(part).collect();
            let otherwise = otherwise.iter().map(|prompt| ("otherwise", text(prompt)));
            table([("text", text(words))].into_iter().chain(otherwise))
        }
        Piece::Recorded(attribute, prompt) => {
            table([("recording", text(attribute)), ("otherwise", text(prompt))])
        }
    }
}

fn part(part: &TextPart) -> String {
    match part {
        TextPart::Plain(words) => words.clone(),
        TextPart::Value(source) => format!("{{{{ {} }}}}", source_word(source)),
    }
}

/// What the file calls it.
pub(super) fn source_word(source: &Source) -> String {
    match source {
        Source::Name => "name".into(),
        Source::Attribute(name) => format!("record.{name}"),
        Source::Entry => "entry".into(),
        Source::Positions => "positions".into(),
        Source::ContactEnding => "contact".into(),
        Source::Key => "key".into(),
    }
}

fn put(table: &mut Table, key: &str, value: Value) {
    table.insert(key.to_owned(), value);
}

fn table<'k>(values: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    Value::Table(values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

#[expect(clippy::needless_pass_by_value, reason = "texts are mostly made on the spot")]
fn text(text: impl ToString) -> Value {
    Value::String(text.to_string())
}

fn texts(texts: impl Iterator<Item = String>) -> Value {
    texts.map(Value::String).collect::<Vec<_>>().into()
}

fn number_of(number: usize) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn key(key: Digit) -> Value {
    text(key.expose())
}

fn time(span: Duration) -> Value {
    text(span_text(span))
}

/// A time that may be longer than anybody counts in hours.
fn days(span: Duration) -> Value {
    const HOURS_A_DAY: u64 = 24;
    let hours = span.as_secs() / 3600;
    text(if hours.is_multiple_of(HOURS_A_DAY) {
        format!("{}d", hours / HOURS_A_DAY)
    } else {
        span_text(span)
    })
}

fn span_text(span: Duration) -> String {
    SpanPrinter::new().unsigned_duration_to_string(&span)
}

#[cfg(test)]
mod tests {
    use super::super::{DEMO, schema::REFERENCE};
    use super::*;

    const ANYTHING: Environment<'static> = &|name| Some(name.to_owned());

    #[test]
    fn what_is_shown_comes_to_the_same() {
        for (name, file) in [("demo", DEMO), ("reference", REFERENCE)] {
            let shown = show(name, file, ANYTHING).unwrap_or_else(|faults| panic!("{faults}"));
            let read = |text| {
                Configuration::parse(name, text, ANYTHING)
                    .unwrap_or_else(|faults| panic!("{faults}\n{shown}"))
            };
            // A customer's secret that is hidden cannot be keyed, which the demo's section would not take.
            let (before, after) = (
                read(file),
                read(
                    &shown
                        .replace("birth_date = \"***\"", "birth_date = \"1980-12-31\"")
                        .replace("token_url = \"***\"", "token_url = \"https://login.example.com/\"")
                        .replace("\"***\"", "\"1234\""),
                ),
            );
            assert_eq!(before.lines, after.lines, "{name}");
            assert_eq!(before.sounds, after.sounds, "{name}");
            assert_eq!((before.media, before.limits, before.web), (after.media, after.limits, after.web));
            assert_eq!(
                (before.records, before.privacy, before.prompts, before.hand_over),
                (after.records, after.privacy, after.prompts, after.hand_over)
            );
            assert_eq!((before.sip, before.targets), (after.sip, after.targets));
            assert_eq!(before.webhooks, after.webhooks);
        }
    }

    #[test]
    fn defaults_of_what_lines_refer_to_are_shown() {
        let more = "[[trunks]]\nname = \"carrier\"\naddresses = [\"192.0.2.1\"]\n[back_ends.other]\n\
                    base_url = \"https://crm.example.com\"\n[speech]\ncommand = [\"say\"]\n";
        let shown =
            show("demo", &format!("{DEMO}\n{more}"), ANYTHING).unwrap_or_else(|faults| panic!("{faults}"));
        let read: Table = toml::from_str(&shown).expect("TOML");
        let other = &read["back_ends"]["other"];
        assert_eq!(
            (&other["deadline"], &other["max_concurrent"], &other["breaker"]["open_for"]),
            (&text("3s"), &number_of(64), &text("10s"))
        );
        assert_eq!(read["back_end"]["breaker"]["failures"], number_of(10));
        assert_eq!(read["actions"]["customer_record"]["method"], text("GET"));
        assert_eq!(read["actions"]["check_pin"]["retry"], Value::Boolean(false));
        assert_eq!(read["trunks"][0]["identity"], texts(["from".to_owned()].into_iter()));
        assert_eq!(
            (&read["speech"]["deadline"], &read["speech"]["max_concurrent"]),
            (&text("1s 500ms"), &number_of(8))
        );
        let without = DEMO.replace("send = [\"customer\", \"name\"]", "");
        let shown = show("demo", &without, ANYTHING).unwrap_or_else(|faults| panic!("{faults}"));
        assert!(shown.contains("send = []"), "{shown}");
    }

    #[test]
    fn defaults_are_shown_and_credentials_are_not() {
        let file = DEMO.replace(
            "\n[back_end]\n",
            "\n[back_end]\ntoken = \"s3same\"\nheaders = { X-Key = \"k3y\", Y = \"env:Y\" }\n",
        );
        let shown = show("demo", &file, ANYTHING).unwrap_or_else(|faults| panic!("{faults}"));
        for hidden in ["s3same", "k3y", "4711"] {
            assert!(!shown.contains(hidden), "{hidden}");
        }
        for told in [
            "realm = \"portero\"",
            "drain = \"60s\"",
            "X-Key = \"***\"",
            "Y = \"env:Y\"",
            "trust = \"claimed\"",
        ] {
            assert!(shown.contains(told), "{told} in {shown}");
        }
    }
}
