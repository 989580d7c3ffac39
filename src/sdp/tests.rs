//! Offers as the field sends them, and what becomes of them.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SESSION: Session = Session { id: 42, version: 7 };

fn local() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 5], 20_000))
}

fn session_with(media: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{media}")
}

fn answered(media: &str) -> (String, Negotiated) {
    let offer = Offer::parse(&session_with(media)).expect("readable");
    negotiate(&offer, local(), SESSION, &Codecs::default()).expect("compatible")
}

fn refused(media: &str) -> Incompatible {
    let offer = Offer::parse(&session_with(media)).expect("readable");
    negotiate(&offer, local(), SESSION, &Codecs::default()).expect_err("incompatible")
}

#[test]
fn an_ordinary_offer_is_answered_in_full() {
    let (answer, negotiated) = answered(
        "m=audio 4000 RTP/AVP 18 8 0 101\r\na=rtpmap:18 G729/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:30\r\n",
    );
    assert_eq!(
        answer,
        "v=0\r\no=- 42 7 IN IP4 198.51.100.5\r\ns=-\r\nc=IN IP4 198.51.100.5\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
    assert_eq!(
        negotiated,
        Negotiated {
            codec: Codec::Pcma,
            payload_type: 8,
            telephone_event: Some(101),
            own: None,
            packet_time: Duration::from_millis(30),
            remote: SocketAddr::from(([192, 0, 2, 1], 4000)),
            remote_rtcp: SocketAddr::from(([192, 0, 2, 1], 4001)),
            sends: true,
            receives: true,
            keys: None,
        }
    );
}

#[test]
fn the_best_of_ours_is_taken_or_else_the_best_of_theirs() {
    use Codec::{G722, Pcma, Pcmu};
    let media = "m=audio 4000 RTP/AVP 9 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
    let table = [
        (Codecs::Theirs(vec![Pcmu, Pcma, G722]), Some((G722, 9))),
        (Codecs::default(), Some((Pcma, 8))),
        (Codecs::Ours(vec![Pcma, G722]), Some((Pcma, 8))),
        (Codecs::Ours(vec![Pcmu]), Some((Pcmu, 0))),
        (Codecs::Ours(vec![G722, Pcmu]), Some((G722, 9))),
        (Codecs::Ours(vec![]), None),
    ];
    for (codecs, expected) in table {
        let offer = Offer::parse(&session_with(media)).expect("readable");
        let settled = negotiate(&offer, local(), SESSION, &codecs).ok();
        let found = settled.as_ref().map(|(_, negotiated)| (negotiated.codec, negotiated.payload_type));
        assert_eq!(found, expected, "{codecs:?}");
        if let Some((answer, negotiated)) = settled {
            assert_eq!(negotiated.telephone_event, Some(101), "the events have the clock of all three");
            let offered = offer_text(&codecs);
            assert!(answer.matches("rtpmap").count() == 2 && offered.contains("101 telephone-event/8000"));
        }
    }
    let all = offer_text(&Codecs::Theirs(vec![Pcmu, Pcma, G722]));
    assert!(all.contains("RTP/AVP 0 8 9 101\r\n") && all.contains("a=rtpmap:9 G722/8000\r\n"), "{all}");
    let ours = offer_text(&Codecs::Ours(vec![Pcma]));
    assert!(ours.contains("RTP/AVP 8 101\r\n"), "{ours}");
}

/// What a browser's and most phones' offers of Opus look like.
const OPUS: &str = "m=audio 4000 RTP/AVP 96 0 101 97\r\na=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 useinbandfec=1\r\na=rtpmap:101 telephone-event/8000\r\na=rtpmap:97 telephone-event/48000\r\n";

fn with_opus(media: &str) -> (String, Negotiated) {
    let offer = Offer::parse(&session_with(media)).expect("readable");
    let codecs = Codecs::Ours(vec![Codec::Opus, Codec::Pcmu]);
    negotiate(&offer, local(), SESSION, &codecs).expect("compatible")
}

#[test]
fn opus_is_answered_with_events_of_its_clock() {
    let (answer, negotiated) = with_opus(OPUS);
    let found = (negotiated.codec, negotiated.payload_type, negotiated.telephone_event);
    assert_eq!(found, (Codec::Opus, 96, Some(97)));
    assert!(
        answer.ends_with(
            "m=audio 20000 RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\n\
             a=fmtp:96 maxplaybackrate=16000;stereo=0;useinbandfec=0\r\n\
             a=rtpmap:97 telephone-event/48000\r\na=fmtp:97 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
        ),
        "{answer}"
    );
    let without = OPUS.replace("97 telephone-event/48000", "97 CN/48000");
    let (answer, negotiated) = with_opus(&without);
    assert_eq!(negotiated.telephone_event, Some(101), "better those of the other clock than none");
    assert!(answer.contains("a=rtpmap:101 telephone-event/8000\r\n"), "{answer}");
    let (_, negotiated) = answered(OPUS);
    assert_eq!(
        (negotiated.codec, negotiated.telephone_event),
        (Codec::Pcmu, Some(101)),
        "it is not taken unasked"
    );
    let other_clock = "m=audio 4000 RTP/AVP 0 97\r\na=rtpmap:97 telephone-event/48000\r\n";
    assert_eq!(answered(other_clock).1.telephone_event, None, "only to Opus does it not matter");
}

#[test]
fn opus_comes_in_packets_of_20_ms_or_not_at_all() {
    let table = [
        ("", Codec::Opus, 20),
        ("a=ptime:60\r\n", Codec::Opus, 20),
        ("a=ptime:10\r\na=maxptime:40\r\n", Codec::Opus, 20),
        ("a=maxptime:10\r\n", Codec::Pcmu, 10),
    ];
    for (attributes, codec, packet_time) in table {
        let (_, negotiated) = with_opus(&format!("{OPUS}{attributes}"));
        let found = (negotiated.codec, negotiated.packet_time);
        assert_eq!(found, (codec, Duration::from_millis(packet_time)), "{attributes:?}");
    }
    for named in ["opus/48000", "opus/16000/2", "opus/48000/1"] {
        let (_, negotiated) = with_opus(&OPUS.replace("opus/48000/2", named));
        assert_eq!(negotiated.codec, Codec::Pcmu, "{named} is not how Opus is named (RFC 7587 §7)");
    }
}

#[test]
fn opus_is_offered_with_both_clocks_events() {
    let offered = offer_text(&Codecs::Ours(vec![Codec::Opus, Codec::Pcma]));
    assert!(
        offered.ends_with(
            "m=audio 20000 RTP/AVP 111 8 110 101\r\na=rtpmap:111 opus/48000/2\r\n\
             a=fmtp:111 maxplaybackrate=16000;stereo=0;useinbandfec=0\r\na=rtpmap:8 PCMA/8000\r\n\
             a=rtpmap:110 telephone-event/48000\r\na=fmtp:110 0-15\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
        ),
        "{offered}"
    );
    let negotiated = read_answer(&session_with(OPUS)).expect("what we offered");
    assert_eq!((negotiated.codec, negotiated.telephone_event), (Codec::Opus, Some(97)));
}

fn offer_text(codecs: &Codecs) -> String {
    offer(local(), SESSION, codecs)
}

#[test]
fn formats_are_known_by_number_or_by_name() {
    let table = [
        ("m=audio 4000 RTP/AVP 0\r\n", Codec::Pcmu, 0, None),
        ("m=audio 4000 RTP/AVP 8 0\r\n", Codec::Pcma, 8, None),
        ("m=audio 4000 RTP/AVP 96 0\r\na=rtpmap:96 pcma/8000/1\r\n", Codec::Pcma, 96, None),
        // 0 is taken for something else, and what an rtpmap says wins.
        ("m=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 L16/8000\r\n", Codec::Pcma, 8, None),
        (
            "m=audio 4000 RTP/AVP 0 96 97\r\na=rtpmap:96 telephone-event/48000\r\n\
             a=rtpmap:97 telephone-event/8000\r\n",
            Codec::Pcmu,
            0,
            Some(97),
        ),
    ];
    for (media, codec, payload_type, event) in table {
        let (_, negotiated) = answered(media);
        let found = (negotiated.codec, negotiated.payload_type, negotiated.telephone_event);
        assert_eq!(found, (codec, payload_type, event), "{media}");
    }
}

/// Comfort noise (RFC 3389) would be one more thing to send and to hear; silence is sent as what it is.
#[test]
fn comfort_noise_is_not_taken_up() {
    for cn in ["13", "13 118"] {
        let (answer, negotiated) = answered(&format!(
            "m=audio 4000 RTP/AVP {cn} 0 101\r\na=rtpmap:13 CN/8000\r\na=rtpmap:118 CN/16000\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
        ));
        assert!(answer.contains("m=audio 20000 RTP/AVP 0 101\r\n") && !answer.contains("CN"), "{answer}");
        assert_eq!((negotiated.codec, negotiated.telephone_event), (Codec::Pcmu, Some(101)));
    }
    let alone = refused("m=audio 4000 RTP/AVP 13 101\r\na=rtpmap:101 telephone-event/8000\r\n");
    assert_eq!(alone, Incompatible::NoCodec);
}

#[test]
fn packet_times() {
    let table = [
        ("", 20),
        ("a=ptime:10\r\n", 10),
        ("a=ptime:60\r\n", 60),
        ("a=ptime:25\r\n", 20),
        ("a=ptime:5\r\n", 20),
        ("a=ptime:120\r\n", 20),
        ("a=ptime:x\r\n", 20),
        ("a=ptime:40\r\na=maxptime:30\r\n", 30),
        ("a=maxptime:10\r\n", 10),
        ("a=maxptime:150\r\n", 20),
        ("a=maxptime:1\r\n", 10),
    ];
    for (attributes, ms) in table {
        let (_, negotiated) = answered(&format!("m=audio 4000 RTP/AVP 0\r\n{attributes}"));
        assert_eq!(negotiated.packet_time, Duration::from_millis(ms), "{attributes}");
    }
}

#[test]
fn every_form_of_hold() {
    let table = [
        ("", "a=sendrecv", true, true),
        ("a=sendonly\r\n", "a=recvonly", false, true),
        ("a=recvonly\r\n", "a=sendonly", true, false),
        ("a=inactive\r\n", "a=inactive", false, false),
        ("c=IN IP4 0.0.0.0\r\n", "a=recvonly", false, true),
        ("c=IN IP4 0.0.0.0\r\na=inactive\r\n", "a=inactive", false, false),
    ];
    for (attributes, direction, sends, receives) in table {
        let (answer, negotiated) = answered(&format!("m=audio 4000 RTP/AVP 0\r\n{attributes}"));
        assert_eq!((negotiated.sends, negotiated.receives), (sends, receives), "{attributes}");
        assert!(answer.contains(direction), "{attributes}: {answer}");
    }
    let text = session_with("a=sendonly\r\nm=audio 4000 RTP/AVP 0\r\n");
    let (_, negotiated) =
        negotiate(&Offer::parse(&text).expect("readable"), local(), SESSION, &Codecs::default())
            .expect("compatible");
    assert!(!negotiated.sends && negotiated.receives, "a direction of the whole session");
}

#[test]
fn addresses_of_rtp_and_rtcp() {
    let table = [
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 203.0.113.9\r\n", "203.0.113.9:4000", "203.0.113.9:4001"),
        ("m=audio 4000 RTP/AVP 0\r\na=rtcp:4444\r\n", "192.0.2.1:4000", "192.0.2.1:4444"),
        (
            "m=audio 4000 RTP/AVP 0\r\na=rtcp:4444 IN IP4 203.0.113.9\r\n",
            "192.0.2.1:4000",
            "203.0.113.9:4444",
        ),
        ("m=audio 4000 RTP/AVP 0\r\na=rtcp:0\r\n", "192.0.2.1:4000", "192.0.2.1:4001"),
        ("m=audio 4000 RTP/AVP 0\r\na=rtcp-mux\r\na=rtcp:4444\r\n", "192.0.2.1:4000", "192.0.2.1:4000"),
        ("m=audio 65535 RTP/AVP 0\r\n", "192.0.2.1:65535", "192.0.2.1:65535"),
        ("m=audio 4000/2 RTP/AVP 0\r\n", "192.0.2.1:4000", "192.0.2.1:4001"),
    ];
    for (media, rtp, rtcp) in table {
        let (answer, negotiated) = answered(media);
        assert_eq!(
            (negotiated.remote.to_string(), negotiated.remote_rtcp.to_string()),
            (rtp.into(), rtcp.into())
        );
        assert_eq!(answer.contains("a=rtcp-mux"), media.contains("rtcp-mux"));
    }
}

#[test]
fn ipv6_is_answered_in_ipv6() {
    let text = "v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    let offer = Offer::parse(text).expect("readable");
    let sixth: SocketAddr = "[2001:db8::5]:20000".parse().expect("an address");
    let (answer, negotiated) = negotiate(&offer, sixth, SESSION, &Codecs::default()).expect("compatible");
    assert!(answer.contains("c=IN IP6 2001:db8::5\r\n"));
    assert_eq!(negotiated.remote.to_string(), "[2001:db8::1]:4000");
    let (answer, negotiated) =
        negotiate(&offer, local(), SESSION, &Codecs::default()).expect("the caller finds out where it is");
    assert!(answer.contains("c=IN IP4 "));
    assert_eq!(negotiated.remote.to_string(), "[2001:db8::1]:4000");
    let mapped = Offer::parse(&text.replace("2001:db8::1", "::ffff:192.0.2.1")).expect("an offer");
    let (answer, negotiated) =
        negotiate(&mapped, local(), SESSION, &Codecs::default()).expect("IPv4, however it is written");
    assert!(answer.contains("c=IN IP4 "), "{answer}");
    assert_eq!(negotiated.remote, SocketAddr::from(([192, 0, 2, 1], 4000)));
}

#[test]
fn other_streams_are_refused_in_their_place() {
    let (answer, _) = answered(
        "m=video 5000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\nm=audio 0 RTP/AVP 0\r\n\
         m=audio 4000 RTP/AVP 0\r\nm=audio 4010 RTP/AVP 0\r\nm=application 9 UDP/BFCP *\r\n",
    );
    let streams: Vec<&str> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        streams,
        [
            "m=video 0 RTP/AVP 96",
            "m=audio 0 RTP/AVP 0",
            "m=audio 20000 RTP/AVP 0",
            "m=audio 0 RTP/AVP 0",
            "m=application 0 UDP/BFCP *",
        ]
    );
}

#[test]
fn what_has_nothing_in_common_says_why() {
    let table = [
        ("", Incompatible::NoAudio),
        ("m=video 4000 RTP/AVP 0\r\n", Incompatible::NoAudio),
        ("m=audio 0 RTP/AVP 0\r\n", Incompatible::NoAudio),
        ("m=audio 4000 RTP/SAVP 0\r\n", Incompatible::Encrypted),
        ("m=audio 4000 UDP/TLS/RTP/SAVPF 0\r\n", Incompatible::NoAudio),
        ("m=audio 4000 RTP/AVP 18 101\r\na=rtpmap:101 telephone-event/8000\r\n", Incompatible::NoCodec),
        ("m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 PCMU/16000\r\n", Incompatible::NoCodec),
        ("m=audio 4000 RTP/AVP 300\r\na=rtpmap:300 PCMU/8000\r\n", Incompatible::NoCodec),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 media.example.com\r\n", Incompatible::NoAddress),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 224.0.0.1/127\r\n", Incompatible::NoAddress),
    ];
    for (media, why) in table {
        assert_eq!(refused(media), why, "{media}");
    }
    for text in ["", "hello", "v=0\r\ns=-\r\n", "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nm=audio\r\n"] {
        assert!(matches!(Offer::parse(text), Err(SdpError::Malformed(_))), "{text:?}");
    }
}

#[test]
fn our_own_offer_and_answer_agree() {
    let theirs = SocketAddr::from(([192, 0, 2, 1], 30_000));
    let text = offer(theirs, SESSION, &Codecs::default());
    let (answer, settled) =
        negotiate(&Offer::parse(&text).expect("readable"), local(), SESSION, &Codecs::default())
            .expect("compatible");
    let read = read_answer(&answer).expect("readable");
    assert_eq!((settled.codec, settled.payload_type, settled.telephone_event), (Codec::Pcmu, 0, Some(101)));
    assert_eq!((read.codec, read.payload_type, read.telephone_event), (Codec::Pcmu, 0, Some(101)));
    assert_eq!((settled.remote, read.remote), (theirs, local()));
    assert_eq!((settled.own, read.own), (None, None), "the answer has the numbers of the offer");
    let other = answer.replace(" 101", " 96").replace(":101", ":96");
    let read = read_answer(&other).expect("readable");
    let own = PayloadTypes { codec: 0, telephone_event: Some(101) };
    assert_eq!((read.telephone_event, read.own), (Some(96), Some(own)), "{other}");
    let refusal = answer.replace("m=audio 20000", "m=audio 0");
    assert_eq!(read_answer(&refusal), Err(SdpError::Incompatible(Incompatible::NoAudio)));
}

/// Lines that a description may have, right and nearly right.
fn any_media() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        (any::<u16>(), "[0-9]{1,3}( [0-9]{1,3}){0,4}")
            .prop_map(|(port, formats)| { format!("m=audio {port} RTP/AVP {formats}") }),
        "m=(audio|video|image) [0-9]{1,6}(/2)? (RTP/AVP|RTP/SAVP|udptl) (0|8|96|t38|\\*)",
        "a=rtpmap:[0-9]{1,3} (PCMU|pcma|telephone-event|G722)/(8000|16000|48000)(/1)?",
        "a=(ptime|maxptime):[0-9]{1,4}",
        "a=rtcp:[0-9]{1,5}( IN IP4 [0-9]{1,3}\\.0\\.2\\.[0-9]{1,3})?",
        "c=IN (IP4|IP6) (0\\.0\\.0\\.0|192\\.0\\.2\\.9|224\\.0\\.0\\.1|2001:db8::9|::ffff:192\\.0\\.2\\.9|host)",
        "a=(sendrecv|sendonly|recvonly|inactive|rtcp-mux)",
        "[a-z]=[ -~]{0,30}",
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\r\n") + "\r\n")
}

proptest! {
    #[test]
    fn no_text_brings_it_down_and_every_answer_is_an_answer(text in "[vocstmabp=0-9 .:/a-zA-Z\r\n-]{0,300}") {
        if let Ok(offer) = Offer::parse(&session_with(&text)) {
            let streams = session_with(&text).lines().filter(|line| line.starts_with("m=")).count();
            if let Ok((answer, negotiated)) = negotiate(&offer, local(), SESSION, &Codecs::default()) {
                prop_assert_eq!(answer.lines().filter(|line| line.starts_with("m=")).count(), streams);
                prop_assert!(negotiated.payload_type < 128);
                prop_assert!((10..=60).contains(&negotiated.packet_time.as_millis()));
            }
        }
    }

    /// What is answered is an answer to what was offered, and reads back as what was settled.
    #[test]
    fn every_answer_reads_back(media in any_media()) {
        let text = session_with(&media);
        let Ok(offer) = Offer::parse(&text) else { return Ok(()) };
        let Ok((answer, settled)) = negotiate(&offer, local(), SESSION, &Codecs::default()) else { return Ok(()) };
        let theirs = Offer::parse(&answer).expect("readable");
        let (_, read) = negotiate(&theirs, local(), SESSION, &Codecs::default()).expect("our own answer");
        prop_assert_eq!(read.remote, local());
        prop_assert_eq!((read.codec, read.payload_type), (settled.codec, settled.payload_type), "{}", answer);
        prop_assert_eq!(read.telephone_event, settled.telephone_event);
        prop_assert_eq!((read.sends, read.receives), (settled.receives, settled.sends));
        prop_assert!(settled.remote.port() != 0 && settled.remote_rtcp.port() != 0);
        prop_assert_eq!(settled.packet_time.as_millis() % 10, 0);
    }
}
