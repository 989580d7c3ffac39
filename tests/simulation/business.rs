//! The business that is called: one line, one customer, one trunk, and a back end.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use portero::audio::{Library, Source, Wideband};
use portero::call::{HandOverTimes, Intake, Plan, Sound, Strangers, Target, TargetUri, Trunk, Trunks};
use portero::flow::{
    self, ActionName, AniSource, Answer, Attributes, ByVerdict, Customer, HandOverPlan, Line, Matches,
    PromptId, Query,
};
use portero::secret::Digit;

fn line() -> Line {
    let question = |digits, name: &str| flow::Question {
        action: ActionName::new(name),
        digits_min: digits,
        digits_max: digits,
        terminator: Some(Digit::HASH),
        retries: 3,
        first_digit_timeout: Duration::from_secs(5),
        inter_digit_timeout: Duration::from_secs(3),
        total_timeout: Duration::from_secs(30),
        prompts: flow::Prompts {
            ask: PromptId::new("ask-identifier"),
            no_match: vec![],
            no_input: vec![],
            too_short: vec![],
        },
    };
    let plan = || HandOverPlan { prompt: PromptId::new("goodbye"), target: flow::TargetName::new("agents") };
    Line {
        number: "1000".into(),
        name: "Test".into(),
        ring_for: Duration::from_millis(200),
        greeting: PromptId::new("greeting"),
        by_number: Some(ActionName::new("number")),
        identifier: question(8, "identifier"),
        verification: Some(question(4, "secret")),
        back_end_deadline: Duration::from_secs(3),
        apology: PromptId::new("apology"),
        hand_over: ByVerdict { verified: plan(), identified: plan(), unidentified: plan() },
        hand_over_failed: PromptId::new("hand-over-failed"),
    }
}

/// The plan, made once: its recordings take a while to decode.
pub fn plan() -> Arc<Plan> {
    static PLAN: OnceLock<Arc<Plan>> = OnceLock::new();
    Arc::clone(PLAN.get_or_init(|| Arc::new(make_plan())))
}

pub fn make_plan() -> Plan {
    let wanted = ["greeting", "ask-identifier", "goodbye", "apology", "hand-over-failed"];
    let prompts =
        Library::load(&Source::Embedded, "en", wanted, Wideband::Unused).expect("the recordings are there");
    let target = Target {
        uri: TargetUri::new("sip:agents@{{ own_address }}".into()),
        sends_customer: true,
        sends_name: true,
    };
    Plan {
        lines: [("1000".into(), Arc::new(line()))].into(),
        sounds: [("1000".into(), Sound { record: true, ..Sound::default() })].into(),
        targets: [(flow::TargetName::new("agents"), target)].into(),
        hand_over: HandOverTimes {
            timeout: Duration::from_secs(10),
            progress_timeout: Duration::from_mins(1),
        },
        agents: None,
        prompts,
        language: "en".into(),
        trunks: Trunks { list: vec![Arc::new(trunk())], strangers: Strangers::Refuse },
        calls_max: 100,
        intake: Intake::default(),
    }
}

fn trunk() -> Trunk {
    Trunk {
        name: "carrier".into(),
        addresses: vec![IpAddr::from([127, 0, 0, 1]).into()],
        calls_max: Some(100),
        calls_per_second: None,
        identity: vec![AniSource::PAssertedIdentity, AniSource::From],
        verstat: false,
        transport: None,
        login: None,
        account: None,
        uplink: None,
        country: None,
    }
}

/// The one customer, by number, identifier and secret.
pub fn answer(query: &Query) -> Answer {
    let customer = || Customer::new("10000001", Some("Zoë"));
    let matches = |known| Answer::LookUp(if known { Matches::One(customer()) } else { Matches::None });
    match query {
        Query::Number(ani) => matches(ani.number.as_str() == "+12025550101"),
        Query::Identifier(identifier) => matches(identifier.expose() == "10000001"),
        Query::Secret { secret, .. } => Answer::Check(secret.expose() == "4711"),
        Query::Code { .. } => Answer::Sent(true),
        Query::Record(_) => Answer::Record(Attributes::new()),
    }
}

/// What the caller keyed to have this asked.
pub fn keyed(query: &Query) -> &str {
    match query {
        Query::Number(_) | Query::Code { .. } | Query::Record(_) => "",
        Query::Identifier(identifier) => identifier.expose(),
        Query::Secret { secret, .. } => secret.expose(),
    }
}
