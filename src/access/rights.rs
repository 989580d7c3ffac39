//! Scopes, one for each kind of thing that can be read or done, and roles, which are sets of them.
//!
//! Roles are no ladder: who edits lines need not see callers' recordings. A new scope is in no role but `admin` until
//! somebody puts it there.

use std::fmt;

/// One kind of thing that can be read or done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Scope {
    /// The board: calls that are up, and those of the last hour, without their records.
    CallsRead,
    /// One hand-over by its token, and the tokens of calls.
    HandOversRead,
    /// Whole call records.
    RecordsRead,
    /// The SIP messages of a call.
    TracesRead,
    /// What was said in a call.
    RecordingsRead,
    /// How the trunks are doing.
    TrunksRead,
    /// Which emergency switches are on.
    EmergencyRead,
    /// Turning them.
    EmergencyWrite,
    /// Having the configuration read again.
    ReloadWrite,
    /// Who is locked out.
    LocksRead,
    /// Lifting it.
    LocksWrite,
    /// Exporting and erasing what is kept of a customer.
    PrivacyWrite,
    /// Who did what.
    AuditRead,
    /// The metrics.
    MetricsRead,
}

/// Scopes and their words.
const WORDS: [(Scope, &str); 14] = [
    (Scope::CallsRead, "calls:read"),
    (Scope::HandOversRead, "handovers:read"),
    (Scope::RecordsRead, "records:read"),
    (Scope::TracesRead, "traces:read"),
    (Scope::RecordingsRead, "recordings:read"),
    (Scope::TrunksRead, "trunks:read"),
    (Scope::EmergencyRead, "emergency:read"),
    (Scope::EmergencyWrite, "emergency:write"),
    (Scope::ReloadWrite, "reload:write"),
    (Scope::LocksRead, "locks:read"),
    (Scope::LocksWrite, "locks:write"),
    (Scope::PrivacyWrite, "privacy:write"),
    (Scope::AuditRead, "audit:read"),
    (Scope::MetricsRead, "metrics:read"),
];

impl Scope {
    /// Every scope.
    pub fn all() -> impl Iterator<Item = Self> {
        WORDS.into_iter().map(|(scope, _)| scope)
    }

    /// Its word, such as `calls:read`.
    pub fn word(self) -> &'static str {
        WORDS.iter().find(|(scope, _)| *scope == self).map_or("", |(_, word)| word)
    }

    /// The scope of a word.
    pub fn parse(word: &str) -> Option<Self> {
        WORDS.iter().find(|(_, own)| *own == word).map(|(scope, _)| *scope)
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u32);

impl Scopes {
    /// No scope.
    pub const NONE: Self = Self(0);

    /// Every scope there is.
    pub fn all() -> Self {
        Scope::all().collect()
    }

    /// Whether this scope is among them.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These and those.
    #[must_use]
    pub fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those of words with spaces or commas between them, each a scope's or a role's; or the word that is none.
    pub fn parse(words: &str) -> Result<Self, &str> {
        let words = words.split([' ', ',']).filter(|word| !word.is_empty());
        words.map(|word| Self::of_word(word).ok_or(word)).try_fold(Self::NONE, |all, own| Ok(all.with(own?)))
    }

    /// The scope of a word, or those of the role of this name.
    pub fn of_word(word: &str) -> Option<Self> {
        let scope = Scope::parse(word).map(|scope| Self(bit(scope)));
        scope.or_else(|| Role::parse(word).map(Role::scopes))
    }
}

fn bit(scope: Scope) -> u32 {
    1 << scope as u8
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | bit(scope)))
    }
}

/// Their words with spaces between them, which [`Scopes::parse`] reads back.
impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = Scope::all().filter(|scope| self.has(*scope)).map(Scope::word).collect();
        formatter.pad(&words.join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Scopes({self})")
    }
}

/// What somebody is here for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Takes the calls that are handed over.
    Agent,
    /// Answers for what happens in calls.
    Supervisor,
    /// Makes the lines, and sees that calls arrive.
    Editor,
    /// Everything.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Agent, Self::Supervisor, Self::Editor, Self::Admin];

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// What it may do.
    pub fn scopes(self) -> Scopes {
        match self {
            Self::Agent => [Scope::CallsRead, Scope::HandOversRead].into_iter().collect(),
            Self::Supervisor => [
                Scope::CallsRead,
                Scope::HandOversRead,
                Scope::RecordsRead,
                Scope::TracesRead,
                Scope::RecordingsRead,
                Scope::TrunksRead,
                Scope::EmergencyRead,
                Scope::EmergencyWrite,
                Scope::LocksRead,
                Scope::LocksWrite,
                Scope::MetricsRead,
            ]
            .into_iter()
            .collect(),
            Self::Editor => [
                Scope::CallsRead,
                Scope::TrunksRead,
                Scope::EmergencyRead,
                Scope::EmergencyWrite,
                Scope::ReloadWrite,
                Scope::MetricsRead,
            ]
            .into_iter()
            .collect(),
            Self::Admin => Scopes::all(),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_to_what_they_stand_for() {
        for scope in Scope::all() {
            assert_eq!(Scope::parse(scope.word()), Some(scope));
            assert_eq!(WORDS[scope as usize].0, scope, "the table is in the order of the enum");
        }
        for role in Role::ALL {
            assert_eq!(Role::parse(role.word()), Some(role));
            assert_eq!(Scopes::parse(&role.scopes().to_string()), Ok(role.scopes()));
            assert_eq!(Scopes::parse(role.word()), Ok(role.scopes()));
        }
        assert_eq!(
            Scopes::parse("calls:read, traces:read").map(|scopes| scopes.to_string()),
            Ok("calls:read traces:read".into())
        );
        assert_eq!(Scopes::parse("calls:read calls:*"), Err("calls:*"));
        assert_eq!(Scopes::parse(""), Ok(Scopes::NONE));
    }

    #[test]
    fn what_each_role_may_do_is_this_and_no_more() {
        let table = [
            (Role::Agent, "calls:read handovers:read"),
            (
                Role::Supervisor,
                "calls:read handovers:read records:read traces:read recordings:read trunks:read emergency:read \
                 emergency:write locks:read locks:write metrics:read",
            ),
            (Role::Editor, "calls:read trunks:read emergency:read emergency:write reload:write metrics:read"),
        ];
        for (role, expected) in table {
            assert_eq!(role.scopes().to_string(), expected, "{role}");
        }
        assert!(Scope::all().all(|scope| Role::Admin.scopes().has(scope)));
    }
}
