//! A back end that gives the hash of a secret, and leaves it to us to compare.

use super::*;

/// Of `PIN`, by the parameters that OWASP names first for few resources, but for the memory, which a debug build takes
/// long for.
fn hash_of(secret: &str) -> String {
    use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};

    let params = Params::new(256, 2, 1, None).expect("parameters");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_with_salt(secret.as_bytes(), b"salt of the test").expect("a hash").to_string()
}

/// Asks for the hash of `PIN`'s owner, where the server says this.
async fn compared(status: &str, body: &str) -> (Answer, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut config = config(Service::at(format!("http://{address}").parse().expect("a URL")), false);
    let action = Action {
        method: Method::GET,
        path: template("/customers/{{ customer }}", Place::Path),
        headers: Vec::new(),
        body: None,
        reading: Reading::Hash(Hashed { hash: path("$.pin_hash"), rejected: vec![404] }),
        ..check()
    };
    config.actions.insert(ActionName::new("check"), action);
    let client = Client::new(config).expect("a client");
    let (action, query) = secret("10000001");
    let seen = Mutex::new(Vec::new());
    let answer = tokio::select! {
        answer = client.ask(&action, &query) => answer,
        () = serve(listener, reply(status, body), &seen) => unreachable!("it serves for ever"),
    };
    let asked = seen.into_inner().expect("nobody panicked").concat();
    (answer, asked)
}

#[tokio::test]
async fn what_was_keyed_is_compared_with_the_hash_and_not_sent() {
    let body = |hash: &str| format!(r#"{{"pin_hash":"{hash}"}}"#);
    let costly =
        body("$argon2id$v=19$m=1048576,t=3,p=4$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc");
    let table = [
        ("200 OK", body(&hash_of(PIN)), Answer::Check(true)),
        ("200 OK", body(&hash_of("90210474")), Answer::Check(false)),
        ("200 OK", r#"{"pin_hash":null}"#.to_owned(), Answer::Check(false)),
        ("404 Not Found", String::new(), Answer::Check(false)),
        ("200 OK", body(PIN), Answer::Failed(Failure::Garbage)),
        ("200 OK", costly, Answer::Failed(Failure::Garbage)),
        ("200 OK", "{}".to_owned(), Answer::Failed(Failure::Garbage)),
        ("500 Internal Server Error", body(&hash_of(PIN)), Answer::Failed(Failure::Status)),
    ];
    for (status, body, expected) in table {
        let (answer, asked) = compared(status, &body).await;
        assert_eq!(answer, expected, "{status} {body}");
        assert!(asked.starts_with("GET /customers/10000001 ") && !asked.contains(PIN), "{asked}");
    }
}
