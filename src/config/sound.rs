//! How a line sounds: which codecs it takes, whether it listens for keys, whether its media is encrypted, and whether
//! it is recorded.

use super::fault::Fault;
use super::nearest::one_of;
use super::section::{Complaint, Section};
use crate::audio::OPUS_SPOKEN;
use crate::call::{Sound, Srtp, Tones};
use crate::sdp::{Codec, Codecs};

const CODECS: [(&str, Codec); 4] =
    [("pcmu", Codec::Pcmu), ("pcma", Codec::Pcma), ("g722", Codec::G722), ("opus", Codec::Opus)];

const TONES: [(&str, Tones); 3] =
    [("needed", Tones::Needed), ("always", Tones::Always), ("never", Tones::Never)];

const SRTP: [(&str, Srtp); 3] = [("allow", Srtp::Allow), ("require", Srtp::Require), ("off", Srtp::Off)];

/// What a line says of it.
pub(super) fn read(section: &mut Section<'_>, keeps_recordings: bool) -> Sound {
    let codecs = codecs(section).map_or_else(Codecs::default, Codecs::Ours);
    Sound {
        codecs,
        tones: section.read("tones", tones).unwrap_or_default(),
        srtp: section.read("srtp", srtp).unwrap_or_default(),
        record: record(section, keeps_recordings),
    }
}

fn srtp(text: &str) -> Result<Srtp, Complaint> {
    one_of(&SRTP, text, "ways")
        .map_err(|help| Complaint::new(format!("`{text}` is no way to have media encrypted"), help))
}

fn record(section: &mut Section<'_>, keeps_recordings: bool) -> bool {
    let record = section.flag("record").unwrap_or(false);
    if record && !keeps_recordings {
        let span = section.value("record").map_or(section.span(), toml::Spanned::span);
        let fault = Fault::at(span, "this line is recorded, and no recording is kept");
        section.note(fault.help("say in [records] how long `recordings` are kept, or delete this"));
    }
    record
}

fn tones(text: &str) -> Result<Tones, Complaint> {
    one_of(&TONES, text, "ways")
        .map_err(|help| Complaint::new(format!("`{text}` is no way to listen for tones"), help))
}

fn codecs(section: &mut Section<'_>) -> Option<Vec<Codec>> {
    let texts = section.texts("codecs")?;
    if texts.is_empty() {
        let span = section.value("codecs").map_or(section.span(), toml::Spanned::span);
        let fault = Fault::at(span, "`codecs` names no codec");
        section.note(fault.help("name at least one, or delete this to have G.711 as the caller likes it"));
    }
    let mut codecs = Vec::new();
    for text in texts {
        let Some(codec) = section.accept(text.span(), codec(text.get_ref())) else { continue };
        if codecs.contains(&codec) {
            let fault = Fault::at(text.span(), format!("`{}` is named already", text.get_ref()));
            section.note(fault.help("name each codec once, the best first"));
        }
        codecs.push(codec);
    }
    Some(codecs)
}

fn codec(text: &str) -> Result<Codec, Complaint> {
    let codec = one_of(&CODECS, text, "codecs")
        .map_err(|help| Complaint::new(format!("`{text}` is no codec of ours"), help))?;
    if codec == Codec::Opus && !OPUS_SPOKEN {
        let help = "build Portero with `--features opus`, or leave it out";
        return Err(Complaint::new("this build does not speak `opus`", help));
    }
    Ok(codec)
}
