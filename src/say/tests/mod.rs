//! The shipped languages against spellers that know nothing of the rules, and rules of other kinds.

mod spelled;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;

const ENGLISH: &str = include_str!("../../../prompts/en/rules.toml");
const GERMAN: &str = include_str!("../../../prompts/de/rules.toml");

fn english() -> Language {
    Language::parse(ENGLISH).expect("the shipped rules are good")
}

fn german() -> Language {
    Language::parse(GERMAN).expect("the shipped rules are good")
}

/// What the recordings of a language say, by their names.
fn texts(language: &str) -> HashMap<String, String> {
    let file = match language {
        "en" => include_str!("../../../prompts/en.toml"),
        _ => include_str!("../../../prompts/de.toml"),
    };
    let entries = file.lines().filter_map(|line| line.split_once(" = \""));
    entries.map(|(name, text)| (name.to_owned(), text.trim_end_matches(['"', '.']).to_owned())).collect()
}

fn prompts(pieces: Vec<Piece>) -> Vec<String> {
    let name = |piece| match piece {
        Piece::Prompt(prompt) => prompt.to_string(),
        Piece::Silence(length) => format!("({length:?})"),
    };
    pieces.into_iter().map(name).collect()
}

/// The sentence that is heard.
fn heard(language: &Language, texts: &HashMap<String, String>, kind: Kind, value: &str) -> String {
    let saying = kind.read(value).unwrap_or_else(|fault| panic!("{value}: {fault}"));
    let pieces = language.say(&saying).unwrap_or_else(|fault| panic!("{value}: {fault}"));
    let text = |name: &String| texts.get(name).unwrap_or_else(|| panic!("{name} has no text")).as_str();
    prompts(pieces).iter().map(text).collect::<Vec<_>>().join(" ")
}

fn no_spaces(text: &str) -> String {
    text.to_lowercase().replace([' ', '-'], "")
}

/// Numbers up to the limit, of all lengths alike.
fn numbers() -> impl Strategy<Value = u64> {
    (0..=12_u32, any::<u64>()).prop_map(|(digits, random)| random % 10_u64.pow(digits))
}

#[test]
fn every_number_to_ten_thousand_is_said_as_it_is_spelled() {
    let (english, german, en, de) = (english(), german(), texts("en"), texts("de"));
    let mut sounds: [BTreeSet<String>; 2] = Default::default();
    for number in 0..=10_000_u64 {
        let value = number.to_string();
        let said = heard(&english, &en, Kind::Number, &value);
        assert_eq!(said, spelled::english(number));
        sounds[0].insert(said);
        let said = no_spaces(&heard(&german, &de, Kind::Number, &value));
        assert_eq!(said, spelled::german(number));
        sounds[1].insert(said);
    }
    assert_eq!(sounds.map(|sounds| sounds.len()), [10_001; 2], "no two numbers sound the same");
}

proptest! {
    #[test]
    fn numbers_of_any_length_are_said_as_they_are_spelled(number in numbers(), negative: bool) {
        let sign = if negative && number > 0 { "-" } else { "" };
        let value = format!("{sign}{number}");
        let minus = if sign.is_empty() { "" } else { "minus " };
        let said = heard(&english(), &texts("en"), Kind::Number, &value);
        prop_assert_eq!(said, format!("{minus}{}", spelled::english(number)));
        let said = heard(&german(), &texts("de"), Kind::Number, &value);
        prop_assert_eq!(no_spaces(&said), format!("{}{}", minus.trim(), spelled::german(number)));
    }

    #[test]
    fn distinct_numbers_never_sound_the_same(one in numbers(), other in numbers()) {
        prop_assume!(one != other);
        for language in [english(), german()] {
            let say = |number: u64| language.say(&Kind::Number.read(&number.to_string())?);
            prop_assert_ne!(say(one), say(other));
        }
    }

    #[test]
    fn nothing_that_is_read_is_left_unsaid(
        date in (1..=9999_i16, 1..=12_u8, 1..=28_u8),
        time in (0..24_u8, 0..60_u8),
        amount in (numbers(), 0..100_u8),
    ) {
        let ((year, month, day), (hour, minute), (major, minor)) = (date, time, amount);
        let values = [
            (Kind::Date, format!("{year:04}-{month:02}-{day:02}")),
            (Kind::Time, format!("{hour:02}:{minute:02}")),
            (Kind::Money(Currency::parse("EUR")), format!("-{major}.{minor:02}")),
        ];
        for (language, texts) in [(english(), texts("en")), (german(), texts("de"))] {
            for (kind, value) in &values {
                prop_assert!(!heard(&language, &texts, *kind, value).is_empty());
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text: String) {
        let _ = Language::parse(&text);
        for kind in [Kind::Digits, Kind::Number, Kind::Ordinal, Kind::Date, Kind::Time, Kind::Money(None)] {
            let _ = kind.read(&text);
        }
    }

    #[test]
    fn rules_that_are_taken_come_to_an_end(
        texts in proptest::collection::vec("(<<|>>|<b<|>b>|=b=|<a<|=a=|w|\\[>>\\]| ){1,8}", 4),
        number in numbers(),
    ) {
        let rules = format!(
            "[numbers.a]\n0 = \"w\"\n10 = \"{}\"\n100 = \"{}\"\n[numbers.b]\n0 = \"\"\n10 = \"{}\"\n\"20/2\" = \"{}\"\n",
            texts[0], texts[1], texts[2], texts[3],
        ).replace("numbers.a", "numbers.cardinal").replace("=a=", "=cardinal=").replace("<a<", "<cardinal<");
        if let Ok(language) = Language::parse(&rules) {
            let _ = language.say(&Kind::Number.read(&number.to_string())?);
        }
    }
}

#[test]
fn what_is_said_of_values() {
    let eur = Kind::Money(Currency::parse("EUR"));
    let table = [
        (Kind::Number, "101", "one hundred and one", "ein hundert eins"),
        (Kind::Number, "-0.50", "minus zero point five zero", "minus null Komma fünf null"),
        (Kind::Number, "-0", "zero", "null"),
        (Kind::Number, "007", "seven", "sieben"),
        (Kind::Number, "1000001", "one million and one", "eine Million eins"),
        (Kind::Number, "2000000000", "two billion", "zwei Milliarden"),
        (Kind::Number, "101000000", "one hundred and one million", "ein hundert eine Millionen"),
        (Kind::Ordinal, "1", "first", "erster"),
        (Kind::Ordinal, "24", "twenty fourth", "vierundzwanzigster"),
        (Kind::Ordinal, "30", "thirtieth", "dreißigster"),
        (Kind::Ordinal, "101", "one hundred and first", "ein hundert erster"),
        (Kind::Ordinal, "2000", "two thousandth", "zwei tausendster"),
        (
            Kind::Date,
            "1999-12-01",
            "December first nineteen ninety nine",
            "erster Dezember neunzehn hundert neunundneunzig",
        ),
        (
            Kind::Date,
            "2026-11-24T08:00:00Z",
            "November twenty fourth twenty twenty six",
            "vierundzwanzigster November zwei tausend sechsundzwanzig",
        ),
        (Kind::Date, "1905-03-08", "March eighth nineteen oh five", "achter März neunzehn hundert fünf"),
        (
            Kind::Date,
            "1900-05-31",
            "May thirty first nineteen hundred",
            "einunddreißigster Mai neunzehn hundert",
        ),
        (Kind::Date, "2009-07-03", "July third two thousand and nine", "dritter Juli zwei tausend neun"),
        (Kind::Time, "00:00", "twelve a.m", "null Uhr"),
        (Kind::Time, "01:30", "one thirty a.m", "ein Uhr dreißig"),
        (Kind::Time, "12:05", "twelve oh five p.m", "zwölf Uhr fünf"),
        (Kind::Time, "21:00:59", "nine p.m", "einundzwanzig Uhr"),
        (eur, "1", "one euro", "ein Euro"),
        (
            eur,
            "-1234.50",
            "minus one thousand two hundred and thirty four euros and fifty cents",
            "minus ein tausend zwei hundert vierunddreißig Euro und fünfzig Cent",
        ),
        (eur, "0.01", "one cent", "ein Cent"),
        (eur, "0.00", "zero euros", "null Euro"),
        (eur, "21.5", "twenty one euros and fifty cents", "einundzwanzig Euro und fünfzig Cent"),
        (eur, "101 GBP", "one hundred and one pounds", "ein hundert ein Pfund"),
        (Kind::Money(None), "USD 2.02", "two dollars and two cents", "zwei Dollar und zwei Cent"),
        (Kind::Money(None), "0.02 GBP", "two pence", "zwei Pence"),
        (Kind::Money(None), "CHF 1.100", "one franc and ten rappen", "ein Franken und zehn Rappen"),
    ];
    let (english, german, en, de) = (english(), german(), texts("en"), texts("de"));
    for (kind, value, in_english, in_german) in table {
        assert_eq!(heard(&english, &en, kind, value), in_english, "{value}");
        assert_eq!(heard(&german, &de, kind, value), in_german, "{value}");
    }
}

#[test]
fn digits_pause_between_groups() {
    let table = [
        ("4711", "4 7 1 1"),
        ("123456", "1 2 3 - 4 5 6"),
        ("1234567", "1 2 3 - 4 5 6 7"),
        ("12345678", "1 2 3 - 4 5 6 - 7 8"),
        ("0", "0"),
        ("030 1234567", "0 3 0 - 1 2 3 4 5 6 7"),
        ("12-34/56.78", "1 2 - 3 4 - 5 6 - 7 8"),
    ];
    for (value, said) in table {
        let pieces = english().say(&Kind::Digits.read(value).expect("digits")).expect("can be said");
        let said_now = prompts(pieces).join(" ").replace("digit-", "").replace("(250ms)", "-");
        assert_eq!(said_now, said, "{value}");
    }
    let prompt = PromptId::new("greeting");
    assert_eq!(english().say(&Saying::Prompt(prompt.clone())), Ok(vec![Piece::Prompt(prompt)]));
    let silence = Duration::from_millis(700);
    assert_eq!(english().say(&Saying::Silence(silence)), Ok(vec![Piece::Silence(silence)]));
}

#[test]
fn what_cannot_be_said_is_told_and_never_shown() {
    let shaped = "is written like";
    let table = [
        (Kind::Digits, "", shaped),
        (Kind::Digits, "12a4", shaped),
        (Kind::Digits, " - ", shaped),
        (Kind::Digits, &"7".repeat(65), "too long"),
        (Kind::Number, "", shaped),
        (Kind::Number, "1,5", shaped),
        (Kind::Number, "7777.", shaped),
        (Kind::Number, ".5", shaped),
        (Kind::Number, "--1", shaped),
        (Kind::Number, "1e3", shaped),
        (Kind::Number, "1000000000000", "larger than"),
        (Kind::Number, "77777777777777777777777", "larger than"),
        (Kind::Number, "0.7777777777", "too long"),
        (Kind::Ordinal, "0", shaped),
        (Kind::Ordinal, "-7", shaped),
        (Kind::Ordinal, "7.0", shaped),
        (Kind::Date, "2026-02-30", shaped),
        (Kind::Date, "24.11.2026", shaped),
        (Kind::Date, "20261124", shaped),
        (Kind::Date, "-002026-11-24", shaped),
        (Kind::Date, "0000-11-24", shaped),
        (Kind::Date, "", shaped),
        (Kind::Time, "24:00", shaped),
        (Kind::Time, "7:05", shaped),
        (Kind::Time, "14h05", shaped),
        (Kind::Money(None), "77.00", "which currency"),
        (Kind::Money(None), "77 euros", "which currency"),
        (Kind::Money(None), "77,00 EUR", shaped),
        (Kind::Money(None), "77.005 EUR", "more decimals than EUR has"),
        (Kind::Money(None), "77 XTS", "no rules for XTS"),
    ];
    for (kind, value, told) in table {
        let said = kind.read(value).and_then(|saying| english().say(&saying));
        let fault = said.expect_err(value).to_string();
        assert!(fault.contains(told), "{value}: {fault}");
        assert!(!fault.contains("77"), "{value}: {fault}");
    }
    for (kind, value) in [(Kind::Digits, "4711"), (Kind::Number, "4711"), (Kind::Money(None), "4711 EUR")] {
        assert!(!format!("{:?}", kind.read(value)).contains("4711"));
    }
    assert_eq!(german().say(&Saying::Ordinal(2_000_000)), Err(Unsayable::NoRule));
    let empty = Language::default();
    for value in [Kind::Digits.read("1"), Kind::Number.read("1"), Kind::Date.read("2026-11-24")] {
        assert_eq!(value.and_then(|saying| empty.say(&saying)), Err(Unsayable::NoRule));
    }
}

#[test]
fn kinds_have_names() {
    let eur = Currency::parse("EUR");
    let table = [
        ("digits", Some(Kind::Digits)),
        ("date", Some(Kind::Date)),
        ("money", Some(Kind::Money(None))),
        ("money EUR", Some(Kind::Money(eur))),
        ("money euro", None),
        ("amount", None),
    ];
    for (name, kind) in table {
        assert_eq!(Kind::parse(name), kind, "{name}");
    }
}

#[test]
fn callers_key_dates_in_the_order_of_their_language() {
    assert_eq!(english().date_order(), DateOrder::MonthDayYear);
    assert_eq!(german().date_order(), DateOrder::DayMonthYear);
    assert_eq!((english().name(), german().name()), ("English", "Deutsch"));
}

#[test]
fn the_recordings_that_are_needed_are_known_beforehand() {
    for (language, rules) in [("en", english()), ("de", german())] {
        let texts = texts(language);
        let missing: Vec<_> =
            rules.prompts().into_iter().filter(|id| !texts.contains_key(id.as_str())).collect();
        assert!(missing.is_empty(), "{language}: {missing:?}");
        let pieces = |prefix: &str| {
            ["digit-", "number-", "ordinal-", "month-", "time-", "money-"]
                .iter()
                .any(|known| prefix.starts_with(known))
        };
        let unused: BTreeMap<_, _> = texts
            .iter()
            .filter(|(id, _)| pieces(id) && !rules.prompts().contains(&PromptId::new(id.as_str())))
            .collect();
        assert!(unused.is_empty(), "{language}: {unused:?}");
        assert_eq!(rules.prompts_of([Kind::Digits]).len(), 10);
        assert_eq!(rules.prompts_of([]).len(), 0);
    }
    let euros = english().prompts_of([Kind::Money(Currency::parse("EUR"))]);
    assert!(euros.contains(&PromptId::new("money-euro-other")));
    assert!(!euros.contains(&PromptId::new("money-dollar-other")));
}

proptest! {
    #[test]
    fn nothing_is_said_that_was_not_known_to_be_needed(number in numbers(), place in 1..100_000_u64) {
        for language in [english(), german()] {
            let values = [
                (Kind::Number, format!("-{number}.5")),
                (Kind::Ordinal, place.to_string()),
                (Kind::Money(Currency::parse("GBP")), format!("{}.{:02}", number, place % 100)),
                (Kind::Time, format!("{:02}:{:02}", number % 24, place % 60)),
                (Kind::Date, format!("{:04}-{:02}-{:02}", place % 9999 + 1, number % 12 + 1, place % 28 + 1)),
            ];
            for (kind, value) in values {
                let needed = language.prompts_of([kind]);
                for piece in language.say(&kind.read(&value)?)? {
                    prop_assert!(matches!(&piece, Piece::Prompt(id) if needed.contains(id)), "{:?}", piece);
                }
            }
        }
    }
}

/// French counts by scores from sixty on; Polish has three plural forms. Neither needs a line of code.
#[test]
fn a_third_language_is_a_matter_of_rules() {
    let french = Language::parse(
        r#"
        name = "Français"
        [numbers.cardinal]
        "0..16" = "fr-#"
        17 = "dix fr-7"
        18 = "dix fr-8"
        19 = "dix fr-9"
        20 = "vingt [>et-un>]"
        60 = "soixante [>et-un>]"
        "70/60" = "soixante >et-un>"
        80 = "quatre-vingt [>>]"
        "90/80" = "quatre-vingt >>"
        100 = "cent [>>]"
        200 = "<< cent [>>]"
        [numbers.et-un]
        1 = "et fr-1"
        2 = "=cardinal="
        11 = "et fr-11"
        12 = "=cardinal="
        "#,
    )
    .expect("good rules");
    let table = [
        (17, "dix 7"),
        (21, "vingt et 1"),
        (71, "soixante et 11"),
        (77, "soixante dix 7"),
        (80, "quatre-vingt"),
        (81, "quatre-vingt 1"),
        (99, "quatre-vingt dix 9"),
        (300, "3 cent"),
    ];
    for (number, said) in table {
        let pieces = french.say(&Saying::Number(number.into())).expect("can be said");
        assert_eq!(prompts(pieces).join(" ").replace("fr-", ""), said, "{number}");
    }
    let polish = Language::parse(
        r##"
        [plurals]
        one = "n = 1"
        few = "n % 10 = 2..4 and n % 100 != 12..14"
        [numbers.cardinal]
        "0..999" = "#"
        1_000 = "<< tysiac-@ [>>]"
        [digits]
        said = "#"
        [money]
        said = "{major} {minor}"
        [money.PLN]
        major = "=cardinal= zloty-@"
        minor = "=cardinal= grosz-@"
        "##,
    )
    .expect("good rules");
    for (amount, said) in [
        ("1.02 PLN", "1 zloty-one 2 grosz-few"),
        ("22.12 PLN", "22 zloty-few 12 grosz-other"),
        ("3005.00 PLN", "3 tysiac-few 5 zloty-other 0 grosz-other"),
    ] {
        let saying = Kind::Money(None).read(amount).expect("an amount");
        assert_eq!(prompts(polish.say(&saying).expect("can be said")).join(" "), said);
    }
}

#[test]
fn faults_of_rules_are_told_all_at_once_with_their_lines() {
    let text = r##"
nam = "x"
[plurals]
few = "n is 2"
[numbers.cardinal]
"0..9" = "digit-#"
x = "w"
5 = "<<"
10 = "<nowhere<"
20 = "a [b"
30 = "a ] b"
40 = "digit-#"
50 = "ä"
"60/61" = "w"
70 = 7
80 = "=cardinal="
"90..80" = "#"
[signs]
minus = "two words"
[dates]
order = "day year month"
said = "{day} {mont}"
day = "digit-#"
month = "<<"
[money]
said = "{major}"
euro = {}
[money.EUR]
major = "money-#"
decimals = 9
[times]
clock = 13
extra = 1
"##;
    let faults = Language::parse(text).expect_err("there is much wrong");
    let lines: Vec<usize> = faults.0.iter().map(|fault| fault.line).collect();
    let shown = faults.to_string();
    let told = [
        (2, "`nam` is nothing"),
        (4, "no condition"),
        (5, "leads back to itself"),
        (7, "`x` is no number"),
        (8, "nothing to divide by"),
        (9, "[numbers.nowhere]"),
        (10, "without its `]`"),
        (11, "where none can be"),
        (12, "needs a range"),
        (13, "neither a recording"),
        (14, "cannot be divided by 61"),
        (15, "`70` should be a text"),
        (17, "range of 2 to 1000"),
        (19, "one recording"),
        (21, "`order` is"),
        (22, "{day}, {month}, {year}"),
        (24, "nothing to divide by"),
        (27, "no currency"),
        (29, "needs a range"),
        (30, "`decimals` should be"),
        (33, "`extra` is nothing"),
    ];
    for (line, message) in told {
        let found = faults.0.iter().any(|fault| fault.line == line && fault.message.contains(message));
        assert!(found, "line {line}: {message}\n{shown}");
    }
    assert!(
        shown.contains("[dates] does not say `year`") && shown.contains("[times] does not say `said`"),
        "{shown}"
    );
    assert!(lines.is_sorted(), "{lines:?}");
    let circle =
        "[numbers.a]\n0 = \"=b=\"\n[numbers.b]\n0 = \"[=c=]\"\n10 = \"=c=\"\n[numbers.c]\n10 = \"[=a=]\"\n";
    let told = Language::parse(circle).expect_err("it goes round").to_string();
    assert!(told.contains("leads back to itself"), "{told}");
    let no_toml = Language::parse("[numbers\n=").expect_err("this is no TOML");
    assert!(no_toml.0[0].line == 1, "{no_toml}");
}

#[test]
fn rules_that_multiply_are_stopped() {
    let rules = "[numbers.cardinal]\n0 = \"w\"\n\"2/2\" = \"<< <<\"\n";
    let language = Language::parse(rules).expect("each rule is good");
    let saying = Kind::Number.read("999999999999").expect("a number");
    assert_eq!(language.say(&saying), Err(Unsayable::TooLong));
}
