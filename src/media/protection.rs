//! The encryption of one session's packets, both ways, from when it is first agreed on (RFC 3711).

use crate::srtp::{Keys, Opened, Opener, Refused, Sealer};

/// What is opened has at most this many octets; a longer datagram is refused.
const OPENED_LEN_MAX: usize = 2048;

/// Where a datagram is opened.
pub(super) type OpeningRoom = [u8; OPENED_LEN_MAX];

/// See the module. It is kept while a session goes on without, as what it has counted must never be counted again
/// under the same key.
pub(super) struct Protection {
    keys: Keys,
    sealer: Sealer,
    opener: Opener,
}

impl Protection {
    pub(super) fn new(keys: &Keys) -> Self {
        Self {
            sealer: Sealer::new(&keys.ours),
            opener: Opener::new(&keys.theirs, keys.their_mki),
            keys: keys.clone(),
        }
    }

    /// Takes what a new offer and answer settled; a key that is as before goes on as before.
    pub(super) fn change(&mut self, keys: &Keys) {
        if keys.ours != self.keys.ours {
            self.sealer.change_key(&keys.ours);
        }
        if (&keys.theirs, keys.their_mki) != (&self.keys.theirs, self.keys.their_mki) {
            self.opener.change_key(&keys.theirs, keys.their_mki);
        }
        self.keys.clone_from(keys);
    }

    pub(super) fn sealer(&mut self) -> &mut Sealer {
        &mut self.sealer
    }

    pub(super) fn open_rtp<'a>(
        &mut self,
        datagram: &[u8],
        room: &'a mut OpeningRoom,
    ) -> Result<Opened<'a>, Refused> {
        self.opener.open_rtp(copied(datagram, room)?)
    }

    pub(super) fn open_rtcp<'a>(
        &mut self,
        datagram: &[u8],
        room: &'a mut OpeningRoom,
    ) -> Result<Opened<'a>, Refused> {
        self.opener.open_rtcp(copied(datagram, room)?)
    }
}

fn copied<'a>(datagram: &[u8], room: &'a mut OpeningRoom) -> Result<&'a mut [u8], Refused> {
    let copy = room.get_mut(..datagram.len()).ok_or(Refused::Malformed)?;
    copy.copy_from_slice(datagram);
    Ok(copy)
}
