//! RTCP: what a compound packet says of us stays within what its fields can hold, and our own reports read back
//! whatever they answer.

use portero::rtp::rtcp::{self, REPORT_LEN_MAX, Report};

const OURS: u32 = 7;

/// Fails where it does not hold.
pub fn hold(data: &[u8]) {
    let Some(heard) = rtcp::read(data, OURS) else { return };
    let Some(block) = heard.about_us else { return };
    assert_eq!(block.ssrc, OURS);
    assert!((-0x80_0000..0x80_0000).contains(&block.cumulative_lost));
    let report = Report { ssrc: 9, sender: None, reception: Some(block), cname: "x@y", bye: heard.bye };
    let mut buffer = [0; REPORT_LEN_MAX];
    let length = report.write(&mut buffer).expect("a report fits");
    let read = rtcp::read(&buffer[..length], OURS).expect("our own report");
    assert_eq!((read.about_us, read.bye), (Some(block), heard.bye));
}
