//! What files of the host are and how they change, for the execution functions and the state functions alike.

pub(crate) mod attributes;
pub(crate) mod change;
pub(crate) mod checksum;
pub(crate) mod directories;
pub(crate) mod mode;
pub(crate) mod node;
pub(crate) mod owner;
pub(crate) mod permissions;
