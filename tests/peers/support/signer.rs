//! A network that signs its callers' numbers, all of it by OpenSSL: keys, certificates and signatures.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD as BASE64, Engine as _};
use serde_json::{Value, json};

/// The service provider code 1234 of a certificate that SHAKEN has issued (RFC 8226 §9).
const LEAF: &str = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n\
                    1.3.6.1.5.5.7.1.26=DER:30:08:a0:06:16:04:31:32:33:34\n";

/// An authority and its folder.
pub struct Root {
    folder: PathBuf,
    /// Its certificate.
    pub certificate: PathBuf,
}

/// A key, and the certificate of it in PEM.
pub struct Signer {
    key: PathBuf,
    pub certificate: String,
}

impl Root {
    /// An authority whose files are in this folder.
    pub fn new(folder: &Path) -> Self {
        let root = Self { folder: folder.to_owned(), certificate: folder.join("sti-root.pem") };
        root.self_signed("sti-root", "critical,CA:TRUE");
        root
    }

    fn self_signed(&self, name: &str, constraints: &str) {
        let key = self.key(name);
        let extension = format!("basicConstraints={constraints}");
        let subject = format!("/CN={name}");
        let arguments =
            ["req", "-x509", "-new", "-days", "30", "-subj", &subject, "-addext", &extension, "-key"];
        let certificate = self.folder.join(format!("{name}.pem"));
        openssl(&arguments, &[&key, Path::new("-out"), &certificate], b"");
    }

    fn key(&self, name: &str) -> PathBuf {
        let key = self.folder.join(format!("{name}.key"));
        let arguments = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"];
        openssl(&arguments, &[&key], b"");
        key
    }

    /// A signer to whom it has issued a certificate for these days; `0` makes one that is over at once.
    pub fn issue(&self, name: &str, days: &str) -> Signer {
        let key = self.key(name);
        let path = |ending: &str| self.folder.join(format!("{name}.{ending}"));
        let subject = format!("/CN=SHAKEN {name}");
        let (request, extensions, certificate) = (path("csr"), path("ext"), path("pem"));
        openssl(&["req", "-new", "-subj", &subject, "-key"], &[&key, Path::new("-out"), &request], b"");
        fs::write(&extensions, LEAF).expect("written");
        let root_key = self.folder.join("sti-root.key");
        let arguments = ["x509", "-req", "-set_serial", "7", "-days", days, "-in"];
        let option = Path::new;
        let files = [
            &request,
            option("-CA"),
            &self.certificate,
            option("-CAkey"),
            &root_key,
            option("-extfile"),
            &extensions,
            option("-out"),
            &certificate,
        ];
        openssl(&arguments, &files, b"");
        Signer { key, certificate: fs::read_to_string(certificate).expect("issued") }
    }

    /// A signer for whom nobody vouches but itself.
    pub fn impostor(&self) -> Signer {
        self.self_signed("impostor", "critical,CA:FALSE");
        let certificate = fs::read_to_string(self.folder.join("impostor.pem")).expect("made");
        Signer { key: self.folder.join("impostor.key"), certificate }
    }
}

impl Signer {
    /// An Identity header field for a call of +1 202 555 0101 to 1000, with its claims as given and this place for the
    /// certificate.
    pub fn field(&self, claims: &Value, place: &str) -> String {
        let header = json!({ "alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": place });
        let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let der = openssl(&["dgst", "-sha256", "-sign"], &[&self.key], signed.as_bytes());
        let signature = BASE64.encode(fixed(&der));
        format!("Identity: {signed}.{signature};info=<{place}>;alg=ES256;ppt=shaken\r\n")
    }
}

/// What such a passport says, signed so many seconds from now.
pub fn claims(seconds: i64) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    json!({
        "attest": "A",
        "dest": { "tn": ["1000"] },
        "iat": now.cast_signed() + seconds,
        "orig": { "tn": "12025550101" },
        "origid": "123e4567-e89b-12d3-a456-426655440000",
    })
}

/// Both numbers of a signature in 32 octets each (RFC 7518 §3.4), which OpenSSL writes as a sequence of two integers.
fn fixed(der: &[u8]) -> Vec<u8> {
    let mut fixed = Vec::new();
    let mut rest = &der[2..];
    while let [2, length, after @ ..] = rest {
        let (integer, others) = after.split_at(usize::from(*length));
        let digits = integer.strip_prefix(&[0]).unwrap_or(integer);
        fixed.resize(fixed.len() + 32 - digits.len(), 0);
        fixed.extend_from_slice(digits);
        rest = others;
    }
    assert_eq!(fixed.len(), 64, "{der:?}");
    fixed
}

fn openssl(arguments: &[&str], files: &[&Path], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(arguments).args(files).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("OpenSSL starts");
    child.stdin.take().expect("piped").write_all(input).expect("OpenSSL reads");
    let output = child.wait_with_output().expect("OpenSSL ends");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
