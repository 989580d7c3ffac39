//! What is counted of calls, and the one line that each leaves in the log. No number, name or digit of a
//! caller is ever a label, or in that line.

use std::collections::HashSet;
use std::sync::Arc;

use metrics::{counter, gauge, histogram};
use tracing::{info, warn};

use crate::call::{
    CallRecord, EndedBy, HandOver, HandOverOutcome, RegistrationWord, Switchboard, TrunkNews, TrunkState,
    TrunkView,
};
use crate::flow::{Attestation, Lock, Method, Verdict};
use crate::net::hep::Exporter;
use crate::net::sip::Outlet;
use crate::records::pseudonyms::{Pseudonyms, Sort};
use crate::sip::Transport;

/// Shows how much is going on, and what the SIP side has counted.
pub fn totals(switchboard: &Switchboard, outlet: &Outlet, exporter: Option<&Exporter>) {
    gauge!("portero_calls_active").set(switchboard.calls() as f64);
    gauge!("portero_ports_in_use").set(switchboard.ports_in_use() as f64);
    gauge!("portero_draining").set(f64::from(u8::from(switchboard.is_draining())));
    counter!("portero_sip_send_failures_total").absolute(outlet.dropped());
    if let Some(exporter) = exporter {
        counter!("portero_hep_sent_total").absolute(exporter.sent());
        counter!("portero_hep_dropped_total").absolute(exporter.dropped());
    }
    for transport in [Transport::Tcp, Transport::Tls] {
        let connections = outlet.connections(transport) as f64;
        gauge!("portero_sip_connections", "transport" => transport.as_str()).set(connections);
    }
    counter!("portero_sip_connections_refused_total").absolute(outlet.connections_refused());
    let counters = switchboard.sip_counters();
    for (method, count) in counters.requests() {
        counter!("portero_sip_requests_total", "method" => method).absolute(count);
    }
    for (method, code, count) in counters.responses() {
        let labels = [("method", method.to_owned()), ("code", code.to_string())];
        counter!("portero_sip_responses_total", &labels).absolute(count);
    }
    for (reason, count) in counters.rejected() {
        counter!("portero_sip_rejected_total", "reason" => reason.as_str()).absolute(count);
    }
}

/// Shows which share of the last second's packets left late.
pub fn lateness(share: f64) {
    gauge!("portero_rtp_late_ratio").set(share);
}

/// The gauges of trunks.
#[derive(Debug, Default)]
pub struct TrunkGauges(HashSet<(&'static str, Arc<str>)>);

impl TrunkGauges {
    /// Shows how each trunk is doing: 1 or 0, and nothing where it has never been known. What was shown of a trunk that
    /// is there no longer, or registers no longer, becomes 0: a gauge keeps its last value, and cannot be taken back.
    pub fn show(&mut self, trunks: &[TrunkView]) {
        let mut left = std::mem::take(&mut self.0);
        for trunk in trunks {
            let known = (trunk.state != TrunkState::Unknown).then_some(trunk.state == TrunkState::Up);
            let registered = trunk.registration.map(|it| it.state == RegistrationWord::Registered);
            for (name, value) in [("portero_trunk_up", known), ("portero_trunk_registered", registered)] {
                let Some(value) = value else { continue };
                gauge!(name, "trunk" => trunk.name.to_string()).set(f64::from(u8::from(value)));
                let key = (name, Arc::clone(&trunk.name));
                left.remove(&key);
                self.0.insert(key);
            }
        }
        for (name, trunk) in left {
            gauge!(name, "trunk" => trunk.to_string()).set(0.0);
        }
    }
}

/// Logs what has changed of a trunk.
pub fn trunk_news(news: &TrunkNews) {
    match news {
        TrunkNews::Server(trunk, server, true) => info!(%trunk, %server, "the trunk's server answers"),
        TrunkNews::Server(trunk, server, false) => {
            warn!(%trunk, %server, "the trunk's server does not answer");
        }
        TrunkNews::Registered(trunk, expires) => {
            info!(%trunk, expires_s = expires.as_secs(), "registered with the trunk");
        }
        TrunkNews::NotRegistered(trunk, status) => warn!(%trunk, status, "not registered with the trunk"),
        TrunkNews::Unregistered(trunk) => info!(%trunk, "no longer registered with the trunk"),
    }
}

/// Counts a call whose record has been written, and logs it: with pseudonyms, and without the words of the other side,
/// which may be anything.
pub fn call_ended(record: &CallRecord, pseudonyms: &Pseudonyms) {
    let line = record.line.clone();
    let verdict = record.verdict.as_str();
    let seconds = record.ended_at.duration_since(record.started_at).as_secs_f64();
    counter!("portero_calls_total", "line" => line.clone(), "verdict" => verdict).increment(1);
    histogram!("portero_call_seconds", "line" => line).record(seconds);
    identification(record);
    number_check(record);
    if let Some(lock) = record.locked {
        counter!("portero_lock_outs_total", "by" => lock.as_str()).increment(1);
    }
    if let Some(hand_over) = &record.hand_over {
        let labels = [
            ("target", hand_over.target.clone()),
            ("mode", "refer".into()),
            ("result", outcome(hand_over).into()),
        ];
        counter!("portero_transfers_total", &labels).increment(1);
    }
    info!(
        call = record.id,
        line = record.line,
        verdict,
        locked = record.locked.map(Lock::as_str),
        hand_over = record.hand_over.as_ref().map(outcome),
        ended_by = ?record.ended_by,
        reason = record.reason.as_ref().filter(|_| record.ended_by == EndedBy::Portero),
        ani = record.ani.as_ref().map(|ani| pseudonyms.of(Sort::Ani, ani)),
        customer = record.customer.as_ref().map(|customer| pseudonyms.of(Sort::Customer, customer)),
        seconds,
        "call ended"
    );
}

fn identification(record: &CallRecord) {
    if record.answered_at.is_none() {
        return;
    }
    let line = record.line.clone();
    let (method, result) = match record.identified_by {
        Some(Method::Ani) => ("ani", "identified"),
        Some(Method::Identifier) => ("identifier", "identified"),
        None => ("none", "unidentified"),
    };
    let labels = [("line", line.clone()), ("method", method.into()), ("result", result.into())];
    counter!("portero_identification_total", &labels).increment(1);
    if record.secret_attempts > 0 {
        let result = if record.verdict == Verdict::Verified { "verified" } else { "not_verified" };
        let labels = [("line", line.clone()), ("result", result.into())];
        counter!("portero_verification_total", &labels).increment(1);
    }
    let attempts = [("identifier", record.identifier_attempts), ("secret", record.secret_attempts)];
    for (step, attempts) in attempts {
        let labels = [("line", line.clone()), ("step", step.into())];
        counter!("portero_input_attempts_total", &labels).increment(u64::from(attempts));
    }
}

/// Counts what a check of the calling number came to, whoever made it.
fn number_check(record: &CallRecord) {
    let Some((outcome, by)) = record.ani_verstat.zip(record.ani_checked_by) else { return };
    let attestation = record.ani_attestation.map_or("none", Attestation::as_str);
    let labels = [("by", by.as_str()), ("outcome", outcome.as_str()), ("attestation", attestation)];
    counter!("portero_identity_checks_total", &labels).increment(1);
}

fn outcome(hand_over: &HandOver) -> &'static str {
    match hand_over.outcome {
        HandOverOutcome::Pending => "pending",
        HandOverOutcome::Completed => "completed",
        HandOverOutcome::Unconfirmed => "unconfirmed",
        HandOverOutcome::Refused => "refused",
        HandOverOutcome::Failed => "failed",
        HandOverOutcome::TimedOut => "timed_out",
        HandOverOutcome::Abandoned => "abandoned",
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::call::RegistrationView;

    fn trunk(name: &str, state: TrunkState, registered: Option<bool>) -> TrunkView {
        let registration = registered.map(|registered| RegistrationView {
            state: if registered { RegistrationWord::Registered } else { RegistrationWord::Failed },
            status: None,
            expires_in_s: None,
        });
        TrunkView { name: name.into(), calls: 0, state, registration, servers: Vec::new() }
    }

    #[test]
    fn a_trunk_that_is_gone_counts_nothing_and_one_that_was_never_known_is_not_shown() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let mut gauges = TrunkGauges::default();
        let mut shown = |trunks: &[TrunkView]| {
            metrics::with_local_recorder(&recorder, || gauges.show(trunks));
            let text = recorder.handle().render();
            let mut lines: Vec<_> = text
                .lines()
                .filter_map(|line| line.strip_prefix("portero_trunk_"))
                .map(str::to_owned)
                .collect();
            lines.sort();
            lines
        };
        let (up, down) = (TrunkState::Up, TrunkState::Down);
        let all = [trunk("a", up, Some(true)), trunk("b", down, None), trunk("c", TrunkState::Unknown, None)];
        let told = ["registered{trunk=\"a\"} 1", "up{trunk=\"a\"} 1", "up{trunk=\"b\"} 0"];
        assert_eq!(shown(&all), told);
        let told = ["registered{trunk=\"a\"} 0", "up{trunk=\"a\"} 1", "up{trunk=\"b\"} 0"];
        assert_eq!(shown(&[trunk("a", up, None)]), told);
        let told = ["registered{trunk=\"a\"} 0", "up{trunk=\"a\"} 0", "up{trunk=\"b\"} 0"];
        assert_eq!(shown(&[]), told);
    }
}
