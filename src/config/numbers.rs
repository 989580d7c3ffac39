//! Reads `[numbers]`: whose calls are not taken, and whose are asked nothing.

use super::section::{Complaint, Section, Text};
use crate::call::{NumberRange, Numbers};

/// What `[numbers]` says.
pub(super) fn read(mut section: Section<'_>) -> Numbers {
    let mut list = |key| {
        let texts = section.texts(key).unwrap_or_default();
        let read = |text: Text<'_>| section.accept(text.span(), range(text.get_ref()));
        texts.into_iter().filter_map(read).collect()
    };
    let numbers = Numbers { blocked: list("blocked"), to_agent: list("to_agent") };
    section.finish();
    numbers
}

fn range(text: &str) -> Result<NumberRange, Complaint> {
    NumberRange::parse(text).ok_or_else(|| {
        Complaint::new(
            format!("`{text}` is no number in E.164, nor a range of them"),
            "write \"+12025550101\", \"+1900*\" for all that begin so, or \"+4930000-+4930999\", both of one length",
        )
    })
}
