//! What bounds a rendering. Templates come from people who may err, and from pillar, which holds what others typed.

/// Most bytes of one file that is rendered or imported.
pub const FILE_BYTES_MAX: usize = 4 << 20;
/// Most bytes of text that one string may have, and most bytes of the result.
pub const TEXT_BYTES_MAX: usize = 16 << 20;
/// Most bytes of text that all steps of one rendering may make together.
pub const BUILT_BYTES_MAX: usize = 256 << 20;
/// Most steps: each node of a template that is evaluated is one, and so is each item that a filter or a loop handles.
pub const FUEL_MAX: u64 = 5_000_000;
/// Most files that one rendering may load by import, include and extends.
pub const FILES_MAX: usize = 500;
/// Most entries of one list that an operator or a method makes.
pub const ITEMS_MAX: usize = 1_000_000;
/// Deepest nesting of imports, includes and calls of macros.
pub const CALL_DEPTH_MAX: usize = 60;
/// Deepest nesting of statements and expressions while they run, through all calls.
pub const NESTING_MAX: usize = 400;
/// Deepest nesting of statements and expressions in a source.
pub const SYNTAX_DEPTH_MAX: usize = 60;
/// Deepest nesting of a value that is compared, printed or handed to a function.
pub const VALUE_DEPTH_MAX: usize = 100;
