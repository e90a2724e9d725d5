use starknet::ContractAddress;

#[starknet::interface]
pub trait IERC20<TState> {
    fn name(self: @TState) -> ByteArray;
    fn symbol(self: @TState) -> ByteArray;
    fn decimals(self: @TState) -> u8;
    fn total_supply(self: @TState) -> u256;
    fn balance_of(self: @TState, account: ContractAddress) -> u256;
    fn allowance(self: @TState, owner: ContractAddress, spender: ContractAddress) -> u256;
    fn transfer(ref self: TState, recipient: ContractAddress, amount: u256) -> bool;
    fn transfer_from(
        ref self: TState, sender: ContractAddress, recipient: ContractAddress, amount: u256,
    ) -> bool;
    fn approve(ref self: TState, spender: ContractAddress, amount: u256) -> bool;
}

/// The bridge mints what L1 locked and burns what it releases; nobody else.
#[starknet::interface]
pub trait IBridgedToken<TState> {
    /// The bridge only.
    fn mint(ref self: TState, recipient: ContractAddress, amount: u256);
    /// The bridge only.
    fn burn(ref self: TState, account: ContractAddress, amount: u256);
    fn bridge(self: @TState) -> ContractAddress;
}

/// What the token asks of its bridge, beside its roles.
#[starknet::interface]
pub trait ITokenBridge<TState> {
    fn clearinghouse(self: @TState) -> ContractAddress;
}
