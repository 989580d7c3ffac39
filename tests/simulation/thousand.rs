//! A thousand callers at a time, half of whom the back end never answers; and a reload while callers listen.
//!
//! What must hold: every packet of every call leaves on its grid; whoever waits hears silence, and what was being said
//! to its end; nobody waits past the deadline; and a reload changes not one octet.

use std::sync::Arc;
use std::time::Duration;

use portero::audio::Codec;
use portero::flow::{PromptId, Verdict};

use super::hall::{Hall, Heard, plan};

const CALLERS: usize = 1000;

/// How long the conversation waits for a back end (`business`), in octets of sound.
const DEADLINE: usize = 3000 * 8;

/// A packet, before which nothing can be heard, and two grains of time.
const MARGIN: usize = 22 * 8;

fn prompt(id: &str) -> Vec<u8> {
    let library = plan().prompts;
    library.prompt("en", &PromptId::new(id)).expect("it is loaded").octets(Codec::Pcmu).to_vec()
}

/// All calls of the same kind have heard the same.
fn alike<'h>(mut heard: impl Iterator<Item = &'h Heard>) -> &'h Heard {
    let first = heard.next().expect("there are some");
    for other in heard {
        assert!(other.octets == first.octets, "one of them heard something else");
    }
    first
}

#[test]
fn a_thousand_callers_hear_every_octet_where_the_back_end_never_answers_half_of_them() {
    let mut hall = Hall::new(plan(), |asked| asked % 2 == 1);
    for _ in 0..CALLERS {
        hall.place_call();
        hall.pass(Duration::from_millis(1));
    }
    hall.pass(Duration::from_millis(500));
    assert_eq!(hall.switchboard.calls(), CALLERS, "all of them are there at a time");
    while hall.records.len() < CALLERS {
        hall.pass(Duration::from_secs(1));
    }
    let verdicts = |verdict| hall.records.iter().filter(|record| record.verdict == verdict).count();
    assert_eq!((verdicts(Verdict::Verified), verdicts(Verdict::Unidentified)), (CALLERS / 2, CALLERS / 2));

    let is_unanswered = |id| hall.unanswered.contains(id);
    let quick = alike(hall.heard.iter().filter(|(id, _)| !is_unanswered(id)).map(|(_, heard)| heard));
    let slow = alike(hall.heard.iter().filter(|(id, _)| is_unanswered(id)).map(|(_, heard)| heard));
    let [greeting, ask, apology, goodbye] = ["greeting", "ask-identifier", "apology", "goodbye"].map(prompt);
    let begins = quick.place_of(&greeting).expect("the greeting is heard");
    assert_eq!(slow.place_of(&greeting), Some(begins));
    assert!(quick.place_of(&ask) > Some(begins) && quick.place_of(&goodbye) > quick.place_of(&ask));
    let apologised = slow.place_of(&apology).expect("the apology is heard");
    assert!(apologised - begins <= DEADLINE + MARGIN, "{} ms", (apologised - begins) / 8);
    assert_eq!(slow.place_of(&goodbye), Some(apologised + apology.len()));
    let waited = &slow.octets[begins + greeting.len()..apologised];
    assert!(waited.iter().all(|octet| *octet == Codec::Pcmu.silence()) && !waited.is_empty());
}

#[test]
fn a_reload_changes_no_octet_of_what_is_heard() {
    let hear = |reloads: bool| {
        let mut hall = Hall::new(plan(), |_| false);
        for _ in 0..20 {
            hall.place_call();
            hall.pass(Duration::from_millis(100));
        }
        for _ in 0..20 {
            if reloads {
                hall.switchboard.set_plan(Arc::new(plan()), hall.now);
            }
            hall.pass(Duration::from_millis(700));
        }
        assert_eq!(hall.records.len(), 20);
        hall.heard
    };
    let (undisturbed, disturbed) = (hear(false), hear(true));
    assert_eq!(undisturbed.len(), 20);
    for (one, other) in undisturbed.values().zip(disturbed.values()) {
        assert!(one.octets == other.octets);
    }
}
