//! Python's random numbers: the Mersenne Twister, seeded by a text, so that the same seed gives the numbers that Salt gives.

use sha2::{Digest, Sha512};

const WORDS: usize = 624;
const MIDDLE: usize = 397;

/// A generator in the state of Python's `random.Random(seed)`.
pub(crate) struct Twister {
    words: [u32; WORDS],
    at: usize,
}

impl Twister {
    /// Seeds as Python does it with a text: by the number that the text and its hash make.
    pub(crate) fn of_text(seed: &str) -> Twister {
        let mut number = seed.as_bytes().to_vec();
        number.extend(Sha512::digest(seed.as_bytes()));
        Twister::of_number(&number)
    }

    /// Seeds as Python does it with a whole number; its sign does not count.
    pub(crate) fn of_integer(seed: i64) -> Twister {
        Twister::of_number(&seed.unsigned_abs().to_be_bytes())
    }

    /// A number in bytes, the highest first.
    fn of_number(bytes: &[u8]) -> Twister {
        let mut key: Vec<u32> = bytes
            .rchunks(4)
            .map(|chunk| {
                chunk
                    .iter()
                    .fold(0, |word, byte| word << 8 | u32::from(*byte))
            })
            .collect();
        while key.len() > 1 && key.last() == Some(&0) {
            key.pop();
        }
        let mut words = first_words(19_650_218);
        let (mut i, mut j) = (1, 0);
        for _ in 0..WORDS.max(key.len()) {
            let mixed = (words[i - 1] ^ words[i - 1] >> 30).wrapping_mul(1_664_525);
            words[i] = (words[i] ^ mixed)
                .wrapping_add(key[j])
                .wrapping_add(j as u32);
            (i, j) = (i + 1, (j + 1) % key.len());
            if i == WORDS {
                words[0] = words[WORDS - 1];
                i = 1;
            }
        }
        for _ in 0..WORDS - 1 {
            let mixed = (words[i - 1] ^ words[i - 1] >> 30).wrapping_mul(1_566_083_941);
            words[i] = (words[i] ^ mixed).wrapping_sub(i as u32);
            i += 1;
            if i == WORDS {
                words[0] = words[WORDS - 1];
                i = 1;
            }
        }
        words[0] = 1 << 31;
        Twister { words, at: WORDS }
    }

    fn next(&mut self) -> u32 {
        if self.at == WORDS {
            self.twist();
        }
        let mut word = self.words[self.at];
        self.at += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    fn twist(&mut self) {
        for i in 0..WORDS {
            let both = self.words[i] & 1 << 31 | self.words[(i + 1) % WORDS] & !(1 << 31);
            let odd = if both & 1 == 1 { 0x9908_b0df } else { 0 };
            self.words[i] = self.words[(i + MIDDLE) % WORDS] ^ both >> 1 ^ odd;
        }
        self.at = 0;
    }

    fn bits(&mut self, count: u32) -> u64 {
        if count <= 32 {
            return u64::from(self.next() >> (32 - count));
        }
        let low = u64::from(self.next());
        low | u64::from(self.next() >> (64 - count)) << 32
    }

    /// A number below `bound`, which is at least 1.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let count = u64::BITS - bound.leading_zeros();
        loop {
            let number = self.bits(count);
            if number < bound {
                return number;
            }
        }
    }

    /// The places of `count` of `length` items, as Python's `sample` chooses them; `count` is at most `length`.
    pub(crate) fn sample(&mut self, length: usize, count: usize) -> Vec<usize> {
        // Python keeps a list of all places where that takes no more room than a set of the chosen ones.
        let mut room = 21;
        if count > 5 {
            let mut power = 1;
            while power < count * 3 {
                power *= 4;
            }
            room += power;
        }
        let mut chosen = Vec::with_capacity(count);
        if length <= room {
            let mut places: Vec<usize> = (0..length).collect();
            for taken in 0..count {
                let left = length - taken;
                let at = self.below(left as u64) as usize;
                chosen.push(places[at]);
                places[at] = places[left - 1];
            }
            return chosen;
        }
        let mut known = std::collections::HashSet::new();
        while chosen.len() < count {
            let at = self.below(length as u64) as usize;
            if known.insert(at) {
                chosen.push(at);
            }
        }
        chosen
    }
}

fn first_words(seed: u32) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    words[0] = seed;
    for i in 1..WORDS {
        let before: u32 = words[i - 1];
        words[i] = (before ^ before >> 30)
            .wrapping_mul(1_812_433_253)
            .wrapping_add(i as u32);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: [u64; 5] = [45, 361, 2, 911186634544, 1];
    const NUMBER: [u64; 4] = [79, 32, 94, 45];
    const ZERO: u64 = 864;
    const SMALL: [usize; 4] = [7, 9, 5, 6];
    const LARGE: [usize; 6] = [488, 464, 732, 344, 778, 1];
    const MIDDLE_SIZED: [usize; 7] = [61, 58, 43, 0, 83, 15, 51];
    const SUM: u64 = 989983;

    #[test]
    fn the_numbers_are_pythons() {
        let mut twister = Twister::of_text("web1.example");
        let numbers: Vec<u64> = [60, 1000, 7, 1 << 40, 2]
            .map(|bound| twister.below(bound))
            .to_vec();
        assert_eq!(numbers, TEXT);
        let mut twister = Twister::of_integer(-5);
        let numbers: Vec<u64> = (0..4).map(|_| twister.below(100)).collect();
        assert_eq!(numbers, NUMBER);
        assert_eq!(Twister::of_integer(0).below(1000), ZERO);
        assert_eq!(Twister::of_text("s").sample(10, 4), SMALL);
        assert_eq!(Twister::of_text("s").sample(1000, 6), LARGE);
        assert_eq!(Twister::of_text("s").sample(90, 7), MIDDLE_SIZED);
        // So many numbers that the state is twisted again.
        let mut twister = Twister::of_text("s");
        let sum: u64 = (0..2000).map(|_| twister.below(1000)).sum();
        assert_eq!(sum, SUM);
    }
}
