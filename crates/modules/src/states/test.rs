//! `test`: states that do nothing, for testing requisites and for failing on purpose.

use serde_json::{Map, Value};
use sls::probe::{self, Ground, Probe};

use super::{Args, Failure, StateAnswer, StateEnv, StateFunction};
use crate::call::Call;
use crate::random;

macro_rules! probes {
    ($($probe:ident),* $(,)?) => {
        &[$(StateFunction::new(
            probe::$probe.name,
            probe::$probe.signature,
            probe::$probe.doc,
            |args, env| run(&probe::$probe, args, env),
        )),*]
    };
}

pub(super) const STATES: &[StateFunction] = probes![
    NOP,
    SUCCEED_WITHOUT_CHANGES,
    FAIL_WITHOUT_CHANGES,
    SUCCEED_WITH_CHANGES,
    FAIL_WITH_CHANGES,
    CONFIGURABLE,
    SHOW_NOTIFICATION,
    MOD_WATCH,
    CHECK_PILLAR,
];

fn run(probe: &Probe, args: &Args, env: &StateEnv) -> StateAnswer {
    (probe.run)(args, env).map_err(Failure::invocation)
}

impl Ground for StateEnv<'_> {
    fn is_test(&self) -> bool {
        self.is_test
    }

    fn low(&self) -> &Map<String, Value> {
        self.low
    }

    fn record(&self, tag: &str) -> Option<&Value> {
        self.records.get(tag)
    }

    fn pillar(&self, key: &str) -> Result<Value, String> {
        let call = Call::new("pillar.get").arg(key).arg(Value::Null);
        self.call(&call).map_err(|failure| failure.to_string())
    }

    fn coin(&self) -> Result<bool, String> {
        let drawn = random::below(2).map_err(|failure| failure.to_string())?;
        Ok(drawn == 1)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Host, checked};

    #[test]
    fn states_for_tests() {
        let host = Host::new();
        let check = |fun: &str, args: Value, is_test: bool, result: Option<bool>, comment: &str| {
            checked(host.state(fun, args, is_test), result, comment)
        };
        check(
            "test.nop",
            json!({"name": "x"}),
            false,
            Some(true),
            "Success!",
        );
        let foretold = "If we weren't testing, this would be successful with changes";
        check(
            "test.succeed_with_changes",
            json!({"name": "x"}),
            true,
            None,
            foretold,
        );
        let args = json!({"name": "x", "changes": false, "result": false, "warnings": "w", "comment": "c"});
        let returned = check(
            "test.configurable_test_state",
            args,
            false,
            Some(false),
            "c",
        );
        assert_eq!(returned.others["warnings"], json!(["w"]));
        let invalid = "An exception occurred in this state: 'y' and 'z' are invalid keyword arguments for 'test.configurable_test_state'";
        let args = json!({"name": "x", "y": 1, "z": 2, "require": [], "order": 1});
        check(
            "test.configurable_test_state",
            args,
            false,
            Some(false),
            invalid,
        );
    }
}
