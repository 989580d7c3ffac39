//! A voice that is a web service, and the fetching of recordings: one HTTP exchange without redirects.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, Request};

use super::{AUDIO_BYTES_MAX, Failure};
use crate::crm::{Body, HeaderName, HeaderValue, Template, Url, Values};
use crate::http::{self, BodyError};

/// Where texts are sent, by POST.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its URL, with gaps for `voice` and `language`.
    pub url: Template,
    /// What goes with every request, such as a key.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What is sent, with gaps for `text`, `voice` and `language`.
    pub body: Body,
}

impl Endpoint {
    /// Whether it is reached by https.
    pub(super) fn uses_tls(&self) -> bool {
        self.url.fill_all("1").is_some_and(|url| url.starts_with("https:"))
    }

    /// Asks it.
    pub(super) async fn ask(&self, http: &Client, names: &[(&str, &str)]) -> Result<Vec<u8>, Failure> {
        let request = self.request(&Values::new(names, None)).ok_or(Failure::Failed)?;
        execute(http, request).await
    }

    fn request(&self, values: &Values) -> Option<Request> {
        let url = Url::parse(&self.url.fill(values)?).ok()?;
        let mut request = Request::new(Method::POST, url);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.body.media_type));
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        *request.body_mut() = Some(self.body.template.fill(values)?.as_bytes().to_vec().into());
        Some(request)
    }
}

/// Fetches what is at a URL.
pub(super) async fn fetch(http: &Client, url: Url) -> Result<Vec<u8>, Failure> {
    execute(http, Request::new(Method::GET, url)).await
}

async fn execute(client: &Client, request: Request) -> Result<Vec<u8>, Failure> {
    let response = client.execute(request).await.map_err(|_| Failure::Failed)?;
    if !response.status().is_success() {
        tracing::warn!(status = response.status().as_u16(), "there is no sound for what is to be said");
        return Err(Failure::Failed);
    }
    http::body(response, AUDIO_BYTES_MAX).await.map_err(|error| match error {
        BodyError::Broken(_) => Failure::Failed,
        BodyError::TooLarge => Failure::TooLarge,
    })
}
