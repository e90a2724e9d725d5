/// Pays the refunds of incidents from what was funded for them, each once.
///
/// Its token balance is never below `owed`, the sum of total - claimed of the incidents that are
/// not closed.
#[starknet::contract]
pub mod RefundDistributor {
    use core::num::traits::Zero;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePathEntry,
        StoragePointerReadAccess, StoragePointerWriteAccess,
    };
    use starknet::{
        ClassHash, ContractAddress, get_block_timestamp, get_caller_address, get_contract_address,
        get_tx_info,
    };
    use crate::access::component::AccessComponent;
    use crate::clearinghouse::bitmap::mask;
    use crate::clearinghouse::interface::{
        IClearinghouseDispatcher, IClearinghouseDispatcherTrait, IClearinghouseSafeDispatcher,
        IClearinghouseSafeDispatcherTrait,
    };
    use crate::refunds::interface::{IRefundDistributor, Incident, Refund};
    use crate::refunds::tree::{Domain, leaf_hash, root_with};
    use crate::token::interface::{IERC20Dispatcher, IERC20DispatcherTrait};
    use crate::upgrades::component::UpgradeComponent;
    use crate::upgrades::names;
    use crate::upgrades::rules::{assert_nothing_to_migrate, is_halted};

    /// The least time that an incident's refunds can be claimed; seconds.
    const MIN_PERIOD: u64 = 86_400;
    /// Bits of one slot of the bitmap of what was claimed.
    const SLOT_BITS: u32 = 128;

    component!(path: AccessComponent, storage: access, event: AccessEvent);
    component!(path: UpgradeComponent, storage: upgrades, event: UpgradeEvent);

    #[abi(embed_v0)]
    impl AccessImpl = AccessComponent::AccessImpl<ContractState>;
    impl AccessInternal = AccessComponent::InternalImpl<ContractState>;
    #[abi(embed_v0)]
    impl UpgradeImpl = UpgradeComponent::UpgradeImpl<ContractState>;

    #[storage]
    struct Storage {
        #[substorage(v0)]
        access: AccessComponent::Storage,
        #[substorage(v0)]
        upgrades: UpgradeComponent::Storage,
        token: ContractAddress,
        clearinghouse: ContractAddress,
        incidents: Map<felt252, Incident>,
        uris: Map<felt252, ByteArray>,
        /// The sum of total - claimed of the incidents that are not closed.
        owed: u128,
        /// By incident and index / 128.
        claimed: Map<(felt252, u32), u128>,
    }

    #[event]
    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub enum Event {
        #[flat]
        AccessEvent: AccessComponent::Event,
        #[flat]
        UpgradeEvent: UpgradeComponent::Event,
        RefundsOpened: RefundsOpened,
        Refunded: Refunded,
        RefundRefused: RefundRefused,
        RefundsClosed: RefundsClosed,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct RefundsOpened {
        #[key]
        pub incident: felt252,
        #[key]
        pub opener: ContractAddress,
        pub root: felt252,
        pub total: u128,
        pub count: u32,
        pub expiry: u64,
        pub uri: ByteArray,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct Refunded {
        #[key]
        pub incident: felt252,
        #[key]
        pub account: ContractAddress,
        pub index: u32,
        pub amount: u128,
        /// 0: the account's margin account; else the wallet that it chose.
        pub recipient: ContractAddress,
        pub caller: ContractAddress,
    }

    /// One of a batch that was skipped; it changed nothing.
    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct RefundRefused {
        #[key]
        pub incident: felt252,
        #[key]
        pub account: ContractAddress,
        pub index: u32,
        pub reason: felt252,
    }

    #[derive(Drop, Debug, PartialEq, starknet::Event)]
    pub struct RefundsClosed {
        #[key]
        pub incident: felt252,
        #[key]
        pub opener: ContractAddress,
        pub claimed: u128,
        pub left: u128,
    }

    #[constructor]
    fn constructor(
        ref self: ContractState, admin: ContractAddress, clearinghouse: ContractAddress,
    ) {
        self.access.initializer(admin);
        assert(clearinghouse.is_non_zero(), 'REFUND: zero address');
        let token = IClearinghouseDispatcher { contract_address: clearinghouse }.token();
        assert(token.is_non_zero(), 'REFUND: zero address');
        self.token.write(token);
        self.clearinghouse.write(clearinghouse);
    }

    #[abi(embed_v0)]
    impl RefundsImpl of IRefundDistributor<ContractState> {
        fn open(
            ref self: ContractState,
            incident: felt252,
            root: felt252,
            total: u128,
            count: u32,
            uri: ByteArray,
            expiry: u64,
        ) {
            self.access.assert_admin();
            assert(incident != 0, 'REFUND: zero incident');
            assert(self.incidents.read(incident).root == 0, 'REFUND: already open');
            assert(root != 0, 'REFUND: zero root');
            assert(total != 0 && count != 0, 'REFUND: nothing to refund');
            assert(expiry >= get_block_timestamp() + MIN_PERIOD, 'REFUND: expiry too soon');
            let opener = get_caller_address();
            self
                .incidents
                .write(
                    incident,
                    Incident { root, opener, count, expiry, total, claimed: 0, closed: false },
                );
            self.uris.write(incident, uri.clone());
            self.owed.write(self.owed.read() + total);
            self.emit(RefundsOpened { incident, opener, root, total, count, expiry, uri });
            let paid = self.erc20().transfer_from(opener, get_contract_address(), total.into());
            assert(paid, 'REFUND: token transfer failed');
        }

        fn claim(
            ref self: ContractState,
            incident: felt252,
            index: u32,
            account: ContractAddress,
            amount: u128,
            proof: Span<felt252>,
        ) -> bool {
            let found = self.open_incident(incident);
            if !self.take(found, incident, Refund { index, account, amount, proof }) {
                return false;
            }
            self.refunded(incident, index, account, amount, Zero::zero());
            let venue = self.clearinghouse.read();
            self.erc20().approve(venue, amount.into());
            IClearinghouseDispatcher { contract_address: venue }.deposit_for(account, amount);
            true
        }

        #[feature("safe_dispatcher")]
        fn push(ref self: ContractState, incident: felt252, refunds: Span<Refund>) -> u32 {
            let mut found = self.open_incident(incident);
            let token = self.erc20();
            let venue = self.clearinghouse.read();
            let margin = IClearinghouseSafeDispatcher { contract_address: venue };
            let mut paid = 0;
            for refund in refunds {
                let Refund { index, account, amount, .. } = *refund;
                let refused = match self.fault(found, incident, *refund) {
                    Some(reason) => Some(reason),
                    None => {
                        if self.is_claimed(incident, index) {
                            None
                        } else {
                            let before = found;
                            found = self.mark(found, incident, index, amount);
                            token.approve(venue, amount.into());
                            match margin.deposit_for(account, amount) {
                                Ok(()) => {
                                    self.refunded(incident, index, account, amount, Zero::zero());
                                    paid += 1;
                                    None
                                },
                                Err(panic) => {
                                    token.approve(venue, 0);
                                    self.unmark(before, incident, index);
                                    found = before;
                                    Some(reason_of(panic))
                                },
                            }
                        }
                    },
                };
                if let Some(reason) = refused {
                    self.emit(RefundRefused { incident, account, index, reason });
                }
            }
            paid
        }

        fn claim_to(
            ref self: ContractState,
            incident: felt252,
            index: u32,
            amount: u128,
            proof: Span<felt252>,
            recipient: ContractAddress,
        ) -> bool {
            let found = self.open_incident(incident);
            // Nobody could take it from there again.
            assert(
                recipient.is_non_zero()
                    && recipient != get_contract_address()
                    && recipient != self.token.read()
                    && recipient != self.clearinghouse.read(),
                'REFUND: bad recipient',
            );
            let account = get_caller_address();
            if !self.take(found, incident, Refund { index, account, amount, proof }) {
                return false;
            }
            self.refunded(incident, index, account, amount, recipient);
            let paid = self.erc20().transfer(recipient, amount.into());
            assert(paid, 'REFUND: token transfer failed');
            true
        }

        fn close(ref self: ContractState, incident: felt252) -> u128 {
            let found = self.known_incident(incident);
            assert(!found.closed, 'REFUND: closed');
            assert(get_block_timestamp() >= found.expiry, 'REFUND: not expired');
            let left = found.total - found.claimed;
            self.incidents.write(incident, Incident { closed: true, ..found });
            self.owed.write(self.owed.read() - left);
            let (opener, claimed) = (found.opener, found.claimed);
            self.emit(RefundsClosed { incident, opener, claimed, left });
            if left != 0 {
                let paid = self.erc20().transfer(opener, left.into());
                assert(paid, 'REFUND: token transfer failed');
            }
            left
        }

        fn incident(self: @ContractState, incident: felt252) -> Incident {
            self.incidents.read(incident)
        }

        fn uri(self: @ContractState, incident: felt252) -> ByteArray {
            self.uris.read(incident)
        }

        fn is_claimed(self: @ContractState, incident: felt252, index: u32) -> bool {
            let (slot, bit) = place_of(index);
            self.claimed.read((incident, slot)) & bit != 0
        }

        fn is_refund(
            self: @ContractState,
            incident: felt252,
            index: u32,
            account: ContractAddress,
            amount: u128,
            proof: Span<felt252>,
        ) -> bool {
            let found = self.incidents.read(incident);
            found.root != 0
                && self.stands(found, incident, Refund { index, account, amount, proof })
        }

        fn owed(self: @ContractState) -> u128 {
            self.owed.read()
        }

        fn token(self: @ContractState) -> ContractAddress {
            self.token.read()
        }

        fn clearinghouse(self: @ContractState) -> ContractAddress {
            self.clearinghouse.read()
        }
    }

    impl UpgradeHooks of UpgradeComponent::HooksTrait<ContractState> {
        fn name() -> felt252 {
            names::REFUNDS
        }

        fn assert_admin(self: @ContractState) {
            self.access.assert_admin();
        }

        fn assert_admin_or_guardian(self: @ContractState) {
            self.access.assert_admin_or_guardian();
        }

        fn is_halted(self: @ContractState) -> bool {
            is_halted(self.clearinghouse.read())
        }

        fn conserved(self: @ContractState) -> Span<felt252> {
            let balance = self.erc20().balance_of(get_contract_address());
            let owed = self.owed.read();
            assert(balance >= owed.into(), 'UPGRADE: refunds not covered');
            array![
                self.access.Access_admin.read().into(), self.token.read().into(),
                self.clearinghouse.read().into(), owed.into(), balance.try_into().unwrap(),
            ]
                .span()
        }

        fn migrate(ref self: ContractState, classes: Span<ClassHash>, data: Span<felt252>) {
            assert_nothing_to_migrate(classes, data);
        }
    }

    #[generate_trait]
    impl Internal of InternalTrait {
        fn erc20(self: @ContractState) -> IERC20Dispatcher {
            IERC20Dispatcher { contract_address: self.token.read() }
        }

        fn known_incident(self: @ContractState, incident: felt252) -> Incident {
            let found = self.incidents.read(incident);
            assert(found.root != 0, 'REFUND: no such incident');
            found
        }

        fn open_incident(self: @ContractState, incident: felt252) -> Incident {
            let found = self.known_incident(incident);
            assert(get_block_timestamp() < found.expiry, 'REFUND: expired');
            found
        }

        /// Whether the leaf stands in the incident's tree.
        fn stands(
            self: @ContractState, found: Incident, incident: felt252, refund: Refund,
        ) -> bool {
            let chain_id = get_tx_info().unbox().chain_id;
            let domain = Domain { chain_id, distributor: get_contract_address(), incident };
            let Refund { index, account, amount, proof } = refund;
            let leaf = leaf_hash(domain, index, account, amount);
            root_with(found.count, found.total, index, leaf, proof) == Some(found.root)
        }

        /// Why a refund cannot be paid; None of one that was paid before.
        fn fault(
            self: @ContractState, found: Incident, incident: felt252, refund: Refund,
        ) -> Option<felt252> {
            if !self.stands(found, incident, refund) {
                return Some('REFUND: bad proof');
            }
            if refund.amount == 0 {
                return Some('REFUND: amount is zero');
            }
            // A root can lie about its total; one incident never pays with another's money.
            if !self.is_claimed(incident, refund.index) && refund.amount > found.total
                - found.claimed {
                return Some('REFUND: more than the total');
            }
            None
        }

        /// Marks a refund as paid, before its tokens move; false: it was paid before.
        fn take(
            ref self: ContractState, found: Incident, incident: felt252, refund: Refund,
        ) -> bool {
            if let Some(fault) = self.fault(found, incident, refund) {
                core::panic_with_felt252(fault);
            }
            if self.is_claimed(incident, refund.index) {
                return false;
            }
            self.mark(found, incident, refund.index, refund.amount);
            true
        }

        fn mark(
            ref self: ContractState, found: Incident, incident: felt252, index: u32, amount: u128,
        ) -> Incident {
            let (slot, bit) = place_of(index);
            let claimed = self.claimed.entry((incident, slot));
            claimed.write(claimed.read() | bit);
            let after = Incident { claimed: found.claimed + amount, ..found };
            self.incidents.write(incident, after);
            self.owed.write(self.owed.read() - amount);
            after
        }

        /// Takes a mark back that was set in this transaction, `before` being the incident then.
        fn unmark(ref self: ContractState, before: Incident, incident: felt252, index: u32) {
            let (slot, bit) = place_of(index);
            let claimed = self.claimed.entry((incident, slot));
            claimed.write(claimed.read() - bit);
            let amount = self.incidents.read(incident).claimed - before.claimed;
            self.owed.write(self.owed.read() + amount);
            self.incidents.write(incident, before);
        }

        fn refunded(
            ref self: ContractState,
            incident: felt252,
            index: u32,
            account: ContractAddress,
            amount: u128,
            recipient: ContractAddress,
        ) {
            let caller = get_caller_address();
            self.emit(Refunded { incident, account, index, amount, recipient, caller });
        }
    }

    /// Slot and bit of an index.
    fn place_of(index: u32) -> (u32, u128) {
        let (slot, bit) = DivRem::div_rem(index, SLOT_BITS.try_into().unwrap());
        (slot, mask(bit.try_into().unwrap()))
    }

    fn reason_of(panic: Array<felt252>) -> felt252 {
        match panic.get(0) {
            Some(reason) => *reason.unbox(),
            None => 'REFUND: refused',
        }
    }
}
