//! Asks how many minions are meant, before a job for many of them is taken.

use std::io::{BufRead, Read};

use output::{count, grouped};
use wire::choice::Confirm;
use wire::control::{Ask, Failure, FailureKind};

use crate::seat::Seat;
use crate::trouble::Trouble;

/// Longest answer that is read, in bytes: a number and some hesitation.
const ANSWER_BYTES_MAX: u64 = 64;

/// The same question with the count that the user typed. The daemon counts again when it is asked: nothing that happens
/// meanwhile makes it a job for others.
pub(crate) fn confirmed(seat: &mut Seat<'_>, ask: Ask, confirm: Confirm) -> Result<Ask, Trouble> {
    let minions = count(confirm.count, "minion");
    let about = format!(
        "The job is for {minions}, more than the {} of confirm_above.",
        grouped(confirm.above)
    );
    if !seat.terminals.input {
        let number = confirm.count;
        return Err(refused(format!(
            "{about} Nothing runs; if they are meant, say --expect {number}"
        )));
    }
    seat.say(&format!("{about} Type {} to go on:", confirm.count));
    let mut line = String::new();
    let typed = match Read::take(&mut *seat.input, ANSWER_BYTES_MAX).read_line(&mut line) {
        Ok(_) => line.trim(),
        Err(_) => "",
    };
    if typed != confirm.count.to_string() {
        return Err(refused("That is another number. Nothing runs.".to_owned()));
    }
    match ask {
        Ask::Run(mut run) => {
            run.choice.expect = Some(confirm.count);
            Ok(Ask::Run(run))
        }
        Ask::Retry(mut retry) => {
            retry.expect = Some(confirm.count);
            Ok(Ask::Retry(retry))
        }
        _ => Err(Trouble::Unexpected),
    }
}

fn refused(text: String) -> Trouble {
    Trouble::Told(Failure::new(FailureKind::Refused, text))
}
