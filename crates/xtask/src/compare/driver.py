#!/usr/bin/env python3
"""Answers calls as `salt-call --local` would, all in one process: Salt takes seconds to start.

    driver.py CONFIG CALLS ANSWERS

CONFIG is a minion's configuration, CALLS a JSON list of {fun, args, kwargs}. ANSWERS gets one line of JSON for each call, in order:
{"value": ...}, or {"error": "..."} when the call failed. Run it with the Python of an installation of Salt.
"""

import json
import signal
import sys

import salt.client
import salt.config

# A call that takes longer has failed.
PATIENCE_S = 120


class TimeIsUp(BaseException):
    """No state and no template catches it."""


def ring(*_):
    raise TimeIsUp(f"no answer within {PATIENCE_S} s")


def plain(value):
    """What JSON can hold: names are texts as `str` has them."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in value), key=repr)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)


def answer(caller, call):
    signal.alarm(PATIENCE_S)
    try:
        return {"value": plain(caller.cmd(call["fun"], *call["args"], **call["kwargs"]))}
    except (Exception, SystemExit, TimeIsUp) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        signal.alarm(0)


def main():
    config, calls, answers = sys.argv[1:]
    signal.signal(signal.SIGALRM, ring)
    caller = salt.client.Caller(config)
    with open(calls) as file:
        calls = json.load(file)
    with open(answers, "w") as file:
        for call in calls:
            print(json.dumps(answer(caller, call)), file=file, flush=True)
            if call["fun"].startswith("saltutil.sync_"):
                # Modules that have just come are loaded by a new loader.
                caller = salt.client.Caller(config)


main()
