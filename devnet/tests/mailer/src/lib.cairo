//! For the tests of the nodes: it sends and receives messages, and says what time it sees.

#[starknet::interface]
pub trait IMailer<TState> {
    fn send(ref self: TState, to: felt252, payload: Array<felt252>);
    fn touch(ref self: TState);
    /// What the clock said when it was last touched or got a message, and how many messages it got.
    fn seen(self: @TState) -> (u64, u64);
    fn now(self: @TState) -> u64;
}

#[starknet::contract]
pub mod mailer {
    use starknet::get_block_timestamp;
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};
    use starknet::syscalls::send_message_to_l1_syscall;

    #[storage]
    struct Storage {
        time: u64,
        received: u64,
    }

    #[l1_handler]
    fn receive(ref self: ContractState, from_address: felt252, value: felt252) {
        self.time.write(get_block_timestamp());
        self.received.write(self.received.read() + 1);
    }

    #[abi(embed_v0)]
    impl Mailer of super::IMailer<ContractState> {
        fn send(ref self: ContractState, to: felt252, payload: Array<felt252>) {
            send_message_to_l1_syscall(to, payload.span()).unwrap();
        }

        fn touch(ref self: ContractState) {
            self.time.write(get_block_timestamp());
        }

        fn seen(self: @ContractState) -> (u64, u64) {
            (self.time.read(), self.received.read())
        }

        fn now(self: @ContractState) -> u64 {
            get_block_timestamp()
        }
    }
}
