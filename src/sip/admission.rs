//! Whether a request may be served at all, before anybody asks what it means (RFC 3261 §8.2.1-§8.2.3).

use sipx_sip::headers::Require;
use sipx_sip::validate::Finding;
use sipx_sip::{HeaderName, Headers, Method, Request, Scheme, validate_request};

use super::counters::Rejection;
use super::message;
use super::response::Answer;

/// An answer that says no, and why.
#[derive(Debug)]
pub struct Refusal {
    /// What to answer.
    pub answer: Answer,
    /// What to count.
    pub reason: Rejection,
}

impl Refusal {
    /// A refusal with this status.
    pub fn new(status: u16, reason: Rejection) -> Self {
        Answer::new(status).refuse(reason)
    }
}

impl Answer {
    /// Makes a refusal of an answer.
    pub fn refuse(self, reason: Rejection) -> Refusal {
        Refusal { answer: self, reason }
    }
}

/// What every request must have: 400 and 505.
///
/// A missing Max-Forwards is forgiven, as RFC 3261 §16.6 lets a proxy mend it. So are header components in the
/// Request-URI, as RFC 4475 §3.1.2.11 allows: phones that follow our Refer-To are known to leave them there.
pub fn check_form(request: &Request) -> Result<(), Refusal> {
    let findings = validate_request(request);
    if findings.contains(&Finding::UnsupportedVersion) {
        return Err(Refusal::new(505, Rejection::Version));
    }
    let fault = findings
        .iter()
        .find(|finding| !finding.is_repairable() && **finding != Finding::RequestUriHasHeaders);
    match fault {
        Some(finding) => Err(Answer::new(400).because(phrase(finding)).refuse(Rejection::Malformed)),
        None => Ok(()),
    }
}

fn phrase(finding: &Finding) -> String {
    match finding {
        Finding::MissingRequiredHeader(name) => format!("Missing {name}"),
        Finding::MalformedRequiredHeader(name) => format!("Malformed {name}"),
        Finding::RepeatedSingleValueHeader(name) => format!("Repeated {name}"),
        Finding::CSeqMethodMismatch => "CSeq Method Mismatch".to_owned(),
        _ => "Bad Request".to_owned(),
    }
}

/// What we do not serve: methods (405, 501), URI schemes (416), extensions (420).
///
/// Used-up hops are no matter: an endpoint serves what reaches it (RFC 4475 §3.3.11), 483 is a proxy's word.
pub fn check_service(request: &Request, accept_referrals: bool) -> Result<(), Refusal> {
    match request.method {
        Method::Invite
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Info
        | Method::Notify
        | Method::Prack
        | Method::Update
        | Method::Refer => {}
        // A MESSAGE is among the known: we deliver no texts, and its 405 says what we do serve. 415 would say that
        // another kind of text might be (RFC 3428 §7).
        // RFC 3261 §21.5.2: 501 is for methods not recognised at all, 405 for those known and not served.
        Method::Other(_) => {
            return Err(Answer::new(501).with_allow(accept_referrals).refuse(Rejection::Method));
        }
        _ => return Err(Answer::new(405).with_allow(accept_referrals).refuse(Rejection::Method)),
    }
    if !matches!(request.uri.scheme(), Scheme::Sip | Scheme::Tel) {
        return Err(Refusal::new(416, Rejection::Scheme));
    }
    check_extensions(request)
}

/// The option tags that may be required of us (RFC 3262, RFC 4028).
pub const SUPPORTED: [&str; 2] = ["100rel", "timer"];

/// RFC 3261 §8.2.2.3: what else is required is named in Unsupported. CANCEL is exempt.
fn check_extensions(request: &Request) -> Result<(), Refusal> {
    if request.method == Method::Cancel {
        return Ok(());
    }
    let required: Vec<String> = request
        .headers
        .typed_all::<Require>()
        .filter_map(Result::ok)
        .flat_map(|require| require.0.0)
        .map(|tag| String::from_utf8_lossy(&tag).into_owned())
        .filter(|tag| !SUPPORTED.iter().any(|known| known.eq_ignore_ascii_case(tag)))
        .collect();
    if required.is_empty() {
        return Ok(());
    }
    Err(Answer::new(420).with(HeaderName::Unsupported, required.join(", ")).refuse(Rejection::Extension))
}

/// What an INVITE or UPDATE carries and wants: SDP in plain form (RFC 3261 §8.2.3), and SDP back (§20.1).
pub fn check_sdp(request: &Request) -> Result<(), Refusal> {
    let headers = &request.headers;
    if !takes_sdp(headers) {
        return Err(Answer::new(406).because("SDP Not Acceptable").refuse(Rejection::Content));
    }
    if request.body().trim_ascii().is_empty() {
        return Ok(());
    }
    let encoding = message::essence(headers, &HeaderName::ContentEncoding).unwrap_or_default();
    if !encoding.is_empty() && encoding != "identity" {
        let answer = Answer::new(415).with(HeaderName::AcceptEncoding, "identity");
        return Err(answer.refuse(Rejection::Content));
    }
    if message::essence(headers, &HeaderName::ContentType).as_deref() == Some("application/sdp") {
        return Ok(());
    }
    Err(Answer::new(415).with(HeaderName::Accept, "application/sdp").refuse(Rejection::Content))
}

/// Whether Accept has room for SDP. An empty one says nothing that anybody means.
fn takes_sdp(headers: &Headers) -> bool {
    let rows: Vec<String> = headers
        .get_all(&HeaderName::Accept)
        .map(|row| String::from_utf8_lossy(&row.value()).to_ascii_lowercase())
        .collect();
    let mut ranges = rows.iter().flat_map(|row| row.split(',')).map(media_range).filter(|it| !it.is_empty());
    let first = ranges.next();
    first.is_none_or(|first| std::iter::once(first).chain(ranges).any(|range| SDP_RANGES.contains(&range)))
}

/// The media ranges that SDP is in.
const SDP_RANGES: [&str; 3] = ["application/sdp", "application/*", "*/*"];

fn media_range(piece: &str) -> &str {
    piece.split(';').next().unwrap_or_default().trim()
}
