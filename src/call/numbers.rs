//! Calling numbers that are not taken, and those that go to an agent without a question.
//!
//! What is looked at is the calling number in E.164. A number that is kept back is none, and of a diverted call it may be
//! the number of whoever diverted it: such calls match nothing.

use crate::flow::{Ani, PhoneNumber};

/// The lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// These are refused.
    pub blocked: Vec<NumberRange>,
    /// These are asked nothing.
    pub to_agent: Vec<NumberRange>,
}

/// What is done with a call because of its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Nothing: it is served.
    Usual,
    /// It is refused.
    Blocked,
    /// It goes to an agent.
    ToAgent,
}

/// Numbers in E.164: `+12025550101`, `+1900*`, or `+4930000-+4930999`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberRange {
    /// This one.
    One(PhoneNumber),
    /// All that begin so: `+` and at least one digit.
    Prefix(String),
    /// From this one to that one, which has as many digits: those in between with as many.
    Between(PhoneNumber, PhoneNumber),
}

impl Numbers {
    /// What is done with a call from `ani`, which was diverted to us or was not.
    pub(super) fn treat(&self, ani: Option<&Ani>, diverted: bool) -> Treatment {
        let Some(ani) = ani.filter(|_| !diverted) else { return Treatment::Usual };
        let in_one = |list: &[NumberRange]| list.iter().any(|range| range.contains(&ani.number));
        if in_one(&self.blocked) {
            Treatment::Blocked
        } else if in_one(&self.to_agent) {
            Treatment::ToAgent
        } else {
            Treatment::Usual
        }
    }
}

impl NumberRange {
    /// Reads one; `None` for any other text. A hyphen is no separator here: it would be taken for a range's.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.replace(' ', "");
        let number = |text: &str| {
            let is_plain = text.starts_with('+') && !text.contains('-');
            PhoneNumber::parse(text).filter(|_| is_plain)
        };
        if let Some(prefix) = text.strip_suffix('*') {
            let digits = prefix.strip_prefix('+')?;
            let usable = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            return usable.then(|| Self::Prefix(prefix.to_owned()));
        }
        let Some((first, last)) = text.split_once('-') else { return number(&text).map(Self::One) };
        let (first, last) = (number(first)?, number(last)?);
        let in_order = first.as_str().len() == last.as_str().len() && first.as_str() <= last.as_str();
        in_order.then_some(Self::Between(first, last))
    }

    /// Whether `number` is one of them.
    pub fn contains(&self, number: &PhoneNumber) -> bool {
        let number = number.as_str();
        match self {
            Self::One(one) => one.as_str() == number,
            Self::Prefix(prefix) => number.starts_with(prefix),
            // Digits of one length are in the order of their texts.
            Self::Between(first, last) => {
                number.len() == first.as_str().len() && (first.as_str()..=last.as_str()).contains(&number)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{AniSource, Trust};

    #[test]
    fn ranges_are_read_and_hold_what_they_say() {
        let table = [
            ("+12025550101", "+12025550101", true),
            ("+1 202 5550101", "+12025550101", true),
            ("+12025550101", "+12025550102", false),
            ("+12025550101", "12025550101", false),
            ("+1900*", "+19005550101", true),
            ("+1900*", "+1900", true),
            ("+1900*", "+19015550101", false),
            ("+4930000-+4930999", "+4930000", true),
            ("+4930000 - +4930999", "+4930500", true),
            ("+4930000-+4930999", "+4930999", true),
            ("+4930000-+4930999", "+4931000", false),
            ("+4930000-+4930999", "+49305001", false),
            ("+4930000-+4930999", "+493050", false),
        ];
        for (text, number, held) in table {
            let range = NumberRange::parse(text).expect(text);
            let number = PhoneNumber::parse(number).expect("a number");
            assert_eq!(range.contains(&number), held, "{text} {}", number.as_str());
        }
    }

    #[test]
    fn what_is_no_range_is_not_read() {
        for text in [
            "",
            "*",
            "+*",
            "1900*",
            "+19*0*",
            "12025550101",
            "+1-+22",
            "+4930999-+4930000",
            "+49x",
            "+4930000-4930999",
            "+1-202-5550101",
        ] {
            assert_eq!(NumberRange::parse(text), None, "{text}");
        }
    }

    #[test]
    fn blocked_comes_before_to_agent_and_diverted_calls_match_nothing() {
        let ranges =
            |texts: &[&str]| texts.iter().map(|text| NumberRange::parse(text).expect("a range")).collect();
        let numbers = Numbers { blocked: ranges(&["+1900*"]), to_agent: ranges(&["+1*"]) };
        let treat = |number: &str, diverted| {
            let number = PhoneNumber::parse(number);
            let ani = number.map(|number| Ani { number, source: AniSource::From, trust: Trust::Trunk });
            numbers.treat(ani.as_ref(), diverted)
        };
        let table = [
            ("+19005550101", false, Treatment::Blocked),
            ("+12025550101", false, Treatment::ToAgent),
            ("+4930123", false, Treatment::Usual),
            ("+19005550101", true, Treatment::Usual),
            ("anonymous", false, Treatment::Usual),
        ];
        for (number, diverted, expected) in table {
            assert_eq!(treat(number, diverted), expected, "{number} {diverted}");
        }
    }
}
