use starknet::ContractAddress;

/// A redemption that waits for its lock to end.
#[derive(Copy, Drop, Serde, PartialEq, Debug)]
pub struct Redemption {
    pub controller: ContractAddress,
    pub owner: ContractAddress,
    /// What is not claimed yet.
    pub shares: u256,
    pub claimable_at: u64,
}

/// Ids of `supports_interface`. SRC-5's own is Starknet's; the others are the four bytes that the
/// Ethereum standards name, for readers who know them by these.
pub const SRC5_ID: felt252 = 0x3f918d17e5ee77373b56385708f855659a07f75997f365cf87748628532a055;
pub const ERC165_ID: felt252 = 0x01ffc9a7;
pub const ERC7540_OPERATOR_ID: felt252 = 0xe3bc4e65;
pub const ERC7540_REDEEM_ID: felt252 = 0x620ee8e4;
/// A vault with `share`.
pub const ERC7575_ID: felt252 = 0x2f0a18c5;

/// ERC-4626 on the collateral token, with ERC-7540's asynchronous redemption: request, lock, claim,
/// priced at the claim. Assets are the vault's own margin account. The share token is the vault
/// itself (see `token::IERC20`).
#[starknet::interface]
pub trait IVault<TState> {
    fn asset(self: @TState) -> ContractAddress;
    /// The share token: the vault itself.
    fn share(self: @TState) -> ContractAddress;
    /// V of the vault's margin account in collateral, rounded down, every market that is not Valid
    /// at its worst; 0 if it is below 0.
    fn total_assets(self: @TState) -> u256;
    fn convert_to_shares(self: @TState, assets: u256) -> u256;
    fn convert_to_assets(self: @TState, shares: u256) -> u256;
    fn max_deposit(self: @TState, receiver: ContractAddress) -> u256;
    fn preview_deposit(self: @TState, assets: u256) -> u256;
    fn deposit(ref self: TState, assets: u256, receiver: ContractAddress) -> u256;
    fn max_mint(self: @TState, receiver: ContractAddress) -> u256;
    fn preview_mint(self: @TState, shares: u256) -> u256;
    fn mint(ref self: TState, shares: u256, receiver: ContractAddress) -> u256;

    /// Locks `shares` of `owner` for `controller`, who alone can claim them; returns the request
    /// id. The caller is the owner, its operator, or one with an allowance over the shares. Until
    /// the claim the shares gain and lose with the others. Not while Halted.
    fn request_redeem(
        ref self: TState, shares: u256, controller: ContractAddress, owner: ContractAddress,
    ) -> u256;
    fn pending_redeem_request(self: @TState, request_id: u256, controller: ContractAddress) -> u256;
    fn claimable_redeem_request(
        self: @TState, request_id: u256, controller: ContractAddress,
    ) -> u256;
    fn redemption(self: @TState, request_id: u256) -> Redemption;
    fn max_redeem(self: @TState, controller: ContractAddress) -> u256;
    fn max_withdraw(self: @TState, controller: ContractAddress) -> u256;
    /// Claims. Burns `shares` of the controller's claimable ones; pays assets at the price of this
    /// moment.
    fn redeem(
        ref self: TState, shares: u256, receiver: ContractAddress, controller: ContractAddress,
    ) -> u256;
    /// Claims by assets: burns the shares, rounded up.
    fn withdraw(
        ref self: TState, assets: u256, receiver: ContractAddress, controller: ContractAddress,
    ) -> u256;
    /// Reverts, as ERC-7540 says for asynchronous redemption.
    fn preview_redeem(self: @TState, shares: u256) -> u256;
    /// Reverts, as ERC-7540 says for asynchronous redemption.
    fn preview_withdraw(self: @TState, assets: u256) -> u256;

    fn is_operator(self: @TState, controller: ContractAddress, operator: ContractAddress) -> bool;
    fn set_operator(ref self: TState, operator: ContractAddress, approved: bool) -> bool;
    fn supports_interface(self: @TState, interface_id: felt252) -> bool;
    fn lock_secs(self: @TState) -> u64;
    fn clearinghouse(self: @TState) -> ContractAddress;
    /// Admin; for requests from then on. None can be claimed before an older one of its controller.
    fn set_lock_secs(ref self: TState, secs: u64);
}
