//! What a proof is charged to: to whom it is for, and by what it comes.

use crate::call::Origin;
use crate::flow::{Lock, Query};
use crate::locks::Key;

/// The keys of what is asked, in the order in which they are looked at; `None` where it is no proof.
pub fn keys(query: &Query, origin: &Origin) -> Option<Vec<Key>> {
    let Query::Secret { customer, .. } = query else { return None };
    let mut keys = vec![Key::new(Lock::Customer, &customer.id)];
    keys.extend(origin.ani.as_ref().map(|number| Key::new(Lock::Ani, number.as_str())));
    keys.extend(origin.trunk.as_deref().map(|trunk| Key::new(Lock::Trunk, trunk)));
    keys.push(Key::new(Lock::Line, origin.line.as_str()));
    Some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Customer, LineName, PhoneNumber};
    use crate::secret::Secret;

    #[test]
    fn a_proof_is_charged_to_what_there_is_and_nothing_else_is() {
        let customer = Customer::new("10000001", None);
        let proof = Query::Secret {
            customer: customer.clone(),
            secret: Secret::new("4711".to_owned()),
            positions: vec![],
        };
        let whole = Origin {
            line: LineName::new("1000"),
            ani: PhoneNumber::parse("+12025550101"),
            trunk: Some("carrier".into()),
        };
        let bare = Origin { ani: None, trunk: None, ..whole.clone() };
        let told = |query: &Query, origin: &Origin| {
            keys(query, origin)
                .map(|keys| keys.into_iter().map(|key| (key.lock, key.name)).collect::<Vec<_>>())
        };
        let of_customer = || (Lock::Customer, "10000001".to_owned());
        let of_line = || (Lock::Line, "1000".to_owned());
        let (of_number, of_trunk) = ((Lock::Ani, "+12025550101".into()), (Lock::Trunk, "carrier".into()));
        assert_eq!(told(&proof, &whole), Some(vec![of_customer(), of_number, of_trunk, of_line()]));
        assert_eq!(told(&proof, &bare), Some(vec![of_customer(), of_line()]));
        assert_eq!(told(&Query::Record(customer), &whole), None);
    }
}
