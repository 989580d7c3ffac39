//! Who may do what: roles and scopes, keys and passwords, sessions, and how often one may try.
//!
//! Nothing here knows of HTTP, of the database or of the time: the web side asks, and is given the time. Callers are
//! no business of this module: they are identified and verified by `flow`.

mod key;
mod password;
mod rights;
mod session;
mod throttle;

pub use key::{Key, KeyHash};
pub use password::{Fingerprint, PasswordHash, Unfit, judge, made_up_password, new_password};
pub use rights::{Role, Scope, Scopes};
pub use session::{Identity, Lifetimes, Proof, Sessions};
pub use throttle::Throttle;

use std::fmt;

/// The longest name of a user or a token, in characters.
const NAME_LENGTH_MAX: usize = 64;

/// What a user or a token is called: letters of ASCII in lower case, digits, and `. _ - @`.
///
/// One name has one spelling, so that `Ann` and `ann` cannot be two people.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

impl Name {
    /// `text` as a name; `None` where it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.trim().to_ascii_lowercase();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
        let usable = (1..=NAME_LENGTH_MAX).contains(&name.len()) && name.bytes().all(fits);
        usable.then(|| Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling_and_is_inert() {
        let table = [
            ("Ann", Some("ann")),
            (" ann@example.com ", Some("ann@example.com")),
            ("", None),
            ("ann o'neill", None),
            ("<b>", None),
            ("ann\r\nSet-Cookie: a", None),
            ("änn", None),
        ];
        for (text, expected) in table {
            assert_eq!(Name::parse(text).as_ref().map(Name::as_str), expected, "{text}");
        }
        assert_eq!(Name::parse(&"a".repeat(65)), None);
    }
}
