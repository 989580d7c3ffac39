//! Whom a call is from: the first of the headers that its trunk is trusted for which tells a number.

use super::trunk::Trunk;
use crate::flow::{Ani, AniSource, Check, PhoneNumber, Trust};
use crate::sip::{Claim, Identity, Invitation};

/// What can be told of whom a call is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Calling {
    /// A number.
    Number(Ani),
    /// That it is to be kept back.
    Withheld,
    /// Nothing that is a number.
    Nothing,
}

impl Calling {
    /// The number, where there is one.
    pub fn ani(self) -> Option<Ani> {
        match self {
            Self::Number(ani) => Some(ani),
            Self::Withheld | Self::Nothing => None,
        }
    }
}

/// Whom a call is from. Of a peer on no trunk only From is read: anybody can write the other headers.
pub fn calling(identity: &Identity, trunk: Option<&Trunk>) -> Calling {
    if identity.is_withheld() {
        return Calling::Withheld;
    }
    let sources = trunk.map_or(&[AniSource::From][..], |trunk| &trunk.identity);
    let told = sources.iter().find_map(|&source| match told(identity, source) {
        Told::Nothing => None,
        Told::Withheld => Some(Calling::Withheld),
        Told::Number(number) => {
            let number = in_country(number, trunk);
            let trust = trunk.map_or(Trust::Claimed, |trunk| trust(identity, trunk, &number));
            Some(Calling::Number(Ani { number, source, trust }))
        }
    });
    told.unwrap_or(Calling::Nothing)
}

/// A trunk's word, and with it what its network's check came to where it is believed in that. What was checked
/// is a number: the word for another one says nothing of this.
fn trust(identity: &Identity, trunk: &Trunk, number: &PhoneNumber) -> Trust {
    let is_of_number = |user: &str| {
        PhoneNumber::parse(user).is_some_and(|checked| in_country(checked, Some(trunk)) == *number)
    };
    let mut verstats = identity.verstats.iter().filter(|verstat| is_of_number(&verstat.user));
    let check = verstats.find_map(|verstat| Check::parse(&verstat.word)).filter(|_| trunk.verstat);
    check.map_or(Trust::Trunk, Trust::Checked)
}

/// A number in E.164, where it is one of the trunk's country.
pub(super) fn in_country(number: PhoneNumber, trunk: Option<&Trunk>) -> PhoneNumber {
    match trunk.and_then(|trunk| trunk.country) {
        Some(country) => number.in_country(country),
        None => number,
    }
}

/// The number that the caller dialled, where the call has been diverted to us from there. Only a trunk is believed.
pub fn first_dialled(invitation: &Invitation, trunk: Option<&Trunk>) -> Option<PhoneNumber> {
    let trunk = Some(trunk?);
    let first = in_country(PhoneNumber::parse(invitation.identity.first_dialled.as_deref()?)?, trunk);
    let dialled = PhoneNumber::parse(&invitation.dialled).map(|number| in_country(number, trunk));
    // A History-Info may tell no more than the way to us (RFC 7044), in national form or in E.164.
    (dialled.as_ref() != Some(&first)).then_some(first)
}

/// What one header tells.
enum Told {
    Nothing,
    Withheld,
    Number(PhoneNumber),
}

/// Of several numbers, one in E.164 is taken before one that needs a country to be understood.
fn told(identity: &Identity, source: AniSource) -> Told {
    let claims = match source {
        AniSource::PAssertedIdentity => &identity.asserted[..],
        AniSource::RemotePartyId => &identity.remote_party[..],
        AniSource::From => identity.from.as_slice(),
    };
    if claims.contains(&Claim::Anonymous) {
        return Told::Withheld;
    }
    let numbers = claims.iter().filter_map(|claim| match claim {
        Claim::User(user) => PhoneNumber::parse(user),
        Claim::Anonymous => None,
    });
    numbers.min_by_key(|number| !number.as_str().starts_with('+')).map_or(Told::Nothing, Told::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Attestation, CheckOutcome, CheckedBy, Country};
    use crate::sip::{Hop, Privacy, Verstat};

    const PAI: AniSource = AniSource::PAssertedIdentity;
    const RPID: AniSource = AniSource::RemotePartyId;
    const FROM: AniSource = AniSource::From;

    fn trunk(identity: &[AniSource], country: Option<&str>) -> Trunk {
        Trunk {
            name: "carrier".into(),
            addresses: Vec::new(),
            calls_max: None,
            calls_per_second: None,
            identity: identity.to_vec(),
            login: None,
            account: None,
            uplink: None,
            verstat: false,
            passports: false,
            transport: None,
            country: country.map(|code| Country::parse(code).expect("a country")),
        }
    }

    /// Users in a row; `-` for anonymous.
    fn claims(words: &str) -> Vec<Claim> {
        let claim = |word: &str| if word == "-" { Claim::Anonymous } else { Claim::User(word.to_owned()) };
        words.split_ascii_whitespace().map(claim).collect()
    }

    fn identity(asserted: &str, remote_party: &str, from: &str) -> Identity {
        Identity {
            asserted: claims(asserted),
            remote_party: claims(remote_party),
            from: claims(from).pop(),
            ..Identity::default()
        }
    }

    fn ani(identity: &Identity, trunk: Option<&Trunk>) -> Option<Ani> {
        calling(identity, trunk).ani()
    }

    #[test]
    fn the_trunks_setting_decides_whom_to_believe() {
        let all = identity("+12025550101", "+12025550102", "+12025550103");
        let table = [
            (&[FROM][..], &all, Some(("+12025550103", FROM))),
            (&[PAI], &all, Some(("+12025550101", PAI))),
            (&[RPID, PAI], &all, Some(("+12025550102", RPID))),
            (&[PAI, RPID, FROM], &identity("", "", "+12025550103"), Some(("+12025550103", FROM))),
            (&[PAI, RPID, FROM], &identity("", "jane", "+12025550103"), Some(("+12025550103", FROM))),
            (&[PAI, RPID], &identity("", "", "+12025550103"), None),
            (&[PAI], &identity("jane +12025550101", "", ""), Some(("+12025550101", PAI))),
            (&[PAI], &identity("2025550199 +12025550101", "", ""), Some(("+12025550101", PAI))),
            (&[PAI], &identity("2025550101 2025550199", "", ""), Some(("2025550101", PAI))),
            (&[PAI, FROM], &identity("-", "", "+12025550103"), None),
            (&[PAI, FROM], &identity("+12025550101", "-", "+12025550103"), Some(("+12025550101", PAI))),
            (&[RPID, FROM], &identity("", "-", "+12025550103"), None),
            (&[PAI], &identity("+12025550101", "", "-"), None),
            (&[PAI, FROM], &identity("", "", ""), None),
        ];
        for (sources, identity, expected) in table {
            let ani = ani(identity, Some(&trunk(sources, None)));
            let told = ani.as_ref().map(|ani| (ani.number.as_str(), ani.source));
            assert_eq!(told, expected, "{sources:?} {identity:?}");
            assert!(ani.is_none_or(|ani| ani.trust == Trust::Trunk));
        }
    }

    #[test]
    fn a_stranger_is_taken_at_their_from_and_no_more() {
        let told = ani(&identity("+12025550101", "+12025550102", "+12025550103"), None).expect("a number");
        assert_eq!((told.number.as_str(), told.source, told.trust), ("+12025550103", FROM, Trust::Claimed));
        assert_eq!(ani(&identity("+12025550101", "+12025550102", ""), None), None);
    }

    #[test]
    fn a_diverted_call_was_dialled_elsewhere() {
        let table = [
            (Some("2025550001"), Some("US"), Some("+12025550001")),
            (Some("2025550001"), None, Some("2025550001")),
            (Some("1000"), None, None),
            (Some("+12025550009"), Some("US"), None),
            (Some("front-desk"), None, None),
            (None, Some("US"), None),
        ];
        for (first, country, expected) in table {
            let identity = Identity { first_dialled: first.map(ToOwned::to_owned), ..Identity::default() };
            let dialled = if first.is_some_and(|first| first.ends_with('9')) { "2025550009" } else { "1000" };
            let invitation = Invitation {
                dialled: dialled.into(),
                token: None,
                verdict: None,
                identity,
                sip_call_id: String::new(),
                hop: Hop::udp(([192, 0, 2, 2], 5060).into(), ([192, 0, 2, 1], 5060).into()),
                login: None,
                offer: None,
            };
            let told = first_dialled(&invitation, Some(&trunk(&[FROM], country)));
            assert_eq!(told.as_ref().map(PhoneNumber::as_str), expected, "{first:?}");
            assert_eq!(first_dialled(&invitation, None), None, "{first:?} of a stranger");
        }
    }

    #[test]
    fn who_asks_for_privacy_has_it() {
        for privacy in [Privacy::Id, Privacy::User, Privacy::Header] {
            let wish = Identity { privacy: vec![privacy], ..identity("+12025550101", "", "+12025550103") };
            let told = calling(&wish, Some(&trunk(&[PAI, FROM], None)));
            assert_eq!(told, Calling::Withheld, "{privacy:?}");
        }
    }

    #[test]
    fn a_number_kept_back_is_not_a_number_that_nobody_told() {
        let table = [
            ("", "-", Calling::Withheld),
            ("-", "+12025550103", Calling::Withheld),
            ("", "", Calling::Nothing),
            ("", "jane", Calling::Nothing),
        ];
        for (asserted, from, expected) in table {
            let told = calling(&identity(asserted, "", from), Some(&trunk(&[PAI, FROM], None)));
            assert_eq!(told, expected, "{asserted:?} {from:?}");
        }
    }

    #[test]
    fn a_check_counts_for_its_number_from_a_trunk_that_is_believed() {
        let by = CheckedBy::Trunk;
        let passed = |attestation| Some(Check { outcome: CheckOutcome::Passed, attestation, by });
        let failed = Some(Check { outcome: CheckOutcome::Failed, attestation: None, by });
        let table = [
            (true, &[("+12025550101", "TN-Validation-Passed-A")][..], passed(Some(Attestation::A))),
            (
                true,
                &[("+12025550103", "TN-Validation-Failed"), ("2025550101", "TN-Validation-Passed")],
                passed(None),
            ),
            (true, &[("+12025550101", "TN-Validation-Failed")], failed),
            (true, &[("+12025550101", "who knows"), ("+12025550101", "TN-Validation-Failed")], failed),
            (true, &[("+12025550103", "TN-Validation-Passed-A")], None),
            (true, &[], None),
            (false, &[("+12025550101", "TN-Validation-Passed-A")], None),
        ];
        for (believed, words, expected) in table {
            let verstat = |&(user, word): &(&str, &str)| Verstat { user: user.into(), word: word.into() };
            let verstats = words.iter().map(verstat).collect();
            let identity = Identity { verstats, ..identity("+12025550101", "", "+12025550103") };
            let trunk = Trunk { verstat: believed, ..trunk(&[PAI, FROM], Some("US")) };
            let told = ani(&identity, Some(&trunk)).expect("a number");
            assert_eq!(told.trust.check(), expected, "{believed} {words:?}");
            let stranger = ani(&identity, None).expect("a number");
            assert_eq!(stranger.trust, Trust::Claimed, "{words:?}");
        }
    }

    #[test]
    fn the_trunks_country_makes_the_number_international() {
        let table = [
            (Some("US"), "2025550101", "+12025550101"),
            (Some("DE"), "03012345678", "+493012345678"),
            (Some("DE"), "+12025550101", "+12025550101"),
            (None, "2025550101", "2025550101"),
        ];
        for (country, from, expected) in table {
            let ani = ani(&identity("", "", from), Some(&trunk(&[FROM], country))).expect("a number");
            assert_eq!(ani.number.as_str(), expected, "{from} {country:?}");
        }
    }
}
