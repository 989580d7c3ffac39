//! Says things: from the cache, by the voice, or as recorded elsewhere; within a deadline, and so many at a time.
#![expect(clippy::disallowed_methods, reason = "shell: measures how long it takes, starts the sweeping")]

use std::fmt;
use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::cache::Key;
use super::{Cache, Config, Failure, LENGTH_MAX, Means, Source, command, endpoint, header};
use crate::audio::{Prompt, Wideband};
use crate::crm::{Misconfigured, Url, certificates};
use crate::http;

/// Recordings that are decoded at a time: beside calls, a processor is not to be had for more.
const DECODED_MAX: usize = 2;

/// How often what is too old is erased, at the least.
const SWEEP_INTERVAL: Duration = Duration::from_hours(1);

/// What is to be said.
#[derive(Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A text in a language.
    Text {
        /// As configured, such as `en`.
        language: String,
        /// What is said.
        text: String,
    },
    /// The recording at a URL.
    Recording(String),
}

impl fmt::Debug for Wanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Text { .. } => "Text(…)",
            Self::Recording(_) => "Recording(…)",
        })
    }
}

/// Nothing can be said as configured.
#[derive(Debug, thiserror::Error)]
pub enum VoiceError {
    /// The HTTP client would not start.
    #[error("the HTTP client of the voice cannot be set up: {0}")]
    Http(#[from] reqwest::Error),
    /// Whose certificates count cannot be read.
    #[error(transparent)]
    Trust(#[from] Misconfigured),
    /// The cache cannot be used.
    #[error("the folder of what the voice said cannot be used: {0}")]
    Cache(#[source] io::Error),
}

/// Says what no recording says. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Voice {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: Config,
    /// How prompts are encoded.
    wideband: Wideband,
    http: reqwest::Client,
    /// What each source of recordings is asked with.
    sources: Vec<(Source, reqwest::Client)>,
    cache: Option<Cache>,
    slots: Semaphore,
    decoders: Semaphore,
}

/// What came, and whether it had been kept.
type Had = (Arc<Prompt>, &'static str);

impl Voice {
    /// Sets it up; nothing is asked yet.
    ///
    /// # Errors
    /// Where its parts cannot be had.
    pub fn new(config: Config, wideband: Wideband) -> Result<Self, VoiceError> {
        let by_tls = config.means.iter().any(|means| match means {
            Means::Endpoint(endpoint) => endpoint.uses_tls(),
            Means::Command(_) => false,
        });
        let cache = config.cache.clone().map(Cache::open).transpose().map_err(VoiceError::Cache)?;
        let shared = Shared {
            http: http::client(by_tls).build()?,
            sources: config.recordings_from.iter().map(connected).collect::<Result<_, _>>()?,
            slots: Semaphore::new(config.max_concurrent),
            decoders: Semaphore::new(DECODED_MAX),
            cache,
            wideband,
            config,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Has what is kept erased in time, for as long as there is a voice.
    pub fn keep_swept(&self) {
        let Some(cache) = &self.shared.cache else { return };
        let every = cache.age_max().min(SWEEP_INTERVAL);
        tokio::spawn(sweep(Arc::downgrade(&self.shared), every));
    }

    /// Erases all that was said and is kept.
    ///
    /// # Errors
    /// Those of the disk.
    pub async fn forget(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let erased = blocking(move || shared.cache.as_ref().map_or(Ok(()), Cache::clear)).await;
        erased.unwrap_or_else(|| Err(io::Error::other("it broke off")))
    }

    /// Says something, or tells within the deadline that it cannot be said.
    pub async fn say(&self, wanted: Wanted) -> Result<Arc<Prompt>, Failure> {
        let began = Instant::now();
        let deadline = self.shared.config.deadline;
        let said = tokio::time::timeout(deadline, Arc::clone(&self.shared).say(wanted)).await;
        let said = said.unwrap_or(Err(Failure::TimedOut));
        let result = match &said {
            Ok((_, word)) => word,
            Err(failure) => failure.as_str(),
        };
        metrics::counter!("portero_speech_requests_total", "result" => result).increment(1);
        metrics::histogram!("portero_speech_request_seconds").record(began.elapsed());
        if let Err(failure) = &said {
            tracing::warn!(%failure, "something is not said as it should be");
        }
        said.map(|(prompt, _)| prompt)
    }
}

async fn sweep(shared: Weak<Shared>, every: Duration) {
    let mut interval = tokio::time::interval(every);
    loop {
        interval.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let swept = blocking(move || shared.cache.as_ref().map_or(Ok(()), Cache::sweep)).await;
        if let Some(Err(error)) = swept {
            tracing::warn!(%error, "what the voice said cannot be erased");
        }
    }
}

/// Does what takes a processor or a disk, beside the loop; `None` where it did not come to an end.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

impl Shared {
    async fn say(self: Arc<Self>, wanted: Wanted) -> Result<Had, Failure> {
        match wanted {
            Wanted::Text { language, text } => self.speak(&language, &text).await,
            Wanted::Recording(url) => {
                let (url, http) = self.allowed(&url).ok_or(Failure::NotAllowed)?;
                let _slot = self.slots.try_acquire().map_err(|_| Failure::Busy)?;
                let recording = endpoint::fetch(http, url).await?;
                let (prompt, _) = self.decode(recording).await?;
                Ok((prompt, "fetched"))
            }
        }
    }

    async fn speak(self: &Arc<Self>, language: &str, text: &str) -> Result<Had, Failure> {
        let voice = self.config.voices.get(language).map_or(language, String::as_str);
        let key = key(&self.config.means, voice, language, text);
        if let Some(kept) = self.find(&key).await
            && let Ok((prompt, _)) = self.decode(kept).await
        {
            return Ok((prompt, "cached"));
        }
        let _slot = self.slots.try_acquire().map_err(|_| Failure::Busy)?;
        let mut failure = Failure::Failed;
        for (rank, means) in self.config.means.iter().enumerate() {
            let spoken = match self.sound(means, voice, language, text).await {
                Ok(audio) => self.decode(audio).await,
                Err(failure) => Err(failure),
            };
            match spoken {
                Ok((prompt, audio)) => {
                    // What stands in is not kept, so that the first is asked again.
                    if rank == 0 {
                        self.keep(key, audio);
                    }
                    return Ok((prompt, "spoken"));
                }
                Err(why) => failure = why,
            }
        }
        Err(failure)
    }

    async fn sound(
        &self,
        means: &Means,
        voice: &str,
        language: &str,
        text: &str,
    ) -> Result<Vec<u8>, Failure> {
        match means {
            Means::Command(arguments) => {
                let fill = |argument: &String| {
                    argument.replace("{{ voice }}", voice).replace("{{ language }}", language)
                };
                command::run(&arguments.iter().map(fill).collect::<Vec<_>>(), text).await
            }
            Means::Endpoint(endpoint) => {
                let names = [("text", text), ("voice", voice), ("language", language)];
                endpoint.ask(&self.http, &names).await
            }
        }
    }

    async fn find(self: &Arc<Self>, key: &Key) -> Option<Vec<u8>> {
        self.cache.as_ref()?;
        let (shared, key) = (Arc::clone(self), key.clone());
        blocking(move || shared.cache.as_ref()?.find(&key)).await?
    }

    /// Keeps what can be played. Nobody waits for that.
    fn keep(self: &Arc<Self>, key: Key, audio: Vec<u8>) {
        if self.cache.is_none() {
            return;
        }
        let shared = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let kept = shared.cache.as_ref().map_or(Ok(()), |cache| cache.keep(&key, &audio));
            if let Err(error) = kept {
                tracing::warn!(%error, "what the voice said cannot be kept");
            }
        });
    }

    /// Makes a prompt of a recording.
    async fn decode(self: &Arc<Self>, mut audio: Vec<u8>) -> Result<(Arc<Prompt>, Vec<u8>), Failure> {
        let _decoder = self.decoders.acquire().await.map_err(|_| Failure::Failed)?;
        let wideband = self.wideband;
        let decoded = blocking(move || {
            header::mend(&mut audio);
            Prompt::read(&audio, wideband).map(|prompt| (Arc::new(prompt), audio))
        });
        let (prompt, audio) = decoded.await.ok_or(Failure::Garbage)?.map_err(|_| Failure::Garbage)?;
        if prompt.duration() > LENGTH_MAX { Err(Failure::TooLong) } else { Ok((prompt, audio)) }
    }

    /// A URL, if recordings may be fetched from there, and by what: by https, or from this machine.
    fn allowed(&self, url: &str) -> Option<(Url, &reqwest::Client)> {
        let url = Url::parse(url).ok()?;
        let (_, http) =
            self.sources.iter().find(|(source, _)| source.holds(&url) && source.is_protected())?;
        Some((url, http))
    }
}

impl Source {
    /// Whether what comes from there comes unread by others: by https, or from this machine.
    pub fn is_protected(&self) -> bool {
        self.from.scheme() == "https" || is_here(&self.from)
    }

    fn holds(&self, url: &Url) -> bool {
        let rest = url.path().strip_prefix(self.from.path().trim_end_matches('/'));
        let is_below = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.from.origin() == url.origin() && is_below
    }
}

fn connected(source: &Source) -> Result<(Source, reqwest::Client), VoiceError> {
    let client = http::client(source.from.scheme() == "https");
    let client = match &source.trust {
        Some(trust) => client.tls_certs_only(certificates(trust)?),
        None => client,
    };
    Ok((source.clone(), client.build()?))
}

/// Whether it is on this machine.
fn is_here(url: &Url) -> bool {
    let address = |host: &str| host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().ok();
    url.host_str()
        .is_some_and(|host| host == "localhost" || address(host).is_some_and(|address| address.is_loopback()))
}

/// Of what decides how it sounds: another command or service has another voice of the same name.
fn key(means: &[Means], voice: &str, language: &str, text: &str) -> Key {
    let what = |means: &Means| match means {
        Means::Command(arguments) => format!("{arguments:?}"),
        Means::Endpoint(endpoint) => format!("{:?} {:?}", endpoint.url, endpoint.body),
    };
    let means: String = means.iter().map(what).collect();
    Key::new([means.as_str(), voice, language, text])
}
