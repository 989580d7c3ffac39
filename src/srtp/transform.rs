//! What a suite does to one packet under the session keys of one direction, RTP's or RTCP's.
//!
//! Counter mode: RFC 3711 §4.1.1 and §4.2. AES-GCM: RFC 7714 §8 and §9. The tags of the two stand in different
//! places (RFC 3711 figures 1 and 2; RFC 7714 figures 1 and 3), and so does the name of the key, which a peer may
//! write behind what it names.

use aes::cipher::KeyInit;
use aes::cipher::consts::U12;
use aes::{Aes128Enc, Aes256Enc};
use aes_gcm::{AeadInOut, AesGcm, Nonce, Tag};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::derivation::{Label, derive, encipher};
use super::{Kind, MasterKey, Mki, Refused, Suite, word};

type Gcm128 = AesGcm<Aes128Enc, U12>;
type Gcm256 = AesGcm<Aes256Enc, U12>;

/// Octets of a tag of AES-GCM (RFC 7714 §13.2).
const GCM_TAG_LEN: usize = 16;
/// Octets at the front of RTCP that are sent as they are.
const RTCP_CLEAR_LEN: usize = 8;
/// Octets of SRTCP's index with its flag.
const INDEX_LEN: usize = 4;
/// The flag before SRTCP's index: what precedes is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// See the module.
pub(super) enum Transform {
    Counter(Counter),
    Gcm(Gcm),
}

/// Counter mode with HMAC-SHA1.
pub(super) struct Counter {
    cipher: Aes128Enc,
    mac: Hmac<Sha1>,
    salt: Zeroizing<[u8; 14]>,
    tag_len: usize,
}

/// AES-GCM.
pub(super) struct Gcm {
    cipher: GcmCipher,
    salt: Zeroizing<[u8; 12]>,
}

enum GcmCipher {
    Short(Gcm128),
    Long(Gcm256),
}

/// Where in its source's sequence a packet stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) ssrc: u32,
    /// Of RTP 48 bits, of RTCP 31.
    pub(super) index: u64,
}

impl Transform {
    pub(super) fn new(master: &MasterKey, kind: Kind) -> Self {
        match master.suite() {
            Suite::AeadAes128Gcm => {
                let key = derive::<16>(master, kind, Label::Encryption);
                Self::gcm(GcmCipher::Short(Gcm128::new((&*key).into())), master, kind)
            }
            Suite::AeadAes256Gcm => {
                let key = derive::<32>(master, kind, Label::Encryption);
                Self::gcm(GcmCipher::Long(Gcm256::new((&*key).into())), master, kind)
            }
            // RFC 4568 §6.2.2: the short tags are RTP's only.
            Suite::AesCm128HmacSha1Tag32 if kind == Kind::Rtp => Self::counter(master, kind, 4),
            Suite::AesCm128HmacSha1Tag32 | Suite::AesCm128HmacSha1Tag80 => Self::counter(master, kind, 10),
        }
    }

    fn gcm(cipher: GcmCipher, master: &MasterKey, kind: Kind) -> Self {
        Self::Gcm(Gcm { cipher, salt: derive(master, kind, Label::Salt) })
    }

    fn counter(master: &MasterKey, kind: Kind, tag_len: usize) -> Self {
        let key = derive::<16>(master, kind, Label::Encryption);
        let mac_key = derive::<20>(master, kind, Label::Authentication);
        Self::Counter(Counter {
            cipher: Aes128Enc::new((&*key).into()),
            mac: Hmac::new_from_slice(&*mac_key).expect("HMAC takes keys of any length"),
            salt: derive(master, kind, Label::Salt),
            tag_len,
        })
    }

    /// One of these session keys, for both kinds of packets.
    #[cfg(test)]
    pub(super) fn of_session_keys(key: &[u8], salt: &[u8]) -> Self {
        let cipher = match <[u8; 16]>::try_from(key) {
            Ok(short) => GcmCipher::Short(Gcm128::new(&short.into())),
            Err(_) => GcmCipher::Long(Gcm256::new(key.try_into().expect("a long key"))),
        };
        Self::Gcm(Gcm { cipher, salt: Zeroizing::new(salt.try_into().expect("a salt")) })
    }

    /// Seals the RTP packet that fills `room` up to `length`, whose header has `clear` octets; gives its new length, or
    /// `None` where there is no room for that.
    pub(super) fn seal_rtp(
        &self,
        room: &mut [u8],
        clear: usize,
        length: usize,
        place: Place,
    ) -> Option<usize> {
        match self {
            Self::Counter(counter) => {
                let end = length + counter.tag_len;
                let (packet, tag) = room.get_mut(..end)?.split_at_mut(length);
                counter.encipher(&mut packet[clear..], place);
                tag.copy_from_slice(
                    &counter.tag_of_rtp(packet, place).finalize().into_bytes()[..counter.tag_len],
                );
                Some(end)
            }
            Self::Gcm(gcm) => {
                let (header, rest) = room.get_mut(..length + GCM_TAG_LEN)?.split_at_mut(clear);
                let (payload, tag) = rest.split_at_mut(length - clear);
                tag.copy_from_slice(&gcm.seal(gcm.nonce_of_rtp(place), header, payload)?);
                Some(length + GCM_TAG_LEN)
            }
        }
    }

    /// Opens an RTP packet; gives its new length.
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        clear: usize,
        place: Place,
        mki: Option<Mki>,
    ) -> Result<usize, Refused> {
        match self {
            Self::Counter(counter) => {
                let before_tag = packet.len().checked_sub(counter.tag_len).ok_or(Refused::Malformed)?;
                let length = without(mki, &packet[..before_tag], clear)?;
                let (sealed, trailer) = packet.split_at_mut(length);
                let tag = &trailer[trailer.len() - counter.tag_len..];
                let mac = counter.tag_of_rtp(sealed, place);
                mac.verify_truncated_left(tag).map_err(|_| Refused::Unauthentic)?;
                counter.encipher(&mut sealed[clear..], place);
                Ok(length)
            }
            Self::Gcm(gcm) => {
                let length = without(mki, packet, clear + GCM_TAG_LEN)? - GCM_TAG_LEN;
                let (header, rest) = packet.split_at_mut(clear);
                let (payload, trailer) = rest.split_at_mut(length - clear);
                gcm.open(gcm.nonce_of_rtp(place), header, payload, &trailer[..GCM_TAG_LEN])?;
                Ok(length)
            }
        }
    }

    /// Seals the RTCP packet that fills `room` up to `length`; gives its new length, or `None` where there is no room
    /// for that, or no packet.
    pub(super) fn seal_rtcp(&self, room: &mut [u8], length: usize, place: Place) -> Option<usize> {
        let encrypted = length.checked_sub(RTCP_CLEAR_LEN)?;
        let index = (ENCRYPTED | place.index as u32).to_be_bytes();
        match self {
            Self::Counter(counter) => {
                let (before_tag, end) = (length + INDEX_LEN, length + INDEX_LEN + counter.tag_len);
                let (packet, tag) = room.get_mut(..end)?.split_at_mut(before_tag);
                counter.encipher(&mut packet[RTCP_CLEAR_LEN..length], place);
                packet[length..].copy_from_slice(&index);
                let mac = counter.mac.clone().chain_update(packet);
                tag.copy_from_slice(&mac.finalize().into_bytes()[..counter.tag_len]);
                Some(end)
            }
            Self::Gcm(gcm) => {
                let end = length + GCM_TAG_LEN + INDEX_LEN;
                let (clear, rest) = room.get_mut(..end)?.split_at_mut(RTCP_CLEAR_LEN);
                let (payload, trailer) = rest.split_at_mut(encrypted);
                let (tag, after_tag) = trailer.split_at_mut(GCM_TAG_LEN);
                tag.copy_from_slice(&gcm.seal(
                    gcm.nonce_of_rtcp(place),
                    &with_index(clear, index),
                    payload,
                )?);
                after_tag.copy_from_slice(&index);
                Some(end)
            }
        }
    }

    /// Where in an RTCP packet its index stands, and what it is.
    pub(super) fn index_of_rtcp(&self, packet: &[u8], mki: Option<Mki>) -> Result<(usize, u64), Refused> {
        let (behind, between) = match self {
            Self::Counter(counter) => (counter.tag_len, 0),
            Self::Gcm(_) => (0, GCM_TAG_LEN),
        };
        let before = packet.len().checked_sub(behind).ok_or(Refused::Malformed)?;
        let at = without(mki, &packet[..before], RTCP_CLEAR_LEN + between + INDEX_LEN)? - INDEX_LEN;
        let word = word(packet, at);
        // What is not encrypted was not agreed on (RFC 4568 §6.3.2: UNENCRYPTED_SRTCP).
        (word & ENCRYPTED != 0).then_some((at, u64::from(word & !ENCRYPTED))).ok_or(Refused::Malformed)
    }

    /// Opens an RTCP packet whose index stands at `index_at`; gives its new length.
    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        index_at: usize,
        place: Place,
    ) -> Result<usize, Refused> {
        match self {
            Self::Counter(counter) => {
                let (sealed, trailer) = packet.split_at_mut(index_at + INDEX_LEN);
                let tag = &trailer[trailer.len() - counter.tag_len..];
                let mac = counter.mac.clone().chain_update(&*sealed);
                mac.verify_truncated_left(tag).map_err(|_| Refused::Unauthentic)?;
                counter.encipher(&mut sealed[RTCP_CLEAR_LEN..index_at], place);
                Ok(index_at)
            }
            Self::Gcm(gcm) => {
                let length = index_at - GCM_TAG_LEN;
                let (sealed, trailer) = packet.split_at_mut(length);
                let (clear, payload) = sealed.split_at_mut(RTCP_CLEAR_LEN);
                let (tag, after_tag) = trailer.split_at(GCM_TAG_LEN);
                let clear = with_index(clear, word(after_tag, 0).to_be_bytes());
                gcm.open(gcm.nonce_of_rtcp(place), &clear, payload, tag)?;
                Ok(length)
            }
        }
    }
}

/// How long a packet is without the name of the key, which has to be there where one was agreed on.
fn without(mki: Option<Mki>, packet: &[u8], length_min: usize) -> Result<usize, Refused> {
    let length = mki.map_or(Some(packet.len()), |mki| mki.cut_from(packet));
    length.filter(|length| *length >= length_min).ok_or(Refused::Malformed)
}

/// RFC 7714 §9.2: what is authenticated of RTCP and not encrypted.
fn with_index(clear: &[u8], index: [u8; INDEX_LEN]) -> [u8; RTCP_CLEAR_LEN + INDEX_LEN] {
    let mut all = [0; RTCP_CLEAR_LEN + INDEX_LEN];
    all[..RTCP_CLEAR_LEN].copy_from_slice(clear);
    all[RTCP_CLEAR_LEN..].copy_from_slice(&index);
    all
}

impl Counter {
    /// RFC 3711 §4.1.1: the salt, with the source at octet 4 and the index at octet 8 added.
    fn encipher(&self, octets: &mut [u8], place: Place) {
        let mut iv = [0; 16];
        iv[4..8].copy_from_slice(&place.ssrc.to_be_bytes());
        iv[8..14].copy_from_slice(&place.index.to_be_bytes()[2..]);
        add(&mut iv, &*self.salt);
        encipher(&self.cipher, iv, octets);
    }

    /// RFC 3711 §4.2: how often the sequence number has wrapped is authenticated, and not sent.
    fn tag_of_rtp(&self, packet: &[u8], place: Place) -> Hmac<Sha1> {
        let rollover = (place.index >> 16) as u32;
        self.mac.clone().chain_update(packet).chain_update(rollover.to_be_bytes())
    }
}

impl Gcm {
    /// RFC 7714 §8.1.
    fn nonce_of_rtp(&self, place: Place) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[2..6].copy_from_slice(&place.ssrc.to_be_bytes());
        nonce[6..].copy_from_slice(&place.index.to_be_bytes()[2..]);
        add(&mut nonce, &*self.salt);
        nonce
    }

    /// RFC 7714 §9.1.
    fn nonce_of_rtcp(&self, place: Place) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[2..6].copy_from_slice(&place.ssrc.to_be_bytes());
        nonce[8..].copy_from_slice(&(place.index as u32).to_be_bytes());
        add(&mut nonce, &*self.salt);
        nonce
    }

    fn seal(&self, nonce: [u8; 12], clear: &[u8], payload: &mut [u8]) -> Option<Tag> {
        let nonce = Nonce::from(nonce);
        let sealed = match &self.cipher {
            GcmCipher::Short(cipher) => cipher.encrypt_inout_detached(&nonce, clear, payload.into()),
            GcmCipher::Long(cipher) => cipher.encrypt_inout_detached(&nonce, clear, payload.into()),
        };
        sealed.ok()
    }

    fn open(&self, nonce: [u8; 12], clear: &[u8], payload: &mut [u8], tag: &[u8]) -> Result<(), Refused> {
        let nonce = Nonce::from(nonce);
        let tag = Tag::try_from(tag).map_err(|_| Refused::Malformed)?;
        let opened = match &self.cipher {
            GcmCipher::Short(cipher) => cipher.decrypt_inout_detached(&nonce, clear, payload.into(), &tag),
            GcmCipher::Long(cipher) => cipher.decrypt_inout_detached(&nonce, clear, payload.into(), &tag),
        };
        opened.map_err(|_| Refused::Unauthentic)
    }
}

/// Adds the salt, bit by bit.
fn add(octets: &mut [u8], salt: &[u8]) {
    for (octet, salt) in octets.iter_mut().zip(salt) {
        *octet ^= salt;
    }
}
