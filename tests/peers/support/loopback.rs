//! A loopback address of a test's own: the whole of 127.0.0.0/8 is there to be used.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

/// Whoever holds this port on an address holds the address.
const CLAIM_PORT: u16 = 1919;
const SIP_PORT: u16 = 5060;
const SIPS_PORT: u16 = 5061;
const WEB_PORT: u16 = 18080;
const CRM_PORT: u16 = 18081;
const PEER_SIP_PORT: u16 = 15060;
const PEER_CONTROL_PORT: u16 = 14444;
const PROXY_SIP_PORT: u16 = 15070;
const PROXY_SIPS_PORT: u16 = 15071;
const RELAY_PORT: u16 = 15080;
const NAME_SERVER_PORT: u16 = 15353;
/// The first port that a peer may use for RTP.
pub const PEER_RTP_PORT: u16 = 16000;

/// An address that no other test uses while this lives.
pub struct Loopback {
    ip: Ipv4Addr,
    _claim: UdpSocket,
}

impl Loopback {
    /// Takes the first free address, counting from one that this process is the first to try.
    pub fn claim() -> Self {
        let first = std::process::id().wrapping_mul(97);
        for candidate in (0..4096).map(|step| first.wrapping_add(step)) {
            let [_, b, c, d] = candidate.to_be_bytes();
            // 127.0.x.x is left to others; .0 and .255 look like networks to some.
            let ip = Ipv4Addr::new(127, b.max(1), c, d.clamp(1, 254));
            if let Ok(claim) = UdpSocket::bind((ip, CLAIM_PORT)) {
                return Self { ip, _claim: claim };
            }
        }
        panic!("4096 loopback addresses are all taken");
    }

    fn at(&self, port: u16) -> SocketAddr {
        (self.ip, port).into()
    }

    /// The address itself.
    pub fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// Where the server takes calls.
    pub fn sip(&self) -> SocketAddr {
        self.at(SIP_PORT)
    }

    /// Where the server takes calls by TLS.
    pub fn sips(&self) -> SocketAddr {
        self.at(SIPS_PORT)
    }

    /// Where what comes by TCP goes on by TLS.
    pub fn relay(&self) -> SocketAddr {
        self.at(RELAY_PORT)
    }

    /// Where a proxy between a peer and the server takes SIP.
    pub fn proxy_sip(&self) -> SocketAddr {
        self.at(PROXY_SIP_PORT)
    }

    /// Where it does so by TLS.
    pub fn proxy_sips(&self) -> SocketAddr {
        self.at(PROXY_SIPS_PORT)
    }

    /// Where the server's pages are.
    pub fn web(&self) -> SocketAddr {
        self.at(WEB_PORT)
    }

    /// Where the demo's back end is.
    pub fn crm(&self) -> SocketAddr {
        self.at(CRM_PORT)
    }

    /// Where a peer takes SIP.
    pub fn peer_sip(&self) -> SocketAddr {
        self.at(PEER_SIP_PORT)
    }

    /// Where a name server answers.
    pub fn name_server(&self) -> SocketAddr {
        self.at(NAME_SERVER_PORT)
    }

    /// Where a peer is controlled.
    pub fn peer_control(&self) -> SocketAddr {
        self.at(PEER_CONTROL_PORT)
    }
}
