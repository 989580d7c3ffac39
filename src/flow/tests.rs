//! What the tests of this module share: a line, a question and a clock.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::{
    ActionName, Announcement, Below, ByNumber, ByVerdict, CheckDigit, DateOrder, EntryRules, Factor,
    FactorKind, Identification, Identifier, LanguageName, Languages, Line, LineName, Need, Next, Patience,
    PromptId, Prompts, Question, TargetName, Then, TrustLevel,
};

/// The instant this many seconds after the tests' beginning of time.
pub fn at(seconds: u64) -> Instant {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "virtual time counts from some instant")]
    let zero = *ZERO.get_or_init(Instant::now);
    zero + Duration::from_secs(seconds)
}

/// Eight digits, at the usual pace.
pub fn rules() -> EntryRules {
    EntryRules::of(8..=8)
}

/// One prompt.
pub fn say(prompt: &str) -> Announcement {
    Announcement::prompt(PromptId::new(prompt))
}

/// A question of so many digits with three retries and prompts named after `name`.
pub fn question(name: &str, digits: usize) -> Question {
    let prompt = |suffix: &str| say(&format!("{name}-{suffix}"));
    let prompts = Prompts {
        ask: prompt("ask"),
        no_match: vec![prompt("no-match-1"), prompt("no-match-2")],
        no_input: vec![prompt("no-input")],
        too_short: vec![],
    };
    Question::new(EntryRules::of(digits..=digits), prompts)
}

/// An identifier of eight digits.
pub fn identifier(name: &str) -> Identifier {
    Identifier {
        name: name.into(),
        question: question(name, 8),
        check: CheckDigit::None,
        action: ActionName::new(name),
    }
}

/// A required factor of four digits.
pub fn factor(name: &str) -> Factor {
    Factor {
        name: name.into(),
        question: question(name, 4),
        kind: FactorKind::Whole,
        action: ActionName::new(name),
        need: Need::Required,
    }
}

/// To this target, after a prompt.
pub fn to(prompt: &str, target: &str) -> Next {
    Next { say: say(prompt), then: Then::HandOver(vec![TargetName::new(target)]) }
}

/// A line that looks the number up, then asks for eight digits, then for a four-digit secret.
pub fn line() -> Line {
    let english = LanguageName::new("en");
    let plan = |verdict: &str| to(&format!("bye-{verdict}"), &format!("{verdict}-desk"));
    Line {
        number: LineName::new("1000"),
        name: "Test".into(),
        ring_for: Duration::ZERO,
        hours: None,
        emergency: to("emergency", "emergency-desk"),
        languages: Languages {
            first: english.clone(),
            all: vec![(english, DateOrder::MonthDayYear), (LanguageName::new("de"), DateOrder::DayMonthYear)],
            menu: None,
            attribute: None,
        },
        notice: None,
        greeting: say("greeting"),
        by_number: Some(ByNumber {
            action: ActionName::new("number"),
            trust: TrustLevel::Any,
            below: Below::Ignore,
        }),
        identification: Identification { choice: None, questions: vec![identifier("id")] },
        factors: vec![factor("pin")],
        discretion: None,
        service: None,
        patience: Patience { deadline: Duration::from_secs(3), hold: None },
        apology: say("apology"),
        next: ByVerdict {
            verified: plan("verified"),
            identified: plan("identified"),
            unidentified: plan("unidentified"),
        },
        hand_over_failed: say("failed"),
    }
}

/// The same line, changed.
pub fn line_with(change: impl FnOnce(&mut Line)) -> Arc<Line> {
    let mut line = line();
    change(&mut line);
    Arc::new(line)
}
