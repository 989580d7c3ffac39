//! The vectors of RFC 3711 appendix B and RFC 7714 §16 and §17, packets as libsrtp seals them, and what must never be
//! let through.

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::derivation::{Label, derive, encipher};
use super::transform::{Place, Transform};
use super::*;

fn octets(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u32> = hexadecimal.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn master(suite: Suite, hexadecimal: &str) -> MasterKey {
    MasterKey::new(suite, &octets(hexadecimal)).expect("a key of the right length")
}

/// The master key and salt of RFC 3711 §B.3.
const B3: &str = "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6";

#[test]
fn the_key_stream_of_rfc_3711_b2() {
    use aes::cipher::KeyInit;
    let key: [u8; 16] = octets("2B7E151628AED2A6ABF7158809CF4F3C").try_into().expect("16 octets");
    let cipher = aes::Aes128Enc::new(&key.into());
    let iv = octets("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000").try_into().expect("16 octets");
    let mut stream = vec![0; 0xFF02 * 16];
    encipher(&cipher, iv, &mut stream);
    let expected = [
        (0, "E03EAD0935C95E80E166B16DD92B4EB4"),
        (1, "D23513162B02D0F72A43A2FE4A5F97AB"),
        (2, "41E95B3BB0A2E8DD477901E4FCA894C0"),
        (0xFEFF, "EC8CDF7398607CB0F2D21675EA9EA1E4"),
        (0xFF00, "362B7C3C6773516318A077D7FC5073AE"),
        (0xFF01, "6A2CC3787889374FBEB4C81B17BA6C44"),
    ];
    for (block, expected) in expected {
        assert_eq!(stream[block * 16..][..16], octets(expected), "block {block:#x}");
    }
}

#[test]
fn the_session_keys_of_rfc_3711_b3() {
    let master = master(Suite::AesCm128HmacSha1Tag80, B3);
    assert_eq!(
        derive::<16>(&master, Kind::Rtp, Label::Encryption)[..],
        octets("C61E7A93744F39EE10734AFE3FF7A087")
    );
    assert_eq!(derive::<14>(&master, Kind::Rtp, Label::Salt)[..], octets("30CBBC08863D8C85D49DB34A9AE1"));
    let expected = "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE
                    E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25
                    6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2";
    assert_eq!(derive::<94>(&master, Kind::Rtp, Label::Authentication)[..], octets(expected));
}

/// The keys and the salt of RFC 7714 §16 and §17.
const SHORT: &str = "000102030405060708090a0b0c0d0e0f";
const LONG: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SALT: &str = "517569642070726f2071756f";

#[test]
fn the_rtp_packets_of_rfc_7714_16() {
    let plain = octets(
        "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
         69736120 696e2070 61727465 73207472 6573",
    );
    let table = [
        (
            SHORT,
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
             0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        ),
        (
            LONG,
            "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238
             9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
        ),
    ];
    let place = Place { ssrc: 0x5501_a0b2, index: 0xf17b };
    for (key, sealed) in table {
        let transform = Transform::of_session_keys(&octets(key), &octets(SALT));
        let mut room = plain.clone();
        room.resize(plain.len() + TRAILER_LEN_MAX, 0);
        let length = transform.seal_rtp(&mut room, 12, plain.len(), place).expect("there is room");
        assert_eq!(room[..length], octets(sealed));
        let length = transform.open_rtp(&mut room[..length], 12, place, None).expect("it is authentic");
        assert_eq!(room[..length], plain);
    }
}

#[test]
fn the_rtcp_packets_of_rfc_7714_17() {
    let plain = octets(
        "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
         deadbeef deadbeef deadbeef deadbeef deadbeef",
    );
    let table = [
        (
            SHORT,
            "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
             c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872
             45d9eade 800005d4",
        ),
        (
            LONG,
            "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50
             a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c
             b26ac3be 800005d4",
        ),
    ];
    let place = Place { ssrc: 0x4d61_7273, index: 0x5d4 };
    for (key, sealed) in table {
        let transform = Transform::of_session_keys(&octets(key), &octets(SALT));
        let mut room = plain.clone();
        room.resize(plain.len() + TRAILER_LEN_MAX, 0);
        let length = transform.seal_rtcp(&mut room, plain.len(), place).expect("there is room");
        assert_eq!(room[..length], octets(sealed));
        let (index_at, index) = transform.index_of_rtcp(&room[..length], None).expect("an index");
        assert_eq!(index, place.index);
        let length = transform.open_rtcp(&mut room[..length], index_at, place).expect("it is authentic");
        assert_eq!(room[..length], plain);
    }
}

/// From the master key to the packet, as libsrtp's own test driver has it.
#[test]
fn packets_are_sealed_as_libsrtp_seals_them() {
    let table = [
        (
            Suite::AesCm128HmacSha1Tag80,
            B3,
            "800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb",
            "81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798",
        ),
        (
            Suite::AeadAes128Gcm,
            "000102030405060708090a0b0c0d0e0f a0a1a2a3a4a5a6a7a8a9aaab",
            "800f1234decafbadcafebabe c5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392",
            "81c8000bcafebabe c98b8b5df0392a55852b6c21ac8e7025c52c6fbea2b3b446ea31123ba88ce61e 80000001",
        ),
    ];
    let payload = [0xAB; 16];
    for (suite, key, rtp, rtcp) in table {
        let key = master(suite, key);
        let (mut sealer, mut opener) = (Sealer::new(&key), Opener::new(&key, None));
        let mut room = [0; 80];
        room[..12].copy_from_slice(&octets("800f1234decafbadcafebabe"));
        room[12..28].copy_from_slice(&payload);
        let length = sealer.seal_rtp(&mut room, 28).expect("there is room");
        assert_eq!(room[..length], octets(rtp), "{suite:?}");
        assert_eq!(opener.open_rtp(&mut room[..length]).expect("authentic").packet[12..], payload);
        room[..8].copy_from_slice(&octets("81c8000bcafebabe"));
        room[8..24].copy_from_slice(&payload);
        let length = sealer.seal_rtcp(&mut room, 24).expect("there is room");
        assert_eq!(room[..length], octets(rtcp), "{suite:?}");
        assert_eq!(opener.open_rtcp(&mut room[..length]).expect("authentic").packet[8..], payload);
    }
}

fn key(suite: Suite) -> MasterKey {
    MasterKey::draw(suite, &mut StdRng::seed_from_u64(11))
}

fn pair(suite: Suite) -> (Sealer, Opener) {
    (Sealer::new(&key(suite)), Opener::new(&key(suite), None))
}

/// An RTP packet of this sequence number with 20 octets of payload.
fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 160]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0x55; 20]);
    packet
}

fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet
}

fn sealed(sealer: &mut Sealer, packet: &[u8]) -> Vec<u8> {
    let mut room = packet.to_vec();
    room.resize(packet.len() + TRAILER_LEN_MAX, 0);
    let length = if packet[1] == 201 {
        sealer.seal_rtcp(&mut room, packet.len())
    } else {
        sealer.seal_rtp(&mut room, packet.len())
    };
    room.truncate(length.expect("it can be sealed"));
    room
}

fn opened(opener: &mut Opener, packet: &[u8]) -> Result<(Vec<u8>, bool), Refused> {
    let mut packet = packet.to_vec();
    let result = if packet.get(1) == Some(&201) {
        opener.open_rtcp(&mut packet)
    } else {
        opener.open_rtp(&mut packet)
    };
    result.map(|opened| (opened.packet.to_vec(), opened.newest))
}

#[test]
fn lengths_are_those_of_the_suites() {
    let table = [
        (Suite::AeadAes128Gcm, 28, 16, 20),
        (Suite::AeadAes256Gcm, 44, 16, 20),
        (Suite::AesCm128HmacSha1Tag80, 30, 10, 14),
        (Suite::AesCm128HmacSha1Tag32, 30, 4, 14),
    ];
    for (suite, key_len, of_rtp, of_rtcp) in table {
        assert_eq!(key(suite).expose().len(), key_len);
        assert!(MasterKey::new(suite, &vec![0; key_len]).is_some());
        assert!(MasterKey::new(suite, &vec![0; key_len + 1]).is_none());
        let (mut sealer, _) = pair(suite);
        assert_eq!(sealed(&mut sealer, &rtp(1, 1)).len(), 32 + of_rtp, "{suite:?}");
        assert_eq!(sealed(&mut sealer, &rtcp(1)).len(), 8 + of_rtcp, "{suite:?}");
        assert_eq!(Suite::parse(&suite.name().to_ascii_lowercase()), Some(suite));
        let mut short = rtp(1, 2);
        assert_eq!(sealer.seal_rtp(&mut short, 32), None, "no room for the tag");
    }
    assert_eq!(Suite::parse("F8_128_HMAC_SHA1_80"), None);
}

#[test]
fn what_comes_again_is_refused_and_what_is_late_is_not() {
    for suite in Suite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        let packets: Vec<_> = (1..200).map(|sequence| sealed(&mut sealer, &rtp(7, sequence))).collect();
        let newest = |opened: Result<(Vec<u8>, bool), Refused>| opened.map(|(_, newest)| newest);
        assert_eq!(newest(opened(&mut opener, &packets[100])), Ok(true));
        assert_eq!(newest(opened(&mut opener, &packets[100])), Err(Refused::Replayed));
        assert_eq!(newest(opened(&mut opener, &packets[60])), Ok(false));
        assert_eq!(newest(opened(&mut opener, &packets[60])), Err(Refused::Replayed));
        assert_eq!(newest(opened(&mut opener, &packets[190])), Ok(true));
        assert_eq!(
            newest(opened(&mut opener, &packets[62])),
            Err(Refused::Replayed),
            "128 back: too old to tell"
        );
        assert_eq!(newest(opened(&mut opener, &packets[63])), Ok(false));
        let reports: Vec<_> = (0..3).map(|_| sealed(&mut sealer, &rtcp(7))).collect();
        assert_eq!(newest(opened(&mut opener, &reports[1])), Ok(true));
        assert_eq!(newest(opened(&mut opener, &reports[1])), Err(Refused::Replayed));
        assert_eq!(newest(opened(&mut opener, &reports[0])), Ok(false));
        assert_eq!(newest(opened(&mut opener, &reports[2])), Ok(true));
    }
}

#[test]
fn the_count_goes_on_over_wraps_and_losses_at_wraps() {
    for suite in Suite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        let mut opens = 0;
        for number in (30_000_u32..200_000).step_by(67) {
            let packet = sealed(&mut sealer, &rtp(7, number as u16));
            // Whole stretches are lost, those at the wraps among them.
            if number % 65_536 > 600 && number % 65_536 < 64_000 {
                assert!(opened(&mut opener, &packet).is_ok(), "{suite:?} {number}");
                opens += 1;
            }
        }
        assert!(opens > 1000);
    }
}

#[test]
fn packets_around_a_wrap_may_change_places() {
    let (mut sealer, mut opener) = pair(Suite::AeadAes128Gcm);
    let packets: Vec<_> =
        [65_534, 65_535, 0, 1].map(|sequence| sealed(&mut sealer, &rtp(7, sequence))).into_iter().collect();
    for place in [0, 2, 1, 3] {
        assert!(opened(&mut opener, &packets[place]).is_ok(), "{place}");
    }
    assert_eq!(opened(&mut opener, &packets[1]).unwrap_err(), Refused::Replayed);
}

#[test]
fn a_sequence_that_does_not_go_forward_is_not_sealed() {
    let (mut sealer, _) = pair(Suite::AeadAes256Gcm);
    let mut seal = |sequence| {
        let mut room = rtp(7, sequence);
        room.resize(60, 0);
        sealer.seal_rtp(&mut room, 32).is_some()
    };
    assert_eq!(
        [10, 10, 9, 11, 65_000, 40_000, 11].map(&mut seal),
        [true, false, false, true, false, false, false]
    );
}

#[test]
fn packets_that_are_passed_over_count() {
    let (mut all, _) = pair(Suite::AeadAes128Gcm);
    let (mut some, _) = pair(Suite::AeadAes128Gcm);
    for number in 60_000_u32..140_000 {
        let sequence = number as u16;
        if number % 1000 == 0 {
            assert_eq!(sealed(&mut all, &rtp(7, sequence)), sealed(&mut some, &rtp(7, sequence)), "{number}");
        } else {
            all.pass_over(sequence);
            // A gap is counted over.
            if number % 7 == 0 {
                some.pass_over(sequence);
            }
        }
    }
    let (mut anew, _) = pair(Suite::AeadAes128Gcm);
    assert_ne!(sealed(&mut all, &rtp(7, 9_000)), sealed(&mut anew, &rtp(7, 9_000)), "it has wrapped");
}

#[test]
fn a_new_key_goes_on_with_the_count_of_the_old_one() {
    for suite in Suite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        for number in (0..=80_000_u32).step_by(20_000) {
            opened(&mut opener, &sealed(&mut sealer, &rtp(7, number as u16))).expect("authentic");
        }
        let old = sealed(&mut sealer, &rtp(7, 20_000));
        let second = MasterKey::draw(Suite::AeadAes128Gcm, &mut StdRng::seed_from_u64(12));
        sealer.change_key(&second);
        opener.change_key(&second, None);
        assert!(opened(&mut opener, &old).is_err(), "the old key is of the past");
        assert!(opened(&mut opener, &sealed(&mut sealer, &rtp(7, 20_001))).is_ok());
        // And there are those who begin anew.
        let third = MasterKey::draw(suite, &mut StdRng::seed_from_u64(13));
        opener.change_key(&third, None);
        let mut anew = Sealer::new(&third);
        assert!(opened(&mut opener, &sealed(&mut anew, &rtp(7, 20_002))).is_ok());
        assert!(opened(&mut opener, &sealed(&mut anew, &rtp(7, 20_003))).is_ok());
    }
}

#[test]
fn a_peer_may_name_its_key_in_each_packet() {
    for suite in Suite::ALL {
        let (mut sealer, _) = pair(suite);
        let mki = Mki::new(0x0102, 4).expect("it fits");
        let mut opener = Opener::new(&key(suite), Some(mki));
        for packet in [rtp(7, 1), rtcp(7)] {
            let plainly = sealed(&mut sealer, &packet);
            let is_gcm = matches!(suite, Suite::AeadAes128Gcm | Suite::AeadAes256Gcm);
            let tag_len =
                if is_gcm { 0 } else { plainly.len() - packet.len() - 4 * usize::from(packet[1] == 201) };
            let at = plainly.len() - tag_len;
            let named = |name: [u8; 4]| [&plainly[..at], &name, &plainly[at..]].concat();
            assert!(opened(&mut opener, &plainly).is_err(), "no name");
            assert_eq!(
                opened(&mut opener, &named([0, 0, 1, 3])).unwrap_err(),
                Refused::Malformed,
                "another name"
            );
            assert_eq!(
                opened(&mut opener, &named([0, 0, 1, 2])).map(|(opened, _)| opened),
                Ok(packet),
                "{suite:?}"
            );
        }
    }
    let table =
        [(1, 1, true), (255, 1, true), (256, 1, false), (1, 128, true), (1, 129, false), (1, 0, false)];
    for (number, octets, fits) in table {
        assert_eq!(Mki::new(number, octets).is_some(), fits, "{number} in {octets}");
    }
    assert_eq!(Mki::new(1, 16).expect("it fits").cut_from(&[&[0_u8; 15][..], &[1]].concat()), Some(0));
}

#[test]
fn one_side_has_so_many_sources_and_no_more() {
    let suite = Suite::AesCm128HmacSha1Tag32;
    let (_, mut opener) = pair(suite);
    let mut open = |ssrc: u32| opened(&mut opener, &sealed(&mut Sealer::new(&key(suite)), &rtp(ssrc, 1)));
    assert!((0..16).all(|ssrc| open(ssrc).is_ok()));
    assert_eq!(open(16), Err(Refused::TooManySources));
    assert_eq!(open(3), Err(Refused::Replayed), "and none is forgotten");
    // What nobody with the key has sent makes no source.
    let (mut sealer, mut opener) = pair(suite);
    for ssrc in 100..200 {
        assert!(opened(&mut opener, &rtp(ssrc, 1)).is_err());
    }
    assert!(opened(&mut opener, &sealed(&mut sealer, &rtp(7, 1))).is_ok());
}

#[test]
fn rtcp_that_is_not_encrypted_is_refused() {
    for suite in Suite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        let mut packet = sealed(&mut sealer, &rtcp(7));
        let tag_len = if packet.len() == 22 { 10 } else { 0 };
        let flag = packet.len() - tag_len - 4;
        assert_eq!(packet[flag], 0x80);
        packet[flag] = 0;
        assert_eq!(opened(&mut opener, &packet).unwrap_err(), Refused::Malformed);
    }
}

#[test]
fn no_key_shows_in_debug() {
    let ring = KeyRing::draw(&Suite::ALL, &mut StdRng::seed_from_u64(1));
    let ours = ring.of(Suite::AeadAes128Gcm).expect("it is on the ring").clone();
    let shown = format!("{ring:?} {:?}", Keys { theirs: ours.clone(), ours, their_mki: None });
    assert!(shown.contains("MasterKey(AEAD_AES_128_GCM, …)"), "{shown}");
    assert!(!shown.contains('[') || !shown.contains(", 1"), "{shown}");
    assert!(ring.all().windows(2).all(|pair| pair[0].expose()[..16] != pair[1].expose()[..16]));
}

fn any_suite() -> impl Strategy<Value = Suite> {
    prop::sample::select(Suite::ALL.to_vec())
}

proptest! {
    #[test]
    fn no_datagram_brings_it_down(suite in any_suite(), datagram: Vec<u8>, named: bool) {
        let mki = named.then(|| Mki::new(1, 4).expect("it fits"));
        let mut opener = Opener::new(&key(suite), mki);
        prop_assert!(opener.open_rtp(&mut datagram.clone()).is_err());
        prop_assert!(opener.open_rtcp(&mut datagram.clone()).is_err());
    }

    /// Sources and extensions of an RTP header are sent as they are; everything else comes back.
    #[test]
    fn what_is_sealed_opens(
        suite in any_suite(), sources in 0_u8..16, extension in prop::option::of(0_u8..20), sequence: u16,
        payload in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let (mut sealer, mut opener) = pair(suite);
        let mut packet = vec![0x80 | sources | u8::from(extension.is_some()) << 4, 101];
        packet.extend(sequence.to_be_bytes());
        packet.resize(12 + 4 * usize::from(sources), 9);
        if let Some(words) = extension {
            packet.extend([0xBE, 0xDE, 0, words]);
            packet.resize(packet.len() + 4 * usize::from(words), 3);
        }
        let clear = packet.len();
        packet.extend(&payload);
        let datagram = sealed(&mut sealer, &packet);
        prop_assert_eq!(&datagram[..clear], &packet[..clear]);
        prop_assert!(payload.len() < 8 || datagram[clear..clear + payload.len()] != payload[..]);
        prop_assert_eq!(opened(&mut opener, &datagram), Ok((packet, true)));
    }

    #[test]
    fn a_report_that_is_sealed_opens(suite in any_suite(), body in prop::collection::vec(any::<u8>(), 0..300)) {
        let (mut sealer, mut opener) = pair(suite);
        let packet = [rtcp(7), body].concat();
        let datagram = sealed(&mut sealer, &packet);
        prop_assert_eq!(&datagram[..8], &packet[..8]);
        prop_assert_eq!(opened(&mut opener, &datagram), Ok((packet, true)));
    }

    /// No octet of a packet can be changed, none left away, none added.
    #[test]
    fn what_was_changed_never_opens(
        suite in any_suite(), report: bool, at: prop::sample::Index, bit in 0_u32..8, cut: prop::sample::Index,
        more in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let (mut sealer, mut opener) = pair(suite);
        let packet = if report { [rtcp(7), vec![1; 40]].concat() } else { rtp(7, 1000) };
        let datagram = sealed(&mut sealer, &packet);
        let mut open = |packet: &mut [u8]| {
            let opened = if report { opener.open_rtcp(packet) } else { opener.open_rtp(packet) };
            opened.is_ok()
        };
        let mut flipped = datagram.clone();
        flipped[at.index(datagram.len())] ^= 1 << bit;
        prop_assert!(!open(&mut flipped));
        prop_assert!(!open(&mut datagram[..cut.index(datagram.len())].to_vec()));
        prop_assert!(!open(&mut [&datagram[..], &more].concat()));
        prop_assert!(open(&mut datagram.clone()), "and nothing of it counted");
    }
}
