//! A certificate authority of one test, and what it has issued.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// Files in PEM.
pub struct Certificate {
    /// Of the authority.
    pub ca: PathBuf,
    /// Of the machine.
    pub chain: PathBuf,
    /// The machine's private key.
    pub key: PathBuf,
}

impl Certificate {
    /// Makes an authority, and has it issue a certificate for `ip`.
    pub fn issue(folder: &Path, ip: IpAddr) -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        // A name of its own: OpenSSL takes a certificate whose issuer has the same name for self-signed.
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let ca = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([ip.to_string()]).expect("an address is a name");
        let certificate = params.signed_by(&key, &ca).expect("issued");
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            fs::write(&file, text).expect("a file can be written");
            file
        };
        Self {
            ca: write("ca.pem", &ca.pem()),
            chain: write("certificate.pem", &certificate.pem()),
            key: write("key.pem", &key.serialize_pem()),
        }
    }
}
