//! `portero_fuzz::dtmf_info`, fuzzed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portero_fuzz::dtmf_info::hold(data));
