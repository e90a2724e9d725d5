"""Where the REST API has what; `{}` stands for a market's name, an order's hash in hexadecimal, or a client order id.

GET unless a comment says otherwise; those below `# private` need the token.
"""

from __future__ import annotations

from typing import Final

VENUE: Final = "/v1/venue"
MARKETS: Final = "/v1/markets"
MARKET: Final = "/v1/markets/{}"
#: ?depth=20
BOOK: Final = "/v1/markets/{}/book"
#: ?limit=100
TRADES: Final = "/v1/markets/{}/trades"
#: ?interval=60&start=&end=
CANDLES: Final = "/v1/markets/{}/candles"
#: POST ChallengeRequest -> Challenge
CHALLENGE: Final = "/v1/session/challenge"
#: POST TokenRequest -> Token; DELETE ends the token of the header.
SESSION: Final = "/v1/session"
# private
#: POST PlaceRequest -> OrderView; GET ?market=&state=open|ended|all&limit=100&before= -> OrderList;
#: DELETE ?market= -> OrderList: cancels all
ORDERS: Final = "/v1/orders"
#: POST BatchRequest -> OrderResults
BATCH: Final = "/v1/orders/batch"
#: POST CancelRequest -> OrderResults
CANCELS: Final = "/v1/orders/cancel"
#: GET, DELETE (cancels), PATCH ModifyRequest -> OrderView
ORDER: Final = "/v1/orders/{}"
#: The same three by client order id.
CLIENT_ORDER: Final = "/v1/client-orders/{}"
#: ?market=&after=0&limit=100 -> FillList
FILLS: Final = "/v1/fills"
ACCOUNT: Final = "/v1/account"
#: GET, PUT SwitchRequest -> SwitchView
SWITCH: Final = "/v1/dead-mans-switch"
#: The WebSocket.
STREAM: Final = "/v1/stream"

#: Rate limits, in every answer: requests that the bucket holds, those left, seconds until it is full again.
LIMIT_HEADER: Final = "X-RateLimit-Limit"
REMAINING_HEADER: Final = "X-RateLimit-Remaining"
RESET_HEADER: Final = "X-RateLimit-Reset"
