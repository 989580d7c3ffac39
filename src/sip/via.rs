//! Via: where a request came from and where its responses go (RFC 3261 §18.2, RFC 3581).
//!
//! `maddr` is not honoured: it would let a request choose whom our responses hit.

use std::net::SocketAddr;

use sipx_sip::headers::first_hop_end;
use sipx_sip::{Header, HeaderName, Request, Via};

use super::hop::Hop;
use super::message;

/// Notes on the topmost Via where `request` came from, and says which way its responses go.
///
/// `None` where there is no Via, which leaves nobody to answer. One that cannot be read stays as it is; what
/// is then to be said goes to where the request came from.
pub fn stamp(request: &mut Request, hop: &Hop) -> Option<Hop> {
    let Ok(via) = request.headers.typed::<Via>()? else { return Some(*hop) };
    let position = request.headers.iter().position(|header| header.name() == &HeaderName::Via)?;
    let row = request.headers.get(&HeaderName::Via)?.value().into_owned();
    let stamped = Header::build(HeaderName::Via, stamped_row(&row, hop.peer)).ok()?;
    request.headers.remove_first(&HeaderName::Via);
    request.headers.insert(position, stamped);
    Some(response_hop(&via, hop))
}

/// Datagrams: with `rport`, back to where the request came from (RFC 3581 §4); without, to the port that sent-by names.
/// Streams: by the request's own connection, and by a new one to that port once it is gone (RFC 3261 §18.2.2).
fn response_hop(via: &Via, hop: &Hop) -> Hop {
    let sent_by = || SocketAddr::new(hop.peer.ip(), via.port.unwrap_or(hop.transport.default_port()));
    match via.rport() {
        Some(_) if !hop.transport.is_stream() => *hop,
        _ => hop.to(sent_by()),
    }
}

/// The row with `received`, and `rport` where it was asked for, on its first hop; later hops are untouched.
fn stamped_row(row: &[u8], source: SocketAddr) -> Vec<u8> {
    let (first, rest) = row.split_at(first_hop_end(row).min(row.len()));
    let mut stamped = Vec::with_capacity(row.len() + 64);
    for (index, piece) in message::unquoted_pieces(first, b';').into_iter().enumerate() {
        let name = piece.split(|&byte| byte == b'=').next().unwrap_or_default().trim_ascii();
        if index == 0 {
            stamped.extend_from_slice(piece.trim_ascii());
        } else if name.eq_ignore_ascii_case(b"rport") {
            stamped.extend_from_slice(format!(";rport={}", source.port()).as_bytes());
        } else if !name.eq_ignore_ascii_case(b"received") {
            stamped.push(b';');
            stamped.extend_from_slice(piece.trim_ascii());
        }
    }
    stamped.extend_from_slice(format!(";received={}", source.ip()).as_bytes());
    stamped.extend_from_slice(rest);
    stamped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hop_is_stamped_and_the_others_are_not() {
        let source = SocketAddr::from(([192, 0, 2, 9], 40_000));
        let table = [
            ("SIP/2.0/UDP a;branch=z9hG4bK1", "SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.9"),
            (
                "SIP/2.0/UDP a:5070;rport;branch=z9hG4bK1",
                "SIP/2.0/UDP a:5070;rport=40000;branch=z9hG4bK1;received=192.0.2.9",
            ),
            (
                "SIP/2.0/UDP a;x=\"b;rport\";RPORT , SIP/2.0/TCP b;rport",
                "SIP/2.0/UDP a;x=\"b;rport\";rport=40000;received=192.0.2.9, SIP/2.0/TCP b;rport",
            ),
            ("SIP/2.0/UDP a;received=6.6.6.6", "SIP/2.0/UDP a;received=192.0.2.9"),
        ];
        for (row, stamped) in table {
            assert_eq!(String::from_utf8_lossy(&stamped_row(row.as_bytes(), source)), stamped);
        }
    }

    #[test]
    fn responses_go_to_the_source_address_and_to_the_port_that_was_asked_for() {
        let source = SocketAddr::from(([192, 0, 2, 9], 40_000));
        let table = [
            ("SIP/2.0/UDP host.example", 5060),
            ("SIP/2.0/UDP host.example:5071;maddr=198.51.100.1", 5071),
            ("SIP/2.0/UDP host.example:5071;rport", 40_000),
        ];
        for (row, port) in table {
            let via = Via::parse_one(row.as_bytes()).expect("a Via");
            let hop = Hop::udp(SocketAddr::from(([192, 0, 2, 1], 5060)), source);
            assert_eq!(response_hop(&via, &hop), hop.to(SocketAddr::new(source.ip(), port)));
        }
    }
}
