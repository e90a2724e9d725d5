use starknet::ContractAddress;

/// One incident whose refunds were funded.
#[derive(Copy, Drop, Serde, PartialEq, Debug, starknet::Store)]
pub struct Incident {
    /// 0: there is no such incident.
    pub root: felt252,
    /// Who funded it, and gets back what is left.
    pub opener: ContractAddress,
    /// Refunds in the tree.
    pub count: u32,
    /// From then on nothing is claimed; seconds.
    pub expiry: u64,
    /// What was funded; 1e-6 USD.
    pub total: u128,
    /// What was paid out so far.
    pub claimed: u128,
    /// What was left went back.
    pub closed: bool,
}

/// One leaf of the tree and its proof, the siblings from the leaf up.
#[derive(Copy, Drop, Serde, Debug)]
pub struct Refund {
    pub index: u32,
    pub account: ContractAddress,
    /// 1e-6 USD.
    pub amount: u128,
    pub proof: Span<felt252>,
}

/// Refunds of incidents, each under one root that anyone can check and recompute. In every mode of
/// the venue; in Halted the clearinghouse holds what is paid into a margin account pending.
#[starknet::interface]
pub trait IRefundDistributor<TState> {
    /// Admin. Takes `total` from the caller's wallet, who approved it before. `incident` is any
    /// number that was not used before, not 0; `uri` is where the list of refunds and how it was
    /// computed can be read; `expiry` is at least a day ahead.
    fn open(
        ref self: TState,
        incident: felt252,
        root: felt252,
        total: u128,
        count: u32,
        uri: ByteArray,
        expiry: u64,
    );
    /// Anyone: pays a refund into the account's margin account. False: it was paid before.
    fn claim(
        ref self: TState,
        incident: felt252,
        index: u32,
        account: ContractAddress,
        amount: u128,
        proof: Span<felt252>,
    ) -> bool;
    /// Anyone: as `claim` for each. What cannot be paid is skipped and named in `RefundRefused`,
    /// what was paid before is passed over; returns how many were paid.
    fn push(ref self: TState, incident: felt252, refunds: Span<Refund>) -> u32;
    /// The caller's own refund, to a wallet instead. False: it was paid before.
    fn claim_to(
        ref self: TState,
        incident: felt252,
        index: u32,
        amount: u128,
        proof: Span<felt252>,
        recipient: ContractAddress,
    ) -> bool;
    /// Anyone, from the expiry on: what is left goes back to who opened it. Returns how much.
    fn close(ref self: TState, incident: felt252) -> u128;

    fn incident(self: @TState, incident: felt252) -> Incident;
    fn uri(self: @TState, incident: felt252) -> ByteArray;
    fn is_claimed(self: @TState, incident: felt252, index: u32) -> bool;
    /// Whether the incident's tree has this leaf.
    fn is_refund(
        self: @TState,
        incident: felt252,
        index: u32,
        account: ContractAddress,
        amount: u128,
        proof: Span<felt252>,
    ) -> bool;
    /// What is left of all incidents that are not closed; 1e-6 USD.
    fn owed(self: @TState) -> u128;
    fn token(self: @TState) -> ContractAddress;
    fn clearinghouse(self: @TState) -> ContractAddress;
}
