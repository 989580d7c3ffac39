//! Reads `notice`: what callers are told of and may accept, and what follows for those who do not.

use super::super::section::{Complaint, Section};
use super::super::values;
use super::question::{Usual, WaysOut};
use super::{Faulty, Reader};
use crate::flow::Notice;
use crate::secret::Digit;

/// The key that accepts, where the file does not say another.
const ACCEPTS: &str = "1";

const NOTICE: Usual = Usual {
    no_match: &[&["notice"]],
    no_input: &[&["notice-no-input-1"]],
    ways_out: WaysOut::Declining,
    ..Usual::choice(&["notice"])
};

impl Reader<'_, '_> {
    /// The notice, if there is one.
    pub(super) fn notice(&mut self, section: &mut Section<'_>) -> Result<Option<Notice>, Faulty> {
        let mut section = section.section("notice", "this line's `notice`");
        if !section.is_present() {
            return Ok(None);
        }
        let accept = match section.value("accept") {
            Some(_) => section.read("accept", accepting),
            None => accepting(ACCEPTS).ok(),
        };
        let question = self.question(&mut section, &NOTICE, accept.as_slice());
        section.finish();
        let (question, accept) = question.zip(accept).ok_or(Faulty)?;
        Ok(Some(Notice { question, accept }))
    }
}

fn accepting(text: &str) -> Result<Digit, Complaint> {
    let key = values::key(text)?;
    key.is_decimal().then_some(key).ok_or_else(|| {
        Complaint::new(
            format!("`{text}` cannot be accepted with"),
            "the keys to accept with are 0 to 9; * and # are for `opt_out` and `help`",
        )
    })
}
