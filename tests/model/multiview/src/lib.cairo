//! Many views of many contracts in one call: what the reference model is compared with.

use starknet::ContractAddress;

#[derive(Drop, Serde)]
pub struct ViewCall {
    pub to: ContractAddress,
    pub selector: felt252,
    pub calldata: Span<felt252>,
}

#[starknet::interface]
pub trait IMultiview<TState> {
    fn read(self: @TState, calls: Array<ViewCall>) -> Array<Span<felt252>>;
}

#[starknet::contract]
pub mod multiview {
    use starknet::SyscallResultTrait;
    use starknet::syscalls::call_contract_syscall;
    use super::ViewCall;

    #[storage]
    struct Storage {}

    #[abi(embed_v0)]
    impl MultiviewImpl of super::IMultiview<ContractState> {
        fn read(self: @ContractState, calls: Array<ViewCall>) -> Array<Span<felt252>> {
            let mut answers = array![];
            for call in calls {
                answers.append(call_contract_syscall(call.to, call.selector, call.calldata).unwrap_syscall());
            }
            answers
        }
    }
}
