//! Reads `[[webhooks]]`: who is told of calls, and what of them.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::fault::Fault;
use super::nearest::{nearest, one_of};
use super::section::{Complaint, Section, Text};
use super::{Environment, back_end, values};
use crate::call::MilestoneKind;
use crate::crm::Url;
use crate::hooks::{Field, Key, KeyFault, Webhook};
use crate::secret::Password;

const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(1);
const RETRY_FOR: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(30 * 24);
const CONCURRENT: RangeInclusive<u32> = 1..=100;
const SPOOL: RangeInclusive<u32> = 1000..=10_000_000;

const FIELDS: [(&str, Field); 4] =
    [("ani", Field::Ani), ("customer", Field::Customer), ("name", Field::Name), ("token", Field::Token)];

/// Reads them; `lines` are the names of the lines there are.
pub(super) fn read(file: &mut Section<'_>, lines: &[&str], environment: Environment<'_>) -> Vec<Webhook> {
    let mut webhooks: Vec<Webhook> = Vec::new();
    for mut section in file.sections("webhooks", "a section of [[webhooks]]") {
        let span = section.text("name").map_or(section.span(), |text| text.span());
        let Some(webhook) = webhook(section, lines, environment) else { continue };
        if webhooks.iter().any(|other| other.name == webhook.name) {
            let fault = Fault::at(span, format!("there is a webhook `{}` already", webhook.name));
            file.note(fault.help("give each a name of its own: what waits for it on disk goes by that"));
        }
        webhooks.push(webhook);
    }
    webhooks
}

fn webhook(mut section: Section<'_>, lines: &[&str], environment: Environment<'_>) -> Option<Webhook> {
    let name = section.need("name", "\"crm\"", name);
    let url = section.need("url", "\"https://crm.example.com/webhooks\"", url);
    warn_of_unencrypted(&mut section, url.as_ref());
    let secret = |text: &str| secret(text, environment);
    let current = section.need("secret", "\"env:WEBHOOK_SECRET\"", secret);
    let old = section.read("old_secret", secret);
    let events = words(&mut section, "events", &MilestoneKind::ALL.map(|kind| (kind.as_str(), kind)));
    let fields = words(&mut section, "fields", &FIELDS);
    let lines = section.texts("lines").map(|texts| of_lines(&section, &texts, lines));
    let headers = back_end::headers(&mut section, environment);
    let timeout = section.read("timeout", values::duration(TIMEOUT));
    let retry_for = section.read("retry_for", values::duration(RETRY_FOR));
    let max_concurrent = section.number("max_concurrent", CONCURRENT).unwrap_or(8) as usize;
    let spool = section.number("spool", SPOOL).map_or(1_000_000, u64::from);
    section.finish();
    Some(Webhook {
        name: name?,
        url: url?,
        secrets: std::iter::once(current?).chain(old).collect(),
        events: events.unwrap_or_else(|| MilestoneKind::ALL.into()),
        lines,
        fields: fields.unwrap_or_default(),
        headers,
        timeout: timeout.unwrap_or(Duration::from_secs(15)),
        retry_for: retry_for.unwrap_or(Duration::from_hours(72)),
        max_concurrent,
        spool,
    })
}

/// What a file and a metric's label can be named by.
fn name(text: &str) -> Result<String, Complaint> {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=64).contains(&text.len()) && text.bytes().all(letters) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(
        format!("`{text}` is no name of a webhook"),
        "1 to 64 letters, digits, - and _ will do",
    ))
}

fn url(text: &str) -> Result<Url, Complaint> {
    let help = "write it as \"https://crm.example.com/webhooks\"";
    let complaint = |message: String| Complaint::new(message, help);
    let url = Url::parse(text).map_err(|error| complaint(format!("`{text}` is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || url.fragment().is_some() {
        return Err(complaint(format!("`{text}` is no address of a web service")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let help = "leave out what stands before the @, and say it in `headers`";
        return Err(Complaint::new("the address holds a credential", help));
    }
    Ok(url)
}

fn warn_of_unencrypted(section: &mut Section<'_>, url: Option<&Url>) {
    let Some((url, text)) = url.zip(section.text("url")) else { return };
    if url.scheme() == "http" && !back_end::is_here(url) {
        let host = url.host_str().unwrap_or_default();
        let fault = Fault::at(text.span(), format!("what happens to callers is told to {host} unencrypted"));
        section.note(fault.help("use https, unless the way there is protected by other means").warning());
    }
}

/// A secret, which can be read unless it comes from an environment that is not there yet: then it is at the start.
fn secret(text: &str, environment: Environment<'_>) -> Result<Password, Complaint> {
    let value = values::credential(text, environment)?;
    let is_assumed = text.strip_prefix("env:") == Some(value.as_str());
    match Key::read(&value) {
        Err(fault) if !is_assumed => Err(Complaint::new(fault.to_string(), KeyFault::HELP)),
        _ => Ok(Password::new(value)),
    }
}

/// The values of the words of `key`; `None` where it says nothing.
fn words<T: Copy + Ord>(
    section: &mut Section<'_>,
    key: &'static str,
    known: &[(&str, T)],
) -> Option<BTreeSet<T>> {
    let texts = section.texts(key)?;
    let mut values = BTreeSet::new();
    for text in texts {
        let read = one_of(known, text.get_ref(), key).map_err(|help| {
            Complaint::new(format!("`{}` is none of the {key} there are", text.get_ref()), help)
        });
        values.extend(section.accept(text.span(), read));
    }
    Some(values)
}

fn of_lines(section: &Section<'_>, texts: &[Text<'_>], lines: &[&str]) -> BTreeSet<String> {
    for text in texts.iter().filter(|text| !lines.contains(text.get_ref())) {
        let fault = Fault::at(text.span(), format!("there is no line `{}`", text.get_ref()));
        section.note(fault.help(nearest(text.get_ref(), lines, "lines")));
    }
    texts.iter().map(|text| (*text.get_ref()).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::read::whole;
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn read_text(text: &str) -> (Vec<Webhook>, Vec<Fault>) {
        let environment = |name: &str| (name == "HOOK").then(|| SECRET.to_owned());
        whole(text, |mut file| read(&mut file, &["1000", "1001"], &environment))
    }

    #[test]
    fn a_webhook_needs_a_name_an_address_and_a_secret_and_gets_no_personal_data() {
        let (webhooks, faults) =
            read_text("[[webhooks]]\nname = \"crm\"\nurl = \"https://a.example/\"\nsecret = \"env:HOOK\"\n");
        assert_eq!(faults, []);
        let [webhook] = &webhooks[..] else { panic!("one") };
        assert_eq!(webhook.secrets, [Password::new(SECRET.into())]);
        assert_eq!((webhook.events.len(), webhook.fields.len()), (7, 0));
        assert_eq!(webhook.lines, None);
        let (_, faults) = read_text("[[webhooks]]\n");
        assert_eq!(faults.len(), 3, "{faults:?}");
    }

    #[test]
    fn what_is_wrong_is_told_where_it_stands() {
        let file = |line: &str| {
            let usual = [("name", "\"crm\""), ("url", "\"https://a.example/\""), ("secret", "\"env:HOOK\"")];
            let usual = usual.iter().filter(|(key, _)| !line.starts_with(key));
            let usual: Vec<_> = usual.map(|(key, value)| format!("{key} = {value}")).collect();
            format!("[[webhooks]]\n{}\n{line}\n", usual.join("\n"))
        };
        let table = [
            ("name = \"../x\"", "`../x` is no name of a webhook"),
            ("url = \"ftp://a.example/\"", "`ftp://a.example/` is no address of a web service"),
            ("url = \"https://me:pw@a.example/\"", "the address holds a credential"),
            ("url = \"http://a.example/\"", "what happens to callers is told to a.example unencrypted"),
            ("secret = \"hunter2\"", "a webhook's secret begins with `whsec_`"),
            ("secret = \"env:NONE\"", "there is no environment variable `NONE`"),
            ("events = [\"startet\"]", "`startet` is none of the events there are"),
            ("fields = [\"pin\"]", "`pin` is none of the fields there are"),
            ("lines = [\"1002\"]", "there is no line `1002`"),
            ("timeout = \"10m\"", "`10m` is out of range"),
            ("spool = 1", "`spool` is out of range"),
        ];
        for (line, message) in table {
            let text = file(line);
            let (_, faults) = read_text(&text);
            let told: Vec<_> = faults.iter().map(Fault::message).collect();
            assert_eq!(told, [message], "{text}");
        }
        let (_, faults) = read_text(&format!("{}{}", file("spool = 1000"), file("spool = 2000")));
        assert_eq!(faults[0].message(), "there is a webhook `crm` already");
    }
}
