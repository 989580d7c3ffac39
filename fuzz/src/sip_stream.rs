//! A stream, in pieces: the same frames come out however it is cut, each takes something out of it, and an
//! unfinished message holds no more than it may.
//!
//! The first octet says how long the pieces are.

use portero::sip::{Frame, Framer, Unframeable};

/// The frames of a stream that comes in pieces of this length, and what ended it.
fn frames(stream: &[u8], piece: usize) -> (Vec<Frame>, Option<Unframeable>) {
    let (mut framer, mut found) = (Framer::default(), Vec::new());
    for chunk in stream.chunks(piece) {
        framer.push(chunk);
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => break,
                Err(fault) => return (found, Some(fault)),
            }
        }
    }
    (found, None)
}

/// Fails where it does not hold.
pub fn hold(data: &[u8]) {
    let Some((&piece, stream)) = data.split_first() else { return };
    let (whole, fault) = frames(stream, stream.len().max(1));
    let (pieced, pieced_fault) = frames(stream, usize::from(piece).max(1));
    assert_eq!((&whole, &fault), (&pieced, &pieced_fault));
    let taken: usize = whole
        .iter()
        .map(|frame| match frame {
            Frame::Message(message) => message.len(),
            Frame::Ping => b"\r\n\r\n".len(),
        })
        .sum();
    assert!(taken <= stream.len());
    for frame in &whole {
        let Frame::Message(message) = frame else { continue };
        // A message framed once is framed alike by itself, and by nobody else as two.
        assert_eq!(frames(message, message.len()), (vec![frame.clone()], None));
    }
}
