//! What `jobs list` is asked for, and the page that it prints.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use hub::moment;
use wire::control::{Ask, Tell};
use wire::find::{JobFilter, JobSource, JobState, LISTED_MAX};
use wire::{Jid, RunSource, UnixMillis};

use crate::Session;
use crate::answer::list_jobs;
use crate::duration;
use crate::follow::ask_within;
use crate::lowargs::{List, ListForm, jid};
use crate::trouble::Trouble;

/// Arguments of `jobs list`.
#[derive(Debug, Args)]
pub(crate) struct FindArgs {
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=i64::from(LISTED_MAX)))]
    limit: u32,
    /// Only jobs whose target matches, as it was typed
    #[arg(long, value_name = "GLOB")]
    target: Option<String>,
    /// Only jobs whose function matches
    #[arg(long, value_name = "GLOB")]
    function: Option<String>,
    /// Only jobs of this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only jobs since then: a span of time ago, such as 2h, or a moment in UTC, such as 2026-11-28T12:30
    #[arg(long, value_name = "WHEN", value_parser = When::parse)]
    since: Option<When>,
    /// Only jobs until then
    #[arg(long, value_name = "WHEN", value_parser = When::parse)]
    until: Option<When>,
    /// Only jobs that stand so; what a job left counts once it is done
    #[arg(long = "state", value_name = "STATES", value_delimiter = ',')]
    states: Vec<StateWord>,
    /// Only jobs that were for this minion
    #[arg(long, value_name = "ID")]
    minion: Option<String>,
    /// Only jobs older than this one: the next page
    #[arg(long, value_name = "JID", value_parser = jid)]
    before: Option<Jid>,
    /// Only jobs that this began
    #[arg(long = "source", value_name = "SOURCES", value_delimiter = ',')]
    sources: Vec<SourceWord>,
    #[command(flatten)]
    list: List,
}

/// A moment as it was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Ago(Duration),
    At(UnixMillis),
}

impl When {
    fn parse(text: &str) -> Result<When, String> {
        match duration::parse(text) {
            Ok(span) => Ok(When::Ago(span)),
            Err(_) => moment::parse(text).map(When::At),
        }
    }

    fn at(self) -> UnixMillis {
        match self {
            When::At(moment) => moment,
            When::Ago(span) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                let then = now.unwrap_or_default().saturating_sub(span);
                u64::try_from(then.as_millis()).unwrap_or(u64::MAX)
            }
        }
    }
}

/// How a job stands, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StateWord {
    /// Not every outcome is known
    Running,
    /// Every outcome is known
    Done,
    /// It ended well everywhere
    Ok,
    /// A minion returned a failure
    Failed,
    /// A minion started and will never return
    Lost,
    /// There was no contact with a minion
    Unreachable,
    /// A minion is known not to have begun
    NotStarted,
}

impl StateWord {
    fn state(self) -> JobState {
        match self {
            StateWord::Running => JobState::Running,
            StateWord::Done => JobState::Done,
            StateWord::Ok => JobState::Ok,
            StateWord::Failed => JobState::Failed,
            StateWord::Lost => JobState::Lost,
            StateWord::Unreachable => JobState::Unreachable,
            StateWord::NotStarted => JobState::NotStarted,
        }
    }
}

/// What began a job, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SourceWord {
    /// The order of a hub
    Order,
    /// A hub: an orchestration
    Orchestration,
    /// The schedule of a minion
    Schedule,
    /// The start of a minion: `startup_states`
    Startup,
    /// A command on a minion's host: `salt-call`
    Call,
}

impl SourceWord {
    fn source(self) -> JobSource {
        match self {
            SourceWord::Order => JobSource::Order,
            SourceWord::Orchestration => JobSource::Orchestration,
            SourceWord::Schedule => JobSource::Minion(RunSource::Schedule),
            SourceWord::Startup => JobSource::Minion(RunSource::Startup),
            SourceWord::Call => JobSource::Minion(RunSource::Call),
        }
    }
}

/// A page of a list of jobs.
#[derive(Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) filter: JobFilter,
    pub(crate) form: ListForm,
}

impl FindArgs {
    /// What is asked for.
    pub(crate) fn page(self) -> Page {
        Page {
            filter: JobFilter {
                functions: self.function.into_iter().collect(),
                targets: self.target.into_iter().collect(),
                user: self.user,
                since: self.since.map(When::at),
                until: self.until.map(When::at),
                states: self.states.into_iter().map(StateWord::state).collect(),
                minion: self.minion,
                before: self.before,
                limit: self.limit,
                sources: self.sources.into_iter().map(SourceWord::source).collect(),
            },
            form: self.list.out,
        }
    }
}

/// Prints a page, and says where the next one begins.
pub(crate) fn print(session: &mut Session<'_, '_>, page: Page) -> Result<u8, Trouble> {
    let Page { mut filter, form } = page;
    let limit = filter.limit as usize;
    // One more tells whether there is another page.
    filter.limit += 1;
    let (mut jobs, owners) = match ask_within(&session.connect, Ask::Find(Box::new(filter)), None)?
    {
        Tell::Jobs(jobs) => (jobs, BTreeMap::new()),
        Tell::Owned { jobs, owners } => (jobs, owners.into_iter().collect()),
        Tell::Failed(failure) => return Err(Trouble::Told(failure)),
        _ => return Err(Trouble::Unexpected),
    };
    let there_may_be_more = jobs.len() > limit || jobs.len() >= LISTED_MAX as usize;
    jobs.truncate(limit);
    let code = list_jobs(session, form, &jobs, &owners)?;
    if let Some(last) = jobs.last().filter(|_| there_may_be_more) {
        let words = format!(
            "There are older ones: the next page is that with --before {}",
            last.jid
        );
        session.seat.say(&words);
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spans_ago_or_dates() {
        assert_eq!(When::parse("2h"), Ok(When::Ago(Duration::from_secs(7_200))));
        assert_eq!(When::parse("2026-11-28"), Ok(When::At(1_795_824_000_000)));
        assert!(When::parse("noon").unwrap_err().contains("no moment"));
        assert!(When::Ago(Duration::from_secs(60)).at() > 1_700_000_000_000);
    }
}
