#!/usr/bin/env python3
"""Records what real Salt makes of the trees in `cases`, as `golden/NAME.json`.

Run it with the Python of an installation of Salt 3008.3, and with PYTHONHASHSEED=0. It writes nothing beside the golden files and
a folder for temporary files.
"""

import copy
import json
import logging
import pathlib
import sys
import tempfile

import salt.config
import salt.pillar
import salt.state
import yaml

HERE = pathlib.Path(__file__).parent
# What differs from one run to the next.
UNSTABLE = ("start_time", "duration")


def configuration(case, root):
    environments = {}
    for path, text in case["files"].items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        environment = path.split("/")[0]
        environments.setdefault(environment, [str(root / environment)])
    environments.setdefault("base", [str(root / "base")])
    # Salt reads environments in the order of the configuration.
    environments = {name: environments[name] for name in sorted(environments)}
    config = root / "minion"
    config.write_text(
        yaml.safe_dump(
            {
                "id": "minion",
                "file_client": "local",
                "root_dir": str(root / "salt"),
                "file_roots": environments,
                "pillar_roots": environments if "pillar_top" in case else {"base": []},
                "fileserver_backend": ["roots"],
                "enable_fqdns_grains": False,
                "disable_grains": [],
                **case.get("options", {}),
            }
        )
    )
    opts = salt.config.minion_config(str(config))
    opts["grains"] = {"id": "minion", "kernel": "Linux", "os": "Debian", "os_family": "Debian", **case.get("grains", {})}
    opts["saltenv"] = case.get("options", {}).get("saltenv")
    return opts


def machine(case, opts, is_test=False):
    opts = copy.deepcopy(opts)
    opts["test"] = is_test
    return salt.state.HighState(opts, pillar_override=case.get("pillar") or {"none": 1})


def rendered(case, opts, is_test=False):
    """A machine, the matches, the high data and the errors up to there."""
    high_state = machine(case, opts, is_test)
    errors = []
    if "mods" in case:
        matches = {"base": case["mods"]}
    else:
        top = high_state.get_top()
        errors += high_state.verify_tops(top)
        if errors:
            return high_state, {}, {}, errors
        matches = high_state.top_matches(top)
    shown = copy.deepcopy(matches)
    if case.get("load") is False:
        return high_state, shown, {}, errors
    high_state.push_active()
    high, found = high_state.render_highstate(matches)
    high_state.pop_active()
    errors += found
    if "exclude" in case:
        high.setdefault("__exclude__", []).extend(case["exclude"])
    return high_state, shown, high, errors


def low(case, state, high):
    errors = []
    if "id" not in case:
        high, found = state.reconcile_extend(high)
        errors += found
    errors += state.verify_high(high)
    if errors:
        return [], errors
    high, found = state.requisite_in(high)
    errors += found
    if "id" not in case:
        high = state.apply_exclude(high)
    if errors:
        return [], errors
    return state.compile_high_data(high)


def run(case, opts, is_test):
    high_state, _, high, _ = rendered(case, opts, is_test)
    if "id" in case:
        chunks, _ = low(case, high_state.state, high)
        results = {}
        for chunk in chunks:
            if chunk["__id__"] == case["id"]:
                results.update(high_state.state.call_chunk(chunk, {}, chunks)[0])
    else:
        results = high_state.state.call_high(high)
    for record in results.values():
        for key in UNSTABLE:
            record.pop(key, None)
    return results


def pillar_matches(opts):
    pillar = salt.pillar.Pillar(opts, opts["grains"], "minion", "base")
    top, errors = pillar.get_top()
    assert not errors, errors
    matches = pillar.top_matches(top)
    order = [name for name in opts.get("env_order") or [] if name in matches]
    return [[name, matches[name]] for name in order + [name for name in matches if name not in order]]


def record(path):
    case = yaml.safe_load(path.read_text())
    with tempfile.TemporaryDirectory() as root:
        opts = configuration(case, pathlib.Path(root))
        if "pillar_top" in case:
            golden = {"pillar": pillar_matches(opts)}
            write(path, golden)
            return
        high_state, matches, high, errors = rendered(case, opts)
        golden = {"matches": matches}
        if not errors:
            golden["high"] = copy.deepcopy(high)
            golden["low"], errors = low(case, high_state.state, high)
        expected = case.get("errors", [])
        for phrase in expected:
            assert any(phrase in error for error in errors), f"{path.name}: Salt does not say {phrase!r}, but {errors}"
        if errors:
            assert expected, f"{path.name}: {errors}"
            golden = {"errors": len(errors)}
        elif case.get("run", True):
            golden["run"] = run(case, opts, False)
            golden["test"] = run(case, opts, True)
    write(path, golden)


def write(path, golden):
    text = json.dumps(golden, indent=1, default=str)
    (HERE / "golden" / f"{path.stem}.json").write_text(text + "\n")


def main():
    logging.disable(logging.CRITICAL)
    names = sys.argv[1:]
    (HERE / "golden").mkdir(exist_ok=True)
    for path in sorted((HERE / "cases").glob("*.yaml")):
        if not names or path.stem in names:
            print(path.stem, flush=True)
            record(path)


if __name__ == "__main__":
    main()
