"""The rolling limit and the refund tree in Cairo, held to the Python ones on a node. (Vyper's limit: tests/l1.)"""

from __future__ import annotations

import random
from dataclasses import asdict

import pytest
from truemark.bucket import Bucket, Limit
from truemark.contract import Contract
from truemark.felt import PRIME
from truemark.refunds import Refund, RefundTree

from tests.buckets import BucketCase

pytestmark = pytest.mark.node

SEED = 20_260_119
MOST, LATEST = 2**128 - 1, 2**64 - 1
NAMES = ("level", "at", "limit", "window", "now", "amount")


def bucket_case(draw: random.Random) -> BucketCase:
    def up_to(most: int) -> int:
        return draw.choice([0, 1, most, draw.randint(0, 20), draw.randint(0, 10**7), draw.randint(0, most)])

    bucket, terms = Bucket(up_to(MOST), up_to(LATEST)), Limit(up_to(MOST), up_to(LATEST))
    now = draw.choice([up_to(LATEST), min(bucket.at + up_to(1_000), LATEST)])
    room = bucket.room(terms, now)
    return BucketCase(bucket, terms, now, draw.choice([up_to(MOST), room, min(room + 1, MOST)]))


async def test_the_rolling_limit_is_equal(rules_parity: Contract) -> None:
    draw = random.Random(SEED)
    cases = [bucket_case(draw) for _ in range(400)]
    told = await rules_parity.read("buckets", [dict(zip(NAMES, case.felts, strict=True)) for case in cases])
    for case, answer in zip(cases, told, strict=True):
        after = case.bucket.poured(case.terms, case.now, case.amount)
        assert answer == {
            "leaked": asdict(case.bucket.leaked(case.terms, case.now)),
            "room": case.bucket.room(case.terms, case.now),
            "poured": None if after is None else asdict(after),
        }, case


async def test_a_proof_made_in_python_leads_to_the_same_root(rules_parity: Contract) -> None:
    draw = random.Random(SEED)
    cases, expected = [], []
    for count in (1, 2, 3, 6, 9, 17, 32):
        leaves = [Refund(draw.randint(1, 2**251 - 257), draw.randint(1, 2**64)) for _ in range(count)]
        domain = {
            "chain_id": draw.randint(1, PRIME - 1),
            "distributor": draw.randint(1, 2**251 - 257),
            "incident": draw.randint(1, PRIME - 1),
        }
        tree = RefundTree(domain["chain_id"], domain["distributor"], domain["incident"], leaves)
        for index in {0, count // 2, count - 1}:
            right = {
                "domain": domain,
                "count": count,
                "total": tree.total,
                "index": index,
                "account": leaves[index].account,
                "amount": leaves[index].amount,
                "proof": tree.proof(index),
            }
            wrong = {**right, "proof": (*tree.proof(index), draw.randint(0, PRIME - 1))}
            cases += [right, wrong]
            expected += [tree.root, None]
    assert await rules_parity.read("refund_roots", cases) == expected
