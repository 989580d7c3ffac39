//! `portero_fuzz::rtcp`, fuzzed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portero_fuzz::rtcp::hold(data));
