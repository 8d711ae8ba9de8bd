//! Cutting a stream of bytes into frames.

use bytes::Bytes;
use wire::codec::{PREFIX, frame_len};

/// A prefix that announces nothing, or more than is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame may not have {0} bytes here")]
pub(crate) struct BadLength(pub usize);

/// Collects chunks of a stream and gives whole frame bodies. A frame inside of one chunk is not copied; between
/// frames nothing is allocated, so that an idle session costs nothing here.
#[derive(Debug)]
pub(crate) struct Frames {
    /// What was received and not looked at.
    chunk: Bytes,
    /// The beginning of a frame whose rest has not come.
    partial: Vec<u8>,
    /// Longest body.
    max: usize,
}

impl Frames {
    pub fn new(max: usize) -> Frames {
        Frames {
            chunk: Bytes::new(),
            partial: Vec::new(),
            max,
        }
    }

    /// Adds what came. Everything before must have been taken by [`next`](Self::next).
    pub fn push(&mut self, chunk: Bytes) {
        debug_assert!(
            self.chunk.is_empty(),
            "a chunk was pushed before the last one was used up"
        );
        self.chunk = chunk;
    }

    /// Whether the stream may end here.
    pub fn is_empty(&self) -> bool {
        self.chunk.is_empty() && self.partial.is_empty()
    }

    /// What came behind the last frame, for a stream that goes on without frames.
    pub fn into_rest(self) -> Bytes {
        self.chunk
    }

    /// The length of the body that is being collected, once its prefix is known.
    pub fn announced(&self) -> Option<usize> {
        let prefix = self.partial.first_chunk::<PREFIX>()?;
        Some(u32::from_le_bytes(*prefix) as usize)
    }

    /// The next whole body; `None` until more comes.
    pub fn next(&mut self) -> Result<Option<Bytes>, BadLength> {
        if self.partial.is_empty() {
            if let Some(prefix) = self.chunk.first_chunk::<PREFIX>() {
                let len = self.check(*prefix)?;
                if self.chunk.len() - PREFIX >= len {
                    let _ = self.chunk.split_to(PREFIX);
                    return Ok(Some(self.chunk.split_to(len)));
                }
            }
            if self.chunk.is_empty() {
                return Ok(None);
            }
        }
        self.fill(PREFIX);
        let Some(prefix) = self.partial.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let len = self.check(*prefix)?;
        self.fill(PREFIX + len);
        if self.partial.len() < PREFIX + len {
            return Ok(None);
        }
        let body = Bytes::from(std::mem::take(&mut self.partial)).slice(PREFIX..);
        Ok(Some(body))
    }

    /// Moves bytes from the chunk until the partial frame has `target`. The vector grows with what has come and
    /// never by what was announced.
    fn fill(&mut self, target: usize) {
        let wanted = target
            .saturating_sub(self.partial.len())
            .min(self.chunk.len());
        self.partial.extend_from_slice(&self.chunk.split_to(wanted));
    }

    fn check(&self, prefix: [u8; PREFIX]) -> Result<usize, BadLength> {
        let announced = u32::from_le_bytes(prefix) as usize;
        match frame_len(prefix) {
            Ok(len) if (1..=self.max).contains(&len) => Ok(len),
            _ => Err(BadLength(announced)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(body: &[u8]) -> Vec<u8> {
        let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn frames_come_out_however_the_stream_is_cut() {
        let bodies: Vec<Vec<u8>> = [1, 2, 3, 4, 5, 90, 100]
            .iter()
            .map(|n| vec![*n as u8; *n])
            .collect();
        let stream: Vec<u8> = bodies.iter().flat_map(|b| framed(b)).collect();
        for cut in 1..=stream.len() {
            let mut frames = Frames::new(100);
            let mut got = Vec::new();
            for chunk in stream.chunks(cut) {
                frames.push(Bytes::copy_from_slice(chunk));
                while let Some(body) = frames.next().unwrap() {
                    got.push(body.to_vec());
                }
            }
            assert_eq!(got, bodies, "cut at {cut}");
            assert!(frames.is_empty());
        }
    }

    #[test]
    fn bad_lengths_are_refused_at_their_prefix() {
        let check = |prefix: [u8; 4], expected| {
            let mut frames = Frames::new(100);
            frames.push(Bytes::copy_from_slice(&prefix));
            assert_eq!(frames.next(), expected);
            // Byte by byte as well.
            let mut frames = Frames::new(100);
            let mut last = Ok(None);
            for byte in prefix {
                frames.push(Bytes::copy_from_slice(&[byte]));
                last = frames.next();
            }
            assert_eq!(last, expected);
        };
        check(100u32.to_le_bytes(), Ok(None));
        check(101u32.to_le_bytes(), Err(BadLength(101)));
        check(0u32.to_le_bytes(), Err(BadLength(0)));
        check([0xff; 4], Err(BadLength(u32::MAX as usize)));
    }

    #[test]
    fn an_announcement_allocates_nothing() {
        let mut frames = Frames::new(8 << 20);
        frames.push(Bytes::copy_from_slice(&(8u32 << 20).to_le_bytes()));
        assert_eq!(frames.next(), Ok(None));
        assert_eq!(frames.announced(), Some(8 << 20));
        assert!(frames.partial.capacity() < 1_024);
    }
}
