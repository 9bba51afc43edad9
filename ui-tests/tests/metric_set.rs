//! What `#[derive(MetricSet)]` says of mistakes.

#[test]
fn every_mistake_is_told_at_its_token() {
    if ui_tests::pinned() {
        trybuild::TestCases::new().compile_fail("cases/metric_set/*.rs");
    }
}
