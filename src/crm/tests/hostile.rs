//! Back ends that mean harm, or do it: each is a failure within the deadline, and no caller's fault.

use super::*;

/// Sends `head`, and then a byte at a time for as long as somebody reads.
async fn drip(listener: TcpListener, head: &'static str) {
    let (mut stream, _) = listener.accept().await.expect("a connection");
    request(&mut stream).await;
    let mut open = stream.write_all(head.as_bytes()).await.is_ok();
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    while open {
        beat.tick().await;
        open = stream.write_all(b" ").await.is_ok();
    }
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_back_end_that_refuses_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let (action, query) = secret("1");
    assert_eq!(client(address, PATIENT).ask(&action, &query).await, Answer::Failed(Failure::Unreachable));
}

#[tokio::test]
async fn a_back_end_that_hangs_is_given_up_at_the_deadline() {
    let (answer, _) = asked(secret("1"), HASTY, Reply::Silence("")).await;
    assert_eq!(answer, Answer::Failed(Failure::TimedOut));
}

#[tokio::test]
async fn a_back_end_that_drips_is_given_up_at_the_deadline() {
    for head in ["HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", "HTTP/1.1 200 OK\r\nX-Slow: "] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = client(listener.local_addr().expect("an address"), HASTY);
        let (action, query) = number();
        let answer = tokio::select! {
            answer = client.ask(&action, &query) => answer,
            () = drip(listener, head) => unreachable!("it drips for ever"),
        };
        assert_eq!(answer, Answer::Failed(Failure::TimedOut), "{head}");
    }
}

#[tokio::test]
async fn a_back_end_that_answers_garbage_has_failed() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in ["<html>down for maintenance</html>", "\u{0}\u{1}", "{\"customers\":", &deep] {
        let (answer, _) = asked(number(), PATIENT, reply("200 OK", body)).await;
        assert_eq!(answer, Answer::Failed(Failure::Garbage), "{}", &body[..body.len().min(20)]);
    }
}

#[tokio::test]
async fn ten_megabytes_without_a_length_are_cut_off() {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..1_000 {
        bytes.extend_from_slice(b"2710\r\n");
        bytes.extend(std::iter::repeat_n(b' ', 10_000));
        bytes.extend_from_slice(b"\r\n");
    }
    let (answer, _) = asked(number(), PATIENT, Reply::Bytes(bytes)).await;
    assert_eq!(answer, Answer::Failed(Failure::Garbage));
}

#[tokio::test]
async fn a_redirect_loop_is_not_entered() {
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let bytes = format!("HTTP/1.1 {status}\r\nLocation: /api/customers\r\nContent-Length: 0\r\n\r\n");
        let (answer, seen) = asked(number(), PATIENT, Reply::Bytes(bytes.into())).await;
        assert_eq!((answer, seen.len()), (Answer::Failed(Failure::Status), 1), "{status}");
    }
}

#[tokio::test]
async fn headers_without_end_are_no_answer() {
    let mut bytes = b"HTTP/1.1 200 OK\r\n".to_vec();
    (0..100_000).for_each(|_| bytes.extend_from_slice(b"X-More: more\r\n"));
    let (answer, _) = asked(number(), PATIENT, Reply::Bytes(bytes)).await;
    assert_eq!(answer, Answer::Failed(Failure::Unreachable));
}
