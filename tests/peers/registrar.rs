//! Trunks that register, prove themselves and are pinged: Debian's kamailio as registrar and challenger, SIPp as the
//! caller who is challenged.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::folder::Folder;
use crate::support::kamailio::Kamailio;
use crate::support::loopback::Loopback;
use crate::support::name_server::NameServer;
use crate::support::server::{Server, portero};
use crate::support::{sipp, wait_for};

/// How long a registration or a change of state may take.
const SOON: Duration = Duration::from_secs(10);
/// Three pings, 5 s apart, and what it takes to see their lack.
const SILENCE: Duration = Duration::from_secs(40);

/// A registrar that challenges, and then a proxy to whoever has registered.
fn registrar(address: SocketAddr, algorithm: &str) -> String {
    let modules = ["tm", "sl", "rr", "pv", "maxfwd", "textops", "siputils", "usrloc", "registrar", "auth"];
    let modules = modules.map(|name| format!("loadmodule \"{name}.so\"")).join("\n");
    format!(
        r#"listen=udp:{address}
alias="carrier.example"
{modules}
modparam("usrloc", "db_mode", 0)
modparam("registrar", "max_expires", 120)
modparam("auth", "algorithm", "{algorithm}")
modparam("auth", "nonce_count", 1)
modparam("auth", "qop", "auth")
request_route {{
    if (is_method("OPTIONS") && !has_totag()) {{
        sl_send_reply("200", "OK");
        exit;
    }}
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("carrier.example", "open sesame", "0")) {{
            www_challenge("carrier.example", "1");
            exit;
        }}
        save("location");
        exit;
    }}
    if (has_totag()) {{
        if (is_method("REFER") && !pv_proxy_authenticate("carrier.example", "open sesame", "0")) {{
            proxy_challenge("carrier.example", "1");
            exit;
        }}
        loose_route();
        t_relay();
        exit;
    }}
    if (is_method("INVITE")) {{
        record_route();
    }}
    if (uri == myself && !lookup("location")) {{
        sl_send_reply("404", "Not Found");
        exit;
    }}
    t_relay();
}}
"#
    )
}

/// A registrar and a server that is to register there.
struct Field {
    kamailio: Kamailio,
    server: Server,
}

impl Field {
    fn new(algorithm: &str, password: &str) -> Self {
        Self::at(Loopback::claim(), algorithm, password, None)
    }

    /// The same with a trunk whose server is where the name server says that its domain is.
    fn by_name(names: &mut NameServer) -> Self {
        let loopback = Loopback::claim();
        let proxy = loopback.proxy_sip();
        let records = [
            "naptr-record=carrier.example,10,10,s,SIP+D2U,,_sip._udp.carrier.example".to_owned(),
            format!("srv-host=_sip._udp.carrier.example,one.carrier.example,{},10,0", proxy.port()),
            format!("host-record=one.carrier.example,{}", proxy.ip()),
        ];
        names.start(60, &records);
        Self::at(loopback, "MD5", "open sesame", Some(names))
    }

    fn at(loopback: Loopback, algorithm: &str, password: &str, names: Option<&NameServer>) -> Self {
        let (folder, proxy) = (Folder::new(), loopback.proxy_sip());
        let kamailio = Kamailio::start(folder.path(), &registrar(proxy, algorithm), proxy);
        let servers = names.map_or_else(|| format!("servers = [\"{proxy}\"]\n"), |_| String::new());
        let trunk = format!(
            "\n[[trunks]]\nname = \"carrier\"\naddresses = [\"127.0.0.0/8\"]\n{servers}ping = \"5s\"\n\
             account = {{ username = \"portero\", password = \"{password}\" }}\nregister = \"sip:carrier.example\"\n\
             register_as = \"1000\"\n\n[web]\n"
        );
        let asks = names.map(|names| format!("name_servers = [\"{}\"]", names.address()));
        let asked = asks.iter().map(|asks| ("# name_servers = [\"192.0.2.53\"]", asks.as_str()));
        let changes: Vec<_> = asked.chain([("\n[web]\n", trunk.as_str())]).collect();
        let server = Server::serve_at(loopback, folder, &changes);
        Self { kamailio, server }
    }

    /// The trunk as the API shows it, once it is as it should be.
    fn wait_for_trunk(&self, what: &str, within: Duration, is_so: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, within, || {
            let trunks = self.server.api("/api/v1/trunks");
            Some(trunks["trunks"][0].clone()).filter(&is_so)
        })
    }

    /// Calls `user` by the registrar; gives the final status of the call.
    fn call(&self, user: &str, arguments: &[&str]) -> Value {
        let uri = format!("sip:{user}@{}", self.server.loopback.proxy_sip());
        let output = portero(&[&["call", &uri, "--json"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }
}

fn is_registered(trunk: &Value) -> bool {
    trunk["registration"]["state"] == "registered" && trunk["state"] == "up"
}

#[test]
fn it_registers_is_called_by_the_registrar_and_takes_its_registration_back() {
    let mut field = Field::new("MD5", "open sesame");
    let trunk = field.wait_for_trunk("registration", SOON, is_registered);
    assert_eq!(trunk["name"], "carrier");
    assert!(trunk["registration"]["expires_in_s"].as_u64().is_some_and(|left| left <= 120), "{trunk}");
    assert!(!trunk.to_string().contains("sesame"));
    // It pings as well, once the first second is over.
    field.wait_for_trunk("answer to a ping", SOON, |trunk| trunk["servers"][0]["state"] == "up");

    let from = ["--from", "+12025550101", "--keys", "prompt,4711#", "--expect", "verified"];
    let outcome = field.call("portero", &from);
    assert_eq!(json!([outcome["status"], outcome["verdict"]]), json!([200, "verified"]), "{outcome:#}");
    let record = field.server.wait_for_record("1000");
    assert_eq!(record["trunk"], "carrier");

    field.server.signal("TERM");
    let ended = field.server.wait_for_exit(SOON);
    assert!(ended.success(), "{ended}");
    assert_eq!(field.call("portero", &from)["status"], 404, "it is registered no longer");
    let log = field.server.log();
    assert_eq!(
        log.matches("registered with the trunk").count(),
        2,
        "once that it is, once that it is no longer"
    );
    assert!(!log.contains("open sesame"));
}

#[test]
fn it_registers_where_the_name_of_its_trunk_leads() {
    let mut names = NameServer::claim();
    let field = Field::by_name(&mut names);
    field.wait_for_trunk("registration", SOON, is_registered);
    let trunk = field.wait_for_trunk("answer to a ping", SOON, |it| it["servers"][0]["state"] == "up");
    let shown = json!([{ "address": "carrier.example", "transport": null, "state": "up" }]);
    assert_eq!(trunk["servers"], shown);
    // The first REGISTER and the first ping may ask at one time; the signed REGISTER and later pings know.
    let asked = ["query[NAPTR] carrier.example", "query[SRV] _sip._udp.carrier.example"];
    assert!(asked.iter().all(|question| (1..=2).contains(&names.asked(question))));
}

#[test]
fn it_registers_by_sha_256() {
    let field = Field::new("SHA-256", "open sesame");
    field.wait_for_trunk("registration", SOON, is_registered);
}

#[test]
fn a_wrong_password_is_told_once_and_is_no_reason_to_ask_again_and_again() {
    let field = Field::new("MD5", "a guess");
    let trunk = field.wait_for_trunk("refusal", SOON, |trunk| trunk["registration"]["state"] == "failed");
    assert_eq!(json!([trunk["registration"]["status"], trunk["state"]]), json!([401, "down"]));
    let log = field.server.log();
    assert_eq!(log.matches("not registered with the trunk").count(), 1, "{log}");
}

#[test]
fn a_server_that_ends_is_down_within_three_pings() {
    let mut field = Field::new("MD5", "open sesame");
    field.wait_for_trunk("answer to a ping", SOON, |trunk| trunk["servers"][0]["state"] == "up");
    field.kamailio.stop();
    field.wait_for_trunk("silence", SILENCE, |trunk| trunk["state"] == "down");
    assert!(field.server.log().contains("the trunk's server does not answer"));
}

#[test]
fn a_proxy_that_challenges_our_refer_is_answered() {
    let field = Field::new("SHA-256", "open sesame");
    let call = sipp::Call { by_proxy: true, keys: "300ms 4711#", ..sipp::Call::default() };
    let messages = call.run(&field.server);
    let credentials = messages.header("REFER", "Proxy-Authorization");
    assert!(
        credentials.contains("realm=\"carrier.example\"") && credentials.contains("SHA-256"),
        "{credentials}"
    );
    let record = field.server.wait_for_record("1000");
    assert_eq!(json!([record["trunk"], record["hand_over"]["outcome"]]), json!(["carrier", "completed"]));
}

const LOGIN: &str = "
[[trunks]]
name = \"carrier\"
username = \"carrier\"
password = \"open sesame\"
algorithms = [\"MD5\"]

[web]
";

#[test]
fn a_caller_from_anywhere_proves_which_trunk_it_is() {
    let server = Server::serve(&[("\n[web]\n", LOGIN)]);
    let call = sipp::Call {
        scenario: "proves_itself",
        login: Some(("carrier", "open sesame")),
        ..sipp::Call::default()
    };
    call.run(&server);
    let record = server.wait_for_record("1000");
    assert_eq!(record["trunk"], "carrier");
    assert!(!server.log().contains("open sesame"));
}

#[test]
fn a_caller_with_a_wrong_password_is_asked_again() {
    let server = Server::serve(&[("\n[web]\n", LOGIN)]);
    let call = sipp::Call {
        scenario: "fails_to_prove_itself",
        login: Some(("carrier", "a guess")),
        ..sipp::Call::default()
    };
    call.run(&server);
    assert_eq!(server.calls(), [json!(null); 0]);
}
