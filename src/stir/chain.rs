//! A signer's certificates, and the roots that have to stand behind them (RFC 8226, RFC 5280 by `webpki`).

use std::fmt;

use jiff::Timestamp;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime,
};
use webpki::{
    CertRevocationList, EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter,
    OwnedCertRevocationList, RevocationOptions, RevocationOptionsBuilder, UnknownStatusPolicy, ring as by,
};

use super::Fault;

/// What certificates are signed by. SHAKEN has P-256 alone; a root may be stronger.
const ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 4] =
    [by::ECDSA_P256_SHA256, by::ECDSA_P256_SHA384, by::ECDSA_P384_SHA256, by::ECDSA_P384_SHA384];

/// What a key on P-256 begins with in its certificate, up to the point itself (RFC 5480 §2).
const P256_KEY: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// More certificates are not read: a chain has two or three.
const CERTIFICATES_MAX: usize = 8;

/// What every element of DER begins with that is a certificate.
const SEQUENCE: u8 = 0x30;

/// Certificate authorities that are trusted to say who may sign, and what they have taken back.
pub struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    revocations: Vec<CertRevocationList<'static>>,
}

/// Why a file of roots, or of revocations, is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RootsFault {
    /// There is no certificate in it.
    #[error("there is no certificate in PEM")]
    NoRoot,
    /// One is no authority's.
    #[error("certificate {0} of it is no authority's")]
    BadRoot(usize),
    /// There is no list in it.
    #[error("there is no list of revoked certificates in PEM (X509 CRL)")]
    NoList,
    /// One cannot be read.
    #[error("list {0} of it cannot be read; lists that speak for other authorities (indirect ones) are not")]
    BadList(usize),
}

/// A signer's certificate, and those between it and a root.
pub struct Chain {
    leaf: CertificateDer<'static>,
    between: Vec<CertificateDer<'static>>,
    /// The signer's public key: a point on P-256.
    key: Vec<u8>,
}

/// Signers' certificates say nothing of what they are for (RFC 8226 §8): their authorities issue no others.
struct AnyUse;

impl ExtendedKeyUsageValidator for AnyUse {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        Ok(())
    }
}

impl Roots {
    /// Reads certificates in PEM and, where there is a file of them, revocations.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn read(certificates: &[u8], revocations: Option<&[u8]>) -> Result<Self, RootsFault> {
        let mut anchors = Vec::new();
        for (nth, certificate) in CertificateDer::pem_slice_iter(certificates).enumerate() {
            let bad = RootsFault::BadRoot(nth + 1);
            let certificate = certificate.map_err(|_| bad)?;
            anchors.push(webpki::anchor_from_trusted_cert(&certificate).map_err(|_| bad)?.to_owned());
        }
        if anchors.is_empty() {
            return Err(RootsFault::NoRoot);
        }
        let revocations = revocations.map_or(Ok(Vec::new()), read_revocations)?;
        Ok(Self { anchors, revocations })
    }
}

fn read_revocations(text: &[u8]) -> Result<Vec<CertRevocationList<'static>>, RootsFault> {
    let lists = CertificateRevocationListDer::pem_slice_iter(text).enumerate();
    let lists = lists.map(|(nth, list)| {
        let bad = RootsFault::BadList(nth + 1);
        let list = list.map_err(|_| bad)?;
        OwnedCertRevocationList::from_der(&list).map(CertRevocationList::from).map_err(|_| bad)
    });
    let lists = lists.collect::<Result<Vec<_>, _>>()?;
    if lists.is_empty() { Err(RootsFault::NoList) } else { Ok(lists) }
}

// By hand: keys in numbers tell nobody anything. So for the other.
impl fmt::Debug for Roots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Roots({}, {} lists)", self.anchors.len(), self.revocations.len())
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Chain({})", self.between.len() + 1)
    }
}

impl Chain {
    /// Reads what was fetched: certificates in PEM, the signer's first, or that one in DER.
    ///
    /// # Errors
    /// Where it is anything else, or of another key than one on P-256.
    pub fn read(fetched: &[u8]) -> Result<Self, Fault> {
        let mut certificates = if fetched.first() == Some(&SEQUENCE) {
            vec![CertificateDer::from(fetched.to_vec())]
        } else {
            let certificates = CertificateDer::pem_slice_iter(fetched).take(CERTIFICATES_MAX);
            certificates.collect::<Result<_, _>>().map_err(|_| Fault::NoCertificate)?
        };
        if certificates.is_empty() {
            return Err(Fault::NoCertificate);
        }
        let leaf = certificates.remove(0);
        let key = EndEntityCert::try_from(&leaf).map(|leaf| leaf.subject_public_key_info());
        let key = key.ok().and_then(|key| Some(key.as_ref().strip_prefix(&P256_KEY)?.to_vec()));
        Ok(Self { key: key.ok_or(Fault::NoCertificate)?, leaf, between: certificates })
    }

    /// Whether a root stands behind it at this time, and nobody has taken a certificate back.
    pub(super) fn verify(&self, roots: &Roots, now: Timestamp) -> Result<(), Fault> {
        let since_epoch = now.duration_since(Timestamp::UNIX_EPOCH).try_into().map_err(|_| Fault::Expired)?;
        let leaf = EndEntityCert::try_from(&self.leaf).map_err(|_| Fault::NoCertificate)?;
        let lists: Vec<_> = roots.revocations.iter().collect();
        leaf.verify_for_usage(
            &ALGORITHMS,
            &roots.anchors,
            &self.between,
            UnixTime::since_unix_epoch(since_epoch),
            AnyUse,
            revocation(&lists),
            None,
        )
        .map(drop)
        .map_err(|error| match error {
            Error::CertExpired { .. } | Error::CertNotValidYet { .. } => Fault::Expired,
            Error::CertRevoked => Fault::Revoked,
            _ => Fault::Untrusted,
        })
    }

    /// Whether the signer's key has signed this: ECDSA on P-256 with SHA-256, as two numbers of 32 octets (RFC 7518 §3.4).
    pub(super) fn has_signed(&self, signed: &[u8], signature: &[u8]) -> bool {
        is_signed(&self.key, signed, signature)
    }
}

pub(super) fn is_signed(point: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature).is_ok()
}

/// Who is on no list is taken to be good, and a list that is past its time still counts for whom it names.
fn revocation<'l>(lists: &'l [&'l CertRevocationList<'l>]) -> Option<RevocationOptions<'l>> {
    let options = RevocationOptionsBuilder::new(lists).ok()?;
    Some(options.with_status_policy(UnknownStatusPolicy::Allow).build())
}
