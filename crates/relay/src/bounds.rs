//! Bounds of what peers say. A text that is longer is cut where it comes in: it would be kept, and told on together with
//! the texts of others, and a frame has room for many of the usual length only.

use std::sync::Arc;

use wire::{ProtocolRange, Reason, RootsReport, Welcome, limits};

/// The text, cut to so many bytes.
pub(crate) fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let mut end = bytes_max;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

/// Why a parent that welcomes in a protocol which was not offered is left.
pub(crate) fn objection(welcome: &Welcome) -> Option<String> {
    let ours = ProtocolRange::OURS;
    (!ours.contains(welcome.protocol)).then(|| {
        format!(
            "the hub ({}) takes protocol {}, this side speaks {} to {}",
            software(&welcome.software),
            welcome.protocol,
            ours.min,
            ours.max
        )
    })
}

/// A program's version.
pub(crate) fn software(text: &str) -> String {
    cut(text.to_owned(), limits::MAX_SOFTWARE)
}

pub(crate) fn reason(reason: &Reason) -> Arc<Reason> {
    Arc::new(Reason {
        text: cut(reason.text.clone(), limits::MAX_REASON),
        ..*reason
    })
}

pub(crate) fn roots(report: RootsReport) -> RootsReport {
    RootsReport {
        commit: cut(report.commit, limits::MAX_REASON),
        error: report.error.map(|error| cut(error, limits::MAX_REASON)),
        ..report
    }
}
