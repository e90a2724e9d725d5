# pragma version 0.4.3
"""
@title Test USDC
@license Apache-2.0
@notice The collateral of a local venue: ERC-20, 6 decimals, minted by anyone. Never for real money.
"""

from ethereum.ercs import IERC20

implements: IERC20

name: public(constant(String[16])) = "Test USDC"
symbol: public(constant(String[8])) = "tUSDC"
decimals: public(constant(uint8)) = 6

totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])


@external
def mint(to: address, amount: uint256):
    """
    @notice Open to everybody: this token is for tests.
    """
    assert to != empty(address), "TOKEN: zero recipient"
    self.totalSupply += amount
    self.balanceOf[to] += amount
    log IERC20.Transfer(sender=empty(address), receiver=to, value=amount)


@external
def transfer(to: address, amount: uint256) -> bool:
    self._move(msg.sender, to, amount)
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    allowed: uint256 = self.allowance[owner][msg.sender]
    if allowed != max_value(uint256):
        assert allowed >= amount, "TOKEN: allowance"
        self.allowance[owner][msg.sender] = allowed - amount
    self._move(owner, to, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    log IERC20.Approval(owner=msg.sender, spender=spender, value=amount)
    return True


@internal
def _move(sender: address, to: address, amount: uint256):
    assert to != empty(address), "TOKEN: zero recipient"
    assert self.balanceOf[sender] >= amount, "TOKEN: balance"
    self.balanceOf[sender] -= amount
    self.balanceOf[to] += amount
    log IERC20.Transfer(sender=sender, receiver=to, value=amount)
