//! Custom modules, run for real.

mod bringing;
mod programs;
mod python;
mod templates;

use serde_json::{Value, json};

use crate::testing::Host;
use crate::{Call, Outcome};

const DISKS: &str = r#"
"""Disks."""
import logging
log = logging.getLogger(__name__)
__virtualname__ = "disk2"
__func_alias__ = {"list_": "list"}

def __virtual__():
    return __virtualname__ if __grains__["os"] == "Debian" else (False, "only on Debian")

def list_(path, *more, size=1, **kwargs):
    """
    All of them.

        disk2.list /dev
    """
    log.warning("listed")
    print("this is no part of the talk")
    return {"path": path, "more": more, "size": size, "kwargs": kwargs}

def seen():
    __context__["count"] = __context__.get("count", 0) + 1
    return [__grains__["os"], __pillar__["motd"], __opts__["master"], __context__["count"], __opts__["id"] if "id" in __opts__ else None]

def asks(name):
    return __salt__["test.echo"](name) + __salt__.test.echo("!") + __salt__["disk2.own"]()

def own():
    return "own"

def missing():
    try:
        __salt__["no.such"]()
    except KeyError as error:
        return "KeyError %s, %s" % (error, "test.ping" in __salt__)

def no_file():
    try:
        __salt__["file.read"]("/no/such/file")
    except FileNotFoundError as error:
        return type(error).__name__ + ": " + str(error)

def fails():
    raise ValueError("broken on purpose")

def retcode():
    __context__["retcode"] = 7
    return "seven"

def sets():
    return {"a": {1}, 2: b"bytes", None: (1, 2.5), "n": float("nan")}

def sleep():
    import time
    time.sleep(1000)

def _private():
    return 1
"#;

const SITE: &str = r#"
def present(name, port=80, watch_this=None, **kwargs):
    """Make it so."""
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    if __opts__["test"]:
        ret["result"] = None
        ret["comment"] = "would"
        return ret
    inner = __states__["test.succeed_with_changes"](name)
    ret["changes"] = {"port": port, "id": __low__["__id__"], "env": __env__, "inner": inner["comment"], "more": kwargs}
    ret["comment"] = ["done", __salt__["test.echo"]("so")]
    return ret

def broken(name):
    raise RuntimeError("no")

def malformed(name):
    return [name]

def half(name):
    return {"name": name, "result": True}

def word(name):
    return {"name": name, "result": "yes", "changes": {}, "comment": ""}

def listed(name):
    return {"name": name, "result": True, "changes": [], "comment": ""}

def mod_watch(name, sfun=None, **kwargs):
    return {"name": name, "result": True, "changes": {"sfun": sfun, "others": sorted(kwargs)}, "comment": ""}
"#;

impl Host {
    /// A minion that runs custom modules, with these files in its roots.
    fn with_custom(files: &[(&str, &str)]) -> Host {
        let host = Host::new();
        host.set("custom_modules", json!(true));
        for (path, text) in files {
            host.write(&format!("roots/base/{path}"), text);
        }
        host
    }

    fn sync(&self, function: &str) -> Value {
        let outcome = self.call(Call::new(function));
        assert!(outcome.success, "{function}: {outcome:?}");
        outcome.value
    }
}

fn text(outcome: &Outcome) -> &str {
    outcome.value.as_str().unwrap()
}
