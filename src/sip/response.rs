//! Responses: an answer before it knows its request, and the words for its status (RFC 3261 §8.2.6, §21).

use sipx_sip::error::BuildError;
use sipx_sip::{Header, HeaderName, Request, Response, ResponseBuilder, StatusCode};

use super::hop::{Hop, Transport, Whereabouts};
use super::message;

/// The methods served, without REFER, which only some configurations take.
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, NOTIFY, PRACK, UPDATE";

/// What to answer, before it is tied to a request.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    phrase: Option<String>,
    headers: Vec<(HeaderName, String)>,
    sdp: Option<String>,
}

impl Answer {
    /// An answer without header fields of its own. A status outside 100-699 becomes 500.
    pub fn new(status: u16) -> Self {
        Self { status, phrase: None, headers: Vec::new(), sdp: None }
    }

    /// Says why in the reason phrase, where the status alone does not.
    pub fn because(mut self, phrase: impl Into<String>) -> Self {
        self.phrase = Some(phrase.into());
        self
    }

    /// Adds a header field.
    pub fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds Allow, with REFER where referrals are accepted.
    pub fn with_allow(self, refer: bool) -> Self {
        self.with(HeaderName::Allow, allow(refer))
    }

    /// Adds Contact, as the peer of `hop` is to know us.
    pub fn with_contact(self, whereabouts: &Whereabouts, hop: &Hop) -> Self {
        self.with(HeaderName::Contact, contact(whereabouts, hop))
    }

    /// Sets the body.
    pub fn with_sdp(mut self, sdp: &str) -> Self {
        self.sdp = Some(sdp.to_owned());
        self
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The response to `request`, with `tag` in its To unless the request had one there already.
    pub fn into_response(
        self,
        request: &Request,
        tag: Option<&str>,
        server: &str,
    ) -> Result<Response, BuildError> {
        let (status, code) = match StatusCode::new(self.status) {
            Some(code) => (self.status, code),
            None => (500, StatusCode::new(500).expect("500 lies in 100-699")),
        };
        let phrase = self.phrase.unwrap_or_else(|| phrase(status).to_owned());
        let mut builder = begin(request, code, phrase)?;
        // RFC 3261 §12.1.1: a response that makes a dialog carries the Record-Route of its request.
        if (101..300).contains(&status) && message::is_invite(&request.method) {
            for row in request.headers.get_all(&HeaderName::RecordRoute) {
                builder = builder.header(HeaderName::RecordRoute, row.value().into_owned())?;
            }
        }
        for (name, value) in self.headers {
            builder = builder.header(name, value)?;
        }
        builder = builder.header(HeaderName::Server, server.to_owned())?;
        if let Some(sdp) = self.sdp {
            builder = builder.header(HeaderName::ContentType, "application/sdp")?.body(sdp);
        }
        let mut response = builder.build();
        if let Some(tag) = tag.filter(|_| status > 100 && message::to_tag(&request.headers).is_none()) {
            add_to_tag(&mut response, tag);
        }
        Ok(response)
    }
}

/// A response with what it copies of its request (RFC 3261 §8.2.6.2). A request that lacks some of that is
/// answered with the rest (RFC 4475 §3.3.1): there is a peer to be told so.
fn begin(request: &Request, code: StatusCode, phrase: String) -> Result<ResponseBuilder, BuildError> {
    if let Ok(builder) = ResponseBuilder::to_request(request, code, phrase.clone()) {
        return Ok(builder);
    }
    let copied = [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq];
    let rows = copied.iter().flat_map(|name| request.headers.get_all(name));
    rows.into_iter().try_fold(ResponseBuilder::new(code, phrase)?, |builder, row| {
        builder.header(row.name().clone(), row.value().into_owned())
    })
}

/// A To that cannot be written again (it may hold an escaped NUL) stays as it came: such a request founds no
/// dialog, and an answer without a tag is better than none.
fn add_to_tag(response: &mut Response, tag: &str) {
    let headers = &mut response.headers;
    let Some(position) = headers.iter().position(|header| header.name() == &HeaderName::To) else {
        return;
    };
    let mut value = headers.value(&HeaderName::To).unwrap_or_default().into_owned();
    value.extend_from_slice(b";tag=");
    value.extend_from_slice(tag.as_bytes());
    if let Ok(tagged) = Header::build(HeaderName::To, value) {
        headers.remove_first(&HeaderName::To);
        headers.insert(position, tagged);
    }
}

/// The methods served.
pub fn allow(refer: bool) -> String {
    let refer = if refer { ", REFER" } else { "" };
    format!("{ALLOW}{refer}")
}

/// Our Contact value for the peer of `hop`.
pub fn contact(whereabouts: &Whereabouts, hop: &Hop) -> String {
    let address = whereabouts.seen_by(hop);
    match hop.transport {
        Transport::Udp => format!("<sip:portero@{address}>"),
        stream => format!("<sip:portero@{address};transport={stream}>"),
    }
}

/// The reason phrase of a status (RFC 3261 §21 and the extensions' own), or its class's.
fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        469 => "Bad Info Package",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        _ => match status / 100 {
            1 => "Progress",
            2 => "OK",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}

/// A status line and nothing else: the body of a NOTIFY about a REFER (RFC 3515 §2.4.5).
pub fn sipfrag(status: u16) -> String {
    format!("SIP/2.0 {status} {}\r\n", phrase(status))
}
