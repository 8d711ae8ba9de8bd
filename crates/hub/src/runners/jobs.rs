//! `jobs`: what runs and what ran, in Salt's shapes, from this hub's memory and store.

use data::python;
use data::python::texts;
use relay::Hub;
use serde_json::{Map, Value, json};
use store::HubReader;
use wire::control::Ledger;
use wire::find::{JobFilter, LISTED_MAX};
use wire::{Jid, JobOrder, OutcomeKind, OwnRun, limits};

use super::call::{Answered, Call, Trouble};
use super::{Runner, runner};
use crate::moment;
use crate::own_runs;
use crate::report::{arguments, target_of};

#[rustfmt::skip] // A table is read in rows.
pub(super) const RUNNERS: &[Runner] = &[
    runner!("jobs.active", "display_progress=False", active,
        "Jobs of which not every outcome is known, with the minions that run them and those that returned. Process ids are known to minions alone: \
         saltutil.running asks them."),
    runner!("jobs.list_jobs", "ext_source=None, outputter=None, search_metadata=None, search_function=None, search_target=None, start_time=None, \
        end_time=None, display_progress=False", list_jobs,
        "The newest jobs that match all filters, by their ids; 10,000 at most. Functions and targets are globs, a list or with commas between; times are \
         UTC."),
    runner!("jobs.list_jobs_filter", "count, filter_find_job=True, ext_source=None, outputter=None, display_progress=False", list_jobs_filter,
        "The newest jobs, so many at most, the oldest of them first. filter_find_job: without saltutil.find_job."),
    runner!("jobs.lookup_jid", "jid, ext_source=None, returned=True, missing=False, display_progress=False", lookup_jid,
        "What the minions returned to a job, or this hub to a call of a runner. missing: also those that did not return."),
    runner!("jobs.list_job", "jid, ext_source=None, display_progress=False", list_job,
        "A job with all that came out."),
    runner!("jobs.print_job", "jid, ext_source=None", print_job,
        "As jobs.list_job, under the job's id."),
    runner!("jobs.exit_success", "jid, ext_source=None", exit_success,
        "Whether each minion of a job returned something that is true in Python."),
    runner!("jobs.last_run", "ext_source=None, outputter=None, metadata=None, function=None, target=None, display_progress=False", last_run,
        "The newest job that matches, as jobs.print_job shows it; false when there is none."),
    runner!("jobs.master", "", master,
        "The runners that are under way at this hub."),
];

/// Jobs that one page of a search reads from the store.
const PAGE: u32 = 100;
/// What Salt says where there is no job.
const NO_JOB: &str = "Cannot contact returner or no job with this jid";

/// Jobs are read where they are.
fn refuse_sources(call: &Call<'_>) -> Result<(), Trouble> {
    call.refuse(
        "ext_source",
        "jobs are read from the hub's own store, which has all of them",
    )
}

async fn active(call: Call<'_>) -> Answered {
    let read = |hub: &Hub| {
        let name = |index| hub.node(index).map(|node| node.id().to_string());
        let mut jobs = Vec::new();
        for job in hub.jobs().filter(|job| !job.has_ended()) {
            let Some(order) = job.order() else { continue };
            let mut words = described(job.jid(), order);
            let running = job.running().filter_map(name).map(|id| json!({id: null}));
            let running: Vec<Value> = running.collect();
            let returned: Vec<String> = job.returns().filter_map(|r| name(r.index)).collect();
            words.insert("Running".to_owned(), running.into());
            words.insert("Returned".to_owned(), returned.into());
            jobs.push((job.jid().to_string(), Value::Object(words)));
        }
        jobs
    };
    let jobs = call.service.engine.query(read).await?;
    if call.flag("display_progress") {
        call.progress(&format!("{} jobs are under way", jobs.len()));
    }
    Ok(Value::Object(jobs.into_iter().collect()).into())
}

async fn list_jobs(call: Call<'_>) -> Answered {
    refuse_sources(&call)?;
    let moment = |name| -> Result<Option<u64>, Trouble> {
        let text = call.optional_text(name)?;
        let moment = text.map(|text| moment::parse(&text));
        moment
            .transpose()
            .map_err(|text| Trouble::usage(format!("{name}: {text}")))
    };
    let filter = JobFilter {
        functions: texts(call.value("search_function")),
        targets: texts(call.value("search_target")),
        since: moment("start_time")?,
        until: moment("end_time")?,
        ..JobFilter::default()
    };
    let jobs = found(&call, filter, "search_metadata", LISTED_MAX, |_| true).await?;
    let jobs: Map<String, Value> = jobs
        .into_iter()
        .rev()
        .map(|(jid, words)| (jid.to_string(), words.into()))
        .collect();
    Ok(with_outputter(&call, jobs.into())?.into())
}

async fn list_jobs_filter(call: Call<'_>) -> Answered {
    refuse_sources(&call)?;
    let count = call
        .value("count")
        .as_u64()
        .and_then(|count| u32::try_from(count).ok());
    let count = count.ok_or_else(|| Trouble::usage("count has to be a number of jobs"))?;
    let is_wanted = |fun: &str| fun != "saltutil.find_job" || !call.flag("filter_find_job");
    let count = count.min(LISTED_MAX);
    let jobs = found(&call, JobFilter::default(), "", count, is_wanted).await?;
    let jobs: Vec<Value> = jobs
        .into_iter()
        .rev()
        .map(|(jid, mut words)| {
            words.insert("JID".to_owned(), jid.to_string().into());
            words.into()
        })
        .collect();
    Ok(with_outputter(&call, jobs.into())?.into())
}

/// As Salt names a form beside what is to be shown in it.
fn with_outputter(call: &Call<'_>, data: Value) -> Result<Value, Trouble> {
    Ok(match call.optional_text("outputter")? {
        Some(outputter) => json!({ "outputter": outputter, "data": data }),
        None => data,
    })
}

/// The newest jobs that fit a filter, and the metadata that the argument of this name asks for, as Salt describes them: those with an order, and those
/// that minions began themselves.
async fn found(
    call: &Call<'_>,
    mut filter: JobFilter,
    metadata: &str,
    limit: u32,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<(Jid, Map<String, Value>)>, Trouble> {
    let wanted = match call.value(metadata) {
        Value::Null => None,
        Value::Object(wanted) => Some(wanted.clone()),
        _ => return Err(Trouble::usage(format!("{metadata} has to be a dictionary"))),
    };
    let mut jobs = Vec::new();
    filter.limit = limit;
    for runs in call.service.own_runs(&filter).await? {
        let has_metadata = |wanted| has_any(&own_runs::metadata(&runs[0]), wanted);
        if is_wanted(&runs[0].fun) && wanted.as_ref().is_none_or(has_metadata) {
            jobs.push((runs[0].jid, described_own(&runs)));
        }
    }
    let own = jobs.len();
    filter.limit = PAGE;
    while jobs.len() - own < limit as usize {
        let page = filter.clone();
        let read = move |reader: &HubReader| {
            let listed = reader.find(&page, &[])?;
            let orders = listed
                .iter()
                .map(|job| Ok((job.jid, reader.order(job.jid)?)));
            orders.collect::<Result<Vec<_>, _>>()
        };
        let page = call.service.read(read).await?;
        let Some((last, _)) = page.last() else { break };
        filter.before = Some(*last);
        let is_last = page.len() < filter.limit as usize;
        let fits = |order: &JobOrder| {
            is_wanted(&order.fun)
                && wanted
                    .as_ref()
                    .is_none_or(|wanted| has_metadata(order, wanted))
        };
        let orders = page
            .into_iter()
            .filter_map(|(jid, order)| Some((jid, order?)));
        let orders = orders.filter(|(_, order)| fits(order));
        jobs.extend(orders.map(|(jid, order)| (jid, described(jid, &order))));
        if is_last {
            break;
        }
    }
    jobs.sort_by_key(|(jid, _)| std::cmp::Reverse(*jid));
    jobs.truncate(limit as usize);
    Ok(jobs)
}

/// Whether a job has any of these words in its metadata.
fn has_metadata(order: &JobOrder, wanted: &Map<String, Value>) -> bool {
    match metadata(order) {
        Some(Value::Object(metadata)) => has_any(&metadata, wanted),
        _ => false,
    }
}

fn has_any(metadata: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
    wanted
        .iter()
        .any(|(key, value)| metadata.get(key) == Some(value))
}

/// Runs with one id that minions began themselves, as Salt describes a job.
fn described_own(runs: &[OwnRun]) -> Map<String, Value> {
    let mut words = own_runs::described(runs);
    words.insert("StartTime".to_owned(), start_time(runs[0].jid).into());
    words
}

/// What the operator noted with a job, in its argument of that name.
fn metadata(order: &JobOrder) -> Option<Value> {
    let named: Map<String, Value> = serde_json::from_slice(&order.kwargs).unwrap_or_default();
    named.get("metadata").cloned()
}

/// A job as Salt describes it.
fn described(jid: Jid, order: &JobOrder) -> Map<String, Value> {
    let (target, kind) = target_of(order);
    let words = [
        ("Function", order.fun.as_str().into()),
        ("Arguments", arguments(order).into()),
        ("Target", target.into()),
        ("Target-type", kind.into()),
        ("User", order.user.as_str().into()),
    ];
    let mut words: Map<String, Value> = words
        .into_iter()
        .map(|(key, value): (&str, Value)| (key.to_owned(), value))
        .collect();
    if let Some(metadata) = metadata(order) {
        words.insert("Metadata".to_owned(), metadata);
    }
    words.insert("StartTime".to_owned(), start_time(jid).into());
    words
}

/// The time in a jid, as Salt writes it.
fn start_time(jid: Jid) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let digits = jid.to_string();
    let month = digits[4..6].parse::<usize>().unwrap_or(0);
    let month = MONTHS.get(month.wrapping_sub(1)).unwrap_or(&"");
    format!(
        "{}, {month} {} {}:{}:{}.{}",
        &digits[..4],
        &digits[6..8],
        &digits[8..10],
        &digits[10..12],
        &digits[12..14],
        &digits[14..]
    )
}

/// A job with its minions and what they returned.
async fn whole(call: &Call<'_>, jid: Jid) -> Result<Map<String, Value>, Trouble> {
    let order = call.service.stored_order(jid).await?;
    let ledger = call.service.ledger(jid).await?;
    let (Some(order), Some(ledger)) = (order, &ledger) else {
        let runs = call.service.own_runs_of(jid).await?;
        if let (false, Some(ledger)) = (runs.is_empty(), &ledger) {
            let mut words = described_own(&runs);
            let minions: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
            words.insert("Minions".to_owned(), minions.into());
            words.insert("Result".to_owned(), results(ledger)?.into());
            return Ok(words);
        }
        if let Some(kept) = call.service.kept_call(jid).await? {
            return Ok(of_call(call.service.jobs.id.as_str(), jid, kept));
        }
        let mut words = Map::new();
        words.insert("Error".to_owned(), NO_JOB.into());
        words.insert("StartTime".to_owned(), start_time(jid).into());
        words.insert("Result".to_owned(), json!({}));
        return Ok(words);
    };
    let result = results(ledger)?;
    let mut words = described(jid, &order);
    let minions: Vec<&str> = ledger.minions.iter().map(|row| row.id.as_str()).collect();
    words.insert("Minions".to_owned(), minions.into());
    words.insert("Result".to_owned(), result.into());
    Ok(words)
}

/// A call of a runner, as Salt keeps it: a job for the hub itself, which returned what its event said.
fn of_call(hub: &str, jid: Jid, kept: Value) -> Map<String, Value> {
    let is_well = kept["success"].clone();
    let words = json!({
        "Function": kept["fun"],
        "Arguments": kept["fun_args"],
        "Target": hub,
        "Target-type": "list",
        "User": kept["user"],
        "StartTime": start_time(jid),
        "Minions": [hub],
        "Result": { hub: { "return": kept, "success": is_well } },
    });
    match words {
        Value::Object(words) => words,
        _ => Map::new(),
    }
}

/// What each minion returned. Values that many share are one in the account, and are refused before they are many.
pub(super) fn results(ledger: &Ledger) -> Result<Map<String, Value>, Trouble> {
    let value = |row: &wire::control::LedgerRow| ledger.values.get(row.value? as usize);
    let bytes: usize = ledger
        .minions
        .iter()
        .filter_map(value)
        .map(|value| value.len())
        .sum();
    if bytes > limits::MAX_RETURN {
        return Err(Trouble::refused(format!(
            "the returns have {bytes} bytes, and at most {} travel: `jobs show {}` shows them",
            limits::MAX_RETURN,
            ledger.progress.jid
        )));
    }
    let is_of_states = data::is_of_states(&ledger.fun);
    let mut results = Map::new();
    for row in &ledger.minions {
        let Some(value) = value(row) else { continue };
        let mut words = json!({
            "return": serde_json::from_slice::<Value>(value).unwrap_or_default(),
            "retcode": row.retcode,
            "success": row.kind == OutcomeKind::Ok,
        });
        if is_of_states {
            words["out"] = "highstate".into();
        }
        results.insert(row.id.clone(), words);
    }
    Ok(results)
}

async fn lookup_jid(call: Call<'_>) -> Answered {
    refuse_sources(&call)?;
    let jid = call.jid_of("jid")?;
    let job = whole(&call, jid).await?;
    let result = job["Result"].as_object().cloned().unwrap_or_default();
    let mut answer = Map::new();
    if call.flag("returned") {
        for (id, words) in &result {
            if call.flag("display_progress") {
                call.progress(id);
            }
            answer.insert(id.clone(), words["return"].clone());
        }
    }
    if call.flag("missing") {
        let minions = job.get("Minions").and_then(Value::as_array);
        let ids = minions.into_iter().flatten().filter_map(Value::as_str);
        for id in ids.filter(|id| !result.contains_key(*id)) {
            answer.insert(id.to_owned(), "Minion did not return".into());
        }
    }
    let outputter = result.values().next().and_then(|words| words.get("out"));
    Ok(match outputter {
        Some(outputter) => json!({ "outputter": outputter, "data": answer }),
        None => answer.into(),
    }
    .into())
}

async fn list_job(call: Call<'_>) -> Answered {
    refuse_sources(&call)?;
    let jid = call.jid_of("jid")?;
    if call.flag("display_progress") {
        call.progress("reads the hub's own store");
    }
    let mut words = Map::new();
    words.insert("jid".to_owned(), jid.to_string().into());
    words.extend(whole(&call, jid).await?);
    Ok(Value::Object(words).into())
}

async fn print_job(call: Call<'_>) -> Answered {
    refuse_sources(&call)?;
    let jid = call.jid_of("jid")?;
    let words = whole(&call, jid).await?;
    Ok(json!({ jid.to_string(): words }).into())
}

async fn exit_success(call: Call<'_>) -> Answered {
    refuse_sources(&call)?;
    let job = whole(&call, call.jid_of("jid")?).await?;
    let minions = job.get("Minions").and_then(Value::as_array);
    let is_well = |id: &str| {
        let result = &job["Result"];
        python::truthy(
            result
                .get(id)
                .map_or(&Value::Null, |words| &words["return"]),
        )
    };
    let ids = minions.into_iter().flatten().filter_map(Value::as_str);
    let answer: Map<String, Value> = ids.map(|id| (id.to_owned(), is_well(id).into())).collect();
    Ok(Value::Object(answer).into())
}

async fn last_run(call: Call<'_>) -> Answered {
    refuse_sources(&call)?;
    let filter = JobFilter {
        functions: texts(call.value("function")),
        targets: texts(call.value("target")),
        ..JobFilter::default()
    };
    let jobs = found(&call, filter, "metadata", 1, |_| true).await?;
    let Some((jid, _)) = jobs.first() else {
        return Ok(Value::from(false).into());
    };
    let words = whole(&call, *jid).await?;
    let answer = json!({ jid.to_string(): words });
    Ok(with_outputter(&call, answer)?.into())
}

async fn master(call: Call<'_>) -> Answered {
    Ok(Value::from(call.service.runners.running(call.jid)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jid_has_its_time_in_salts_words() {
        let jid = "20261128120501123407".parse().unwrap();
        assert_eq!(start_time(jid), "2026, Nov 28 12:05:01.123407");
    }
}
