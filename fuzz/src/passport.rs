//! An Identity header field that is the fuzzer's, and a certificate: what is read of a passport was said in it, and what
//! nobody has signed proves nothing.

use std::time::Duration;

use jiff::Timestamp;
use portero::flow::PhoneNumber;
use portero::stir::{Chain, Passport, Presented};

/// Fails where it does not hold.
pub fn hold(data: &[u8]) {
    let field = String::from_utf8_lossy(data);
    let number = |text| PhoneNumber::parse(text).expect("a number");
    let presented = Presented {
        fields: vec![field.to_string()],
        caller: number("+12025550101"),
        callees: vec![number("+12025550100")],
        date: Some("Mon, 21 Sep 2026 14:13:20 GMT".to_owned()),
        sip_call_id: "call".to_owned(),
    };
    let now = Timestamp::from_second(1_790_000_000).expect("a time");
    if let Ok(Some(passport)) = Passport::read(&field, &presented, Duration::from_mins(1), now) {
        assert!(field.contains(passport.place()), "{field}");
    }
    let shown = format!("{presented:?} {:?}", Chain::read(data));
    assert!(shown.len() < 100, "{shown}");
}
