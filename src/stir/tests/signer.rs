//! A network of a test that signs its callers' numbers.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use jiff::Timestamp;
use rcgen::CertificateParams;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::flow::PhoneNumber;
use crate::stir::Presented;

/// Who calls, and whom.
pub const CALLER: &str = "+12025550101";
pub const CALLEE: &str = "+12025550100";

/// A network with a key, and the certificate of it.
pub struct Signer {
    /// The certificate, in PEM.
    pub certificate: String,
    /// Where it is.
    pub place: String,
    key: EcdsaKeyPair,
}

impl Signer {
    /// One whose certificate this authority has issued, changed as the test wants it.
    pub fn of(authority: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let issued = authority.issue("signer.example", change);
        Self::with(issued.certificate, &issued.key)
    }

    /// One with this certificate, and this key in PEM.
    pub fn with(certificate: String, key: &str) -> Self {
        let der = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_der(), &random);
        Self { certificate, place: "https://signer.example/a.pem".into(), key: key.expect("a key on P-256") }
    }

    /// The header of its passports.
    pub fn header(&self) -> Value {
        json!({ "alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": self.place })
    }

    /// An Identity header field for a call at this time.
    pub fn field(&self, attest: &str, now: Timestamp) -> String {
        self.sign(&self.header(), &claims(attest, now))
    }

    /// An Identity header field of these parts.
    pub fn sign(&self, header: &Value, payload: &Value) -> String {
        let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(payload.to_string()));
        format!("{signed}.{};info=<{}>;alg=ES256;ppt=shaken", self.signature(&signed), self.place)
    }

    /// A signature, as a passport has it.
    pub fn signature(&self, signed: &str) -> String {
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).expect("signed");
        BASE64.encode(signature)
    }
}

/// What a passport says of a call at this time.
pub fn claims(attest: &str, now: Timestamp) -> Value {
    json!({
        "attest": attest,
        "dest": { "tn": ["12025550100"] },
        "iat": now.as_second(),
        "orig": { "tn": "12025550101" },
        "origid": "123e4567-e89b-12d3-a456-426655440000",
    })
}

/// The call that those claims are of.
pub fn presented(fields: &[String]) -> Presented {
    let number = |text: &str| PhoneNumber::parse(text).expect("a number");
    Presented {
        fields: fields.to_vec(),
        caller: number(CALLER),
        callees: vec![number(CALLEE)],
        date: None,
        sip_call_id: "call".into(),
    }
}
