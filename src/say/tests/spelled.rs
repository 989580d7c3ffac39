//! Numbers in letters, spelled by code: what the rules are held against.

const ENGLISH_ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const ENGLISH_TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const ENGLISH_SCALES: [&str; 4] = ["", " thousand", " million", " billion"];

const GERMAN_ONES: [&str; 20] = [
    "",
    "ein",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "elf",
    "zwölf",
    "dreizehn",
    "vierzehn",
    "fünfzehn",
    "sechzehn",
    "siebzehn",
    "achtzehn",
    "neunzehn",
];
const GERMAN_TENS: [&str; 10] =
    ["", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"];

/// As an Englishman would write a cheque, without hyphens.
pub fn english(number: u64) -> String {
    if number == 0 {
        return "zero".to_owned();
    }
    let threes: Vec<usize> = (0..4).map(|place| (number / 1000_u64.pow(place) % 1000) as usize).collect();
    let mut text = String::new();
    for place in (0..4).rev().filter(|place| threes[*place] > 0) {
        if !text.is_empty() {
            text.push_str(if place == 0 && threes[0] < 100 { " and " } else { " " });
        }
        text.push_str(&english_below_thousand(threes[place]));
        text.push_str(ENGLISH_SCALES[place]);
    }
    text
}

fn english_below_thousand(number: usize) -> String {
    let (hundreds, rest) = (number / 100, number % 100);
    let small = match rest {
        0..20 => ENGLISH_ONES[rest].to_owned(),
        _ if rest % 10 == 0 => ENGLISH_TENS[rest / 10].to_owned(),
        _ => format!("{} {}", ENGLISH_TENS[rest / 10], ENGLISH_ONES[rest % 10]),
    };
    match (hundreds, rest) {
        (0, _) => small,
        (_, 0) => format!("{} hundred", ENGLISH_ONES[hundreds]),
        _ => format!("{} hundred and {small}", ENGLISH_ONES[hundreds]),
    }
}

/// In one word, as German has it, in small letters.
pub fn german(number: u64) -> String {
    if number == 0 {
        return "null".to_owned();
    }
    let three = |place: u32| (number / 1000_u64.pow(place) % 1000) as usize;
    let large = |place, one: &str, many: &str| match three(place) {
        0 => String::new(),
        1 => format!("eine{one}"),
        // A hundred and one of them end as one does.
        many_of if many_of % 100 == 1 => format!("{}e{many}", german_below_thousand(many_of)),
        many_of => format!("{}{many}", german_below_thousand(many_of)),
    };
    let thousands = match three(1) {
        0 => String::new(),
        thousands => format!("{}tausend", german_below_thousand(thousands)),
    };
    let rest = german_below_thousand(three(0));
    let ends_in_one = three(0) % 100 == 1;
    let end = if ends_in_one { "s" } else { "" };
    [&large(3, "milliarde", "milliarden"), &large(2, "million", "millionen"), &thousands, &rest, end]
        .map(|part| part)
        .concat()
}

fn german_below_thousand(number: usize) -> String {
    let (hundreds, rest) = (number / 100, number % 100);
    let (tens, ones) = (rest / 10, rest % 10);
    let small = match rest {
        0..20 => GERMAN_ONES[rest].to_owned(),
        _ if ones == 0 => GERMAN_TENS[tens].to_owned(),
        _ => format!("{}und{}", GERMAN_ONES[ones], GERMAN_TENS[tens]),
    };
    if hundreds > 0 { format!("{}hundert{small}", GERMAN_ONES[hundreds]) } else { small }
}
