//! Receivers on the loopback that take events, refuse them, or are not there; and spools that break off.

mod delivery;
mod spool;

use std::time::Duration;

use crate::call::{CallId, MilestoneKind};
use crate::hooks::{Event, Webhook};
use crate::secret::Password;

/// A secret, as receivers are given it.
pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A receiver at this URL, which is told everything.
pub(super) fn webhook(url: &str) -> Webhook {
    Webhook {
        name: "crm".to_owned(),
        url: url.parse().expect("a URL"),
        secrets: vec![Password::new(SECRET.to_owned())],
        events: MilestoneKind::ALL.into(),
        lines: None,
        fields: std::collections::BTreeSet::new(),
        headers: Vec::new(),
        timeout: Duration::from_secs(5),
        retry_for: Duration::from_hours(72),
        max_concurrent: 8,
        spool: 10_000,
    }
}

/// An event of a call.
pub(super) fn event(call: u64, number: usize) -> Event {
    Event {
        id: format!("{call:016x}-{number}"),
        call: CallId(call),
        at: "2026-11-23T10:00:00Z".parse().expect("an instant"),
        body: format!("{{\"number\":{number},\"name\":\"Siân\"}}"),
    }
}
