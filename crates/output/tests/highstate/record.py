#!/usr/bin/env python3
"""Records what Salt's `highstate` outputter makes of the values in `values.yaml`, as `golden.json`.

Run it with the Python of an installation of Salt 3008.3. It writes nothing beside the golden file.
"""

import copy
import json
import pathlib

import salt.config
import salt.output
import yaml

HERE = pathlib.Path(__file__).parent
# Settings that every value is printed with, and more of them for those that have states of all kinds.
ALL = [{}]
MANY = [
    {"state_output": "terse"},
    {"state_output": "terse_id"},
    {"state_output": "mixed"},
    {"state_output": "mixed_id"},
    {"state_output": "changes"},
    {"state_output": "changes_id"},
    {"state_output": "full_id"},
    {"state_output": "filter", "state_output_exclude": ["True"], "state_output_terse": ["None"]},
    {"state_verbose": False},
    {"state_output_diff": True},
    {"state_output": "terse", "state_tabular": True},
    {"state_output": "mixed", "state_tabular": True},
    {"state_output_pct": True},
    {"state_output_profile": False},
]


def main():
    values = yaml.safe_load((HERE / "values.yaml").read_text())
    base = salt.config.DEFAULT_MINION_OPTS.copy()
    base.update(color=False, state_output="full", state_verbose=True)
    base["extension_modules"] = ""
    golden = []
    for name, value in values.items():
        for settings in ALL + (MANY if name in ("one_of_each", "warnings", "data") else []):
            opts = {**base, **settings}
            text = salt.output.out_format({"host1": copy.deepcopy(value)}, "highstate", opts)
            golden.append({"name": name, "settings": settings, "value": value, "text": text})
    (HERE / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
