#!/usr/bin/env python3
"""Records what real Salt answers to the calls in `calls.yaml`, as `golden.json`.

Run it with the Python of an installation of Salt 3008.3, and with PYTHONHASHSEED=0. It writes nothing beside the golden file and a folder
for temporary files. An answer that is an exception is null with `failed`.
"""

import copy
import json
import logging
import pathlib
import sys
import tempfile

import salt.config
import salt.loader
import salt.utils.secret
import yaml

HERE = pathlib.Path(__file__).parent
GRAINS = {
    "os": "Debian",
    "os_family": "Debian",
    "roles": ["web", "db"],
    "serialnumber": "ABCDEFGH",
    "deep": {"er": {"est": 7}},
    "kernel": "Linux",
    "id": "m1",
    "ipv4": ["127.0.0.1", "203.0.113.7"],
    "ipv6": ["::1"],
}
PILLAR = {
    "users": {"root": 0},
    "motd": "hello",
    "list": [1, 2],
    "nested": {"l": [1, 2], "m": {"a": 1, "b": {"c": 2}}},
    "dicts": [{"x": 1}, {"name": "n"}],
    "ports": {"https": 443},
    "master": {"ports": {"ssh": 22}},
}


def main():
    sys.argv = ["salt-call"]
    logging.disable(logging.CRITICAL)
    calls = yaml.safe_load((HERE / "calls.yaml").read_text())
    golden = []
    with tempfile.TemporaryDirectory() as root:
        config = pathlib.Path(root) / "minion"
        config.write_text(yaml.safe_dump({"id": "m1", "file_client": "local", "root_dir": root, "master": "hub.example", "ports": {"http": 8080}}))
        opts = salt.config.minion_config(str(config))
        opts["grains"] = GRAINS
        opts["pillar"] = PILLAR
        salt.utils.secret.mask_pillar.set(False)
        functions = salt.loader.minion_mods(opts, utils=salt.loader.utils(opts))
        for name, args, *rest in calls:
            kwargs = rest[0] if rest else {}
            try:
                answer = functions[name](*copy.deepcopy(args), **copy.deepcopy(kwargs))
                golden.append({"answer": salt.utils.secret.expose(answer)})
            except Exception as error:  # pylint: disable=broad-except
                golden.append({"failed": f"{type(error).__name__}: {error}"})
    (HERE / "golden.json").write_text("[\n" + ",\n".join(json.dumps(entry) for entry in golden) + "\n]\n")


if __name__ == "__main__":
    main()
