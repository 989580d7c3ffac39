//! Calling numbers with a signature (STIR/SHAKEN): good ones, and those of attackers. Keys, certificates and signatures are
//! OpenSSL's; the certificates come by https.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::folder::Folder;
use crate::support::loopback::Loopback;
use crate::support::peer::Peer;
use crate::support::repository::Repository;
use crate::support::server::Server;
use crate::support::signer::{Root, Signer, claims};
use crate::support::wait_for;

/// A server that takes calls from a trunk whose passports it checks, and a network that signs.
struct Scene {
    server: Server,
    peer: Peer,
    repository: Repository,
    signer: Signer,
    calls: usize,
}

/// What is asked for on the wire, in `config/demo.toml`'s words.
fn settings(root: &Root, repository: &Repository) -> String {
    format!(
        "
[stir]
roots = \"{}\"
trust = \"{}\"
local_hosts = [\"127.0.0.1\"]

[[trunks]]
name = \"carrier\"
addresses = [\"127.0.0.0/8\"]
identity = [\"p-asserted-identity\"]
verstat = true
passports = true
country = \"US\"

[web]
",
        root.certificate.display(),
        repository.ca.display()
    )
}

/// The caller's number, and what the trunk says of it.
fn asserted(number: &str, verstat: &str) -> String {
    format!("P-Asserted-Identity: <sip:{number}{verstat}@carrier.example>\r\n")
}

impl Scene {
    /// Callers hear it ring for as long as `ring_for` says. `others` are signers whose certificates are served, too.
    fn new(ring_for: &str, others: impl FnOnce(&Root) -> Vec<(&'static str, Signer)>) -> (Self, Vec<Signer>) {
        let folder = Folder::new();
        let root = Root::new(folder.path());
        let signer = root.issue("good", "30");
        let others = others(&root);
        let mut files = HashMap::from([("good.pem".to_owned(), signer.certificate.clone())]);
        files.extend(others.iter().map(|(name, other)| ((*name).to_owned(), other.certificate.clone())));
        let repository = Repository::start(folder.path(), files);
        let ring = format!("ring_for = \"{ring_for}\"");
        let edits = [("\n[web]\n", settings(&root, &repository)), ("ring_for = \"0s\"", ring)];
        let edits: Vec<_> = edits.iter().map(|(from, to)| (*from, to.as_str())).collect();
        let server = Server::serve_at(Loopback::claim(), folder, &edits);
        let peer = Peer::of(&server);
        let scene = Self { server, peer, repository, signer, calls: 0 };
        (scene, others.into_iter().map(|(_, other)| other).collect())
    }

    /// A field by the good signer, with these claims.
    fn field(&self, claims: &Value) -> String {
        self.signer.field(claims, &self.repository.place("good.pem"))
    }

    /// Calls, and hangs up once the number has been looked at: what the record says of that.
    fn call(&mut self, headers: &str) -> Value {
        self.calls += 1;
        let name = format!("call-{}", self.calls);
        self.peer.send("INVITE", &name, headers);
        wait_for("check", Duration::from_secs(10), || {
            let calls = self.server.calls();
            let newest = calls.first().filter(|_| calls.len() == self.calls)?;
            newest["ani_verstat"].is_string().then_some(())
        });
        self.peer.send("CANCEL", &name, "");
        self.peer.answer("487");
        wait_for("record", Duration::from_secs(10), || {
            let record = self.server.calls().first()?["record"].clone();
            let told = ["ani", "ani_verstat", "ani_attestation", "ani_checked_by", "ani_check_fault"];
            record.is_object().then(|| told.iter().map(|field| record[field].clone()).collect())
        })
    }
}

const NUMBER: &str = "+12025550101";

#[test]
fn a_number_that_its_network_has_signed_is_known_to_be_right() {
    let (mut scene, _) = Scene::new("30s", |_| Vec::new());
    let field = scene.field(&claims(0));
    let told = scene.call(&format!("{}{field}", asserted(NUMBER, "")));
    assert_eq!(told, json!([NUMBER, "passed", "a", "portero", null]));
    // Again, by what is kept of the certificate, and in the form of its country.
    let field = scene.field(&claims(-20));
    let told = scene.call(&format!("{}{field}", asserted("2025550101", "")));
    assert_eq!(told, json!([NUMBER, "passed", "a", "portero", null]));
    let count = |series: &str| scene.server.metric(series);
    let checks = "portero_identity_checks_total{by=\"portero\",outcome=\"passed\",attestation=\"a\"}";
    assert_eq!(count(checks), 2);
    assert_eq!(count("portero_certificate_fetches_total{result=\"fetched\"}"), 1);
}

#[test]
fn attacks_on_the_calling_number_come_to_nothing() {
    let (mut scene, others) = Scene::new("30s", |root| {
        vec![("expired.pem", root.issue("expired", "0")), ("impostor.pem", root.impostor())]
    });
    let [expired, impostor] = &others[..] else { panic!("two others") };
    let place = |name: &str| scene.repository.place(name);
    let good = scene.field(&claims(0));
    let with = |pointer: &str, value: Value| {
        let mut claims = claims(0);
        *claims.pointer_mut(pointer).expect("it is there") = value;
        scene.field(&claims)
    };
    let (own, other) = (asserted(NUMBER, ""), asserted("+12025550102", ""));
    let vouched = asserted(NUMBER, ";verstat=TN-Validation-Passed-A");
    let at = |place: &str| scene.signer.field(&claims(0), place);
    let attacks = [
        ("the passport is the first call's", &own, good.clone(), json!(["passed", "portero", null])),
        ("it is replayed", &own, good.clone(), json!(["failed", "portero", "replayed"])),
        ("the number is spoofed", &other, good, json!(["failed", "portero", "other_caller"])),
        (
            "it is for another call",
            &own,
            with("/dest/tn", json!(["12025550100"])),
            json!(["failed", "portero", "other_callee"]),
        ),
        ("it is old", &own, scene.field(&claims(-100)), json!(["failed", "portero", "stale"])),
        ("it is of the future", &own, scene.field(&claims(100)), json!(["failed", "portero", "stale"])),
        (
            "the chain has expired",
            &own,
            expired.field(&claims(0), &place("expired.pem")),
            json!(["failed", "portero", "expired"]),
        ),
        (
            "the chain is self-signed",
            &own,
            impostor.field(&claims(0), &place("impostor.pem")),
            json!(["failed", "portero", "untrusted"]),
        ),
        (
            "it is signed by another's key",
            &own,
            impostor.field(&claims(0), &place("good.pem")),
            json!(["failed", "portero", "signature"]),
        ),
        (
            "the trunk has been deceived",
            &vouched,
            impostor.field(&claims(0), &place("good.pem")),
            json!(["failed", "portero", "signature"]),
        ),
        (
            "it is no passport",
            &own,
            "Identity: a.b.c;info=<https://a.example/>\r\n".into(),
            json!(["failed", "portero", "malformed"]),
        ),
        (
            "x5u leads to another loopback address",
            &own,
            at("https://127.0.0.2/a.pem"),
            json!(["not_checked", "portero", "not_allowed"]),
        ),
        (
            "x5u leads to this machine by its name",
            &own,
            at("https://localhost/a.pem"),
            json!(["not_checked", "portero", "not_allowed"]),
        ),
        (
            "x5u leads to a cloud's metadata",
            &own,
            at("https://169.254.169.254/latest/meta-data/"),
            json!(["not_checked", "portero", "not_allowed"]),
        ),
        (
            "x5u is not encrypted",
            &own,
            at("http://127.0.0.1:1/a.pem"),
            json!(["not_checked", "portero", "not_allowed"]),
        ),
        ("nobody has signed", &own, String::new(), json!(["not_checked", "portero", "absent"])),
        ("the trunk vouches", &vouched, String::new(), json!(["passed", "trunk", "absent"])),
    ];
    for (what, asserted, field, expected) in attacks {
        let told = scene.call(&format!("{asserted}{field}"));
        assert_eq!(json!([told[1], told[3], told[4]]), expected, "{what}");
    }
}

#[test]
fn a_certificate_that_does_not_come_holds_a_call_up_for_so_long_and_no_longer() {
    let (scene, _) = Scene::new("0s", |_| Vec::new());
    let field = scene.signer.field(&claims(0), &scene.repository.place("nothing.pem"));
    scene.peer.send("INVITE", "patient", &format!("{}{field}", asserted(NUMBER, "")));
    scene.peer.answer("180");
    scene.peer.answer("200");
    let call = scene.server.calls().remove(0);
    assert_eq!(json!([call["ani_verstat"], call["ani_checked_by"]]), json!(["not_checked", "portero"]));
}
