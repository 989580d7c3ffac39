//! Panics on purpose, with which the tests see what one leaves behind. A release build has none of them.
//!
//! A debug build that is started with `PORTERO_MISHAP=PLACE` panics when it comes to that place, and what is at hand there
//! is in the panic's message.

use std::fmt::Display;

/// Panics here, if this is the place.
#[cfg(debug_assertions)]
pub fn at(place: &str, at_hand: impl Display) {
    use std::sync::LazyLock;

    static WANTED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("PORTERO_MISHAP").ok());
    assert!(WANTED.as_deref() != Some(place), "a mishap was wanted here, beside {at_hand}");
}

/// Does nothing.
#[cfg(not(debug_assertions))]
pub fn at(_: &str, _: impl Display) {}
