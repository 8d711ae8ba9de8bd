//! `stateconf`: states that do nothing and hold values for templates, see the renderer of this name.

use super::{StateFunction, returned};

pub(super) const STATES: &[StateFunction] = &[
    StateFunction::new(
        "stateconf.context",
        "name, **kwargs",
        "Do nothing and hold values.",
        |_, _| Ok(returned(true, "")),
    ),
    StateFunction::new(
        "stateconf.set",
        "name, **kwargs",
        "Do nothing and hold values.",
        |_, _| Ok(returned(true, "")),
    ),
];
