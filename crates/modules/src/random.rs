//! Random numbers from the kernel.

use std::fs::File;
use std::io::Read;

use crate::failure::Failure;

const SOURCE: &str = "/dev/urandom";

/// A uniformly random number below `bound`, which is at least 1.
pub(crate) fn below(bound: u64) -> Result<u64, Failure> {
    let mut source = File::open(SOURCE).map_err(|error| Failure::io(SOURCE, error))?;
    // Numbers beyond the last whole multiple of the bound would favour small results; fewer than half are refused.
    let ceiling = u64::MAX - u64::MAX % bound;
    loop {
        let mut bytes = [0; 8];
        source
            .read_exact(&mut bytes)
            .map_err(|error| Failure::io(SOURCE, error))?;
        let number = u64::from_ne_bytes(bytes);
        if number < ceiling {
            return Ok(number % bound);
        }
    }
}

/// So many random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let broken = |error| Failure::io(SOURCE, error);
    let mut bytes = [0; N];
    let mut source = File::open(SOURCE).map_err(broken)?;
    source.read_exact(&mut bytes).map_err(broken)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_stay_below() {
        for bound in [1, 2, 7, u64::MAX] {
            assert!((0..100).all(|_| super::below(bound).unwrap() < bound));
        }
    }
}
