//! Contents of files on their way to minions. The minions of a site ask for a file all at once, so each content is in memory
//! once, however many ask for it, and its hash is worked out once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use gitsync::BlobId;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

/// Hashes that are remembered: more than a large tree has files, in a few megabytes.
const HASHES_MAX: usize = 50_000;

/// SHA-256 of a content.
type Hash = [u8; 32];

/// What requests read now, and the hashes of what they read before. A blob's name follows from its content, so nothing here
/// grows old.
#[derive(Debug, Default)]
pub struct Contents {
    shared: Mutex<HashMap<BlobId, Weak<Shared>>>,
    hashes: Mutex<HashMap<BlobId, Hash>>,
}

#[derive(Debug, Default)]
struct Shared {
    bytes: OnceCell<Bytes>,
    hash: OnceCell<Hash>,
}

/// A content. Whoever asks for it while somebody holds it gets the same.
#[derive(Debug)]
pub struct Content(Arc<Shared>);

impl Content {
    /// All of it.
    pub fn bytes(&self) -> Bytes {
        self.0.bytes.get().cloned().unwrap_or_default()
    }
}

impl Contents {
    /// The content of a blob: what others hold, or what `read` gives, on a thread where that holds up nobody.
    ///
    /// # Errors
    /// Those of `read`; whoever asks next reads again.
    pub async fn content(
        &self,
        blob: BlobId,
        read: impl FnOnce() -> Result<Vec<u8>, String> + Send + 'static,
    ) -> Result<Content, String> {
        let shared = self.shared(blob);
        let bytes = shared.bytes.get_or_try_init(async || {
            let bytes = spawn_blocking(read).await.map_err(|e| e.to_string())??;
            Ok::<_, String>(Bytes::from(bytes))
        });
        bytes.await?;
        Ok(Content(shared))
    }

    /// The SHA-256 of a blob's content, hexadecimal. It is read as by [`content`](Self::content) when its hash is not known.
    ///
    /// # Errors
    /// As there.
    pub async fn sha256(
        &self,
        blob: BlobId,
        read: impl FnOnce() -> Result<Vec<u8>, String> + Send + 'static,
    ) -> Result<String, String> {
        let known = lock(&self.hashes).get(&blob).copied();
        let hash = match known {
            Some(hash) => hash,
            None => {
                let content = self.content(blob, read).await?;
                let hash = content.0.hash.get_or_try_init(async || {
                    let bytes = content.bytes();
                    let hash = spawn_blocking(move || Sha256::digest(&bytes).into()).await;
                    hash.map_err(|e| e.to_string())
                });
                let hash = *hash.await?;
                self.remember(blob, hash);
                hash
            }
        };
        Ok(data_encoding::HEXLOWER.encode(&hash))
    }

    fn shared(&self, blob: BlobId) -> Arc<Shared> {
        let mut all = lock(&self.shared);
        if let Some(shared) = all.get(&blob).and_then(Weak::upgrade) {
            return shared;
        }
        all.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::new(Shared::default());
        all.insert(blob, Arc::downgrade(&shared));
        shared
    }

    fn remember(&self, blob: BlobId, hash: Hash) {
        let mut hashes = lock(&self.hashes);
        if hashes.len() >= HASHES_MAX && !hashes.contains_key(&blob) {
            // What is still asked for is soon here again.
            hashes.clear();
        }
        hashes.insert(blob, hash);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const FIRST: BlobId = BlobId::from_bytes([1; 20]);
    const SECOND: BlobId = BlobId::from_bytes([2; 20]);
    /// Of "text".
    const HASH: &str = "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1";

    /// Reads "text", and counts how often it does.
    fn reads(
        count: &Arc<AtomicUsize>,
    ) -> impl FnOnce() -> Result<Vec<u8>, String> + Send + 'static {
        let count = count.clone();
        move || {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(b"text".to_vec())
        }
    }

    #[tokio::test]
    async fn a_content_is_in_memory_once() {
        let (contents, count) = (Contents::default(), Arc::new(AtomicUsize::new(0)));
        let (one, other, hash) = tokio::join!(
            contents.content(FIRST, reads(&count)),
            contents.content(FIRST, reads(&count)),
            contents.sha256(FIRST, reads(&count)),
        );
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(
            (&one.bytes()[..], hash.unwrap().as_str()),
            (&b"text"[..], HASH)
        );
        assert_eq!(one.bytes().as_ptr(), other.bytes().as_ptr());
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_content_goes_with_its_last_holder_and_its_hash_stays() {
        let (contents, count) = (Contents::default(), Arc::new(AtomicUsize::new(0)));
        contents.sha256(FIRST, reads(&count)).await.unwrap();
        assert_eq!(
            contents.sha256(FIRST, reads(&count)).await.as_deref(),
            Ok(HASH)
        );
        assert_eq!(count.load(Ordering::Relaxed), 1);
        drop(contents.content(FIRST, reads(&count)).await.unwrap());
        assert_eq!(count.load(Ordering::Relaxed), 2);
        let held = contents.content(SECOND, reads(&count)).await.unwrap();
        assert_eq!(lock(&contents.shared).len(), 1, "the first one is gone");
        drop(held);
    }

    #[tokio::test]
    async fn what_could_not_be_read_is_read_again() {
        let (contents, count) = (Contents::default(), Arc::new(AtomicUsize::new(0)));
        let failed = contents.content(FIRST, || Err("torn".to_owned())).await;
        assert_eq!(failed.unwrap_err(), "torn");
        assert!(contents.content(FIRST, reads(&count)).await.is_ok());
    }

    #[test]
    fn hashes_are_bounded() {
        let contents = Contents::default();
        for number in 0..HASHES_MAX as u32 + 1 {
            let mut name = [0; 20];
            name[..4].copy_from_slice(&number.to_le_bytes());
            contents.remember(BlobId::from_bytes(name), [0; 32]);
        }
        assert!(lock(&contents.hashes).len() <= HASHES_MAX);
    }
}
