//! Disks that lose their power, and calls that fail, under the real database and journal. Each is written by a process of its
//! own; whatever that process acknowledged has to be there afterwards, and nothing that it never wrote.

mod failing;
mod power;
mod writer;
