//! Whether a request may be served at all, before anybody asks what it means (RFC 3261 §8.2.1-§8.2.3).

use sipx_sip::headers::{MaxForwards, Require};
use sipx_sip::validate::Finding;
use sipx_sip::{HeaderName, Method, Request, Scheme, validate_request};

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

/// What we do not serve: methods (405, 501), URI schemes (416), used-up hops (483), extensions (420).
pub fn check_service(request: &Request, accept_referrals: bool) -> Result<(), Refusal> {
    match request.method {
        Method::Invite
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Info
        | Method::Notify
        | Method::Refer => {}
        // RFC 3261 §21.5.2: 501 is for methods not recognised at all, 405 for those known and not served.
        Method::Other(_) => {
            return Err(Answer::new(501).with_allow(accept_referrals).refuse(Rejection::Method));
        }
        _ => return Err(Answer::new(405).with_allow(accept_referrals).refuse(Rejection::Method)),
    }
    if !matches!(request.uri.scheme(), Scheme::Sip | Scheme::Tel) {
        return Err(Refusal::new(416, Rejection::Scheme));
    }
    if matches!(request.headers.typed::<MaxForwards>(), Some(Ok(MaxForwards(0)))) {
        return Err(Refusal::new(483, Rejection::Hops));
    }
    check_extensions(request)
}

/// RFC 3261 §8.2.2.3: we have no extension that could be required. CANCEL is exempt.
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
        .collect();
    if required.is_empty() {
        return Ok(());
    }
    Err(Answer::new(420).with(HeaderName::Unsupported, required.join(", ")).refuse(Rejection::Extension))
}

/// RFC 3261 §8.2.3: a body must be SDP in plain form.
pub fn check_sdp_body(request: &Request) -> Result<(), Refusal> {
    let headers = &request.headers;
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
