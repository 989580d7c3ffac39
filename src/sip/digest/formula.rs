//! What a digest is made of (RFC 7616 §3.4).

use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512_256};

/// A hash function for digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// What every peer can do, and no longer a good choice.
    Md5,
    /// RFC 7616's own.
    Sha256,
    /// RFC 8760's third: a function of its own, not the first half of SHA-512.
    Sha512_256,
}

impl Algorithm {
    /// The name that stands in header fields.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
        }
    }

    fn of(name: &[u8]) -> Option<Self> {
        let known = [Self::Md5, Self::Sha256, Self::Sha512_256];
        known.into_iter().find(|algorithm| algorithm.as_str().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The hash of `parts`, joined by colons, in lower-case hexadecimal.
    fn hash(self, parts: &[&[u8]]) -> String {
        let input = parts.join(&b':');
        match self {
            Self::Md5 => hexadecimal(&Md5::digest(input)),
            Self::Sha256 => hexadecimal(&Sha256::digest(input)),
            Self::Sha512_256 => hexadecimal(&Sha512_256::digest(input)),
        }
    }
}

/// Lower-case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// An algorithm, and whether its first hash is bound to one session (RFC 7616 §3.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// The hash function.
    pub algorithm: Algorithm,
    /// Whether it is the `-sess` variant.
    pub session: bool,
}

impl Variant {
    /// What an `algorithm` parameter means; its absence means MD5 (RFC 7616 §3.3).
    pub fn of(name: Option<&[u8]>) -> Option<Self> {
        let name = name.unwrap_or(b"MD5");
        let base = name.len().checked_sub(5).and_then(|length| name.split_at_checked(length));
        let (name, session) = match base {
            Some((base, suffix)) if suffix.eq_ignore_ascii_case(b"-sess") => (base, true),
            _ => (name, false),
        };
        Some(Self { algorithm: Algorithm::of(name)?, session })
    }

    /// The name that stands in header fields.
    pub fn name(self) -> String {
        format!("{}{}", self.algorithm.as_str(), if self.session { "-sess" } else { "" })
    }
}

/// Quality of protection: what the digest covers besides the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qop<'a> {
    /// Nothing (RFC 2069, for peers from before `qop`).
    Absent,
    /// Method, URI, nonce and its count.
    Auth { count: &'a [u8], cnonce: &'a [u8] },
    /// The body as well.
    AuthInt { count: &'a [u8], cnonce: &'a [u8], body: &'a [u8] },
}

/// Everything that goes into one response.
#[derive(Clone, Copy)]
pub struct Formula<'a> {
    /// How it is hashed.
    pub variant: Variant,
    /// Who answers.
    pub username: &'a [u8],
    /// Where.
    pub realm: &'a [u8],
    /// With what.
    pub password: &'a [u8],
    /// To which challenge.
    pub nonce: &'a [u8],
    /// The method of the request.
    pub method: &'a [u8],
    /// The `uri` parameter.
    pub uri: &'a [u8],
    /// What else is covered.
    pub qop: Qop<'a>,
}

impl Formula<'_> {
    /// The `response` parameter.
    pub fn response(&self) -> String {
        let Self { variant: Variant { algorithm, session }, nonce, method, uri, .. } = *self;
        let (words, body) = match self.qop {
            Qop::Absent => (None, None),
            Qop::Auth { count, cnonce } => (Some((count, cnonce, b"auth".as_slice())), None),
            Qop::AuthInt { count, cnonce, body } => {
                (Some((count, cnonce, b"auth-int".as_slice())), Some(body))
            }
        };
        let mut secret = algorithm.hash(&[self.username, self.realm, self.password]);
        if session {
            let cnonce = words.map_or(b"".as_slice(), |(_, cnonce, _)| cnonce);
            secret = algorithm.hash(&[secret.as_bytes(), nonce, cnonce]);
        }
        let what = match body {
            Some(body) => algorithm.hash(&[method, uri, algorithm.hash(&[body]).as_bytes()]),
            None => algorithm.hash(&[method, uri]),
        };
        let (secret, what) = (secret.as_bytes(), what.as_bytes());
        match words {
            Some((count, cnonce, qop)) => algorithm.hash(&[secret, nonce, count, cnonce, qop, what]),
            None => algorithm.hash(&[secret, nonce, what]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: Variant = Variant { algorithm: Algorithm::Md5, session: false };
    const SHA256: Variant = Variant { algorithm: Algorithm::Sha256, session: false };

    /// RFC 7616 §3.9.1, whose method is GET.
    fn mufasa(variant: Variant) -> Formula<'static> {
        Formula {
            variant,
            username: b"Mufasa",
            realm: b"http-auth@example.org",
            password: b"Circle of Life",
            nonce: b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            method: b"GET",
            uri: b"/dir/index.html",
            qop: Qop::Auth { count: b"00000001", cnonce: b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ" },
        }
    }

    #[test]
    fn the_vectors_of_the_standards() {
        assert_eq!(mufasa(MD5).response(), "8ca523f5e9506fed4657c9700eebdbec", "RFC 7616 §3.9.1");
        let sha256 = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
        assert_eq!(mufasa(SHA256).response(), sha256, "RFC 7616 §3.9.1");
        let rfc2617 = Formula {
            variant: MD5,
            realm: b"testrealm@host.com",
            password: b"Circle Of Life",
            nonce: b"dcd98b7102dd2f0e8b11d0f600bfb0c093",
            qop: Qop::Auth { count: b"00000001", cnonce: b"0a4f113b" },
            ..mufasa(MD5)
        };
        assert_eq!(rfc2617.response(), "6629fae49393a05397450978507c4ef1", "RFC 2617 §3.5");
        let rfc2069 = Formula { password: b"CircleOfLife", qop: Qop::Absent, ..rfc2617 };
        assert_eq!(
            rfc2069.response(),
            "1949323746fe6a43ef61f9606e7febea",
            "RFC 2069 §2.4, as its erratum 749 has it"
        );
    }

    /// RFC 7616 §3.9.2 prints a response that its own formula does not give (its erratum 4897); this is the
    /// one that the formula, with SHA-512/256 as FIPS 180-4 has it, does give.
    #[test]
    fn the_vector_whose_print_is_wrong() {
        let doe = Formula {
            variant: Variant { algorithm: Algorithm::Sha512_256, session: false },
            username: "Jäsøn Doe".as_bytes(),
            realm: b"api@example.org",
            password: b"Secret, or not?",
            nonce: b"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            method: b"GET",
            uri: b"/doe.json",
            qop: Qop::Auth { count: b"00000001", cnonce: b"NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v" },
        };
        assert_eq!(doe.response(), "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5");
    }

    #[test]
    fn each_part_that_is_covered_changes_the_response() {
        let (count, cnonce) = (b"00000001".as_slice(), b"c".as_slice());
        let plain = Formula { qop: Qop::Auth { count, cnonce }, ..mufasa(SHA256) };
        let with_body = |body| Formula { qop: Qop::AuthInt { count, cnonce, body }, ..plain };
        let others = [
            Formula { method: b"INVITE", ..plain },
            Formula { uri: b"sip:a@b", ..plain },
            Formula { nonce: b"n", ..plain },
            Formula { variant: Variant { session: true, ..SHA256 }, ..plain },
            Formula { qop: Qop::Auth { count: b"00000002", cnonce }, ..plain },
            with_body(b""),
            with_body(b"v=0"),
        ];
        let mut seen = vec![plain.response()];
        for other in others {
            let response = other.response();
            assert!(!seen.contains(&response));
            seen.push(response);
        }
    }

    #[test]
    fn algorithms_by_name() {
        let table = [
            (None, Some((Algorithm::Md5, false))),
            (Some("md5"), Some((Algorithm::Md5, false))),
            (Some("MD5-sess"), Some((Algorithm::Md5, true))),
            (Some("SHA-256"), Some((Algorithm::Sha256, false))),
            (Some("sha-512-256-SESS"), Some((Algorithm::Sha512_256, true))),
            (Some("SHA-512"), None),
            (Some("AKAv1-MD5"), None),
            (Some(""), None),
        ];
        for (name, expected) in table {
            let variant = Variant::of(name.map(str::as_bytes));
            assert_eq!(variant.map(|it| (it.algorithm, it.session)), expected, "{name:?}");
        }
    }
}
