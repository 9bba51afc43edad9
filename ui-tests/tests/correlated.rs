#[test]
fn correlated_says_what_to_write_instead() {
    if ui_tests::pinned() {
        trybuild::TestCases::new().compile_fail("cases/correlated/*.rs");
    }
}
