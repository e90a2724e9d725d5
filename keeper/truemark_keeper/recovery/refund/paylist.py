"""What is to be paid, as a file: the leaves of the tree in their order, and the figures behind each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import orjson
from truemark.deployment import Deployment
from truemark.errors import TruemarkError
from truemark.felt import hex_of
from truemark.refunds import BadRefund, Refund, RefundTree

from truemark_keeper.atomic import keep_before, write_whole
from truemark_keeper.recovery.refund.compute import Line, Owed, Refunds

VERSION: Final = 1


class BadPayList(TruemarkError, ValueError):
    """A file that is no list of refunds, or of another venue, or whose root is not that of its leaves."""


@dataclass(frozen=True)
class PayList:
    """
    Attributes:
        incident: its id on chain; `name` and `title` are what people call it.
        uri: where the report is; it goes on chain.
        expiry_days: for how long a refund can be claimed.
        tree: the leaves, by account.
        details: of each leaf, plain JSON values.
        left_out: accounts that get nothing though something was undone, with the reason.
    """

    name: str
    title: str
    uri: str
    expiry_days: int
    rules: str
    tree: RefundTree
    details: tuple[Mapping[str, Any], ...]
    left_out: tuple[Mapping[str, Any], ...]

    @property
    def incident(self) -> int:
        return self.tree.incident

    @classmethod
    def of(cls, found: Refunds, deployment: Deployment) -> Self:
        """
        Raises:
            NothingOwed: nobody is owed anything.
        """
        names = {market.index: name for name, market in deployment.markets.items()}
        return cls(
            name=found.rules.incident,
            title=found.rules.title,
            uri=found.rules.uri,
            expiry_days=found.rules.expiry_days,
            rules=found.rules.digest,
            tree=found.tree(deployment),
            details=tuple(_detail(item, names) for item in found.paid),
            left_out=tuple(_detail(item, names) for item in found.owed if not item.amount),
        )

    def save(self, path: Path) -> Path | None:
        """Where another list was put that the file had: it can be the one that is on chain. Raises OSError."""
        content = orjson.dumps(self.to_json(), option=orjson.OPT_INDENT_2)
        kept = keep_before(path, content)
        write_whole(path, content)
        return kept

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "incident": hex(self.incident),
            "name": self.name,
            "title": self.title,
            "uri": self.uri,
            "expiry_days": self.expiry_days,
            "rules": self.rules,
            "chain_id": hex(self.tree.chain_id),
            "distributor": hex_of(self.tree.distributor),
            "root": hex_of(self.tree.root),
            "count": self.tree.count,
            "total": str(self.tree.total),
            "refunds": list(self.details),
            "left_out": list(self.left_out),
        }

    @classmethod
    def load(cls, path: Path, deployment: Deployment) -> Self:
        """
        Raises:
            BadPayList: see the class.
        """
        try:
            raw = orjson.loads(path.read_bytes())
            if raw["version"] != VERSION:
                raise BadPayList(f"{path}: version {raw['version']!r}, this reads {VERSION}")
            leaves = [Refund(int(item["account"], 16), int(item["amount"])) for item in raw["refunds"]]
            tree = RefundTree(int(raw["chain_id"], 16), int(raw["distributor"], 16), int(raw["incident"], 16), leaves)
            found = cls(
                name=raw["name"],
                title=raw["title"],
                uri=raw["uri"],
                expiry_days=int(raw["expiry_days"]),
                rules=raw["rules"],
                tree=tree,
                details=tuple(raw["refunds"]),
                left_out=tuple(raw["left_out"]),
            )
            root = int(raw["root"], 16)
        except OSError as error:
            raise BadPayList(f"{path}: {error.strerror}") from None
        except (KeyError, TypeError, ValueError, BadRefund) as error:
            if isinstance(error, BadPayList):
                raise
            raise BadPayList(f"{path}: no list of refunds ({error!r})") from error
        if tree.root != root:
            raise BadPayList(f"{path}: its refunds have the root {tree.root:#x}, it says {root:#x}: it was changed")
        if (tree.chain_id, tree.distributor) != (deployment.l2_chain_id, deployment.address("RefundDistributor")):
            raise BadPayList(f"{path} is for another venue than {deployment.name}")
        return found


def _detail(item: Owed, names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "account": hex_of(item.account),
        "amount": str(item.amount),
        "exact": str(item.exact),
        "reason": item.reason,
        "events": item.events,
        "lines": [_line(line, names) for line in item.lines],
    }


def _line(line: Line, names: Mapping[int, str]) -> dict[str, Any]:
    taking = line.judged.taking
    return {
        "id": taking.id,
        "kind": taking.kind,
        "role": taking.role.value,
        "block": taking.place[0],
        "time": datetime.fromtimestamp(taking.time, UTC).isoformat(),
        "transaction": hex_of(taking.tx_hash),
        "market": names.get(taking.market, ""),
        "size": str(taking.size),
        "cash": str(taking.cash),
        "costs": str(taking.costs),
        "mark": str(taking.mark),
        "fair_price": str(line.price),
        "worth": str(line.worth),
        "loss": str(line.loss),
        "finding": line.judged.finding.value,
        "evidence": line.judged.reason,
    }
