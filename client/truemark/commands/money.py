"""`truemark account` and `truemark vault`: keys, money in and out; what was cut off is taken up again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from truemark.commands import account as account_page
from truemark.commands.common import DeploymentOption, JsonOption, console, grid, print_json
from truemark.commands.traders import (
    ETH_KEY,
    EthKeyOption,
    KeystoreOption,
    PasswordOption,
    YesOption,
    confirm,
    open_trader,
    plain,
    show,
)

_MOVEMENT: Final = ("id", "kind", "step", "says")
_TRANSFER: Final = ("kind", "amount", "block", "tx_hash")
_KEY: Final = ("public_key", "expiry")
_REQUEST: Final = ("request_id", "shares", "claimable_at")

AmountArgument = Annotated[str, typer.Argument(help="USD, at most six decimals.")]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", help="Seconds to wait; what is not through then is resumed later.")
]


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


def onboard(
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the account ready: fees from the faucet if there is one, deployed, its trading key registered."""
    with _trader(deployment, eth_key_env, keystore, password_env) as trader:
        done = trader.onboard()
    _record(done, as_json)


def faucet(
    amount: Annotated[str, typer.Argument(help="Test USDC on L1.")] = "10000",
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    as_json: JsonOption = False,
) -> None:
    """Get ether and test USDC on L1, of a local deployment."""
    with _trader(deployment, eth_key_env, None, None) as trader:
        trader.faucet(amount)
        _record(trader.balances(), as_json)


def keys(
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the keys that can sign orders of the account now."""
    with _trader(deployment, eth_key_env, keystore, password_env) as trader:
        show(trader.trading_keys(), _KEY, as_json, empty="no trading key")


def register_key(
    public_key: Annotated[str, typer.Argument(help="Of the key, hexadecimal.")],
    days: Annotated[float, typer.Option(help="How long it signs.")] = 90,
    yes: YesOption = False,
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a key sign orders of the account."""
    with _trader(deployment, eth_key_env, keystore, password_env) as trader:
        confirm(f"let {public_key} sign orders for {days:g} days", yes)
        made = trader.register_trading_key(_felt(public_key), lifetime=int(days * 86_400))
    show(made, _KEY, as_json, empty="")


def revoke_key(
    public_key: Annotated[str, typer.Argument(help="Of the key, hexadecimal.")],
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a trading key at once."""
    with _trader(deployment, eth_key_env, keystore, password_env) as trader:
        show({"tx_hash": trader.revoke_trading_key(_felt(public_key))}, ("tx_hash",), as_json, empty="")


# --- money


def balances(
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where the account's money is."""
    with _trader(deployment, eth_key_env, keystore, password_env) as trader:
        _record(trader.balances(), as_json)


def deposit(
    amount: AmountArgument,
    to: Annotated[str, typer.Option(help="margin, wallet or vault.")] = "margin",
    timeout: TimeoutOption = 300,
    yes: YesOption = False,
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    as_json: JsonOption = False,
) -> None:
    """Bring USDC from L1 to the account."""
    with _trader(deployment, eth_key_env, None, None) as trader:
        confirm(f"deposit {amount} USD from L1 to the {to}", yes)
        _run(trader.begin_deposit(amount, to), timeout, as_json)


def withdraw(
    amount: AmountArgument,
    to: Annotated[str | None, typer.Option(help="L1 address; by default the key's own.", show_default=False)] = None,
    source: Annotated[str, typer.Option("--from", help="margin or wallet.")] = "margin",
    timeout: TimeoutOption = 300,
    yes: YesOption = False,
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    as_json: JsonOption = False,
) -> None:
    """Take USDC to L1 and have it paid there."""
    if source not in ("margin", "wallet"):
        raise typer.BadParameter(f"--from is margin or wallet, not {source}")
    with _trader(deployment, eth_key_env, None, None) as trader:
        confirm(f"withdraw {amount} USD to {to or 'the own address'} on L1", yes)
        _run(trader.begin_withdrawal(amount, to, source), timeout, as_json)


def movements(
    every: Annotated[bool, typer.Option("--all", help="With those that are over.", show_default=False)] = False,
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show money that is under way."""
    with _trader(deployment, eth_key_env, keystore, password_env) as trader:
        found = [_progress(flow) for flow in trader.movements(open_only=not every)]
    show(found, _MOVEMENT, as_json, empty="nothing is under way")


def resume(
    movement: Annotated[str | None, typer.Argument(help="Its id; by default all that are under way.")] = None,
    timeout: TimeoutOption = 300,
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take money that is under way to its end. Nothing moves twice."""
    with _trader(deployment, eth_key_env, keystore, password_env) as trader:
        flows = trader.movements() if movement is None else [trader.movement(movement)]
        if not flows:
            show([], _MOVEMENT, as_json, empty="nothing is under way")
        for flow in flows:
            _run(flow, timeout, as_json)


def transfers(
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show money into and out of the margin account, out of the chain's events."""
    with _trader(deployment, eth_key_env, keystore, password_env) as trader:
        show(trader.transfers(), _TRANSFER, as_json, empty="no transfer")


# --- the vault


def vault_deposit(
    amount: AmountArgument,
    source: Annotated[str, typer.Option("--from", help="wallet or margin.")] = "margin",
    timeout: TimeoutOption = 300,
    yes: YesOption = False,
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Buy shares of the vault."""
    if source not in ("margin", "wallet"):
        raise typer.BadParameter(f"--from is wallet or margin, not {source}")
    with _trader(deployment, eth_key_env, keystore, password_env) as trader:
        confirm(f"buy shares of the vault for {amount} USD", yes)
        _run(trader.begin_vault_deposit(amount, source), timeout, as_json)


def redeem(
    shares: Annotated[str, typer.Argument(help="Shares of the vault.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the lock to end.", show_default=False)] = False,
    timeout: TimeoutOption = 300,
    yes: YesOption = False,
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lock shares for redemption; `truemark account resume` has them paid once the lock is over."""
    from truemark.trader import Step

    with _trader(deployment, eth_key_env, keystore, password_env) as trader:
        confirm(f"lock {shares} shares of the vault for redemption", yes)
        flow = trader.begin_redemption(shares)
        while not wait and not flow.finished and flow.step is not Step.LOCKED:
            flow.advance()
        if wait or flow.step is Step.FAILED:
            _run(flow, timeout, as_json)
        else:
            show(_progress(flow), _MOVEMENT, as_json, empty="")


def redemptions(
    deployment: DeploymentOption = None,
    eth_key_env: EthKeyOption = ETH_KEY,
    keystore: KeystoreOption = None,
    password_env: PasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show shares that wait for their lock or can be claimed."""
    with _trader(deployment, eth_key_env, keystore, password_env) as trader:
        show(trader.redemptions(), _REQUEST, as_json, empty="no redemption waits")


def _trader(deployment: Path | None, eth_key_env: str, keystore: Path | None, password_env: str | None) -> Any:
    return open_trader(deployment, eth_key_env=eth_key_env, keystore=keystore, password_env=password_env)


def _run(flow: Any, timeout: float, as_json: bool) -> None:
    out = console()

    def told(progress: Any) -> None:
        if not as_json:
            out.print(f"{progress.step}: {progress.says}", soft_wrap=True, markup=False)

    outcome = flow.run(timeout, told)
    if as_json:
        print_json({**_progress(flow), "outcome": plain(outcome)})


def _progress(flow: Any) -> dict[str, Any]:
    progress = flow.progress
    return {"id": progress.flow_id, "kind": progress.kind, "step": progress.step, "says": progress.says}


def _record(record: Any, as_json: bool) -> None:
    found = plain(record)
    if as_json:
        print_json(found)
    else:
        console().print(grid({name.replace("_", " "): value for name, value in found.items()}))


def _felt(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not hexadecimal") from None
