//! A peer whose requests are written by hand.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::server::Server;

/// A peer that writes its requests itself.
pub struct Peer {
    socket: UdpSocket,
    server: SocketAddr,
}

impl Peer {
    /// One that calls this server.
    pub fn of(server: &Server) -> Self {
        let socket = UdpSocket::bind(server.loopback.peer_sip()).expect("an address of the test's own");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out that is not zero");
        Self { socket, server: server.loopback.sip() }
    }

    /// Sends a request of the call `call`.
    pub fn send(&self, method: &str, call: &str, more: &str) {
        let (own, server) = (self.socket.local_addr().expect("it is bound"), self.server);
        let request = format!(
            "{method} sip:1000@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK-{call};rport\r\n\
             From: <sip:2025550199@caller.example>;tag={call}\r\nTo: <sip:1000@{server}>\r\nCall-ID: {call}\r\n\
             CSeq: 1 {method}\r\nMax-Forwards: 70\r\nContact: <sip:caller@{own}>\r\n{more}Content-Length: 0\r\n\r\n"
        );
        self.socket.send_to(request.as_bytes(), server).expect("the loopback takes it");
    }

    /// The first answer with this status; those before it are skipped.
    pub fn answer(&self, status: &str) -> String {
        let mut room = [0; 4096];
        loop {
            let (length, _) = self.socket.recv_from(&mut room).unwrap_or_else(|_| panic!("no {status}"));
            let answer = String::from_utf8_lossy(&room[..length]).into_owned();
            if answer.starts_with(&format!("SIP/2.0 {status} ")) {
                return answer;
            }
        }
    }

    /// Whether nothing has come that has not been looked at.
    pub fn has_heard_nothing(&self) -> bool {
        self.socket.set_nonblocking(true).expect("a socket can be that");
        let heard = self.socket.recv_from(&mut [0; 4096]);
        heard.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}
