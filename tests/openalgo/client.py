"""Every call of OpenAlgo's published client that docs/openalgo.md says is here. The first that fails ends the run."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine import Engine, until  # noqa: E402
from openalgo import api  # noqa: E402

KEY = "the-key-of-a-script"
SETTINGS = f"""
[[api.keys]]
name = "script"
key = "{KEY}"
scopes = ["trade"]
"""


def ok(answer):
    """The answer, if it says that it went well."""
    assert isinstance(answer, dict) and answer.get("status") == "success", answer
    return answer


def refused(answer, words):
    """The answer, if it says no and why."""
    assert answer.get("status") == "error" and words in answer["message"], answer


def status_of(client, order_id):
    return ok(client.orderstatus(order_id=order_id))["data"]["order_status"]


def place_change_cancel(client):
    last = ok(client.quotes(symbol="SBIN", exchange="NSE"))["data"]["ltp"]
    price = round(last * 0.9)
    order = dict(symbol="SBIN", action="BUY", exchange="NSE", price_type="LIMIT", product="MIS", quantity=5)
    placed = ok(client.placeorder(strategy="rest", price=price, **order))
    order_id = placed["orderid"]
    until("it rests", lambda: status_of(client, order_id) == "open")
    ok(client.modifyorder(strategy="rest", order_id=order_id, price=price + 1, **{**order, "quantity": 7}))

    def is_changed():
        data = ok(client.orderstatus(order_id=order_id))["data"]
        return (data["price"], data["quantity"]) == (price + 1, 7)

    until("it is changed", is_changed)
    ok(client.cancelorder(strategy="rest", order_id=order_id))
    until("it is cancelled", lambda: status_of(client, order_id) == "cancelled")
    refused(client.cancelorder(strategy="rest", order_id=order_id), "FAILED")
    refused(client.orderstatus(order_id="nothing"), "no order nothing")
    book = ok(client.orderbook())["data"]
    assert [row["orderid"] for row in book["orders"]] == [order_id], book


def open_and_close(client):
    order = dict(strategy="trend", symbol="RELIANCE", exchange="NSE", price_type="MARKET", product="MIS")
    held = lambda: int(ok(client.openposition(strategy="trend", symbol="RELIANCE", exchange="NSE", product="MIS"))["quantity"])
    bought = ok(client.placeorder(action="BUY", quantity=10, **order))
    until("it is held", lambda: held() == 10)
    until("it is complete", lambda: status_of(client, bought["orderid"]) == "complete")
    until("the broker shows it", lambda: any(row["quantity"] == 10 for row in ok(client.positionbook())["data"]))
    trades = [row for row in ok(client.tradebook())["data"] if row["orderid"] == bought["orderid"]]
    assert sum(row["quantity"] for row in trades) == 10, trades
    assert all(row["symbol"] == "RELIANCE" and row["average_price"] > 0 for row in trades), trades
    ok(client.placesmartorder(action="SELL", quantity=0, position_size=4, **order))
    until("less is held", lambda: held() == 4)
    ok(client.placeorder(action="SELL", quantity=1, **order))
    until("part of it is closed", lambda: held() == 3)
    ok(client.closeposition(strategy="other"))
    assert held() == 3, "another strategy's position stays"
    ok(client.closeposition(strategy="trend"))
    until("it is flat", lambda: held() == 0)


def several(client):
    row = lambda symbol, action: dict(symbol=symbol, exchange="NSE", action=action, quantity=2, pricetype="MARKET", product="MIS")
    basket = ok(client.basketorder(strategy="pairs", orders=[row("INFY", "SELL"), row("SBIN", "BUY")]))
    assert [one["symbol"] for one in basket["results"]] == ["INFY", "SBIN"], basket
    refused(client.basketorder(strategy="pairs2", orders=[row("INFY", "BUY"), row("NOSUCH", "BUY")]), "1 of 2 orders failed")
    split = ok(client.splitorder(strategy="big", symbol="INFY", action="BUY", exchange="NSE", quantity=5, splitsize=2))
    assert [int(one["quantity"]) for one in split["results"]] == [2, 2, 1], split
    for strategy in ("a", "b"):
        price = round(ok(client.quotes(symbol="SBIN", exchange="NSE"))["data"]["ltp"] * 0.9)
        ok(client.placeorder(strategy=strategy, symbol="SBIN", action="BUY", exchange="NSE", price_type="LIMIT", price=price, quantity=1))
    cancelled = ok(client.cancelallorder(strategy="a"))
    assert len(cancelled["canceled_orders"]) == 1, cancelled
    ok(client.cancelallorder(strategy="b"))


def reads(client):
    funds = ok(client.funds())["data"]
    assert float(funds["availablecash"]) > 0, funds
    ok(client.holdings())
    found = ok(client.search(query="NIFTY CE", exchange="NFO"))["data"]
    assert found and found[0]["symbol"].startswith("NIFTY") and found[0]["lotsize"] > 0, found[:1]
    book = ok(client.orderbook())["data"]
    assert book["statistics"]["total_completed_orders"] > 0, book["statistics"]
    refused(client.quotes(symbol="NOSUCH", exchange="NSE"), "NOSUCH")


def main():
    begun = time.monotonic()
    with Engine(SETTINGS) as engine:
        client = api(api_key=KEY, host=engine.base)
        refused(api(api_key="wrong", host=engine.base).funds(), "Invalid openalgo apikey")
        for calls in (place_change_cancel, open_and_close, several, reads):
            calls(client)
            print(f"ok  {calls.__name__}")
    print(f"OpenAlgo's client is served ({time.monotonic() - begun:.1f} s)")


if __name__ == "__main__":
    main()
