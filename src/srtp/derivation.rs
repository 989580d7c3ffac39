//! Session keys from a master key (RFC 3711 §4.3, RFC 7714 §11), without a derivation rate: once for all packets.

use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128Enc, Aes256Enc};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use zeroize::Zeroizing;

use super::{Kind, MasterKey};

/// What a session key is for (RFC 3711 §4.3.1, table).
#[derive(Clone, Copy)]
pub(super) enum Label {
    Encryption,
    Authentication,
    Salt,
}

impl Label {
    fn octet(self, kind: Kind) -> u8 {
        let of_rtp = match self {
            Self::Encryption => 0,
            Self::Authentication => 1,
            Self::Salt => 2,
        };
        match kind {
            Kind::Rtp => of_rtp,
            Kind::Rtcp => of_rtp + 3,
        }
    }
}

/// The first `N` octets of the session key that `label` names.
pub(super) fn derive<const N: usize>(master: &MasterKey, kind: Kind, label: Label) -> Zeroizing<[u8; N]> {
    // RFC 3711 §4.3.1: label and index, which is 0 here, stand at the end of 112 bits, and are added to the salt. A
    // salt of 96 bits stands at their beginning (RFC 7714 §11).
    let mut iv = [0; 16];
    iv[..master.salt().len()].copy_from_slice(master.salt());
    iv[7] ^= label.octet(kind);
    let mut key = Zeroizing::new([0; N]);
    if let Ok(long) = <&[u8; 32]>::try_from(master.key()) {
        encipher(&Aes256Enc::new(long.into()), iv, &mut *key);
    } else {
        let short: &[u8; 16] = master.key().try_into().expect("a key has 16 octets or 32");
        encipher(&Aes128Enc::new(short.into()), iv, &mut *key);
    }
    key
}

/// AES in counter mode (RFC 3711 §4.1.1): the same to encipher and to decipher.
pub(super) fn encipher<C>(cipher: &C, iv: [u8; 16], octets: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    CtrCore::<&C, Ctr128BE>::inner_iv_init(cipher, &iv.into()).apply_keystream_partial(octets.into());
}
