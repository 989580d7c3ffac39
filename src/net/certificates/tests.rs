//! Certificates fetched from a server of the test's own, which behaves well or does not.
#![expect(clippy::disallowed_methods, reason = "shell: the server is a task of its own")]

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use reqwest::header::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::authority::Authority;

/// A server of certificates, and somebody who trusts it.
struct Repository {
    asked: Arc<AtomicUsize>,
    certificates: Certificates,
    place: String,
}

/// What nobody answers.
fn no_dns() -> Dns {
    Dns::new(&["127.0.0.1:1".parse().expect("an address")])
}

impl Repository {
    /// One that answers everything with this, or nothing at all.
    async fn answering(authority: &Authority, answer: Option<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let place = format!("https://{}/a.pem", listener.local_addr().expect("an address"));
        let acceptor = authority.acceptor(&authority.issue("127.0.0.1", |_| {}), false);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut room = [0; 4096];
                if !matches!(stream.read(&mut room).await, Ok(read) if read > 0) {
                    continue;
                }
                count.fetch_add(1, Ordering::Relaxed);
                match &answer {
                    // The other side may have heard enough.
                    Some(answer) => drop(stream.write_all(answer).await),
                    None => drop(stream.read(&mut room).await),
                }
                drop(stream.shutdown().await);
            }
        });
        let local_hosts = vec!["127.0.0.1".to_owned()];
        let config = Config { hosts: None, local_hosts, trust: Some(authority.file("ca.pem")) };
        let certificates = Certificates::new(&config, no_dns()).expect("a client");
        Self { asked, certificates, place }
    }

    async fn saying(authority: &Authority, status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n{body}"
        );
        Self::answering(authority, Some(answer.into())).await
    }

    async fn fault(&self) -> Option<Fault> {
        self.certificates.fetch(&self.place).await.err()
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn one_certificate_is_fetched_once_however_many_wait_for_it() {
    let authority = Authority::new();
    let certificate = authority.issue("signer.example", |_| {}).certificate;
    let repository = Repository::saying(&authority, "200 OK", "", &certificate).await;
    let fetched = join_all((0..20).map(|_| repository.certificates.fetch(&repository.place))).await;
    assert!(fetched.iter().all(Result::is_ok), "{fetched:?}");
    assert_eq!((repository.fault().await, repository.asked()), (None, 1));
}

#[tokio::test]
async fn a_server_that_has_no_certificate_is_not_asked_again_at_once() {
    let authority = Authority::new();
    let certificate = authority.issue("signer.example", |_| {}).certificate;
    let elsewhere = "Location: https://127.0.0.1:1/latest/meta-data/\r\n";
    let large = format!("{certificate}{}", "x".repeat(BYTES_MAX));
    let table = [
        ("404 Not Found", "", certificate.as_str(), Fault::Unreachable),
        ("302 Found", elsewhere, "", Fault::Unreachable),
        ("200 OK", "", "<html>Welcome</html>", Fault::NoCertificate),
        ("200 OK", "", large.as_str(), Fault::Unreachable),
    ];
    for (status, headers, body, fault) in table {
        let repository = Repository::saying(&authority, status, headers, body).await;
        assert_eq!(repository.fault().await, Some(fault), "{status} {headers}");
        assert_eq!((repository.fault().await, repository.asked()), (Some(fault), 1), "{status} {headers}");
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_told_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let mut repository = Repository::saying(&authority, "200 OK", "", "").await;
    let trust = Some(other.file("ca.pem"));
    let config = Config { hosts: None, local_hosts: vec!["127.0.0.1".to_owned()], trust };
    repository.certificates = Certificates::new(&config, no_dns()).expect("a client");
    assert_eq!((repository.fault().await, repository.asked()), (Some(Fault::Unreachable), 0));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_waited_for_so_long_and_no_longer() {
    let repository = Repository::answering(&Authority::new(), None).await;
    let begun = Instant::now();
    assert_eq!(repository.fault().await, Some(Fault::Unreachable));
    assert!(begun.elapsed() <= FETCH_WITHIN + Duration::from_millis(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn no_name_leads_to_an_address_that_is_not_the_publics() {
    let authority = Authority::new();
    let config = Config { hosts: None, local_hosts: Vec::new(), trust: Some(authority.file("ca.pem")) };
    let certificates = Certificates::new(&config, no_dns()).expect("a client");
    let fault = async |place: &str| certificates.fetch(place).await.err();
    assert_eq!(fault("https://localhost/a.pem").await, Some(Fault::NotAllowed));
    assert_eq!(fault("https://127.0.0.1/a.pem").await, Some(Fault::NotAllowed));
}

#[test]
fn it_is_kept_as_long_as_its_server_lets_it_within_bounds() {
    let [least, usual, most] = KEPT_FOR;
    let table = [
        (None, usual),
        (Some("public"), usual),
        (Some("max-age=600"), Duration::from_mins(10)),
        (Some("public, Max-Age=\"7200\""), Duration::from_hours(2)),
        (Some("max-age=1"), least),
        (Some("max-age=99999999"), most),
        (Some("max-age=soon"), usual),
        (Some("no-store, max-age=7200"), least),
        (Some("no-cache"), least),
    ];
    for (said, expected) in table {
        let headers = said.map(|said| (CACHE_CONTROL, HeaderValue::from_static(said)));
        assert_eq!(kept_for(&headers.into_iter().collect()), expected, "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_has_its_time_and_there_is_a_bound() {
    let authority = Authority::new();
    let config = Config { trust: Some(authority.file("ca.pem")), ..Config::default() };
    let certificates = Certificates::new(&config, no_dns()).expect("a client");
    let keep = |url: &str, seconds: u64| {
        let cell = certificates.cell(url).expect("room");
        let until = Instant::now() + Duration::from_secs(seconds);
        cell.set(Kept { chain: Err(Fault::Unreachable), until }).expect("nothing is there yet");
    };
    let is_kept = |url: &str| certificates.cell(url).is_some_and(|cell| cell.initialized());
    keep("soon", 10);
    keep("late", 1000);
    tokio::time::advance(Duration::from_secs(9)).await;
    assert!(is_kept("soon") && is_kept("late"));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!is_kept("soon") && is_kept("late"));
    for nth in 0..KEPT_MAX {
        keep(&nth.to_string(), 2000 + nth as u64);
    }
    assert!(!is_kept("late"), "the one with the least time left made room");
    assert!(is_kept(&(KEPT_MAX - 1).to_string()));
}
