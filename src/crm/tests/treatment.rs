//! How back ends are treated: what lets us in, what is sent once more, and when one is left alone.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request as Asked;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};

use super::*;
use crate::secret::Password;

/// A back end whose `n`th answer is by `answer(n, …)`, and what it was asked.
async fn with_back_end<F: Future>(
    answer: impl Fn(usize, &Asked) -> Response + Clone + Send + Sync + 'static,
    service: impl FnOnce(Service) -> Service,
    retry: bool,
    work: impl FnOnce(Client) -> F,
) -> (F::Output, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (seen, count) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let noted = Arc::clone(&seen);
    let note = move |asked: Asked| {
        let authorization = asked.headers().get("authorization").map(|value| value.to_str().expect("text"));
        let line = format!("{} {} {}", asked.method(), asked.uri(), authorization.unwrap_or("-"));
        noted.lock().expect("nobody panicked").push(line);
        let response = answer(count.fetch_add(1, Ordering::SeqCst), &asked);
        async move { response }
    };
    let routes = Router::new().fallback(any(note));
    let usual = Service::at(format!("http://{address}").parse().expect("a URL"));
    let client = Client::new(config(service(usual), retry)).expect("a client");
    let done = tokio::select! {
        done = work(client) => done,
        served = axum::serve(listener, routes) => unreachable!("it serves for ever: {served:?}"),
    };
    let seen = seen.lock().expect("nobody panicked").clone();
    (done, seen)
}

fn nobody() -> Response {
    StatusCode::NOT_FOUND.into_response()
}

const NOBODY: Answer = Answer::LookUp(Matches::None);

async fn ask(client: Client) -> Answer {
    let (action, query) = number();
    client.ask(&action, &query).await
}

#[tokio::test]
async fn what_the_back_end_did_not_get_to_is_sent_once_more() {
    for (status, expected, times) in [
        (StatusCode::SERVICE_UNAVAILABLE, NOBODY, 2),
        (StatusCode::BAD_GATEWAY, NOBODY, 2),
        (StatusCode::GATEWAY_TIMEOUT, NOBODY, 2),
        (StatusCode::INTERNAL_SERVER_ERROR, Answer::Failed(Failure::Status), 1),
        (StatusCode::TOO_MANY_REQUESTS, Answer::Failed(Failure::Status), 1),
        (StatusCode::UNAUTHORIZED, Answer::Failed(Failure::Refused), 1),
    ] {
        let first = move |n, _: &Asked| if n == 0 { status.into_response() } else { nobody() };
        let (answer, seen) = with_back_end(first, |it| it, true, ask).await;
        assert_eq!((answer, seen.len()), (expected, times), "{status}");
    }
    let always = |_, _: &Asked| StatusCode::SERVICE_UNAVAILABLE.into_response();
    let (answer, seen) = with_back_end(always, |it| it, true, ask).await;
    assert_eq!((answer, seen.len()), (Answer::Failed(Failure::Status), 2), "once more, and no more");
    let (answer, seen) = with_back_end(always, |it| it, false, ask).await;
    assert_eq!((answer, seen.len()), (Answer::Failed(Failure::Status), 1), "it is not to be sent twice");
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_once_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let service = Service::at(format!("http://{address}").parse().expect("a URL"));
    let client = Client::new(config(service, true)).expect("a client");
    let serve = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        request(&mut stream).await;
        drop(stream);
        let (mut stream, _) = listener.accept().await.expect("another");
        request(&mut stream).await;
        let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.expect("sent");
        stream
    };
    assert_eq!(tokio::join!(ask(client), serve).0, NOBODY);
}

#[tokio::test]
async fn no_second_try_goes_past_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let usual = Service::at(format!("http://{address}").parse().expect("a URL"));
    let service = Service { deadline: Duration::from_secs(1), ..usual };
    let client = Client::new(config(service, true)).expect("a client");
    let serve = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        request(&mut stream).await;
        let answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(answer).await.expect("sent");
        let _second = listener.accept().await.expect("another");
        std::future::pending::<()>().await;
    };
    let answer = tokio::select! {
        answer = ask(client) => answer,
        () = serve => unreachable!("it says nothing more"),
    };
    assert_eq!(answer, Answer::Failed(Failure::TimedOut));
}

#[tokio::test]
async fn a_back_end_that_keeps_failing_is_left_alone_and_tried_again() {
    let limits = Limits { failures: 3, percent: 50, open_for: Duration::from_secs(1), ..Limits::USUAL };
    let fails = |n, _: &Asked| match n {
        0..3 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => nobody(),
    };
    let work = |client: Client| async move {
        for _ in 0..3 {
            assert_eq!(ask(client.clone()).await, Answer::Failed(Failure::Status));
        }
        assert_eq!(ask(client.clone()).await, Answer::Failed(Failure::Open));
        assert_eq!(ask_until_answered(&client).await, NOBODY);
        assert_eq!(ask(client.clone()).await, NOBODY);
    };
    let ((), seen) = with_back_end(fails, |it| Service { breaker: Some(limits), ..it }, false, work).await;
    assert_eq!(seen.len(), 5, "three that failed, the probe and one more");
}

#[tokio::test]
async fn whoever_is_left_alone_stays_so_over_a_reload_that_changes_nothing_of_them() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}/", taken.local_addr().expect("an address"));
    // Nobody is there.
    drop(taken);
    let limits = Limits { failures: 3, ..Limits::USUAL };
    let of = |max_concurrent| {
        let service = Service::at(base.parse().expect("a URL"));
        config(Service { breaker: Some(limits), max_concurrent, ..service }, false)
    };
    let client = Client::new(of(8)).expect("a client");
    for _ in 0..3 {
        assert_eq!(ask(client.clone()).await, Answer::Failed(Failure::Unreachable));
    }
    let same = client.renew(of(8)).expect("a client");
    assert_eq!(ask(same.clone()).await, Answer::Failed(Failure::Open));
    let changed = same.renew(of(9)).expect("a client");
    assert_eq!(ask(changed).await, Answer::Failed(Failure::Unreachable), "it may be better so");
}

/// Asks every now and then until that does not fail, and gives what comes of it.
async fn ask_until_answered(client: &Client) -> Answer {
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    loop {
        beat.tick().await;
        match ask(client.clone()).await {
            Answer::Failed(_) => {}
            answer => return answer,
        }
    }
}

/// The head of an answer, and then nothing more.
fn endless() -> Response {
    let nothing = futures_util::stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
    axum::body::Body::from_stream(nothing).into_response()
}

#[tokio::test]
async fn hundreds_of_callers_wait_no_longer_than_the_deadline_for_a_back_end_that_is_slow_for_half_of_them() {
    const CALLERS: usize = 300;
    let limits = Limits { percent: 40, open_for: Duration::from_secs(1), ..Limits::USUAL };
    let service = |it| Service {
        breaker: Some(limits),
        max_concurrent: CALLERS,
        deadline: Duration::from_secs(1),
        ..it
    };
    let is_well = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_well);
    let half = move |n, _: &Asked| {
        if !told.load(Ordering::SeqCst) && n % 2 == 0 { endless() } else { nobody() }
    };
    let work = |client: Client| async move {
        let asks = (0..CALLERS).map(|_| ask(client.clone()));
        let answers = futures_util::future::join_all(asks).await;
        let count = |answer: Answer| answers.iter().filter(|it| **it == answer).count();
        let timed_out = Answer::Failed(Failure::TimedOut);
        assert_eq!(count(NOBODY) + count(timed_out.clone()), CALLERS, "{answers:?}");
        assert!(count(timed_out) >= CALLERS / 2);
        assert_eq!(ask(client.clone()).await, Answer::Failed(Failure::Open), "the next caller does not wait");
        is_well.store(true, Ordering::SeqCst);
        assert_eq!(ask_until_answered(&client).await, NOBODY, "when it is well again, it is asked again");
    };
    with_back_end(half, service, false, work).await;
}

#[tokio::test]
async fn refusals_of_single_requests_do_not_open_the_circuit() {
    let limits = Limits { failures: 1, percent: 1, ..Limits::USUAL };
    let refuses = |_, _: &Asked| StatusCode::BAD_REQUEST.into_response();
    let work = |client: Client| async move {
        for _ in 0..3 {
            assert_eq!(ask(client.clone()).await, Answer::Failed(Failure::Refused));
        }
    };
    with_back_end(refuses, |it| Service { breaker: Some(limits), ..it }, false, work).await;
}

#[tokio::test]
async fn keys_go_where_they_are_said_to() {
    let answer = |_, _: &Asked| nobody();
    let key = |it| Service {
        authentication: Authentication::Parameter("key".into(), Password::new("a&b".into())),
        ..it
    };
    let (_, seen) = with_back_end(answer, key, false, ask).await;
    assert_eq!(seen, ["GET /customers?phone=%2B12025550101&key=a%26b -"]);
    let basic = |it| Service {
        authentication: Authentication::Header(
            HeaderName::from_static("authorization"),
            basic("Aladdin", "open sesame").expect("a header"),
        ),
        ..it
    };
    let (_, seen) = with_back_end(answer, basic, false, ask).await;
    assert_eq!(seen, ["GET /customers?phone=%2B12025550101 Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]);
}

/// A token endpoint whose `n`th answer is by `grant(n)`, and what it was asked, while a back end that lets in who shows
/// `token-1`, or later ones where that is `refused`, is asked by `work`.
async fn with_tokens<F: Future>(
    grant: impl Fn(usize) -> Response + Clone + Send + Sync + 'static,
    refused: &'static str,
    client_in: ClientIn,
    work: impl FnOnce(Client) -> F,
) -> (F::Output, Vec<String>, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (asked, count) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let noted = Arc::clone(&asked);
    let token = move |headers: axum::http::HeaderMap, form: String| {
        let authorization = headers.get("authorization").map(|value| value.to_str().expect("text"));
        let line = format!("{form} {}", authorization.unwrap_or("-"));
        noted.lock().expect("nobody panicked").push(line);
        let response = grant(count.fetch_add(1, Ordering::SeqCst) + 1);
        async move {
            // Whoever else wants a token has the time to ask for it.
            tokio::task::yield_now().await;
            response
        }
    };
    let tokens = Router::new().route("/token", post(token));
    let oauth2 = OAuth2 {
        token_url: format!("http://{address}/token").parse().expect("a URL"),
        client_id: "portero:1".into(),
        client_secret: Password::new("open sesame".into()),
        client_in,
        parameters: vec![("scope".into(), "read all".into())],
    };
    let service = |it| Service { authentication: Authentication::Token(oauth2), ..it };
    let answer = move |_, asked: &Asked| {
        let shown = asked.headers().get("authorization").and_then(|value| value.to_str().ok());
        match shown {
            Some(token) if token.starts_with("Bearer token-") && !token.ends_with(refused) => nobody(),
            _ => StatusCode::UNAUTHORIZED.into_response(),
        }
    };
    let (done, seen) = tokio::select! {
        done = with_back_end(answer, service, false, work) => done,
        served = axum::serve(listener, tokens) => unreachable!("it serves for ever: {served:?}"),
    };
    let asked = asked.lock().expect("nobody panicked").clone();
    (done, asked, seen)
}

fn granted(n: usize, expires_in: &str) -> Response {
    format!(r#"{{"access_token":"token-{n}","token_type":"bearer"{expires_in}}}"#).into_response()
}

const NONE_REFUSED: &str = "nothing ends so";

#[tokio::test]
async fn a_token_is_fetched_once_for_many_and_kept() {
    let work = |client: Client| async move {
        let asks = (0..10).map(|_| ask(client.clone()));
        let answers = futures_util::future::join_all(asks).await;
        assert!(answers.iter().all(|answer| *answer == NOBODY), "{answers:?}");
        assert_eq!(ask(client.clone()).await, NOBODY);
    };
    for expires_in in ["", r#","expires_in":3600"#, r#","expires_in":"3600""#] {
        let grant = move |n| granted(n, expires_in);
        let ((), tokens, seen) = with_tokens(grant, NONE_REFUSED, ClientIn::Header, work).await;
        let basic = "Basic cG9ydGVybyUzQTE6b3BlbiUyMHNlc2FtZQ==";
        assert_eq!(tokens, [format!("grant_type=client_credentials&scope=read%20all {basic}")]);
        assert_eq!(seen.len(), 11);
        assert!(seen.iter().all(|line| line.ends_with("Bearer token-1")), "{seen:?}");
    }
}

#[tokio::test]
async fn a_client_can_be_named_in_the_form() {
    let grant = |n| granted(n, "");
    let (_, tokens, _) = with_tokens(grant, NONE_REFUSED, ClientIn::Body, ask).await;
    let client = "client_id=portero%3A1&client_secret=open%20sesame";
    assert_eq!(tokens, [format!("grant_type=client_credentials&{client}&scope=read%20all -")]);
}

#[tokio::test]
async fn a_token_that_has_expired_is_replaced() {
    let work = |client: Client| async move {
        assert_eq!(ask(client.clone()).await, NOBODY);
        assert_eq!(ask(client).await, NOBODY);
    };
    let grant = |n| granted(n, r#","expires_in":0"#);
    let ((), tokens, _) = with_tokens(grant, NONE_REFUSED, ClientIn::Header, work).await;
    assert_eq!(tokens.len(), 2);
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let grant = |n| granted(n, "");
    let work = |client: Client| async move {
        let asks = (0..5).map(|_| ask(client.clone()));
        let answers = futures_util::future::join_all(asks).await;
        assert!(answers.iter().all(|answer| *answer == NOBODY), "{answers:?}");
    };
    let ((), tokens, _) = with_tokens(grant, "token-1", ClientIn::Header, work).await;
    assert_eq!(tokens.len(), 2, "one for all who were refused");
    let (answer, tokens, seen) = with_tokens(grant, "", ClientIn::Header, ask).await;
    assert_eq!(answer, Answer::Failed(Failure::Refused));
    assert_eq!((tokens.len(), seen.len()), (2, 2), "and no third try");
}

#[tokio::test]
async fn without_a_token_nothing_is_asked_and_nobody_tries_in_vain() {
    type Grant = fn(usize) -> Response;
    let table: [(Grant, Failure); 5] = [
        (|_| StatusCode::UNAUTHORIZED.into_response(), Failure::Status),
        (|_| "no token".into_response(), Failure::Garbage),
        (|_| r#"{"access_token":""}"#.into_response(), Failure::Garbage),
        (|_| r#"{"access_token":"a\nb"}"#.into_response(), Failure::Garbage),
        (|_| r#"{"access_token":"a","token_type":"mac"}"#.into_response(), Failure::Garbage),
    ];
    let work = |client: Client| async move {
        let asks = (0..5).map(|_| ask(client.clone()));
        futures_util::future::join_all(asks).await
    };
    for (grant, failure) in table {
        let (answers, tokens, seen) = with_tokens(grant, NONE_REFUSED, ClientIn::Header, work).await;
        assert_eq!(answers, [0; 5].map(|_| Answer::Failed(failure)));
        assert_eq!((tokens.len(), seen.len()), (1, 0), "{failure:?}");
    }
}
