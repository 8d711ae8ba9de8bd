//! A set of roster numbers, compressed.

use std::io;

use bincode::de::Decoder;
use bincode::de::read::Reader;
use bincode::enc::Encoder;
use bincode::enc::write::Writer;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use roaring::RoaringBitmap;

use crate::limits::MAX_INDICES;

/// A set that is so many times larger than another one takes in that one's numbers one by one.
const UNION_WORTH: usize = 16;

/// A set of roster numbers of one link, as a compressed bitmap.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct IndexSet(RoaringBitmap);

impl IndexSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a number; false when it was there.
    pub fn insert(&mut self, index: u32) -> bool {
        // Most sets are made in rising order, and then there is nothing to search.
        self.0.try_push(index).is_ok() || self.0.insert(index)
    }

    /// Adds all numbers of another set.
    pub fn extend(&mut self, other: &IndexSet) {
        // A union copies the larger set, however small the other one is.
        if other.len() < self.len() / UNION_WORTH {
            for index in other.iter() {
                self.insert(index);
            }
        } else {
            self.0 |= &other.0;
        }
    }

    /// Takes out all numbers of another set.
    pub fn subtract(&mut self, other: &IndexSet) {
        self.0 -= &other.0;
    }

    /// The numbers that are in both.
    #[must_use]
    pub fn intersection(&self, other: &IndexSet) -> IndexSet {
        IndexSet(&self.0 & &other.0)
    }

    /// Takes a number out; false when it was not there.
    pub fn remove(&mut self, index: u32) -> bool {
        self.0.remove(index)
    }

    /// Whether the number is in the set.
    pub fn contains(&self, index: u32) -> bool {
        self.0.contains(index)
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> usize {
        self.0.len() as usize
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The numbers in rising order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter()
    }
}

impl FromIterator<u32> for IndexSet {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        IndexSet(numbers.into_iter().collect())
    }
}

impl Encode for IndexSet {
    fn encode<E: Encoder>(&self, e: &mut E) -> Result<(), EncodeError> {
        let mut compact = self.0.clone();
        compact.optimize();
        compact.serialized_size().encode(e)?;
        compact
            .serialize_into(Bytes(e.writer()))
            .map_err(|_| EncodeError::Other("bitmap does not serialize"))
    }
}

/// An encoder's writer, as the bitmap wants it.
struct Bytes<'a, W>(&'a mut W);

impl<W: Writer> io::Write for Bytes<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<C> Decode<C> for IndexSet {
    fn decode<D: Decoder<Context = C>>(d: &mut D) -> Result<Self, DecodeError> {
        let len = usize::decode(d)?;
        d.claim_bytes_read(len)?;
        // Messages are decoded from slices alone, so that what can't be looked at is not there.
        let bytes = d.reader().peek_read(len);
        let bytes = bytes.ok_or(DecodeError::UnexpectedEnd { additional: len })?;
        let numbers = RoaringBitmap::deserialize_from(bytes)
            .map_err(|_| DecodeError::Other("not a bitmap"))?;
        d.reader().consume(len);
        if numbers.len() > MAX_INDICES as u64 {
            return Err(DecodeError::Other("too many numbers"));
        }
        Ok(IndexSet(numbers))
    }
}
bincode::impl_borrow_decode!(IndexSet);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::codec::{decode, encode};

    #[test]
    fn unions_hold_what_either_holds_whatever_their_sizes() {
        let large: IndexSet = (0..1_000).map(|n| n * 3).collect();
        for small in [vec![], vec![1], vec![0, 1, 70_000], (5..500).collect()] {
            let mut union = large.clone();
            union.extend(&small.iter().copied().collect());
            let expected: BTreeSet<u32> = large.iter().chain(small).collect();
            assert!(union.iter().eq(expected));
        }
    }

    #[test]
    fn few_bytes_name_no_more_minions_than_there_can_be() {
        let most = MAX_INDICES as u32;
        for (count, is_good) in [(most, true), (most + 1, false)] {
            let bytes = encode(&(0..count).collect::<IndexSet>()).unwrap();
            assert!(bytes.len() < 2_000, "{}", bytes.len());
            assert_eq!(decode::<IndexSet>(&bytes).is_ok(), is_good, "{count}");
        }
    }
}
