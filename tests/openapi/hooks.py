"""What the fuzzer could not guess: keys that open doors, and values that get further than the first check."""

import os
import random

import schemathesis

# A run is told by its seed; so must be what is mixed in here.
CHANCE = random.Random(int(os.environ["ORDERGATE_SEED"]))
ORDERS = os.environ["ORDERGATE_ORDERS"].split(",")

NUMBERS = ["0", "1", "5", "-1", "0.05", "790", "1e9", "99999999999999999999", "NaN", ""]
MEANT = {
    "client_id": ["PAPER1"],
    "strategy": ["fuzz", "other", "default"],
    "symbol": ["SBIN", "SBIN-EQ", "INFY", "NIFTY1!", "NIFTY weekly ATM CE", "NIFTY 50"],
    "underlying": ["NIFTY", "SBIN"],
    "ticker": ["SBIN"],
    "q": ["nifty ce", "SBIN", "x" * 500],
    "query": ["nifty ce", "SBIN"],
    "exchange": ["NSE", "NFO", "BSE"],
    "side": ["BUY", "SELL"],
    "action": ["BUY", "SELL", "ENTRY", "EXIT", "ADJUST", "FORCE_EXIT"],
    "execution_type": ["ENTRY", "EXIT", "ADJUST", "TARGET"],
    "product": ["MIS", "NRML", "CNC"],
    "order_type": ["MARKET", "LIMIT", "SL", "SL-M"],
    "pricetype": ["MARKET", "LIMIT", "SL", "SL-M"],
    "validity": ["DAY", "IOC"],
    "quantity": ["1", "5", "65", "0", "-5", "1000000000000"],
    "splitsize": ["1", "2", "0", "-1"],
    "position_size": ["0", "5", "-5"],
    "target_position": ["0", "5", "-5"],
    "orderid": ORDERS,
    "command_id": ORDERS,
    "expiry": ["2026-11-26", "2030-01-01"],
    "from": ["2026-11-01", "2030-01-01", "-262143-01-01"],
    "to": ["2026-11-30", "2030-01-02", "+262142-12-31"],
    "mode": ["PAPER", "LIVE", "OFF"],
    "level": [0, 1],
    "limit": ["1", "0", "200", "99999", "daily_loss"],
    "frozen": [False],
    "reason": ["a reason"],
    "route": ["fuzz"],
    "sender": ["tradingview", "chartink", "openalgo"],
    **{name: NUMBERS for name in ("price", "trigger_price", "stop_loss", "target", "trailing_value", "stoploss", "trailing_sl", "value")},
}


def mean(fields):
    """Half of what was drawn becomes something that means something."""
    for name, value in list(fields.items()):
        if isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    mean(item)
                    item.update({name: CHANCE.choice(MEANT[name]) for name in ("symbol", "exchange", "action", "quantity", "product") if CHANCE.random() < 0.5})
        elif name in MEANT and CHANCE.random() < 0.5:
            fields[name] = CHANCE.choice(MEANT[name])


@schemathesis.hook
def before_call(context, case, kwargs):
    path = case.operation.path
    if isinstance(case.query, dict):
        mean(case.query)
    if isinstance(case.path_parameters, dict):
        mean(case.path_parameters)
    if isinstance(case.body, dict):
        mean(case.body)
        if path.startswith("/api/v1/") and CHANCE.random() < 0.9:
            case.body["apikey"] = os.environ["ORDERGATE_KEY"]
        if path.startswith("/webhook") and CHANCE.random() < 0.9:
            case.body["secret_key"] = os.environ["ORDERGATE_SECRET"]
