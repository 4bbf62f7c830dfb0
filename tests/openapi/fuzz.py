"""Starts the engine, gives it something to look at, and lets schemathesis loose on every route."""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine import KEY, ROOT, SECRET, Engine  # noqa: E402

HERE = Path(__file__).resolve().parent
SECONDS = 60


def place(engine, **more):
    body = dict(strategy="fuzz", execution_type="ENTRY", exchange="NSE", symbol="SBIN-EQ", side="BUY", quantity="5", product="MIS")
    body.update({"order_type": "MARKET", **more})
    request = urllib.request.Request(
        engine.base + "/dashboard/intent/generic",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)["orders"][0]["command_id"]


def main(arguments):
    seed = arguments[arguments.index("--seed") + 1] if "--seed" in arguments else str(int.from_bytes(os.urandom(4), "big"))
    print(f"seed {seed}", flush=True)
    # Nothing that is called may hold it up for long, and nothing may be refused only because so much was sent.
    with Engine(env={"ORDERGATE__ACCOUNT__LIMITS__MESSAGES_PER_MINUTE": "100000"}) as engine, tempfile.TemporaryDirectory() as scratch:
        orders = [place(engine), place(engine, strategy="other", order_type="LIMIT", price="500.00", symbol="INFY-EQ")]
        env = {
            **os.environ,
            "SCHEMATHESIS_HOOKS": "hooks",
            "PYTHONPATH": str(HERE),
            "ORDERGATE_ORDERS": ",".join(orders),
            "ORDERGATE_KEY": KEY,
            "ORDERGATE_SECRET": SECRET,
            "ORDERGATE_SEED": seed,
            "ORDERGATE_ANSWERS": scratch + "/answers",
        }
        command = [
            str(Path(sys.executable).parent / "schemathesis"),
            "run",
            str(ROOT / "docs/openapi.json"),
            f"--url={engine.base}",
            f"--header=Authorization: Bearer {KEY}",
            "--checks=not_a_server_error",
            # Its answer never ends.
            "--exclude-path=/dashboard/events",
            f"--max-time={SECONDS}",
            f"--seed={seed}",
            "--workers=1",
            "--request-timeout=30",
            "--phases=examples,coverage,fuzzing",
            "--continue-on-failure",
            "--warnings=off",
            "--no-color",
        ]
        result = subprocess.run(command, cwd=scratch, env=env)
        answers = [line.split() for line in Path(scratch, "answers").read_text().splitlines()]
        lives = engine.process.poll() is None and engine.get("/health/live")["status"] == "LIVE"
    counts = Counter(status for status, _ in answers)
    taken = {path for status, path in answers if status < "300"}
    print(f"answers: {dict(sorted(counts.items()))}; {len(taken)} paths took something")
    # It would find nothing at a closed door.
    assert len(taken) >= 30, sorted(taken)
    assert lives, f"the engine ended:\n{engine.complaints}"
    assert "panicked" not in engine.complaints, engine.complaints
    return result.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
