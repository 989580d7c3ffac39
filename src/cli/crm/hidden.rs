//! What is not to be shown, and its place taken in whatever is: in a URL, a header, a body or an answer that repeats it.

use crate::crm::{Authentication, HeaderName, Place, Service};
use crate::flow::Query;

/// What stands in place of what is not shown.
pub(super) const STAND_IN: &str = "(hidden)";

/// Values that are shown nowhere. It has no `Debug`, as that would show them.
pub(super) struct Hidden {
    /// Each as it may be written, the longest first, so that none is left in part.
    written: Vec<String>,
    /// Headers whose values are not shown at all.
    headers: Vec<HeaderName>,
}

impl Hidden {
    /// What lets us into a back end, and what was taken from the environment.
    pub(super) fn of(service: Option<&Service>, taken: &[String]) -> Self {
        let mut hidden = Self { written: Vec::new(), headers: Vec::new() };
        for value in taken {
            hidden.value(value);
        }
        let Some(service) = service else { return hidden };
        hidden.headers.extend(service.headers.iter().map(|(name, _)| name.clone()));
        for (_, value) in &service.headers {
            hidden.credential(value.as_bytes());
        }
        match &service.authentication {
            Authentication::None => {}
            Authentication::Header(name, value) => {
                hidden.headers.push(name.clone());
                hidden.credential(value.as_bytes());
            }
            Authentication::Parameter(_, key) => hidden.value(key.expose()),
            Authentication::Token(oauth2) => hidden.value(oauth2.client_secret.expose()),
        }
        hidden
    }

    /// Hides what a caller would key in confidence, too.
    pub(super) fn also(&mut self, query: &Query) {
        if let Query::Secret { secret, .. } = query {
            self.value(secret.expose());
        }
    }

    /// Hides a credential, with and without the word before it (`Bearer …`).
    pub(super) fn credential(&mut self, value: &[u8]) {
        let Ok(text) = std::str::from_utf8(value) else { return };
        self.value(text);
        if let Some((_, bare)) = text.split_once(' ') {
            self.value(bare);
        }
    }

    fn value(&mut self, value: &str) {
        if value.is_empty() {
            return;
        }
        let places = [Place::Form, Place::Json, Place::Xml];
        let escaped = places.iter().filter_map(|place| place.escape(value)).map(|text| text.to_string());
        self.written.extend(escaped);
        // As a query is written where a blank is a plus.
        self.written.extend(Place::Form.escape(value).map(|text| text.replace("%20", "+")));
        self.written.push(value.to_owned());
        self.written.sort_by_key(|text| std::cmp::Reverse(text.len()));
        self.written.dedup();
    }

    /// Whether a header is not shown at all.
    pub(super) fn hides(&self, name: &HeaderName) -> bool {
        self.headers.contains(name)
    }

    /// `text` as it may be shown: on a terminal, too, which control characters would change.
    pub(super) fn from(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for value in &self.written {
            shown = shown.replace(value.as_str(), STAND_IN);
        }
        shown.chars().map(|letter| if letter.is_control() && letter != '\n' { '·' } else { letter }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Customer;
    use crate::secret::{Password, Secret};

    #[test]
    fn nothing_hidden_is_left_however_it_is_written() {
        let authentication =
            Authentication::Parameter("key".to_owned(), Password::new("k&y \"1\"".to_owned()));
        let service =
            Service { authentication, ..Service::at("https://crm.example.com".parse().expect("a URL")) };
        let mut hidden = Hidden::of(Some(&service), &["s3cret".to_owned(), "s3cret-and-more".to_owned()]);
        hidden.also(&Query::Secret {
            customer: Customer::new("7", None),
            secret: Secret::new("4711".to_owned()),
            positions: Vec::new(),
        });
        let table = [
            ("?key=k%26y%20%221%22", "?key=(hidden)"),
            ("?key=k%26y+%221%22", "?key=(hidden)"),
            (r#"{"key":"k&y \"1\"","pin":"4711"}"#, r#"{"key":"(hidden)","pin":"(hidden)"}"#),
            ("<key>k&amp;y &quot;1&quot;</key>", "<key>(hidden)</key>"),
            ("s3cret-and-more s3cret", "(hidden) (hidden)"),
            ("a\u{1b}[2Jb\nc", "a·[2Jb\nc"),
        ];
        for (text, expected) in table {
            assert_eq!(hidden.from(text), expected, "{text}");
        }
    }
}
