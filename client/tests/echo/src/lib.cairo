use starknet::ContractAddress;

#[derive(Drop, Serde)]
pub struct Entry {
    pub market: u8,
    pub price: u64,
}

#[derive(Drop, Serde)]
pub struct Pair<T> {
    pub a: T,
    pub b: Option<T>,
}

#[derive(Drop, Serde)]
pub enum Action {
    Stop,
    Move: Entry,
    Set: (u8, felt252),
}

#[derive(Drop, Serde)]
pub struct Everything {
    pub felt: felt252,
    pub flag: bool,
    pub small: i8,
    pub large: i128,
    pub wide: u256,
    pub wider: u512_type::u512,
    pub address: ContractAddress,
    pub text: ByteArray,
    pub fixed: [u16; 3],
    pub nested: Array<Array<u8>>,
    pub pair_small: Pair<u8>,
    pub pair_wide: Pair<u256>,
    pub action: Action,
    pub actions: Span<Action>,
    pub result: Result<u8, felt252>,
    pub never: Option<()>,
    pub twice: Option<Option<u8>>,
    pub triple: (u8, (i64, bool), felt252),
    pub word: bytes31,
    pub certain: NonZero<u128>,
    pub eth: starknet::EthAddress,
    pub class_hash: starknet::ClassHash,
}

pub mod u512_type {
    pub use core::integer::u512;
}

#[starknet::interface]
pub trait IEcho<T> {
    fn echo(ref self: T, value: Everything) -> Everything;
    fn nothing(self: @T);
    fn fail(self: @T, code: felt252);
    fn fail_long(self: @T);
    fn send(ref self: T, to: felt252, payload: Array<felt252>);
}

#[starknet::component]
pub mod Inner {
    #[storage]
    pub struct Storage {}

    #[event]
    #[derive(Drop, starknet::Event)]
    pub enum Event {
        Paused: Paused,
    }

    #[derive(Drop, starknet::Event)]
    pub struct Paused {
        pub by: felt252,
    }

    #[generate_trait]
    pub impl InternalImpl<T, +HasComponent<T>, +Drop<T>> of InternalTrait<T> {
        fn pause(ref self: ComponentState<T>, by: felt252) {
            self.emit(Paused { by });
        }
    }
}

#[starknet::contract]
pub mod Echo {
    use starknet::ContractAddress;
    use super::{Everything, Inner};

    component!(path: Inner, storage: flat_one, event: FlatEvent);

    impl InnerInternal = Inner::InternalImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        flat_one: Inner::Storage,
    }

    #[event]
    #[derive(Drop, starknet::Event)]
    pub enum Event {
        Transfer: Transfer,
        Mixed: Mixed,
        Deep: Deep,
        #[flat]
        FlatEvent: Inner::Event,
        Empty: Empty,
    }

    #[derive(Drop, starknet::Event)]
    pub struct Transfer {
        #[key]
        pub from: ContractAddress,
        #[key]
        pub to: ContractAddress,
        pub value: u256,
    }

    #[derive(Drop, starknet::Event)]
    pub struct Mixed {
        pub price: u64,
        #[key]
        pub market: u8,
        pub text: ByteArray,
        #[key]
        pub wide: u256,
        pub size: i64,
    }

    #[derive(Drop, starknet::Event)]
    pub enum Deep {
        Left: Left,
    }

    #[derive(Drop, starknet::Event)]
    pub struct Left {
        #[key]
        pub level: u8,
        pub how: Option<u8>,
    }

    #[derive(Drop, starknet::Event)]
    pub struct Empty {}

    #[constructor]
    fn constructor(ref self: ContractState, first: u8, name: ByteArray) {}

    #[l1_handler]
    fn receive(ref self: ContractState, from_address: felt252, amount: u128) {
        self.emit(Empty {});
    }

    #[abi(embed_v0)]
    impl EchoImpl of super::IEcho<ContractState> {
        fn echo(ref self: ContractState, value: Everything) -> Everything {
            let me = starknet::get_contract_address();
            self.emit(Transfer { from: me, to: value.address, value: value.wide });
            self.emit(Mixed { price: 5, market: 3, text: value.text.clone(), wide: value.wide, size: -7 });
            self.emit(Deep::Left(Left { level: 9, how: Option::Some(2) }));
            self.emit(Empty {});
            self.flat_one.pause(value.felt);
            value
        }
        fn nothing(self: @ContractState) {}
        fn fail(self: @ContractState, code: felt252) {
            core::panic_with_felt252(code);
        }
        fn fail_long(self: @ContractState) {
            assert!(false, "a long message, {} characters or more", 31);
        }
        fn send(ref self: ContractState, to: felt252, payload: Array<felt252>) {
            starknet::syscalls::send_message_to_l1_syscall(to, payload.span()).unwrap();
        }
    }
}
