//! `portero_fuzz::sip_datagram`, fuzzed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portero_fuzz::sip_datagram::hold(data));
