//! What hubs answer when they are asked whether minions of theirs would get an order.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::IndexSet;

/// How an order would fare at a minion. In order of what counts more where two hubs of one minion differ: it gets an order from
/// whichever lets it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Stance {
    /// Its hub would hand the order on.
    Let,
    /// A rule of its site keeps it out.
    Refused,
    /// Its hub can't say whether the order means it.
    Undecided,
    /// Its hub was not asked, or did not answer.
    NotAsked,
    /// Its hub says that the order is not for it.
    NotMeant,
}

/// Minions of which the same is said.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Finding {
    /// How it would fare.
    pub stance: Stance,
    /// Why; empty where it is let.
    pub reason: String,
    /// Who, by numbers of the sender's roster.
    pub who: IndexSet,
}
