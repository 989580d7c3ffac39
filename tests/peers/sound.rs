//! What is heard on the wire is the recordings, sample for sample, whatever a caller renegotiates and whoever else
//! sends to the port; and G.722 is what others take it for.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use portero::audio::{Codec, Library, Source, Wideband};
use portero::say::PromptId;

use crate::support::baresip::Baresip;
use crate::support::caller::{Call, Caller};
use crate::support::server::Server;
use crate::support::sound;

/// How long any step of a call may take.
const STEP: Duration = Duration::from_secs(20);
/// How long a packet may be waited for, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(5);
/// Samples, and octets, in 20 ms.
const PACKET: usize = 160;

/// What a caller hears first, as it goes over the wire.
fn greeting(codec: Codec) -> Vec<u8> {
    let library = Library::load(&Source::Embedded, "en", ["greeting"], Wideband::Unused);
    let library = library.expect("a recording of ours");
    library.prompt("en", &PromptId::new("greeting")).expect("it is loaded").octets(codec).to_vec()
}

/// Hears packets until there are so many octets of sound, each packet the next in the sequence.
fn hear(caller: &Caller, octets: usize, sequence: &mut Option<u16>) -> Vec<u8> {
    let mut heard = Vec::new();
    while heard.len() < octets {
        let (header, payload) = caller.hear(PATIENCE).expect("the next packet");
        let number = u16::from_be_bytes([header[2], header[3]]);
        let expected = sequence.replace(number).map(|last| last.wrapping_add(1));
        assert!(expected.is_none_or(|expected| expected == number), "{number} follows {sequence:?}");
        heard.extend(payload);
    }
    heard
}

/// How many octets of silence are in front of the first of the row's that are in `heard`.
fn silence_before(row: &[u8], heard: &[u8]) -> usize {
    let begins = |from: &usize| {
        let sound = &heard[*from..];
        row.starts_with(&sound[..sound.len().min(row.len())])
    };
    (0..heard.len()).step_by(PACKET).find(begins).expect("the recording is in what was heard")
}

#[test]
fn a_call_hears_the_recordings_sample_for_sample_over_a_hold_and_into_another_codec() {
    let server = Server::serve_quietly(&[]);
    let mut caller = Caller::new(server.loopback.ip().into(), server.loopback.sip());
    let [mu, a] = [Codec::Pcmu, Codec::Pcma].map(greeting);
    let mut call = caller.begin("RTP/AVP 0\r\n");
    let mut sequence = None;
    let mut first = hear(&caller, 35 * PACKET, &mut sequence);
    caller.change(&mut call, "RTP/AVP 0\r\na=sendonly\r\n");
    // What was under way is still heard, and then nothing.
    while let Some((header, payload)) = caller.hear(Duration::from_millis(200)) {
        sequence = Some(u16::from_be_bytes([header[2], header[3]]));
        first.extend(payload);
    }
    let silent = silence_before(&mu, &first);
    let held_at = first.len() - silent;
    assert!(held_at > 0 && held_at < mu.len(), "held at {held_at} of {}", mu.len());
    assert!(first[..silent].iter().all(|octet| *octet == Codec::Pcmu.silence()));

    caller.change(&mut call, "RTP/AVP 8\r\n");
    let second = hear(&caller, 30 * PACKET, &mut sequence);
    assert_eq!(second, a[held_at..held_at + second.len()], "it goes on where it was, in A-law");

    // From here on two packets of the old codec may still be under way when the new one is asked for.
    caller.change(&mut call, "RTP/AVP 0\r\n");
    let mut at = held_at + second.len();
    while at < mu.len() {
        let (header, payload) = caller.hear(PATIENCE).expect("the next packet");
        let row = if header[1] & 0x7F == 8 { &a } else { &mu };
        let sound = payload.len().min(row.len() - at);
        assert!(payload[..sound] == row[at..at + sound], "{at} octets into it");
        at += payload.len();
    }
    caller.end(&call);
    let record = server.wait_for_record("1000");
    assert_eq!(record["ended_by"], "caller", "{record:#}");
}

/// A packet of a caller's, or of one who pretends to be.
pub fn packet(payload_type: u8, sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 160;
    let mut datagram = vec![0x80, payload_type];
    datagram.extend(sequence.to_be_bytes());
    datagram.extend(timestamp.to_be_bytes());
    datagram.extend(ssrc.to_be_bytes());
    datagram.extend(payload);
    datagram
}

/// Somebody at another address, who sends sound and keys to the port: as a source of their own, and as the caller's.
struct Stranger {
    socket: UdpSocket,
    sent: u16,
}

impl Stranger {
    fn new() -> Self {
        // An address that no caller and no server of a test has.
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 9, 9), 0)).expect("a free port");
        socket.set_nonblocking(true).expect("a socket can be that");
        Self { socket, sent: 0 }
    }

    fn inject(&mut self, to: SocketAddr, next: u16, packets: u16) {
        for _ in 0..packets {
            self.sent += 1;
            let (ssrc, sequence) = if self.sent.is_multiple_of(2) { (CALLER, next) } else { (1, self.sent) };
            let sound = packet(0, sequence, ssrc, &[0x55; PACKET]);
            let key = packet(101, sequence, ssrc, &[9, 0x8A, 1, 0x40]);
            for datagram in [sound, key] {
                // Once the caller is known the kernel refuses it, and says so.
                drop(self.socket.send_to(&datagram, to));
            }
        }
    }

    fn has_heard(&self) -> bool {
        self.socket.recv(&mut [0; 2048]).is_ok()
    }
}

const CALLER: u32 = 0xCA11_E400;
pub const WITH_KEYS: &str = "RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";

/// Listens and talks, packet for packet, while a stranger does the same.
fn talk(caller: &Caller, call: &Call, stranger: &mut Stranger, packets: std::ops::Range<u16>) {
    for sequence in packets {
        stranger.inject(call.remote, sequence, 20);
        let datagram = packet(0, sequence, CALLER, &[0xFF; PACKET]);
        caller.rtp().send_to(&datagram, call.remote).expect("the loopback takes it");
        caller.hear(PATIENCE).expect("the stream stays with the caller");
    }
}

#[test]
fn a_stranger_neither_hears_nor_keys_whenever_it_comes() {
    let server = Server::serve_quietly(&[]);
    let mut caller = Caller::new(server.loopback.ip().into(), server.loopback.sip());
    let mut stranger = Stranger::new();
    let mut call = caller.begin(WITH_KEYS);
    // Too few to be believed, before the caller has said anything.
    stranger.inject(call.remote, 1, 1);
    caller.hear(PATIENCE).expect("the caller is sent to");
    talk(&caller, &call, &mut stranger, 1..60);
    caller.change(&mut call, WITH_KEYS);
    talk(&caller, &call, &mut stranger, 60..100);
    caller.end(&call);
    assert!(!stranger.has_heard());
    let record = server.wait_for_record("1000");
    assert_eq!(
        (&record["secret_attempts"], &record["media"]["packets_lost"]),
        (&0.into(), &0.into()),
        "{record:#}"
    );
}

#[test]
fn baresip_hears_g722_and_keys_by_events() {
    let server = Server::serve(&[
        ("hang_up_after = \"10s\"", "hang_up_after = \"4s\""),
        ("# codecs = [\"g722\", \"pcma\", \"pcmu\"]", "codecs = [\"g722\"]"),
    ]);
    let mut phone = Baresip::start_g722(&server, "+12025550101");
    phone.command("dial", &format!("sip:1000@{}", server.loopback.sip()));
    phone.wait_for_event("CALL_ESTABLISHED", STEP);
    server.wait_for_stage("1000", "verifying");
    phone.key("4711");
    phone.wait_for_event("CALL_CLOSED", STEP);
    let record = server.wait_for_record("1000");
    assert_eq!(record["verdict"], "verified", "{record:#}");
    let recordings = phone.recordings();
    let heard = sound::read(recordings.first().expect("a recording of the call"));
    let correlation = sound::correlation(&heard, &sound::prompt("greeting"));
    assert!(correlation > 0.9, "{correlation}");
}
