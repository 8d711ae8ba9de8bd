#!/usr/bin/env python3
"""Makes pillars by chance and records what real Salt makes of them, as `random.jsonl`: a case and its pillar on each line.

Run it with the Python of an installation of Salt 3008.3, with PYTHONHASHSEED=0, the number of cases and a seed as arguments.
"""

import json
import logging
import pathlib
import random
import sys
import tempfile

import yaml
from record import compile_pillar

HERE = pathlib.Path(__file__).parent
NAMES = ["a", "b", "c", "d", "app", "app.web", "app.db", "app.db.x"]
KEYS = ["k", "l", "m", "x", "y"]


def value(chance, depth=0):
    kind = chance.random()
    if depth < 3 and kind < 0.35:
        return {key: value(chance, depth + 1) for key in chance.sample(KEYS, chance.randint(0, 3))}
    if depth < 3 and kind < 0.55:
        return [value(chance, 3) for _ in range(chance.randint(0, 3))]
    return chance.choice([None, True, 0, 7, "text", "", 1.5, "b"])


def include(chance, names):
    name = chance.choice(names + [".web", ".db", ".x", "app.*", "a*", "app/web", "nope", "..a"])
    kind = chance.random()
    if kind < 0.6:
        return name
    options = {}
    if kind < 0.85:
        options["key"] = chance.choice(["k", "k:l", "m:x:y", ""])
    if kind > 0.75:
        options["defaults"] = {"port": chance.randint(1, 9)}
    return {name: options}


def sls(chance, names):
    kind = chance.random()
    if kind < 0.04:
        return "x: {{ nope }}\n"
    if kind < 0.07:
        return "- a\n- b\n"
    if kind < 0.09:
        return ""
    if kind < 0.11:
        return "x: [\n"
    data = {key: value(chance, 1) for key in chance.sample(KEYS, chance.randint(0, 4))}
    if chance.random() < 0.5:
        data["include"] = [include(chance, names) for _ in range(chance.randint(1, 3))]
        if chance.random() < 0.05:
            data["include"] = "a"
    text = yaml.safe_dump(data, sort_keys=False)
    if chance.random() < 0.2:
        text += "port: {{ port | default('none') }}\n"
    return text


def case(chance):
    files = {}
    environments = ["base"] + (["dev"] if chance.random() < 0.4 else [])
    for environment in environments:
        names = chance.sample(NAMES, chance.randint(2, len(NAMES)))
        for name in names:
            path = name.replace(".", "/") + chance.choice([".sls", "/init.sls"])
            files[f"{environment}/{path}"] = sls(chance, names)
        if environment == "dev" and chance.random() < 0.5:
            continue
        top = {}
        for section in chance.sample(environments, chance.randint(1, len(environments))):
            targets = {}
            for target in chance.sample(["*", "min*", "G@os:Debian", "nobody", "minion"], chance.randint(1, 3)):
                items = [chance.choice(NAMES + ["app.*", "*", "nope"]) for _ in range(chance.randint(1, 3))]
                if chance.random() < 0.2:
                    items.insert(0, {"order": chance.randint(-2, 2)})
                if chance.random() < 0.2:
                    items.insert(0, {"ignore_missing": True})
                targets[target] = items
            top[section] = targets
        files[f"{environment}/top.sls"] = yaml.safe_dump(top, sort_keys=False)
    options = {}
    if chance.random() < 0.5:
        options["pillar_source_merging_strategy"] = chance.choice(["recurse", "overwrite", "aggregate", "smart", "list", "none"])
    for name in ("pillar_merge_lists", "pillar_includes_override_sls"):
        if chance.random() < 0.3:
            options[name] = True
    if chance.random() < 0.2:
        options["env_order"] = ["dev", "base"]
    if chance.random() < 0.15:
        options["pillarenv"] = chance.choice(["dev", "base"])
    if options.get("pillar_source_merging_strategy") == "aggregate":
        # A file that is a list takes the place of what was merged before; it is an error anyway.
        files = {path: text for path, text in files.items() if not text.startswith("- a")}
    if options.get("pillar_source_merging_strategy") == "overwrite" and any("include" in text for text in files.values()):
        # It changes in place what was read before, so that a file that is included again says something else.
        del options["pillar_source_merging_strategy"]
    made = {"files": files, "options": options}
    if chance.random() < 0.2:
        made["values"] = {key: value(chance, 1) for key in chance.sample(KEYS, 2)}
    if chance.random() < 0.2:
        made["saltenv"] = "dev"
    return made


def main():
    logging.disable(logging.CRITICAL)
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(seed)
    with (HERE / "random.jsonl").open("w") as out:
        for _ in range(count):
            made = case(chance)
            with tempfile.TemporaryDirectory() as root:
                try:
                    pillar = compile_pillar(made, pathlib.Path(root))
                except Exception as error:  # pylint: disable=broad-except
                    pillar = {"failed": f"{type(error).__name__}: {error}"}
            out.write(json.dumps({"case": made, "pillar": pillar}) + "\n")


if __name__ == "__main__":
    main()
