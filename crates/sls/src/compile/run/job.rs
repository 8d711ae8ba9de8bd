//! Calls of a run from their start to their record: checks, attempts, `mod_watch`.

use serde_json::{Value, json};

use super::*;

/// Why a chunk is called.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// To apply it.
    Run,
    /// To apply it, and its `mod_watch`, with these requisites, if that changed nothing.
    ThenWatch(Value),
    /// To apply it; a state that it watches wants its `mod_watch` left out.
    WithoutWatch,
    /// To hear what it would change.
    Question {
        /// Whether a change of what it watches is a change of its own.
        watches_change: bool,
    },
}

/// A call, over all of its attempts.
#[derive(Debug)]
pub(super) struct Job {
    index: usize,
    /// The chunk as it is called.
    chunk: Chunk,
    pub(super) tag: String,
    purpose: Purpose,
    pub(super) is_parallel: bool,
    /// Salt numbers a parallel state when it starts, any other when it ends.
    number: Option<u64>,
    pub(super) is_handed_out: bool,
    attempts: Vec<(Return, Answer)>,
}

impl Job {
    fn is_question(&self) -> bool {
        matches!(self.purpose, Purpose::Question { .. })
    }
}

impl Run {
    /// Calls the chunk at the top of the stack.
    pub(super) fn start(&mut self, index: usize, purpose: Purpose) {
        let chunk = self.chunks[index].clone();
        let is_question = matches!(purpose, Purpose::Question { .. });
        let is_parallel = chunk.is_parallel() && !is_question;
        let job = Job {
            index,
            tag: chunk.tag(),
            number: is_parallel.then(|| self.take_number()),
            chunk,
            purpose,
            is_parallel,
            is_handed_out: false,
            attempts: Vec::new(),
        };
        if is_parallel {
            let returned = Return {
                comment: "Started in a separate process".to_owned(),
                ..Return::default()
            };
            let record = record::of_call(
                &returned,
                &job.chunk,
                job.number.unwrap_or_default(),
                "",
                0.0,
            );
            self.records.insert(job.tag.clone(), Value::Object(record));
        }
        self.issue(job, None);
        if is_parallel {
            self.end_frame(false);
        } else if let Some(frame) = self.stack.last_mut() {
            frame.stage = Stage::Called;
        }
    }

    fn issue(&mut self, mut job: Job, pause: Option<Pause>) {
        let number = CallNumber(self.next_call);
        self.next_call += 1;
        job.is_handed_out = false;
        let is_watching = job.chunk.0.contains_key("sfun");
        let is_left = |chunk: &Chunk| !self.records.contains_key(&chunk.tag());
        let group = self
            .graph
            .group_of(&self.chunks[job.index])
            .into_iter()
            .map(|index| &self.chunks[index]);
        self.ready.push_back(Call {
            number,
            tag: job.tag.clone(),
            chunk: job.chunk.clone(),
            is_test: self.options.is_test || job.is_question(),
            is_parallel: job.is_parallel,
            group: group
                .filter(|chunk| !is_watching && is_left(chunk))
                .cloned()
                .collect(),
            pause,
        });
        self.jobs.insert(number, job);
    }

    /// Goes on with a call that was answered.
    pub(super) fn hear(&mut self, mut job: Job, mut answer: Answer) {
        let mut returned = std::mem::take(&mut answer.returned);
        if let Some(is_success) = answer.check_cmd {
            returned.result = Some(is_success);
            returned.comment = format!(
                "check_cmd determined the state {}",
                if is_success { "succeeded" } else { "failed" }
            );
        }
        if let Purpose::Question { watches_change } = job.purpose {
            self.hear_question(&job, returned, &answer, watches_change);
            return;
        }
        let number = match job.number {
            Some(number) => number,
            None => self.take_number(),
        };
        if let Some(retry) = job.chunk.0.get("retry").map(Retry::of) {
            if self.options.is_test {
                returned.comment = format!("{}  {}", returned.comment, retry.in_words());
            } else if returned.result != Some(retry.until)
                && retry.attempts > job.attempts.len() as u64 + 1
            {
                job.attempts.push((returned, answer));
                let pause = Pause {
                    seconds: retry.interval_s,
                    splay_s: retry.splay_s,
                };
                self.issue(job, Some(pause));
                return;
            }
        }
        add_attempts(&job.attempts, &mut returned, &mut answer);
        match std::mem::replace(&mut job.purpose, Purpose::Run) {
            Purpose::ThenWatch(requisites)
                if returned.changes.is_empty() && !returned.is_set("skip_watch") =>
            {
                let map = &mut job.chunk.0;
                let function = map.insert("fun".to_owned(), json!("mod_watch"));
                map.insert("sfun".to_owned(), function.unwrap_or(Value::Null));
                map.insert("__reqs__".to_owned(), requisites);
                job.attempts.clear();
                self.issue(job, None);
                return;
            }
            Purpose::WithoutWatch => {
                returned.comment +=
                    " mod_watch was not run because requisites were skipped by another state";
            }
            _ => {}
        }
        let parts = returned.others.shift_remove("sub_state_run");
        let mut record = record::of_call(
            &returned,
            &job.chunk,
            number,
            &answer.start_time,
            answer.duration_ms,
        );
        if job.is_parallel && !returned.is_set("skip_watch") {
            record.insert("__parallel__".to_owned(), json!(true));
        }
        self.keep(job.tag, record);
        self.keep_parts(&job.chunk, parts, &answer);
        if !job.is_parallel {
            self.end_frame(false);
        } else if self.phase != Phase::OneId && self.is_fatal(job.index) {
            self.stop();
        }
    }

    /// Keeps the records of states that a function ran itself, which it returns as `sub_state_run`: each with its `low` and its outcome.
    fn keep_parts(&mut self, chunk: &Chunk, parts: Option<Value>, answer: &Answer) {
        let Some(Value::Array(parts)) = parts else {
            return;
        };
        for part in parts {
            let Some(Value::Object(low)) = part.get("low") else {
                continue;
            };
            let returned = Return {
                result: part.get("result").and_then(Value::as_bool),
                changes: part
                    .get("changes")
                    .and_then(Value::as_object)
                    .cloned()
                    .unwrap_or_default(),
                comment: part
                    .get("comment")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned(),
                ..Return::default()
            };
            let start_time = part
                .get("start_time")
                .and_then(Value::as_str)
                .unwrap_or(&answer.start_time);
            let duration_ms = part
                .get("duration")
                .and_then(Value::as_f64)
                .unwrap_or_default();
            let number = self.take_number();
            let mut record = record::of_call(&returned, chunk, number, start_time, duration_ms);
            record.insert("__state_ran__".to_owned(), json!(true));
            self.keep(Chunk(low.clone()).tag(), record);
        }
    }

    /// Keeps what a chunk would change.
    fn hear_question(
        &mut self,
        job: &Job,
        mut returned: Return,
        answer: &Answer,
        watches_change: bool,
    ) {
        if watches_change && returned.changes.is_empty() {
            returned.changes.insert("watch".to_owned(), json!("watch"));
            returned.result = None;
        }
        let record = record::of_call(
            &returned,
            &job.chunk,
            0,
            &answer.start_time,
            answer.duration_ms,
        );
        self.would.insert(job.tag.clone(), record);
        self.chunks[job.index]
            .0
            .insert("__prereq__".to_owned(), json!(false));
        self.end_frame(false);
    }
}

/// Tells of earlier attempts in the comment, the start and the duration of the last.
fn add_attempts(attempts: &[(Return, Answer)], returned: &mut Return, answer: &mut Answer) {
    let mut comments: Vec<String> = Vec::new();
    for (number, (earlier, _)) in (1..).zip(attempts) {
        comments.push(format!(
            "Attempt {number}: Returned a result of \"{}\", with the following comment: \"{}\"",
            super::super::value::text(&earlier.result_value()),
            earlier.comment
        ));
    }
    let Some((_, first)) = attempts.first() else {
        return;
    };
    comments.push(std::mem::take(&mut returned.comment));
    returned.comment = comments.join("\n");
    answer.start_time.clone_from(&first.start_time);
    let seconds_to_ms = 1_000.0;
    let waited: u64 = answer.waited_s
        + attempts
            .iter()
            .map(|(_, answer)| answer.waited_s)
            .sum::<u64>();
    answer.duration_ms += attempts
        .iter()
        .map(|(_, answer)| answer.duration_ms)
        .sum::<f64>()
        + waited as f64 * seconds_to_ms;
}
