//! `portero_fuzz::rtp`, fuzzed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portero_fuzz::rtp::hold(data));
