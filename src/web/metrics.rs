//! The metrics: their names, what they mean, and their histograms' bounds.
//!
//! Base units throughout. Labels are lines, verdicts, targets, methods, reasons and the like: never a number,
//! a name or an identifier of a caller.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

/// Counters and what they count.
const COUNTERS: &[(&str, &str)] = &[
    ("portero_calls_total", "Calls that have ended, by line and verdict."),
    ("portero_identification_total", "Identifications that have ended, by line, method and result."),
    ("portero_verification_total", "Verifications that have ended, by line and result."),
    ("portero_input_attempts_total", "Entries that callers made, by line, step and result."),
    ("portero_crm_requests_total", "Requests to the back end, by action and result."),
    ("portero_transfers_total", "Hand-overs that have ended, by target, mode and result."),
    ("portero_sip_requests_total", "SIP requests received, by method."),
    ("portero_sip_responses_total", "SIP responses sent, by method and code."),
    ("portero_sip_rejected_total", "SIP messages not processed, by reason."),
    ("portero_sip_send_failures_total", "SIP datagrams that the kernel did not take."),
    ("portero_rtp_packets_lost_total", "RTP packets missing from what was received."),
    ("portero_rtp_packets_filtered_total", "RTP packets of audio that were kept back inside the kernel."),
    ("portero_rtp_slots_missed_total", "Instants at which a media thread came too late to send."),
    ("portero_rtp_send_failures_total", "RTP packets that the kernel did not take."),
    ("portero_media_events_lost_total", "Media events that found no room; 0 unless something is very wrong."),
    ("portero_digits_total", "Digits keyed by callers, by source."),
    ("portero_records_written_total", "Call records brought to the database, from the spool or directly."),
    (
        "portero_records_spooled_total",
        "Call records that went to the spool because the database did not take them in time.",
    ),
    ("portero_records_lost_total", "Call records that neither the database nor the spool took."),
    (
        "portero_records_purged_total",
        "Call records, and those with fields, whose time was over, by what went.",
    ),
    ("portero_speech_requests_total", "Texts that the voice was to say and recordings fetched, by result."),
    ("portero_recordings_total", "Recordings of calls, by result."),
    ("portero_recording_frames_lost_total", "Packets of recorded calls that the recorder was too late for."),
    (
        "portero_webhook_deliveries_total",
        "Events told to webhooks, by webhook and result; each try that was not acknowledged counts as failed.",
    ),
    ("portero_panics_total", "Panics, by which something broke off; 0 unless the program is wrong."),
    ("portero_web_rejected_total", "HTTP connections, requests and event streams turned away, by reason."),
    ("portero_logins_total", "Logins to the pages, by result."),
    (
        "portero_web_streams_behind_total",
        "Times that a reader of events fell behind and was sent the whole board.",
    ),
];

/// Gauges and what they show.
const GAUGES: &[(&str, &str)] = &[
    ("portero_calls_active", "Calls under way."),
    ("portero_ports_in_use", "Media ports in use."),
    ("portero_crm_breaker_open", "Whether a back end is left alone because it keeps failing, by back end."),
    ("portero_recordings_active", "Calls that are being recorded."),
    ("portero_webhook_spool_events", "Events that wait for a webhook to acknowledge them, by webhook."),
    ("portero_trunk_up", "Whether a trunk can be used as far as is known, by trunk."),
    ("portero_trunk_registered", "Whether our registration with a trunk holds, by trunk."),
];

/// Histograms in seconds, what they measure, and the upper bounds of their buckets.
const HISTOGRAMS: &[(&str, &str, &[f64])] = &[
    (
        "portero_call_seconds",
        "How long calls were, from answer to end.",
        &[1.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0],
    ),
    (
        "portero_crm_request_seconds",
        "How long the back end took to answer.",
        &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0],
    ),
    (
        "portero_speech_request_seconds",
        "How long it took until a text was spoken or a recording fetched, be it from the cache.",
        &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0],
    ),
    (
        "portero_rtp_lateness_seconds",
        "How long after its instant the last packet of each millisecond was sent.",
        &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1],
    ),
];

/// Makes a recorder of all metrics the process's own. Once per process, before anything is counted.
///
/// # Errors
/// [`BuildError::FailedToSetGlobalRecorder`] if there is one already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let recorder = recorder()?;
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    describe();
    Ok(handle)
}

fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for (name, _, bounds) in HISTOGRAMS {
        builder = builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), bounds)?;
    }
    Ok(builder.build_recorder())
}

fn describe() {
    for (name, help) in COUNTERS {
        describe_counter!(*name, *help);
    }
    for (name, help) in GAUGES {
        describe_gauge!(*name, *help);
    }
    for (name, help, _) in HISTOGRAMS {
        describe_histogram!(*name, Unit::Seconds, *help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::{counter, gauge, histogram};

    #[test]
    fn every_metric_is_described_and_histograms_have_buckets() {
        let recorder = recorder().expect("the bounds are valid");
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            for (name, _) in COUNTERS {
                counter!(*name).increment(1);
            }
            for (name, _) in GAUGES {
                gauge!(*name).set(1.0);
            }
            for (name, _, bounds) in HISTOGRAMS {
                histogram!(*name).record(bounds[0]);
            }
        });
        let text = handle.render();
        let described = COUNTERS.iter().chain(GAUGES).copied();
        for (name, help) in described.chain(HISTOGRAMS.iter().map(|(name, help, _)| (*name, *help))) {
            assert!(text.contains(&format!("# HELP {name} {help}")), "{name} in {text}");
        }
        for (name, _, bounds) in HISTOGRAMS {
            assert!(text.contains(&format!("{name}_bucket{{le=\"{}\"}} 1", bounds[0])), "{name} in {text}");
        }
    }
}
