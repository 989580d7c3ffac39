//! Back ends by TLS: only who shows the right certificate is told anything, and who wants to see ours sees it.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::authority::{Authority, Issued};

impl Authority {
    fn trust(&self) -> TlsFiles {
        TlsFiles { trust: Some(self.file("ca.pem")), identity: None }
    }
}

/// What comes of asking such a server, and how many requests it has read.
async fn asked_by_tls(acceptor: TlsAcceptor, tls: TlsFiles) -> (Answer, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let service = Service {
        deadline: PATIENT,
        tls,
        ..Service::at(format!("https://{address}/api/").parse().expect("a URL"))
    };
    let client = Client::new(config(service, false)).expect("a client");
    let seen = Mutex::new(0);
    let serve = async {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut buffer = [0; 4096];
            if !matches!(stream.read(&mut buffer).await, Ok(read) if read > 0) {
                continue;
            }
            *seen.lock().expect("nobody panicked") += 1;
            let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(answer).await.expect("sent");
            drop(stream.shutdown().await);
        }
    };
    let (action, query) = number();
    let answer = tokio::select! {
        answer = client.ask(&action, &query) => answer,
        () = serve => unreachable!("it serves for ever"),
    };
    (answer, seen.into_inner().expect("nobody panicked"))
}

const NOBODY: Answer = Answer::LookUp(Matches::None);
const REFUSED: (Answer, usize) = (Answer::Failed(Failure::Unreachable), 0);

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_believed() {
    let authority = Authority::new();
    let issued = authority.issue("127.0.0.1", |_| {});
    let acceptor = authority.acceptor(&issued, false);
    assert_eq!(asked_by_tls(acceptor, authority.trust()).await, (NOBODY, 1));
}

#[tokio::test]
async fn a_self_signed_certificate_is_told_nothing() {
    let authority = Authority::new();
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let acceptor = authority.acceptor(&Issued { certificate, key: key.serialize_pem() }, false);
    assert_eq!(asked_by_tls(acceptor, authority.trust()).await, REFUSED);
}

#[tokio::test]
async fn a_certificate_of_another_host_is_told_nothing() {
    let authority = Authority::new();
    for name in ["crm.example.com", "127.0.0.2"] {
        let acceptor = authority.acceptor(&authority.issue(name, |_| {}), false);
        assert_eq!(asked_by_tls(acceptor, authority.trust()).await, REFUSED, "{name}");
    }
}

#[tokio::test]
async fn an_expired_certificate_is_told_nothing() {
    let authority = Authority::new();
    let expired = authority.issue("127.0.0.1", |params| params.not_after = date_time_ymd(2020, 1, 1));
    let acceptor = authority.acceptor(&expired, false);
    assert_eq!(asked_by_tls(acceptor, authority.trust()).await, REFUSED);
}

#[tokio::test]
async fn who_wants_to_see_our_certificate_sees_it() {
    let authority = Authority::new();
    let server = authority.issue("127.0.0.1", |_| {});
    let ours = authority.issue("portero.example.com", |_| {});
    let certificate = authority.write("ours.pem", &ours.certificate);
    let key = authority.write("ours.key", &ours.key);
    let shows = TlsFiles { identity: Some((certificate, key)), ..authority.trust() };
    assert_eq!(asked_by_tls(authority.acceptor(&server, true), shows).await, (NOBODY, 1));
    let (answer, seen) = asked_by_tls(authority.acceptor(&server, true), authority.trust()).await;
    assert_eq!((answer, seen), REFUSED, "without one nobody is let in");
}

#[test]
fn files_that_hold_nothing_of_use_are_told_of() {
    let authority = Authority::new();
    let issued = authority.issue("127.0.0.1", |_| {});
    let file = |name: &str, text: &str| authority.write(name, text);
    let certificate = file("c.pem", &issued.certificate);
    let empty = file("empty.pem", "");
    let missing = authority.file("missing.pem");
    let table = [
        (TlsFiles { trust: Some(missing.clone()), identity: None }, "missing.pem cannot be read"),
        (TlsFiles { trust: Some(empty.clone()), identity: None }, "empty.pem holds no certificate in PEM"),
        (
            TlsFiles { trust: None, identity: Some((empty.clone(), empty.clone())) },
            "empty.pem holds no certificate in PEM",
        ),
        (
            TlsFiles { trust: None, identity: Some((certificate.clone(), empty)) },
            "empty.pem holds no private key in PEM",
        ),
        (TlsFiles { trust: None, identity: Some((certificate, missing)) }, "missing.pem cannot be read"),
    ];
    for (tls, expected) in table {
        let service = Service { tls, ..Service::at("http://127.0.0.1:1".parse().expect("a URL")) };
        let fault = Client::new(config(service, false)).expect_err("no client").to_string();
        assert!(fault.ends_with(expected), "{fault}");
    }
}
