//! Has said what no recording says, beside the loop.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::audio::Prompt;
use crate::call::{CallId, Said, Speech, Utterance};
use crate::config::Configuration;
use crate::crm::Service;
use crate::flow::PlayId;
use crate::speech::{Config, Source, Voice, VoiceError, Wanted};

/// What has been said may wait for the loop; each belongs to a call that waits for it.
pub const SPOKEN_MAX: usize = 1024;

/// What became of an utterance, on its way to its call.
pub struct Spoken {
    pub call: CallId,
    pub place: (PlayId, usize),
    pub prompt: Option<Arc<Prompt>>,
}

/// What the calls are told of the voice.
pub fn speech(configuration: &Configuration) -> Speech {
    let Config { means, deadline, .. } = &configuration.speech;
    // A caller does not wait for what nothing can fetch.
    let recordings = sources(configuration).iter().any(Source::is_protected);
    Speech { texts: !means.is_empty(), recordings, deadline: *deadline }
}

/// The voice as configured, which fetches recordings from the back ends as well.
pub fn voice(configuration: &Configuration) -> Result<Voice, VoiceError> {
    let config = Config { recordings_from: sources(configuration), ..configuration.speech.clone() };
    Voice::new(config, configuration.wideband())
}

/// From where recordings may be fetched: from where the file says, and from the back ends, whose certificates are those
/// that they are asked with.
fn sources(configuration: &Configuration) -> Vec<Source> {
    let of_back_end = |(_, service): (&str, &Service)| {
        let mut from = service.base_url.clone();
        from.set_path("/");
        Source { from, trust: service.tls.trust.clone() }
    };
    let of_back_ends = configuration.back_end.services().map(of_back_end);
    configuration.speech.recordings_from.iter().cloned().chain(of_back_ends).collect()
}

/// Says it, and tells the loop.
pub async fn say(voice: Voice, call: CallId, utterance: Utterance, spoken: mpsc::Sender<Spoken>) {
    let wanted = match utterance.said {
        Said::Text(text) => Wanted::Text { language: utterance.language.to_string(), text },
        Said::Recording(url) => Wanted::Recording(url),
    };
    let prompt = voice.say(wanted).await.ok();
    let place = (utterance.play, utterance.place);
    // Without a loop to hear it, nobody waits for it.
    drop(spoken.send(Spoken { call, place, prompt }).await);
}
