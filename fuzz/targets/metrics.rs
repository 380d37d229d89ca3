#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| messengerd::fuzzing::fuzz("metrics", bytes));
