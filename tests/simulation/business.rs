//! The business that is called: one line, one customer, one trunk, and a back end.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use portero::audio::{Library, Source, Wideband};
use portero::call::{
    Address, Directory, HandOverTimes, Intake, Numbers, Passports, Plan, Sound, Speech, Strangers, Target,
    TargetUri, Trunk, Trunks,
};
use portero::flow::{
    ActionName, AniSource, Announcement, Answer, Attributes, Below, ByNumber, ByVerdict, CheckDigit,
    Customer, DateOrder, EntryRules, Factor, FactorKind, Identification, Identifier, LanguageName, Languages,
    Line, LineName, Matches, Need, Next, Patience, PromptId, Prompts, Query, Question, TargetName, Then,
    TrustLevel,
};

pub fn line() -> Line {
    let say = |prompt: &str| Announcement::prompt(PromptId::new(prompt));
    let question =
        |digits| Question::new(EntryRules::of(digits..=digits), Prompts::same(say("ask-identifier")));
    let next = || Next { say: say("goodbye"), then: Then::HandOver(vec![TargetName::new("agents")]) };
    let english = LanguageName::new("en");
    let identifier = Identifier {
        name: "customer".into(),
        question: question(8),
        check: CheckDigit::None,
        action: ActionName::new("identifier"),
    };
    let pin = Factor {
        name: "pin".into(),
        question: question(4),
        kind: FactorKind::Whole,
        action: ActionName::new("secret"),
        need: Need::Required,
    };
    Line {
        number: LineName::new("1000"),
        name: "Test".into(),
        ring_for: Duration::from_millis(200),
        hours: None,
        emergency: next(),
        languages: Languages {
            first: english.clone(),
            all: vec![(english, DateOrder::MonthDayYear)],
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
        identification: Identification { choice: None, questions: vec![identifier] },
        factors: vec![pin],
        discretion: None,
        service: None,
        patience: Patience { deadline: Duration::from_secs(3), hold: None },
        apology: say("apology"),
        next: ByVerdict { verified: next(), identified: next(), unidentified: next() },
        hand_over_failed: say("hand-over-failed"),
    }
}

fn directory(line: Line) -> Directory {
    let mut directory = Directory::default();
    directory.add(Arc::new(line), [Address::Number("1000".to_owned())]);
    directory
}

/// The plan, made once: its recordings take a while to decode.
pub fn plan() -> Arc<Plan> {
    static PLAN: OnceLock<Arc<Plan>> = OnceLock::new();
    Arc::clone(PLAN.get_or_init(|| Arc::new(make_plan())))
}

pub fn make_plan() -> Plan {
    plan_of(line())
}

/// The same, with this for the line.
pub fn plan_of(line: Line) -> Plan {
    let wanted = ["greeting", "ask-identifier", "goodbye", "apology", "hand-over-failed"];
    let prompts =
        Library::load(&Source::Embedded, "en", wanted, Wideband::Unused).expect("the recordings are there");
    let target = Target {
        uri: TargetUri::new("sip:agents@{{ own_address }}".into()),
        sends_customer: true,
        sends_name: true,
        sends_number_check: false,
    };
    Plan {
        lines: directory(line),
        sounds: [(LineName::new("1000"), Sound { record: true, ..Sound::default() })].into(),
        targets: [(TargetName::new("agents"), target)].into(),
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
        speech: Speech::default(),
        passports: Passports::default(),
        numbers: Numbers::default(),
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
        passports: true,
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
