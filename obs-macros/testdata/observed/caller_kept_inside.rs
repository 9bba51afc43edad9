#[observed(value)]
#[track_caller]
fn first<T: Clone, const N: usize>((value, _): ([T; N], u8)) -> Option<T> {
    value.first().cloned()
}
