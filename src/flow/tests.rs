//! What the tests of this module share: a line, a question and a clock.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::{ActionName, ByVerdict, HandOverPlan, Line, PromptId, Prompts, Question, TargetName};
use crate::secret::Digit;

/// The instant this many seconds after the tests' beginning of time.
pub fn at(seconds: u64) -> Instant {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "virtual time counts from some instant")]
    let zero = *ZERO.get_or_init(Instant::now);
    zero + Duration::from_secs(seconds)
}

/// A question of eight digits with three retries and prompts named after `name`.
pub fn question(name: &str) -> Question {
    let prompt = |suffix: &str| PromptId::new(format!("{name}-{suffix}"));
    Question {
        action: ActionName::new(name),
        digits_min: 8,
        digits_max: 8,
        terminator: Some(Digit::HASH),
        retries: 3,
        first_digit_timeout: Duration::from_secs(5),
        inter_digit_timeout: Duration::from_secs(3),
        total_timeout: Duration::from_secs(30),
        prompts: Prompts {
            ask: prompt("ask"),
            no_match: vec![prompt("no-match-1"), prompt("no-match-2")],
            no_input: vec![prompt("no-input")],
            too_short: vec![],
        },
    }
}

/// A line that looks the number up, then asks for eight digits, then for a four-digit secret.
pub fn line() -> Line {
    let plan = |verdict: &str| HandOverPlan {
        prompt: PromptId::new(format!("bye-{verdict}")),
        target: TargetName::new(format!("{verdict}-desk")),
    };
    Line {
        number: "1000".into(),
        name: "Test".into(),
        ring_for: Duration::ZERO,
        greeting: PromptId::new("greeting"),
        by_number: Some(ActionName::new("number")),
        identifier: question("id"),
        verification: Some(Question { digits_min: 4, digits_max: 4, ..question("pin") }),
        back_end_deadline: Duration::from_secs(3),
        apology: PromptId::new("apology"),
        hand_over: ByVerdict {
            verified: plan("verified"),
            identified: plan("identified"),
            unidentified: plan("unidentified"),
        },
        hand_over_failed: PromptId::new("failed"),
    }
}

/// The same line, changed.
pub fn line_with(change: impl FnOnce(&mut Line)) -> Arc<Line> {
    let mut line = line();
    change(&mut line);
    Arc::new(line)
}
