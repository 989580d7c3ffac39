//! A provider's keys (RFC 7517), and whether one of them has signed something (RFC 7515, RFC 7518 §3.3 and §3.4).

use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

use super::Fault;

/// Keys of a provider that are looked at; it has two or three.
const KEYS_MAX: usize = 32;

/// The public keys of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet(Vec<Key>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    name: Option<String>,
    material: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    /// Modulus and exponent.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// A point of P-256, uncompressed (SEC 1 §2.3.3).
    P256(Vec<u8>),
}

/// By what a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Es256,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Member>,
}

/// RFC 7517 §4, RFC 7518 §6.
#[derive(Deserialize)]
struct Member {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a set; keys of kinds that we have no use for are passed over (RFC 7517 §5).
    ///
    /// # Errors
    /// [`Fault::Malformed`].
    pub fn read(text: &[u8]) -> Result<Self, Fault> {
        let set: Set = serde_json::from_slice(text).map_err(|_| Fault::Malformed("its keys"))?;
        let keys = set.keys.into_iter().take(KEYS_MAX);
        Ok(Self(keys.filter_map(Member::key).collect()))
    }

    /// Whether it has a key of this name; where none is told, whether there is any.
    pub fn has(&self, name: Option<&str>) -> bool {
        self.named(name).next().is_some()
    }

    /// Whether a key of this name has signed this.
    pub(super) fn have_signed(
        &self,
        name: Option<&str>,
        algorithm: Algorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), Fault> {
        let mut of_kind = self.named(name).filter(|key| key.material.is_for(algorithm)).peekable();
        of_kind.peek().ok_or(Fault::Key)?;
        let is_signed = of_kind.any(|key| key.material.has_signed(signed, signature));
        if is_signed { Ok(()) } else { Err(Fault::Signature) }
    }

    fn named<'a>(&'a self, name: Option<&'a str>) -> impl Iterator<Item = &'a Key> {
        self.0.iter().filter(move |key| name.is_none() || key.name.as_deref() == name)
    }
}

impl Member {
    fn key(self) -> Option<Key> {
        let is_for_signing = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        let octets = |text: Option<String>| BASE64.decode(text?).ok();
        let material = match self.kty.as_str() {
            "RSA" => Material::Rsa { n: octets(self.n)?, e: octets(self.e)? },
            "EC" if self.crv.as_deref() == Some("P-256") => {
                // RFC 7518 §6.2.1.2: always of full length.
                let (x, y) = (octets(self.x)?, octets(self.y)?);
                if (x.len(), y.len()) != (32, 32) {
                    return None;
                }
                Material::P256([&[4], &x[..], &y[..]].concat())
            }
            _ => return None,
        };
        is_for_signing.then_some(Key { name: self.kid, material })
    }
}

impl Material {
    fn is_for(&self, algorithm: Algorithm) -> bool {
        matches!((self, algorithm), (Self::Rsa { .. }, Algorithm::Rs256) | (Self::P256(_), Algorithm::Es256))
    }

    fn has_signed(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
            }
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature).is_ok()
            }
        }
    }
}
