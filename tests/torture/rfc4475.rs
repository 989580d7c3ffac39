//! RFC 4475: what each message of its archive gets from us, and why.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::Answer::{self, Call, Silence, Status};
use super::loopback::Loopback;
use super::peer::Peer;
use super::program::Program;

/// Message, its section, what it gets, why.
type Row = (&'static str, &'static str, Answer, &'static str);

/// The lines that are dialled are `user`, which exists, and others, which do not (404).
const EXPECTED: &[Row] = &[
    ("wsinv", "3.1.1.1", Status(481), "legal to its last space; its To tag names a dialog that is not ours"),
    ("intmeth", "3.1.1.2", Status(501), "a legal method that nobody knows"),
    ("esc01", "3.1.1.3", Status(404), "the escapes belong to the user part, which is no line of ours"),
    ("escnull", "3.1.1.4", Status(405), "legal; we are no registrar"),
    ("esc02", "3.1.1.5", Status(501), "an escape in a method is part of its name: this is no REGISTER"),
    ("lwsdisp", "3.1.1.6", Status(200), "no space is needed before an angle bracket"),
    ("longreq", "3.1.1.7", Call, "long values are legal"),
    ("dblreq", "3.1.1.8", Status(405), "what follows the body of a datagram is ignored"),
    ("semiuri", "3.1.1.9", Status(200), "a semicolon in the user part is legal"),
    ("transports", "3.1.1.10", Status(200), "Via values of other hops may name any transport"),
    ("mpart01", "3.1.1.11", Status(405), "legal; we take no MESSAGE"),
    ("unreason", "3.1.1.12", Silence, "a response to nothing of ours"),
    ("noreason", "3.1.1.13", Silence, "a response to nothing of ours"),
    ("badinv01", "3.1.2.1", Status(400), "Via and Contact with separators and nothing between them"),
    ("clerr", "3.1.2.2", Status(400), "the body is shorter than Content-Length says"),
    ("ncl", "3.1.2.3", Status(400), "a negative Content-Length"),
    ("scalar02", "3.1.2.4", Status(400), "CSeq does not fit in 32 bits"),
    ("scalarlg", "3.1.2.5", Silence, "a response to nothing of ours, and malformed"),
    ("quotbal", "3.1.2.6", Status(400), "a quoted string that never ends hides where the address begins"),
    ("ltgtruri", "3.1.2.7", Status(400), "a Request-URI in angle brackets"),
    ("lwsruri", "3.1.2.8", Status(400), "spaces in the Request-URI"),
    ("lwsstart", "3.1.2.9", Status(400), "two spaces between the words of the request line"),
    ("trws", "3.1.2.10", Status(400), "spaces at the end of the request line"),
    ("escruri", "3.1.2.11", Call, "headers in the Request-URI, which we are free to ignore"),
    ("baddate", "3.1.2.12", Call, "a Date that nobody asks for"),
    ("regbadct", "3.1.2.13", Status(405), "we are no registrar"),
    ("badaspec", "3.1.2.14", Status(400), "spaces inside the angle brackets of To"),
    ("baddn", "3.1.2.15", Status(400), "the archive's file lacks the empty line that ends a header"),
    ("badvers", "3.1.2.16", Status(505), "SIP/7.0"),
    ("mismatch01", "3.1.2.17", Status(400), "CSeq names another method"),
    ("mismatch02", "3.1.2.18", Status(400), "CSeq names another method"),
    ("bigcode", "3.1.2.19", Silence, "a response with an impossible status"),
    ("badbranch", "3.2.1", Status(200), "a branch of the cookie alone: matched as before RFC 3261"),
    ("insuf", "3.3.1", Status(400), "no Call-ID, From or To"),
    ("unkscm", "3.3.2", Status(416), "an unknown scheme in the Request-URI"),
    ("novelsc", "3.3.3", Status(416), "a known scheme that is not SIP's"),
    ("unksm2", "3.3.4", Status(405), "we are no registrar"),
    ("bext01", "3.3.5", Status(420), "Require names what nobody supports"),
    ("invut", "3.3.6", Status(415), "a body of an unknown type"),
    ("regaut01", "3.3.7", Status(405), "we are no registrar"),
    ("multi01", "3.3.8", Status(400), "several values where there may be one"),
    ("mcl01", "3.3.9", Status(400), "two Content-Lengths that differ"),
    ("bcast", "3.3.10", Silence, "a response with a Via that is not ours on top"),
    ("zeromf", "3.3.11", Status(200), "used-up hops stop a proxy, not the endpoint"),
    ("cparam01", "3.3.12", Status(405), "we are no registrar"),
    ("cparam02", "3.3.13", Status(405), "we are no registrar"),
    ("regescrt", "3.3.14", Status(405), "we are no registrar"),
    ("sdp01", "3.3.15", Status(406), "Accept leaves out SDP, and a call's answer is SDP"),
    ("inv2543", "3.4.1", Status(404), "a request from before RFC 3261 is served; there is no line UserB"),
];

/// The one message whose Via names another port than 5060, where its answer goes.
const AT_5050: &str = "quotbal";

/// Messages that name the very transaction of another of the archive, so that to the server of both they would
/// be its retransmission: they go to a second server.
const TWINS: &[&str] = &["novelsc", "cparam02", "regescrt"];

fn folder() -> PathBuf {
    std::env::var_os("PORTERO_TORTURE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/rfc4475")),
        PathBuf::from,
    )
}

/// The names of the messages in the archive.
fn archive() -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder()) else { return BTreeSet::new() };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let messages = paths.filter(|path| path.extension().is_some_and(|ending| ending == "dat"));
    messages.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

#[test]
fn every_message_gets_its_answer_and_leaves_the_server_alive() {
    let archive = archive();
    if archive.is_empty() {
        println!("skipped: no RFC 4475 messages here; set PORTERO_TORTURE to their folder");
        return;
    }
    let expected: BTreeSet<String> = EXPECTED.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(archive, expected, "the table is the archive");
    let (server, second, caller) = (Loopback::claim(), Loopback::claim(), Loopback::claim());
    let mut program = Program::start(server.sip(), &server);
    let mut twin = Program::start(second.sip(), &second);
    let mut usual = Peer::new(SocketAddr::from((caller.ip(), 5060)), program.sip);
    let mut other = Peer::new(SocketAddr::from((caller.ip(), 5050)), program.sip);
    let twin_caller = Loopback::claim();
    let mut twins = Peer::new(SocketAddr::from((twin_caller.ip(), 5060)), twin.sip);
    let mut wrong = Vec::new();
    for (name, section, answer, why) in EXPECTED {
        let message = fs::read(folder().join(name).with_extension("dat")).expect("readable");
        let peer = match *name {
            AT_5050 => &mut other,
            name if TWINS.contains(&name) => &mut twins,
            _ => &mut usual,
        };
        let got = peer.answer_to(&message, *answer);
        if got != *answer {
            wrong.push(format!("{name} (RFC 4475 §{section}): {got:?} instead of {answer:?}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for peer in [&mut usual, &mut other, &mut twins] {
        peer.hears_nothing_more();
    }
    assert!(program.is_running() && twin.is_running());
}
