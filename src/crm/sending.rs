//! The steps of one HTTP exchange, each failing in words that hold nothing of what was sent.

use axum::body::Bytes;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use reqwest::header::HeaderValue;
use reqwest::{Request, Response};
use zeroize::Zeroizing;

use crate::flow::Failure;
use crate::http::{self, BodyError, reason};

/// Sends a request. `whom` is what the log calls the other side.
pub(super) async fn execute(
    http: &reqwest::Client,
    request: Request,
    whom: &str,
) -> Result<Response, Failure> {
    http.execute(request).await.map_err(|error| unreachable_because(error, whom))
}

/// The answer's body, of at most `bytes_max` bytes.
pub(super) async fn body(response: Response, bytes_max: usize, whom: &str) -> Result<Vec<u8>, Failure> {
    http::body(response, bytes_max).await.map_err(|error| match error {
        BodyError::Broken(error) => unreachable_because(error, whom),
        BodyError::TooLarge => {
            tracing::warn!(whom, "the answer is larger than {bytes_max} bytes");
            Failure::Garbage
        }
    })
}

/// Logs the cause of `error`, without the URL, which is personal.
fn unreachable_because(error: reqwest::Error, whom: &str) -> Failure {
    tracing::warn!(whom, cause = reason(&error.without_url()), "no answer");
    Failure::Unreachable
}

/// `Basic …` (RFC 7617), marked as sensitive.
pub fn basic(username: &str, password: &str) -> Option<HeaderValue> {
    let pair = Zeroizing::new(format!("{username}:{password}"));
    let mut value =
        HeaderValue::from_str(&Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes()))))
            .ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A body that is wiped once it has been sent.
pub(super) fn wiped(text: Zeroizing<String>) -> Bytes {
    struct Filled(Zeroizing<String>);

    impl AsRef<[u8]> for Filled {
        fn as_ref(&self) -> &[u8] {
            self.0.as_bytes()
        }
    }

    Bytes::from_owner(Filled(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_as_in_its_rfc() {
        // RFC 7617 §2.
        let value = basic("Aladdin", "open sesame").expect("a header");
        assert_eq!(value, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(value.is_sensitive());
    }
}
