#!/usr/bin/env python3
"""A moving-average strategy that trades through ordergate. Python's own library only.

    python3 strategy.py --url http://127.0.0.1:8080 --prices bars.csv --symbol SBIN --exchange NSE --quantity 10

The key is taken from ORDERGATE_KEY. Give it one of `api.keys` that names this strategy: then it can trade for nothing else.

`bars.csv` has a line for each finished bar: its time, a comma, its close. Any program of yours may write it; run this one
after each bar, or with `--follow` once. It goes long when the fast average crosses above the slow one, and out when it
crosses below.

What makes it safe to run again, after a crash and twice at once:
- It asks ordergate what it holds. It keeps no position of its own.
- The key of an order is made of what was decided and of the bar that decided it. The same bar asks for the same order,
  and ordergate takes an order of one key once.
- A question without an answer is asked again with the same key. It is never asked with another one.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from decimal import Decimal

PATIENCE_S = 60
AGAIN_S = 1


class Refused(Exception):
    """ordergate has answered, and the answer is no."""


class Ordergate:
    """The few calls that a strategy needs."""

    def __init__(self, url, key, account=None):
        self.url, self.key, self.account = url.rstrip("/"), key, account

    def call(self, method, path, body=None):
        """One call, until there is an answer. Repeating is safe: a body carries its idempotency key."""
        data = None if body is None else json.dumps(body).encode()
        deadline = time.monotonic() + PATIENCE_S
        while True:
            request = urllib.request.Request(self.url + path, data=data, method=method)
            request.add_header("Authorization", f"Bearer {self.key}")
            request.add_header("Content-Type", "application/json")
            try:
                with urllib.request.urlopen(request, timeout=15) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                problem = json.load(error)
                # Busy, or starting: the same question again, later.
                if error.code not in (429, 502, 503, 504) or time.monotonic() > deadline:
                    raise Refused(f"{problem.get('code')}: {problem.get('detail')}") from None
            except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
                if time.monotonic() > deadline:
                    raise SystemExit(f"no answer from {self.url} in {PATIENCE_S} s: {error}") from None
            time.sleep(AGAIN_S)

    def resolve(self, symbol, exchange):
        """The instrument that a name means today, with its lot."""
        query = urllib.parse.urlencode({"symbol": symbol, "exchange": exchange})
        return self.call("GET", f"/dashboard/symbols/resolve?{query}")["instrument"]

    def held(self, strategy, underlying_symbol):
        """Units that the strategy holds of the instrument, by ordergate's own record."""
        where = f"?client_id={self.account}" if self.account else ""
        net = 0
        for account in self.call("GET", f"/dashboard/positions{where}")["accounts"]:
            for position in account["positions"]:
                if position["symbol"] == underlying_symbol:
                    net += sum(own["net"] for own in position["strategies"] if own["strategy"] == strategy)
        return net

    def act(self, strategy, action, order, key):
        """Asks for one order, and follows it to its end."""
        body = {"strategy": strategy, "action": action, "orders": [order], "idempotency_key": key}
        if self.account:
            body["client_id"] = self.account
        taken = self.call("POST", "/dashboard/intent/strategy", body)
        order = taken["orders"][0]
        deadline = time.monotonic() + PATIENCE_S
        while order.get("status") not in ("EXECUTED", "FAILED") and time.monotonic() < deadline:
            time.sleep(0.2)
            order = self.call("GET", order["status_url"])["order"]
        again = " (asked before)" if taken["replayed"] else ""
        words = order.get("words") or order.get("status")
        print(f"{action} {order['symbol']}: {words}{again}{' - ' + order['reason'] if order.get('reason') else ''}", flush=True)
        return order


def bars(path):
    """Time and close of every finished bar; a line that is still being written is left for the next run."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n") and line.count(",") == 1:
                at, close = line.strip().split(",")
                yield at, Decimal(close)


def decision(closes, fast, slow):
    """LONG, FLAT or None, by the last bar: a cross of the averages."""
    if len(closes) <= slow:
        return None
    average = lambda upto, count: sum(closes[upto - count:upto]) / count
    now, before = len(closes), len(closes) - 1
    above, was_above = average(now, fast) > average(now, slow), average(before, fast) > average(before, slow)
    if above and not was_above:
        return "LONG"
    if was_above and not above:
        return "FLAT"
    return None


def run(gate, wanted):
    """Looks at the newest bar, and acts on it."""
    all_bars = list(bars(wanted.prices))
    if not all_bars:
        return
    at = all_bars[-1][0]
    view = decision([close for _, close in all_bars], wanted.fast, wanted.slow)
    if view is None:
        print(f"{at}: nothing to do", flush=True)
        return
    instrument = gate.resolve(wanted.symbol, wanted.exchange)
    held = gate.held(wanted.strategy, instrument["symbol"])
    order = {"exchange": wanted.exchange, "symbol": wanted.symbol, "order_type": "MARKET", "product": wanted.product}
    key = f"{wanted.strategy}:{view}:{at}"
    if view == "LONG" and held == 0:
        gate.act(wanted.strategy, "ENTRY", {**order, "side": "BUY", "quantity": wanted.quantity}, key)
    elif view == "FLAT" and held > 0:
        # Without a quantity an exit closes all that the strategy holds; it can never open anything.
        gate.act(wanted.strategy, "EXIT", order, key)
    else:
        print(f"{at}: {view}, and {held} are held: nothing to do", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--url", default="http://127.0.0.1:8080")
    options.add_argument("--account", help="needed where there are several")
    options.add_argument("--strategy", default="averages", help="owns the position")
    options.add_argument("--prices", required=True, help="a file of bars: time,close")
    options.add_argument("--symbol", required=True, help="SBIN, NIFTY1!, or any name that ordergate reads")
    options.add_argument("--exchange", default="NSE")
    options.add_argument("--product", default="MIS")
    options.add_argument("--quantity", type=int, required=True, help="units, a multiple of the lot")
    options.add_argument("--fast", type=int, default=3)
    options.add_argument("--slow", type=int, default=8)
    options.add_argument("--follow", type=float, metavar="SECONDS", help="look again so often")
    wanted = options.parse_args()
    key = os.environ.get("ORDERGATE_KEY")
    if not key:
        sys.exit("ORDERGATE_KEY is not set")
    gate = Ordergate(wanted.url, key, wanted.account)
    while True:
        try:
            run(gate, wanted)
        except Refused as no:
            sys.exit(f"refused: {no}")
        if not wanted.follow:
            return
        time.sleep(wanted.follow)


if __name__ == "__main__":
    main()
