//! Bugs that are planted on purpose: the simulation has to find each of them, or it would not find one that is not.
//!
//! A bug is one line at its place that asks `is`. Without the feature `planted` that is the constant false, and nothing of
//! the bugs is left in the code; only the simulation's own test builds have the feature.

macro_rules! bugs {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A planted bug, named for what goes wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug { $($(#[$doc])* $name,)* }

        impl Bug {
            /// All of them.
            pub const ALL: &[Bug] = &[$(Bug::$name,)*];
        }
    };
}

bugs! {
    /// A job is acknowledged before it is on disk.
    AcceptsUnsaved,
    /// The origin lets copies of returns go before they are on its disk.
    SettlesUnsaved,
    /// A hub acknowledges an account of which it has saved a part.
    AcksUnsavedParts,
    /// News that waits for more is not looked after when none comes.
    GathersForEver,
    /// A hub tells its parents rows that are not on its disk.
    TellsUnsaved,
    /// A minion runs a job before its start is in the journal.
    StartsUnjournalled,
    /// A minion tells a return before it is in the journal.
    ReturnsUnjournalled,
    /// A minion forgets that it ran a job once the return is settled.
    ForgetsStarts,
    /// A minion's restart forgets what had started.
    RestartForgetsStarts,
    /// A minion obeys an order after its time.
    StartsLate,
    /// A minion obeys an order that nobody signed.
    ObeysUnsigned,
    /// A second hub's word of a minion makes it a second minion.
    CountsEachParent,
    /// One hub's word that it withheld a job hides that another one gave it.
    HidesRuns,
    /// A hub that may not have heard that a key was deleted is not asked for its roster again.
    TrustsOthers,
    /// Serials begin anew within a session when a parent sends the order of returns that it has heard of.
    CountsAnew,
    /// What a hub held is forgotten when it has lost its disk.
    ForgetsHeldOfWiped,
    /// A minion that returned to an origin before its restart, without the order, is not told that it may forget.
    KeepsHeadless,
    /// A minion that comes back after the end of a rollout waits for its turn.
    QueuesHalted,
    /// A turn that was turned down is given when it is told again.
    ForgetsDeclined,
    /// A turn that was turned down for a minion that is not kept the job is given when another hub below comes back.
    KeepsTurnOfAbsent,
    /// After a restart what one hub says of a minion passes for the word of all.
    RestartForgetsWays,
    /// After a restart minions about which the shell was asked are not asked about again.
    RestartForgetsQuestions,
    /// A count keeps what a minion was before.
    KeepsOldCount,
    /// An account is called complete while rows wait for the disk.
    CompleteTooSoon,
    /// A return without its order passes for a whole manifest.
    ReturnIsManifest,
    /// A hub never says that it has told everything.
    NeverResumes,
    /// A hub says that it has told everything one account too soon.
    ResumesTooSoon,
    /// A new session does not tell again what the last one may have lost.
    TellsOnce,
    /// Rows that waited for the disk are never told.
    LosesUnsaved,
    /// Any hub frees returns that are on its own disk, whoever the origin is.
    SettlesForOthers,
    /// A delta that overtakes an earlier one is taken for the next.
    SkipsSerial,
    /// An account does not wait for the roster that it names minions by.
    IgnoresRosterSerial,
    /// A job's time never ends.
    NeverExpires,
    /// Who is behind a hub that is cut off is not named.
    ForgetsMirror,
    /// A hub that is cut off leaves what it said last as it was.
    IgnoresCuts,
    /// A hub's restart does not look at what may have been missed meanwhile.
    NeverRecovers,
    /// A restarted origin forgets which returns it has.
    RestartForgetsSettled,
    /// What is settled is not passed on to hubs below.
    SettlesOwnAlone,
    /// A minion frees a copy that a hub was just promised.
    SettlesEarly,
    /// A roster number is given twice.
    NumberGivenAgain,
    /// Who left before a restart is not told to the parent.
    RestartForgetsGone,
    /// A decision about a key of a site that is cut off is lost.
    LosesDecisions,
    /// A syndic may speak of nodes outside of its site.
    GateOpen,
    /// What only a removed key could tell stays open.
    KeepsRemoved,
    /// A key that came back under a new number leaves its old runs open.
    KeepsRenumbered,
    /// A hub that was never asked has to name its minions.
    UnaskedMustName,
    /// A child hub is told of a conflict of ids once, whether it hears it or not.
    LosesConflicts,
    /// A parent is told of a roster that is not on disk.
    TellsUnsavedRoster,
    /// A return gets the value of another one.
    MixesValues,
    /// A child that comes back is sent a job that is not on disk yet.
    SendsUnsaved,
    /// A key that a wiped hub tells of again gets a new number.
    ForgetsNumbers,
    /// A hub does not count a return that its origin had by another way.
    LosesOtherWay,
    /// Of a job that a hub tells of again, what it does not mention stays open.
    KeepsSilent,
    /// What is held behind a site that is cut off never expires.
    KeepsHeldOfCut,
    /// A place is given back at the site where its minion is now.
    FreesAtNewSite,
    /// An account whose order came from below passes for the answer to it.
    RecallIsManifest,
    /// What is held for a key that was removed stays.
    KeepsHeldOfRemoved,
    /// A rollout gives one place more than it has.
    OneTooMany,
    /// A place is free when the connection to its minion is lost.
    FreesOnCut,
    /// A lease lasts as long as the turn, and not as long as the run.
    LeaseWithoutRun,
    /// A hub's restart forgets whose turn it was.
    RestartForgetsTurns,
    /// A turn is given before it is on disk.
    GivesUnsaved,
    /// A minion may begin as long as the job lasts, whenever its turn ended.
    IgnoresTurnEnd,
    /// Hubs below are not told that nobody begins any more.
    HaltsOwnAlone,
    /// A minion that is out of reach counts as failed.
    CountsUnreachable,
    /// A hub gives turns of an owner that another one has followed.
    ObeysFormerOwner,
    /// A top-master that adopts a rollout does not ask what turns were given.
    TakesOverBlind,
    /// An account that was closed before its order came stays closed: parents that are away never hear of it.
    StaysClosed,
    /// What a child said before it heard that it was turned away still counts.
    HearsRefused,
    /// One hub's word that a top-master is gone is enough.
    AdoptsOnOneWord,
    /// A minion forgets a return that another hub has than the one that ordered the job of it.
    ForgetsWhatIsOwed,
}

#[cfg(feature = "planted")]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = Cell::new(named());
    }

    /// The bug that the environment names when this is compiled, for tests that know nothing of planting:
    /// `PLANTED=SettlesEarly cargo test -p relay --features planted` has to fail.
    fn named() -> Option<Bug> {
        let name = option_env!("PLANTED")?;
        let mut all = Bug::ALL.iter().copied();
        all.find(|bug| format!("{bug:?}") == name)
    }

    /// Plants one bug in the machines of this thread, or takes it out again.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    pub(crate) fn is(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}

#[cfg(feature = "planted")]
pub(crate) use switch::is;
#[cfg(feature = "planted")]
pub use switch::plant;

/// Whether this bug is planted: never, without the feature.
#[cfg(not(feature = "planted"))]
pub(crate) const fn is(_: Bug) -> bool {
    false
}
