//! `portero_fuzz::passport`, fuzzed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portero_fuzz::passport::hold(data));
