"""JupyterLab in the folder where a person works, with settings and a token of its own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from orderlab.stack import work
from orderlab.stack.home import Home, write_private
from orderlab.stack.programs import MARK, Program

_OVERRIDES = {
    "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}


def url(port: int, token: str) -> str:
    """Where a person opens it. Holds the token: for that person's terminal alone."""
    return f"http://127.0.0.1:{port}/lab/tree/{work.START}?token={token}"


def program(home: Home, port: int, token: str) -> Program:
    """The server. It gets the person's own environment, as terminals and kernels are theirs."""
    own = home.path / "jupyter"
    settings = {
        "ServerApp": {
            "ip": "127.0.0.1",
            "port": port,
            "port_retries": 0,
            "open_browser": False,
            "allow_root": True,
            "root_dir": str(home.work),
            # It masks tokens in its log of requests, but not in its warnings.
            "logging_config": {
                "filters": {"scrub": {"()": "orderlab.scrub.Scrub"}},
                "handlers": {"console": {"filters": ["scrub"]}},
            },
        },
        "LabApp": {"default_url": f"/lab/tree/{work.START}"},
        "IdentityProvider": {"token": token},
    }
    config = own / "config/jupyter_lab_config.json"
    write_private(config, json.dumps(settings, indent=2))
    folders = {
        "JUPYTER_CONFIG_DIR": config.parent,
        "JUPYTER_DATA_DIR": own / "data",
        "JUPYTER_RUNTIME_DIR": own / "runtime",
        "IPYTHONDIR": own / "ipython",
        "ORDERLAB_HOME": home.path,
        MARK: home.path,
    }
    environment = dict(os.environ) | {name: str(folder) for name, folder in folders.items()}
    command = [sys.executable, "-P", "-m", "jupyterlab"]
    return Program("jupyter", command, environment, str(home.work))


def prepare() -> None:
    """Show Markdown as a page, and no news: settings of the environment that JupyterLab runs in."""
    file = Path(sys.prefix) / "share/jupyter/lab/settings/overrides.json"
    text = json.dumps(_OVERRIDES, indent=2)
    if not file.exists() or file.read_text() != text:
        write_private(file, text)
