"""What docs/operations.md promises of the files in docs/deploy. The first promise that is not kept ends the run."""

import http.client
import json
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine import BINARY, KEY, ROOT, SECRET, Engine, until  # noqa: E402
from proxies import DEPLOY, PUBLIC_NAME, Caddy, Nginx  # noqa: E402

TOKEN = "a-secret-at-the-end-of-an-address"
DESK = "127.0.0.8"
STRANGER = "127.0.0.7"
SETTINGS = f"""
[server]
trusted_proxies = ["127.0.0.1"]
public_url = "https://{PUBLIC_NAME}"

[[webhook.sources]]
name = "desk"
secret = "{TOKEN}"
addresses = ["{DESK}"]
"""


class At(http.client.HTTPSConnection):
    """A connection to one of a proxy's ports, from an address of this machine that stands for a client's."""

    def __init__(self, proxy, port, source=STRANGER):
        context = ssl.create_default_context(cafile=proxy.authorities[port])
        self.named = PUBLIC_NAME if port == proxy.public else "127.0.0.1"
        super().__init__(self.named, port, timeout=20, context=context, source_address=(source, 0))
        self.context = context

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.port), self.timeout, self.source_address)
        self.sock = self.context.wrap_socket(plain, server_hostname=self.named)

    def ask(self, method, path, body=None, headers=None):
        """Status, headers and body of the answer."""
        text = body if isinstance(body, (str, bytes, type(None))) else json.dumps(body)
        self.request(method, path, text, {"Content-Type": "application/json", **(headers or {})})
        answer = self.getresponse()
        return answer.status, answer.headers, answer.read()


def alert(strategy, secret=SECRET, **more):
    leg = dict(tradingsymbol="SBIN-EQ", direction="BUY", qty=1, order_type="MARKET")
    return dict(secret_key=secret, execution_type="ENTRY", strategy_name=strategy, exchange="NSE", product_type="MIS", legs=[leg], **more)


def audit(engine):
    return engine.get("/dashboard/audit?limit=200")["rows"]


def alerts_come_in(proxy, engine):
    status, headers, body = At(proxy, proxy.public).ask("POST", "/webhook", alert("public"), {"X-Request-Id": "from-the-chart-1"})
    assert status == 202, (status, body)
    assert headers["x-request-id"] == "from-the-chart-1" and headers["strict-transport-security"], headers.items()
    server = headers.get("server") or ""
    assert not any(sign.isdigit() for sign in server) and server != "Caddy", f"it tells what it is: {server}"
    order = json.loads(body)["orders"][0]["command_id"]
    until("the order is filled", lambda: engine.get(f"/dashboard/orders/{order}")["order"]["status"] == "EXECUTED")
    status, _, body = At(proxy, proxy.public).ask("POST", "/webhook/PAPER1", alert("wrong", secret="guessed"))
    assert status == 401, (status, body)
    # The broker's login: nobody awaits one here, and the engine itself says so.
    status, headers, body = At(proxy, proxy.public).ask("GET", "/broker/callback/PAPER1?code=1")
    assert 400 <= status < 500 and headers["x-request-id"], (status, body)
    status, headers, body = At(proxy, proxy.public).ask("POST", "/broker/login/PAPER1?ticket=guessed", "")
    assert status == 409 and headers["x-request-id"], (status, body)


def nothing_else_does(proxy, engine):
    paths = ["/", "/dashboard", "/dashboard/", "/dashboard/web/index.html", "/dashboard/orderbook", "/dashboard/events", "/metrics", "/health/live"]
    paths += ["/api/v1/ping", "/webhooks", "/webhook/../dashboard/web/index.html", "/broker/../metrics", "/webhook/%2e%2e/dashboard/orderbook"]
    paths += ["/broker/%2E%2E/dashboard/orderbook", "/broker/..%2fdashboard/orderbook", "//dashboard/orderbook", "/webhook//../../dashboard/orderbook"]
    for path in paths:
        for method in ("GET", "POST"):
            status, _, body = At(proxy, proxy.public).ask(method, path, "{}", {"Authorization": f"Bearer {KEY}"})
            assert status in (400, 404, 405), (method, path, status, body)
    # What stands at the front says 404 itself: the engine has not seen it.
    for path in ("/dashboard/orderbook", "/metrics", "/health/live"):
        status, headers, body = At(proxy, proxy.public).ask("GET", path, None, {"Authorization": f"Bearer {KEY}"})
        assert status == 404 and "x-request-id" not in headers and b"{" not in body, (path, status, headers.items())


def the_client_is_known(proxy, engine):
    """Who sends is whom the proxy sees, whatever the sender says of itself."""
    for source, says, wanted in ((STRANGER, None, 403), (STRANGER, DESK, 403), (DESK, None, 202), (DESK, STRANGER, 202)):
        headers = {"X-Forwarded-For": says} if says else {}
        body = alert(f"from-{source}-{says}", secret=TOKEN)
        status, _, answer = At(proxy, proxy.public, source).ask("POST", f"/webhook/PAPER1/{TOKEN}", body, headers)
        assert status == wanted, (source, says, status, answer)
    refused = [row for row in audit(engine) if row["event"] == "SIGNAL_REFUSED"]
    assert any(STRANGER in row["reason"] for row in refused), refused


def bodies_have_an_end(proxy, engine):
    fits = json.dumps(alert("large", secret="guessed")).ljust(65_536)
    status, _, body = At(proxy, proxy.public).ask("POST", "/webhook", fits)
    assert status == 401, f"the largest body gets through: {status} {body}"
    status, _, body = At(proxy, proxy.public).ask("POST", "/webhook", fits + " ")
    assert status == 413, (status, body)


def log_in(proxy):
    origin = f"https://127.0.0.1:{proxy.private}"
    status, headers, body = At(proxy, proxy.private, DESK).ask("POST", "/dashboard/session", {"key": KEY}, {"Origin": origin})
    assert status == 200, (status, body)
    return origin, headers["set-cookie"].split(";")[0]


def the_desk_is_private(proxy, engine):
    status, headers, body = At(proxy, proxy.private).ask("GET", "/dashboard/web/index.html", None, {"Accept-Encoding": "gzip"})
    assert status == 200 and headers["content-encoding"] == "gzip" and body, (status, headers.items())
    assert "default-src 'none'" in headers["content-security-policy"], headers.items()
    origin, cookie = log_in(proxy)
    order = dict(strategy="desk", execution_type="ENTRY", exchange="NSE", symbol="INFY-EQ", side="BUY", quantity="1", product="MIS", order_type="MARKET")
    for said, wanted in ((origin, 202), ("https://127.0.0.1", 403), ("https://evil.example", 403)):
        status, _, body = At(proxy, proxy.private, DESK).ask("POST", "/dashboard/intent/generic", order, {"Origin": said, "Cookie": cookie})
        assert status == wanted, (said, status, body)
    # Who did something, and from where, stands in the record.
    status, _, body = At(proxy, proxy.private, DESK).ask("POST", "/dashboard/kill", {"level": 0, "reason": "a look"}, {"Origin": origin, "Cookie": cookie})
    assert status == 200, (status, body)
    done = [row for row in audit(engine) if row["reason"] == "a look"]
    assert done and done[0]["who"].endswith(f"from {DESK}"), done
    # A file of more than a buffer comes whole.
    status, _, body = At(proxy, proxy.private, DESK).ask("GET", "/dashboard/exports/journal.csv", None, {"Cookie": cookie})
    assert status == 200 and body.count(b"\n") > 10, (status, body[:200])


def events_come_at_once(proxy, engine):
    """An event of some hundred bytes, with nothing after it that would push it out of a buffer."""
    _, cookie = log_in(proxy)
    stream = At(proxy, proxy.private, DESK)
    stream.request("GET", "/dashboard/events", headers={"Cookie": cookie, "Accept": "text/event-stream"})
    answer = stream.getresponse()
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/event-stream"), answer.headers.items()
    order = dict(strategy="seen", execution_type="ENTRY", exchange="NSE", symbol="RELIANCE-EQ", side="BUY", quantity="1", product="MIS", order_type="LIMIT", price="1300")
    At(proxy, proxy.private, DESK).ask("POST", "/dashboard/intent/generic", order, {"Authorization": f"Bearer {KEY}"})
    seen = b""
    while b"event: orders" not in seen or b"seen" not in seen:
        try:
            line = answer.fp.readline()
        except TimeoutError:
            line = b""
        assert line, f"nothing more comes: {seen}"
        seen += line
    stream.close()


def no_secret_is_written_down(proxy, engine):
    """Also while the engine is down, when a proxy has something to complain of."""
    engine.process.kill()
    engine.process.wait()
    status, _, body = At(proxy, proxy.public).ask("POST", f"/webhook/PAPER1/{TOKEN}", alert("down", secret=TOKEN))
    assert status in (502, 503), (status, body)
    written = proxy.written()
    for secret in (TOKEN, SECRET, KEY):
        assert secret not in written, f"{secret} stands in what {type(proxy).__name__} wrote"


def behind(kind):
    with tempfile.TemporaryDirectory(prefix="ordergate-deploy-") as scratch:
        with Engine(SETTINGS) as engine, kind(Path(scratch) / "proxy", engine.base) as proxy:
            for check in (alerts_come_in, nothing_else_does, the_client_is_known, bodies_have_an_end, the_desk_is_private, events_come_at_once, no_secret_is_written_down):
                check(proxy, engine)
                print(f"ok  {kind.__name__}: {check.__name__.replace('_', ' ')}", flush=True)
        # Strangers stand in the engine's log with the address that the proxy saw.
        assert STRANGER in engine.complaints, engine.complaints


def units():
    """systemd's own judge, with a root that has nothing but the units and the binary."""
    with tempfile.TemporaryDirectory(prefix="ordergate-units-") as scratch:
        root = Path(scratch)
        shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True, ignore_dangling_symlinks=True)
        (root / "etc/systemd/system").mkdir(parents=True)
        for name in ("bin/sh", "usr/bin/find", "usr/local/bin/ordergate"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("")
            (root / name).chmod(0o755)
        names = ["ordergate.service", "ordergate-backup.service", "ordergate-backup.timer"]
        for name in names:
            shutil.copy(DEPLOY / name, root / "etc/systemd/system")
        judged = subprocess.run(["systemd-analyze", f"--root={root}", "--man=no", "verify", *names], capture_output=True, text=True)
        assert judged.returncode == 0 and not judged.stdout and not judged.stderr, judged
        print("ok  systemd-analyze verify: " + ", ".join(names))
        for name, most in (("ordergate.service", 20), ("ordergate-backup.service", 20)):
            security = ["systemd-analyze", f"--root={root}", "--offline=true", f"--threshold={most}", "--no-pager", "security", name]
            judged = subprocess.run(security, capture_output=True, text=True)
            assert judged.returncode == 0, judged.stdout + judged.stderr
            print("ok  " + judged.stdout.strip().splitlines()[-1].lstrip("→ "))


def main():
    assert Path(BINARY).exists(), f"{BINARY} is missing: cargo build"
    for kind in (Nginx, Caddy):
        behind(kind)
    units()
    print(f"the files of {DEPLOY.relative_to(ROOT)} do what they say")


if __name__ == "__main__":
    main()
