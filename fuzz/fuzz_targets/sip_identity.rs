//! `portero_fuzz::sip_identity`, fuzzed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portero_fuzz::sip_identity::hold(data));
