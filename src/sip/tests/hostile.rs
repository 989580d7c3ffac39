//! Datagrams that nobody should send: the endpoint answers or drops them, and goes on.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::wire::{Sketch, Wire};

/// Lets the endpoint live on for a while after what it was sent.
fn survives(payload: &[u8]) -> Wire {
    let mut wire = Wire::new();
    wire.endpoint.receive(Wire::peer(), payload, wire.now);
    wire.endpoint.receive(Wire::peer(), payload, wire.now);
    wire.sent();
    wire.events();
    wire.pass(Duration::from_secs(70));
    wire
}

/// The RFC 4475 messages are not part of this repository: `PORTERO_TORTURE` names the folder that holds them.
fn torture_messages() -> Vec<PathBuf> {
    let folder = std::env::var_os("PORTERO_TORTURE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/rfc4475")),
        PathBuf::from,
    );
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    files.filter(|path| path.extension().is_some_and(|ending| ending == "dat")).collect()
}

#[test]
fn the_torture_messages_are_survived() {
    let messages = torture_messages();
    if messages.is_empty() {
        println!("no RFC 4475 messages here: set PORTERO_TORTURE to their folder");
    }
    for path in messages {
        let message = std::fs::read(&path).expect("readable");
        let mut wire = survives(&message);
        assert_eq!(wire.send(&Sketch::new("OPTIONS")).len(), 1, "{}", path.display());
    }
}

#[test]
fn a_call_survives_noise_with_its_own_names_on_it() {
    let mut wire = Wire::new();
    let (_, tag) = wire.established();
    for method in ["INVITE", "ACK", "BYE", "CANCEL", "INFO", "NOTIFY", "REFER", "OPTIONS", "UPDATE", "PRACK"]
    {
        let text = Sketch::inside(method, &tag, 2).text(&format!("z9hG4bK{method}"));
        for end in 0..text.len() - 4 {
            wire.endpoint.receive(Wire::peer(), &text.as_bytes()[..end], wire.now);
        }
        wire.sent();
    }
    assert_eq!(wire.events(), []);
    assert_eq!(wire.send(&Sketch::inside("BYE", &tag, 3)).len(), 1);
}

fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let methods = prop::sample::select(vec![
        "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "NOTIFY", "REFER", "PRACK", "UPDATE",
    ]);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12);
    (methods, changes).prop_map(|(method, changes)| {
        let mut text = Sketch { method, ..Sketch::invite() }.text("z9hG4bKmutated").into_bytes();
        for (index, byte) in changes {
            let at = index.index(text.len());
            text[at] = byte;
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_requests_are_survived(payload in any_request()) {
        survives(&payload);
    }

    #[test]
    fn random_bytes_are_survived(payload in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(survives(&payload).endpoint.is_idle());
    }
}
