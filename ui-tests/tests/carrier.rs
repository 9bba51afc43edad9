#[test]
fn carrier_says_what_to_write_instead() {
    if ui_tests::pinned() {
        trybuild::TestCases::new().compile_fail("cases/carrier/*.rs");
    }
}
