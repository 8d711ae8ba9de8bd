#!/usr/bin/env python3
"""Records what real Salt makes of high data by chance, as a line of JSON for each: the order of the calls, and the results.
With the word `files` it does so for files of SLS: their high data, and the order of the calls.

Run it as `record.py`, with a first seed, a number of trees, and the file to write, and perhaps `files`; what is kept are 80 trees from
seed 12, and 60 of files from seed 1. One tree in
two hundred differs from ours: where Salt runs states in the order of a set, where it forgets a listener that another state asked
beforehand, and where `use` of two states adds the requisites of one to the other, for they share a list.
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
import yaml

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


# SLS and their files.
SLS = {
    "a": "a.sls",
    "b": "b/init.sls",
    "b.c": "b/c.sls",
    "b.d": "b/d/init.sls",
    "b.d.e": "b/d/e.sls",
    "f": "f.sls",
    "init": "init.sls",
}


def include(dice, names, own):
    """An include that mostly leads somewhere."""
    form = dice.random()
    if form < 0.02:
        return dice.choice(["gone", "...a", "..", {"nowhere": "a"}])
    if form < 0.15:
        return dice.choice(["b.*", "?", "*b*"])
    if form < 0.25:
        return dice.choice([{"dev": "x"}, {"dev": "a"}, {"base": dice.choice(names)}])
    target = dice.choice(names)
    package = own.split(".") if SLS[own].endswith("init.sls") else own.split(".")[:-1]
    levels = 1
    while package and not target.startswith(".".join(package) + "."):
        package.pop()
        levels += 1
    if package and dice.random() < 0.7:
        return "." * levels + target[len(".".join(package)) + 1 :]
    return target


def files(seed):
    dice = random.Random(seed)
    names = dice.sample(sorted(SLS), dice.randrange(2, len(SLS) + 1))
    found = {"dev/x.sls": "x: test.nop\n", "dev/a.sls": "dev_a: test.nop\n"}
    for name in names:
        body = {}
        for index in range(dice.choice([0, 1, 1, 2, 3])):
            id_ = f"{name}-{index}" if dice.random() < 0.97 else "same"
            arguments = [{"x": index}]
            if dice.random() < 0.25:
                other = f"{dice.choice(names)}-0"
                form = dice.choice([{"test": other}, {"sls": dice.choice(names)}, other])
                arguments.append({dice.choice(["require", "watch", "require_in", "onchanges"]): [form]})
            if dice.random() < 0.1:
                arguments.append({"order": dice.choice([1, "last", -1])})
            body[id_] = dice.choice([{"test.nop": arguments}, {"test": [*arguments, "nop"]}, "test.nop"])
        if dice.random() < 0.5:
            body["include"] = [include(dice, names, name) for _ in range(dice.choice([1, 1, 2, 3]))]
        if dice.random() < 0.15:
            body["extend"] = {f"{dice.choice(names)}-0": {"test": [{"x": "extended"}, {"require": [{"test": f"{dice.choice(names)}-1"}]}]}}
        if dice.random() < 0.1:
            body["exclude"] = [dice.choice(["b.*", {"id": "a-0"}, {"sls": "f"}, "b"])]
        entries = list(body.items())
        dice.shuffle(entries)
        found["base/" + SLS[name]] = yaml.safe_dump(dict(entries), sort_keys=False)
    mods = dice.sample([*names, "*"], min(len(names), dice.choice([1, 2, 2, 3])))
    return found, mods


def record_files(first, count, path):
    phrases = [
        "Recursive requisites were found",
        "Referenced state does not exist",
        "Cannot extend ID",
        "Detected conflicting IDs",
        "No matching sls found",
        "goes beyond top level package",
        "Unknown include",
        "Specified SLS",
    ]
    with open(path, "w") as file:
        for seed in range(first, first + count):
            found, mods = files(seed)
            # A root for each: Salt keeps the lists of files for a while.
            with tempfile.TemporaryDirectory() as root:
                line = {"seed": seed, "files": found, "mods": mods, **loaded(root, found, mods, phrases)}
            file.write(json.dumps(line, default=str) + "\n")


def loaded(root, found, mods, phrases):
    """What one tree of files becomes."""
    opts = record.configuration({"files": found}, pathlib.Path(root))
    high_state = salt.state.HighState(opts, pillar_override={"none": 1})
    try:
        high_state.push_active()
        high, errors = high_state.render_highstate({"base": mods})
        high_state.pop_active()
        kept = copy.deepcopy(high)
        low, errors = ([], errors) if errors else record.low({}, high_state.state, high)
    except Exception as exception:
        return {"crash": repr(exception)[:200]}
    if errors:
        return {"errors": [phrase for phrase in phrases if any(phrase in error for error in errors)]}
    return {"high": kept, "low": [chunk["__id__"] for chunk in low]}


def main():
    logging.disable(logging.CRITICAL)
    if sys.argv[4:] == ["files"]:
        record_files(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
        return
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
