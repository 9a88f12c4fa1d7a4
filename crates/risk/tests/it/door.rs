//! The one door for orders: what must not compile does not.

#[test]
fn approvals_cannot_be_made_copied_read_decoded_or_used_twice() {
    trybuild::TestCases::new().compile_fail("tests/door/*.rs");
}
