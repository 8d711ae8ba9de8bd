//! Compiling and running states, held against what real Salt makes of the same trees, and against properties.

mod executor;
mod golden;
mod hostile;
mod machine;
mod properties;
mod random;
mod tree;
