"""Order hashes and signatures at the rate of a venue: a trader's key comes again and again, so its multiples are kept.

Equal to `Order.hash` and `truemark.signing.verify`, several times as fast for a key that is known: arithmetic of our
own for the venue's rate of 1,000 orders a second (docs/venue.md), and for nothing else. A signature that it does not
find good is judged by the library.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from typing import Final

from truemark import curve, felt
from truemark.curve import SIGNABLE_BOUND
from truemark.felt import short_string
from truemark.orders import ORDER_TYPE_HASH, Order, domain_hash
from truemark.signing import verify

from truemark_devnet.venue.integers import invert, mpz
from truemark_devnet.venue.poseidon import State, hades

PRIME: Final = mpz(felt.PRIME)
EC_ORDER: Final = mpz(curve.EC_ORDER)
BETA: Final = mpz(curve.BETA)
#: The generator of the STARK curve.
GENERATOR: Final = (
    mpz(0x1EF15C18599971B7BECED415A40F0C7DEACFD9B0D1819E03D723D8BC943CFCA),
    mpz(0x5668060AA49730B7BE4801DF46EC62DE53ECD11ABE43A32873000C36E8DC1F),
)
_PREFIX: Final = short_string("StarkNet Message")
#: Bits of one step through the multiples: of the generator, which all share, and of a key (about 1.5 MB each).
_GENERATOR_BITS: Final = 13
_KEY_BITS: Final = 9
#: Keys whose multiples are kept, and how often one must come before they are made (about 50 ms).
_MOST_KEYS: Final = 128
_WORTH_IT: Final = 8

Point = tuple[int, int]
Jacobian = tuple[int, int, int]
Table = tuple[tuple[Point, ...], ...]

_ONE: Final = mpz(1)
_INFINITY: Final[Jacobian] = (mpz(0), _ONE, mpz(0))


# --- the hash


@lru_cache(maxsize=16)
def _outer(chain_id: int) -> State:
    return hades(mpz(_PREFIX), mpz(domain_hash(chain_id)), mpz(0))


@lru_cache(maxsize=4096)
def _head(venue: int, account: int, epoch: int, account_epoch: int, market: str) -> State:
    """The sponge after the fields that an account's orders in a market have in common."""
    s0, s1, s2 = hades(mpz(ORDER_TYPE_HASH), mpz(venue), mpz(0))
    s0, s1, s2 = hades(s0 + account, s1 + epoch, s2)
    return hades(s0 + account_epoch, s1 + short_string(market), s2)


def order_hash(order: Order, chain_id: int) -> int:
    """`order.hash(chain_id)`: the message hash."""
    s0, s1, s2 = _head(order.venue, order.account, order.epoch, order.account_epoch, order.market)
    s0, s1, s2 = hades(s0 + order.is_buy, s1 + order.size, s2)
    s0, s1, s2 = hades(s0 + order.limit_price, s1 + order.max_fee_bps, s2)
    s0, s1, s2 = hades(s0 + order.reduce_only, s1 + order.post_only, s2)
    s0, s1, s2 = hades(s0 + order.expiry, s1 + order.salt, s2)
    message, _, _ = hades(s0 + 1, s1, s2)
    s0, s1, s2 = _outer(chain_id)
    s0, s1, s2 = hades(s0 + order.account, s1 + message, s2)
    found, _, _ = hades(s0 + 1, s1, s2)
    return int(found)


# --- the curve: affine multiples in tables, sums in Jacobian coordinates


def _table(point: Point, bits: int) -> Table:
    """d x 2^(bits x i) x point for every digit d from 1 to 2^(bits - 1) and every place i: digits below 0 are those
    turned round."""
    rows = []
    base = point
    # A digit below 0 carries one, so the highest place may be one beyond the order's own.
    for _ in range(-(-(EC_ORDER.bit_length() + 1) // bits)):
        multiples = [(base[0], base[1], _ONE)]
        for _ in range(2 ** (bits - 1) - 1):
            multiples.append(_add(multiples[-1], base))
        row = _affine([*multiples, _double(*multiples[-1])])
        rows.append(tuple(row[:-1]))
        base = row[-1]
    return tuple(rows)


def _add(sum_: Jacobian, point: Point) -> Jacobian:
    """Jacobian plus affine."""
    x1, y1, z1 = sum_
    x2, y2 = point
    if z1 == 0:
        return x2, y2, _ONE
    square = z1 * z1 % PRIME
    h = (x2 * square - x1) % PRIME
    r = (y2 * square * z1 - y1) % PRIME
    if h == 0:
        return _INFINITY if r else _double(x1, y1, z1)
    hh = h * h % PRIME
    hhh = h * hh % PRIME
    v = x1 * hh % PRIME
    x3 = (r * r - hhh - 2 * v) % PRIME
    return x3, (r * (v - x3) - y1 * hhh) % PRIME, z1 * h % PRIME


def _double(x: int, y: int, z: int) -> Jacobian:
    """Of a point that is not at infinity; the group has no point of order 2. The curve's alpha is 1."""
    yy = y * y % PRIME
    s = 4 * x * yy % PRIME
    zz = z * z % PRIME
    m = (3 * x * x + zz * zz) % PRIME
    x3 = (m * m - 2 * s) % PRIME
    return x3, (m * (s - x3) - 8 * yy * yy) % PRIME, 2 * y * z % PRIME


def _affine(points: list[Jacobian]) -> list[Point]:
    """Of points none of which is at infinity, with one inversion for all."""
    products = [_ONE]
    for _, _, z in points:
        products.append(products[-1] * z % PRIME)
    inverse = invert(products[-1], PRIME)
    found: list[Point] = []
    for (x, y, z), before in zip(reversed(points), reversed(products[:-1]), strict=True):
        one = inverse * before % PRIME
        inverse = inverse * z % PRIME
        square = one * one % PRIME
        found.append((x * square % PRIME, y * square * one % PRIME))
    found.reverse()
    return found


def _multiplied(sum_: Jacobian, scalar: int, table: Table, bits: int) -> Jacobian:
    """sum + scalar x the table's point. `_add` written out: this is where a venue spends its time."""
    x1, y1, z1 = sum_
    size = 1 << bits
    mask, half = size - 1, size >> 1
    for row in table:
        digit = int(scalar & mask)
        scalar >>= bits
        if not digit:
            continue
        if digit > half:
            scalar += 1
            x2, y2 = row[size - digit - 1]
            y2 = -y2
        else:
            x2, y2 = row[digit - 1]
        square = z1 * z1 % PRIME
        h = (x2 * square - x1) % PRIME
        if z1 == 0 or h == 0:
            x1, y1, z1 = _add((x1, y1, z1), (x2, y2))
            continue
        r = (y2 * (square * z1 % PRIME) - y1) % PRIME
        hh = h * h % PRIME
        hhh = h * hh % PRIME
        v = x1 * hh % PRIME
        x1 = (r * r - hhh - 2 * v) % PRIME
        y1 = (r * (v - x1) - y1 * hhh) % PRIME
        z1 = z1 * h % PRIME
    return x1, y1, z1


@lru_cache(maxsize=1)
def _of_generator() -> Table:
    return _table(GENERATOR, _GENERATOR_BITS)


class Verifier:
    """Whether keys signed; remembers those that come often."""

    def __init__(self, *, keys: int = _MOST_KEYS, worth_it: int = _WORTH_IT) -> None:
        self._most = keys
        self._worth_it = worth_it
        #: key -> its multiples; the last used at the end.
        self._tables: OrderedDict[int, Table] = OrderedDict()
        self._seen: OrderedDict[int, int] = OrderedDict()

    def verify(self, key: int, msg_hash: int, r: int, s: int) -> bool:
        """As truemark.signing.verify."""
        table = self._tables.get(key)
        if table is None:
            good = verify(key, msg_hash, r, s)
            if good:
                self._count(key, msg_hash, r, s)
            return good
        self._tables.move_to_end(key)
        if not (1 <= msg_hash < SIGNABLE_BOUND and 1 <= r < SIGNABLE_BOUND and 1 <= s < EC_ORDER):
            return False
        return _matches(table, msg_hash, r, s) or verify(key, msg_hash, r, s)

    def _count(self, key: int, msg_hash: int, r: int, s: int) -> None:
        """After a good signature: it also says which of the two points with this x is the key's."""
        seen = self._seen.pop(key, 0) + 1
        if seen < self._worth_it:
            self._seen[key] = seen
            while len(self._seen) > 16 * self._most:
                self._seen.popitem(last=False)
            return
        x = mpz(key)
        y = square_root((x * x % PRIME * x + x + BETA) % PRIME)
        table = _table((x, y), _KEY_BITS)
        if not _matches(table, msg_hash, r, s):
            table = tuple(tuple((x, PRIME - y) for x, y in row) for row in table)
        self._tables[key] = table
        while len(self._tables) > self._most:
            self._tables.popitem(last=False)


def _matches(table: Table, msg_hash: int, r: int, s: int) -> bool:
    """x(z/s G + r/s Q) = r, for the Q that the table is of."""
    w = invert(s, EC_ORDER)
    if w >= SIGNABLE_BOUND:
        # The library refuses these; so does this, by way of it.
        return False
    sum_ = _multiplied(_INFINITY, msg_hash * w % EC_ORDER, _of_generator(), _GENERATOR_BITS)
    x, _, z = _multiplied(sum_, r * w % EC_ORDER, table, _KEY_BITS)
    return bool(z != 0 and (x - r * z * z) % PRIME == 0)


def square_root(square: int) -> int:
    """One of the two; Tonelli and Shanks, as PRIME - 1 is divisible by 2^192.

    Raises:
        ValueError: there is none.
    """
    odd, twos = PRIME - 1, 0
    while odd % 2 == 0:
        odd //= 2
        twos += 1
    # 3 generates the field's group, so it is no square.
    c: int
    t: int
    root: int
    c, t, root = pow(mpz(3), odd, PRIME), pow(square, odd, PRIME), pow(square, (odd + 1) // 2, PRIME)
    while t != 1:
        if t == 0:
            return 0
        least, power = 0, t
        while power != 1:
            power = power * power % PRIME
            least += 1
            if least == twos:
                raise ValueError(f"{square:#x} has no square root")
        b = pow(c, 1 << (twos - least - 1), PRIME)
        twos, c = least, b * b % PRIME
        t, root = t * c % PRIME, root * b % PRIME
    return root
