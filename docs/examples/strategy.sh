#!/bin/sh
# The same calls by hand: which instrument is meant, an entry, where it stands, an exit, what is held. curl only.
#
#   ORDERGATE_KEY=... sh strategy.sh [http://127.0.0.1:8080]
#
# SYMBOL, EXCHANGE, QUANTITY, PRODUCT and STRATEGY may be set. RUN names this run: the same run asks for the same orders, and
# ordergate takes each of them once, however often it is sent.
set -eu

url=${1:-http://127.0.0.1:8080}
: "${ORDERGATE_KEY:?is not set}"
symbol=${SYMBOL:-SBIN} exchange=${EXCHANGE:-NSE} quantity=${QUANTITY:-10} product=${PRODUCT:-MIS}
strategy=${STRATEGY:-by-hand} run=${RUN:-$(date +%Y%m%dT%H%M%S)}

# --fail-with-body: a refusal ends the script, and is shown. --retry repeats only what was not answered, or was 429 or 5xx.
call() {
    curl --silent --show-error --fail-with-body --retry 5 --retry-connrefused \
        --header "Authorization: Bearer $ORDERGATE_KEY" --header 'Content-Type: application/json' "$@"
    echo
}

echo "which instrument is meant:"
call --get --data-urlencode "symbol=$symbol" --data-urlencode "exchange=$exchange" "$url/dashboard/symbols/resolve"

echo "the entry:"
call --header "Idempotency-Key: $strategy:$run:entry" --data @- "$url/dashboard/intent/strategy" <<BODY
{"strategy": "$strategy", "action": "ENTRY", "orders": [{"exchange": "$exchange", "symbol": "$symbol", "side": "BUY",
 "quantity": $quantity, "product": "$product", "order_type": "MARKET"}]}
BODY

echo "until it is filled:"
tries=0
until call "$url/dashboard/orderbook?limit=1" | grep '"status":"EXECUTED"'; do
    tries=$((tries + 1))
    [ "$tries" -lt 30 ] || exit 1
    sleep 1
done

echo "what is held:"
call "$url/dashboard/positions"

echo "the exit, of all that the strategy holds of it:"
call --header "Idempotency-Key: $strategy:$run:exit" --data @- "$url/dashboard/intent/strategy" <<BODY
{"strategy": "$strategy", "action": "EXIT", "orders": [{"exchange": "$exchange", "symbol": "$symbol", "order_type": "MARKET"}]}
BODY

echo "the newest orders:"
call "$url/dashboard/orderbook?limit=2"
