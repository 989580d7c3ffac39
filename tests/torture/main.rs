//! The torture messages of RFC 4475 and RFC 5118 against the real program, over a live socket.
//!
//! Each message has one right answer, and the program serves an OPTIONS after each. RFC 4475's messages are not
//! part of this repository: `PORTERO_TORTURE` names the folder that holds them; where there is none, the test
//! says so. Silence is proven without a clock: datagrams on one socket are served in their order, so whatever a
//! message gets comes before the answer to the OPTIONS that follows it.
#![expect(clippy::disallowed_methods, reason = "shell: these tests start a program and a thread to read it")]

#[expect(dead_code, reason = "the tests with real peers need more of an address than its SIP port")]
#[path = "../peers/support/loopback.rs"]
mod loopback;
mod peer;
mod program;
mod rfc4475;
mod rfc5118;

/// What a message must get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// This final response.
    Status(u16),
    /// The call is answered, and ends with a BYE that is served.
    Call,
    /// Nothing at all.
    Silence,
}
