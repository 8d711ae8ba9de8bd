//! Pillars of small trees.

mod golden;
mod outside;
mod random;
mod tree;
