#[observed(text)]
#[track_caller]
fn check(&self, text: &str) {
    assert!(!text.is_empty());
}
