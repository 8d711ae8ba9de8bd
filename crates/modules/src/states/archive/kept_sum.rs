//! Hashes of archives that are kept from one run to the next, for `source_hash_update` and `skip_files_list_verify`.

use std::fs;
use std::path::{Path, PathBuf};

use super::Extraction;
use crate::files::checksum::Sum;
use crate::states::Failure;

/// The kind of hash that is kept of archives.
const KEPT_KIND: &str = "sha256";

impl Extraction<'_> {
    /// The file that keeps the hash of an archive between runs.
    pub(super) fn sum_file(&self, archive: &Path) -> PathBuf {
        let cache = self.env.env.ctx.cache_dir();
        let below = match archive.strip_prefix(cache) {
            Ok(below) => PathBuf::from(format!("{}.hash", below.display())),
            Err(_) => Path::new("local").join(archive.strip_prefix("/").unwrap_or(archive)),
        };
        cache.join("archive_hash").join(below)
    }

    pub(super) fn kept_sum(&self, archive: &Path) -> Option<Sum> {
        let text = fs::read_to_string(self.sum_file(archive)).ok()?;
        let (kind, digits) = text.trim().split_once(':')?;
        (kind == KEPT_KIND).then(|| Sum {
            kind: kind.to_owned(),
            digits: digits.to_owned(),
        })
    }

    pub(super) fn keep_sum(&self, archive: &Path) -> Result<(), Failure> {
        let file = self.sum_file(archive);
        let failed = |error| Failure::io(&file, error);
        let sum = Sum::of_file(KEPT_KIND, archive)?;
        if let Some(directory) = file.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        fs::write(&file, format!("{}:{}\n", sum.kind, sum.digits)).map_err(failed)
    }
}
