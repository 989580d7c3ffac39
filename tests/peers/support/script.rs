//! A SIPp scenario put together step by step, where many differ in a message or two.
//!
//! What comes out is a scenario file like those of `tests/sipp`, of one call from one caller.

use std::fmt::Write as _;

/// An offer of both G.711 codecs and keys.
pub const OFFER: &str = "m=audio [media_port] RTP/AVP 0 8 101
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20";
/// The same of A-law only.
pub const OFFER_OF_PCMA: &str = "m=audio [media_port] RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20";

/// What a SIPp step looks for in a message that has come.
pub enum Sees {
    /// This, as a regular expression, in the header field of this name.
    Header(&'static str, &'static str),
    /// This, as a regular expression, in the body.
    Body(&'static str),
}
use Sees::{Body, Header};

/// A scenario in the making. Steps are in the order in which they are added.
pub struct Script {
    steps: String,
    seen: usize,
    described: u32,
}

impl Script {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { steps: String::new(), seen: 0, described: 0 }
    }

    /// The file's text.
    pub fn text(&self) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<scenario name=\"script\">\n{}</scenario>\n",
            self.steps
        )
    }

    /// The first INVITE, with these header lines and this media description.
    pub fn invite(self, headers: &str, media: &str) -> Self {
        self.request(1, "INVITE", headers, media)
    }

    /// Waits for the 200 to the first INVITE, whatever comes before, and acknowledges it.
    pub fn answered(self, sees: &[Sees]) -> Self {
        self.maybe(100).maybe(180).opens(200, sees).ack(1, "")
    }

    /// Any request: a first INVITE or OPTIONS is outside the dialog, and everything else inside.
    pub fn request(self, cseq: u32, method: &str, headers: &str, media: &str) -> Self {
        let branch = format!("{cseq}-{method}");
        self.request_with(&branch, cseq, method, headers, media)
    }

    /// A request with a branch of its own.
    pub fn request_with(mut self, branch: &str, cseq: u32, method: &str, headers: &str, media: &str) -> Self {
        let outside = cseq == 1 && matches!(method, "INVITE" | "OPTIONS");
        let (uri, route, tag) = if outside {
            ("sip:[service]@[remote_ip]:[remote_port]", "", "")
        } else {
            ("[next_url]", "[routes]\n", "[peer_tag_param]")
        };
        let retransmitted = if method == "ACK" { "" } else { " retrans=\"500\"" };
        let body = self.body(headers, media);
        let headers = lines(headers);
        let _ = write!(
            self.steps,
            "<send{retransmitted}>\n<![CDATA[\n
{method} {uri} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK-[pid]-{branch}
{route}Max-Forwards: 70
From: <[from]>;tag=[pid]SIPp[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>{tag}
Call-ID: [call_id]
CSeq: {cseq} {method}
Contact: <sip:caller@[local_ip]:[local_port];transport=[transport]>
{headers}{body}
]]>\n</send>\n"
        );
        self
    }

    /// The ACK to a 2xx.
    pub fn ack(self, cseq: u32, media: &str) -> Self {
        self.request_with(&format!("{cseq}-ACK"), cseq, "ACK", "", media)
    }

    /// The ACK to any other final response, which is part of the INVITE's own transaction.
    pub fn ack_refusal(self, branch: &str, cseq: u32) -> Self {
        self.request_with(branch, cseq, "ACK", "", "")
    }

    /// BYE, and its 200.
    pub fn bye(self, cseq: u32) -> Self {
        self.request(cseq, "BYE", "", "").response(200, &[])
    }

    /// A response that has to come.
    pub fn response(self, status: u16, sees: &[Sees]) -> Self {
        self.receive(&format!("response=\"{status}\""), sees)
    }

    /// A response that has to come, and that makes the dialog: its Contact and its Record-Route are followed from
    /// then on.
    pub fn opens(self, status: u16, sees: &[Sees]) -> Self {
        self.receive(&format!("response=\"{status}\" rrs=\"true\""), sees)
    }

    /// A response that may come before the next step's.
    pub fn maybe(mut self, status: u16) -> Self {
        let _ = writeln!(self.steps, "<recv response=\"{status}\" optional=\"true\"/>");
        self
    }

    /// A request that has to come.
    pub fn wait_for(self, method: &str, sees: &[Sees]) -> Self {
        self.receive(&format!("request=\"{method}\""), sees)
    }

    /// The answer to the request that came last.
    pub fn answer(mut self, status: &str, headers: &str, media: &str) -> Self {
        let body = self.body(headers, media);
        let headers = lines(headers);
        let _ = write!(
            self.steps,
            "<send>\n<![CDATA[\n
SIP/2.0 {status}
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:caller@[local_ip]:[local_port];transport=[transport]>
{headers}{body}
]]>\n</send>\n"
        );
        self
    }

    /// Plays what the call keys.
    pub fn keys(mut self) -> Self {
        self.steps.push_str("<nop><action><exec play_pcap_audio=\"keys.pcap\"/></action></nop>\n");
        self
    }

    /// Lets time pass.
    pub fn pause(mut self, ms: u32) -> Self {
        let _ = writeln!(self.steps, "<pause milliseconds=\"{ms}\"/>");
        self
    }

    fn receive(mut self, what: &str, sees: &[Sees]) -> Self {
        let _ = writeln!(self.steps, "<recv {what}>\n<action>");
        let first = self.seen;
        for sees in sees {
            self.seen += 1;
            let (place, pattern) = match sees {
                Header(name, pattern) => (format!("search_in=\"hdr\" header=\"{name}:\""), pattern),
                Body(pattern) => ("search_in=\"body\"".to_owned(), pattern),
            };
            let _ = writeln!(
                self.steps,
                "<ereg regexp=\"{pattern}\" {place} check_it=\"true\" assign_to=\"v{}\"/>",
                self.seen
            );
        }
        let _ = writeln!(self.steps, "</action>\n</recv>");
        for seen in first + 1..=self.seen {
            let _ = writeln!(self.steps, "<Reference variables=\"v{seen}\"/>");
        }
        self
    }

    /// The end of a message: its body's header lines and the body. A `Content-Type` of its own means a body of its
    /// own; else a body is a media description, of which each is a version of its own (RFC 3264 §5).
    fn body(&mut self, headers: &str, media: &str) -> String {
        if media.is_empty() {
            return "Content-Length: 0\n".to_owned();
        }
        if headers.contains("Content-Type") {
            return format!("Content-Length: [len]\n\n{media}\n");
        }
        self.described += 1;
        format!(
            "Content-Type: application/sdp\nContent-Length: [len]\n\nv=0\n\
             o=caller 1 {} IN IP[local_ip_type] [local_ip]\ns=-\n\
             c=IN IP[media_ip_type] [media_ip]\nt=0 0\n{media}\n",
            self.described
        )
    }
}

fn lines(headers: &str) -> String {
    if headers.is_empty() { String::new() } else { format!("{headers}\n") }
}
