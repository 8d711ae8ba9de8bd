//! Follows a job: its progress, Ctrl-C, the end of the wait, its outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use output::{Rendering, Report};
use wire::choice::Confirm;
use wire::control::{Ask, Ledger, Tell};
use wire::{Jid, OutcomeKind};

use crate::Session;
use crate::confirm::confirmed;
use crate::control::{Control, ControlError};
use crate::live::Live;
use crate::meaning::Follow;
use crate::runargs::View;
use crate::salt::Batch;
use crate::seat::Connect;
use crate::trouble::Trouble;
use crate::user;

/// Events that wait to be handled, at most; whoever has more to say waits.
const EVENTS_MAX: usize = 16;

/// The daemon has so long to take a cancellation, or to show a job: both are questions to itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What may happen while a job is followed.
enum Event {
    Told(Result<Option<Tell>, ControlError>),
    Interrupt,
    /// The daemon's answer to a cancellation.
    Cancelled(Result<Jid, Trouble>),
}

/// Asks, and follows the job that it is about; the exit code is that of its outcome.
pub(crate) fn follow(
    session: &mut Session<'_, '_>,
    ask: Ask,
    follow: Follow,
    view: &View,
) -> Result<u8, Trouble> {
    let (sender, events) = mpsc::sync_channel(EVENTS_MAX);
    // While the user is asked, Ctrl-C ends the command.
    let is_asking = Arc::new(AtomicBool::new(false));
    if !follow.detach {
        let on_interrupt = sender.clone();
        let is_asking = is_asking.clone();
        // Before the first thread starts, so that none is left that the signal would end.
        (session.seat.interrupts)(Box::new(move || {
            !is_asking.load(Ordering::SeqCst) && on_interrupt.send(Event::Interrupt).is_ok()
        }))
        .map_err(Trouble::Interrupts)?;
    }
    let confirm = match attempt(session, ask.clone(), follow, view, &sender, &events)? {
        Ended::With(code) => return Ok(code),
        Ended::Asked(confirm) => confirm,
    };
    is_asking.store(true, Ordering::SeqCst);
    let ask = confirmed(session.seat, ask, confirm)?;
    is_asking.store(false, Ordering::SeqCst);
    match attempt(session, ask, follow, view, &sender, &events)? {
        Ended::With(code) => Ok(code),
        Ended::Asked(_) => Err(Trouble::Unexpected),
    }
}

/// How following a job ended.
enum Ended {
    /// With this exit code.
    With(u8),
    /// The daemon wants to know how many minions are meant.
    Asked(Confirm),
}

fn attempt(
    session: &mut Session<'_, '_>,
    ask: Ask,
    follow: Follow,
    view: &View,
    sender: &SyncSender<Event>,
    events: &Receiver<Event>,
) -> Result<Ended, Trouble> {
    let mut control = (session.connect)()?;
    control.ask(ask)?;
    listen(control, sender.clone())?;
    let now = Instant::now();
    Follower {
        live: Live::new(session.seat.terminals.err, now),
        deadline: follow.timeout.map(|timeout| now + timeout),
        jid: follow.jid,
        detach: follow.detach,
        owns_job: follow.owns_job,
        interrupts: 0,
        batch: session.manner.batch.map(|amount| Batch::new(amount, now)),
        sender: sender.clone(),
        view,
        session,
    }
    .run(events)
}

/// Reads answers in a thread of its own until the first that is no answer.
fn listen(mut control: Box<dyn Control>, events: SyncSender<Event>) -> Result<(), Trouble> {
    let read = move || {
        loop {
            let told = control.next(None);
            let is_last = !matches!(&told, Ok(Some(tell)) if !matches!(tell, Tell::Confirm(_)));
            if events.send(Event::Told(told)).is_err() || is_last {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("listen".to_owned())
        .spawn(read)
        .map(drop)
        .map_err(|e| ControlError::Broken(e).into())
}

struct Follower<'s, 'a, 'b> {
    session: &'s mut Session<'a, 'b>,
    view: &'s View,
    live: Live,
    deadline: Option<Instant>,
    jid: Option<Jid>,
    detach: bool,
    owns_job: bool,
    /// How often Ctrl-C was pressed.
    interrupts: u32,
    /// What is printed while the job runs.
    batch: Option<Batch>,
    /// For the thread that cancels.
    sender: SyncSender<Event>,
}

impl Follower<'_, '_, '_> {
    fn run(mut self, events: &Receiver<Event>) -> Result<Ended, Trouble> {
        loop {
            let event = self.next(events);
            // Whatever is said next has the screen for itself; progress comes back with the next numbers.
            if !matches!(event, Some(Event::Told(Ok(Some(Tell::Progress(_)))))) {
                self.live.erase(self.session.seat.err);
            }
            let code = match event {
                None => Some(self.time_is_up()?),
                Some(Event::Interrupt) => self.interrupt()?,
                Some(Event::Cancelled(result)) => {
                    self.cancelled(result);
                    None
                }
                Some(Event::Told(Ok(Some(Tell::Confirm(confirm))))) if self.interrupts == 0 => {
                    return Ok(Ended::Asked(confirm));
                }
                Some(Event::Told(Ok(Some(Tell::Confirm(_))))) => self.interrupt()?,
                Some(Event::Told(told)) => self.told(told?)?,
            };
            if let Some(code) = code {
                return Ok(Ended::With(code));
            }
        }
    }

    /// The next event; None when the wait is over. Draws what is due in between.
    fn next(&mut self, events: &Receiver<Event>) -> Option<Event> {
        loop {
            let is_due = |due: Instant| due <= Instant::now();
            if self.batch.as_ref().and_then(Batch::due).is_some_and(is_due) {
                self.look();
            }
            self.live.draw(Instant::now(), self.session.seat.err);
            let look = self.batch.as_ref().and_then(Batch::due);
            let wakes = [self.deadline, self.live.due(), look];
            let wake = wakes.into_iter().flatten().min();
            // This follower holds a sender, so the channel never ends.
            let Some(wake) = wake else {
                return events.recv().ok();
            };
            match events.recv_timeout(wake.saturating_duration_since(Instant::now())) {
                Ok(event) => return Some(event),
                Err(RecvTimeoutError::Timeout)
                    if self.deadline.is_some_and(|end| end <= Instant::now()) =>
                {
                    return None;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn told(&mut self, tell: Option<Tell>) -> Result<Option<u8>, Trouble> {
        match (tell, self.jid) {
            (Some(Tell::Accepted { jid, wait_ms }), _) => {
                self.jid = Some(jid);
                // A wait that was typed counts from the start; the hub's own setting only where nothing was typed.
                self.deadline = self
                    .deadline
                    .or_else(|| wait_ms.map(|wait| Instant::now() + Duration::from_millis(wait)));
                if self.detach {
                    return self.detached(jid).map(Some);
                }
                if let Some(line) = self.session.manner.taken(jid) {
                    self.session.print(&line)?;
                }
                if self.interrupts > 0 {
                    self.cancel(jid)?;
                }
                Ok(None)
            }
            (Some(Tell::Progress(progress)), _) => {
                self.live.update(progress);
                if let Some(batch) = &mut self.batch {
                    batch.stir();
                }
                Ok(None)
            }
            (Some(Tell::Ledger(ledger)), _) => match self.batch.take() {
                Some(batch) => self.end_batch(batch, &ledger).map(Some),
                None => show(self.session, &ledger, self.view).map(Some),
            },
            (Some(Tell::Failed(failure)), _) => Err(Trouble::Told(failure)),
            (Some(_), _) => Err(Trouble::Unexpected),
            (None, Some(jid)) => Err(Trouble::Abandoned(jid)),
            (None, None) => Err(Trouble::NoAnswer),
        }
    }

    /// Prints what is new of a batch. The account at the end has all that could not be asked for now.
    fn look(&mut self) {
        let (Some(batch), Some(jid)) = (&mut self.batch, self.jid) else {
            return;
        };
        let began = Instant::now();
        let asked = answer(&self.session.connect, Ask::Show { jid });
        batch.looked(Instant::now(), began.elapsed());
        if let Ok(Tell::Ledger(ledger)) = asked {
            let news = batch.news(&ledger, &rendering(self.session, &ledger, self.view));
            if !news.is_empty() {
                self.live.erase(self.session.seat.err);
                // Nobody who reads any more is told at the end.
                let _ = self.session.print(&news);
            }
        }
    }

    /// Prints the rest of a batch. The exit code is Salt's.
    fn end_batch(&mut self, mut batch: Batch, ledger: &Ledger) -> Result<u8, Trouble> {
        if ledger.minions.is_empty() && output::exit_code(ledger) == output::NOTHING_MATCHED {
            self.session.print(
                "No minions matched the target.\nNo minions matched the target. No command was sent, no jid was assigned.\n",
            )?;
            self.session.seat.say("ERROR: No return received");
            return Ok(output::NOTHING_MATCHED);
        }
        let rendering = rendering(self.session, ledger, self.view);
        let news = batch.news(ledger, &rendering);
        self.session.print(&news)?;
        conclude(self.session, ledger, self.view, rendering.form)?;
        Ok(crate::salt::batch_code(ledger))
    }

    /// With `--async`: the id on standard output alone, for scripts.
    fn detached(&mut self, jid: Jid) -> Result<u8, Trouble> {
        // The function decides only where no form is asked for, and then the id alone is said.
        if self.session.manner.is_salt {
            self.session
                .print(&format!("Executed command with job ID: {jid}\n"))?;
            return Ok(output::OK);
        }
        let text = match self.view.form("") {
            output::Form::Json | output::Form::Ledger => {
                output::json(&serde_json::json!({ "jid": jid }))
            }
            _ => format!("{jid}\n"),
        };
        self.session.print(&text)?;
        if self.session.seat.terminals.out {
            let hint = self.session.command_line(&format!("jobs watch {jid}"));
            self.session.seat.say(&format!("Follow it with: {hint}"));
        }
        Ok(output::OK)
    }

    /// The first Ctrl-C cancels a job that this command started, a second one leaves; others are left at once.
    fn interrupt(&mut self) -> Result<Option<u8>, Trouble> {
        self.interrupts += 1;
        match (self.interrupts, self.jid) {
            (1, Some(jid)) if self.owns_job => {
                self.cancel(jid)?;
                Ok(None)
            }
            // Whether there is a job is not known yet: it is cancelled as soon as it has an id.
            (1, None) if self.owns_job => Ok(None),
            (_, Some(jid)) => {
                let hint = self.session.command_line(&format!("jobs watch {jid}"));
                self.session.seat.say(&format!(
                    "Left job {jid} before its end. Follow it with: {hint}"
                ));
                Ok(Some(output::UNKNOWN))
            }
            (_, None) => {
                self.session
                    .seat
                    .say("Left before the daemon took the job.");
                Ok(Some(output::UNKNOWN))
            }
        }
    }

    /// Asks to cancel in a thread, so that a second Ctrl-C is heard meanwhile.
    fn cancel(&mut self, jid: Jid) -> Result<(), Trouble> {
        self.session.seat.say(&format!(
            "Cancelling job {jid} and waiting for its outcome. Ctrl-C again leaves at once."
        ));
        let ask = Ask::Cancel {
            jid,
            user: user::name(self.session.seat.environment),
        };
        let connect = self.session.connect.clone();
        let sender = self.sender.clone();
        let work = move || {
            let result = match answer(&connect, ask) {
                Ok(Tell::Accepted { jid, .. }) => Ok(jid),
                Ok(Tell::Failed(failure)) => Err(Trouble::Told(failure)),
                Ok(_) => Err(Trouble::Unexpected),
                Err(trouble) => Err(trouble),
            };
            // When nobody listens any more the command is over, and so is this.
            let _ = sender.send(Event::Cancelled(result));
        };
        thread::Builder::new()
            .name("cancel".to_owned())
            .spawn(work)
            .map(drop)
            .map_err(Trouble::Interrupts)
    }

    fn cancelled(&mut self, result: Result<Jid, Trouble>) {
        // The job's own outcome tells how it went; only a cancellation that did not start is worth a word.
        if let Err(trouble) = result {
            let report = self.session.report(&trouble);
            self.session
                .seat
                .say(&format!("{report}\nThe job is not cancelled."));
        }
    }

    /// The wait is over: what there is, and that the job goes on.
    fn time_is_up(&mut self) -> Result<u8, Trouble> {
        let jid = self.jid.ok_or(Trouble::NotAccepted)?;
        let ledger = match answer(&self.session.connect, Ask::Show { jid })? {
            Tell::Ledger(ledger) => ledger,
            Tell::Failed(failure) => return Err(Trouble::Told(failure)),
            _ => return Err(Trouble::Unexpected),
        };
        let code = show(self.session, &ledger, self.view)?;
        if !ledger.progress.finished {
            let hint = self.session.command_line(&format!("jobs watch {jid}"));
            self.session.seat.say(&format!(
                "The wait is over; job {jid} goes on. Follow it with: {hint}"
            ));
        }
        Ok(code)
    }
}

/// The single answer to a question.
pub(crate) fn answer(connect: &Connect, ask: Ask) -> Result<Tell, Trouble> {
    ask_within(connect, ask, Some(ANSWER_TIMEOUT))
}

/// The single answer to a question that may take its time.
pub(crate) fn ask_within(
    connect: &Connect,
    ask: Ask,
    timeout: Option<Duration>,
) -> Result<Tell, Trouble> {
    let mut control = connect()?;
    control.ask(ask)?;
    control.next(timeout)?.ok_or(Trouble::NoAnswer)
}

/// Shows a job as it stands; the exit code is that of its outcome.
pub(crate) fn show(
    session: &mut Session<'_, '_>,
    ledger: &Ledger,
    view: &View,
) -> Result<u8, Trouble> {
    let rendering = rendering(session, ledger, view);
    let text = if view.hides_silent {
        output::render(&Report::new(&without_silent(ledger)), &rendering)
    } else {
        output::render(&Report::new(ledger), &rendering)
    };
    session.print(&text)?;
    conclude(session, ledger, view, rendering.form)?;
    let counts = &ledger.progress.counts;
    // Whoever does not want to see them does not count them either.
    if view.hides_silent && counts.failed == 0 && counts.returned() > 0 {
        return Ok(output::OK);
    }
    Ok(output::exit_code(ledger))
}

/// How the results of a job are printed.
fn rendering(session: &Session<'_, '_>, ledger: &Ledger, view: &View) -> Rendering {
    Rendering {
        form: view.form(&ledger.fun),
        one_document: view.one_document,
        style: session.style,
        yaml: yaml::emit,
        states: view.states(),
        indent: view.destination.out_indent,
    }
}

/// What is said when all results are printed.
fn conclude(
    session: &mut Session<'_, '_>,
    ledger: &Ledger,
    view: &View,
    form: output::Form,
) -> Result<(), Trouble> {
    if form != output::Form::Quiet {
        for note in output::notes(ledger) {
            session.seat.say(&note);
        }
    }
    if view.summary {
        let summary = output::summary(ledger);
        if form.is_document() {
            session.seat.say(summary.trim());
        } else {
            session.print(&summary)?;
        }
    }
    Ok(())
}

/// The account with the minions alone that returned.
fn without_silent(ledger: &Ledger) -> Ledger {
    let mut ledger = ledger.clone();
    ledger
        .minions
        .retain(|row| matches!(row.kind, OutcomeKind::Ok | OutcomeKind::Failed));
    ledger
}

/// Shows a job that is on disk.
pub(crate) fn show_job(
    session: &mut Session<'_, '_>,
    jid: Jid,
    view: &View,
) -> Result<u8, Trouble> {
    match answer(&session.connect, Ask::Show { jid })? {
        Tell::Ledger(ledger) => show(session, &ledger, view),
        Tell::Failed(failure) => Err(Trouble::Told(failure)),
        _ => Err(Trouble::Unexpected),
    }
}
