//! Debian's kamailio in front: it records its route, changes the transport on the way, and spreads calls over two
//! nodes of which one is draining.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use crate::support::kamailio::Kamailio;
use crate::support::script::{OFFER, Script};
use crate::support::server::{Server, start_call};
use crate::support::sipp::{Call, Messages, Transport};
use crate::support::wait_for;

/// How a proxy that records its route sends on what is in a dialog, and what it begins with.
const LOOSE_ROUTING: &str = r#"
request_route {
    if (!mf_process_maxfwd_header("10")) {
        sl_send_reply("483", "Too Many Hops");
        exit;
    }
    if (is_method("CANCEL")) {
        if (t_check_trans()) t_relay();
        exit;
    }
    if (has_totag()) {
        if (loose_route()) {
            if (is_method("INVITE|UPDATE|REFER")) record_route();
            t_relay();
        } else if (is_method("ACK") && t_check_trans()) {
            t_relay();
        } else if (!is_method("ACK")) {
            sl_send_reply("404", "No Route");
        }
        exit;
    }
    if (is_method("INVITE")) record_route();
"#;

/// A proxy of this machine that listens for everything, with these modules and settings besides.
fn listening(server: &Server, modules: &[&str], settings: &str) -> String {
    let (sip, sips, folder) =
        (server.loopback.proxy_sip(), server.loopback.proxy_sips(), server.folder.path().display());
    let tls = format!(
        "[server:default]\nmethod = TLSv1.2+\nverify_certificate = no\nprivate_key = {folder}/key.pem\n\
         certificate = {folder}/certificate.pem\n\n[client:default]\nmethod = TLSv1.2+\n\
         verify_certificate = yes\nrequire_certificate = yes\nca_list = {folder}/ca.pem\n"
    );
    fs::write(server.folder.path().join("tls.cfg"), tls).expect("a file for TLS");
    let usual = ["tm", "sl", "rr", "pv", "maxfwd", "textops", "siputils", "tls"];
    let modules: Vec<_> =
        usual.iter().chain(modules).map(|name| format!("loadmodule \"{name}.so\"")).collect();
    let modules = modules.join("\n");
    format!(
        "enable_tls=yes\nlisten=udp:{sip}\nlisten=tcp:{sip}\nlisten=tls:{sips}\n{modules}\n\
         modparam(\"tls\", \"config\", \"{folder}/tls.cfg\")\n{settings}{LOOSE_ROUTING}"
    )
}

/// A proxy before one server, to which it goes by `transport`.
pub fn proxy(server: &Server, transport: Transport) -> Kamailio {
    let (by, next, from) = match transport {
        Transport::Udp => ("udp", server.loopback.sip(), server.loopback.proxy_sip()),
        Transport::Tcp => ("tcp", server.loopback.sip(), server.loopback.proxy_sip()),
        Transport::Tls => ("tls", server.loopback.sips(), server.loopback.proxy_sips()),
    };
    let onward =
        format!("    $du = \"sip:{next};transport={by}\";\n    $fs = \"{by}:{from}\";\n    t_relay();\n}}\n");
    let config = format!("{}{onward}", listening(server, &[], ""));
    Kamailio::start(server.folder.path(), &config, server.loopback.proxy_sip())
}

/// The only message of this kind that SIPp has had from the server came by the proxy: it has two Vias, the first of
/// them the proxy's.
fn expect_by_proxy(messages: &Messages, method: &str, proxy: SocketAddr) {
    let message = messages.received(method).next().unwrap_or_else(|| panic!("no {method}"));
    let vias: Vec<_> = message.lines().filter(|line| line.starts_with("Via: ")).collect();
    assert!(vias.len() == 2 && vias[0].contains(&proxy.to_string()), "{message}");
}

/// A caller who is verified and handed over, with a proxy in between that each message passes.
fn a_whole_call(caller: Transport, onward: Transport) {
    let server = Server::serve_tls(&[]);
    let proxy_address = server.loopback.proxy_sip();
    let _proxy = proxy(&server, onward);
    let call = Call { transport: caller, proxy: Some(proxy_address), keys: "300ms 4711", ..Call::default() };
    let messages = call.run(&server);
    for method in ["REFER", "BYE"] {
        expect_by_proxy(&messages, method, proxy_address);
    }
    let record = server.wait_for_record("1000");
    assert_eq!(
        (&record["verdict"], &record["hand_over"]["outcome"], &record["ended_by"]),
        (&"verified".into(), &"completed".into(), &"portero".into()),
        "{record:#}"
    );
    // Where the transport changes, the proxy is in the route twice (RFC 5658 §6.1).
    let answer = messages.received("SIP/2.0 200").next().expect("an answer");
    let routes = answer.lines().filter(|line| line.starts_with("Record-Route: "));
    let routes: usize = routes.map(|line| line.matches("<sip").count()).sum();
    assert_eq!(routes, if caller == onward { 1 } else { 2 }, "{answer}");
}

#[test]
fn a_call_by_a_proxy() {
    a_whole_call(Transport::Udp, Transport::Udp);
}

#[test]
fn a_call_that_goes_on_by_tcp() {
    a_whole_call(Transport::Udp, Transport::Tcp);
}

#[test]
fn a_call_that_goes_on_by_tls() {
    a_whole_call(Transport::Udp, Transport::Tls);
}

#[test]
fn a_call_that_comes_by_tcp_and_goes_on_by_udp() {
    a_whole_call(Transport::Tcp, Transport::Udp);
}

#[test]
fn a_call_that_is_given_up_by_a_proxy() {
    let server = Server::serve_tls(&[("ring_for = \"0s\"", "ring_for = \"20s\"")]);
    let _proxy = proxy(&server, Transport::Tls);
    let proxy = Some(server.loopback.proxy_sip());
    Call { scenario: "cancels", proxy, ..Call::default() }.run(&server);
    assert_eq!(server.wait_for_record("1000")["ended_by"], "caller");
}

#[test]
fn who_calls_changes_the_session_through_the_route_set() {
    let server = Server::serve_tls(&[("ring_for = \"0s\"", "ring_for = \"1s\"")]);
    let _proxy = proxy(&server, Transport::Tcp);
    let proxy = Some(server.loopback.proxy_sip());
    Call { scenario: "updates", proxy, ..Call::default() }.run(&server);
    assert_eq!(server.wait_for_record("1000")["ended_by"], "caller");
}

/// Spreads calls over two nodes, and asks them every second whether they take any.
fn dispatcher(server: &Server, nodes: [SocketAddr; 2]) -> Kamailio {
    let list = server.folder.path().join("nodes.list");
    fs::write(&list, nodes.map(|node| format!("1 sip:{node}\n")).concat()).expect("a list of nodes");
    let settings = format!(
        "modparam(\"dispatcher\", \"list_file\", \"{}\")\nmodparam(\"dispatcher\", \"ds_ping_interval\", 1)\n\
         modparam(\"dispatcher\", \"ds_probing_mode\", 1)\nmodparam(\"dispatcher\", \"ds_probing_threshold\", 1)\n\
         modparam(\"dispatcher\", \"ds_inactive_threshold\", 1)\nmodparam(\"dispatcher\", \"xavp_dst\", \"d\")\n\
         modparam(\"dispatcher\", \"xavp_ctx\", \"c\")\n",
        list.display()
    );
    // A node that has begun to drain since it was asked last says 503 itself, and the call goes to the other one.
    let config = format!(
        "{}    if (!ds_select_dst(\"1\", \"4\")) {{ sl_send_reply(\"503\", \"No Node\"); exit; }}\n    \
         t_on_failure(\"NEXT\");\n    t_relay();\n}}\nfailure_route[NEXT] {{\n    if (t_is_canceled()) exit;\n    \
         if (t_check_status(\"503\") && ds_next_dst()) {{ t_on_failure(\"NEXT\"); t_relay(); exit; }}\n}}\n",
        listening(server, &["dispatcher"], &settings)
    );
    Kamailio::start(server.folder.path(), &config, server.loopback.proxy_sip())
}

/// How many calls a node has been asked to take.
fn invites(node: &Server) -> u64 {
    // Totals are shown once a second.
    node.metric("portero_sip_requests_total{method=\"INVITE\"}")
}

#[test]
fn a_node_that_drains_gets_no_calls_and_the_other_one_gets_all() {
    let mut first = Server::serve_tls(&[]);
    let second = Server::serve(&[]);
    let _dispatcher = dispatcher(&first, [first.loopback.sip(), second.loopback.sip()]);
    let steps = Script::new().invite("", OFFER).answered(&[]).bye(2);
    let proxy = Some(first.loopback.proxy_sip());
    let call = || Call { script: Some(steps.text()), proxy, ..Call::default() }.run(&first);
    (0..4).for_each(|_| drop(call()));
    let soon = Duration::from_secs(10);
    wait_for("turn by turn", soon, || (invites(&first) == 2 && invites(&second) == 2).then_some(()));

    // One call keeps the first node from ending at once.
    let to = format!("sip:1000@{}", first.loopback.sip());
    let mut caller = start_call(&[&to, "--from", "+12025550101", "--keys", "60s", "--timeout", "60"]);
    first.wait_for_stage("1000", "greeting");
    first.signal("TERM");
    wait_for("draining", soon, || (first.metric("portero_draining") == 1).then_some(()));
    // Until the proxy has asked again, a call may come by the first node's 503, and is taken by the second.
    (0..4).for_each(|_| drop(call()));
    wait_for("calls at the second node", soon, || (invites(&second) == 6).then_some(()));
    let refused = || first.metric("portero_sip_responses_total{method=\"OPTIONS\",code=\"503\"}");
    wait_for("answer to a ping", soon, || (refused() >= 2).then_some(()));
    let asked = invites(&first);
    (0..4).for_each(|_| drop(call()));
    wait_for("calls at the second node", soon, || (invites(&second) == 10).then_some(()));
    let more = refused();
    wait_for("totals of a later second", soon, || (refused() > more).then_some(()));
    assert_eq!(invites(&first), asked, "the node that drains is asked no more");
    first.signal("TERM");
    first.wait_for_exit(soon);
    caller.wait_for_exit("end of the call", soon);
}
