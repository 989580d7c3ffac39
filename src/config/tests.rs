//! The demo's file value by value, bad files fault by fault, and whatever else a file may be.

mod asked;
mod back_ends;
mod conversation;
mod kept_and_accepted;
mod lock_outs;
mod name_servers;
mod stir;
mod trunks;

use std::ops::RangeInclusive;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::call::{Here, Intake, Sound, Srtp, Strangers, Tones};
use crate::crm::{Authentication, Method, Reading, demo};
use crate::flow::{ActionName, Below, ByNumber, Question, Then, TrustLevel};
use crate::records::{Kept, Retention};
use crate::sdp::{Codec, Codecs};
use crate::secret::{Digit, Secret};
use crate::sip::Transport;

/// The least that a file has to say.
const SHORTEST: &str = r#"
[sip]
listen = "192.0.2.1:5060"

[back_end]
base_url = "https://crm.example.com/api/"

[actions.customer_by_number]
path = "/c?n={{ ani }}"

[actions.customer_by_identifier]
path = "/c/{{ identifier }}"

[targets.agents]
uri = "sip:agents@pbx.example.com"

[[lines]]
number = "100"
identifier.digits = 6
"#;

fn parse(text: &str) -> Result<Configuration, Faults> {
    Configuration::parse("portero.toml", text, &|name| (name == "SET").then(|| "open sesame".to_owned()))
}

/// The messages about [`SHORTEST`] with `change` made to it.
fn faults_of(from: &str, to: &str) -> Vec<String> {
    assert!(SHORTEST.contains(from), "{from} is not in the file");
    let read = parse(&SHORTEST.replace(from, to));
    let faults = read.as_ref().map_or_else(|faults| faults, |configuration| &configuration.warnings);
    faults.iter().map(|fault| fault.message().to_owned()).collect()
}

fn listens(texts: &[&str]) -> Vec<Listen> {
    let listen = |text: &&str| {
        let (transport, address) = text.split_once(':').expect("a transport and an address");
        let transport = Transport::parse(transport).expect("a transport");
        Listen { transport, address: address.parse().expect("an address") }
    };
    texts.iter().map(listen).collect()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The prompts of announcements that are made of nothing else.
fn shown<'a>(announcements: impl IntoIterator<Item = &'a Announcement>) -> Vec<String> {
    let pieces = announcements.into_iter().flat_map(|announcement| &announcement.pieces);
    pieces.map(|piece| lines::prompt_of(piece).expect("a prompt").1.to_string()).collect()
}

fn to_agents() -> Then {
    Then::HandOver(vec![TargetName::new("agents")])
}

#[test]
fn the_demo_has_the_settings_that_it_tells_of() {
    let demo = Configuration::demo(&Overrides::default());
    let at = SocketAddr::from(([127, 0, 0, 1], 5060));
    assert_eq!(demo.sip.listen, listens(&["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]));
    assert_eq!(demo.sip.external, None);
    let media = Media {
        ports: 20_000..=29_999,
        external_address: None,
        silence_timeout: seconds(60),
        threads: None,
        pin_threads: true,
        kernel_filter: true,
    };
    assert_eq!(demo.media, media);
    assert_eq!(demo.trunks, Trunks { list: vec![], strangers: Strangers::AdmitLocal });
    assert_eq!(
        demo.limits,
        Limits {
            calls: 1000,
            intake: Intake {
                calls_per_second: None,
                transactions: 200_000,
                messages_per_second: 1000,
                late_percent: 20
            },
            connections: 4096,
            connections_per_source: 256,
            drain: seconds(60),
        }
    );
    assert_eq!(demo.web.listen, ([127, 0, 0, 1], 8080).into());
    let days = |days: u64| Retention::For(Duration::from_hours(days * 24));
    let kept = Kept { traces: days(7), recordings: days(30) };
    assert_eq!(
        demo.records,
        Records { folder: "portero-data".into(), kept, recording_max: Duration::from_hours(2) }
    );
    assert_eq!(demo.prompts, Prompts { language: "en".into(), folder: None });
    assert_eq!(demo.hand_over, HandOverTimes { timeout: seconds(10), progress_timeout: seconds(60) });
    assert_eq!(demo.demo_agents, Some(Agents { user: "agents".into(), hang_up_after: seconds(10) }));
    let target = &demo.targets[&TargetName::new("agents")];
    let uri = |transport| target.uri.at(Here { transport, address: at });
    assert_eq!(uri(Transport::Udp), "sip:agents@127.0.0.1:5060");
    assert_eq!(uri(Transport::Tcp), "sip:agents@127.0.0.1:5060;transport=tcp");
    assert!(target.sends_customer && target.sends_name);
    assert_eq!(demo.targets.len(), 1);
    assert!(demo.warnings.is_empty(), "{}", demo.warnings);
}

#[test]
fn the_demo_has_the_lines_that_were_promised() {
    let demo = Configuration::demo(&Overrides::default());
    let one = |question: &Question| {
        let (entry, retries) = (&question.entry, question.retries);
        assert_eq!((retries.no_match, retries.no_input), (retries.total, retries.total));
        (entry.digits_min, entry.digits_max, retries.total, entry.first_digit_timeout.as_secs())
    };
    let lines = demo.lines.iter();
    let table: Vec<_> = lines
        .map(|line| {
            let verification = line.factors.first().map(|factor| one(&factor.question));
            let identifier = one(&line.identification.questions[0].question);
            (line.number.as_str(), line.by_number.is_some(), identifier, verification)
        })
        .collect();
    let expected = [
        ("1000", true, (8, 8, 3, 5), Some((4, 4, 3, 5))),
        ("1001", false, (8, 8, 3, 5), Some((4, 4, 3, 5))),
        ("1002", true, (8, 8, 3, 5), None),
        ("1003", true, (6, 10, 1, 2), Some((4, 4, 0, 5))),
        ("1004", true, (10, 10, 3, 5), Some((8, 8, 3, 5))),
        ("1005", true, (8, 8, 3, 5), Some((4, 4, 3, 5))),
    ];
    assert_eq!(table, expected);
    for line in &demo.lines {
        assert!(line.next.iter().all(|next| next.then == to_agents()));
    }
}

#[test]
fn the_demo_line_that_says_everything_says_the_defaults() {
    let demo = Configuration::demo(&Overrides::default());
    let [full, asked, ..] = &demo.lines[..] else { panic!("there are four lines") };
    let short = Line {
        number: full.number.clone(),
        name: full.name.clone(),
        by_number: full.by_number.clone(),
        ..Line::clone(asked)
    };
    assert_eq!(**full, short);
    let action = ActionName::new("customer_by_number");
    assert_eq!(full.by_number, Some(ByNumber { action, trust: TrustLevel::Claimed, below: Below::Ignore }));
    assert_eq!((full.patience.deadline, &full.patience.hold), (seconds(3), &None));
}

#[test]
fn the_demo_back_end_knows_the_promised_customers() {
    let demo = Configuration::demo(&Overrides::default());
    let back_end = demo.demo_back_end.expect("the demo has a back end");
    assert_eq!(back_end.listen, ([127, 0, 0, 1], 8081).into());
    let customer = |customer: &demo::Customer| {
        let pin = customer.pin.as_ref().map(|pin| pin.expose().to_owned());
        (customer.id.clone(), customer.numbers.join(" "), pin, customer.fault)
    };
    let row = |id: &str, number: &str, pin: Option<&str>, fault| {
        (id.to_owned(), number.to_owned(), pin.map(str::to_owned), fault)
    };
    let expected = [
        row("10000001", "+12025550101", Some("4711"), None),
        row("10000002", "+12025550102", Some("2580"), None),
        row("10000003", "+12025550103", Some("1357"), None),
        row("10000004", "+12025550104", Some("2468"), None),
        row("10000005", "+12025550104", Some("8642"), None),
        row("10000500", "+12025550500", None, Some(demo::Fault::Error)),
        row("10000999", "+12025550999", None, Some(demo::Fault::Hang)),
    ];
    assert_eq!(back_end.customers.iter().map(customer).collect::<Vec<_>>(), expected);
    let odd = |name: &str| name.contains('\'') && !name.is_ascii();
    assert!(back_end.customers.iter().any(|customer| odd(&customer.name)));
}

#[test]
fn the_command_line_overrides_the_demo() {
    let overrides = Overrides {
        sip: Some(([127, 0, 0, 2], 5070).into()),
        web: Some(([127, 0, 0, 3], 8090).into()),
        crm: Some(([127, 0, 0, 4], 8091).into()),
        data: Some("elsewhere".into()),
    };
    let demo = Configuration::demo(&overrides);
    assert_eq!(demo.sip.listen, listens(&["udp:127.0.0.2:5070", "tcp:127.0.0.2:5070"]));
    assert_eq!(Some(demo.web.listen), overrides.web);
    assert_eq!(demo.demo_back_end.map(|back_end| back_end.listen), overrides.crm);
    assert_eq!(demo.back_end.default.base_url.as_str(), "http://127.0.0.4:8091/");
    assert_eq!(Some(demo.records.folder), overrides.data);
}

#[test]
fn what_is_left_out_has_its_default() {
    let read = parse(SHORTEST).expect("it says enough");
    let demo = Configuration::demo(&Overrides::default());
    assert_eq!((&read.media, &read.limits, &read.web), (&demo.media, &demo.limits, &demo.web));
    assert_eq!((&read.records, &read.prompts), (&demo.records, &demo.prompts));
    assert_eq!((read.process, demo.process), (Process { core_dumps: false }, Process { core_dumps: false }));
    assert_eq!((read.hand_over, &read.hep), (demo.hand_over, &None));
    let (ours, demos) = (&read.back_end.default, &demo.back_end.default);
    assert_eq!((ours.deadline, ours.max_concurrent), (demos.deadline, demos.max_concurrent));
    assert_eq!((ours.breaker, &ours.tls), (demos.breaker, &demos.tls));
    let [line] = &read.lines[..] else { panic!("there is one line") };
    let mut expected = Line {
        number: LineName::new("100"),
        name: "100".into(),
        factors: Vec::new(),
        ..Line::clone(&demo.lines[0])
    };
    let entry = &mut expected.identification.questions[0].question.entry;
    (entry.digits_min, entry.digits_max) = (6, 6);
    assert_eq!(**line, expected);
    assert!(read.demo_back_end.is_none() && read.demo_agents.is_none() && read.warnings.is_empty());
}

#[test]
fn what_is_said_is_taken() {
    let text = SHORTEST
        .replace("[sip]", "[sip]\nexternal_address = \"[2001:db8::7]:5080\"")
        .replace("[back_end]", "[back_end]\ntoken = \"env:SET\"\nheaders = { X-Key = \"a b\" }\ndeadline = \"1m\"".replace("1m", "1500ms").as_str())
        .replace("[[lines]]", "[records]\ntraces = \"1d 12h\"\nrecordings = \"90d\"\nrecording_length = \"30m\"\n[hep]\nto = \"192.0.2.1:9060\"\npassword = \"env:SET\"\n[media]\nports = \"30000-30003\"\nthreads = 2\npin_threads = false\nkernel_filter = false\nexternal_address = \"203.0.113.7\"\n[limits]\ncalls = 2\ncalls_per_second = 3\ntransactions = 1000\nmessages_per_second = 10\nlate_percent = 25\n[process]\ncore_dumps = true\n[[lines]]")
        .replace(
            "identifier.digits = 6",
            "name = \"Sales\"\ncodecs = [\"g722\", \"pcma\"]\ntones = \"always\"\nsrtp = \"require\"\nrecord = true\nring_for = \"1s\"\nidentify_by_number = false\nidentifier = { digits = 5, terminator = \"none\", prompts = { ask = \"who\", no_match = [\"a\", \"b\"] } }\nhand_over.identified.prompt = \"bye\"",
        );
    let read = parse(&text).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(read.wideband(), audio::Wideband::Encoded);
    assert_eq!(read.sip.external, "[2001:db8::7]:5080".parse().ok());
    assert_eq!((read.media.ports, read.media.threads.map(usize::from)), (30_000..=30_003, Some(2)));
    let intake =
        Intake { calls_per_second: Some(3), transactions: 1000, messages_per_second: 10, late_percent: 25 };
    assert_eq!((read.limits.calls, read.limits.intake), (2, intake));
    assert_eq!(read.media.external_address, "203.0.113.7".parse().ok());
    assert!(!read.media.pin_threads && !read.media.kernel_filter && read.process.core_dumps);
    assert_eq!(read.records.kept.traces, Retention::For(Duration::from_hours(36)));
    assert_eq!(read.records.kept.recordings, Retention::For(Duration::from_hours(90 * 24)));
    assert_eq!(read.records.recording_max, Duration::from_mins(30));
    let hep = read.hep.expect("a collector");
    assert_eq!(
        (hep.to.to_string().as_str(), hep.id, hep.password.as_deref()),
        ("192.0.2.1:9060", 2001, Some("open sesame"))
    );
    assert_eq!(read.back_end.default.deadline, Duration::from_millis(1500));
    let line = &read.lines[0];
    assert_eq!((&*line.name, line.ring_for, &line.by_number), ("Sales", seconds(1), &None));
    let codecs = Codecs::Ours(vec![Codec::G722, Codec::Pcma]);
    let sound = Sound { codecs, tones: Tones::Always, srtp: Srtp::Require, record: true };
    assert_eq!(read.sounds[&line.number], sound);
    assert_eq!(Configuration::demo(&Overrides::default()).wideband(), audio::Wideband::Unused);
    let question = &line.identification.questions[0].question;
    assert_eq!((question.entry.digits_max, question.entry.terminator), (5, None));
    assert_eq!(shown(&question.prompts.no_match), ["a", "b"]);
    assert_eq!(shown(&question.prompts.no_input), ["identifier-no-input-1", "identifier-no-input-2"]);
    assert_eq!(shown([&line.next.identified.say]), ["bye"]);
    let headers: Vec<_> =
        read.back_end.default.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(headers, [("x-key", b"a b".as_slice())]);
    assert!(matches!(&read.back_end.default.authentication, Authentication::Header(name, value)
        if name == "authorization" && value == "Bearer open sesame"));
    let unused: Vec<_> = read.warnings.iter().map(Fault::message).collect();
    assert_eq!(unused, ["no line uses the action `customer_by_number`"]);
}

#[test]
fn opus_is_taken_where_the_build_speaks_it() {
    let text =
        SHORTEST.replace("identifier.digits = 6", "codecs = [\"opus\", \"pcma\"]\nidentifier.digits = 6");
    let read = parse(&text);
    if audio::OPUS_SPOKEN {
        let read = read.unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(read.wideband(), audio::Wideband::WithOpus);
        let codecs = Codecs::Ours(vec![Codec::Opus, Codec::Pcma]);
        assert!(read.sounds.values().all(|sound| sound.codecs == codecs));
    } else {
        let faults = read.expect_err("nobody would hear it").to_string();
        assert!(faults.contains("this build does not speak `opus`"), "{faults}");
    }
}

#[test]
fn paths_stand_behind_the_base_url() {
    let read = parse(SHORTEST).expect("it says enough");
    assert_eq!(
        read.back_end.default.url("/c?n=1").expect("a URL").as_str(),
        "https://crm.example.com/api/c?n=1"
    );
}

#[test]
fn an_action_does_what_its_use_needs() {
    let checked = format!("{SHORTEST}verification.digits = 4\n");
    let action = "[actions.check_pin]\nmethod = \"POST\"\npath = \"/check/{{ customer }}\"\n[sip]";
    let read = parse(&checked.replace("[sip]", action)).unwrap_or_else(|faults| panic!("{faults}"));
    let action = &read.back_end.actions[&ActionName::new("check_pin")];
    assert!(matches!(&action.reading, Reading::Check(check) if check.rejected.is_empty()));
    assert_eq!(action.method, Method::POST);
    let find = &read.back_end.actions[&ActionName::new("customer_by_number")];
    assert!(matches!(&find.reading, Reading::LookUp(look_up) if look_up.no_match == [404]));
}

#[test]
fn every_prompt_is_asked_for() {
    let read = parse(SHORTEST).expect("it says enough");
    let ids: Vec<_> = read.prompt_ids().iter().map(ToString::to_string).collect();
    let expected = [
        "apology",
        "ask-identifier",
        "greeting",
        "hand-over-failed",
        "hand-over-identified",
        "hand-over-unidentified",
        "hand-over-verified",
        "identifier-no-input-1",
        "identifier-no-input-2",
        "identifier-no-match-1",
        "identifier-no-match-2",
        "identifier-no-match-3",
        "identifier-too-short-1",
    ];
    assert_eq!(ids, expected);
    let demo = Configuration::demo(&Overrides::default()).prompt_ids();
    for id in ["ask-secret", "secret-no-match-3", "agent-unknown", "digit-0", "digit-9"] {
        assert!(demo.contains(&PromptId::new(id)), "{id}");
    }
}

#[test]
fn a_file_with_many_faults_has_them_all_told() {
    let faults = parse(include_str!("tests/faulty.toml")).expect_err("hardly a line of it is right");
    insta::assert_snapshot!("faulty", faults.show(Look::Plain));
}

#[test]
fn one_fault_is_told_once() {
    let table = [
        ("listen = \"192.0.2.1:5060\"", "", "[sip] does not say `listen`"),
        ("[sip]\nlisten = \"192.0.2.1:5060\"", "", "[sip] is missing, and with it `listen`"),
        ("listen = \"192.0.2.1:5060\"", "listen = 5060", "`listen` cannot be a whole number"),
        ("192.0.2.1:5060", "192.0.2.1:20002", "port 20002 is [sip]'s already"),
        ("[[lines]]", "[records]\ntraces = \"7 score\"\n[[lines]]", "`7 score` is no time"),
        ("[[lines]]", "[records]\ntraces = \"30m\"\n[[lines]]", "`30m` is out of range"),
        ("[[lines]]", "[records]\ntraces = \"-7d\"\n[[lines]]", "`-7d` is no time"),
        ("[[lines]]", "[hep]\nid = 1\n[[lines]]", "[hep] does not say `to`"),
        ("[[lines]]", "[hep]\nto = \"homer:9060\"\n[[lines]]", "`homer:9060` is no IP address with a port"),
        ("[[lines]]", "[hep]\nto = \"192.0.2.1:9060\"\nid = -1\n[[lines]]", "`id` is out of range"),
        (
            "[[lines]]",
            "[hep]\nto = \"192.0.2.1:9060\"\npassword = \"env:GONE\"\n[[lines]]",
            "there is no environment variable `GONE`",
        ),
        ("https", "http", "callers' secrets go to crm.example.com unencrypted"),
        ("https", "ftp", "`ftp://crm.example.com/api/` is no address of a web service"),
        ("https://", "https://me:mine@", "the back end's address holds a credential"),
        ("api/", "api?x=1", "the back end's address ends before any ? or #"),
        ("[back_end]", "[back_end]\ntoken = \"env:GONE\"", "there is no environment variable `GONE`"),
        ("[back_end]", "[back_end]\ntoken = \"a\\nb\"", "a header cannot hold this"),
        ("[back_end]", "[back_end]\nheaders.Host = \"x\"", "`Host` cannot be chosen"),
        ("path = \"/c?n={{ ani }}\"", "", "[actions.customer_by_number] does not say `path`"),
        ("/c?n={{ ani }}", "c?n={{ ani }}", "this is no path"),
        ("/c?n={{ ani }}", "//evil/{{ ani }}", "this is no path"),
        ("/c?n={{ ani }}", "/c#{{ ani }}", "this is no path"),
        ("/c?n={{ ani }}", "/c?n={{ pin }}", "`{{ pin }}` is not known when this is asked"),
        ("/c?n={{ ani }}", "/c?n={{ secret }}", "a secret cannot be part of a path"),
        ("[[lines]]", "[process]\ncore_dumps = 1\n[[lines]]", "`core_dumps` cannot be a whole number"),
        (
            "path = \"/c/",
            "accepted = \"$.x\"\npath = \"/c/",
            "the action `customer_by_identifier` checks a secret",
        ),
        ("path = \"/c/", "body = \"{}\"\npath = \"/c/", "a GET has no body"),
        (
            "path = \"/c/",
            "method = \"PUT\"\nbody = \"{{ identifier }}\"\npath = \"/c/",
            "this body is not JSON once it has been filled in",
        ),
        ("path = \"/c/", "customer = \"id\"\npath = \"/c/", "`id` is no JSONPath"),
        (
            "[actions.customer_by_number]",
            "[actions.by_number]",
            "there is no action `customer_by_number`, which is the one where `number_action` is not said",
        ),
        (
            "[targets.agents]\nuri = \"sip:agents@pbx.example.com\"",
            "",
            "this line does not say where its calls go",
        ),
        (
            "[targets.agents]",
            "[targets.others]\nuri = \"sip:o@pbx\"\n[targets.agents]",
            "this line does not say where its calls go",
        ),
        ("number = \"100\"", "", "this line does not say `number`"),
        ("number = \"100\"", "number = 100", "`number` cannot be a whole number"),
        ("number = \"100\"", "number = \"a b\"", "`a b` cannot be dialled"),
        ("identifier.digits = 6", "", "this line's `identifier` is missing, and with it `digits`"),
        ("identifier.digits = 6", "identifier.digits = \"9-6\"", "an entry cannot have `9-6` digits"),
        ("identifier.digits = 6", "identifier.digits = 33", "an entry cannot have `33` digits"),
        ("identifier.digits = 6", "identifier.digits = true", "`digits` cannot be true or false"),
        ("identifier.digits = 6", "identifier = 6", "`identifier` cannot be a whole number"),
        (
            "identifier.digits = 6",
            "identifier = { digits = 6, terminator = \"*\" }",
            "`*` cannot end an entry",
        ),
        (
            "identifier.digits = 6",
            "identifier = { digits = 6, prompts.no_match = [] }",
            "`no_match` has no prompt",
        ),
        (
            "identifier.digits = 6",
            "identifier.digits = 6\nhand_over.target = \"agent\"",
            "there is no target `agent`",
        ),
        ("[[lines]]", "[limits]\ncalls_per_second = 0\n[[lines]]", "`calls_per_second` is out of range"),
        ("[[lines]]", "[limits]\nlate_percent = 101\n[[lines]]", "`late_percent` is out of range"),
        ("[[lines]]", "[limits]\ntransactions = 999\n[[lines]]", "`transactions` is out of range"),
        (
            "[[lines]]",
            "[limits]\nmessages_per_second = 9\n[[lines]]",
            "`messages_per_second` is out of range",
        ),
        ("[[lines]]", "[limits]\ncalls = 5001\n[[lines]]", "5000 pairs of ports are too few for 5001 calls"),
        ("[[lines]]", "[demo.agents]\nuser = \"100\"\n[[lines]]", "`100` is a line"),
        ("[[lines]]", "[[line]]", "no line answers any call"),
    ];
    for (from, to, expected) in table {
        let faults = faults_of(from, to);
        // Where a name is wrong, what it was to name is missing as well.
        assert_eq!(faults.iter().filter(|fault| *fault == expected).count(), 1, "{to}: {faults:?}");
        let beside = faults.iter().filter(|fault| *fault != expected && !fault.starts_with("no line "));
        let beside: Vec<_> = beside.filter(|fault| !fault.contains("has no setting `line`")).collect();
        assert!(beside.is_empty(), "{to}: {beside:?}");
    }
}

#[test]
fn a_secret_is_kept_out_of_paths() {
    let text = SHORTEST
        .replace("[sip]", "[actions.check_pin]\npath = \"/check/{{ customer }}/{{ secret }}\"\n[sip]");
    let faults = parse(&format!("{text}verification.digits = 4\n")).expect_err("it would be logged");
    let messages: Vec<_> = faults.iter().map(Fault::message).collect();
    assert_eq!(messages, ["a secret cannot be part of a path"]);
}

#[test]
fn what_cannot_be_read_is_told_with_its_path() {
    let faults = Configuration::load(Path::new("no/such/portero.toml")).expect_err("it is not there");
    let told = faults.to_string();
    assert!(told.contains("no/such/portero.toml: the file cannot be read"), "{told}");
}

#[test]
fn values_at_their_limits() {
    let wait = values::duration(Duration::from_millis(500)..=seconds(300));
    let table = [
        ("500ms", Some(500)),
        ("3s", Some(3000)),
        ("1m 30s", Some(90_000)),
        ("5m", Some(300_000)),
        ("499ms", None),
        ("301s", None),
        ("3", None),
        ("", None),
        ("-3s", None),
        ("3 parsecs", None),
        ("99999999999999999999s", None),
    ];
    for (text, expected) in table {
        assert_eq!(wait(text).ok().map(|time| time.as_millis()), expected, "{text}");
    }
    let ports = [
        ("20000-29999", Some((20_000, 29_999))),
        ("2-3", Some((2, 3))),
        ("65534-65535", Some((65_534, 65_535))),
        ("20001-29999", None),
        ("20000-30000", None),
        ("20000-20000", None),
        ("20000-65537", None),
        ("30001-20000", None),
        ("0-9", None),
        ("20000", None),
    ];
    for (text, expected) in ports {
        let read = values::port_pairs(text).ok().map(RangeInclusive::into_inner);
        assert_eq!(read, expected, "{text}");
    }
    for (text, expected) in [
        ("#", Some(Some('#'))),
        ("none", Some(None)),
        ("d", Some(Some('D'))),
        ("5", None),
        ("##", None),
        ("", None),
    ] {
        let read = values::terminator(text).ok().map(|key| key.map(Digit::expose));
        assert_eq!(read, expected, "{text}");
    }
}

#[test]
fn credentials_and_pins_are_not_shown() {
    let text = SHORTEST.replace("[back_end]", "[back_end]\ntoken = \"env:SET\"");
    let shown = format!("{:?}", parse(&text));
    assert!(!shown.contains("sesame"), "{shown}");
    let demo = Configuration::demo(&Overrides::default());
    let pin = Secret::new("4711".into());
    assert!(!format!("{demo:?}").contains(pin.expose()));
    let faults = parse("token = \"sesame\"\n").expect_err("it says next to nothing");
    assert!(!format!("{faults:?}").contains("sesame"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let faults = parse(&text).expect_err("no such text says enough");
        prop_assert!(!faults.show(Look::Plain).is_empty());
    }

    #[test]
    fn no_change_to_the_demo_makes_it_panic(at in 0..DEMO.len(), drop in 0..40_usize, put in "[\\PC\n]{0,8}") {
        let start = (0..=at).rev().find(|&at| DEMO.is_char_boundary(at)).unwrap_or(0);
        let end = (start + drop..=DEMO.len()).find(|&at| DEMO.is_char_boundary(at)).unwrap_or(DEMO.len());
        let text = [&DEMO[..start], &put, &DEMO[end..]].concat();
        match parse(&text) {
            Ok(read) => prop_assert!(!read.lines.is_empty() && !read.back_end.actions.is_empty()),
            Err(faults) => prop_assert!(faults.show(Look::Plain).contains("portero.toml")),
        }
    }
}
