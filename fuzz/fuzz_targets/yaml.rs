#![no_main]

// The parser of YAML panics at a few malformed texts, and the product takes that for an error. The fuzzer's own hook would end
// the process at each.
libfuzzer_sys::fuzz_target!(
    init: std::panic::set_hook(Box::new(|_| {})),
    |bytes: &[u8]| hostile::hear("yaml", bytes)
);
