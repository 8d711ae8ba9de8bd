#!/usr/bin/env python3
"""Records what real Salt makes of the pillars in `cases.yaml`, as `golden.json`.

Run it with the Python of an installation of Salt 3008.3, and with PYTHONHASHSEED=0. It writes nothing beside the golden file and
folders for temporary files.
"""

import json
import logging
import pathlib
import tempfile

import salt.config
import salt.loader
import salt.pillar
import salt.utils.secret
import yaml

HERE = pathlib.Path(__file__).parent
GRAINS = {"id": "minion", "kernel": "Linux", "os": "Debian", "os_family": "Debian"}


def compile_pillar(case, root):
    environments = {}
    for path, text in case["files"].items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        environment = path.split("/")[0]
        environments.setdefault(environment, [str(root / environment)])
    config = root / "minion"
    config.write_text(
        yaml.safe_dump(
            {
                "id": "minion",
                "file_client": "local",
                "root_dir": str(root / "salt"),
                "pillar_roots": environments,
                "file_roots": {"base": []},
                "fileserver_backend": ["roots"],
                **case.get("options", {}),
            }
        )
    )
    opts = salt.config.minion_config(str(config))
    opts["grains"] = {**GRAINS, **case.get("grains", {})}
    pillar = salt.pillar.Pillar(
        opts,
        opts["grains"],
        "minion",
        case.get("saltenv"),
        pillar_override=case.get("values"),
    )
    return salt.utils.secret.expose(pillar.compile_pillar())


def main():
    logging.disable(logging.CRITICAL)
    cases = yaml.safe_load((HERE / "cases.yaml").read_text())
    golden = {}
    for name, case in cases.items():
        with tempfile.TemporaryDirectory() as root:
            golden[name] = compile_pillar(case, pathlib.Path(root))
    text = json.dumps(golden, indent=1, sort_keys=True, default=str)
    (HERE / "golden.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
