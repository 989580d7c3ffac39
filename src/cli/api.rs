//! The API of a running server, for the subcommands that ask it or tell it something.

use anyhow::{Context, bail};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http;

/// Where a server's API is.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Api {
    /// Where the server's pages and API are
    #[arg(long = "api", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,

    /// The token to ask with. Others on this machine can read it on a command line, but not in the environment: left out,
    /// it is that of `PORTERO_TOKEN`
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
}

/// Where a token is looked for that no argument gives.
const TOKEN_VARIABLE: &str = "PORTERO_TOKEN";

impl Api {
    /// `GET path`.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.exchange(path, |client, url| client.get(url))
    }

    /// `POST path` with a JSON body.
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> anyhow::Result<T> {
        let body = body.to_string();
        self.exchange(path, |client, url| {
            client.post(url).header("content-type", "application/json").body(body)
        })
    }

    /// `DELETE path`.
    pub fn delete<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.exchange(path, |client, url| client.delete(url))
    }

    fn exchange<T: DeserializeOwned>(
        &self,
        path: &str,
        request: impl FnOnce(&Client, &str) -> RequestBuilder,
    ) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let url = format!("{}{path}", self.url.trim_end_matches('/'));
            // No redirect is followed: the token is for the server that was named.
            let client = http::client(url.starts_with("https:")).build()?;
            let token = self.token.clone().or_else(|| std::env::var(TOKEN_VARIABLE).ok());
            let request = request(&client, &url);
            let request = match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            let answer = request.send().await;
            let answer = answer.with_context(|| format!("no server answers at {}", self.url))?;
            let status = answer.status();
            let body = answer.bytes().await?;
            if status.is_success() {
                return serde_json::from_slice(&body)
                    .with_context(|| format!("what is at {url} is not Portero"));
            }
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            if status == StatusCode::UNAUTHORIZED {
                bail!("the server asks for a token: give it with --token, or in {TOKEN_VARIABLE}; `portero tokens add` makes one")
            }
            bail!("{}", body["error"].as_str().unwrap_or(status.as_str()))
        })
    }
}
