//! Reads `[speech]`: what makes sound of texts, where that is kept, and from where recordings are fetched.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::fault::Fault;
use super::section::{Complaint, Said, Section, Text};
use super::{Environment, back_end, bodies, values};
use crate::crm::{Body, Place, Template, Url};
use crate::speech::{Config, Endpoint, Kept, Means, Source};

/// How long a caller may wait in silence.
const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(10);
const CONCURRENT: RangeInclusive<u32> = 1..=1000;
const MEGABYTES: RangeInclusive<u32> = 1..=1_000_000;
const KEEP: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(366 * 24);
const USUAL_BODY: &str = r#"{"text": "{{ text }}", "voice": "{{ voice }}"}"#;
/// What a service can be told.
const NAMES: [&str; 3] = ["text", "voice", "language"];

pub(super) fn read(mut section: Section<'_>, records: &Path, environment: Environment<'_>) -> Config {
    let command = command(&mut section);
    let endpoint = endpoint(&mut section, environment);
    let service = endpoint.map(Means::Endpoint);
    let means: Vec<_> = service.into_iter().chain(command.map(Means::Command)).collect();
    let voices = section.section("voices", "`voices`").named_texts();
    let voice = |(language, voice): (Text<'_>, Text<'_>)| {
        let language = section.accept(language.span(), values::language(language.get_ref()))?;
        Some((language, (*voice.get_ref()).to_owned()))
    };
    let voices: BTreeMap<_, _> = voices.into_iter().filter_map(voice).collect();
    let deadline = section.read("deadline", values::duration(DEADLINE));
    let max_concurrent = section.number("max_concurrent", CONCURRENT).unwrap_or(8) as usize;
    let cache = cache(&mut section, records);
    let texts = section.texts("recordings_from").unwrap_or_default();
    let recordings_from =
        texts.iter().filter_map(|text| section.accept(text.span(), recordings(text.get_ref())));
    let recordings_from = recordings_from.map(|from| Source { from, trust: None }).collect();
    section.finish();
    Config {
        cache: cache.filter(|_| !means.is_empty()),
        means,
        voices,
        deadline: deadline.unwrap_or(Duration::from_millis(1500)),
        max_concurrent,
        recordings_from,
    }
}

fn command(section: &mut Section<'_>) -> Option<Vec<String>> {
    let texts = section.texts("command")?;
    if texts.first().is_none_or(|program| program.get_ref().is_empty()) {
        let span = section.value("command").map_or(section.span(), toml::Spanned::span);
        let fault = Fault::at(span, "`command` names no program");
        section.note(fault.help("write the program and what it is told: [\"piper\", \"--model\", \"…\"]"));
        return None;
    }
    Some(texts.iter().map(|text| (*text.get_ref()).to_owned()).collect())
}

fn endpoint(section: &mut Section<'_>, environment: Environment<'_>) -> Option<Endpoint> {
    let text = section.text("url");
    let url = text.as_ref().and_then(|text| section.accept(text.span(), url(text.get_ref())));
    let headers = back_end::headers(section, environment);
    let place = section.read("body_type", bodies::body_type).unwrap_or(Place::Json);
    let said = section.text("body");
    let (span, source) = said.map_or((section.span(), USUAL_BODY), |said| (said.span(), said.into_inner()));
    let body = section.accept(span, body(source, place));
    let url = url?;
    if let Some((text, told)) = text.zip(url.fill_all("1")) {
        let host = Url::parse(&told).ok().filter(|url| url.scheme() == "http" && !back_end::is_here(url));
        if let Some(host) = host.as_ref().and_then(Url::host_str) {
            let fault = Fault::at(text.span(), format!("what callers are told goes to {host} unencrypted"));
            section.note(fault.help("use https, unless the way there is protected by other means").warning());
        }
    }
    Some(Endpoint { url, headers, body: body? })
}

fn url(text: &str) -> Result<Template, Complaint> {
    let url = template(text, Place::Path, &NAMES[1..])?;
    let filled = url.fill_all("1").and_then(|filled| Url::parse(&filled).ok());
    let is_web = filled.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    is_web.then_some(url).ok_or_else(|| {
        let help = "write it as \"https://voice.example.com/speak/{{ voice }}\"";
        Complaint::new(format!("`{text}` is no address of a web service"), help)
    })
}

fn body(text: &str, place: Place) -> Result<Body, Complaint> {
    let template = template(text, place, &NAMES)?;
    bodies::fits(&template, place).map_err(|(message, help)| Complaint::new(message, help))?;
    Ok(Body { template, media_type: bodies::media_type(place) })
}

fn template(text: &str, place: Place, names: &[&str]) -> Result<Template, Complaint> {
    let help = format!("the values are: {}", names.join(", "));
    let template =
        Template::new(text, place).map_err(|fault| Complaint::new(fault.to_string(), help.clone()))?;
    match template.variables().iter().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(Complaint::new(format!("there is no value `{{{{ {name} }}}}` here"), help)),
        None => Ok(template),
    }
}

/// `None` where it is "off".
fn cache(section: &mut Section<'_>, records: &Path) -> Option<Kept> {
    const MEGABYTE: u64 = 1_000_000;
    let usual =
        Kept { folder: records.join("speech"), bytes_max: 100 * MEGABYTE, age_max: Duration::from_hours(24) };
    match section.said("cache", "`cache`") {
        Some(Said::Text(text)) => {
            if *text.get_ref() != "off" {
                let fault = Fault::at(text.span(), format!("`{}` is no way to keep it", text.get_ref()));
                section.note(
                    fault.help("write \"off\", or { folder = \"…\", megabytes = 100, keep = \"24h\" }"),
                );
            }
            None
        }
        Some(Said::Section(mut section)) => {
            let kept = Kept {
                folder: section.read("folder", values::folder).unwrap_or(usual.folder),
                bytes_max: section
                    .number("megabytes", MEGABYTES)
                    .map_or(usual.bytes_max, |megabytes| u64::from(megabytes) * MEGABYTE),
                age_max: section.read("keep", values::duration(KEEP)).unwrap_or(usual.age_max),
            };
            section.finish();
            Some(kept)
        }
        None => Some(usual),
    }
}

/// From where recordings may be fetched.
fn recordings(text: &str) -> Result<Url, Complaint> {
    let url = values::base_url(text)?;
    if url.scheme() == "https" || back_end::is_here(&url) {
        return Ok(url);
    }
    let help = "recordings of names are personal: use https";
    Err(Complaint::new(format!("`{text}` is elsewhere and unencrypted"), help))
}
