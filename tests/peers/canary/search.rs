//! Looks for what was keyed in whatever is left: as it is, backwards, in other codes, and taken apart.
//!
//! Keys are looked for that are nowhere by chance, so that anything found is a leak.

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};

/// The furthest that two keys lie apart in something that repeats itself, in bytes: a table's row, a separator.
const STRIDE_MAX: usize = 64;

/// Keys that are looked for.
pub struct Canary {
    keys: &'static str,
    /// What no piece of may be there, with its name.
    needles: Vec<(&'static str, Vec<u8>)>,
}

impl Canary {
    /// Of these digits, at least eight.
    pub fn new(keys: &'static str) -> Self {
        assert!(keys.len() >= 8 && keys.bytes().all(|key| key.is_ascii_digit()), "digits, enough of them");
        let backwards: String = keys.chars().rev().collect();
        let mut needles = Vec::new();
        for keys in [keys, &backwards] {
            needles.extend(needles_of(keys));
        }
        Self { keys, needles }
    }

    /// In what form the keys are in it, if they are.
    pub fn found_in(&self, content: &[u8]) -> Option<&'static str> {
        let needle = self.needles.iter().find(|(_, needle)| holds(content, needle));
        let keys = self.keys.as_bytes();
        let backwards: Vec<u8> = keys.iter().rev().copied().collect();
        needle
            .map(|(form, _)| *form)
            .or_else(|| [keys, &backwards].into_iter().any(|keys| strides(content, keys)).then_some("split"))
            .or_else(|| is_told_line_by_line(content, self.keys).then_some("one in a line"))
    }
}

fn needles_of(keys: &str) -> Vec<(&'static str, Vec<u8>)> {
    let hex = |separator: &str, before: &str| {
        let octets = keys.bytes().map(|key| format!("{before}{key:02x}")).collect::<Vec<_>>();
        octets.join(separator).into_bytes()
    };
    let event_codes = keys.bytes().map(|key| key - b'0');
    let nibbles: Vec<u8> = event_codes.clone().chain([0xf]).collect();
    let pairs = || nibbles.chunks_exact(2);
    let number: u64 = keys.parse().expect("a number");
    let number = number.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    let mut needles = vec![
        ("as keyed", keys.as_bytes().to_vec()),
        ("in UTF-16", keys.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("in hexadecimal", hex("", "")),
        ("in hexadecimal", hex(" ", "")),
        ("in hexadecimal", hex(":", "")),
        ("in hexadecimal", hex(", ", "0x")),
        ("percent-encoded", hex("", "%")),
        (
            "as event codes in hexadecimal",
            event_codes.clone().flat_map(|code| format!("{code:02x}").into_bytes()).collect(),
        ),
        ("as event codes", event_codes.collect()),
        ("in BCD", pairs().map(|pair| pair[0] << 4 | pair[1]).collect()),
        ("in BCD of telephony", pairs().map(|pair| pair[1] << 4 | pair[0]).collect()),
        ("as a number", number.iter().rev().copied().collect()),
        ("as a number", number),
    ];
    for ahead in 0..3 {
        // What is around shows in the first and the last letters only.
        let coded = BASE64_STANDARD_NO_PAD.encode([&vec![0; ahead], keys.as_bytes()].concat());
        let first = (ahead * 8).div_ceil(6);
        let last = (ahead + keys.len()) * 8 / 6;
        needles.push(("in base64", coded.as_bytes()[first..last].to_vec()));
    }
    needles
}

fn holds(content: &[u8], needle: &[u8]) -> bool {
    let (first, rest) = needle.split_first().expect("something to look for");
    let mut from = 0;
    while let Some(at) = content[from..].iter().position(|byte| byte == first) {
        from += at + 1;
        if content[from..].starts_with(rest) {
            return true;
        }
    }
    false
}

/// Whether the keys, or their codes, lie in it at equal distances.
fn strides(content: &[u8], keys: &[u8]) -> bool {
    let event_codes: Vec<u8> = keys.iter().map(|key| key - b'0').collect();
    (0..content.len()).any(|at| {
        [keys, &event_codes].into_iter().filter(|keys| content[at] == keys[0]).any(|keys| {
            (2..=STRIDE_MAX).any(|stride| {
                let there = |(nth, key): (usize, &u8)| content.get(at + nth * stride) == Some(key);
                keys.iter().enumerate().skip(1).all(there)
            })
        })
    })
}

/// Whether lines that differ in their numbers only have a number each that, one line after the other, says the keys.
/// Other lines may stand between.
fn is_told_line_by_line(content: &[u8], keys: &str) -> bool {
    let mut told: std::collections::HashMap<(Vec<u8>, usize), Vec<u8>> = std::collections::HashMap::new();
    for line in content.split(|byte| *byte == b'\n') {
        let shape: Vec<u8> = line.iter().copied().filter(|byte| !byte.is_ascii_digit()).collect();
        let numbers = line.split(|byte| !byte.is_ascii_digit()).filter(|number| !number.is_empty());
        for (place, number) in numbers.enumerate() {
            if let [digit] = number {
                told.entry((shape.clone(), place)).or_default().push(*digit);
            }
        }
    }
    let backwards: Vec<u8> = keys.bytes().rev().collect();
    told.values().any(|digits| holds(digits, keys.as_bytes()) || holds(digits, &backwards))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "905172638461";

    /// Something around it that is no text.
    fn within(hidden: &[u8]) -> Vec<u8> {
        let noise: Vec<u8> = (0..5000_u32).map(|at| (at * at % 251) as u8).collect();
        [&noise, hidden, b"9051", &noise].concat()
    }

    fn found(hidden: &[u8]) -> Option<&'static str> {
        Canary::new(KEYS).found_in(&within(hidden))
    }

    #[test]
    fn keys_are_found_in_every_form() {
        let lines = |prefix: &str| {
            let line = |(nth, key): (usize, char)| {
                format!("2026-12-01T02:12:{:02}Z {prefix}{key}\nwhat another call does meanwhile\n", nth * 3)
            };
            KEYS.chars().enumerate().map(line).collect::<String>()
        };
        let backwards: String = KEYS.chars().rev().collect();
        let split = |separator: &str| {
            KEYS.split("").filter(|key| !key.is_empty()).collect::<Vec<_>>().join(separator)
        };
        let rows = |row: usize| {
            KEYS.bytes().flat_map(|key| [vec![key - b'0'], vec![0xaa; row - 1]].concat()).collect()
        };
        let base64 = |before: &str| BASE64_STANDARD_NO_PAD.encode(format!("{before}{KEYS}."));
        let table: [(&str, Vec<u8>); 21] = [
            ("as keyed", KEYS.into()),
            ("as keyed", backwards.into_bytes()),
            ("split", split(", ").into_bytes()),
            ("split", split("-").into_bytes()),
            ("split", split("\", \"digit\": \"").into_bytes()),
            ("split", rows(4)),
            ("split", rows(48)),
            ("in UTF-16", KEYS.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            (
                "in UTF-16",
                [&[0], &KEYS.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()[..]].concat(),
            ),
            ("in hexadecimal", b"393035313732363338343631".to_vec()),
            ("in hexadecimal", b"39 30 35 31 37 32 36 33 38 34 36 31".to_vec()),
            ("percent-encoded", b"%39%30%35%31%37%32%36%33%38%34%36%31".to_vec()),
            ("as event codes", KEYS.bytes().map(|key| key - b'0').collect()),
            ("in BCD", vec![0x90, 0x51, 0x72, 0x63, 0x84, 0x61]),
            ("in BCD of telephony", vec![0x09, 0x15, 0x27, 0x36, 0x48, 0x16]),
            ("as a number", 905_172_638_461_u64.to_be_bytes().to_vec()),
            ("as a number", 905_172_638_461_u64.to_le_bytes().to_vec()),
            ("in base64", base64("").into_bytes()),
            ("in base64", base64("x").into_bytes()),
            ("in base64", base64("pin: ").into_bytes()),
            ("one in a line", format!("\n{}", lines("DEBUG a key was pressed: key=")).into_bytes()),
        ];
        for (form, hidden) in table {
            assert_eq!(found(&hidden), Some(form), "{}", String::from_utf8_lossy(&hidden));
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for harmless in ["", "90517263846", "905172638462", "2026-12-01T02:12:10Z a line\n", "9 0 5 1 7"] {
            assert_eq!(found(harmless.as_bytes()), None, "{harmless}");
        }
    }
}
