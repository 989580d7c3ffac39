//! The door: who asks, by the cookie of a session or by a token, and what they may.
//!
//! What decides is in `access`; here are the clock, the random numbers, the database and the processor that passwords
//! take. A request that shows a token is judged by that alone, whatever cookie comes along.
#![expect(clippy::disallowed_methods, reason = "shell: reads the clocks")]

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use metrics::counter;
use rand::RngCore as _;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use super::Settings;
use super::api::Refusal;
use crate::access::{
    Identity, Key, KeyHash, Name, PasswordHash, Proof, Role, Scope, Scopes, Sessions, Throttle, judge,
};
use crate::records::audit::{Actor, Deed};
use crate::records::{Accounts, Audit, RecordsError};
use crate::secret::Password;

/// Passwords that are hashed at a time. Each takes a processor for some ten milliseconds, and the media threads need
/// theirs.
const HASHED_AT_ONCE: usize = 1;

/// How long a login waits for its turn before it is told to come back.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// What the audit log says that somebody logs in to.
const PAGES: &str = "pages";

/// What is behind the name of the cookie of those who are on their way to an identity provider, and how long they may take.
const ERRAND: &str = "-errand";
const ERRAND_SECONDS: u32 = 600;

/// What whoever came by the demo's link is called.
const BY_LINK: &str = "demo";

/// Whoever is let in.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// What they are called.
    pub name: Name,
    /// What they may do.
    pub scopes: Scopes,
    by: By,
}

/// What they showed.
#[derive(Debug, Clone)]
enum By {
    /// The cookie of a session.
    Session(Key),
    /// A token.
    Token(KeyHash),
}

impl Visitor {
    /// Whether they may do this.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.has(scope)
    }

    /// Who they are, for the audit log.
    pub fn actor(&self) -> Actor {
        match &self.by {
            By::Session(_) => Actor::User(self.name.to_string()),
            By::Token(_) => Actor::Token(self.name.to_string()),
        }
    }

    /// The key of their session: a browser sends it along with whatever it is made to send. `None` for a token, which no
    /// browser sends by itself.
    pub fn session(&self) -> Option<&Key> {
        match &self.by {
            By::Session(key) => Some(key),
            By::Token(_) => None,
        }
    }
}

/// Why somebody is not logged in.
#[derive(Debug)]
pub(super) enum Denied {
    /// There is no such user, or another password, or the user is kept out: which of these is nobody's business.
    Wrong,
    /// There were too many failures: this long to wait.
    TooMany(Duration),
    /// Too many log in at once.
    Busy,
    /// The database does not say who there is, or does not take that they have come.
    Unavailable,
}

/// Decides who is let in.
pub(super) struct Door {
    accounts: Accounts,
    audit: Audit,
    settings: watch::Receiver<Arc<Settings>>,
    /// The key in the link that the demo prints.
    link: Option<KeyHash>,
    cookie: String,
    speaks_tls: bool,
    sessions: Mutex<Sessions>,
    throttle: Mutex<Throttle>,
    hashing: Semaphore,
    /// Told whenever a session has ended.
    ended: watch::Sender<()>,
}

impl fmt::Debug for Door {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Door").field("cookie", &self.cookie).finish_non_exhaustive()
    }
}

impl Door {
    /// A door to pages at `port`. Cookies are not told apart by port, so their name is: two servers on one machine do not
    /// log each other's visitors out.
    pub fn new(
        accounts: Accounts,
        audit: Audit,
        settings: watch::Receiver<Arc<Settings>>,
        link: Option<&Key>,
        port: u16,
    ) -> Self {
        let current = Arc::clone(&settings.borrow());
        // RFC 6265bis §4.1.3.2: a browser takes such a name only from us, by TLS, and for all of us.
        let speaks_tls = current.tls.is_some();
        let prefix = if speaks_tls { "__Host-" } else { "" };
        Self {
            accounts,
            audit,
            settings,
            link: link.map(Key::hash),
            cookie: format!("{prefix}portero-{port}"),
            speaks_tls,
            sessions: Mutex::new(Sessions::new(current.lifetimes)),
            throttle: Mutex::default(),
            hashing: Semaphore::new(HASHED_AT_ONCE),
            ended: watch::Sender::new(()),
        }
    }

    /// The settings in effect.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }

    /// Whether whoever comes has come by TLS.
    pub fn speaks_tls(&self) -> bool {
        self.speaks_tls
    }

    /// Who sends these headers; `None` where they do not say.
    ///
    /// # Errors
    /// 401 for a token that is none; 503 where the database does not say who there is.
    pub async fn who(&self, headers: &HeaderMap) -> Result<Option<Visitor>, Refusal> {
        if let Some(authorization) = headers.get(header::AUTHORIZATION) {
            let token = authorization.to_str().ok().and_then(bearer);
            let visitor = match token {
                Some(token) => self.by_token(Key::shown(token).hash()).await?,
                None => None,
            };
            return visitor.map(Some).ok_or_else(|| {
                counter!("portero_web_rejected_total", "reason" => "token").increment(1);
                let why =
                    "this token is none of ours, or no good any more: send `Authorization: Bearer TOKEN`";
                Refusal(StatusCode::UNAUTHORIZED, why.into())
            });
        }
        match self.cookie_of(headers) {
            Some(key) => Ok(self.by_session(key).await?),
            None => Ok(None),
        }
    }

    /// Whether they would still be let in.
    pub async fn is_still_in(&self, visitor: &Visitor) -> bool {
        let now = match &visitor.by {
            By::Session(key) => self.by_session(key.clone()).await,
            By::Token(hash) => self.by_token(*hash).await,
        };
        now.is_ok_and(|now| now.is_some_and(|now| now.scopes == visitor.scopes))
    }

    /// Tells when some session has ended.
    pub fn endings(&self) -> watch::Receiver<()> {
        self.ended.subscribe()
    }

    async fn by_token(&self, hash: KeyHash) -> Result<Option<Visitor>, RecordsError> {
        let configured = self.settings().tokens.iter().find(|token| token.hash == hash).cloned();
        if let Some(token) = configured {
            return Ok(Some(Visitor { name: token.name, scopes: token.scopes, by: By::Token(hash) }));
        }
        let kept = self.accounts.token(hash).await?;
        let good = kept.filter(|token| token.expires_at.is_none_or(|end| Timestamp::now() < end));
        Ok(good.map(|token| Visitor { name: token.name, scopes: token.scopes, by: By::Token(hash) }))
    }

    async fn by_session(&self, key: Key) -> Result<Option<Visitor>, RecordsError> {
        let lifetimes = self.settings().lifetimes;
        let identity = {
            let mut sessions = self.sessions();
            sessions.set_lifetimes(lifetimes);
            sessions.visit(key.hash(), Instant::now())
        };
        let Some(Identity { name, proof }) = identity else { return Ok(None) };
        let role = match proof {
            Proof::Vouched(role) => Some(role),
            Proof::Password(fingerprint) => {
                let user = self.accounts.user(&name).await?;
                let is_same = |user: &crate::records::User| {
                    !user.disabled && user.password.fingerprint() == fingerprint
                };
                user.filter(is_same).map(|user| user.role)
            }
        };
        if role.is_none() {
            self.sessions().end(key.hash());
            self.ended.send_replace(());
        }
        Ok(role.map(|role| Visitor { name, scopes: role.scopes(), by: By::Session(key) }))
    }

    /// Opens a session for the user of this name, if the password is theirs.
    ///
    /// # Errors
    /// Why not; wrong names and wrong passwords take the same time.
    pub async fn log_in(&self, name: &str, password: Password, address: IpAddr) -> Result<Key, Denied> {
        let charged = self.throttle().charge(name, address, Instant::now());
        charged.map_err(|wait| {
            counter!("portero_logins_total", "result" => "throttled").increment(1);
            Denied::TooMany(wait)
        })?;
        let user = match Name::parse(name) {
            Some(name) => self.accounts.user(&name).await.map_err(|failure| {
                error!(%failure, "nobody can log in: the users cannot be read");
                Denied::Unavailable
            })?,
            None => None,
        };
        let user = user.filter(|user| !user.disabled);
        let known = user.as_ref().map(|user| user.password.clone());
        if !self.is_right(known, password).await? {
            counter!("portero_logins_total", "result" => "refused").increment(1);
            warn!(%address, "a login was refused");
            // Nobody is let in, be it written or not; a failure has been logged where it happened.
            let _ = self.audit.append(Actor::at(address), Deed::Refused, PAGES, "").await;
            return Err(Denied::Wrong);
        }
        let user = user.ok_or(Denied::Wrong)?;
        self.throttle().refund(name, address, Instant::now());
        counter!("portero_logins_total", "result" => "accepted").increment(1);
        let proof = Proof::Password(user.password.fingerprint());
        self.open(Identity { name: user.name, proof }, address).await
    }

    async fn is_right(&self, known: Option<PasswordHash>, password: Password) -> Result<bool, Denied> {
        let Ok(Ok(_turn)) = tokio::time::timeout(TURN_TIMEOUT, self.hashing.acquire()).await else {
            counter!("portero_logins_total", "result" => "busy").increment(1);
            return Err(Denied::Busy);
        };
        let judged = spawn_blocking(move || judge(known.as_ref(), |hash| hash.matches(&password))).await;
        // A thread that broke off has judged nothing.
        Ok(judged.unwrap_or(false))
    }

    /// Opens a session for whoever has the key of the demo's link.
    ///
    /// # Errors
    /// [`Denied::Wrong`] where it is another, or there is none.
    pub async fn enter(&self, key: &str, address: IpAddr) -> Result<Key, Denied> {
        if self.link != Some(Key::shown(key).hash()) {
            return Err(Denied::Wrong);
        }
        let name = Name::parse(BY_LINK).expect("letters are a name");
        self.open(Identity { name, proof: Proof::Vouched(Role::Admin) }, address).await
    }

    /// Opens a session for somebody of whom it is known who they are: here an identity provider's word counts.
    ///
    /// # Errors
    /// [`Denied::Unavailable`] where nobody could tell afterwards that they have come.
    pub async fn open(&self, identity: Identity, address: IpAddr) -> Result<Key, Denied> {
        let actor = Actor::User(identity.name.to_string());
        let noted = self.audit.append(actor, Deed::LoggedIn, PAGES, format!("from {address}")).await;
        noted.map_err(|_| Denied::Unavailable)?;
        info!("somebody logged in");
        let key = new_key();
        self.sessions().begin(&key, identity, Instant::now());
        Ok(key)
    }

    /// Ends the session that these headers show, if there is one.
    pub async fn log_out(&self, headers: &HeaderMap) {
        let Some(key) = self.cookie_of(headers) else { return };
        let ended = self.sessions().end(key.hash());
        if let Some(identity) = ended {
            self.ended.send_replace(());
            // It has ended, be it written or not; a failure has been logged where it happened.
            let _ =
                self.audit.append(Actor::User(identity.name.to_string()), Deed::LoggedOut, PAGES, "").await;
        }
    }

    /// The cookie that gives a browser its key; without one, that takes it away.
    pub fn set_cookie(&self, key: Option<&Key>) -> String {
        let secure = if self.speaks_tls { "; Secure" } else { "" };
        let (value, age) = key.map_or(("", "; Max-Age=0"), |key| (key.expose(), ""));
        format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}", self.cookie)
    }

    /// The cookie by which a browser shows that it was this one that set out to the identity provider; without a value,
    /// that takes it away. The provider's page leads back to us, and a stricter cookie would not be shown then.
    pub fn errand_cookie(&self, errand: Option<&str>) -> String {
        let secure = if self.speaks_tls { "; Secure" } else { "" };
        let (value, age) = errand.map_or(("", 0), |errand| (errand, ERRAND_SECONDS));
        format!("{}{ERRAND}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}", self.cookie)
    }

    /// The value of that cookie.
    pub fn errand_of(&self, headers: &HeaderMap) -> Option<String> {
        cookie(headers, &format!("{}{ERRAND}", self.cookie)).map(ToOwned::to_owned)
    }

    fn cookie_of(&self, headers: &HeaderMap) -> Option<Key> {
        cookie(headers, &self.cookie).map(Key::shown)
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        // Each change is one insertion or removal: a panic leaves nothing half done.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key that nobody has had before.
pub fn new_key() -> Key {
    let mut random = [0; 32];
    rand::rng().fill_bytes(&mut random);
    Key::new(random)
}

/// The value of a cookie (RFC 6265 §4.2).
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(own, _)| *own == name).map(|(_, value)| value)
}

/// The token of `Bearer TOKEN` (RFC 6750 §2.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
