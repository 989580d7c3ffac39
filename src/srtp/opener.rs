//! What opens the packets that the other side has sent, of whatever sources it has.

use super::transform::{Place, Transform};
use super::window::Window;
use super::{Kind, MasterKey, Mki, rtp_header_len, word};

/// The sources that one side may have under one key. A further one is refused: to forget one instead would be to let
/// its packets come again.
const SOURCES_MAX: usize = 16;

/// A packet that has been opened.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// What was sealed.
    pub packet: &'a [u8],
    /// Whether no later packet of its source has come before it.
    pub newest: bool,
}

/// Why a packet is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is too short, not encrypted, or names another key.
    Malformed,
    /// Its tag is wrong: it was not sealed with the key, or changed on its way.
    Unauthentic,
    /// It has come before, or is so old that this cannot be told.
    Replayed,
    /// It is of one source more than one side may have.
    TooManySources,
}

impl Refused {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Malformed, Self::Unauthentic, Self::Replayed, Self::TooManySources];

    /// As a label of a metric.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unauthentic => "unauthentic",
            Self::Replayed => "replayed",
            Self::TooManySources => "too_many_sources",
        }
    }
}

/// See the module.
pub struct Opener {
    rtp: Transform,
    rtcp: Transform,
    mki: Option<Mki>,
    sources: Vec<Source>,
}

struct Source {
    ssrc: u32,
    rtp: Window,
    rtcp: Window,
}

impl Opener {
    /// One to which nothing has come yet. `mki` is what each packet names the key by, if that was agreed on.
    pub fn new(key: &MasterKey, mki: Option<Mki>) -> Self {
        let transform = |kind| Transform::new(key, kind);
        Self { rtp: transform(Kind::Rtp), rtcp: transform(Kind::Rtcp), mki, sources: Vec::new() }
    }

    /// Goes on with another key.
    pub fn change_key(&mut self, key: &MasterKey, mki: Option<Mki>) {
        let renewed = self.sources.iter().map(|source| (source.ssrc, source.rtp.renewed()));
        // Of the others there is nothing to remember.
        let wrapped = renewed.filter(|(_, rtp)| rtp.has_wrapped_before());
        let sources = wrapped.map(|(ssrc, rtp)| Source { ssrc, rtp, rtcp: Window::default() }).collect();
        *self = Self { sources, ..Self::new(key, mki) };
    }

    /// Opens an RTP packet in place.
    pub fn open_rtp<'a>(&mut self, packet: &'a mut [u8]) -> Result<Opened<'a>, Refused> {
        let clear = rtp_header_len(packet).ok_or(Refused::Malformed)?;
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let ssrc = word(packet, 8);
        let mut window = self.known(ssrc).map_or_else(Window::default, |source| source.rtp);
        let mut refused = Refused::Replayed;
        for index in window.guesses(sequence).into_iter().flatten().filter(|index| window.is_new(*index)) {
            match self.rtp.open_rtp(packet, clear, Place { ssrc, index }, self.mki) {
                Ok(length) => {
                    let newest = window.enter(index);
                    self.source(ssrc)?.rtp = window;
                    return Ok(Opened { packet: &packet[..length], newest });
                }
                Err(reason) => refused = reason,
            }
        }
        Err(refused)
    }

    /// Opens a compound RTCP packet in place.
    pub fn open_rtcp<'a>(&mut self, packet: &'a mut [u8]) -> Result<Opened<'a>, Refused> {
        let (index_at, index) = self.rtcp.index_of_rtcp(packet, self.mki)?;
        let ssrc = word(packet, 4);
        let mut window = self.known(ssrc).map_or_else(Window::default, |source| source.rtcp);
        if !window.is_new(index) {
            return Err(Refused::Replayed);
        }
        let length = self.rtcp.open_rtcp(packet, index_at, Place { ssrc, index })?;
        let newest = window.enter(index);
        self.source(ssrc)?.rtcp = window;
        Ok(Opened { packet: &packet[..length], newest })
    }

    fn known(&self, ssrc: u32) -> Option<&Source> {
        self.sources.iter().find(|source| source.ssrc == ssrc)
    }

    /// The source of a packet that has proven to be authentic.
    fn source(&mut self, ssrc: u32) -> Result<&mut Source, Refused> {
        let place = match self.sources.iter().position(|source| source.ssrc == ssrc) {
            Some(place) => place,
            None if self.sources.len() < SOURCES_MAX => {
                self.sources.push(Source { ssrc, rtp: Window::default(), rtcp: Window::default() });
                self.sources.len() - 1
            }
            None => return Err(Refused::TooManySources),
        };
        Ok(&mut self.sources[place])
    }
}
