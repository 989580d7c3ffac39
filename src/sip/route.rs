//! Route sets and next hops (RFC 3261 §12.1, §12.2.1.1, §8.1.2).
//!
//! Which address a next hop is reached at is `hop`'s part.

use sipx_sip::headers::RecordRoute;
use sipx_sip::{Headers, Uri};

/// The proxies that every request in a dialog passes, nearest first.
#[derive(Debug, Clone, Default)]
pub struct RouteSet(Vec<Uri>);

/// How one request travels: its Request-URI, its Route values, and the URI of the next hop.
#[derive(Debug)]
pub struct Itinerary<'a> {
    /// The Request-URI.
    pub request_uri: &'a Uri,
    /// The Route header field's URIs, in order.
    pub routes: Vec<&'a Uri>,
    /// Whom to send it to.
    pub next_hop: &'a Uri,
}

impl RouteSet {
    /// The callee's route set: Record-Route as it stands (RFC 3261 §12.1.1). `None` if it does not parse.
    pub fn of_request(headers: &Headers) -> Option<Self> {
        headers
            .typed_all::<RecordRoute>()
            .map(|value| value.ok().map(|route| route.0.uri))
            .collect::<Option<_>>()
            .map(Self)
    }

    /// The caller's route set: Record-Route reversed (RFC 3261 §12.1.2).
    pub fn of_response(headers: &Headers) -> Option<Self> {
        let mut routes = Self::of_request(headers)?;
        routes.0.reverse();
        Some(routes)
    }

    /// The way of a request to `target`.
    pub fn itinerary<'a>(&'a self, target: &'a Uri) -> Itinerary<'a> {
        let Some(first) = self.0.first() else {
            return Itinerary { request_uri: target, routes: Vec::new(), next_hop: target };
        };
        let loose = first.params().is_some_and(|parameters| parameters.contains("lr"));
        if loose {
            return Itinerary { request_uri: target, routes: self.0.iter().collect(), next_hop: first };
        }
        // RFC 3261 §12.2.1.1: a strict router finds itself in the Request-URI and the target as last Route.
        let routes = self.0.iter().skip(1).chain(std::iter::once(target)).collect();
        Itinerary { request_uri: first, routes, next_hop: first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        Uri::parse(text.to_owned().into()).expect("a URI")
    }

    fn texts(uris: &[&Uri]) -> Vec<String> {
        uris.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn loose_routers_keep_the_target_and_strict_ones_take_its_place() {
        let target = uri("sip:caller@192.0.2.1:5062");
        let loose = RouteSet(vec![uri("sip:p1.example;lr"), uri("sip:p2.example;lr")]);
        let way = loose.itinerary(&target);
        assert_eq!(way.request_uri.to_string(), "sip:caller@192.0.2.1:5062");
        assert_eq!(texts(&way.routes), ["sip:p1.example;lr", "sip:p2.example;lr"]);
        assert_eq!(way.next_hop.to_string(), "sip:p1.example;lr");

        let strict = RouteSet(vec![uri("sip:p1.example"), uri("sip:p2.example;lr")]);
        let way = strict.itinerary(&target);
        assert_eq!(way.request_uri.to_string(), "sip:p1.example");
        assert_eq!(texts(&way.routes), ["sip:p2.example;lr", "sip:caller@192.0.2.1:5062"]);
        assert_eq!(way.next_hop.to_string(), "sip:p1.example");

        let none = RouteSet::default();
        assert!(none.itinerary(&target).routes.is_empty());
    }
}
