//! Reads what follows each verdict, and whatever else is said before a call goes on.

use super::super::fault::Fault;
use super::super::nearest::listed;
use super::super::section::{Kind, Section};
use super::onward::Aim;
use super::spoken::{Where, announcement, announcement_or, usual};
use super::{Reader, Way};
use crate::flow::{Announcement, ByVerdict, Next, TargetName, Then};

/// What is said and where the call goes; `None` where that is faulty.
pub(super) type Exit = Option<Next>;

impl Reader<'_, '_> {
    /// A section that says something and sends the call on, or the lack of it, which ends the call.
    pub(super) fn exit(&mut self, section: &mut Section<'_>, key: &'static str, say: &str, way: Way) -> Exit {
        let mut inner = section.section(key, format!("this line's `{key}`"));
        let then = self.aim(&mut inner, way).or(&Aim::At(Then::HangUp)).at();
        let say = said(&mut inner, "say", &usual(&[say], Where::Anywhere));
        inner.finish();
        Some(Next { say: say?, then: then? })
    }

    /// `hand_over`: the way on for each verdict, and what is said when nobody took the call.
    pub(super) fn hand_over(&mut self, section: &mut Section<'_>) -> (Option<ByVerdict<Next>>, Announcement) {
        let mut section = section.section("hand_over", "this line's `hand_over`");
        let failed = announcement_or(&mut section, "failed", "hand-over-failed");
        let only = match self.surroundings.targets[..] {
            [only] => Aim::At(Then::HandOver(vec![TargetName::new(only)])),
            _ => Aim::Unsaid,
        };
        let default = self.aim(&mut section, Way::Verdict).or(&only);
        let mut unsaid = false;
        let mut plan = |key, say| {
            let mut inner = section.section(key, format!("this line's `{key}`"));
            inner.ask("prompt", Kind::Announcement);
            inner.ask("say", Kind::Announcement);
            // The older word for what is said here.
            let word = if inner.value("say").is_some() { "say" } else { "prompt" };
            let own = self.aim(&mut inner, Way::Verdict);
            unsaid |= matches!(own.clone().or(&default), Aim::Unsaid);
            let then = own.or(&default).at();
            let say = then.as_ref().and_then(|then| said(&mut inner, word, &parting(then, say)));
            inner.finish();
            Some(Next { say: say?, then: then? })
        };
        let verified = plan("verified", "hand-over-verified");
        let identified = plan("identified", "hand-over-identified");
        let unidentified = plan("unidentified", "hand-over-unidentified");
        if unsaid {
            section.note(self.no_target(&section));
        }
        section.finish();
        let [Some(verified), Some(identified), Some(unidentified)] = [verified, identified, unidentified]
        else {
            return (None, failed);
        };
        for next in [&verified, &identified, &unidentified] {
            if let Then::HandOver(targets) = &next.then {
                self.found.targets.extend(targets.iter().cloned());
            }
        }
        (Some(ByVerdict { verified, identified, unidentified }), failed)
    }

    fn no_target(&self, section: &Section<'_>) -> Fault {
        let targets = &self.surroundings.targets;
        let help = match targets[..] {
            [] => "add a [targets.agents] section with `uri = \"sip:…\"`".to_owned(),
            _ => format!("add `hand_over.target = …`; the targets are: {}", listed(targets)),
        };
        Fault::at(section.span(), "this line does not say where its calls go").help(help)
    }
}

/// What `key` has said, or else this; `None` where it is faulty.
fn said(section: &mut Section<'_>, key: &'static str, otherwise: &Announcement) -> Option<Announcement> {
    if section.value(key).is_none() {
        return Some(otherwise.clone());
    }
    announcement(section, key, Where::Anywhere)
}

/// What is usually said before a call goes on: that it is put through, which is true of a hand-over only.
fn parting(then: &Then, hand_over: &str) -> Announcement {
    match then {
        Then::HandOver(_) => usual(&[hand_over], Where::Anywhere),
        Then::Line(_) => Announcement::nothing(),
        Then::HangUp => usual(&["goodbye"], Where::Anywhere),
    }
}
