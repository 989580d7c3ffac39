//! Reads a whole file, section by section, and looks at what must fit between them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::de::DeTable;

use super::back_end::BackEnds;
use super::fault::{Fault, Faults};
use super::lines::{self, Lines, Surroundings};
use super::section::{Noted, Section};
use super::settings::{Limits, Media, Process, Prompts, Records, Sip};
use super::stir::Signers;
use super::{
    Configuration, Environment, actions, demo, locks, numbers, privacy, sip, speech, stir, targets, trunks,
    values, web, webhooks,
};
use crate::call::{Agents, Directory, HandOverTimes, Intake};
use crate::crm;
use crate::flow::LanguageName;
use crate::net::hep;
use crate::net::sip::Listen;
use crate::records::{Kept, Retention};
use crate::sip::Transport;

const CALLS: RangeInclusive<u32> = 1..=100_000;
const CALLS_PER_SECOND: RangeInclusive<u32> = 1..=100_000;
const TRANSACTIONS: RangeInclusive<u32> = 1000..=2_000_000;
const MESSAGES_PER_SECOND: RangeInclusive<u32> = 10..=1_000_000;
const LATE_PERCENT: RangeInclusive<u32> = 1..=100;
const CONNECTIONS: RangeInclusive<u32> = 1..=100_000;
const THREADS: RangeInclusive<u32> = 1..=1024;
const SILENCE: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_hours(1);
const REACTION: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(5);
const DRAIN: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(1);
/// What Homer's examples call their first agent.
const HEP_ID: u32 = 2001;
const KEPT: RangeInclusive<Duration> = Duration::from_hours(1)..=Duration::from_hours(366 * 24);
const TRACES_KEPT: Duration = Duration::from_hours(7 * 24);
const RECORDINGS_KEPT: Duration = Duration::from_hours(30 * 24);
/// 12 h of wideband are 2.8 GB; a WAV file cannot have more than 4.
const RECORDING: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(12);
const RECORDING_MAX: Duration = Duration::from_hours(2);
const PROGRESS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(30);

/// Reads `text`: everything that is wrong with it, and what it says, if that can be told.
pub(super) fn read(text: &str, environment: Environment<'_>) -> (Option<Configuration>, Vec<Fault>) {
    whole(text, |file| sections(file, environment))
}

/// Reads a whole file by `sections`: what that made of it, and everything that is wrong with it.
pub(super) fn whole<T>(text: &str, sections: impl FnOnce(Section<'_>) -> T) -> (T, Vec<Fault>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let syntax: Vec<Fault> = errors.iter().map(syntax_fault).collect();
    let noted = Noted::default();
    let read = sections(Section::file(&table, &noted));
    let mut faults = noted.into_list();
    // What stands on a line that could not be read has been guessed.
    faults.retain(|fault| !syntax.iter().any(|error| same_line(text, error, fault)));
    faults.extend(syntax);
    (read, faults)
}

fn syntax_fault(error: &toml::de::Error) -> Fault {
    let help = "this is not TOML: texts stand in quotes, a list in [ ], and a line says `name = value`";
    Fault::at(error.span().unwrap_or(0..0), error.message()).help(help)
}

fn same_line(text: &str, one: &Fault, other: &Fault) -> bool {
    let line = |span: &Range<usize>| text.get(..span.start).map(|before| before.matches('\n').count());
    one.span().zip(other.span()).is_some_and(|(one, other)| line(one) == line(other))
}

/// Reads the sections of a file.
pub(super) fn sections(mut file: Section<'_>, environment: Environment<'_>) -> Option<Configuration> {
    let (sip, strangers) = sip::read(file.section("sip", "[sip]"));
    let stir = file.section("stir", "[stir]");
    let (signers, stir) = (Signers::of(&stir), stir::read(stir));
    let trunks = trunks::read(&mut file, strangers, &signers, environment);
    let limits = limits(file.section("limits", "[limits]"));
    let media = media(file.section("media", "[media]"), sip.as_ref(), &limits);
    let process = process(file.section("process", "[process]"));
    let web = web::read(file.section("web", "[web]"), environment);
    let records = records(file.section("records", "[records]"));
    let privacy = privacy::read(file.section("privacy", "[privacy]"));
    let locks = locks::read(file.section("locks", "[locks]"), environment);
    let numbers = numbers::read(file.section("numbers", "[numbers]"));
    let hep = hep(file.section("hep", "[hep]"), environment);
    let prompts = prompts(file.section("prompts", "[prompts]"));
    let speech = speech::read(file.section("speech", "[speech]"), &records.folder, environment);
    let hand_over = hand_over(file.section("hand_over", "[hand_over]"));
    let back_end = file.section("back_end", "[back_end]");
    let others = file.section("back_ends", "[back_ends]");
    let back_ends = BackEnds::read(back_end, &others, environment);
    let asked = file.section("actions", "[actions]");
    let targets = file.section("targets", "[targets]");
    let source = prompts.source();
    // Every line asks, and few languages answer: each has its rules read once.
    let orders = RefCell::new(HashMap::new());
    let date_order = |language: &LanguageName| {
        // Whoever loads the recordings tells what is wrong with the rules beside them.
        let rules = || source.rules(language.as_str()).ok().flatten();
        let read = || rules().map(|rules| rules.date_order()).unwrap_or_default();
        *orders.borrow_mut().entry(language.clone()).or_insert_with(read)
    };
    let surroundings = Surroundings {
        actions: names(&asked),
        targets: names(&targets),
        signers: &signers,
        trunks: trunks.list.iter().map(|trunk| trunk.name.to_string()).collect(),
        deadline: back_ends.longest(actions::longest_deadline(&asked)),
        keeps_recordings: records.kept.recordings != Retention::Off,
        language: prompts.language.clone(),
        date_order: &date_order,
    };
    let lines = lines::read(&mut file, &surroundings);
    let passports = signers.wanted_by(&file, stir.as_ref(), &trunks, lines.passports.clone());
    let named: Vec<&str> = lines.usable.iter().map(|line| line.number.as_str()).collect();
    let webhooks = webhooks::read(&mut file, &named, environment);
    unused_targets(&targets, &lines);
    let actions = actions::read(&asked, &lines.uses, &back_ends.names());
    let back_end = back_ends.with_actions(actions);
    let (demo_back_end, demo_agents) = stand_ins(file.section("demo", "[demo]"), &lines.directory);
    let targets = targets::read(&targets);
    file.finish();
    Some(Configuration {
        sip: sip?,
        media,
        limits,
        process,
        web,
        records,
        privacy,
        locks,
        numbers,
        hep,
        webhooks,
        prompts,
        speech,
        hand_over,
        trunks,
        stir,
        passports,
        targets,
        lines: lines.usable,
        directory: lines.directory,
        sounds: lines.sounds,
        back_end: back_end?,
        demo_back_end,
        demo_agents,
        warnings: Faults::none(),
    })
}

/// Who stands in for the business's service and its agents.
fn stand_ins(mut section: Section<'_>, lines: &Directory) -> (Option<crm::demo::Config>, Option<Agents>) {
    let back_end = demo::back_end(section.section("back_end", "[demo.back_end]"));
    let agents = demo::agents(section.section("agents", "[demo.agents]"), lines);
    section.finish();
    (back_end, agents)
}

fn names<'t>(section: &Section<'t>) -> Vec<&'t str> {
    section.entries().iter().map(|(name, _)| *name.get_ref()).collect()
}

fn limits(mut section: Section<'_>) -> Limits {
    let calls = section.number("calls", CALLS).unwrap_or(1000) as usize;
    let intake = intake(&mut section);
    let drain = wait(&mut section, "drain", DRAIN, 60);
    let connections = section.number("connections", CONNECTIONS).unwrap_or(4096) as usize;
    let per_source = section.number("connections_per_source", CONNECTIONS).unwrap_or(256) as usize;
    section.finish();
    Limits { calls, intake, connections, connections_per_source: per_source, drain }
}

fn intake(section: &mut Section<'_>) -> Intake {
    let usual = Intake::default();
    let mut number = |key, range| section.number(key, range).map(|number| number as usize);
    Intake {
        calls_per_second: number("calls_per_second", CALLS_PER_SECOND),
        transactions: number("transactions", TRANSACTIONS).unwrap_or(usual.transactions),
        messages_per_second: number("messages_per_second", MESSAGES_PER_SECOND)
            .unwrap_or(usual.messages_per_second),
        late_percent: number("late_percent", LATE_PERCENT)
            .map_or(usual.late_percent, |percent| percent as u8),
    }
}

fn media(mut section: Section<'_>, sip: Option<&Sip>, limits: &Limits) -> Media {
    let ports = section.read("ports", values::port_pairs).unwrap_or(20_000..=29_999);
    let span = section.text("ports").map_or(section.span(), |text| text.span());
    let pairs = ports.len() / 2;
    if pairs < limits.calls {
        let fault =
            Fault::at(span.clone(), format!("{pairs} pairs of ports are too few for {} calls", limits.calls));
        section.note(fault.help("take more ports, or let [limits] `calls` be smaller"));
    }
    let taken =
        |listen: &&Listen| listen.transport == Transport::Udp && ports.contains(&listen.address.port());
    if let Some(listen) = sip.and_then(|sip| sip.listen.iter().find(taken)) {
        let fault = Fault::at(span, format!("port {} is [sip]'s already", listen.address.port()));
        section.note(fault.help("take ports that `sip.listen` is not one of"));
    }
    let media = Media {
        ports,
        external_address: section.read("external_address", values::ip_address),
        silence_timeout: wait(&mut section, "silence_timeout", SILENCE, 60),
        threads: section
            .number("threads", THREADS)
            .and_then(|threads| usize::try_from(threads).ok()?.try_into().ok()),
        pin_threads: section.flag("pin_threads").unwrap_or(true),
        kernel_filter: section.flag("kernel_filter").unwrap_or(true),
    };
    section.finish();
    media
}

fn process(mut section: Section<'_>) -> Process {
    let core_dumps = section.flag("core_dumps").unwrap_or(false);
    section.finish();
    Process { core_dumps }
}

fn records(mut section: Section<'_>) -> Records {
    let folder = section.read("folder", values::folder);
    let traces = section.read("traces", values::retention(KEPT));
    let recordings = section.read("recordings", values::retention(KEPT));
    let length = section.read("recording_length", values::duration(RECORDING));
    section.finish();
    Records {
        folder: folder.unwrap_or_else(|| "portero-data".into()),
        kept: Kept {
            traces: traces.unwrap_or(Retention::For(TRACES_KEPT)),
            recordings: recordings.unwrap_or(Retention::For(RECORDINGS_KEPT)),
        },
        recording_max: length.unwrap_or(RECORDING_MAX),
    }
}

/// `None` where there is none, or where it is faulty.
fn hep(mut section: Section<'_>, environment: Environment<'_>) -> Option<hep::Config> {
    if !section.is_present() {
        return None;
    }
    let to = section.need("to", "\"127.0.0.1:9060\"", values::socket_address);
    let id = section.number("id", 0..=u32::MAX).unwrap_or(HEP_ID);
    let password = section.read("password", |text| values::credential(text, environment));
    section.finish();
    Some(hep::Config { to: to?, id, password })
}

fn prompts(mut section: Section<'_>) -> Prompts {
    let language = section.read("language", values::language);
    let folder = section.read("folder", values::folder);
    section.finish();
    Prompts { language: language.unwrap_or_else(|| "en".into()), folder }
}

fn hand_over(mut section: Section<'_>) -> HandOverTimes {
    let timeout = wait(&mut section, "timeout", REACTION, 10);
    let progress_timeout = wait(&mut section, "progress_timeout", PROGRESS, 60);
    section.finish();
    HandOverTimes { timeout, progress_timeout }
}

fn wait(
    section: &mut Section<'_>,
    key: &'static str,
    range: RangeInclusive<Duration>,
    default_seconds: u64,
) -> Duration {
    section.read(key, values::duration(range)).unwrap_or(Duration::from_secs(default_seconds))
}

fn unused_targets(section: &Section<'_>, lines: &Lines) {
    for (name, _) in section.entries() {
        if !lines.targets.iter().any(|target| target.as_str() == *name.get_ref()) {
            let fault =
                Fault::at(name.span(), format!("no line hands calls to the target `{}`", name.get_ref()));
            section.note(fault.help("delete it, or name it in a line's `hand_over`").warning());
        }
    }
}
