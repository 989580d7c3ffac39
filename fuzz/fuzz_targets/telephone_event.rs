//! `portero_fuzz::telephone_event`, fuzzed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| portero_fuzz::telephone_event::hold(data));
