//! What was typed about turns: batches, stages, stop rules.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use wire::{Amount, BatchPlan, Between, StopOn, StopRule, StopScope};

use crate::duration;
use crate::meaning::{json, millis};

/// Options of a job that is given in turns. One budget holds for the whole tree.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Turns")]
pub struct RolloutArgs {
    /// Run on so many minions at once over the whole tree: 10, or 5%
    #[arg(short = 'b', long, value_name = "AMOUNT")]
    pub(crate) batch_size: Option<Amount>,
    /// A place stays empty for so long after its minion is done
    #[arg(long, value_name = "SECONDS", value_parser = duration::parse, requires = "batch_size")]
    pub(crate) batch_wait: Option<Duration>,
    /// Run on so many minions of one site at once
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) per_site: Option<u32>,
    /// Go through stages, each with so many minions all in all: 1,10%,100%. The first failure stops it, unless --stop-failed
    /// says otherwise
    #[arg(long, value_name = "AMOUNTS", value_delimiter = ',')]
    pub(crate) stages: Vec<Amount>,
    /// Pause for so long after each stage
    #[arg(long, value_name = "TIME", value_parser = duration::parse, requires = "stages")]
    pub(crate) stage_pause: Option<Duration>,
    /// Wait for `jobs continue` after each stage
    #[arg(long, requires = "stages", conflicts_with = "stage_pause")]
    pub(crate) stage_confirm: bool,
    /// Run this function after each stage on whoever ran the job well, and go on if it ends well everywhere:
    /// 'service.status nginx'
    #[arg(long, value_name = "FUN ARGS", requires = "stages", conflicts_with_all = ["stage_pause", "stage_confirm"])]
    pub(crate) stage_check: Option<String>,
    /// Stop once so many failed: 5, 10%, or of one site alone: 2/site, 10%/site. May be given more than once
    #[arg(long, value_name = "AMOUNT[/site]")]
    pub(crate) stop_failed: Vec<Limit>,
    /// Stop once so many are unreachable, as with --stop-failed
    #[arg(long, value_name = "AMOUNT[/site]")]
    pub(crate) stop_unreachable: Vec<Limit>,
    /// Stop at the first failure: --stop-failed 1
    #[arg(long)]
    pub(crate) failhard: bool,
}

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    at: Amount,
    scope: StopScope,
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Limit, String> {
        let (amount, scope) = match text.split_once('/') {
            None => (text, StopScope::Fleet),
            Some((amount, "site")) => (amount, StopScope::Site),
            Some((_, other)) => {
                return Err(format!("{other:?} is no scope: 5, 10%, 5/site, 10%/site"));
            }
        };
        let at = amount
            .parse()
            .map_err(|e: wire::AmountError| e.to_string())?;
        Ok(Limit { at, scope })
    }
}

impl RolloutArgs {
    /// The plan; None for a job that goes to everyone at once.
    ///
    /// # Errors
    /// Words for people.
    pub(crate) fn plan(self) -> Result<Option<BatchPlan>, String> {
        let shrinks = |pair: &[Amount]| match pair {
            [Amount::Count(a), Amount::Count(b)] | [Amount::Percent(a), Amount::Percent(b)] => {
                a >= b
            }
            _ => false,
        };
        if let Some(pair) = self.stages.windows(2).find(|pair| shrinks(pair)) {
            return Err(format!(
                "--stages: {} comes after {}; each stage says how many had their turn all in all, so they grow",
                pair[1], pair[0]
            ));
        }
        let rules = |limits: Vec<Limit>, on| {
            limits
                .into_iter()
                .map(move |Limit { at, scope }| StopRule { on, at, scope })
        };
        let mut stops: Vec<StopRule> = rules(self.stop_failed, StopOn::Failed).collect();
        // Whoever goes in stages wants the first ones to be a test.
        if self.failhard || (!self.stages.is_empty() && stops.is_empty()) {
            stops.push(StopRule {
                on: StopOn::Failed,
                at: Amount::Count(1),
                scope: StopScope::Fleet,
            });
        }
        stops.extend(rules(self.stop_unreachable, StopOn::Unreachable));
        let between = match (self.stage_pause, self.stage_confirm, self.stage_check) {
            (Some(pause), ..) => Between::Pause(millis(pause)),
            (None, true, _) => Between::Confirm,
            (None, false, Some(check)) => checked(&check)?,
            (None, false, None) => Between::Nothing,
        };
        let plan = BatchPlan {
            size: self.batch_size,
            per_site: self.per_site,
            wait_ms: self.batch_wait.map(millis).unwrap_or(0),
            stages: self.stages,
            between,
            stops,
        };
        Ok((plan != BatchPlan::default()).then_some(plan))
    }
}

/// A function with its arguments, typed as one word.
fn checked(text: &str) -> Result<Between, String> {
    let words = shlex::split(text)
        .filter(|words| !words.is_empty())
        .ok_or_else(|| format!("--stage-check {text:?} is no function with arguments"))?;
    let (positional, named) = yaml::parse_arguments(&words[1..]);
    Ok(Between::Check {
        fun: words[0].clone(),
        args: json(&serde_json::Value::Array(positional)),
        kwargs: json(&serde_json::Value::Object(named)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(args: RolloutArgs) -> BatchPlan {
        args.plan().unwrap().unwrap()
    }

    #[test]
    fn nothing_typed_is_no_plan() {
        assert_eq!(RolloutArgs::default().plan(), Ok(None));
    }

    #[test]
    fn stages_stop_at_the_first_failure_unless_told_otherwise() {
        let stages = || RolloutArgs {
            stages: vec![Amount::Count(1)],
            ..RolloutArgs::default()
        };
        assert_eq!(plan(stages()).stops[0].at, Amount::Count(1));
        let tolerant = RolloutArgs {
            stop_failed: vec!["10%/site".parse().unwrap()],
            ..stages()
        };
        let [rule] = plan(tolerant).stops[..] else {
            panic!("one rule");
        };
        assert_eq!(
            (rule.at, rule.scope),
            (Amount::Percent(1_000), StopScope::Site)
        );
    }

    #[test]
    fn stages_grow() {
        let stages = |amounts: &[&str]| RolloutArgs {
            stages: amounts.iter().map(|text| text.parse().unwrap()).collect(),
            ..RolloutArgs::default()
        };
        assert!(stages(&["1", "10%", "100%"]).plan().is_ok());
        let error = stages(&["1", "50%", "10%"]).plan().unwrap_err();
        assert!(error.contains("10% comes after 50%"), "{error}");
    }

    #[test]
    fn limits_are_read() {
        assert!("5/rack".parse::<Limit>().unwrap_err().contains("rack"));
        assert!("0".parse::<Limit>().is_err());
    }

    #[test]
    fn a_check_is_a_function_with_arguments() {
        let args = RolloutArgs {
            stages: vec![Amount::Count(1)],
            stage_check: Some("cmd.retcode 'test -e /etc/x' timeout=5".to_owned()),
            ..RolloutArgs::default()
        };
        let Between::Check { fun, args, kwargs } = plan(args).between else {
            panic!("a check");
        };
        assert_eq!(fun, "cmd.retcode");
        assert_eq!(&*args, br#"["test -e /etc/x"]"#);
        assert_eq!(&*kwargs, br#"{"timeout":5}"#);
    }
}
