//! What `observe!` refuses, and how it says so.

#[test]
fn mistakes_are_told_at_their_tokens() {
    if ui_tests::pinned() {
        trybuild::TestCases::new().compile_fail("cases/observe/*.rs");
    }
}
