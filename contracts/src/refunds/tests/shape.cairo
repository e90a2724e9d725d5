//! The tree's shape, and that the Python side makes the same one.

use crate::refunds::tree::{Domain, leaf_hash, node_hash, root_hash, root_with};

fn domain() -> Domain {
    Domain { chain_id: 0x534e, distributor: 0xd15.try_into().unwrap(), incident: 0x1c1 }
}

/// Account 0x1000 + index, amount 10 x index + 1.
fn leaf(index: u32) -> felt252 {
    let account: felt252 = 0x1000 + index.into();
    leaf_hash(domain(), index, account.try_into().unwrap(), 10 * index.into() + 1)
}

fn total(count: u32) -> u128 {
    let wide: u128 = count.into();
    5 * wide * (wide - 1) + wide
}

#[test]
fn roots_and_proofs_are_those_of_truemark_refunds() {
    // (count, index, root, proof)
    let cases = array![
        (
            1_u32,
            0_u32,
            0x6824658335a6ce84d735aca7c691f2b8e620bec90b93550f873478d54a0d369,
            array![].span(),
        ),
        (
            2_u32,
            1_u32,
            0x633153802eb6327b5748307466eb5ea08749996c104ab38f956b58d74f4178a,
            array![0x7961c9e2c6a73232ad55d9df75c5c4a714260815bcacd7b9751b33e42c38d13].span(),
        ),
        (
            3_u32,
            2_u32,
            0x29f93e45d79f80a86ca79cdf30f71f0390a37f34f4db7daf1cde61b84ac3b2a,
            array![0x7f072df2bb4ef6651a574ae11ed653e57bf26f85b865769b336c1fcb43a506c].span(),
        ),
        (
            4_u32,
            2_u32,
            0x939a51d1298c92b032ea0aeb302c03bfc07327a2f5ca0f1ded15d5c36e35ca,
            array![
                0x71e859f4d8d2253edf10bc1d68c60ddf2de89040ae4cbf4f8300a4189deb37b,
                0x7f072df2bb4ef6651a574ae11ed653e57bf26f85b865769b336c1fcb43a506c,
            ]
                .span(),
        ),
        (
            5_u32,
            3_u32,
            0x172a6d5083b14ce43017af47d4567049de96775ff70a620128a4db71bba6d92,
            array![
                0x5859000622ef2e47db9b7f61cbab2b9ea2990ad39307854f72a1a0fbb40d30d,
                0x7f072df2bb4ef6651a574ae11ed653e57bf26f85b865769b336c1fcb43a506c,
                0x42020450110899c7ef45bee80020186b8bf2b602e6cf3ff344d0abe17354077,
            ]
                .span(),
        ),
        (
            7_u32,
            4_u32,
            0x57bb5d95a7f8236453c6fbe14fe08940aa65df70987c6888b125a84277ad2d8,
            array![
                0x6b94abe9c03bce5523fd4c5c28a1eb711d1d09a26e24d36f86bc4e4d770686d,
                0x4c23759acfd9662c0d017dee1ceb472e075ddff9f73628d8e297a96326cbd94,
                0x2b799e2fa79324db573a4a554fa18f465c5f8f75df68d7dabf503773de831a0,
            ]
                .span(),
        ),
        (
            8_u32,
            5_u32,
            0x447f09a42f185693d5ed846dafefe835b211f9df64eac9f7448684abf0bd20a,
            array![
                0x42020450110899c7ef45bee80020186b8bf2b602e6cf3ff344d0abe17354077,
                0x7756dcdeaeccf46e35e36e36365f7bfa1408b36a28c3f3f14e215c3d22255e1,
                0x2b799e2fa79324db573a4a554fa18f465c5f8f75df68d7dabf503773de831a0,
            ]
                .span(),
        ),
        (
            11_u32,
            7_u32,
            0x13948408db14e8c9f2f3e378190892d76a89333b273e56f6e1eac4791171a76,
            array![
                0x4c23759acfd9662c0d017dee1ceb472e075ddff9f73628d8e297a96326cbd94,
                0x161c58ab3ec0f7ff9ba5c44a95d098d6423bc3c0ab04efcc00a11d8cfb13a2c,
                0x2b799e2fa79324db573a4a554fa18f465c5f8f75df68d7dabf503773de831a0,
                0x6562f6e2f72009bcab92b155cb0d5a00f303f3bfdb3ade4daf3a51ef1262e29,
            ]
                .span(),
        ),
        (
            16_u32,
            10_u32,
            0x574259db32e3ae1d3e52bdcb849747fbecb3ddd92c6fcd5c42fe80fcc7db66c,
            array![
                0x6d360b67dafa93d11fb4f082ea7b2159740f63fa5934a42f40e219cd9c32e17,
                0x746b4f8e59cf0184b6b515e2ac6932b58bd9f650b1516f60f8a96f62966d2f,
                0x3d58b0dc9183507d6e7c653b746aebbd6655dee82740929f71cab479736de03,
                0x1645b3856e3b87717d7379641a457f72d4cd11c9dbab1c331b9d2d302c57650,
            ]
                .span(),
        ),
        (
            33_u32,
            22_u32,
            0x56b45140bf1a95fd8ec0bde0956f73c86534e4521f462a4a0a7ed3b1ba0079,
            array![
                0x2cfe0363a2748e4ea9bc38bf125f4b70483f52645cde71208093287fc7876fa,
                0x5b24bcb32e745a56b8261ad6c9875c40f74c568fccd5c632fdbe1b078f1cc6e,
                0x1eec7f2dff78d61f702bbe103adf90c294c8cd81fe9e70d5500eaf508fe38f9,
                0x77de8066312722c944c54f3d7dfd91d030e6e01034be8b5499fd088eecc7687,
                0x27c25dae4a70261073e077ea105328b23831b9fbe37035ea75a54de5df56a3c,
                0x21ebde64db54397b1f8c081eb11f12c6cd15b85b019dee7eef3c2da4b19e7b7,
            ]
                .span(),
        ),
    ];
    for (count, index, root, proof) in cases {
        assert!(root_with(count, total(count), index, leaf(index), proof) == Some(root));
    }
}

#[test]
fn a_last_node_without_a_sibling_moves_up() {
    // 0 1 2: the third is beside the pair of the others.
    let pair = node_hash(leaf(0), leaf(1));
    let root = root_hash(3, 33, node_hash(pair, leaf(2)));
    assert!(root_with(3, 33, 2, leaf(2), array![pair].span()) == Some(root));
    assert!(root_with(3, 33, 0, leaf(0), array![leaf(1), leaf(2)].span()) == Some(root));
    // One alone is its own top.
    assert!(root_with(1, 1, 0, leaf(0), array![].span()) == Some(root_hash(1, 1, leaf(0))));
}

#[test]
fn a_proof_has_one_length() {
    for (count, index, proof) in array![
        (1_u32, 0_u32, array![7].span()), (2, 0, array![].span()), (2, 0, array![7, 8].span()),
        (3, 2, array![7, 8].span()), (3, 0, array![7].span()), (5, 4, array![7, 8, 9].span()),
        (5, 4, array![].span()),
    ] {
        assert!(root_with(count, 1, index, leaf(index), proof).is_none());
    }
    // Beyond the tree.
    assert!(root_with(2, 12, 2, leaf(2), array![leaf(0)].span()).is_none());
    assert!(root_with(0, 0, 0, leaf(0), array![].span()).is_none());
    let most: u32 = 0xffffffff;
    assert!(root_with(most, 1, most, leaf(0), array![].span()).is_none());
    assert!(root_with(most, 1, most - 1, leaf(0), array![].span()).is_none());
}

#[test]
fn the_index_says_on_which_side_a_leaf_is() {
    let root = root_hash(2, 12, node_hash(leaf(0), leaf(1)));
    assert!(root_with(2, 12, 0, leaf(0), array![leaf(1)].span()) == Some(root));
    assert!(root_with(2, 12, 1, leaf(0), array![leaf(1)].span()) != Some(root));
    assert!(root_with(2, 12, 1, leaf(1), array![leaf(0)].span()) == Some(root));
}

#[test]
fn a_node_is_no_leaf_and_a_root_holds_count_and_total() {
    // A leaf is two felts, a node three, and the tags differ: the pair of two nodes shown as a leaf
    // leads elsewhere, as does the same top under another count or total.
    let pair = node_hash(leaf(0), leaf(1));
    let top = node_hash(pair, node_hash(leaf(2), leaf(3)));
    let root = root_hash(4, total(4), top);
    assert!(
        root_with(2, total(4), 0, pair, array![node_hash(leaf(2), leaf(3))].span()) != Some(root),
    );
    assert!(root_hash(4, total(4) + 1, top) != root && root_hash(3, total(4), top) != root);
}

#[test]
fn a_leaf_is_of_one_chain_distributor_incident_index_account_and_amount() {
    let account = 0x1000.try_into().unwrap();
    let one = leaf_hash(domain(), 0, account, 1);
    let others = array![
        leaf_hash(Domain { chain_id: 1, ..domain() }, 0, account, 1),
        leaf_hash(Domain { distributor: 1.try_into().unwrap(), ..domain() }, 0, account, 1),
        leaf_hash(Domain { incident: 1, ..domain() }, 0, account, 1),
        leaf_hash(domain(), 1, account, 1), leaf_hash(domain(), 0, 0x1001.try_into().unwrap(), 1),
        leaf_hash(domain(), 0, account, 2),
    ];
    for other in others {
        assert!(other != one);
    }
}
