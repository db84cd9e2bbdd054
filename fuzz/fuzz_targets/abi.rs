#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| everpost_ffi::fuzzing::abi(data));
