//! What functions and states that change files share: differences as text, replacing without a moment in which a file is half written, and
//! copies of what stood there before.

pub(crate) mod backup;
pub(crate) mod block;
pub(crate) mod comment;
pub(crate) mod line;
pub(crate) mod replace;
pub(crate) mod substitution;
pub(crate) mod text;

pub(crate) use data::diff;
