//! Endpoints with real certificates that talk over loopback.

mod peers;
mod support;
mod traffic;
mod violations;
