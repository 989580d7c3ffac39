//! Stand-ins for services, each answering in the shape that its documentation has, and refusing what it would refuse.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::page::CREDENTIAL;

/// A request, read.
pub struct Request {
    method: Method,
    path: String,
    query: HashMap<String, String>,
    authorization: String,
    headers: HeaderMap,
    text: String,
}

/// What a service answers; `None` is a request that it does not understand.
pub type Service = fn(&Request) -> Option<Response>;

/// Serves on a port of its own, for as long as it is polled.
pub async fn serve(service: Service) -> (SocketAddr, impl Future<Output = io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = move |method: Method, uri: Uri, Query(query): Query<_>, headers: HeaderMap, text: String| {
        let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
        let authorization = authorization.unwrap_or_default().to_owned();
        let request = Request { method, path: uri.path().to_owned(), query, authorization, headers, text };
        async move { service(&request).unwrap_or_else(|| StatusCode::BAD_REQUEST.into_response()) }
    };
    (address, async move { axum::serve(listener, Router::new().fallback(answer)).await })
}

/// Those whom every service knows: a number, what they are called, and an identifier.
const PEOPLE: [(&str, &str, &str); 3] = [
    ("2025550101", "Zoë O'Connor", "10000001"),
    ("2025550104", "Lena Fischer", "10000004"),
    ("2025550104", "Tom Fischer", "10000005"),
];

/// What a service shows of whom it finds: by their places, which make their identifiers.
fn found(fits: impl Fn(&(&str, &str, &str)) -> bool, show: impl Fn(usize, &str) -> Value) -> Vec<Value> {
    let people = (1..).zip(&PEOPLE);
    people.filter(|(_, person)| fits(person)).map(|(place, (_, name, _))| show(place, name)).collect()
}

fn ok(body: &Value) -> Option<Response> {
    let json = [("content-type", "application/json")];
    Some((json, serde_json::to_string(body).ok()?).into_response())
}

fn refused(body: &Value) -> Option<Response> {
    Some((StatusCode::UNAUTHORIZED, serde_json::to_string(body).ok()?).into_response())
}

impl Request {
    fn is(&self, method: &Method, path: &str) -> bool {
        self.method == *method && self.path == path
    }

    fn json(&self) -> Option<Value> {
        let is_json = self.headers.get("content-type").is_some_and(|value| value == "application/json");
        serde_json::from_str(&self.text).ok().filter(|_| is_json)
    }

    /// Grants a token by credentials in the form (RFC 6749), as most services do it.
    fn token(&self, more: &str, granted: &Value) -> Option<Response> {
        let expected = format!(
            "grant_type=client_credentials&client_id=open%20sesame&client_secret=open%20sesame{more}"
        );
        if self.text != expected {
            return refused(&json!({ "error": "invalid_client" }));
        }
        ok(granted)
    }

    fn shows_token(&self) -> bool {
        self.authorization == "Bearer granted"
    }
}

fn is_right(pin: &Value) -> bool {
    pin == "4711"
}

/// REST API Developer Guide: *Search with Parameterized Search*, *Query*.
pub fn salesforce(request: &Request) -> Option<Response> {
    let contact = |place: usize, name: &str| {
        json!({
            "attributes": { "type": "Contact", "url": format!("/services/data/v61.0/sobjects/Contact/0035g00000{place}") },
            "Id": format!("0035g00000{place}"), "Name": name, "Language__c": "German", "Tier__c": "Tier 1",
        })
    };
    if request.is(&Method::POST, "/services/oauth2/token") {
        let granted = json!({
            "access_token": "granted", "signature": "c2ln", "scope": "api", "token_type": "Bearer",
            "instance_url": "https://example.my.salesforce.com", "issued_at": "1731936000000",
            "id": "https://login.salesforce.com/id/00D5g0000000000EAA/0055g00000000000AAA",
        });
        return request.token("", &granted);
    }
    if !request.shows_token() {
        return refused(
            &json!([{ "message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID" }]),
        );
    }
    match request.path.as_str() {
        "/services/data/v61.0/parameterizedSearch" => {
            let body = request.json()?;
            let is_whole = body["in"] == "PHONE" && body["sobjects"][0]["name"] == "Contact";
            let searched = body["q"].as_str().filter(|_| is_whole)?;
            ok(&json!({ "searchRecords": found(|(number, ..)| *number == searched, contact) }))
        }
        "/services/data/v61.0/query" => {
            let before = "SELECT Id,Name FROM Contact WHERE Customer_Number__c='";
            let id = request.query.get("q")?.strip_prefix(before)?.strip_suffix("' LIMIT 5")?;
            let records = found(|(.., identifier)| *identifier == id, contact);
            ok(&json!({ "totalSize": records.len(), "done": true, "records": records }))
        }
        "/services/apexrest/portero/check" => {
            let body = request.json()?;
            ok(&json!({ "accepted": body["contactId"] == "0035g000001" && is_right(&body["pin"]) }))
        }
        _ => None,
    }
}

/// CRM API: *Search the CRM*. The PINs are another service's.
pub fn hubspot(request: &Request) -> Option<Response> {
    if request.is(&Method::POST, "/contacts/5121/check") {
        let is_let_in = request.headers.get("x-api-key").is_some_and(|key| key == CREDENTIAL);
        let result = if is_right(&request.json()?["pin"]) { "match" } else { "mismatch" };
        return is_let_in.then(|| ok(&json!({ "result": result })))?;
    }
    if request.authorization != format!("Bearer {CREDENTIAL}") {
        return refused(&json!({ "status": "error", "category": "INVALID_AUTHENTICATION" }));
    }
    if !request.is(&Method::POST, "/crm/v3/objects/contacts/search") {
        return None;
    }
    let body = request.json()?;
    let filter = &body["filterGroups"][0]["filters"][0];
    let value = filter["value"].as_str().filter(|_| filter["operator"] == "EQ")?;
    let contact = |place: usize, name: &str| {
        let first_name = name.split(' ').next();
        json!({
            "id": format!("512{place}"), "createdAt": "2024-01-01T00:00:00.000Z",
            "updatedAt": "2024-01-01T00:00:00.000Z", "archived": false,
            "properties": {
                "createdate": "2024-01-01T00:00:00.000Z", "firstname": first_name, "hs_language": "de",
                "hs_object_id": format!("512{place}"), "lifecyclestage": "evangelist",
            },
        })
    };
    let results = match filter["propertyName"].as_str()? {
        "hs_searchable_calculated_phone_number" => found(|(number, ..)| *number == value, contact),
        "customer_number" => found(|(.., identifier)| *identifier == value, contact),
        _ => return None,
    };
    ok(&json!({ "total": results.len(), "results": results }))
}

/// Ticketing API: *Search Users*, *Count Tickets*.
pub fn zendesk(request: &Request) -> Option<Response> {
    // portero@example.com/token:open sesame
    if request.authorization != "Basic cG9ydGVyb0BleGFtcGxlLmNvbS90b2tlbjpvcGVuIHNlc2FtZQ==" {
        return refused(&json!({ "error": "Couldn't authenticate you" }));
    }
    let user = |place: usize, name: &str| {
        json!({
            "id": 35_430 + place, "name": name, "active": true, "role": "end-user", "locale": "en-US",
            "phone": format!("+1{}", PEOPLE[place - 1].0), "user_fields": { "tier": "vip" },
        })
    };
    match request.path.as_str() {
        "/api/v2/users/search.json" => {
            let mut users = match (request.query.get("query"), request.query.get("external_id")) {
                (Some(query), None) => {
                    let searched = query.strip_prefix("role:end-user phone:+1")?;
                    found(|(number, ..)| *number == searched, user)
                }
                (None, Some(id)) => found(|(.., identifier)| *identifier == id, user),
                _ => return None,
            };
            if request.query.contains_key("query") {
                let agent = json!({ "id": 1, "name": "An agent", "active": true, "role": "agent" });
                users.push(agent);
            }
            let count = users.len();
            ok(&json!({ "users": users, "next_page": null, "previous_page": null, "count": count }))
        }
        "/api/v2/users/35431/tickets/requested/count.json" => {
            ok(&json!({ "count": { "refreshed_at": "2024-04-06T02:18:17Z", "value": 102 } }))
        }
        _ => None,
    }
}

/// *Table API* and *Scripted REST APIs*.
pub fn servicenow(request: &Request) -> Option<Response> {
    if request.is(&Method::POST, "/oauth_token.do") {
        let granted = json!({
            "access_token": "granted", "scope": "useraccount", "token_type": "Bearer", "expires_in": 1799,
        });
        return request.token("", &granted);
    }
    if !request.shows_token() {
        let error =
            json!({ "message": "User Not Authenticated", "detail": "Required to provide Auth information" });
        return refused(&json!({ "error": error, "status": "failure" }));
    }
    let user = |place: usize, name: &str| {
        let id = format!("6816f79cc0a8016401c5a33be04be44{place}");
        json!({ "sys_id": id, "name": name, "preferred_language": "", "vip": "true" })
    };
    match request.path.as_str() {
        "/api/now/table/sys_user" => {
            let limit = request.query.get("sysparm_limit")?;
            let searched = request.query.get("sysparm_query").filter(|_| limit == "5")?;
            let mut parts = searched.strip_prefix("active=true^")?.split("^OR");
            let part = parts.next()?;
            let users = if let Some(id) = part.strip_prefix("employee_number=") {
                found(|(.., identifier)| *identifier == id, user)
            } else {
                let digits = part.strip_prefix("phoneENDSWITH")?;
                let other = parts.next()?.strip_prefix("mobile_phoneENDSWITH")?;
                found(|(number, ..)| *number == digits && digits == other, user)
            };
            ok(&json!({ "result": users }))
        }
        "/api/x_example/portero/check" => {
            let status = if is_right(&request.json()?["pin"]) { "OK" } else { "WRONG" };
            ok(&json!({ "result": { "status": status } }))
        }
        _ => None,
    }
}

/// Dataverse Web API: *Query data using the Web API*, *Use Web API functions and actions*.
pub fn dynamics(request: &Request) -> Option<Response> {
    let context = "https://example.crm.dynamics.com/api/data/v9.2/$metadata#contacts(contactid,fullname)";
    if request.path.ends_with("/oauth2/v2.0/token") {
        let granted = json!({
            "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "granted",
        });
        return request.token("&scope=https%3A%2F%2Fexample.crm.dynamics.com%2F.default", &granted);
    }
    if !request.shows_token() || request.headers.get("odata-version")? != "4.0" {
        return refused(&json!({ "error": { "code": "0x80048306", "message": "Unauthorized" } }));
    }
    let contact = |place: usize, name: &str| {
        json!({
            "@odata.etag": "W/\"1849452\"", "contactid": format!("00000000-0000-0000-0000-00000000000{place}"),
            "fullname": name, "customertypecode": 2,
        })
    };
    match request.path.as_str() {
        "/api/data/v9.2/contacts" => {
            let filter = request.query.get("$filter")?;
            let part = filter.split(" or ").next()?.strip_suffix('\'')?;
            let contacts = if let Some(id) = part.strip_prefix("governmentid eq '") {
                found(|(.., identifier)| *identifier == id, contact)
            } else {
                let searched = part.strip_prefix("telephone1 eq '+1")?;
                found(|(number, ..)| *number == searched, contact)
            };
            ok(&json!({ "@odata.context": context, "value": contacts }))
        }
        "/api/data/v9.2/example_PorteroCheck" => {
            let accepted = is_right(&request.json()?["Pin"]);
            ok(&json!({ "@odata.context": context, "Accepted": accepted }))
        }
        _ => None,
    }
}

/// The service behind the data action that the page shows.
pub fn genesys(request: &Request) -> Option<Response> {
    if request.is(&Method::POST, "/oauth/token") {
        // open%20sesame:open%20sesame
        if request.authorization != "Basic b3BlbiUyMHNlc2FtZTpvcGVuJTIwc2VzYW1l" {
            return refused(&json!({ "error": "invalid_client" }));
        }
        return ok(&json!({ "access_token": "granted", "token_type": "bearer", "expires_in": 86399 }));
    }
    if !request.shows_token() {
        return refused(&json!({ "code": "bad.credentials" }));
    }
    let customer = |place: usize, name: &str| json!({ "id": format!("C-{place}"), "name": name });
    match request.path.as_str() {
        "/v1/customers/search" => {
            let body = request.json()?;
            let searched = body["phone"].as_str()?.strip_prefix("+1")?;
            let first = found(|(number, ..)| *number == searched, customer).into_iter().next();
            ok(&json!({ "customer": first }))
        }
        "/v1/customers/C-1/verifications" => {
            let status = if is_right(&request.json()?["pin"]) {
                StatusCode::NO_CONTENT
            } else {
                StatusCode::FORBIDDEN
            };
            Some(status.into_response())
        }
        path => {
            let id = path.strip_prefix("/v1/customers/")?;
            match found(|(.., identifier)| *identifier == id, customer).into_iter().next() {
                Some(first) => ok(&json!({ "customer": first })),
                None => Some(StatusCode::NOT_FOUND.into_response()),
            }
        }
    }
}
