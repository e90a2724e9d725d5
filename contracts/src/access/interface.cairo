use starknet::ContractAddress;

/// Who may do what. One admin, handed over in two steps; any number of holders of each role.
#[starknet::interface]
pub trait IAccess<TState> {
    fn admin(self: @TState) -> ContractAddress;
    fn has_role(self: @TState, role: felt252, account: ContractAddress) -> bool;
    /// Admin only.
    fn grant_role(ref self: TState, role: felt252, account: ContractAddress);
    /// Admin only.
    fn revoke_role(ref self: TState, role: felt252, account: ContractAddress);
    /// Admin only. Takes effect when `account` calls `accept_admin`.
    fn propose_admin(ref self: TState, account: ContractAddress);
    /// The proposed admin only.
    fn accept_admin(ref self: TState);
}
