"""The real engine with the paper broker in a directory of its own, for the tests that are written in Python."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = os.environ.get("ORDERGATE_BINARY", str(ROOT / "target/debug/ordergate"))
KEY = "a-key-of-the-python-tests"
SECRET = "a-secret-of-the-python-tests"
DEADLINE_S = 60

# Whoever ends a test early ends its engine too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))


def until(words, look, deadline_s=DEADLINE_S):
    """Asks again until it is so."""
    end = time.monotonic() + deadline_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{words}: not so within {deadline_s} s (last: {found!r})")
        time.sleep(0.04)


class Engine:
    """Runs for as long as its block."""

    def __init__(self, settings="", env=None):
        self.settings, self.env = settings, env or {}

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="ordergate-python-")
        at = Path(self.directory.name)
        (at / "settings.toml").write_text(self.settings)
        env = {
            "PATH": os.environ["PATH"],
            "ORDERGATE__STORAGE__DIRECTORY": str(at / "data"),
            "ORDERGATE__SERVER__LISTEN": "127.0.0.1:0",
            "ORDERGATE__WATCHER__POLL_MS": "200",
            "ORDERGATE__LOG__LEVEL": "warn",
            "ORDERGATE__API__KEY": KEY,
            "ORDERGATE__WEBHOOK__SECRET": SECRET,
            **self.env,
        }
        self.errors = (at / "errors").open("w+")
        command = [BINARY, "--config", str(at / "settings.toml"), "serve"]
        self.process = subprocess.Popen(command, cwd=at, env=env, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        said = queue.Queue()
        threading.Thread(target=lambda: [said.put(line) for line in self.process.stdout], daemon=True).start()
        try:
            end = time.monotonic() + DEADLINE_S
            found = None
            while found is None:
                found = re.search(r"http://(127\.0\.0\.1:\d+)", said.get(timeout=max(0.1, end - time.monotonic())))
            self.base = f"http://{found[1]}"
            until("the account is open", self.is_open)
        except BaseException as cause:
            self.__exit__()
            raise AssertionError(f"the engine did not start: {self.complaints}") from cause
        return self

    def __exit__(self, *_):
        # Nothing is flushed, nothing is closed.
        self.process.kill()
        self.process.wait()
        self.errors.seek(0)
        self.complaints = self.errors.read()
        self.errors.close()
        self.directory.cleanup()

    def is_open(self):
        accounts = self.get("/health/ready").get("accounts") or [{}]
        return accounts[0].get("phase") == "OPEN"

    def get(self, path):
        request = urllib.request.Request(self.base + path, headers={"Authorization": f"Bearer {KEY}"})
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
