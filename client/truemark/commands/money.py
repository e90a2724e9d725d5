"""`truemark account` and `truemark vault`: keys, money in and out; what was cut off is taken up again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from truemark.commands import account as account_page
from truemark.commands.common import JsonOption, console, grid, print_json
from truemark.commands.traders import (
    PasswordOption,
    YesOption,
    confirm,
    hexadecimal,
    open_owner,
    opened_by,
    plain,
    show,
)
from truemark.errors import TruemarkError
from truemark.models import Destination, Source

_MOVEMENT: Final = ("id", "kind", "step", "says")
_TRANSFER: Final = ("kind", "amount", "block", "tx_hash")
_KEY: Final = ("public_key", "expiry")
_REQUEST: Final = ("request_id", "shares", "claimable_at")

KeyArgument = Annotated[int, typer.Argument(parser=hexadecimal, metavar="PUBLIC_KEY", help="Of the key, hexadecimal.")]
AmountArgument = Annotated[str, typer.Argument(help="USD, at most six decimals.")]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0, help="Seconds to wait; what is not through then is resumed later.")
]
SourceOption = Annotated[Source, typer.Option("--from", help="margin or wallet.")]


class NotThrough(TruemarkError, RuntimeError):
    """Of several movements some did not come to their end."""


class AccountGroup(typer.core.TyperGroup):
    """`truemark account ADDRESS` shows it: what is no command is an address."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["show", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = {*self.commands, "--help"}
        if args and not known & set(args):
            args = ["show", *args]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    own = typer.Typer(
        name="account",
        cls=AccountGroup,
        help="An account: `truemark account ADDRESS` shows one; the rest needs its key.",
        no_args_is_help=True,
    )
    own.command("show")(account_page.account)
    for command in (new, onboard, faucet, balances, deposit, withdraw, movements, resume, transfers, keys):
        own.command()(command)
    own.command("register-key")(register_key)
    own.command("revoke-key")(revoke_key)
    app.add_typer(own)
    vault = typer.Typer(name="vault", help="The vault: shares bought, locked, and paid.", no_args_is_help=True)
    vault.command("deposit")(vault_deposit)
    vault.command("redeem")(redeem)
    vault.command("redemptions")(redemptions)
    app.add_typer(vault)


# --- keys


def new(
    keystore: Annotated[Path, typer.Argument(help="The file to be made.")],
    password_env: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a STARK key in a new encrypted file. Whoever has file and password has the account."""
    from truemark.keys import StarkKey
    from truemark.keys.keystore import environment, save

    if password_env is not None:
        password = environment(password_env)
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    key = StarkKey.random()
    save(keystore, key, password)
    show({"keystore": str(keystore), "public_key": key.public_key}, ("keystore", "public_key"), as_json, empty="")


@opened_by(open_owner)
def onboard(trader: Any, as_json: JsonOption = False) -> None:
    """Make the account ready: fees from the faucet if there is one, deployed, its trading key registered."""
    _record(trader.onboard(), as_json)


@opened_by(open_owner)
def faucet(
    trader: Any,
    amount: Annotated[str, typer.Argument(help="Test USDC on L1.")] = "10000",
    as_json: JsonOption = False,
) -> None:
    """Get ether and test USDC on L1, of a local deployment."""
    trader.faucet(amount)
    _record(trader.balances(), as_json)


@opened_by(open_owner)
def keys(trader: Any, as_json: JsonOption = False) -> None:
    """Show the keys that can sign orders of the account now."""
    show(trader.trading_keys(), _KEY, as_json, empty="no trading key")


@opened_by(open_owner)
def register_key(
    trader: Any,
    public_key: KeyArgument,
    days: Annotated[float, typer.Option(min=0.001, max=36_500, help="How long it signs.")] = 90,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let a key sign orders of the account."""
    confirm(f"let {public_key:#x} sign orders for {days:g} days", yes)
    show(trader.register_trading_key(public_key, lifetime=int(days * 86_400)), _KEY, as_json, empty="")


@opened_by(open_owner)
def revoke_key(trader: Any, public_key: KeyArgument, as_json: JsonOption = False) -> None:
    """End a trading key at once."""
    show({"tx_hash": trader.revoke_trading_key(public_key)}, ("tx_hash",), as_json, empty="")


# --- money


@opened_by(open_owner)
def balances(trader: Any, as_json: JsonOption = False) -> None:
    """Show where the account's money is."""
    _record(trader.balances(), as_json)


@opened_by(open_owner)
def deposit(
    trader: Any,
    amount: AmountArgument,
    to: Annotated[Destination, typer.Option(help="margin, wallet or vault.")] = Destination.MARGIN,
    timeout: TimeoutOption = 300,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Bring USDC from L1 to the account."""
    confirm(f"deposit {amount} USD from L1 to the {to}", yes)
    _finish(trader.begin_deposit(amount, to), timeout, as_json)


@opened_by(open_owner)
def withdraw(
    trader: Any,
    amount: AmountArgument,
    to: Annotated[str | None, typer.Option(help="L1 address; by default the key's own.", show_default=False)] = None,
    source: SourceOption = Source.MARGIN,
    timeout: TimeoutOption = 300,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take USDC to L1 and have it paid there."""
    confirm(f"withdraw {amount} USD to {to or 'the own address'} on L1", yes)
    _finish(trader.begin_withdrawal(amount, to, source), timeout, as_json)


@opened_by(open_owner)
def movements(
    trader: Any,
    every: Annotated[bool, typer.Option("--all", help="With those that are over.", show_default=False)] = False,
    as_json: JsonOption = False,
) -> None:
    """Show money that is under way."""
    found = [_progress(flow) for flow in trader.movements(open_only=not every)]
    show(found, _MOVEMENT, as_json, empty="nothing is under way")


@opened_by(open_owner)
def resume(
    trader: Any,
    movement: Annotated[str | None, typer.Argument(help="Its id; by default all that are under way.")] = None,
    timeout: TimeoutOption = 300,
    as_json: JsonOption = False,
) -> None:
    """Take money that is under way to its end. Nothing moves twice."""
    if movement is not None:
        _finish(trader.movement(movement), timeout, as_json)
        return
    through, failures = [], []
    for flow in trader.movements():
        # One that has to wait, as shares in the vault's queue do for days, is no reason to leave the others.
        try:
            through.append(_run(flow, timeout, as_json))
        except TruemarkError as error:
            failures.append(error)
    if as_json or not (through or failures):
        show(through, _MOVEMENT, as_json, empty="nothing is under way")
    if failures:
        raise NotThrough("; ".join(str(error) for error in failures))


@opened_by(open_owner)
def transfers(trader: Any, as_json: JsonOption = False) -> None:
    """Show money into and out of the margin account, out of the chain's events."""
    show(trader.transfers(), _TRANSFER, as_json, empty="no transfer")


# --- the vault


@opened_by(open_owner)
def vault_deposit(
    trader: Any,
    amount: AmountArgument,
    source: SourceOption = Source.MARGIN,
    timeout: TimeoutOption = 300,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Buy shares of the vault."""
    confirm(f"buy shares of the vault for {amount} USD", yes)
    _finish(trader.begin_vault_deposit(amount, source), timeout, as_json)


@opened_by(open_owner)
def redeem(
    trader: Any,
    shares: Annotated[str, typer.Argument(help="Shares of the vault.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the lock to end.", show_default=False)] = False,
    timeout: TimeoutOption = 300,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Lock shares for redemption; `truemark account resume` has them paid once the lock is over."""
    from truemark.trader import Step

    confirm(f"lock {shares} shares of the vault for redemption", yes)
    flow = trader.begin_redemption(shares)
    while not wait and not flow.finished and flow.step is not Step.LOCKED:
        flow.advance()
    if wait or flow.step is Step.FAILED:
        _finish(flow, timeout, as_json)
    else:
        show(_progress(flow), _MOVEMENT, as_json, empty="")


@opened_by(open_owner)
def redemptions(trader: Any, as_json: JsonOption = False) -> None:
    """Show shares that wait for their lock or can be claimed."""
    show(trader.redemptions(), _REQUEST, as_json, empty="no redemption waits")


def _finish(flow: Any, timeout: float, as_json: bool) -> None:
    found = _run(flow, timeout, as_json)
    if as_json:
        print_json(found)


def _run(flow: Any, timeout: float, as_json: bool) -> dict[str, Any]:
    """Takes a movement to its end, and tells people of its steps; what it came to, for JSON."""
    out = console()

    def told(progress: Any) -> None:
        if not as_json:
            out.print(f"{progress.step}: {progress.says}", soft_wrap=True, markup=False)

    outcome = flow.run(timeout, told)
    return {**_progress(flow), "outcome": plain(outcome)}


def _progress(flow: Any) -> dict[str, Any]:
    progress = flow.progress
    return {"id": progress.flow_id, "kind": progress.kind, "step": progress.step, "says": progress.says}


def _record(record: Any, as_json: bool) -> None:
    found = plain(record)
    if as_json:
        print_json(found)
    else:
        console().print(grid({name.replace("_", " "): value for name, value in found.items()}))
