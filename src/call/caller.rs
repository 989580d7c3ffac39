//! Whom a call is from: the first of the headers that its trunk is trusted for which tells a number.

use super::trunk::Trunk;
use crate::flow::{Ani, AniSource, PhoneNumber, Trust};
use crate::sip::{Claim, Identity, Invitation};

/// The calling number; `None` where there is none, or where it is withheld.
///
/// Of a peer on no trunk only From is read: anybody can write the other headers.
pub fn ani(identity: &Identity, trunk: Option<&Trunk>) -> Option<Ani> {
    if identity.is_withheld() {
        return None;
    }
    let (sources, trust) = match trunk {
        Some(trunk) => (&trunk.identity[..], Trust::Trunk),
        None => (&[AniSource::From][..], Trust::Claimed),
    };
    let (source, number) = sources.iter().find_map(|&source| match told(identity, source) {
        Told::Nothing => None,
        Told::Withheld => Some((source, None)),
        Told::Number(number) => Some((source, Some(number))),
    })?;
    let number = match trunk.and_then(|trunk| trunk.country) {
        Some(country) => number?.in_country(country),
        None => number?,
    };
    Some(Ani { number, source, trust })
}

/// The number that the caller dialled, where the call has been diverted to us from there. Only a trunk is believed.
pub fn first_dialled(invitation: &Invitation, trunk: Option<&Trunk>) -> Option<PhoneNumber> {
    let user = invitation.identity.first_dialled.as_deref().filter(|user| *user != invitation.dialled)?;
    let number = PhoneNumber::parse(user)?;
    Some(match trunk?.country {
        Some(country) => number.in_country(country),
        None => number,
    })
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
    use crate::flow::Country;
    use crate::sip::{Hop, Privacy};

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
            first_dialled: None,
            privacy: Vec::new(),
        }
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
            (Some("front-desk"), None, None),
            (None, Some("US"), None),
        ];
        for (first, country, expected) in table {
            let identity = Identity { first_dialled: first.map(ToOwned::to_owned), ..Identity::default() };
            let invitation = Invitation {
                dialled: "1000".into(),
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
            assert_eq!(ani(&wish, Some(&trunk(&[PAI, FROM], None))), None, "{privacy:?}");
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
