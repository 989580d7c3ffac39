//! Reads single values: each a text in, and out comes what it stands for or what is wrong with it.

use std::net::{AddrParseError, IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SpanRelativeTo;
use jiff::fmt::friendly::{SpanParser, SpanPrinter};

use super::Environment;
use super::section::Complaint;
use crate::call::IpNet;
use crate::crm::{JsonPath, Url};
use crate::flow::PromptId;
use crate::records::Retention;
use crate::secret::Digit;

/// The most digits an entry may have.
pub(super) const DIGITS_MAX: usize = 32;
/// The longest name of anything, in characters.
const NAME_LENGTH_MAX: usize = 64;

/// A text, or what the environment has for `env:NAME`.
pub(super) fn credential(text: &str, environment: Environment<'_>) -> Result<String, Complaint> {
    let Some(name) = text.strip_prefix("env:") else { return Ok(text.to_owned()) };
    environment(name).filter(|value| !value.is_empty()).ok_or_else(|| {
        Complaint::new(
            format!("there is no environment variable `{name}`"),
            format!("set {name} before Portero starts, or correct its name"),
        )
    })
}

/// An IP address and a port.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, Complaint> {
    text.parse().map_err(|_| {
        Complaint::new(
            format!("`{text}` is no IP address with a port"),
            "write it as \"127.0.0.1:5060\" or \"[::1]:5060\"; names are not looked up",
        )
    })
}

/// An IP address.
pub(super) fn ip_address(text: &str) -> Result<IpAddr, Complaint> {
    text.parse().map_err(|_| {
        Complaint::new(
            format!("`{text}` is no IP address"),
            "write it as \"203.0.113.7\" or \"2001:db8::7\", without a port; names are not looked up",
        )
    })
}

/// An IP address, or a network with the length of its prefix.
pub(super) fn network(text: &str) -> Result<IpNet, Complaint> {
    let network = text.parse::<IpAddr>().map(IpNet::from).or_else(|_: AddrParseError| text.parse::<IpNet>());
    let network = network.map_err(|_| {
        Complaint::new(
            format!("`{text}` is no IP address and no network"),
            "write it as \"203.0.113.7\", \"203.0.113.0/28\" or \"2001:db8::/48\"; names are not looked up",
        )
    })?;
    if network.trunc() != network {
        return Err(Complaint::new(
            format!("`{text}` says more than its prefix"),
            format!(
                "write \"{}\" for the network, or \"{}\" for the address",
                network.trunc(),
                network.addr()
            ),
        ));
    }
    if network.addr().to_canonical() != network.addr() {
        return Err(Complaint::new(
            format!("`{text}` is IPv4 in the form of IPv6"),
            "write it as IPv4: its peers are known by that on every socket",
        ));
    }
    Ok(network)
}

/// Reads a time that lies in `range`.
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&str) -> Result<Duration, Complaint> {
    move |text| {
        let read = SpanParser::new().parse_unsigned_duration(text);
        let duration = read.map_err(|_| {
            Complaint::new(
                format!("`{text}` is no time"),
                "write a number with its unit: \"500ms\", \"3s\", \"2m\", \"1m 30s\"",
            )
        })?;
        range.contains(&duration).then_some(duration).ok_or_else(|| {
            let [least, most] =
                [range.start(), range.end()].map(|end| SpanPrinter::new().unsigned_duration_to_string(end));
            let help = format!("anything from {least} to {most} will do");
            Complaint::new(format!("`{text}` is out of range"), help)
        })
    }
}

/// Reads how long something is kept: a time in `range`, days allowed, or `off`.
pub(super) fn retention(range: RangeInclusive<Duration>) -> impl Fn(&str) -> Result<Retention, Complaint> {
    move |text| match text {
        "off" => Ok(Retention::Off),
        text => span(text, &range, ["; or \"off\" to keep none", ", or \"off\""]).map(Retention::For),
    }
}

/// Reads how long something is kept: a time in `range`, days allowed, or `forever`, which is `None`.
pub(super) fn lifetime(
    range: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Option<Duration>, Complaint> {
    move |text| match text {
        "forever" => Ok(None),
        text => span(text, &range, ["; or \"forever\"", ", or \"forever\""]).map(Some),
    }
}

/// Reads a time in `range`, days allowed.
pub(super) fn days(range: RangeInclusive<Duration>) -> impl Fn(&str) -> Result<Duration, Complaint> {
    move |text| span(text, &range, ["", ""])
}

/// Reads a time in `range`, days allowed; the two forms of help end with what else there is.
fn span(text: &str, range: &RangeInclusive<Duration>, or: [&str; 2]) -> Result<Duration, Complaint> {
    const HOURS_A_DAY: u64 = 24;
    let span = SpanParser::new().parse_span(text).ok();
    let time = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let time = time.and_then(|time| Duration::try_from(time).ok()).ok_or_else(|| {
        let help = format!("write a number with its unit, \"7d\" or \"12h\"{}", or[0]);
        Complaint::new(format!("`{text}` is no time"), help)
    })?;
    range.contains(&time).then_some(time).ok_or_else(|| {
        let [least, most] = [range.start(), range.end()].map(|end| end.as_secs() / 3600);
        let help = format!("anything from {least}h to {}d will do{}", most / HOURS_A_DAY, or[1]);
        Complaint::new(format!("`{text}` is out of range"), help)
    })
}

/// UDP ports `first-last` in whole pairs: the first even, the last odd.
pub(super) fn port_pairs(text: &str) -> Result<RangeInclusive<u16>, Complaint> {
    let ports = text.split_once('-').and_then(|(first, last)| {
        let (first, last): (u16, u16) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first > 0 && first < last).then_some((first, last))
    });
    let (first, last) = ports.ok_or_else(|| {
        Complaint::new(
            format!("`{text}` is no range of ports"),
            "write the first and the last, as in \"20000-29999\"; the highest there is is 65535",
        )
    })?;
    if first % 2 == 0 && last % 2 == 1 {
        return Ok(first..=last);
    }
    Err(Complaint::new(
        format!("`{text}` is not made of pairs"),
        format!("begin with an even port and end with an odd one, as in \"{}-{}\"", first / 2 * 2, last | 1),
    ))
}

/// How many digits an entry has: `8`, or `6-10`.
pub(super) fn digits(text: &str) -> Result<RangeInclusive<usize>, Complaint> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let range = least.trim().parse::<usize>().ok().zip(most.trim().parse::<usize>().ok());
    let (least, most) = range.ok_or_else(|| {
        Complaint::new(
            format!("`{text}` is no number of digits"),
            "write `digits = 8`, or `digits = \"6-10\"` for anything from 6 to 10",
        )
    })?;
    if 1 <= least && least <= most && most <= DIGITS_MAX {
        return Ok(least..=most);
    }
    Err(Complaint::new(
        format!("an entry cannot have `{text}` digits"),
        format!("anything from 1 to {DIGITS_MAX} will do, the smaller number first"),
    ))
}

/// The key that ends an entry, or `none`.
pub(super) fn terminator(text: &str) -> Result<Option<Digit>, Complaint> {
    let mut keys = text.chars();
    let key = keys.next().and_then(Digit::from_char).filter(|_| keys.next().is_none());
    match key {
        _ if text == "none" => Ok(None),
        Some(key) if !key.is_decimal() && key != Digit::STAR => Ok(Some(key)),
        _ => Err(Complaint::new(
            format!("`{text}` cannot end an entry"),
            "use \"#\", \"A\", \"B\", \"C\", \"D\" or \"none\"; 0 to 9 make up the entry, and * clears it",
        )),
    }
}

/// Any key of a telephone.
pub(super) fn key(text: &str) -> Result<Digit, Complaint> {
    let mut keys = text.chars();
    keys.next().and_then(Digit::from_char).filter(|_| keys.next().is_none()).ok_or_else(|| {
        Complaint::new(
            format!("`{text}` is no key"),
            "a telephone has the keys 0 to 9, \"*\", \"#\", and A to D",
        )
    })
}

/// Any key of a telephone, or `none`.
pub(super) fn key_or_none(text: &str) -> Result<Option<Digit>, Complaint> {
    if text == "none" { Ok(None) } else { key(text).map(Some) }
}

/// The name of a recording.
pub(super) fn prompt(text: &str) -> Result<PromptId, Complaint> {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=NAME_LENGTH_MAX).contains(&text.len()) && text.bytes().all(letters) {
        return Ok(PromptId::new(text));
    }
    Err(Complaint::new(
        format!("`{text}` is no prompt's name"),
        "a prompt is named by its recording's file, without folder and \".wav\": letters, digits, - and _",
    ))
}

/// The number of a line, or another user part of a SIP address.
pub(super) fn user(text: &str) -> Result<String, Complaint> {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"+*#-_.".contains(&byte);
    if (1..=NAME_LENGTH_MAX).contains(&text.len()) && text.bytes().all(letters) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(
        format!("`{text}` cannot be dialled"),
        "use what stands before the @ of a SIP address: letters, digits and + * # - _ .",
    ))
}

/// What people call something.
pub(super) fn title(text: &str) -> Result<String, Complaint> {
    let length = text.trim().chars().count();
    if (1..=NAME_LENGTH_MAX).contains(&length) && !text.chars().any(char::is_control) {
        return Ok(text.trim().to_owned());
    }
    Err(Complaint::new("this is no name", format!("1 to {NAME_LENGTH_MAX} characters on one line will do")))
}

/// The name of a language's folder.
pub(super) fn language(text: &str) -> Result<String, Complaint> {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (2..=NAME_LENGTH_MAX).contains(&text.len()) && text.bytes().all(letters) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(format!("`{text}` is no language"), "write it as \"en\", \"de\" or \"en-GB\""))
}

/// A file on this machine.
pub(super) fn file(text: &str) -> Result<PathBuf, Complaint> {
    path(text, "file", "\"/etc/portero/key.pem\"")
}

/// A folder on this machine.
pub(super) fn folder(text: &str) -> Result<PathBuf, Complaint> {
    path(text, "folder", "\"/var/lib/portero\"")
}

fn path(text: &str, kind: &str, example: &str) -> Result<PathBuf, Complaint> {
    if text.is_empty() || text.contains('\0') {
        return Err(Complaint::new(
            format!("this is no {kind}"),
            format!("write its path, such as {example}"),
        ));
    }
    Ok(text.into())
}

/// The back end's own address.
pub(super) fn base_url(text: &str) -> Result<Url, Complaint> {
    let complaint = |message: String| Complaint::new(message, "write it as \"https://crm.example.com/api\"");
    let url = Url::parse(text).map_err(|error| complaint(format!("`{text}` is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(complaint(format!("`{text}` is no address of a web service")));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(complaint("the back end's address ends before any ? or #".into()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Complaint::new(
            "the back end's address holds a credential",
            "leave out what stands before the @, and say it as `token` or in `headers`",
        ));
    }
    Ok(url)
}

/// A place in a JSON document.
pub(super) fn json_path(text: &str) -> Result<JsonPath, Complaint> {
    JsonPath::parse(text).map_err(|_| {
        Complaint::new(
            format!("`{text}` is no JSONPath"),
            "`$` is the whole answer, `$.id` its field `id`, `$.customers[*]` every item of its `customers`",
        )
    })
}
