//! What is to be known of back ends and of what they can be asked.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::{Attributes, Limits, Reading, Template};
use crate::flow::ActionName;
use crate::secret::Password;

/// What [`Config::default`] is called in logs and metrics.
pub const DEFAULT: &str = "default";

/// All back ends, and all that they can be asked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The back end that is asked where an action names no other.
    pub default: Service,
    /// Further ones, by their names.
    pub others: BTreeMap<Arc<str>, Service>,
    /// What can be asked.
    pub actions: HashMap<ActionName, Action>,
}

/// One back end.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// What every action's path is put behind: `http` or `https`, without query and fragment.
    pub base_url: Url,
    /// How long one request may take, from its first step to the answer's last byte, where the action does not say.
    pub deadline: Duration,
    /// How many requests may be under way; the next one fails as [`crate::flow::Failure::Overloaded`].
    pub max_concurrent: usize,
    /// Sent with every request; those that hold a credential are marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What lets us in.
    pub authentication: Authentication,
    /// Whose certificates count, and ours.
    pub tls: TlsFiles,
    /// When it is left alone; absent: never.
    pub breaker: Option<Limits>,
}

/// What lets us in.
#[derive(Debug, Clone, PartialEq)]
pub enum Authentication {
    /// Nothing, or what is among the headers.
    None,
    /// A header that is always the same: Basic, Bearer, or a key. Marked as sensitive.
    Header(HeaderName, HeaderValue),
    /// A key in the query of every request.
    Parameter(String, Password),
    /// A token that is fetched, and fetched anew before it expires.
    Token(OAuth2),
}

/// Where tokens come from: client credentials (RFC 6749 §4.4).
#[derive(Debug, Clone, PartialEq)]
pub struct OAuth2 {
    /// The token endpoint: `https`, or on this machine.
    pub token_url: Url,
    /// Who we are.
    pub client_id: String,
    /// What shows it.
    pub client_secret: Password,
    /// Where the two are put.
    pub client_in: ClientIn,
    /// What is asked for besides, such as `scope`.
    pub parameters: Vec<(String, String)>,
}

/// Where a token request says who asks (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientIn {
    /// In `Authorization: Basic`, as the RFC would rather have it.
    Header,
    /// In the form.
    Body,
}

/// PEM files of TLS. They are read when a [`super::Client`] is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Who may have issued the back end's certificate; absent: those that this machine trusts.
    pub trust: Option<PathBuf>,
    /// Our certificate and its private key, where the back end wants to see one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// One configured request.
#[derive(Debug, Clone)]
pub struct Action {
    /// The back end that is asked; absent: [`Config::default`].
    pub back_end: Option<Arc<str>>,
    /// The HTTP method.
    pub method: Method,
    /// Path and query, from the first `/`.
    pub path: Template,
    /// Headers besides those of the service.
    pub headers: Vec<(HeaderName, Template)>,
    /// What is sent along, and as what.
    pub body: Option<Body>,
    /// How long it may take, both tries together; absent: as the service says.
    pub deadline: Option<Duration>,
    /// Whether it is sent once more where the back end did not get to it, or says that it did not.
    pub retry: bool,
    /// How the answer is understood.
    pub reading: Reading,
}

/// What a request carries.
#[derive(Debug, Clone)]
pub struct Body {
    /// What it is filled from: its place is that of `media_type`.
    pub template: Template,
    /// What `Content-Type` says of it.
    pub media_type: &'static str,
}

impl Config {
    /// The back end of this name; absent: the default one.
    pub fn service(&self, name: Option<&str>) -> Option<&Service> {
        name.map_or(Some(&self.default), |name| self.others.get(name))
    }

    /// All back ends, with what they are called.
    pub fn services(&self) -> impl Iterator<Item = (&str, &Service)> {
        let others = self.others.iter().map(|(name, service)| (&**name, service));
        std::iter::once((DEFAULT, &self.default)).chain(others)
    }

    /// The attributes that any action tells of customers.
    pub fn attributes(&self) -> impl Iterator<Item = &Arc<str>> {
        self.actions.values().filter_map(|action| action.reading.attributes()).flat_map(Attributes::keys)
    }
}

impl Service {
    /// Without credentials, with the limits that a file has which says nothing of them.
    pub fn at(base_url: Url) -> Self {
        Self {
            base_url,
            deadline: Duration::from_secs(3),
            max_concurrent: 64,
            headers: Vec::new(),
            authentication: Authentication::None,
            tls: TlsFiles::default(),
            breaker: Some(Limits::USUAL),
        }
    }

    /// The address that `path_and_query` makes behind the base URL, which keeps its own path.
    pub fn url(&self, path_and_query: &str) -> Option<Url> {
        Url::parse(&format!("{}{path_and_query}", self.base_url.as_str().trim_end_matches('/'))).ok()
    }

    /// Whether anything of it goes by TLS.
    pub(super) fn uses_tls(&self) -> bool {
        let token_url = match &self.authentication {
            Authentication::Token(oauth2) => Some(&oauth2.token_url),
            _ => None,
        };
        std::iter::once(&self.base_url).chain(token_url).any(|url| url.scheme() == "https")
    }
}
