//! The machine that runs low chunks: it says which function to call next, hears what came out, and decides about the others.

use std::collections::{BTreeMap, HashMap, VecDeque};

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::call::{Answer, Call, CallNumber, Pause};
use super::chunk::Chunk;
use super::graph::{Graph, Requisite};
use super::low::Low;
use super::record::{self, Return};
use super::requisites::{self, Other, Status};
use super::retry::Retry;
use super::value::is_truthy;

mod job;
mod listen;

use job::{Job, Purpose};

/// How often a state that waits for what never runs is looked at again.
const DEPTH_MAX: usize = 20;

/// Options of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether nothing may change: functions say what they would do.
    pub is_test: bool,
    /// Whether the first failure ends the run, for states that do not say it themselves.
    pub failhard: bool,
    /// `state_max_parallel`: most parallel states at a time; none for no limit.
    pub parallel_max: Option<usize>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Call this function, and tell [`Run::done`] what came out. Before that, only a parallel call may be followed by others.
    Call(Box<Call>),
    /// Nothing can be done before a call has its answer.
    Wait,
    /// All is done: the results are complete.
    Finished,
}

/// An answer to a call that nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no call of the number {0} waits for an answer")]
pub struct UnknownCall(pub CallNumber);

/// A run of low chunks. The same answers give the same steps and results.
#[derive(Debug)]
pub struct Run {
    options: Options,
    chunks: Vec<Chunk>,
    graph: Graph,
    /// What is to be looked at, as indices of chunks, and how far that is.
    order: Vec<usize>,
    at: usize,
    /// What is looked at before `order` goes on.
    round: VecDeque<usize>,
    /// Parallel chunks that wait for parallel chunks.
    pending: Vec<usize>,
    /// Whether all pending ones were looked at since the last answer.
    is_pending_seen: bool,
    /// What is being looked at, each for the one before it.
    stack: Vec<Frame>,
    /// The chunk whose frame ended last, and whether it is pending.
    ended: Option<(usize, bool)>,
    /// The records that requisites look at, by tag.
    records: Map<String, Value>,
    /// What states would change that were asked beforehand, by tag.
    would: HashMap<String, Map<String, Value>>,
    /// Records of earlier parts of the run.
    results: Map<String, Value>,
    /// Salt's `__run_num__` of the next record.
    run_number: u64,
    next_call: u64,
    jobs: BTreeMap<CallNumber, Job>,
    /// Calls that were not handed out yet.
    ready: VecDeque<Call>,
    phase: Phase,
    /// Listeners to or by nobody, by tag: the state and the name that do not exist.
    listen_faults: IndexMap<String, (String, String)>,
    news: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    States,
    /// One id of an SLS, each of its chunks for itself.
    OneId,
    Listeners,
    Ended,
}

#[derive(Debug)]
struct Frame {
    chunk: usize,
    depth: usize,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Its requisites are to be looked at.
    Check,
    /// What it waits for is run first.
    Others {
        chunks: Vec<(Requisite, usize)>,
        at: usize,
    },
    /// It was called.
    Called,
}

enum Root {
    Chunk(usize),
    Wait,
    None,
}

impl Run {
    /// A run of all chunks, and of those that listen to them.
    pub fn new(low: Low, options: Options) -> Run {
        let mut run = Run {
            options,
            chunks: low.chunks,
            graph: low.graph,
            order: low.order,
            at: 0,
            round: VecDeque::new(),
            pending: Vec::new(),
            is_pending_seen: false,
            stack: Vec::new(),
            ended: None,
            records: Map::new(),
            would: HashMap::new(),
            results: Map::new(),
            run_number: 0,
            next_call: 0,
            jobs: BTreeMap::new(),
            ready: VecDeque::new(),
            phase: Phase::States,
            listen_faults: IndexMap::new(),
            news: Vec::new(),
        };
        for (chunk, reason) in low.disabled {
            let record = record::of_no_run(&chunk, run.take_number(), "", false, &reason);
            run.results.insert(chunk.tag(), Value::Object(record));
            run.news.push(chunk.tag());
        }
        run
    }

    /// A run of the chunks of one id and of what they require, as `state.sls_id` makes it. None when there is no such id.
    pub fn of_id(low: Low, id: &str, options: Options) -> Option<Run> {
        let mut run = Run::new(low, options);
        run.order.retain(|chunk| run.chunks[*chunk].id() == id);
        run.phase = Phase::OneId;
        (!run.order.is_empty()).then_some(run)
    }

    /// The states, as they stand in the files.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// How many states there are; those that `listen` adds are not among them.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// What to do now. The time of day stands in records of states that are not run.
    pub fn next(&mut self, start_time: &str) -> Step {
        loop {
            if let Some(call) = self.release() {
                return Step::Call(Box::new(call));
            }
            if let Some(frame) = self.stack.last() {
                if matches!(frame.stage, Stage::Called) || !self.advance(start_time) {
                    return Step::Wait;
                }
                continue;
            }
            match self.next_root() {
                Root::Chunk(chunk) => self.push(chunk),
                Root::Wait => return Step::Wait,
                Root::None if self.phase == Phase::States => {
                    self.phase = Phase::Listeners;
                    self.add_listeners();
                }
                Root::None => {
                    self.phase = Phase::Ended;
                    self.record_listen_faults(start_time);
                    self.results.extend(std::mem::take(&mut self.records));
                    return Step::Finished;
                }
            }
        }
    }

    /// Takes the answer to a call.
    pub fn done(&mut self, number: CallNumber, answer: Answer) -> Result<(), UnknownCall> {
        match self.jobs.remove(&number) {
            Some(job) if job.is_handed_out => {
                self.is_pending_seen = false;
                self.hear(job, answer);
                Ok(())
            }
            Some(job) => {
                self.jobs.insert(number, job);
                Err(UnknownCall(number))
            }
            None => Err(UnknownCall(number)),
        }
    }

    /// Starts no further states, as `state.soft_kill` wants it. Calls that are under way are still heard, and listeners run.
    pub fn stop(&mut self) {
        self.at = self.order.len();
        self.round.clear();
        self.pending.clear();
        self.ready.clear();
        self.ended = None;
        let (kept, dropped): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.jobs)
            .into_iter()
            .partition(|(_, job)| job.is_handed_out);
        self.jobs = kept;
        for job in dropped.into_values().filter(|job| job.is_parallel) {
            self.records.shift_remove(&job.tag);
        }
        // The frame that was called ends with its answer; those that wait for it do not go on.
        match self.stack.pop() {
            Some(frame)
                if matches!(frame.stage, Stage::Called)
                    && self.jobs.values().any(|job| !job.is_parallel) =>
            {
                self.stack = vec![frame];
            }
            _ => self.stack.clear(),
        }
    }

    /// The tags of records that became final since this was asked last, in that order.
    pub fn take_news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    /// The record of a tag, when there is one.
    pub fn record(&self, tag: &str) -> Option<&Map<String, Value>> {
        self.records
            .get(tag)
            .or_else(|| self.results.get(tag))?
            .as_object()
    }

    /// The tags of all records that there are.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.records
            .keys()
            .chain(self.results.keys())
            .map(String::as_str)
    }

    /// All records by tag, once the run is finished.
    pub fn into_results(mut self) -> Map<String, Value> {
        self.results.extend(self.records);
        self.results
    }

    /// Hands out the next call that may start.
    fn release(&mut self) -> Option<Call> {
        let running = self
            .jobs
            .values()
            .filter(|job| job.is_parallel && job.is_handed_out)
            .count();
        let is_full = self
            .options
            .parallel_max
            .is_some_and(|max| running >= max.max(1));
        let at = self
            .ready
            .iter()
            .position(|call| !(call.is_parallel && is_full))?;
        let call = self.ready.remove(at)?;
        if let Some(job) = self.jobs.get_mut(&call.number) {
            job.is_handed_out = true;
        }
        Some(call)
    }

    /// The next chunk to look at that has no record.
    fn next_root(&mut self) -> Root {
        loop {
            if let Some(chunk) = self.round.pop_front() {
                if self.records.contains_key(&self.chunks[chunk].tag()) {
                    continue;
                }
                return Root::Chunk(chunk);
            }
            if let Some(chunk) = self.order.get(self.at) {
                self.at += 1;
                if self.phase == Phase::OneId {
                    self.results.extend(std::mem::take(&mut self.records));
                }
                self.round.extend(self.pending.drain(..));
                self.round.push_back(*chunk);
                continue;
            }
            if !self.pending.is_empty() && !self.is_pending_seen {
                self.is_pending_seen = true;
                self.round.extend(self.pending.drain(..));
                continue;
            }
            return if self.jobs.is_empty() {
                Root::None
            } else {
                Root::Wait
            };
        }
    }

    fn push(&mut self, chunk: usize) {
        self.stack.push(Frame {
            chunk,
            depth: 0,
            stage: Stage::Check,
        });
    }

    /// Goes on with the top of the stack. False when that has to wait for an answer.
    fn advance(&mut self, start_time: &str) -> bool {
        let Some(frame) = self.stack.last_mut() else {
            return true;
        };
        let chunk = frame.chunk;
        match &mut frame.stage {
            Stage::Called => false,
            Stage::Check => self.check(chunk, start_time),
            Stage::Others { chunks, at } => {
                if let Some((other, is_pending)) = self.ended.take() {
                    if is_pending {
                        self.end_frame(true);
                        return true;
                    }
                    if self.is_fatal(other) {
                        self.stop();
                        return true;
                    }
                    return true;
                }
                let next = chunks.get(*at).copied();
                *at += 1;
                match next {
                    // One that was asked what it would change has its answer: now it comes after this one.
                    Some((requisite, other))
                        if matches!(
                            self.other(requisite, &self.chunks[other].tag()),
                            Other::NotRun
                        ) =>
                    {
                        self.push(other)
                    }
                    Some(_) => {}
                    None => return self.after_others(chunk, start_time),
                }
                true
            }
        }
    }

    /// Decides about a chunk by its requisites.
    fn check(&mut self, chunk: usize, start_time: &str) -> bool {
        let requisites = self.requisites_of(chunk);
        if !self.chunks[chunk].is_parallel() && self.waits_for_running(&requisites) {
            return false;
        }
        let is_question = self.chunks[chunk].is_prereq();
        match self.status(&requisites) {
            Status::Unmet => {
                let chunks = self.graph.waits_for(&self.chunks[chunk]);
                if let Some(frame) = self.stack.last_mut() {
                    frame.stage = Stage::Others { chunks, at: 0 };
                }
                self.ended = None;
            }
            Status::Pending => self.end_frame(true),
            Status::Fail => self.fail(chunk, &requisites, start_time),
            Status::SkipReq => {
                self.skip(
                    chunk,
                    true,
                    "State was not run because requisites were skipped by another state",
                    start_time,
                );
            }
            Status::Pre => self.skip(chunk, true, "No changes detected", start_time),
            Status::Onfail => self.skip(
                chunk,
                true,
                "State was not run because onfail req did not change",
                start_time,
            ),
            Status::Onchanges => {
                self.skip(
                    chunk,
                    true,
                    "State was not run because none of the onchanges reqs changed",
                    start_time,
                );
            }
            _ if is_question => self.start(
                chunk,
                Purpose::Question {
                    watches_change: false,
                },
            ),
            Status::SkipWatch => self.start(chunk, Purpose::WithoutWatch),
            Status::Change => {
                let reqs = self.requisites_value(&requisites);
                self.start(chunk, Purpose::ThenWatch(reqs));
            }
            Status::Met => self.start(chunk, Purpose::Run),
        }
        true
    }

    /// Goes on with a chunk when all that it waits for was run.
    fn after_others(&mut self, chunk: usize, start_time: &str) -> bool {
        if self.chunks[chunk].is_prereq() {
            let requisites = self.requisites_of(chunk);
            if self.waits_for_running(&requisites) {
                if let Some(Frame {
                    stage: Stage::Others { at, .. },
                    ..
                }) = self.stack.last_mut()
                {
                    *at -= 1;
                }
                return false;
            }
            match self.status(&requisites) {
                // What it waits for would change nothing, so it would not either, and who asks it has nothing to prepare.
                Status::Pre => {
                    let number = self.take_number();
                    let record = record::of_no_run(
                        &self.chunks[chunk],
                        number,
                        start_time,
                        true,
                        "No changes detected",
                    );
                    self.would.insert(self.chunks[chunk].tag(), record);
                    self.end_frame(false);
                }
                status => self.start(
                    chunk,
                    Purpose::Question {
                        watches_change: status == Status::Change,
                    },
                ),
            }
            return true;
        }
        let Some(frame) = self.stack.last_mut() else {
            return true;
        };
        frame.depth += 1;
        frame.stage = Stage::Check;
        if frame.depth >= DEPTH_MAX {
            self.skip(chunk, false, "Recursive requisite found", start_time);
        }
        true
    }

    /// Ends the top of the stack, and the run when its failure is to do that.
    fn end_frame(&mut self, is_pending: bool) {
        let Some(frame) = self.stack.pop() else {
            return;
        };
        if !self.stack.is_empty() {
            self.ended = Some((frame.chunk, is_pending));
            return;
        }
        if is_pending {
            self.pending.push(frame.chunk);
        }
        if self.phase != Phase::OneId && self.is_fatal(frame.chunk) {
            self.stop();
        }
    }

    /// Whether the failure of a chunk ends the run.
    fn is_fatal(&self, chunk: usize) -> bool {
        let chunk = &self.chunks[chunk];
        let failhard = chunk
            .0
            .get("failhard")
            .map_or(self.options.failhard, is_truthy);
        let record = self.records.get(&chunk.tag()).and_then(Value::as_object);
        failhard
            && !self.options.is_test
            && record.is_some_and(|record| record::result(record) == Some(false))
    }

    /// Records that a chunk was not run, and ends its frame.
    fn skip(&mut self, chunk: usize, result: bool, comment: &str, start_time: &str) {
        let number = self.take_number();
        let record = record::of_no_run(&self.chunks[chunk], number, start_time, result, comment);
        if self.chunks[chunk].is_prereq() {
            self.would.insert(self.chunks[chunk].tag(), record.clone());
        }
        self.keep(self.chunks[chunk].tag(), record);
        self.end_frame(false);
    }

    /// Records that a chunk failed because of another.
    fn fail(
        &mut self,
        chunk: usize,
        requisites: &IndexMap<Requisite, Vec<usize>>,
        start_time: &str,
    ) {
        let tag = self.chunks[chunk].tag();
        // A state that was asked what it would change keeps its answer, whatever that was: so does Salt (golden `prereq_requires_failed`).
        if let Some(mut record) = self.would.get(&tag).cloned() {
            record.insert("changes".to_owned(), json!({}));
            record.insert("__run_num__".to_owned(), json!(self.take_number()));
            self.keep(tag, record);
            self.end_frame(false);
            return;
        }
        let mut failed: Vec<String> = Vec::new();
        for other in requisites.values().flatten() {
            let other = &self.chunks[*other];
            let tag = other.tag();
            let record = self
                .would
                .get(&tag)
                .or_else(|| self.records.get(&tag).and_then(Value::as_object));
            let name = format!("{}.{}", other.sls(), other.id());
            if record.is_some_and(|record| record::result(record) == Some(false))
                && !failed.contains(&name)
            {
                failed.push(name);
            }
        }
        let comment = format!("One or more requisite failed: {}", failed.join(", "));
        self.skip(chunk, false, &comment, start_time);
    }

    fn keep(&mut self, tag: String, record: Map<String, Value>) {
        self.records.insert(tag.clone(), Value::Object(record));
        self.news.push(tag);
    }

    fn take_number(&mut self) -> u64 {
        self.run_number += 1;
        self.run_number - 1
    }

    /// What a chunk waits for, by kind.
    fn requisites_of(&self, chunk: usize) -> IndexMap<Requisite, Vec<usize>> {
        let mut requisites: IndexMap<Requisite, Vec<usize>> = IndexMap::new();
        for (requisite, other) in self.graph.waits_for(&self.chunks[chunk]) {
            requisites.entry(requisite).or_default().push(other);
        }
        requisites
    }

    fn status(&self, requisites: &IndexMap<Requisite, Vec<usize>>) -> Status {
        let others = |requisite: Requisite, others: &[usize]| {
            others
                .iter()
                .map(|other| self.other(requisite, &self.chunks[*other].tag()))
                .collect()
        };
        requisites::status(
            requisites
                .iter()
                .map(|(requisite, chunks)| (*requisite, others(*requisite, chunks))),
        )
    }

    fn other(&self, requisite: Requisite, tag: &str) -> Other<'_> {
        if requisite.base() == Requisite::Prereq {
            return self.would.get(tag).map_or(Other::NotRun, Other::Ran);
        }
        match self.records.get(tag).and_then(Value::as_object) {
            None => Other::NotRun,
            Some(_) if self.is_running(tag) => Other::Running,
            Some(record) => Other::Ran(record),
        }
    }

    /// Whether a parallel state of this tag is under way.
    fn is_running(&self, tag: &str) -> bool {
        self.jobs
            .values()
            .any(|job| job.is_parallel && job.tag == tag)
    }

    fn waits_for_running(&self, requisites: &IndexMap<Requisite, Vec<usize>>) -> bool {
        requisites
            .values()
            .flatten()
            .any(|other| self.is_running(&self.chunks[*other].tag()))
    }

    /// The requisites as `mod_watch` gets them.
    fn requisites_value(&self, requisites: &IndexMap<Requisite, Vec<usize>>) -> Value {
        let chunks = |chunks: &[usize]| -> Value {
            chunks
                .iter()
                .map(|chunk| Value::Object(self.chunks[*chunk].0.clone()))
                .collect()
        };
        requisites
            .iter()
            .map(|(requisite, others)| (requisite.word().to_owned(), chunks(others)))
            .collect()
    }
}
