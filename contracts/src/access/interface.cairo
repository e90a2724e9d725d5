use starknet::ContractAddress;

/// Who may do what. One admin, handed over in two steps with a delay between them; any number of
/// holders of each role. Whoever stops is never made to wait.
#[starknet::interface]
pub trait IAccess<TState> {
    fn admin(self: @TState) -> ContractAddress;
    /// The account that was proposed and from when it can accept; (0, 0): none.
    fn pending_admin(self: @TState) -> (ContractAddress, u64);
    /// Whether the account holds the role now.
    fn has_role(self: @TState, role: felt252, account: ContractAddress) -> bool;
    /// From when the account holds the role, in the future while it is announced; 0: never.
    fn role_since(self: @TState, role: felt252, account: ContractAddress) -> u64;
    /// Admin only. GUARDIAN and SENTINEL, which only stop, hold at once; any other role after
    /// ROLE_DELAY, but for its first holder. Of an account that has the role nothing changes.
    fn grant_role(ref self: TState, role: felt252, account: ContractAddress);
    /// Admin only. At once, also what is only announced.
    fn revoke_role(ref self: TState, role: felt252, account: ContractAddress);
    /// Admin only. Takes effect when `account` calls `accept_admin`, ADMIN_DELAY from now at the
    /// earliest. Proposed anew, the delay begins anew.
    fn propose_admin(ref self: TState, account: ContractAddress);
    /// The admin or a guardian.
    fn cancel_admin(ref self: TState);
    /// The proposed admin only, once its delay is over. There is no other way to stop being the
    /// admin, so a contract is never without one.
    fn accept_admin(ref self: TState);
}
