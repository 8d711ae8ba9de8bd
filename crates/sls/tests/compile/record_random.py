#!/usr/bin/env python3
"""Records what real Salt makes of high data by chance, as a line of JSON for each: the order of the calls, and the results.

Run it as `record.py`, with a first seed, a number of trees, and the file to write; what is kept are 80 trees from seed 12. About one tree
in a hundred differs from ours: where Salt runs states in the order of a set, and where it forgets a listener that another
state asked beforehand.
"""

import copy
import json
import logging
import pathlib
import random
import sys
import tempfile

import record
import salt.config
import salt.state

FUNCTIONS = ["nop", "succeed_with_changes", "succeed_with_changes", "succeed_without_changes", "fail_without_changes", "fail_with_changes"]
REQUISITES = (
    "require require watch onchanges onfail prereq listen require_any watch_any onchanges_any onfail_any onfail_all"
    " require_in watch_in onchanges_in onfail_in prereq_in use use_in"
).split()


def reference(dice, named, own, requisite):
    """A state that a requisite is on: mostly one that is defined earlier, so that not every tree has a cycle."""
    is_late = requisite.endswith("_in") or requisite == "prereq"
    count = len(named)
    low, high = (own + 1, count) if is_late else (0, own)
    if dice.random() < 0.01:
        low, high = 0, count
    if low >= high:
        return None
    index = dice.randrange(low, high)
    form = dice.random()
    if form < 0.1 and "listen" not in requisite:
        return f"id{index}"
    if form < 0.2 and named[index] and not requisite.startswith("use"):
        return {"test": f"name{index}"}
    if form < 0.24 and not requisite.endswith("_in") and requisite not in ("use", "listen"):
        return {"test": f"id{index}*"}
    if form < 0.28 and own >= 4 and not is_late and requisite not in ("use", "listen"):
        return {"sls": f"sls{dice.randrange(own // 4)}"}
    return {"test": f"id{index}"}


def tree(seed):
    dice = random.Random(seed)
    count = dice.randrange(2, 14)
    named = [dice.choice([None, None, "name", "names"]) for _ in range(count)]
    high = {}
    for index in range(count):
        arguments = []
        if named[index] == "name":
            arguments.append({"name": f"name{index}"})
        if named[index] == "names":
            arguments.append({"names": [f"name{index}", f"other{index}"]})
        for requisite in dice.sample(sorted(set(REQUISITES)), dice.choice([0, 0, 1, 1, 2])):
            targets = [reference(dice, named, index, requisite) for _ in range(dice.choice([1, 1, 2]))]
            arguments.append({requisite: [target for target in targets if target]})
        if dice.random() < 0.02:
            arguments.append({"failhard": True})
        if dice.random() < 0.2:
            arguments.append({"aggregate": True})
        if dice.random() < 0.1:
            arguments.append({"onlyif": dice.choice(["true", "false"])})
        order = dice.choice([1, 5, -1, -3, "first", "last"]) if dice.random() < 0.2 else 10000 + index
        arguments += [dice.choice(FUNCTIONS), {"order": order}]
        high[f"id{index}"] = {"test": arguments, "__sls__": f"sls{index // 4}", "__env__": "base"}
    return high


def machine(root, is_test):
    opts = record.configuration({"files": {}}, pathlib.Path(root))
    opts["test"] = is_test
    state = salt.state.HighState(opts, pillar_override={"none": 1}).state
    # The functions of `test` have none: this one changes nothing, but its states are grouped.
    state.states["test.nop"]
    state.states._dict["test.mod_aggregate"] = lambda low, chunks, running: low
    return state


def results(state, high):
    state.pre = {}
    state.reset_run_num()
    found = state.call_high(copy.deepcopy(high))
    if isinstance(found, list):
        return None
    for one in found.values():
        if isinstance(one, dict):
            for key in record.UNSTABLE:
                one.pop(key, None)
    return found


def kinds(errors):
    """What Salt says, without its prose."""
    known = ["Recursive requisites were found", "Referenced state does not exist", "Cannot extend ID"]
    return [phrase for phrase in known if any(phrase in error for error in errors)]


def order(state, high):
    """The ids in the order of their calls, or the errors."""
    high = copy.deepcopy(high)
    high, errors = state.reconcile_extend(high)
    errors += state.verify_high(high)
    high, found = state.requisite_in(high)
    errors += found
    chunks, found = ([], []) if errors else state.compile_high_data(high)
    errors += found
    return kinds(errors) if errors else [chunk["__id__"] + " " + chunk["name"] for chunk in chunks], bool(errors)


def main():
    logging.disable(logging.CRITICAL)
    first, count, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with tempfile.TemporaryDirectory() as root, open(path, "w") as file:
        real, test = machine(root, False), machine(root, True)
        for seed in range(first, first + count):
            high = tree(seed)
            line = {"seed": seed, "high": high}
            try:
                found, is_faulty = order(real, high)
                line["errors" if is_faulty else "order"] = found
                if not is_faulty:
                    line["run"] = results(real, high)
                    line["test"] = results(test, high)
            except Exception as exception:
                # Salt itself stops at some of them.
                line = {"seed": seed, "high": high, "crash": repr(exception)[:200]}
            file.write(json.dumps(line, default=str) + "\n")


if __name__ == "__main__":
    main()
