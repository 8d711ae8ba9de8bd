//! Drives the built programs; holds no product code.
