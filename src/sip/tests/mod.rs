//! The endpoint as its peers see it: on the wire, message by message, and in pairs on a link that loses.

mod answers;
mod calls;
mod challenges;
mod dialogs;
mod errands;
mod finding;
mod hostile;
mod pair;
mod reasons;
mod ringing;
mod session_timers;
mod strangers;
mod streams;
mod updates;
mod wire;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Config, Endpoint, Whereabouts};

const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    Instant::now()
}

fn endpoint(local: SocketAddr, accept_referrals: bool, seed: u64) -> Endpoint {
    let config = Config {
        whereabouts: Whereabouts::udp(local),
        realm: "portero".to_owned(),
        user_agent: "Portero".to_owned(),
        accept_referrals,
        retry_after: Duration::from_secs(5),
    };
    Endpoint::new(config, StdRng::seed_from_u64(seed))
}
