//! Framing: where the messages in a stream end (RFC 3261 §7.5, §18.3), and the keep-alives between them (RFC 5626
//! §4.4.1).
//!
//! Only Content-Length is read here, and it has to be beyond doubt: present, once, a number, and no more than is ever
//! taken. Where it is not there is no telling where the next message begins, and the stream is over; what stands before
//! is given back, so that its sender can be told.

use super::limits::MESSAGE_BYTES_MAX;

/// The largest head of a message: start line and header fields. A stream may hold no more of an unfinished one.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// What ends a head.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// What a stream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A whole message.
    Message(Vec<u8>),
    /// A double CRLF between messages: the peer wants a single one back.
    Ping,
}

/// Why nothing more can be read from a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unframeable {
    /// A head without an end.
    #[error("a message head of more than {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    /// A body longer than is taken, or whose length is not told.
    #[error("a message without a usable Content-Length")]
    NoLength {
        /// The head, which may be enough to answer it.
        head: Vec<u8>,
    },
}

/// What stands between two messages.
enum Between {
    /// Nothing that matters.
    Nothing,
    /// A keep-alive.
    Ping,
    /// What may become one.
    Undecided,
}

/// Cuts one stream into frames. It holds at most one unfinished message, and what has been pushed since.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// How much of the buffer is known to hold no end of a head.
    scanned: usize,
    /// Where the message that is waited for ends, once its head is there.
    end: Option<usize>,
}

impl Framer {
    /// Takes in what has been read.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// Whether a message has begun that has not ended.
    pub fn is_amid_message(&self) -> bool {
        self.scanned > 0 || self.buffer.iter().any(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    /// The next frame; `None` until more has been read.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Unframeable> {
        if self.end.is_none() {
            if self.scanned == 0 {
                match self.skip_line_ends() {
                    Between::Ping => return Ok(Some(Frame::Ping)),
                    Between::Undecided => return Ok(None),
                    Between::Nothing => {}
                }
            }
            self.end = self.end_of_message()?;
        }
        match self.end {
            Some(end) if end <= self.buffer.len() => {
                let rest = self.buffer.split_off(end);
                let message = std::mem::replace(&mut self.buffer, rest);
                (self.scanned, self.end) = (0, None);
                Ok(Some(Frame::Message(message)))
            }
            _ => Ok(None),
        }
    }

    /// Drops the empty lines before a message (RFC 3261 §7.5), and says what they were.
    fn skip_line_ends(&mut self) -> Between {
        let mut skipped = 0;
        let between = loop {
            let rest = &self.buffer[skipped..];
            match rest.first() {
                Some(b'\r' | b'\n') if rest.starts_with(END_OF_HEAD) => {
                    skipped += END_OF_HEAD.len();
                    break Between::Ping;
                }
                Some(b'\r' | b'\n') if END_OF_HEAD.starts_with(rest) => break Between::Undecided,
                Some(b'\r' | b'\n') => skipped += 1,
                _ => break Between::Nothing,
            }
        };
        self.buffer.drain(..skipped);
        between
    }

    fn end_of_message(&mut self) -> Result<Option<usize>, Unframeable> {
        let from = self.scanned.saturating_sub(END_OF_HEAD.len() - 1);
        let found = self.buffer[from..].windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD);
        let Some(at) = found else {
            self.scanned = self.buffer.len();
            return if self.buffer.len() > HEAD_BYTES_MAX { Err(Unframeable::HeadTooLong) } else { Ok(None) };
        };
        let head_end = from + at + END_OF_HEAD.len();
        if head_end > HEAD_BYTES_MAX {
            return Err(Unframeable::HeadTooLong);
        }
        let head = &self.buffer[..head_end];
        let end = content_length(head).and_then(|length| head_end.checked_add(length));
        match end.filter(|end| *end <= MESSAGE_BYTES_MAX) {
            Some(end) => Ok(Some(end)),
            None => Err(Unframeable::NoLength { head: head.to_vec() }),
        }
    }
}

/// The one Content-Length of a head. `None` where there is none, more than one, or no number.
fn content_length(head: &[u8]) -> Option<usize> {
    let mut found = None;
    let mut lines = head.split(|&byte| byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let Some((name, value)) = field(line) else { continue };
        if !name.eq_ignore_ascii_case(b"content-length") && !name.eq_ignore_ascii_case(b"l") {
            continue;
        }
        let mut value = value.trim_ascii().to_vec();
        // RFC 3261 §7.3.1: a line that begins with white space goes on with the one before.
        while let Some(more) = lines.next_if(|line| matches!(line.first(), Some(b' ' | b'\t'))) {
            value.extend_from_slice(more.trim_ascii());
        }
        if found.is_some() || !value.iter().all(u8::is_ascii_digit) {
            return None;
        }
        found = Some(std::str::from_utf8(&value).ok()?.parse().ok()?);
    }
    found
}

fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    Some((line[..colon].trim_ascii_end(), &line[colon + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPTIONS: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nContent-Length: 0\r\n\r\n";
    const INFO: &str = "INFO sip:a@b SIP/2.0\r\nl:\r\n 5\r\nX: y\r\n\r\nhello";

    fn frames(framer: &mut Framer) -> Result<Vec<Frame>, Unframeable> {
        std::iter::from_fn(|| framer.next_frame().transpose()).collect()
    }

    fn framed(stream: &str) -> Result<Vec<Frame>, Unframeable> {
        let mut framer = Framer::default();
        framer.push(stream.as_bytes());
        frames(&mut framer)
    }

    fn message(text: &str) -> Frame {
        Frame::Message(text.as_bytes().to_vec())
    }

    #[test]
    fn messages_and_keep_alives_are_told_apart() {
        let table = [
            (OPTIONS.to_owned(), vec![message(OPTIONS)]),
            (format!("{OPTIONS}{INFO}"), vec![message(OPTIONS), message(INFO)]),
            ("\r\n\r\n".into(), vec![Frame::Ping]),
            ("\r\n\r\n\r\n\r\n".into(), vec![Frame::Ping, Frame::Ping]),
            (format!("\r\n{OPTIONS}"), vec![message(OPTIONS)]),
            (format!("\r\n\r\n{OPTIONS}\r\n"), vec![Frame::Ping, message(OPTIONS)]),
            (format!("\n\n\n\n\n{OPTIONS}"), vec![message(OPTIONS)]),
            ("\r\n".into(), vec![]),
            (INFO[..INFO.len() - 1].into(), vec![]),
            (String::new(), vec![]),
        ];
        for (stream, expected) in table {
            assert_eq!(framed(&stream).as_ref(), Ok(&expected), "{stream:?}");
        }
    }

    #[test]
    fn a_length_in_doubt_ends_the_stream_and_leaves_what_can_be_answered() {
        let lengths = [
            "X: y",
            "Content-Length: -1",
            "Content-Length: +1",
            "Content-Length: 0x10",
            "Content-Length: 1 2",
            "Content-Length: 18446744073709551615",
            "Content-Length: 18446744073709551616",
            "Content-Length: 99999999",
            "Content-Length: 0\r\nl: 0",
            "Content-Length: 0\r\nContent-Length: 5",
            "Content-Length:",
        ];
        for line in lengths {
            let head = format!("INFO sip:a@b SIP/2.0\r\n{line}\r\n\r\n");
            let expected = Unframeable::NoLength { head: head.clone().into_bytes() };
            assert_eq!(framed(&format!("{head}hello")), Err(expected), "{line}");
        }
    }

    #[test]
    fn an_endless_head_is_given_up_and_holds_little_until_then() {
        let mut framer = Framer::default();
        framer.push(b"OPTIONS sip:a@b SIP/2.0\r\n");
        for _ in 0..HEAD_BYTES_MAX {
            framer.push(b"X");
            match framer.next_frame() {
                Ok(None) => assert!(framer.buffer.len() <= HEAD_BYTES_MAX),
                given_up => {
                    assert_eq!(given_up, Err(Unframeable::HeadTooLong));
                    return;
                }
            }
        }
        panic!("it was never given up");
    }

    #[test]
    fn a_message_that_has_begun_is_known_to_have() {
        let mut framer = Framer::default();
        assert!(!framer.is_amid_message());
        framer.push(b"\r\n");
        assert_eq!(framer.next_frame(), Ok(None));
        assert!(!framer.is_amid_message(), "it is the answer to a ping, or half a ping");
        framer.push(&OPTIONS.as_bytes()[..10]);
        assert_eq!(framer.next_frame(), Ok(None));
        assert!(framer.is_amid_message());
        framer.push(&OPTIONS.as_bytes()[10..]);
        assert_eq!(framer.next_frame(), Ok(Some(message(OPTIONS))));
        assert!(!framer.is_amid_message());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        /// However a stream is cut up on its way, the same messages come out.
        #[test]
        fn cuts_do_not_matter(cuts in proptest::collection::vec(1_usize..40, 1..60), pings in 0_usize..3) {
            let stream = format!("{OPTIONS}{}{INFO}{OPTIONS}", "\r\n\r\n".repeat(pings));
            let (mut framer, mut rest, mut got) = (Framer::default(), stream.as_bytes(), Vec::new());
            for cut in cuts.into_iter().chain(std::iter::repeat(7)) {
                let (chunk, more) = rest.split_at(cut.min(rest.len()));
                framer.push(chunk);
                got.extend(frames(&mut framer).expect("nothing is in doubt"));
                rest = more;
                if rest.is_empty() {
                    break;
                }
            }
            let mut expected = vec![message(OPTIONS)];
            expected.extend(std::iter::repeat_n(Frame::Ping, pings));
            expected.extend([message(INFO), message(OPTIONS)]);
            prop_assert_eq!(got, expected);
        }

        /// Whatever comes, it ends: each frame takes something out of the buffer.
        #[test]
        fn noise_never_holds_it_up(noise in proptest::collection::vec(any::<u8>(), 0..4000)) {
            let mut framer = Framer::default();
            framer.push(&noise);
            let mut taken = 0;
            while let Ok(Some(frame)) = framer.next_frame() {
                taken += match frame {
                    Frame::Message(message) => message.len(),
                    Frame::Ping => END_OF_HEAD.len(),
                };
                prop_assert!(taken <= noise.len());
            }
        }
    }
}
