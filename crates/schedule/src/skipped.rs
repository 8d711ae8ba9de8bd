//! Why a job does not run when it is due.

/// Why a time of a job went by without a run; the words are Salt's where it has such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// The job or the schedule is disabled.
    Disabled,
    /// Outside of `range`.
    NotInRange,
    /// Within `skip_during_range`, or within an inverted `range`.
    InSkipRange,
    /// A range ends before it begins on this day.
    InvalidRange,
    /// By order.
    Explicit,
    /// Later than `until`.
    UntilPassed,
    /// Not later than `after`.
    AfterNotPassed,
    /// As many runs as may be at a time are not over.
    MaxRunning,
    /// The time was too long ago when the host looked.
    Missed,
    /// `dry_run`.
    DryRun,
}

impl Skipped {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Skipped::Disabled => "disabled",
            Skipped::NotInRange => "not_in_range",
            Skipped::InSkipRange => "in_skip_range",
            Skipped::InvalidRange => "invalid_range",
            Skipped::Explicit => "skip_explicit",
            Skipped::UntilPassed => "until_passed",
            Skipped::AfterNotPassed => "after_not_passed",
            Skipped::MaxRunning => "maxrunning",
            Skipped::Missed => "missed",
            Skipped::DryRun => "dry_run",
        }
    }
}
